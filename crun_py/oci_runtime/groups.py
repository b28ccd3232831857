"""The cgroup that a specification asks for (config-linux.md, "Control groups"); cgroup v2 alone.

linux.cgroupsPath is a path below the mount, or with systemd SLICE:PREFIX:NAME, as runc has it.
"""

from __future__ import annotations

import os

from crun_py import notices
from crun_py.cgroup import devices, group
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.spec import DEVICES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cgroup.scope import Scope
    from crun_py.documents.spec import Linux, LinuxDeviceCgroup, LinuxResources


class Group:
    """A container's cgroup while it is made.

    path: its directory, "" for none.  fd: of that, -1.  standing: a pidfd of who stands in it, 0.
    """

    def __init__(self, path: str = "", scope: Scope | None = None) -> None:
        self.path, self._scope = path, scope
        self.standing = scope.process if scope else 0
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if path else -1

    def leave(self) -> None:
        """The container is in it, or is not to be."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self._scope:
            self._scope.release()

    def remove(self) -> None:
        """Take it down again, with what is in it."""
        self.leave()
        if self.path:
            group.remove(self.path)


def own_name(container_id: str) -> str:
    """Of the cgroup of a container that names none: other runtimes' containers, and those below
    another root, may have the same id."""
    return f"oci-{container_id}-{os.urandom(4).hex()}"


def make(container_id: str, linux: Linux, name: str, *, systemd: bool, rootless: bool) -> Group:
    """The cgroup of a container, with its limits.

    name: of one that `linux` does not name, without systemd.  Raises InvalidArgument for a path of
    the other form, Unsupported for limits that this host cannot hold; nothing is left then.
    """
    resources = linux.get("resources", {})
    memory = resources.get("memory", {})
    for key, asked in (("swappiness", memory.get("swappiness")),
                       ("disableOOMKiller", memory.get("disableOOMKiller"))):  # fmt: skip
        if asked:
            notices.warn(f"memory.{key}: cgroup v2 has no such thing, it has no effect")
    limits = group.values(resources)
    where = linux.get("cgroupsPath", "")
    made = (
        _scope(container_id, where, limits, rootless) if systemd
        else Group(_directory(name, where) or "")
    )  # fmt: skip
    try:
        group.apply(made.path or None, _held(made.path, limits, resources), {})
        _guard(made.path, resources, rootless=rootless)
    except BaseException:
        made.remove()
        raise
    return made


_USUAL_SHARES = 1024


def _held(path: str, limits: dict[str, str], resources: LinuxResources) -> dict[str, str]:
    """The limits without a share of the processors where there is no controller for that: it is no
    limit, and containerd asks for the usual one of every container."""
    if "cpu.weight" not in limits or os.path.exists(path + "/cpu.weight"):
        return limits
    if (shares := resources.get("cpu", {}).get("shares")) != _USUAL_SHARES:
        notices.warn(f"cpu.shares {shares}: no cgroup v2 cpu controller here, it has no effect")
    return {name: value for name, value in limits.items() if name != "cpu.weight"}


def _directory(name: str, where: str) -> str | None:
    if ":" in where:
        raise InvalidArgument(
            f"linux.cgroupsPath {where!r}: of systemd's form", hint="--systemd-cgroup"
        )
    if not where:
        return group.create(name)
    path = os.path.normpath("/" + where)
    if path == "/":
        raise InvalidArgument("linux.cgroupsPath: the root of all cgroups")
    try:
        return group.create(os.path.basename(path), os.path.dirname(path))
    except Unsupported:
        if group.mount_point() is None:
            return None
        raise


def _scope(container_id: str, where: str, limits: dict[str, str], rootless: bool) -> Group:
    from crun_py.cgroup import scope

    parts = (where or f":crunpy:{container_id}").split(":")
    if len(parts) != 3 or not parts[2]:
        raise InvalidArgument(
            f"linux.cgroupsPath {where!r}: not SLICE:PREFIX:NAME, which systemd's cgroups have"
        )
    slice_, prefix, name = parts
    unit = f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    asked = scope.ask(
        container_id, f"OCI container {container_id}", slice_, limits, patience_s=-1,
        rootless=rootless, unit=unit,
    )  # fmt: skip
    try:
        path = asked.ready()
        group.hand_down(path, limits)
        return Group(path, asked)
    except BaseException:
        asked.release()
        raise


def _guard(path: str, resources: LinuxResources, *, rootless: bool) -> None:
    """The device rules, where the kernel lets us; all mounts are without devices anyway."""
    rules = [_rule(rule) for rule in resources.get("devices") or ()]
    if not path or not rules or rootless:
        return
    try:
        devices.guard(path, [*rules, *_ALWAYS])
    except Unsupported:
        return  # a hybrid host, or one that a container is


def _rule(given: LinuxDeviceCgroup) -> LinuxDeviceCgroup:
    """Without numbers that mean any."""
    rule: LinuxDeviceCgroup = {"allow": given["allow"], "access": given.get("access") or "rwm"}
    if given.get("type") in ("b", "c"):
        rule["type"] = given["type"]
    if (major := given.get("major")) is not None and major >= 0:
        rule["major"] = major
    if (minor := given.get("minor")) is not None and minor >= 0:
        rule["minor"] = minor
    return rule


def _always(major: int, minor: int) -> LinuxDeviceCgroup:
    return {"allow": True, "access": "rwm", "type": "c", "major": major, "minor": minor}


_ALWAYS: list[LinuxDeviceCgroup] = [
    *(_always(major, minor) for _, major, minor in DEVICES),
    _always(5, 1),
    _always(5, 2),
    {"allow": True, "access": "rwm", "type": "c", "major": 136},
]
"""Terminals and the default devices, which every container has."""
