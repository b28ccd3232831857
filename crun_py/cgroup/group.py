"""A container's cgroup on v2: where it is, its limits, its end.

The cgroup2 mount is found in mountinfo (on hybrid hosts it is not /sys/fs/cgroup) and the
v1 trees are never touched.  Groups lie in `crunpy/` below the highest cgroup above us that
we may write: the root for root, the delegated subtree for a user.
cgroups(7); Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import errno
import os

from crun_py import jsonfile, notices
from crun_py.errors import CrunpyError, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from crun_py.documents.spec import LinuxBlockIO, LinuxRdma, LinuxResources, LinuxThrottleDevice

_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids", "hugetlb", "rdma")


def mount_point() -> str | None:
    """Where cgroup2 is mounted, None if nowhere."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            left, _, right = line.partition(" - ")
            if right.startswith("cgroup2 "):
                return left.split(" ")[4]
    return None


def for_command(path: str, pid: int) -> str:
    """The group that a further command of a container joins: its own, `path`; or where systemd
    has handed controllers on, so that no process may be in it, that of init, `pid`.

    cgroups(7), "no internal processes rule".
    """
    if not jsonfile.read_bytes(path + "/cgroup.subtree_control").strip():
        return path
    inner = of(pid)
    return inner if inner.startswith(path + "/") else path


def of(pid: int) -> str:
    """The directory of the cgroup that a process is in."""
    return f"{mount_point() or ''}{_own(str(pid))}"


def may_enter(path: str) -> bool:
    """Whether we may have children be born in the cgroup `path`: what is above both it and our own
    must be ours, too (cgroups(7), "Delegation containment")."""
    above = os.path.commonpath([of(os.getpid()), path])
    return os.access(above + "/cgroup.procs", os.W_OK)


