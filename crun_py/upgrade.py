"""Records of containers that older versions wrote, and of those whose record is lost.

Version 1 kept what the container gets of the host as the texts of the options; version 2 has
numbers and lists.  What was added later is absent in both.  Version 3 has a list of networks.
"""

from __future__ import annotations

from crun_py import quantity
from crun_py.model.network import Join
from crun_py.record import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.documents.container import Device, Namespaces, Record, Ulimit

_SIZES = {"memory": "memory_bytes", "memory_swap": "memory_swap_bytes",
          "memory_reservation": "memory_reservation_bytes"}  # fmt: skip
_NUMBERS = {"cpu_shares": "cpu_shares", "cpu_period": "cpu_period_us",
            "cpu_quota": "cpu_quota_us", "pids_limit": "pids",
            "blkio_weight": "block_weight"}  # fmt: skip
_DEVICES = {"blkio_weight_device": "block_weights", "device_read_bps": "read_bytes",
            "device_write_bps": "write_bytes", "device_read_iops": "read_operations",
            "device_write_iops": "write_operations"}  # fmt: skip
_INEFFECTIVE = ("memory_swappiness", "kernel_memory", "oom_kill_disable", "device_cgroup_rule")
_SIGTERM = 15


_PRIVATE: Namespaces = {"pid": "private", "ipc": "private", "uts": "private", "cgroup": "private"}


def upgraded(record: dict[str, Any]) -> Record:
    """A record of version 1 or 2 as one of version 3, with what was added in the meantime."""
    second = _second(record) if record["version"] == 1 else record
    network = dict(second["network"])
    mode = network["mode"]
    empty = {"ip": "", "mac": "", "aliases": []}
    join = {key: network.pop(key, value) for key, value in empty.items()}
    alone = mode in ("none", "host") or mode.startswith("container:")
    network["networks"] = [] if alone else [to_json(Join(mode, **join))]
    whole: Any = {**second, "version": 3, "network": network}
    found: Record = whole
    return found


def _second(record: dict[str, Any]) -> dict[str, Any]:
    config = record["config"]
    ports = [{"host_last": 0, **port} for port in record["network"]["ports"]]
    return {
        "domainname": "", "namespaces": _PRIVATE, "userns": None, "links": [], "requires": [],
        "timeout": 0, "timezone": "", "annotations": {}, "cgroup_parent": "",
        "restart": {"name": "no", "max": 0}, "create_command": [],
        **{key: value for key, value in record.items() if value is not None},
        "version": 2,
        "config": {"env_chosen": config["env"], "healthcheck": None, **config},
        "network": {**record["network"], "ports": ports},
        "log": {"labels": [], "env": [], "tag": "", **record["log"]},
        "host": _host(dict(record["host"])),
    }  # fmt: skip


def lost(container_id: str) -> Record:
    """What stands for the record of a container that cannot be read."""
    return {
        "version": 3, "id": container_id, "name": container_id[:12], "created": "", "image": "",
        "image_id": "", "args": [], "hostname": "", "domainname": "", "namespaces": _PRIVATE,
        "userns": None, "links": [], "requires": [], "timeout": 0, "timezone": "",
        "annotations": {}, "cgroup_parent": "", "auto_remove": False,
        "config": {
            "user": "", "workdir": "/", "entrypoint": [], "cmd": [], "env": [], "env_chosen": [],
            "labels": {}, "tty": False, "open_stdin": False, "stdin_once": False,
            "stop_signal": _SIGTERM, "stop_timeout": 0, "exposed": [], "volumes": [],
            "healthcheck": None,
        },
        "network": {
            "mode": "none", "ports": [], "add_host": [], "dns": [], "dns_search": [],
            "dns_option": [], "networks": [],
        },
        "log": {"driver": "none", "max_bytes": 0, "max_files": 0, "labels": [], "env": [],
                "tag": ""},
        "restart": {"name": "no", "max": 0}, "create_command": [], "host": {}, "mounts": [],
        "layers": [],
    }  # fmt: skip


def _host(host: dict[str, Any]) -> dict[str, object]:
    host["limits"] = _limits(host)
    host["ineffective"] = {
        name: ",".join(value) if isinstance(value, list) else str(value).lower()
        for name in _INEFFECTIVE
        if (value := host.pop(name, None))
    }
    host["tmpfs"] = dict(text.partition(":")[::2] for text in host.get("tmpfs") or [])
    host["sysctl"] = dict(text.partition("=")[::2] for text in host.get("sysctl") or [])
    host["device"] = [_device(text) for text in host.get("device") or []]
    host["ulimit"] = [_ulimit(text) for text in host.get("ulimit") or [] if text != "host"]
    if host.get("shm_size"):
        host["shm_size"] = quantity.size(host["shm_size"], "shm size")
    host["umask"] = int(host.get("umask") or "0022", 8)
    host["oom_score_adj"] = int(host.get("oom_score_adj") or 0)
    return {name: value for name, value in host.items() if value or name == "passwd"}


def _limits(host: dict[str, Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, key in _SIZES.items():
        if text := host.pop(name, None):
            found[key] = -1 if text == "-1" else quantity.size(text, name)
    for name, key in _NUMBERS.items():
        if text := host.pop(name, None):
            found[key] = int(text)
    for name, key in _DEVICES.items():
        if texts := host.pop(name, None):
            values = (text.rpartition(":") for text in texts)
            found[key] = {path: quantity.size(value, name) for path, _, value in values}
    if text := host.pop("cpus", None):
        found["cpus"] = float(text)
    for name in ("cpuset_cpus", "cpuset_mems"):
        if text := host.pop(name, None):
            found[name] = text
    if texts := host.pop("cgroup_conf", None):
        found["unified"] = dict(text.partition("=")[::2] for text in texts)
    return found


def _device(text: str) -> Device:
    source, _, rest = text.partition(":")
    target, _, access = rest.partition(":")
    return {"source": source, "target": target or source, "access": access}


def _ulimit(text: str) -> Ulimit:
    name, _, values = text.partition("=")
    soft, _, hard = values.partition(":")
    numbers = [-1 if n in ("-1", "unlimited") else int(n) for n in (soft, hard or soft)]
    return {"name": name, "soft": numbers[0], "hard": numbers[1]}
