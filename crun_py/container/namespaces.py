"""Which namespaces a container shares, and with whom.

The record holds a word for each kind: "private", "host" or "container:ID"; ipc also
"shareable" (which all of ours are) and "none" (without /dev/shm).
"""

from __future__ import annotations

import os

from crun_py import state
from crun_py._native import check, lib
from crun_py.errors import Conflict, CrunpyError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from crun_py.documents.container import Namespaces as Words
    from crun_py.documents.spec import LinuxNamespace
    from crun_py.model.container import Namespaces
    from crun_py.paths import Paths
    from crun_py.state import Container

    Kind = Literal["pid", "ipc", "uts", "cgroup"]

_WORDS: dict[Kind, tuple[str, ...]] = {
    "pid": ("private", "host", "container:"),
    "ipc": ("private", "shareable", "none", "host", "container:"),
    "uts": ("private", "host", "container:"),
    "cgroup": ("private", "host", "container:"),
}
_OPTIONS = {"cgroup": "cgroupns"}


def chosen(paths: Paths, asked: Namespaces) -> Words:
    """The words for the record.  Raises InvalidArgument, NotFound."""
    return {
        "pid": _chosen(paths, "pid", asked.pid),
        "ipc": _chosen(paths, "ipc", asked.ipc),
        "uts": _chosen(paths, "uts", asked.uts),
        "cgroup": _chosen(paths, "cgroup", asked.cgroup),
    }


def _chosen(paths: Paths, kind: Kind, text: str) -> str:
    words = _WORDS[kind]
    mode, colon, name = text.partition(":")
    if mode + colon not in words or (colon and not name):
        raise InvalidArgument(
            f"{_OPTIONS.get(kind, kind)} namespace {text!r}: not known",
            hint="known: " + ", ".join(w + "NAME" * w.endswith(":") for w in words),
        )
    return _of_container(paths, kind, name) if colon else text


def _of_container(paths: Paths, kind: Kind, name: str) -> str:
    """The word for a namespace of the container `name`, which may be another's or the host's."""
    other = state.find(paths, name)
    word = other.record["namespaces"][kind]
    if kind == "ipc" and word in ("private", "none"):
        raise InvalidArgument(
            f"joining the ipc namespace of container {other.name}: it is {word}",
            hint=f"make {other.name} with --ipc shareable",
        )
    return word if word == "host" or word.startswith("container:") else f"container:{other.id}"


def listed(network_mode: str, words: Words, *, own_user: bool) -> list[LinuxNamespace]:
    """The spec's `namespaces`: those of the host are absent, a shared one has a path."""
    found: list[LinuxNamespace] = [{"type": "mount"}]
    if own_user:
        found.append({"type": "user"})
    for kind, word in _by_kind(words):
        if word.startswith("container:"):
            found.append({"type": kind, "path": word})
        elif word != "host":
            found.append({"type": kind})
    if network_mode.startswith("container:"):
        found.append({"type": "network", "path": network_mode})
    elif network_mode.startswith("ns:"):
        found.append({"type": "network", "path": network_mode.partition(":")[2]})
    elif network_mode != "host":
        found.append({"type": "network"})
    return found


def _by_kind(words: Words) -> list[tuple[Kind, str]]:
    kinds: tuple[Kind, ...] = ("pid", "ipc", "uts", "cgroup")
    return [(kind, words[kind]) for kind in kinds]


def join(container: Container) -> dict[str, int]:
    """Descriptors of the namespaces of other containers that `container` shares, but for the
    network's, by the spec's names; the caller closes them.  Raises Conflict."""
    joined: dict[str, int] = {}
    try:
        for kind, word in _by_kind(container.record["namespaces"]):
            if word.startswith("container:"):
                pid = _running(container, word)
                path = f"/proc/{pid}/ns/{kind}"
                joined[kind] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        close(joined)
        raise CrunpyError.from_os("joining a namespace of another container", e) from e
    except CrunpyError:
        close(joined)
        raise
    return joined


def user(container: Container) -> int:
    """A descriptor of the user namespace for a start of `container`, -1 for none."""
    found = container.record["userns"]
    if not found:
        return -1
    if not found["mode"].startswith("container:"):
        from crun_py.ns import idmap

        return idmap.new_namespace(idmap.Ids(found["uids"], found["gids"]))
    other = state.load(container.paths, found["mode"].partition(":")[2])
    status = other.status()
    if not status.running:
        raise Conflict(
            f"joining the user namespace of container {other.name}: it is not running",
            hint=f"crunpy start {other.name}",
        )
    return os.open(f"/proc/{status.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def close(descriptors: dict[str, int]) -> None:
    """Close what `join` or `shared_mounts` opened."""
    for fd in descriptors.values():
        os.close(fd)


def shared_mounts(container: Container) -> dict[str, int]:
    """What belongs to a namespace that is shared with another container, as detached mounts
    by the destinations of the spec's mounts that they are for: the /dev/shm of an ipc namespace,
    the procfs of a pid namespace.  Raises CrunpyError."""
    found: dict[str, int] = {}
    words = container.record["namespaces"]
    for word, path in ((words["ipc"], "/dev/shm"), (words["pid"], "/proc")):
        if word.startswith("container:"):
            try:
                found[path] = _mount_of(_running(container, word), path)
            except OSError as e:
                close(found)
                raise CrunpyError.from_os(f"sharing {path} of another container", e) from e
            except CrunpyError:
                close(found)
                raise
    return found


def _mount_of(pid: int, path: str) -> int:
    """The mount at `path` of the process `pid`, without what is mounted below it."""
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        tree = check(lib.crunpy_clone_tree(namespace, path.encode(), 0), path)
    finally:
        os.close(namespace)
    # whoever is root in there may have mounted something else
    if path == "/proc" and not lib.crunpy_is_procfs(tree):
        os.close(tree)
        raise CrunpyError("sharing /proc of another container: something else is mounted there")
    return tree


def _running(container: Container, word: str) -> int:
    """The pid of the container that `word` names.  Raises Conflict when it does not run."""
    other = state.load(container.paths, word.partition(":")[2])
    status = other.status()
    if not status.running:
        raise Conflict(
            f"joining a namespace of container {other.name}: it is not running",
            hint=f"crunpy start {other.name}",
        )
    return status.pid
