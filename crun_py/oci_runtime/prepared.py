"""Mounts that cannot be made by the container's first process: they are made before, detached, and
attached by their descriptors (open_tree(2))."""

from __future__ import annotations

import os

from crun_py import ns
from crun_py._native import check, ffi, lib
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.ns import idmap
from crun_py.overlay.mapped import tree_of
from crun_py.runtime.mount_options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import Mount, Spec


def mounts(spec: Spec, joined: dict[str, int], userns: int, place: str) -> dict[str, int]:
    """Descriptors of detached mounts by the destinations of the mounts that they stand for.

    joined: descriptors of namespaces that are there already.  userns: that of the container's user
    namespace, -1 if it has none.  place: an empty directory of ours.  Raises CrunpyError.
    """
    made: dict[str, int] = {}
    for entry in spec["mounts"]:
        if entry.get("type") == "proc" and "pid" in joined:
            made[entry["destination"]] = _procfs(joined["pid"])
        elif entry.get("type") == "tmpfs" and "tmpcopyup" in entry.get("options", ()):
            made[entry["destination"]] = _filled(entry, spec["root"]["path"], place)
        elif "uidMappings" in entry or {"idmap", "ridmap"} & {*entry.get("options", ())}:
            made[entry["destination"]] = _mapped(entry, userns)
    return made


def _mapped(entry: Mount, userns: int) -> int:
    """A bind mount that shows its files with other owners: those that its mappings say, else those
    of the container's user namespace (config.md, "Linux mount options": idmap)."""
    options = Options(entry.get("options", []))
    own = -1
    if entry.get("uidMappings"):
        uids, gids = idmap.rows(entry["uidMappings"]), idmap.rows(entry["gidMappings"])
        own = idmap.new_namespace(idmap.Ids(uids, gids))
    elif userns < 0:
        raise InvalidArgument(
            f"mounting {entry['destination']} with mapped ids: it has no mappings, and the "
            "container no user namespace"
        )
    try:
        return tree_of(entry.get("source", ""), recursive=options.recursive,
                       userns=own if own >= 0 else userns, below=options.mapped_below)  # fmt: skip
    except CrunpyError as e:
        raise CrunpyError(
            f"mounting {entry['destination']} with mapped ids: {e.message}",
            hint="not every file system can: ext4, xfs, btrfs and tmpfs can",
        ) from e
    finally:
        if own >= 0:
            os.close(own)


def _procfs(pid_namespace: int) -> int:
    """What a procfs shows is the pid namespace of who mounts it; the container's first process
    enters one that is there last of all."""

    def become() -> None:
        check(lib.crunpy_unshare(ns.CLONE_NEWNS), "unshare")
        flags = ns.MS_REC | ns.MS_PRIVATE
        check(lib.crunpy_mount(b"none", b"/", ffi.NULL, flags, ffi.NULL), "mount /")
        check(lib.crunpy_setns(pid_namespace, ns.CLONE_NEWPID), "setns")
        inside = os.fork()
        if not inside:
            quiet = ns.NOSUID | ns.NODEV | ns.NOEXEC
            result = lib.crunpy_mount(b"proc", b"/proc", b"proc", quiet, ffi.NULL)
            os._exit(-result)
        if error := os.waitstatus_to_exitcode(os.waitpid(inside, 0)[1]):
            raise OSError(abs(error), os.strerror(abs(error)), "/proc")

    def prepare(pid: int) -> int:
        namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(check(lib.crunpy_clone_tree(namespace, b"/proc", 0), "/proc"))
        finally:
            os.close(namespace)

    return idmap.from_child("mounting the procfs of a pid namespace", become, prepare)


def _filled(entry: Mount, root: str, place: str) -> int:
    from crun_py.container.copied_up import filled
    from crun_py.overlay import mount

    def open_root() -> int:
        mount.own_namespace()
        return os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    return filled(entry, open_root, place, lambda uid, gid: (uid, gid))
