"""Pods on disk: containers that share namespaces, a life and a name.

    ROOT/pods/ID/pod.json      what was asked; written last, so that a pod without is half made or
                               half removed: the next sweep removes what is left
    ROOT/pods/ID/lock          held while it is made or removed, and while a container joins it
    ROOT/pods/ID/root          the empty directory that its infra container has as its root
    ROOT/containers/.names/N   symlink to pod:ID

Which containers are a pod's is said by them (container.json, `pod`).  The namespaces are held by
one of them, the infra container: it has no image and no command.
"""

from __future__ import annotations

import os

from crun_py import jsonfile, state
from crun_py.errors import Conflict, CorruptState, Gone, InvalidArgument, NotFound
from crun_py.shapes import POD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.pod import Pod as Record
    from crun_py.paths import Paths
    from crun_py.state import Container

VERSION = 1
SHARED = ("cgroup", "ipc", "net", "pid", "uts")
"""The namespaces that containers of a pod can share."""


class Pod:
    """One pod: its record (pod.json) and where its files are."""

    __slots__ = ("id", "paths", "record")

    def __init__(self, paths: Paths, record: Record) -> None:
        self.paths, self.record = paths, record
        self.id = record["id"]

    @property
    def name(self) -> str:
        return self.record["name"]

    @property
    def directory(self) -> str:
        return self.paths.pod(self.id)

    def lock(self, timeout_s: float | None = None) -> jsonfile.Lock:
        """Held while a container joins it, and while it is removed.  Entering it raises Gone when
        the pod has been removed."""
        return lock(self.paths, self.id, timeout_s)

    def containers(self) -> list[Container]:
        """Its containers, the infra container first, then the oldest first."""
        return members(self.paths, self.id)


def lock(paths: Paths, pod_id: str, timeout_s: float | None = None) -> jsonfile.Lock:
    """The lock of a pod, which may be half made."""
    gone = lambda: Gone(f"no such pod: {pod_id[:12]}: it was removed just now")  # noqa: E731
    return jsonfile.Lock(paths.pod(pod_id) + "/lock", timeout_s=timeout_s, gone=gone)


def members(paths: Paths, pod_id: str) -> list[Container]:
    """The containers that say that they are of this pod, the infra container first, then the oldest
    first."""
    found = [c for c in state.every(paths) if c.record.get("pod") == pod_id]
    return in_order(found[::-1])


def in_order(members: list[Container]) -> list[Container]:
    """`members`, the infra container first."""
    return sorted(members, key=lambda c: not c.record.get("infra"))


def load(paths: Paths, pod_id: str) -> Pod:
    """The pod with this full id.  Raises NotFound, CorruptState."""
    try:
        record = jsonfile.read(paths.pod(pod_id) + "/pod.json", POD)
    except FileNotFoundError:
        raise NotFound(f"no such pod: {pod_id[:12]}") from None
    except CorruptState:
        record = {}
    if record.get("id") != pod_id:
        raise CorruptState(
            f"reading pod {pod_id[:12]}: its pod.json is damaged",
            hint=f"remove it: crunpy pod rm -f {pod_id[:12]}",
        )
    return Pod(paths, record)


def ids(paths: Paths) -> list[str]:
    """The ids of all pods, in no order; also of those that are half made."""
    try:
        return [name for name in os.listdir(paths.pods) if len(name) == 64]
    except FileNotFoundError:
        return []


def resolve(paths: Paths, text: str) -> str:
    """The full id that a name, an id or a unique beginning of an id means.

    Raises NotFound, or InvalidArgument when several ids begin so.
    """
    if text and "/" not in text and text not in (".", ".."):
        holder = state.name_holder(paths, text) or ""
        pod_id = holder.removeprefix(state.POD)
        if pod_id != holder and os.path.exists(paths.pod(pod_id) + "/pod.json"):
            return pod_id
        if not text.strip("0123456789abcdef"):
            matches = [i for i in ids(paths) if i.startswith(text)]
            if len(matches) > 1:
                raise InvalidArgument(f"pod id {text}: {len(matches)} pods begin so")
            if matches:
                return matches[0]
    raise NotFound(f"no pod with name or ID {text} found: no such pod", hint="crunpy pod ps")


def find(paths: Paths, text: str) -> Pod:
    """The pod that `text` means.  Raises NotFound, InvalidArgument, CorruptState."""
    return load(paths, resolve(paths, text))


def every(paths: Paths) -> list[Pod]:
    """All pods, newest first; what cannot be read is left out."""
    found = []
    for pod_id in ids(paths):
        try:
            found.append(load(paths, pod_id))
        except (NotFound, CorruptState):
            continue
    found.sort(key=lambda pod: pod.record["created"], reverse=True)
    return found


def names(paths: Paths) -> dict[str, str]:
    """The names of all pods by their ids."""
    return {pod.id: pod.name for pod in every(paths)}


def abandoned(paths: Paths) -> list[str]:
    """The ids of pods that are half made or half removed, with nobody at it."""
    found = []
    for pod_id in ids(paths):
        if os.path.exists(paths.pod(pod_id) + "/pod.json"):
            continue
        try:
            with lock(paths, pod_id, timeout_s=0):
                if not os.path.exists(paths.pod(pod_id) + "/pod.json"):
                    found.append(pod_id)
        except (Conflict, NotFound):
            continue  # its maker lives; or it is gone by now
    return found


def state_of(states: list[str]) -> str:
    """What a pod is whose containers are in these states, in podman's words (podman-pod-ps(1))."""
    counts = {"Running": 0, "Paused": 0, "Exited": 0}
    for word in states:
        word = {"running": "Running", "stopping": "Running", "restarting": "Running",
                "paused": "Paused", "exited": "Exited"}.get(word, "")  # fmt: skip
        if word:
            counts[word] += 1
    for word, count in counts.items():
        if count and count == len(states):
            return word
    if counts["Running"]:
        return "Degraded"
    return "Stopped" if counts["Exited"] else "Paused" if counts["Paused"] else "Created"
