"""The facts of `info` where podman's templates look for them, `{{.Host.Kernel}}`."""

from __future__ import annotations

import os
import platform

from crun_py._native import CORE
from crun_py.ns import apparmor, caps, selinux
from crun_py.ns.idmap import own_map
from crun_py.paths import Paths
from crun_py.show import version

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def gather(paths: Paths, facts: dict[str, object], search: list[str]) -> dict[str, object]:
    """Host, Store, Registries and Version; facts: by Docker's names; search: registries."""
    memory = _memory()
    machine = str(facts["Architecture"])
    architecture = _GO_ARCHITECTURES.get(machine, machine)
    cgroup_version = f"v{facts['CgroupVersion']}"
    return {
        "Host": {
            "Arch": architecture,
            "CPUs": facts["NCPU"],
            "CgroupManager": facts["CgroupDriver"],
            "CgroupVersion": cgroup_version,
            "CgroupsVersion": cgroup_version,
            "BuildahVersion": "",
            "Conmon": {"Package": "", "Path": CORE, "Version": facts["ServerVersion"]},
            "CPUUtilization": _cpu(),
            "IDMappings": _id_mappings(),
            "Linkmode": "dynamic",
            "RuntimeInfo": None,
            "Slirp4NetNS": _slirp(),
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
            "OCIRuntime": {
                "Name": "crunpy",
                "Package": "",
                "Path": CORE,
                "Version": facts["ServerVersion"],
            },
            "RemoteSocket": {"Path": "", "Exists": False},
            "ServiceIsRemote": False,
            "Security": {
                "AppArmorEnabled": apparmor.enabled(),
                "DefaultCapabilities": ",".join(caps.DEFAULT),
                "Rootless": facts["Rootless"],
                "SECCOMPEnabled": True,
                "SECCOMPProfilePath": "",
                "SELinuxEnabled": selinux.enabled(),
            },
            "SwapFree": memory.get("SwapFree", 0),
            "SwapTotal": memory.get("SwapTotal", 0),
            "Uptime": _uptime(),
        },
        "Store": {
            "GraphDriverName": facts["Driver"],
            "ConfigFile": "",
            "GraphOptions": {},
            "GraphRoot": facts["DockerRootDir"],
            **_space(paths.root),
            "GraphStatus": {"Backing Filesystem": facts["BackingFilesystem"]},
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
        "Version": version.part(),
    }


_SPELLED = {
    "AppArmorEnabled": "apparmorEnabled",
    "CPUUtilization": "cpuUtilization",
    "CPUs": "cpus",
    "DefaultCapabilities": "capabilities",
    "GIDMap": "gidmap",
    "IDMappings": "idMappings",
    "OCIRuntime": "ociRuntime",
    "OS": "os",
    "SECCOMPEnabled": "seccompEnabled",
    "SECCOMPProfilePath": "seccompProfilePath",
    "SELinuxEnabled": "selinuxEnabled",
    "Slirp4NetNS": "slirp4netns",
    "UIDMap": "uidmap",
}
"""podman's JSON names that are not the template's with a small first letter."""


def as_json(facts: dict[str, object]) -> dict[str, object]:
    """The same by the names of podman's JSON."""
    found = {name.lower(): _camel(facts[name]) for name in ("Host", "Store", "Registries")}
    plugins = facts["Plugins"]
    assert isinstance(plugins, dict)
    found["plugins"] = {name.lower(): value for name, value in plugins.items()}
    return found | {"version": facts["Version"]}


def _camel(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {_SPELLED.get(k, k[:1].lower() + k[1:]): _camel(v) for k, v in value.items()}


def _cpu() -> dict[str, float]:
    """Shares of the time since boot, percent (proc(5), /proc/stat)."""
    with open("/proc/stat", encoding="ascii") as f:
        spent = [int(word) for word in f.readline().split()[1:]]
    total = sum(spent) or 1
    shares = {"UserPercent": spent[0], "SystemPercent": spent[2], "IdlePercent": spent[3]}
    return {name: round(100 * value / total, 2) for name, value in shares.items()}


def _id_mappings() -> dict[str, object]:
    """The maps of the namespace that containers are made in; nothing for root."""
    keys = ("container_id", "host_id", "size")
    maps: dict[str, object] = {}
    for kind in ("uid", "gid"):
        rows = [dict(zip(keys, row, strict=True)) for row in own_map(kind)]
        maps[kind.upper() + "Map"] = None if rows[0]["size"] == 0xFFFFFFFF else rows
    return maps


def _slirp() -> dict[str, str]:
    import shutil

    return {"Executable": shutil.which("slirp4netns") or "", "Package": "", "Version": ""}


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
    names = {
        "Distribution": "ID",
        "Version": "VERSION_ID",
        "Codename": "VERSION_CODENAME",
        "Variant": "VARIANT_ID",
    }
    return {name: told.get(key, "") for name, key in names.items()}


def _space(path: str) -> dict[str, int]:
    """Bytes of the file system that holds, or will hold, `path`."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    return {"GraphRootAllocated": found.f_blocks * found.f_frsize, "GraphRootUsed": used}
