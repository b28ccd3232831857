"""The rules of a container's device cgroup (config-linux.md, "Allowed Device list")."""

from __future__ import annotations

import contextlib
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crun_py.documents.spec import LinuxDevice, LinuxDeviceCgroup


def rules(
    devices: Iterable[LinuxDevice],
    access: Mapping[str, str],
    further: Iterable[LinuxDeviceCgroup] = (),
) -> list[LinuxDeviceCgroup]:
    """Nothing but these: nodes may be made, as CAP_MKNOD allows; `devices` and terminals opened.

    devices: of which those with a source have the numbers that it has now.
    access: by their paths, some of "rwm" instead of all.  further: rules that come last.
    """
    found: list[LinuxDeviceCgroup] = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "access": "m", "type": "c"},
        {"allow": True, "access": "m", "type": "b"},
    ]
    for device in devices:
        may = access.get(device["path"]) or "rwm"
        kind, major, minor = device["type"], device["major"], device["minor"]
        if source := device.get("source"):
            with contextlib.suppress(FileNotFoundError):  # the step that shows it says so
                node = os.stat(source)
                kind = "b" if stat.S_ISBLK(node.st_mode) else "c"
                major, minor = os.major(node.st_rdev), os.minor(node.st_rdev)
        found.append(_rule(kind, major, minor, may))
    terminals: LinuxDeviceCgroup = {"allow": True, "access": "rwm", "type": "c", "major": 136}
    return [*found, terminals, _rule("c", 5, 2), *further]


def _rule(kind: str, major: int, minor: int, access: str = "rwm") -> LinuxDeviceCgroup:
    return {"allow": True, "access": access, "type": kind, "major": major, "minor": minor}