def _own(pid: str = "self") -> str:
    """The path of our own (or process `pid`'s) cgroup below the mount point."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            if line.startswith("0::"):
                path = line[3:].rstrip("\n")
                return "" if path == "/" else path
    return ""


def base() -> str | None:
    """The directory in which our groups lie, None when we may make none."""
    root = mount_point()
    if root is None:
        return None
    highest = None
    path = root + _own()
    while path.startswith(root):
        if os.access(path, os.W_OK) and os.access(path + "/cgroup.procs", os.W_OK):
            highest = path
        elif highest:
            break
        if path == root:
            break
        path = os.path.dirname(path)
    return highest + "/crunpy" if highest else None


def _read(path: str) -> str:
    with open(path, encoding="ascii") as f:
        return f.read()


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _enable(directory: str) -> None:
    """Hand every controller that `directory` has on to its children, one by one."""
    try:
        with open(directory + "/cgroup.controllers", encoding="ascii") as f:
            available = f.read().split()
        with open(directory + "/cgroup.subtree_control", encoding="ascii") as f:
            enabled = f.read().split()
    except OSError:
        return
    for name in _CONTROLLERS:
        if name in available and name not in enabled:
            try:
                _write(directory + "/cgroup.subtree_control", "+" + name)
            except OSError:
                continue  # busy or not ours: `apply` says so if a limit needs it


def hand_down(path: str, wanted: Iterable[str]) -> None:
    """Where a file of `wanted` lacks in the cgroup `path`: hand on to it what the groups above it
    have, if we may.  systemd does that of the controllers alone that it knows itself."""
    root = mount_point()
    if root is None or all(os.path.exists(f"{path}/{name}") for name in wanted):
        return
    directory = root
    for name in os.path.dirname(path).removeprefix(root).split("/"):
        directory = os.path.join(directory, name)
        _enable(directory)


def create(container_id: str, below: str = "") -> str | None:
    """Make the group of a container; returns its directory, None when we may make none.

    below: --cgroup-parent, a path from the root of the hierarchy; then Unsupported is raised
    when it cannot be made there.
    """
    if below:
        path = _create(f"{mount_point() or ''}/{below.strip('/')}", container_id)
        if path is None:
            raise Unsupported(f"making a cgroup below {below}: not possible here")
        return path
    parent = base()
    return None if parent is None else _create(parent, container_id)


def share(path: str, limits: dict[str, str], usual: dict[str, str]) -> None:
    """Make the group `path`, for other groups below it, unless it is there.

    limits, usual: as `wanted` and `defaults` for `apply`.  Raises Unsupported when it cannot be
    made, or limited.
    """
    try:
        if not os.path.isdir(path):
            _enable(os.path.dirname(os.path.dirname(path)))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _enable(os.path.dirname(path))
            os.makedirs(path, exist_ok=True)
    except OSError as e:
        raise Unsupported.from_os(f"making the cgroup {path}", e, hint=hint()) from e
    apply(path, limits, usual)
    _enable(path)


def _create(parent: str, container_id: str) -> str | None:
    path = f"{parent}/{container_id}"
    try:
        os.mkdir(path)
    except FileNotFoundError:
        try:
            _enable(os.path.dirname(parent))
            os.makedirs(parent, exist_ok=True)
            _enable(parent)
            os.mkdir(path)
        except OSError:
            return None
    except FileExistsError:
        return path
    except OSError:
        return None
    return path


def values(resources: LinuxResources) -> dict[str, str]:
    """The files to write for the spec's linux.resources (config-linux.md, cgroup v2)."""
    result: dict[str, str] = {}
    memory = resources.get("memory", {})
    if memory.get("limit"):
        result["memory.max"] = str(memory["limit"]) if memory["limit"] > 0 else "max"
        swap = memory.get("swap")
        if swap is not None:
            extra = swap - memory["limit"] if swap > 0 else -1
            result["memory.swap.max"] = str(extra) if extra >= 0 else "max"
    elif memory.get("swap") == -1:
        result["memory.swap.max"] = "max"
    if memory.get("reservation"):
        result["memory.low"] = str(memory["reservation"]) if memory["reservation"] > 0 else "max"
    cpu = resources.get("cpu", {})
    if cpu.get("quota") or cpu.get("period"):
        quota = cpu.get("quota", -1)
        result["cpu.max"] = f"{quota if quota > 0 else 'max'} {cpu.get('period') or 100000}"
    if "burst" in cpu:
        result["cpu.max.burst"] = str(cpu["burst"])
    if "idle" in cpu:
        result["cpu.idle"] = str(cpu["idle"])
    if cpu.get("shares") and not cpu.get("idle"):  # what is idle has no weight
        # the conversion that the OCI runtimes agreed on: 2..262144 onto 1..10000
        shares = min(max(cpu["shares"], 2), 262144)
        result["cpu.weight"] = str(1 + (shares - 2) * 9999 // 262142)
    if cpu.get("cpus"):
        result["cpuset.cpus"] = cpu["cpus"]
    if cpu.get("mems"):
        result["cpuset.mems"] = cpu["mems"]
    if resources.get("pids", {}).get("limit"):
        limit = resources["pids"]["limit"]
        result["pids.max"] = str(limit) if limit > 0 else "max"
    for entry in resources.get("hugepageLimits", ()):
        for kind in ("max", "rsvd.max"):  # of those in use, and of those that mmap(2) reserves
            result[f"hugetlb.{entry['pageSize']}.{kind}"] = str(entry["limit"])
    if devices := resources.get("rdma"):
        result["rdma.max"] = "\n".join(_rdma_line(*item) for item in devices.items())
    return {**result, **_disk_values(resources.get("blockIO", {})), **resources.get("unified", {})}


def _rdma_line(device: str, limits: LinuxRdma) -> str:
    words = [(name, limits[key]) for name, key in _RDMA if key in limits]
    return " ".join([device, *(f"{name}={value}" for name, value in words)])


_RDMA: tuple[tuple[str, Literal["hcaHandles", "hcaObjects"]], ...] = (
    ("hca_handle", "hcaHandles"), ("hca_object", "hcaObjects"),
)  # fmt: skip


def _disk_values(disks: LinuxBlockIO) -> dict[str, str]:
    """io.weight and io.max; a line for each device."""

    def weight(value: int) -> int:
        # 10..1000 of blkio onto 1..10000, as the OCI runtimes do it
        return 1 + (value - 10) * 9999 // 990

    result = {}
    weights = [f"default {weight(disks['weight'])}"] if disks.get("weight") else []
    for entry in disks.get("weightDevice", ()):
        if "weight" in entry:
            weights.append(f"{entry['major']}:{entry['minor']} {weight(entry['weight'])}")
    if weights:
        result["io.weight"] = "\n".join(weights)
    throttles: dict[str, list[LinuxThrottleDevice]] = {
        "rbps": disks.get("throttleReadBpsDevice", []),
        "wbps": disks.get("throttleWriteBpsDevice", []),
        "riops": disks.get("throttleReadIOPSDevice", []),
        "wiops": disks.get("throttleWriteIOPSDevice", []),
    }
    most = [
        f"{entry['major']}:{entry['minor']} {word}={entry['rate']}"
        for word, entries in throttles.items()
        for entry in entries
    ]
    if most:
        result["io.max"] = "\n".join(most)
    return result


def apply(path: str | None, wanted: dict[str, str], defaults: dict[str, str]) -> None:
    """Write the limits.  `wanted` ones must hold; `defaults` where there is a controller.

    Raises Unsupported naming the limit that this host cannot apply; nothing is written then.
    """
    missing = check(path, wanted)
    for name, value in (defaults | wanted).items():
        target = f"{path}/{name}"
        if name in missing or (name not in wanted and not os.path.exists(target)):
            continue
        try:
            for line in value.split("\n"):
                _write(target, line)
        except OSError as e:
            raise CrunpyError.from_os(f"limiting {name}={value}", e) from e


_OFF = ("cpu.idle", "cpu.max.burst")
_BESIDE = {"io.weight": "io.max", "memory.swap.max": "memory.max"}
"""Files that a kernel may have been built without, or started, and others of their controllers."""


def check(path: str | None, wanted: dict[str, str]) -> set[str]:
    """The files of `wanted` that are not there and may be done without.

    Raises Unsupported naming the limit that this host cannot apply.
    """
    missing = {name for name in wanted if path is None or not os.path.exists(f"{path}/{name}")}
    for name in missing:
        if wanted[name].split(" ")[0] == "max" or (name in _OFF and wanted[name] == "0"):
            continue  # no limit, which needs no controller
        if name.endswith(".rsvd.max") and name.replace(".rsvd", "") not in missing:
            continue  # a kernel before 5.7
        beside = _BESIDE.get(name)
        if path is not None and beside and os.path.exists(f"{path}/{beside}"):
            notices.warn(f"{name}: this kernel's controller has none, it has no effect")
            continue
        controller = name.split(".")[0]
        raise Unsupported(
            f"limiting {name}={wanted[name]}: no cgroup v2 {controller} controller for us here",
            hint=hint(controller),
        )
    return missing


def lacking(directory: str, wanted: Iterable[str]) -> list[str]:
    """The files of `wanted` that a group made below `directory` will not have, for want of their
    controllers; nothing is made to find out.

    directory: where groups are made, which need not be there yet.
    """
    while not os.path.exists(directory + "/cgroup.controllers") and len(directory) > 1:
        directory = os.path.dirname(directory)
    try:
        there = _read(directory + "/cgroup.controllers").split()
    except OSError:
        there = []
    return [name for name in wanted if name.split(".")[0] not in ("cgroup", *there)]


def oom_killed(path: str | None) -> bool:
    """Whether the kernel has killed something in a group, or below it, for its memory
    (cgroup-v2.rst, "memory.events"); False where that is not known."""
    try:
        return any(
            line.startswith("oom_kill ") and line != "oom_kill 0"
            for line in _read(f"{path}/memory.events").splitlines()
        )
    except OSError:
        return False


def write(path: str, name: str, value: str) -> None:
    """Write to a file of a cgroup.  Raises OSError."""
    _write(f"{path}/{name}", value)


def hint(controller: str = "") -> str:
    """What to do so that we may make cgroups; controller: that have this one."""
    from crun_py.cgroup import delegation

    return delegation.hint(mount_point() or "", controller)


def freeze(path: str, frozen: bool, timeout_s: float = 10, what: str = "") -> None:
    """Stop all processes of the group, or let them go on; returns when the kernel has done it
    (cgroup-v2.rst, "cgroup.freeze": the end is told by `frozen` in cgroup.events).

    what: whose group it is, for messages.

    A group that is gone has gone on.  Raises Unsupported when it is missing or the kernel
    cannot freeze it, CrunpyError when it does not come to rest within `timeout_s`; it is let
    go again then.
    """
    import time

    doing = "pausing" if frozen else "resuming"
    what = what or f"cgroup {path}"
    wanted = f"frozen {int(frozen)}\n"
    try:
        _write(path + "/cgroup.freeze", str(int(frozen)))
        deadline = time.monotonic() + timeout_s
        while wanted not in _read(path + "/cgroup.events"):
            if time.monotonic() > deadline:
                _write(path + "/cgroup.freeze", "0")
                raise CrunpyError(f"{doing} {what}: a process in it does not stop")
            time.sleep(0.002)
    except OSError as e:
        gone = e.errno in (errno.ENOENT, errno.ENODEV)
        if gone and not frozen:
            return  # what went on has ended, and its group is removed
        if not gone:
            raise CrunpyError.from_os(f"{doing} {what}", e) from e
        raise Unsupported(
            f"{doing} {what}: it has no cgroup v2 freezer here",
            hint=hint(),
        ) from None


def _remove_below(path: str) -> None:
    """The groups that the container made (systemd makes many), as far as they are empty."""
    found = [path]
    for directory in found:  # grows; without recursion, for a container chooses the depth
        try:
            with os.scandir(directory) as entries:
                found += [e.path for e in entries if e.is_dir(follow_symlinks=False)]
        except OSError:
            continue
    for directory in found[:0:-1]:
        try:
            os.rmdir(directory)
        except OSError:
            continue  # its processes are still ending


def remove(path: str) -> None:
    """Kill what is left in the group and remove it.  Absent is fine.

    A scope is systemd's to remove, when it is empty: it would not notice that of one which is gone
    when it looks, and keep the unit for ever.
    """
    import time

    for _ in range(200):
        try:
            if path.endswith(".scope"):
                if "populated 1" not in _read(path + "/cgroup.events"):
                    return
                raise BlockingIOError(errno.EBUSY, "not empty")
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError:
            try:
                _write(path + "/cgroup.kill", "1")
            except OSError as e:
                if e.errno in (errno.ENOENT, errno.ENODEV):
                    return
                raise
            _remove_below(path)
        time.sleep(0.005)
    raise CrunpyError(f"removing cgroup {path}: processes in it do not end")
