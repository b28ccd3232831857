"""`volume create -o`: what is mounted in the place of a directory of the volume's own.

    type=bind|none  device=DIRECTORY  o=bind[,ro,…]
    type=tmpfs      device=tmpfs      o=size=1m,uid=5,…

docker volume create(1), podman-volume-create(1).  Each container has a tmpfs of its own.
"""

from __future__ import annotations

import os

from crun_py.errors import InvalidArgument, Unsupported

_KEYS = ("type", "device", "o")
_BIND = {"bind", "rbind", "ro", "rw", "nodev", "nosuid", "noexec"}
_TMPFS_FLAGS = {"ro", "rw", "nodev", "nosuid", "noexec"}
_TMPFS_VALUES = {"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"}


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
    if kind == "tmpfs":
        for word in words:
            name, equals, value = word.partition("=")
            if word not in _TMPFS_FLAGS and (name not in _TMPFS_VALUES or not value.isalnum()):
                raise InvalidArgument(f"volume option o={word}: not known for a tmpfs")
        return found
    if kind not in ("bind", "none"):
        raise Unsupported(
            f"volume option type={kind}: only bind and tmpfs are mounted",
            hint="mount on the host, and bind with -v PATH:PATH",
        )
    if kind == "none" and not {"bind", "rbind"} & set(words):
        raise InvalidArgument("volume options: type=bind, or o=bind, is missing")
    if unknown := [word for word in words if word not in _BIND]:
        raise InvalidArgument(f"volume option o={unknown[0]}: not known for a bind")
    device = found.get("device", "")
    if not device.startswith("/") or not os.path.isdir(device):
        raise InvalidArgument(f"volume option device={device}: not a directory of this host")
    return found
