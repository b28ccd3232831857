"""Pods as `pod ps` and `pod inspect` show them, with podman's names (podman-pod-ps(1),
podman-pod-inspect(1))."""

from __future__ import annotations

from crun_py import clock
from crun_py.container.resources import swap_bytes
from crun_py.errors import InvalidArgument
from crun_py.filters import label_matches, parse
from crun_py.record import to_json
from crun_py.show import listing
from crun_py.show.container_filters import name_matches
from crun_py.show.host_config import bindings
from crun_py.show.stats import binary_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.pod import PodContainer, PodInfo
    from crun_py.model.stats import Stats
    from crun_py.paths import Paths

FILTERS = ["id", "name", "label", "label!", "network", "status", "until", "ctr-ids", "ctr-names",
           "ctr-number", "ctr-status"]  # fmt: skip
_STATES = ("created", "running", "degraded", "paused", "stopped", "exited", "error", "dead")
_CONTAINER_STATES = ("created", "running", "paused", "exited", "stopped", "restarting", "stopping",
                     "initialized", "unknown")  # fmt: skip


class Filters:
    """Which pods a list shows: any value of a key, every key.  Raises InvalidArgument."""

    def __init__(self, paths: Paths, texts: list[str]) -> None:
        from crun_py.net import config

        self._wanted = parse(texts, FILTERS)
        self._points = [clock.parse_point(v) for v in self._wanted.get("until", [])]
        for key, known in (("status", _STATES), ("ctr-status", _CONTAINER_STATES)):
            for value in self._wanted.get(key, []):
                if value.lower() not in known:
                    raise InvalidArgument(f"filter {key}={value}: not one", hint=", ".join(known))
        for value in self._wanted.get("ctr-number", []):
            if not value.isdecimal():
                raise InvalidArgument(f"filter ctr-number={value}: not a number")
        for key in ("name", "ctr-names"):
            for pattern in self._wanted.get(key, []):
                name_matches("", pattern)
        self._networks = {
            network.name
            for network in (config.every(paths) if "network" in self._wanted else ())
            if any(v and (v == network.name or network.id.startswith(v))
                   for v in self._wanted["network"])
        }  # fmt: skip

    def match(self, pod: PodInfo) -> bool:
        """Whether they let a pod through."""
        return all(self._matches(pod, key, values) for key, values in self._wanted.items())

    def _matches(self, pod: PodInfo, key: str, values: list[str]) -> bool:
        if key == "until":
            return all(clock.known_ns(pod.created_at) <= point for point in self._points)
        if key in ("label", "label!"):
            return all(label_matches(pod.labels, v) == (key == "label") for v in values)
        if key == "network":
            return bool(self._networks & {*(pod.infra.networks if pod.infra else ())})
        return any(_is(pod, key, value) for value in values)


def _is(pod: PodInfo, key: str, value: str) -> bool:
    if key == "id":
        return pod.id.startswith(value)
    if key == "name":
        return name_matches(pod.name, value)
    if key == "status":
        return pod.state.lower() == value.lower()
    if key == "ctr-number":
        return len(pod.containers) == int(value)
    if key == "ctr-ids":
        return any(c.id.startswith(value) for c in pod.containers)
    if key == "ctr-names":
        return any(name_matches(c.name, value) for c in pod.containers)
    wanted = "exited" if value.lower() == "stopped" else value.lower()
    return any(c.state == wanted for c in pod.containers)


SORTS = {"created": "", "id": "Id", "name": "Name", "number": "NumberOfContainers",
         "status": "Status"}  # fmt: skip
"""The keys of --sort and their fields; created: the newest first."""


def rows(pods: tuple[PodInfo, ...], *, whole: bool, sort: str = "") -> list[dict[str, object]]:
    """One row for each pod; whole: ids are not cut.  Raises InvalidArgument for a sort that is
    not known."""
    if (sort or "created") not in SORTS:
        raise InvalidArgument(f"sort {sort!r}: not known", hint=", ".join(SORTS))
    found = [_row(pod, whole) for pod in pods]
    field = SORTS[sort or "created"]
    return sorted(found, key=lambda row: _order(row[field])) if field else found


def _order(value: object) -> tuple[int, str]:
    return (value, "") if isinstance(value, int) else (0, str(value))


