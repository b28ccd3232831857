"""SELinux labels of a container: which it gets, and what of the host's files gets them.

Imported only where the kernel runs with SELinux, or a container was made there.
"""

from __future__ import annotations

import errno
import os

from crun_py import notices, state
from crun_py.errors import CrunpyError
from crun_py.jsonfile import read_bytes
from crun_py.ns import selinux
from crun_py.tree import set_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import MountEntry, Record
    from crun_py.documents.spec import Spec
    from crun_py.model.container import Security
    from crun_py.paths import Paths
    from crun_py.state import Container


def decide(
    paths: Paths, record: Record, security: Security, *, systemd: bool
) -> selinux.Labels | None:
    """The labels of a new container; None where there are none to have.

    As podman's: nothing confines one that is privileged, or sees the host's processes or its
    shared memory; who shares another container's has its label.  Raises InvalidArgument,
    CrunpyError.
    """
    if not selinux.enabled():
        return None
    words = [record["namespaces"]["pid"], record["namespaces"]["ipc"]]
    options = [*security.labels]
    if security.privileged or "host" in words:
        options.append("disable")
    for word in words:
        if word.startswith("container:"):
            other = state.load(paths, word.partition(":")[2]).record.get("selinux")
            options += selinux.options_of(other["process"] if other else "")
    return selinux.decide(options, systemd=systemd, is_free=lambda level: _is_free(paths, level))


def free_level(paths: Paths) -> str:
    """A level that no container of the store has.  Raises CrunpyError."""
    return selinux.free_level(lambda level: _is_free(paths, level))


def _is_free(paths: Paths, level: str) -> bool:
    """Whether no container of the store has a level.  The text is looked for: to make records of
    1,000 files takes ten times as long; two who choose at once have one chance in 500,000 to meet.
    """
    wanted = f':{level}"'.encode()
    for container_id in state.ids(paths):
        try:
            if wanted in read_bytes(paths.container(container_id) + "/container.json"):
                return False
        except FileNotFoundError:  # removed meanwhile
            continue
    return True


def layers(paths: Paths, used: list[str]) -> None:
    """Label directories of layers, and the place of those to come; made before SELinux was on, or
    by a build.  Raises CrunpyError."""
    label = selinux.of_layers()
    for path in used if label else ():
        if _label_of(path) != label:
            _set(path, label)
    place = paths.root + "/layers"
    if label and os.path.isdir(place) and _label_of(place) != label:
        os.setxattr(place, selinux.XATTR, label.encode())


def own_files(container: Container, spec: Spec) -> None:
    """Label the engine's files that are mounted in a container: hosts, passwd and the like.

    Raises CrunpyError."""
    found = container.record["selinux"]
    for entry in spec["mounts"]:
        source = entry.get("source", "")
        if entry.get("type") == "bind" and os.path.dirname(source) == container.directory:
            _set(source, found["mount"])


def relabel(container: Container | None, entry: MountEntry, record: Record, store: str) -> None:
    """Give the source of a mount of the record, and all below it, the label that z or Z asks for.

    container: one that starts again, for which what is labelled so already is left as it is.
    store: the path of the store.  Raises InvalidArgument for a directory of the host's own,
    CrunpyError."""
    found = record.get("selinux")
    how = entry.get("relabel")
    if not found or not how:
        return
    wanted = selinux.shared(found["mount"]) if how == "shared" else found["mount"]
    source = entry["source"]
    if entry["type"] == "bind":
        selinux.check_relabel(source, store)
    if container is None or _label_of(source) != wanted:
        _set(source, wanted)


def again(container: Container) -> None:
    """At a start: what z and Z ask for, of mounts that were labelled otherwise meanwhile, or made
    anew (a tmpfs, after a boot).  Raises CrunpyError."""
    for entry in container.record["mounts"]:
        relabel(container, entry, container.record, container.paths.root)


def _label_of(path: str) -> str:
    try:
        return os.getxattr(path, selinux.XATTR).rstrip(b"\0").decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _set(path: str, label: str) -> None:
    """Raises CrunpyError.  A file system without labels (NFS, vfat) has one for all, which a
    warning says."""
    try:
        set_attribute(path, selinux.XATTR, label.encode())
    except OSError as e:
        if e.errno == errno.ENOTSUP:
            notices.warn(f"{path}: its file system has no SELinux labels")
            return
        raise CrunpyError.from_os(f"giving {path} the SELinux label {label}", e) from e
