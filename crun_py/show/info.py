"""What `info` says: the store, the host and what the host can do."""

from __future__ import annotations

import itertools
import os
import platform

from crun_py import __version__, caller, clock, state
from crun_py.cgroup import manager
from crun_py.ns import apparmor, selinux
from crun_py.oci.reference import DEFAULT_REGISTRY
from crun_py.oci.registry.registries import Registries, daemon_settings
from crun_py.paths import Paths
from crun_py.show import podman_info, version

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


_OF_THE_DAEMON: dict[str, object] = {
    "Swarm": {
        "LocalNodeState": "inactive",
        "NodeID": "",
        "NodeAddr": "",
        "ControlAvailable": False,
        "Error": "",
        "RemoteManagers": None,
        "Nodes": 0,
        "Managers": 0,
        "Cluster": None,
        "Warnings": None,
    },
    "SystemStatus": None,
    "KernelMemory": False,
    "KernelMemoryTCP": False,
    "OomKillDisable": False,
    "IPv4Forwarding": True,
    "Debug": False,
    "NFd": 0,
    "NGoroutines": 0,
    "NEventsListener": 0,
    "GenericResources": None,
    "ProductLicense": "",
    "DefaultAddressPools": None,
    "FirewallBackend": None,
    "CDISpecDirs": [],
    "DiscoveredDevices": None,
    "Containerd": None,
    "LiveRestoreEnabled": False,
    "Isolation": "",
    "InitBinary": "crunpy-core",
    "ContainerdCommit": {"ID": ""},
    "RuncCommit": {"ID": ""},
    "InitCommit": {"ID": ""},
    "OSVersion": "",
    "ServerErrors": None,
    "ClientErrors": None,
}
"""Docker's facts of a daemon, which is not here."""


def gather(paths: Paths, cgroup_manager: str = "") -> dict[str, object]:
    """Facts by Docker's names (Engine API, SystemInfo).

    cgroup_manager: who is to make cgroups, "" for who does it usually."""
    from crun_py.oci.store.images import ImageStore

    states = [container.status().state for container in state.every(paths)]
    running, paused = states.count("running"), states.count("paused")
    rootless = os.geteuid() != 0
    cgroup_manager = manager.chosen(cgroup_manager, "", rootless=rootless)
    base = manager.base(cgroup_manager, rootless=rootless)
    controllers = controllers_of(base)
    registries = Registries()
    filesystem = filesystem_of(paths.root)
    labels = daemon_settings().get("labels")
    facts = {
        "ID": _id(paths),
        "Containers": len(states),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(states) - running - paused,
        "Images": len(ImageStore(paths).list()),
        "ServerVersion": __version__,
        "Driver": "vfs" if os.path.exists(paths.root + "/copied") else "overlay",
        "BackingFilesystem": filesystem,
        "DriverStatus": [["Backing Filesystem", filesystem]],
        "LoggingDriver": "json-file",
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "ipvlan", "macvlan", "none"],
            "Authorization": [],
            "Log": ["json-file", "k8s-file", "none"],
        },
        "CgroupDriver": cgroup_manager,
        "CgroupVersion": "2" if base else "1",
        "CgroupControllers": controllers,
        "Runtime": "crunpy (its own)",
        "DefaultRuntime": "crunpy",
        "Runtimes": {"crunpy": {"path": "crunpy"}},
        "MemoryLimit": "memory" in controllers,
        "SwapLimit": "memory" in controllers and _accounts_swap(base),
        "PidsLimit": "pids" in controllers,
        "CpuCfsPeriod": "cpu" in controllers,
        "CpuCfsQuota": "cpu" in controllers,
        "CPUShares": "cpu" in controllers,
        "CPUSet": "cpuset" in controllers,
        "SecurityOptions": [
            *(["name=apparmor"] if apparmor.enabled() else []),
            *(["name=selinux"] if selinux.enabled() else []),
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
        "SystemTime": clock.now(),
        "HttpProxy": caller.variable("HTTP_PROXY"),
        "HttpsProxy": caller.variable("HTTPS_PROXY"),
        "NoProxy": caller.variable("NO_PROXY"),
        "ExperimentalBuild": False,
        **_OF_THE_DAEMON,
        "DockerRootDir": paths.root,
        "RunRoot": paths.run,
        "Rootless": rootless,
        "Labels": labels if isinstance(labels, list) else [],
        "RegistryMirrors": registries.mirrors(),
        "InsecureRegistries": [*registries.insecure(), "127.0.0.0/8"],
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {
            "Mirrors": registries.mirrors(),
            "InsecureRegistryCIDRs": ["127.0.0.0/8"],
            "IndexConfigs": _indexes(registries),
        },
        "Warnings": _warnings(base, controllers),
        "ClientInfo": {
            **version.part(),
            "Debug": False,
            "Plugins": [],
            "Warnings": None,
        },
    }
    return facts | podman_info.gather(paths, facts, registries.search)