def _row(pod: PodInfo, whole: bool) -> dict[str, object]:
    def cut(text: str) -> str:
        return text if whole else text[:12]

    ago = listing.since(pod.created_at) + " ago"
    infra = cut(pod.infra.id) if pod.infra else ""
    return {
        "ID": cut(pod.id),
        "Id": pod.id,
        "Name": pod.name,
        "Status": pod.state,
        "Created": ago,
        "CreatedAt": clock.local(pod.created_at),
        "InfraID": infra,
        "InfraId": infra,
        "NumberOfContainers": len(pod.containers),
        "Containers": [_container(c) for c in pod.containers],
        "ContainerIds": ",".join(cut(c.id) for c in pod.containers),
        "ContainerNames": ",".join(c.name for c in pod.containers),
        "ContainerStatuses": ",".join(c.state for c in pod.containers),
        "Labels": listing.Labels(pod.labels),
        "Networks": ",".join(_networks(pod)),
        "Cgroup": pod.cgroup_parent,
        "Namespaces": ",".join(pod.shared),
        "Restarts": "",
    }


def _networks(pod: PodInfo) -> list[str]:
    if not pod.infra:
        return []
    return [*(pod.infra.networks or (pod.infra.network,))]


def _container(found: PodContainer) -> dict[str, object]:
    return {"Id": found.id, "Names": found.name, "Status": found.state}


def listed(pod: PodInfo) -> dict[str, object]:
    """One of podman's list as JSON (PodListLibpod)."""
    return {
        "Cgroup": pod.cgroup_parent,
        "Containers": [_container(c) for c in pod.containers],
        "Created": pod.created_at,
        "Id": pod.id,
        "InfraId": pod.infra.id if pod.infra else "",
        "Name": pod.name,
        "Namespace": "",
        "Networks": _networks(pod),
        "Status": pod.state,
        "Labels": {**pod.labels},
    }


_PERIOD_US = 100_000
"""What --cpus is said of, as podman has it."""


def document(pod: PodInfo) -> dict[str, object]:
    """What `pod inspect` shows (PodInspectLibpod)."""
    limits = pod.limits
    found: dict[str, object] = {
        "Id": pod.id,
        "Name": pod.name,
        "Created": pod.created_at,
        "CreateCommand": [*pod.created_by],
        "ExitPolicy": pod.exit_policy,
        "State": pod.state,
        "Hostname": pod.hostname,
        "Labels": {**pod.labels},
        "CreateCgroup": bool(pod.cgroup_parent or limits != type(limits)()),
        "CgroupParent": pod.cgroup_parent,
        "CgroupPath": pod.cgroup_parent,
        "CreateInfra": pod.infra is not None,
        "InfraContainerID": pod.infra.id if pod.infra else "",
        "InfraConfig": _infra(pod),
        "SharedNamespaces": [*pod.shared],
        "NumContainers": len(pod.containers),
        "Containers": [{"Id": c.id, "Name": c.name, "State": c.state} for c in pod.containers],
        "cpu_quota": limits.cpu_quota_us or int((limits.cpus or 0) * _PERIOD_US),
        "cpu_period": limits.cpu_period_us or (_PERIOD_US if limits.cpus else 0),
        "cpu_shares": limits.cpu_shares or 0,
        "cpuset_cpus": limits.cpuset_cpus or "",
        "memory_limit": limits.memory_bytes or 0,
        "memory_swap": swap_bytes(limits) or 0,
    }
    if pod.restart:
        found["RestartPolicy"] = pod.restart.name
    return found


def _infra(pod: PodInfo) -> dict[str, object] | None:
    infra = pod.infra
    if not infra:
        return None
    return {
        "PortBindings": bindings([to_json(port) for port in infra.ports]),
        "HostNetwork": infra.network == "host",
        "StaticIP": infra.ip,
        "StaticMAC": infra.mac,
        "NoManageResolvConf": False,
        "DNSServer": [*infra.dns],
        "DNSSearch": [*infra.dns_search],
        "DNSOption": [*infra.dns_options],
        "NoManageHosts": False,
        "HostAdd": [*infra.hosts],
        "Networks": _networks(pod),
        "NetworkOptions": None,
        "pid_ns": infra.pid,
        "userns": infra.user or "host",
        "uts_ns": infra.uts,
    }


def used(one: Stats, pod_id: str, *, whole: bool = False) -> dict[str, object]:
    """What a container of a pod uses, in podman's words and order (podman-pod-stats(1))."""
    size = listing.human_size
    share = one.memory_bytes / one.memory_limit_bytes if one.memory_limit_bytes else 0
    return {
        "CPU": f"{one.cpu_percent:.2f}%",
        "MemUsage": f"{size(one.memory_bytes)} / {size(one.memory_limit_bytes)}",
        "MemUsageBytes": f"{binary_size(one.memory_bytes)} / {binary_size(one.memory_limit_bytes)}",
        "Mem": f"{100 * share:.2f}%",
        "NetIO": f"{size(one.received_bytes)} / {size(one.sent_bytes)}",
        "BlockIO": f"{size(one.read_bytes)} / {size(one.written_bytes)}",
        "PIDS": str(one.pids),
        "Pod": pod_id if whole else pod_id[:12],
        "CID": one.id if whole else one.id[:12],
        "Name": one.name,
    }
