"""`HostConfig` of `inspect`: what a container was asked to get of the host (Engine API)."""

from __future__ import annotations

import os

from crun_py import quantity
from crun_py.cgroup import manager
from crun_py.container.resources import swap_bytes
from crun_py.model.container import SHM_BYTES, DeviceRule, Limits
from crun_py.record import from_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from crun_py.documents.container import Device, Port, Record


def document(record: Record, log_path: str) -> dict[str, object]:
    """The object for a container's record and the path of its log.  Fields of other systems
    (Windows) say nothing."""
    host, network, log = record["host"], record["network"], record["log"]
    policy = record["restart"]
    limits = from_json(Limits, host.get("limits", {}))
    rules = [str(from_json(DeviceRule, rule)) for rule in host.get("device_rules", ())]
    options = {"max-size": str(log["max_bytes"]), "max-file": str(log["max_files"])}
    written = log["driver"] != "none"
    told = {
        "Type": log["driver"],
        "Config": options,
        # podman's
        "Path": log_path if written else "",
        "Tag": log["tag"],
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
        "Annotations": record["annotations"],
        "CapAdd": host.get("cap_add"),
        "CapDrop": host.get("cap_drop"),
        "Dns": network["dns"],
        "DnsOptions": network["dns_option"],
        "DnsSearch": network["dns_search"],
        "ExtraHosts": network["add_host"] or None,
        "GroupAdd": host.get("group_add"),
        "Links": host.get("link"),
        "OomScoreAdj": host.get("oom_score_adj", 0),
        "Privileged": bool(host.get("privileged")),
        "PublishAllPorts": bool(host.get("publish_all")),
        "ReadonlyRootfs": bool(host.get("read_only")),
        "SecurityOpt": host.get("security_opt"),
        "Tmpfs": host.get("tmpfs") or {},
        "Mounts": host.get("mount"),
        "ShmSize": host.get("shm_size", SHM_BYTES),
        "Sysctls": host.get("sysctl") or {},
        "Runtime": "crunpy",
        "Cgroup": "",
        "CgroupParent": record["cgroup_parent"],
        "Init": bool(host.get("init")),
        "Devices": [_device(entry) for entry in host.get("device") or []],
        "DeviceCgroupRules": rules or None,
        "DeviceRequests": None,
        "ConsoleSize": [0, 0],
        "StorageOpt": {"size": str(stored)} if (stored := host.get("storage_bytes")) else None,
        # podman's
        "CgroupManager": _cgroup_manager(record),
        "CgroupMode": record["namespaces"]["cgroup"],
        "Cgroups": "disabled" if record["cgroup_parent"] == "-" else "default",
        "CgroupConf": limits.unified or None,
        "DiskQuota": 0,
        "IDMappings": _id_mappings(record),
        "Ulimits": [
            {"Name": entry["name"], "Soft": entry["soft"], "Hard": entry["hard"]}
            for entry in host.get("ulimit") or []
        ],
        **_namespaces(record),
        **_limits(limits),
        **_ineffective(host.get("ineffective", {})),
    }


def _cgroup_manager(record: Record) -> str:
    parent, rootless = record["cgroup_parent"], os.geteuid() != 0
    return manager.chosen(record.get("cgroup_manager", ""), parent, rootless=rootless)


def _namespaces(record: Record) -> dict[str, str]:
    shared = record["namespaces"]
    return {
        "CgroupnsMode": shared["cgroup"],
        "Isolation": "",
        "IpcMode": shared["ipc"],
        # as Docker: "" is the container's own
        "PidMode": shared["pid"].replace("private", ""),
        "UTSMode": shared["uts"].replace("private", ""),
        "UsernsMode": record["host"].get("userns") or "",
    }


_KINDS: tuple[Literal["uids", "gids"], ...] = ("uids", "gids")


def _id_mappings(record: Record) -> dict[str, list[str]] | None:
    """podman's UidMap and GidMap, INSIDE:OUTSIDE:COUNT."""
    found = record["userns"]
    if not found:
        return None
    uids, gids = ([":".join(map(str, row)) for row in found[kind]] for kind in _KINDS)
    return {"UidMap": uids, "GidMap": gids}


def _limits(limits: Limits) -> dict[str, object]:
    return {
        "BlkioWeight": limits.block_weight or 0,
        "BlkioWeightDevice": _per_device(limits.block_weights, "Weight"),
        "BlkioDeviceReadBps": _per_device(limits.read_bytes, "Rate"),
        "BlkioDeviceWriteBps": _per_device(limits.write_bytes, "Rate"),
        "BlkioDeviceReadIOps": _per_device(limits.read_operations, "Rate"),
        "BlkioDeviceWriteIOps": _per_device(limits.write_operations, "Rate"),
        "CpuShares": limits.cpu_shares or 0,
        "CpuPeriod": limits.cpu_period_us or 0,
        "CpuQuota": limits.cpu_quota_us or 0,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
        "KernelMemoryTCP": 0,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "NanoCpus": int((limits.cpus or 0) * 10**9),
        "Memory": limits.memory_bytes or 0,
        "MemoryReservation": limits.memory_reservation_bytes or 0,
        "MemorySwap": swap_bytes(limits) or 0,
        "PidsLimit": limits.pids or None,
    }


def _ineffective(asked: dict[str, str]) -> dict[str, object]:
    """What was asked for of limits that the kernel does not have."""
    swappiness = asked.get("memory_swappiness")
    return {
        "KernelMemory": quantity.size(asked.get("kernel_memory", "0"), "kernel memory"),
        "MemorySwappiness": int(swappiness) if swappiness else None,
        "OomKillDisable": "oom_kill_disable" in asked,
    }


def _per_device(values: dict[str, int], unit: str) -> list[dict[str, object]] | None:
    """Values by device as Docker lists them."""
    return [{"Path": path, unit: value} for path, value in values.items()] or None


def _device(entry: Device) -> dict[str, str]:
    target, source = entry["target"], entry["source"]
    return {
        "PathOnHost": source,
        "PathInContainer": target if os.path.isabs(target) else source,
        "CgroupPermissions": entry["access"] or "rwm",
    }


def bindings(ports: list[Port]) -> dict[str, list[dict[str, str]]]:
    """Published ports as `PortBindings` and `NetworkSettings.Ports` have them."""
    result: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        key = f"{port['container_port']}/{port['protocol']}"
        number = str(port["host_port"] or "")
        result.setdefault(key, []).append(
            {"HostIp": port["host_ip"] or "0.0.0.0", "HostPort": number}
        )
    return result
