"""`volume create -o`: what is mounted in the place of a directory of the volume's own.

    type=bind|none  device=DIRECTORY  o=bind[,ro,…]
    type=tmpfs      device=tmpfs      o=size=1m,uid=5,…
    type=overlay    device=overlay    o=lowerdir=…,upperdir=…,workdir=…
    type=nfs|ext4|… device=SOURCE     o=OPTIONS of mount(8); o=loop for a file
    size=BYTES, or o=size=BYTES       a directory of its own that holds no more (quota)

docker volume create(1), podman-volume-create(1).
"""

from __future__ import annotations

import os

from crun_py import quantity
from crun_py.errors import InvalidArgument, Unsupported

_KEYS = ("type", "device", "o", "size")
_BIND = {"bind", "rbind", "ro", "rw", "nodev", "nosuid", "noexec"}
_TMPFS_FLAGS = {"ro", "rw", "nodev", "nosuid", "noexec"}
_TMPFS_VALUES = {"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"}
_OF_USERS = ("bind", "none", "tmpfs", "overlay")
_DANGEROUS = ("proc", "sysfs", "devtmpfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs")
"""The kernel's own: its guards would be set aside."""


def parse(texts: list[str]) -> dict[str, str]:
    """The options by key.  Raises InvalidArgument, Unsupported."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if key not in _KEYS or not equals:
            raise InvalidArgument(f"volume option {text!r}: not known", hint=", ".join(_KEYS))
        found[key] = value
    if not found:
        return {}
    kind, words = found.get("type", "none"), [w for w in found.get("o", "").split(",") if w]
    if not found.keys() & {"type", "device"} and (found.get("size") or found.get("o")):
        return _limited(found, words)
    if "size" in found:
        raise InvalidArgument("volume option size=: for a volume with a directory of its own")
    if kind == "tmpfs":
        _check_tmpfs(words)
    elif kind in ("bind", "none"):
        _check_bind(kind, found.get("device", ""), words)
    else:
        _check_other(kind, found, words)
    return found


def _limited(found: dict[str, str], words: list[str]) -> dict[str, str]:
    """A directory of its own with a size (docker: size=, podman: o=size=), in bytes."""
    sizes = [word.removeprefix("size=") for word in words if word.startswith("size=")]
    if len(sizes) != len(words):
        raise InvalidArgument("volume options: o=size=BYTES, or type= and device= are missing")
    text = [*sizes, *([found["size"]] if "size" in found else [])][-1]
    return {"size": str(quantity.size(text, "volume option size"))}


def check_user(options: dict[str, str], *, in_userns: bool) -> None:
    """Raises Unsupported for what the kernel mounts for root only."""
    kind = options.get("type", "none")
    if in_userns and kind not in _OF_USERS:
        raise Unsupported(
            f"volume option type={kind}: mounting that takes root",
            hint="mount on the host, and bind with -v PATH:PATH",
        )


def _check_tmpfs(words: list[str]) -> None:
    for word in words:
        name, _, value = word.partition("=")
        if word not in _TMPFS_FLAGS and (name not in _TMPFS_VALUES or not value.isalnum()):
            raise InvalidArgument(f"volume option o={word}: not known for a tmpfs")


def _check_bind(kind: str, device: str, words: list[str]) -> None:
    if kind == "none" and not {"bind", "rbind"} & set(words):
        raise InvalidArgument("volume options: type=bind, or o=bind, is missing")
    if unknown := [word for word in words if word not in _BIND]:
        raise InvalidArgument(f"volume option o={unknown[0]}: not known for a bind")
    if not device.startswith("/") or not os.path.isdir(device):
        raise InvalidArgument(f"volume option device={device}: not a directory of this host")


def _check_other(kind: str, found: dict[str, str], words: list[str]) -> None:
    """mount(8) says what it does not take, when the first container starts."""
    if not kind.replace(".", "").isalnum() or kind in _DANGEROUS:
        raise InvalidArgument(f"volume option type={kind}: not a file system for files")
    if any(c in value for value in found.values() for c in "\0\n"):
        raise InvalidArgument("volume options: a line break in one")
    if kind == "overlay":
        if not any(word.startswith("lowerdir=") for word in words):
            raise InvalidArgument("volume options: type=overlay needs o=lowerdir=DIRECTORY")
    elif not found.get("device"):
        raise InvalidArgument(f"volume options: type={kind} needs device=SOURCE")
