"""`HostConfig` of `inspect`: what a container was asked to get of the host (Engine API)."""

from __future__ import annotations

import os

from crun_py import quantity, spec
from crun_py.container import restart
from crun_py.options import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def document(record: dict[str, Any], log_path: str) -> dict[str, Any]:
    """The object for a container's record and the path of its log.  Fields of other systems
    (Windows) say nothing."""
    host, network, log = record["host"], record["network"], record["log"]
    policy = record.get("restart") or restart.parse("no")
    options = {"max-size": str(log["max_bytes"]), "max-file": str(log["max_files"])}
    written = log["driver"] != "none"
    told = {
        "Type": log["driver"],
        "Config": options,
        # podman's
        "Path": log_path if written else "",
        "Tag": log.get("tag") or "",
        "Size": "0B",
    }
    return {
        "Binds": host.get("volume") or None,
        "ContainerIDFile": host.get("cidfile") or "",
        "LogConfig": told,
        "NetworkMode": network["mode"],
        "PortBindings": bindings(network["ports"]),
        "RestartPolicy": {"Name": policy["name"], "MaximumRetryCount": policy["max"]},
        "AutoRemove": record["auto_remove"],
        "VolumeDriver": "",
        "VolumesFrom": host.get("volumes_from"),
        "Annotations": record.get("annotations") or {},
        "CapAdd": host.get("cap_add"),
        "CapDrop": host.get("cap_drop"),
        "Dns": network["dns"],
        "DnsOptions": network["dns_option"],
        "DnsSearch": network["dns_search"],
        "ExtraHosts": network["add_host"] or None,
        "GroupAdd": host.get("group_add"),
        "Links": host.get("link"),
        "OomScoreAdj": int(host.get("oom_score_adj") or 0),
        "Privileged": bool(host.get("privileged")),
        "PublishAllPorts": bool(host.get("publish_all")),
        "ReadonlyRootfs": bool(host.get("read_only")),
        "SecurityOpt": host.get("security_opt"),
        "Tmpfs": {t.partition(":")[0]: t.partition(":")[2] for t in host.get("tmpfs") or []},
        "Mounts": host.get("mount"),
        "ShmSize": _size(host, "shm_size", 64 << 20),
        "Sysctls": dict(s.partition("=")[::2] for s in host.get("sysctl") or []),
        "Runtime": "crunpy",
        "Cgroup": "",
        "CgroupParent": record.get("cgroup_parent") or "",
        "Init": bool(host.get("init")),
        "Devices": [_device(text) for text in host.get("device") or []],
        "DeviceCgroupRules": host.get("device_cgroup_rule"),
        "DeviceRequests": None,
        "ConsoleSize": [0, 0],
        "StorageOpt": None,
        # podman's
        "CgroupManager": "cgroupfs",
        "CgroupMode": record.get("namespaces", {}).get("cgroup", "private"),
        "Cgroups": "disabled" if record.get("cgroup_parent") == "-" else "default",
        "CgroupConf": dict(t.partition("=")[::2] for t in host.get("cgroup_conf") or []) or None,
        "DiskQuota": 0,
        "IDMappings": _id_mappings(record),
        "Ulimits": _ulimits(host.get("ulimit") or []),
        "MaskedPaths": [] if host.get("privileged") else list(spec.MASKED),
        "ReadonlyPaths": [] if host.get("privileged") else list(spec.READONLY),
        **_namespaces(record),
        **_limits(host),
    }


def _namespaces(record: dict[str, Any]) -> dict[str, str]:
    shared = record.get("namespaces", {})
    return {
        "CgroupnsMode": shared.get("cgroup", "private"),
        "Isolation": "",
        "IpcMode": shared.get("ipc", "private"),
        # as Docker: "" is the container's own
        "PidMode": shared.get("pid", "private").replace("private", ""),
        "UTSMode": shared.get("uts", "private").replace("private", ""),
        "UsernsMode": record["host"].get("userns") or "",
    }


def _id_mappings(record: dict[str, Any]) -> dict[str, list[str]] | None:
    """podman's UidMap and GidMap, INSIDE:OUTSIDE:COUNT."""
    found = record.get("userns")
    if not found:
        return None
    texts = {kind: [":".join(map(str, row)) for row in found[kind]] for kind in ("uids", "gids")}
    return {"UidMap": texts["uids"], "GidMap": texts["gids"]}


def _limits(host: dict[str, Any]) -> dict[str, Any]:
    cpu = limits.resources({key: host.get(key) for key in ("cpu_period", "cpu_quota")}).get(
        "cpu", {}
    )
    return {
        "BlkioWeight": int(host.get("blkio_weight") or 0),
        "BlkioWeightDevice": _per_device(host, "blkio_weight_device", "Weight"),
        "BlkioDeviceReadBps": _per_device(host, "device_read_bps", "Rate"),
        "BlkioDeviceWriteBps": _per_device(host, "device_write_bps", "Rate"),
        "BlkioDeviceReadIOps": _per_device(host, "device_read_iops", "Rate"),
        "BlkioDeviceWriteIOps": _per_device(host, "device_write_iops", "Rate"),
        "CpuShares": int(host.get("cpu_shares") or 0),
        "CpuPeriod": cpu.get("period", 0),
        "CpuQuota": cpu.get("quota", 0),
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
        "KernelMemoryTCP": 0,
        "CpusetCpus": host.get("cpuset_cpus") or "",
        "CpusetMems": host.get("cpuset_mems") or "",
        "NanoCpus": int(float(host.get("cpus") or 0) * 10**9),
        "KernelMemory": _size(host, "kernel_memory"),
        "Memory": _size(host, "memory"),
        "MemoryReservation": _size(host, "memory_reservation"),
        "MemorySwap": _size(host, "memory_swap"),
        "MemorySwappiness": int(host["memory_swappiness"])
        if host.get("memory_swappiness")
        else None,
        "OomKillDisable": bool(host.get("oom_kill_disable")),
        "PidsLimit": int(host.get("pids_limit") or 0) or None,
    }


def _size(host: dict[str, Any], name: str, default: int = 0) -> int:
    text = host.get(name)
    return default if not text else -1 if text == "-1" else quantity.size(text, name)


def _per_device(host: dict[str, Any], name: str, unit: str) -> list[dict[str, Any]] | None:
    """`DEVICE:VALUE` options as Docker lists them."""
    found = []
    for text in host.get(name) or []:
        path, _, value = text.rpartition(":")
        number = int(value) if quantity.is_number(value) else quantity.size(value, name)
        found.append({"Path": path, unit: number})
    return found or None


def _device(text: str) -> dict[str, str]:
    source, _, rest = text.partition(":")
    target, _, access = rest.partition(":")
    return {
        "PathOnHost": source,
        "PathInContainer": target if os.path.isabs(target) else source,
        "CgroupPermissions": access or "rwm",
    }


def _ulimits(options: list[str]) -> list[dict[str, Any]]:
    """Those that --ulimit named."""
    named = {option.partition("=")[0] for option in options}
    result = []
    for entry in spec.rlimits(options, 1):
        name = entry["type"].removeprefix("RLIMIT_").lower()
        if name in named:
            result.append({"Name": name, "Soft": entry["soft"], "Hard": entry["hard"]})
    return result


def bindings(ports: list[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Published ports as `PortBindings` and `NetworkSettings.Ports` have them."""
    result: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        key = f"{port['container_port']}/{port['protocol']}"
        number = str(port["host_port"] or "")
        result.setdefault(key, []).append(
            {"HostIp": port["host_ip"] or "0.0.0.0", "HostPort": number}
        )
    return result
