"""A pod once more: what is written of it and its containers, under other ids and names.

Their documents are whole: what they were asked for and what was decided then.  So a copy is the
same text with other ids in it, which are random: they stand for nothing else.
"""

from __future__ import annotations

import os
import re

from crun_py import jsonfile, pods, state
from crun_py.clock import now
from crun_py.container import create, labelling
from crun_py.container import pods as made
from crun_py.errors import Unsupported
from crun_py.model.container import CreateRequest
from crun_py.ns import selinux
from crun_py.paths import private_dir
from crun_py.pods import Pod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from crun_py.documents.container import Record
    from crun_py.documents.pod import Pod as PodRecord
    from crun_py.documents.spec import Spec
    from crun_py.paths import Paths
    from crun_py.state import Container

    T = TypeVar("T")

_FILES = ("passwd", "group")


def clone(pod: Pod, name: str = "") -> Pod:
    """Make a pod like `pod`, with containers like its own; what these have written is not copied.

    name: NAME-clone unless given, as those of the containers are.  Raises Conflict when it is
    taken, Unsupported, NotFound when the pod is gone; nothing is left then.
    """
    paths = pod.paths
    if name:
        state.check_name(name, "pod")
    with pod.lock():
        members = pod.containers()
        for container in members:
            _check(container)
        ids = {old: state.new_id() for old in (pod.id, *(c.id for c in members))}
        levels = _levels(paths, members)
        pod_id = ids[pod.id]
        directory = private_dir(paths.pod(pod_id))
        try:
            with pods.lock(paths, pod_id):
                name = name or _free_name(pod, pod.name)
                state.take_name(paths, name, state.POD + pod_id)
                _make_roots(pod.directory, directory)
                for container in members:
                    _clone(pod, name, container, ids, levels)
                own: PodRecord = {**_renumbered(pod.record, ids), "name": name, "created": now()}
                jsonfile.write(directory + "/pod.json", own)
        except BaseException:
            made.discard(paths, pod_id)
            raise
    found = Pod(paths, own)
    made.event(found, "create")
    return found


def _make_roots(old: str, new: str) -> None:
    """The empty directories that the infra container's root is made of (mapped-…: with the owners
    of its user namespace)."""
    for entry in os.scandir(old):
        if entry.is_dir(follow_symlinks=False):
            about = entry.stat(follow_symlinks=False)
            os.mkdir(f"{new}/{entry.name}")
            os.chmod(f"{new}/{entry.name}", about.st_mode & 0o7777)
            os.chown(f"{new}/{entry.name}", about.st_uid, about.st_gid)


def _check(container: Container) -> None:
    record = container.record
    own = f"/pods/{record['pod']}/volumes/"
    if any(own in entry["source"] for entry in record["mounts"]):
        raise Unsupported(
            f"cloning container {container.name}: its volumes are its pod's alone",
            hint="crunpy kube play of its manifest, with another name",
        )
    if record["userns"] and record["userns"]["mode"] == "auto":
        raise Unsupported(
            f"cloning container {container.name}: no other one may have its ids (--userns auto)",
            hint="crunpy pod create, with the options again",
        )


def _free_name(pod: Pod, name: str) -> str:
    """As podman makes it: NAME-clone, NAME-clone1 …"""
    found, number = f"{name}-clone", 0
    while state.name_holder(pod.paths, found):
        number += 1
        found = f"{name}-clone{number}"
    return found


def _renumbered(document: T, ids: dict[str, str]) -> T:
    """A document with the new ids in the place of the old ones, also where they are shortened."""
    text = jsonfile.dumps(document)
    for length in (64, 12):
        for old, new in ids.items():
            text = text.replace(old[:length], new[:length])
    found: T = jsonfile.loads(text.encode())
    return found


def _levels(paths: Paths, members: list[Container]) -> dict[str, str]:
    """The SELinux levels of containers, and those that copies get: what is theirs must not be the
    originals'.  One that was asked for stays."""
    found: dict[str, str] = {}
    for container in members:
        labels = container.record.get("selinux")
        asked = any("level:" in one for one in container.record["host"].get("security_opt", []))
        if labels and labels["process"] and not asked:
            level = selinux.level_of(labels["process"])
            found[level] = found.get(level) or labelling.free_level(paths)
    return found


def relabelled(document: T, levels: dict[str, str]) -> T:
    """A document in whose labels levels are others."""
    text = jsonfile.dumps(document)
    for old, new in levels.items():
        text = re.sub(rf":{re.escape(old)}(?![\d.,])", f":{new}", text)
    found: T = jsonfile.loads(text.encode())
    return found


def _clone(
    pod: Pod, name: str, container: Container, ids: dict[str, str], levels: dict[str, str]
) -> None:
    """Make one container anew; name: the new pod's."""
    old = container.record
    record: Record = relabelled(_renumbered(old, ids), levels)
    document: Spec = relabelled(_renumbered(container.spec(), ids), levels)
    usual = record["name"] != old["name"]  # an infra container's, of its pod's id
    record["name"] = record["name"] if usual else _free_name(pod, old["name"])
    record["created"] = now()
    host = record["host"]  # files of the host that are one container's
    host.pop("pidfile", None), host.pop("conmon_pidfile", None), host.pop("cidfile", None)
    if old["hostname"] == pod.name:
        record["hostname"] = name
        if document.get("hostname"):
            document["hostname"] = name
        for variables in (record["config"]["env"], document["process"]["env"]):
            variables[:] = [f"HOSTNAME={name}" if one == f"HOSTNAME={pod.name}" else one
                            for one in variables]  # fmt: skip
    for join in record["network"]["networks"]:
        join["aliases"] = [name if alias == pod.name else alias for alias in join["aliases"]]
    for entry in record["mounts"]:
        if entry.get("anonymous"):
            other = state.new_id()
            document = _renumbered(document, {entry["name"]: other})
            entry["source"] = entry["source"].replace(entry["name"], other)
            entry["name"] = other
    files = {
        file: jsonfile.read_bytes(f"{container.directory}/{file}")
        for file in _FILES
        if os.path.exists(f"{container.directory}/{file}")
    }
    layers = [os.path.join(pod.paths.root, layer) for layer in record["layers"]]
    durable = not record["auto_remove"]
    create.write(pod.paths, CreateRequest(), record, document, layers, files, durable=durable)
