"""The facts of `info` where podman's templates look for them, `{{.Host.Kernel}}`."""

from __future__ import annotations

import os
import platform

from crun_py.ns import caps
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def gather(paths: Paths, facts: dict[str, Any], search: list[str]) -> dict[str, Any]:
    """Host, Store, Registries and Version; facts: by Docker's names; search: registries."""
    memory = _memory()
    architecture = _GO_ARCHITECTURES.get(facts["Architecture"], facts["Architecture"])
    return {
        "Host": {
            "Arch": architecture,
            "CPUs": facts["NCPU"],
            "CgroupManager": facts["CgroupDriver"],
            "CgroupVersion": "v" + facts["CgroupVersion"],
            "CgroupControllers": facts["CgroupControllers"],
            "Distribution": _distribution(),
            "EventLogger": "file",
            "Hostname": facts["Name"],
            "Kernel": facts["KernelVersion"],
            "LogDriver": facts["LoggingDriver"],
            "MemFree": memory.get("MemFree", 0),
            "MemTotal": facts["MemTotal"],
            "NetworkBackend": "crunpy",
            "OS": facts["OSType"],
            "OCIRuntime": {"Name": "crunpy", "Version": facts["ServerVersion"]},
            "RemoteSocket": {"Path": "", "Exists": False},
            "ServiceIsRemote": False,
            "Security": {
                "AppArmorEnabled": False,
                "DefaultCapabilities": ",".join(caps.DEFAULT),
                "Rootless": facts["Rootless"],
                "SECCOMPEnabled": True,
                "SECCOMPProfilePath": "",
                "SELinuxEnabled": False,
            },
            "SwapFree": memory.get("SwapFree", 0),
            "SwapTotal": memory.get("SwapTotal", 0),
            "Uptime": _uptime(),
        },
        "Store": {
            "GraphDriverName": facts["Driver"],
            "GraphOptions": {},
            "GraphRoot": facts["DockerRootDir"],
            **_space(paths.root),
            "GraphStatus": dict(facts["DriverStatus"]),
            "ImageCopyTmpDir": paths.images + "/.staging",
            "RunRoot": facts["RunRoot"],
            "VolumePath": paths.volumes,
            "ContainerStore": {
                "Number": facts["Containers"],
                "Running": facts["ContainersRunning"],
                "Paused": facts["ContainersPaused"],
                "Stopped": facts["ContainersStopped"],
            },
            "ImageStore": {"Number": facts["Images"]},
        },
        "Registries": {"Search": search},
        "Version": {
            "Version": facts["ServerVersion"],
            "APIVersion": facts["ServerVersion"],
            "Os": facts["OSType"],
            "OsArch": f"{facts['OSType']}/{architecture}",
        },
    }


def _memory() -> dict[str, int]:
    """Bytes by the names of /proc/meminfo (proc(5))."""
    with open("/proc/meminfo", encoding="ascii") as f:
        words = [line.split() for line in f]
    return {name.rstrip(":"): int(number) * 1024 for name, number, *unit in words if unit}


def _uptime() -> str:
    """How long the host runs, as Go writes it: `7h 22m 4.00s`."""
    with open("/proc/uptime", encoding="ascii") as f:
        seconds = float(f.read().split()[0])
    hours, rest = divmod(int(seconds), 3600)
    days = f" (Approximately {seconds / 86400:.2f} days)" if hours else ""
    return f"{hours}h {rest // 60}m {rest % 60}.00s{days}"


def _distribution() -> dict[str, str]:
    try:
        told = platform.freedesktop_os_release()
    except OSError:
        told = {}
    names = {"Distribution": "ID", "Version": "VERSION_ID", "Codename": "VERSION_CODENAME"}
    return {name: told.get(key, "") for name, key in names.items()}


def _space(path: str) -> dict[str, int]:
    """Bytes of the file system that holds, or will hold, `path`."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    return {"GraphRootAllocated": found.f_blocks * found.f_frsize, "GraphRootUsed": used}
