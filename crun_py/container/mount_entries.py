"""What is asked to be mounted, as entries of a container's record.  Pure."""

from __future__ import annotations

import os

from crun_py import quantity, volumes
from crun_py.errors import InvalidArgument
from crun_py.model.container import Bind, ImageMount, KernelMount, Tmpfs, VolumeMount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.documents.container import MountEntry
    from crun_py.model.container import CreateRequest, Mount


def chosen(mounts: Iterable[Mount]) -> dict[str, MountEntry]:
    """What is asked for, as entries of the record, by destination.

    Raises InvalidArgument when two have one destination; the very same one twice counts once.
    """
    found: dict[str, tuple[Mount, MountEntry]] = {}
    for mount in mounts:
        entry = entry_of(mount)
        destination = entry["destination"]
        first = found.setdefault(destination, (mount, entry))[0]
        if first != mount:
            raise InvalidArgument(
                f"mounting {destination}: two mounts have this destination: "
                f"{described(first)} and {described(mount)}"
            )
    return {destination: entry for destination, (_, entry) in found.items()}


def described(mount: Mount) -> str:
    """For an error: how it may have been written."""
    if isinstance(mount, (Tmpfs, KernelMount)):
        return f"{getattr(mount, 'kind', 'tmpfs')} {mount.target}"
    source = mount.source if isinstance(mount, Bind) else getattr(mount, "name", "")
    if isinstance(mount, ImageMount):
        return f"image {mount.image}:{mount.target}"
    return ":".join(filter(None, (source, mount.target, mount.mode)))


def entry_of(mount: Mount) -> MountEntry:
    """The record's entry for a mount.  Raises InvalidArgument."""
    what = described(mount)
    source = mount.source if isinstance(mount, Bind) else None
    entry: MountEntry = {
        "type": "tmpfs", "name": "", "source": source or "",
        "destination": volumes.check_destination(mount.target, what),
        "rw": True, "mode": "", "options": [], "copy": True, "create": True,
    }  # fmt: skip
    if not (isinstance(mount, Tmpfs) and entry["destination"].startswith("/sys/")):
        volumes.check_place(entry["destination"], what, source)
    if isinstance(mount, Tmpfs):
        check_tmpfs(mount.options, what)
        own: MountEntry = {**entry, "options": [*mount.options]}
        return own | {"chown": True} if mount.chown else own
    if isinstance(mount, KernelMount):
        if mount.kind not in KERNEL_MOUNTS:
            raise InvalidArgument(f"mounting {what}: the type is not one of {[*KERNEL_MOUNTS]}")
        return {**entry, "type": mount.kind, "options": [*mount.options]}
    if isinstance(mount, ImageMount):
        part: MountEntry = {**entry, "type": "image", "name": mount.image, "rw": mount.writable}
        return part | {"subpath": _part(mount.subpath, "image")} if mount.subpath else part
    entry["rw"], entry["mode"] = not mount.read_only, mount.mode
    entry["options"] = [*mount.flags, *([mount.propagation] if mount.propagation else [])]
    if isinstance(mount, Bind):
        if not os.path.isabs(mount.source):
            raise InvalidArgument(f"mounting {mount.source!r}: not an absolute path")
        entry |= {"type": "bind", "create": mount.create}
        entry["options"] += [] if mount.recursive else ["norbind"]
        entry["options"] += [] if mount.read_only_below else ["norro"]
        if mount.subpath:
            if mount.idmapped or mount.chown or mount.overlay:
                raise InvalidArgument(f"mounting {what}: a part of it goes without U, O or idmap")
            entry |= {"subpath": _part(mount.subpath, "bind")}
    else:
        entry |= {"type": "volume", "name": mount.name, "copy": mount.copy}
        if mount.name:
            volumes.check_name(mount.name)
        if mount.subpath:
            entry |= {"subpath": _subpath(mount), "copy": False, "create": mount.create}
    if mount.chown:
        entry["chown"] = True
    if mount.idmapped and not mount.id_map:
        entry["idmap"] = True
    if mount.overlay:
        entry["overlay"] = True
    if mount.relabel:
        if mount.relabel not in volumes.RELABEL.values():
            raise InvalidArgument(f"mounting {what}: relabel is shared or private")
        entry["relabel"] = mount.relabel
    return entry


def _subpath(mount: VolumeMount) -> str:
    """The part of a volume that is mounted.  Raises InvalidArgument."""
    path = _part(mount.subpath, "volume")
    if not mount.name or mount.idmapped or mount.chown or mount.overlay:
        raise InvalidArgument(
            f"volume subpath {path!r}: of a volume with a name, without U, O or idmap"
        )
    return path


def _part(path: str, of: str) -> str:
    path = path.removeprefix("/") if of == "image" else path
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise InvalidArgument(f"{of} subpath {path!r}: a path within the {of}, without ..")
    return os.path.normpath(path)


_TMPFS_WORDS = frozenset(
    "ro rw suid nosuid dev nodev exec noexec atime noatime diratime nodiratime relatime "
    "strictatime tmpcopyup notmpcopyup".split()
)
_TMPFS_SIZES = ("size", "nr_blocks", "nr_inodes")
_TMPFS_NUMBERS = {"uid": 10, "gid": 10, "mode": 8}


def check_tmpfs(options: Iterable[str], what: str) -> None:
    """Raises InvalidArgument for an option that tmpfs(5) does not have, or a value that is none."""
    for option in options:
        name, equals, value = option.partition("=")
        if not equals and option in _TMPFS_WORDS:
            continue
        if equals and name in _TMPFS_SIZES:
            number = value[:-1] if value[-1:].lower() in ("k", "m", "g", "%") else value
            if quantity.is_number(number):
                continue
        elif equals and name in _TMPFS_NUMBERS:
            digits = "01234567" if _TMPFS_NUMBERS[name] == 8 else "0123456789"
            if value and len(value) < 11 and not set(value) - set(digits):
                continue
        raise InvalidArgument(f"mounting {what}: option {option!r} is not one of a tmpfs")


def wanted_volumes(request: CreateRequest) -> dict[str, VolumeMount]:
    """Those that are asked for, by destination."""
    found = (mount for mount in request.mounts if isinstance(mount, VolumeMount))
    return {volumes.check_destination(m.target, described(m)): m for m in found}


KERNEL_MOUNTS = {"ramfs": (), "devpts": ("newinstance", "ptmxmode=0666")}
"""Types of file systems that the kernel makes, and what belongs to each."""


def flags(entry: MountEntry, kind: str) -> list[str]:
    """The options of a tmpfs and the like, with docker's where nothing else is said."""
    given = entry["options"]
    opposites = {"nosuid": "suid", "nodev": "dev", "noexec": "exec"}
    if kind == "devpts":
        del opposites["nodev"]  # nothing but devices is there
    return [*(name for name, other in opposites.items() if other not in given), *given]
