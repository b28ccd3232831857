"""What `info` says: the store, the host and what the host can do."""

from __future__ import annotations

import os
import platform

from crun_py import __version__, state
from crun_py.cgroup import group
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def gather(paths: Paths) -> dict[str, Any]:
    """Facts by Docker's names (Engine API, SystemInfo)."""
    from crun_py.oci.store import ImageStore

    counts = {"running": 0, "paused": 0, "exited": 0, "created": 0}
    for container in state.every(paths):
        counts[container.status().state] += 1
    base = group.base()
    controllers = _controllers(base)
    warnings = [
        f"WARNING: No {name} limit support"
        for name in ("memory", "cpu", "pids")
        if name not in controllers
    ]
    rootless = os.geteuid() != 0
    return {
        "ID": _id(paths),
        "Containers": sum(counts.values()),
        "ContainersRunning": counts["running"],
        "ContainersPaused": counts["paused"],
        "ContainersStopped": counts["exited"] + counts["created"],
        "Images": len(ImageStore(paths).list()),
        "ServerVersion": __version__,
        "Driver": "overlay",
        "BackingFilesystem": _filesystem(paths.root),
        "LoggingDriver": "json-file",
        "CgroupVersion": "2" if base else "1",
        "CgroupControllers": controllers,
        "Runtime": "crunpy (its own)",
        "SecurityOptions": [
            "name=seccomp,profile=builtin",
            *(["name=rootless"] if rootless else []),
        ],
        "KernelVersion": os.uname().release,
        "OperatingSystem": _os_name(),
        "OSType": "linux",
        "Architecture": os.uname().machine,
        "NCPU": os.cpu_count() or 1,
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "Name": os.uname().nodename,
        "DockerRootDir": paths.root,
        "RunRoot": paths.run,
        "Rootless": rootless,
        "Labels": [],
        "Warnings": warnings,
    }


def _controllers(base: str | None) -> list[str]:
    """The cgroup v2 controllers that a container's group would have."""
    if base is None:
        return []
    for name in (base, os.path.dirname(base)):
        try:
            with open(name + "/cgroup.controllers", encoding="ascii") as f:
                return f.read().split()
        except OSError:
            continue
    return []


def _id(paths: Paths) -> str:
    """A stable id of this store on this host."""
    import hashlib

    try:
        with open("/etc/machine-id", encoding="ascii") as f:
            machine = f.read().strip()
    except OSError:
        machine = os.uname().nodename
    return hashlib.sha256(f"{machine}\0{paths.root}".encode()).hexdigest()[:32]


def _filesystem(path: str) -> str:
    """The type of the file system that holds `path`, from mountinfo."""
    where = path
    while not os.path.exists(where):
        where = os.path.dirname(where)
    device = os.stat(where).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
        for line in f:
            left, _, right = line.partition(" - ")
            if left.split(" ")[2] == wanted:
                return right.split(" ")[0]
    return "unknown"


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "Linux"