def brief(paths: Paths) -> dict[str, object]:
    """The fields of a model.system.EngineInfo."""
    found = gather(paths)
    names = {
        "id": "ID", "root": "DockerRootDir", "run_root": "RunRoot",
        "filesystem": "BackingFilesystem", "rootless": "Rootless", "containers": "Containers",
        "running": "ContainersRunning", "paused": "ContainersPaused",
        "stopped": "ContainersStopped", "images": "Images", "version": "ServerVersion",
        "kernel": "KernelVersion", "operating_system": "OperatingSystem",
        "architecture": "Architecture", "host": "Name", "cpus": "NCPU", "memory_bytes": "MemTotal",
        "controllers": "CgroupControllers", "mirrors": "RegistryMirrors", "labels": "Labels",
        "warnings": "Warnings",
    }  # fmt: skip
    shown = {name: found[key] for name, key in names.items()}
    return {**shown, "cgroup_version": 2 if found["CgroupVersion"] == "2" else 1}


def _indexes(registries: Registries) -> dict[str, object]:
    """docker.io and the registries that are configured, as docker's RegistryConfig has them."""
    found: dict[str, object] = {
        DEFAULT_REGISTRY: {
            "Name": DEFAULT_REGISTRY, "Mirrors": registries.mirrors(), "Secure": True,
            "Official": True,
        }
    }  # fmt: skip
    for name in registries.insecure():
        found[name] = {"Name": name, "Mirrors": [], "Secure": False, "Official": False}
    return found


def _warnings(base: str | None, controllers: list[str]) -> list[str]:
    """docker's words for what the kernel does not offer."""
    missing = [f"No {name} limit support" for name in ("memory", "cpu", "pids")
               if name not in controllers]  # fmt: skip
    if "memory" not in controllers or not _accounts_swap(base):
        missing.append("No swap limit support")
    return [f"WARNING: {text}" for text in missing]


def _accounts_swap(base: str | None) -> bool:
    """Whether cgroups have memory.swap.max (cgroups(7), CONFIG_MEMCG_SWAP, swapaccount=)."""
    if base is None:
        return False
    for directory in (base, os.path.dirname(base)):
        try:
            with os.scandir(directory) as entries:
                names = [e.path for e in entries if e.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        # the root cgroup itself has no such file, those below it do
        for path in (directory, *names):
            if os.path.exists(path + "/memory.swap.max"):
                return True
    return False


def controllers_of(base: str | None) -> list[str]:
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
    """A stable id of this store on this host, a UUID as docker's."""
    import hashlib

    try:
        with open("/etc/machine-id", encoding="ascii") as f:
            machine = f.read().strip()
    except OSError:
        machine = os.uname().nodename
    digits = hashlib.sha256(f"{machine}\0{paths.root}".encode()).hexdigest()
    ends = (0, 8, 12, 16, 20, 32)
    return "-".join(digits[a:b] for a, b in itertools.pairwise(ends))


def filesystem_of(path: str) -> str:
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
