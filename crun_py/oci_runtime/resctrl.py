"""The group of Intel's RDT, which shares out the last-level cache and the memory's bandwidth, that
a specification asks for.

config-linux.md, "IntelRdt"; the kernel's side is Documentation/arch/x86/resctrl.rst.  A directory
of the mounted resctrl is a class of service: `schemata` says what it has, `tasks` who is in it; one
of its mon_groups is measured by itself.  Imported only where a specification asks for it.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import CrunpyError, InvalidArgument, NotFound, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.documents.spec import IntelRdt

MOUNTINFO = "/proc/self/mountinfo"
_mkdir, _rmdir = os.mkdir, os.rmdir
"""Names of their own: the groups of a test come and go with their files, too."""


class Group:
    """A container's.

    path: the class of service.  monitor: the group that is measured, "" for none.  shared: the
    class was named, and stays for others that name it."""

    def __init__(self, path: str, monitor: str = "", *, shared: bool = False) -> None:
        self.path, self.monitor, self._shared = path, monitor, shared

    @property
    def made(self) -> tuple[str, ...]:
        """The directories that the container's end removes, in that order."""
        return tuple(filter(None, (self.monitor, "" if self._shared else self.path)))

    @property
    def places(self) -> tuple[str, ...]:
        """The directories that have the container's processes, in the order to enter them."""
        return (self.path, self.monitor) if self.monitor else (self.path,)


def plan(container_id: str, wanted: IntelRdt) -> Group:
    """The group that is asked for, of which nothing is made yet.

    Raises Unsupported where this host has no resctrl, or not what is asked for of it; NotFound for
    a class of service that is to be there and is not; InvalidArgument for one with other shares, or
    one that has the container's name already.
    """
    top = mount_point()
    if not top:
        raise Unsupported(
            "config.json: linux.intelRdt: no resctrl file system is mounted on this host",
            hint="with a processor that has Intel's RDT: mount -t resctrl resctrl /sys/fs/resctrl",
        )
    _check_measures(top, wanted)
    lines = [*_caches_and_bandwidth(wanted), *wanted.get("schemata", ())]
    for resource in {line.partition(":")[0].strip() for line in lines}:
        if not os.path.isdir(f"{top}/info/{resource}"):
            raise Unsupported(f"config.json: linux.intelRdt: no {resource} is shared on this host")
    chosen = wanted.get("closID", "")
    path = f"{top}/{chosen or container_id}"
    if not chosen and os.path.isdir(path):
        raise InvalidArgument(f"config.json: linux.intelRdt: {path} is there already")
    if chosen and os.path.isdir(path):
        _compare(path, _caches_and_bandwidth(wanted))
    elif chosen and not lines:
        raise NotFound(f"config.json: linux.intelRdt.closID: there is no {path}, and no shares are "
                       "named to make it with")  # fmt: skip
    measured = any(wanted.get(key) for key in ("enableCMT", "enableMBM", "enableMonitoring"))
    monitor = f"{path}/mon_groups/{container_id}" if measured else ""
    return Group(path, monitor, shared=bool(chosen))


def mount_point() -> str:
    """Where resctrl is mounted, "" if nowhere."""
    for line in jsonfile.read_bytes(MOUNTINFO).decode("utf-8", "surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("resctrl "):
            return left.split(" ")[4]
    return ""


def make(group: Group, wanted: IntelRdt) -> None:
    """Make what `plan` found.  Raises CrunpyError; nothing is left then."""
    made: list[str] = []
    try:
        if not (wanted.get("closID") and os.path.isdir(group.path)):
            _make(group.path)
            made.append(group.path)
        share(group.path, wanted)
        if group.monitor:
            _make(group.monitor)
            made.insert(0, group.monitor)
    except BaseException:
        remove(made)
        raise


def share(path: str, wanted: IntelRdt) -> None:
    """Give the class of service `path` the shares that are asked for.  Raises CrunpyError."""
    for lines in (_caches_and_bandwidth(wanted), wanted.get("schemata", [])):
        if lines:
            _write(f"{path}/schemata", "".join(f"{line}\n" for line in lines))


def add(places: Iterable[str], pid: int) -> None:
    """Put a process, and so all that it will start, into the directories of a group; one that has
    been removed meanwhile is passed over.  Raises CrunpyError."""
    for directory in places:
        if os.path.isdir(directory):
            _write(directory + "/tasks", str(pid))


def remove(made: Iterable[str]) -> None:
    """Remove the directories that `make` made; what is in them falls back to the default.  Absent
    is fine.  Raises CrunpyError."""
    for path in made:
        try:
            _rmdir(path)
        except FileNotFoundError:
            continue
        except OSError as e:
            raise CrunpyError.from_os(f"removing the resctrl group {path}", e) from e


def _make(path: str) -> None:
    try:
        _mkdir(path, 0o755)
    except OSError as e:  # ENOSPC: the processor has no further class
        raise CrunpyError.from_os(f"making the resctrl group {path}", e) from e


def _write(path: str, text: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as e:
        said = _last_status(path) if path.endswith("/schemata") else ""
        raise CrunpyError.from_os(f"writing {text.strip()!r} to {path}", e, hint=said) from e


def _last_status(path: str) -> str:
    """What the kernel says of the last thing that it refused."""
    try:
        top = mount_point()
        return jsonfile.read_bytes(top + "/info/last_cmd_status").decode().strip()
    except OSError:
        return ""


_FEATURES = {"enableCMT": "llc_occupancy", "enableMBM": "mbm_total_bytes"}


def _check_measures(top: str, wanted: IntelRdt) -> None:
    try:
        found = jsonfile.read_bytes(top + "/info/L3_MON/mon_features").decode().split()
    except FileNotFoundError:
        found = []
    for key, feature in _FEATURES.items():
        if wanted.get(key) and feature not in found:
            raise Unsupported(f"config.json: linux.intelRdt.{key}: this host does not measure it")
    if wanted.get("enableMonitoring") and not found:
        raise Unsupported(
            "config.json: linux.intelRdt.enableMonitoring: this host measures nothing"
        )


def _caches_and_bandwidth(wanted: IntelRdt) -> list[str]:
    """The lines of l3CacheSchema, without the bandwidth where memBwSchema says it, and of that."""
    bandwidth = wanted.get("memBwSchema", "")
    caches = [line for line in wanted.get("l3CacheSchema", "").splitlines() if line.strip()]
    if not bandwidth:
        return caches
    return [*(line for line in caches if not line.startswith("MB:")), bandwidth]


def _compare(path: str, lines: list[str]) -> None:
    """Raises InvalidArgument for a class that has other shares than these."""
    if not lines:
        return
    try:
        text = jsonfile.read_bytes(path + "/schemata").decode()
    except OSError as e:
        raise CrunpyError.from_os(f"reading {path}/schemata", e) from e
    has = dict(map(_shares, text.splitlines()))
    for line in lines:
        resource, shares = _shares(line)
        there = has.get(resource, {})
        if any(there.get(cache) != share for cache, share in shares.items()):
            raise InvalidArgument(
                f"config.json: linux.intelRdt: {path} is there, and has other shares than {line!r}"
            )


def _shares(line: str) -> tuple[str, dict[str, str]]:
    """L3, {"0": "7f0"} of a line of schemata; the kernel writes numbers with zeros before them."""
    resource, _, rest = line.partition(":")
    pairs = (part.partition("=")[::2] for part in rest.split(";"))
    return resource.strip(), {
        cache.strip(): share.strip().lower().lstrip("0") or "0" for cache, share in pairs
    }
