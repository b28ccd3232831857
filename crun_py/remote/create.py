"""What a container is asked to be, as ContainerCreate's JSON (Engine API; the other way round:
api/create).  What that cannot say is refused in words."""

from __future__ import annotations

from crun_py import signals
from crun_py.errors import Unsupported
from crun_py.model.container import (
    SHM_BYTES,
    STOP_TIMEOUT_S,
    Bind,
    CreateRequest,
    ImageMount,
    KernelMount,
    Networking,
    RestartPolicy,
    Tmpfs,
    VolumeMount,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.model.container import HealthCheck, Limits, LogConfig, Mount
    from crun_py.model.network import Join, PortMapping

    Object = dict[str, object]

_NS_PER_MS = 10**6
_USUAL_LOG = {"max-size": 10 << 20, "max-file": 3}

_UNSAID: tuple[tuple[str, Callable[[CreateRequest], object]], ...] = (
    ("--rootfs", lambda r: r.rootfs),
    ("--image-volume", lambda r: r.image_volumes != "bind"),
    ("--group-add keep-groups", lambda r: r.keep_groups),
    ("--umask", lambda r: r.umask != 0o022),
    ("--timeout", lambda r: r.timeout_s),
    ("--systemd", lambda r: r.systemd != "true"),
    ("--sdnotify", lambda r: r.sdnotify != "container"),
    ("--tz", lambda r: r.timezone),
    ("--passwd=false", lambda r: not r.passwd),
    ("--passwd-entry", lambda r: r.passwd_entry),
    ("--group-entry", lambda r: r.group_entry),
    ("--requires", lambda r: r.requires),
    ("--pod", lambda r: r.pod),
    ("--cgroups=disabled", lambda r: not r.cgroup),
    ("--cgroup-manager", lambda r: r.cgroup_manager),
    ("--cgroup-conf", lambda r: r.limits.unified),
    ("--pidfile", lambda r: r.pid_file),
    ("--conmon-pidfile", lambda r: r.monitor_pid_file),
    ("--secret", lambda r: r.secrets),
    ("--no-hosts", lambda r: r.network.keep_hosts),
    ("--dns none", lambda r: r.network.keep_resolv_conf),
    ("--health-on-failure", lambda r: r.health.on_failure != "none"),
    ("--unsetenv-all", lambda r: r.environment.without_image),
    ("--env-merge", lambda r: r.environment.merged),
    ("--read-only-tmpfs", lambda r: r.read_only_tmpfs),
    ("--uidmap, --gidmap", lambda r: r.namespaces.uids or r.namespaces.gids),
    ("--subuidname, --subgidname", lambda r: r.namespaces.subuid or r.namespaces.subgid),
)
"""Options without a place in the JSON."""


def refuse(request: CreateRequest) -> None:
    """Raises Unsupported for the first part that the API cannot carry."""
    for option, asked in _UNSAID:
        if asked(request):
            raise Unsupported(
                f"{option}: Docker's API cannot say it, and the container would be made by it",
                hint="on the other machine itself",
            )


def body(request: CreateRequest) -> Object:
    """The JSON.  The image must be there.  Raises Unsupported, before anything is made."""
    refuse(request)
    network = request.network
    value: Object = {
        "Image": request.image,
        "Cmd": [*request.command] or None,
        "Env": _variables(request),
        "Labels": request.labels,
        "User": request.user,
        "WorkingDir": request.workdir,
        "Hostname": request.hostname,
        "Domainname": request.domainname,
        "Tty": request.tty,
        "OpenStdin": request.open_stdin,
        "StdinOnce": request.stdin_once,
        "AttachStdin": request.stdin_once,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": {
            name: {} for name in (*network.expose, *(_inside(port) for port in network.ports))
        },
        "HostConfig": _host_config(request),
        "NetworkingConfig": {"EndpointsConfig": _endpoints(network)},
    }
    if request.entrypoint is not None:
        value["Entrypoint"] = [*request.entrypoint] or [""]
    if request.stop_signal:
        value["StopSignal"] = signals.name(request.stop_signal)
    if request.stop_timeout_s != STOP_TIMEOUT_S:
        value["StopTimeout"] = request.stop_timeout_s
    if check := _health(request.health):
        value["Healthcheck"] = check
    if anonymous := [m.target for m in request.mounts if _is_anonymous(m)]:
        value["Volumes"] = {target: {} for target in anonymous}
    return value


def _variables(request: CreateRequest) -> list[str]:
    """Those that are set, and names alone of those that are taken from the image's."""
    asked = {**dict.fromkeys(request.environment.without), **request.environment.variables}
    return [name if value is None else f"{name}={value}" for name, value in asked.items()]


def _host_config(request: CreateRequest) -> Object:
    network, security, spaces = request.network, request.security, request.namespaces
    mounts, restart = request.mounts, request.restart or RestartPolicy("")
    value: Object = {
        "Binds": [text for mount in mounts if (text := _bind(mount))],
        "Mounts": [one for mount in mounts if (one := _mount(mount))],
        "Tmpfs": {m.target: ",".join(m.options) for m in mounts if isinstance(m, Tmpfs)},
        "VolumesFrom": [*request.volumes_from],
        "NetworkMode": network.networks[0].network if network.networks else _mode(network),
        "PortBindings": _bindings(network.ports),
        "PublishAllPorts": network.publish_all,
        "ExtraHosts": [*network.hosts],
        "Dns": [*network.dns],
        "DnsSearch": [*network.dns_search],
        "DnsOptions": [*network.dns_options],
        "Links": [f"{name}:{alias}" for name, alias in network.links],
        "AutoRemove": request.auto_remove,
        "RestartPolicy": {
            "Name": restart.name, "MaximumRetryCount": restart.retries,
        },
        "Privileged": security.privileged,
        "CapAdd": [*security.cap_add],
        "CapDrop": [*security.cap_drop],
        "SecurityOpt": [*security.options],
        "ReadonlyRootfs": request.read_only,
        "GroupAdd": [*request.groups],
        "Ulimits": [{"Name": u.name, "Soft": u.soft, "Hard": u.hard} for u in request.ulimits],
        "Sysctls": request.sysctls,
        "Devices": [
            {"PathOnHost": d.source, "PathInContainer": d.target or d.source,
             "CgroupPermissions": d.access or "rwm"}
            for d in request.devices
        ],
        "DeviceCgroupRules": [str(rule) for rule in request.device_rules],
        "OomScoreAdj": request.oom_score_adj,
        "CgroupParent": request.cgroup_parent,
        "Annotations": request.annotations,
        "Init": request.init or None,
        "PidMode": _space(spaces.pid),
        "IpcMode": _space(spaces.ipc),
        "UTSMode": _space(spaces.uts),
        "CgroupnsMode": _space(spaces.cgroup),
        "UsernsMode": spaces.user,
        **limits(request.limits),
        **_ineffective(request.ineffective),
    }  # fmt: skip
    if request.cdi:
        value["DeviceRequests"] = [{"Driver": "cdi", "DeviceIDs": [*request.cdi]}]
    if request.shm_bytes != SHM_BYTES:
        value["ShmSize"] = request.shm_bytes
    if request.storage_bytes:
        value["StorageOpt"] = {"size": str(request.storage_bytes)}
    if log := _log(request.log):
        value["LogConfig"] = log
    return value


def _space(mode: str) -> str:
    return "" if mode == "private" else mode


def _mode(network: Networking) -> str:
    return "default" if network.mode == "bridge" and not _asks(network) else network.mode


def _asks(network: Networking) -> bool:
    return bool(network.ip or network.ip6 or network.mac or network.aliases)


def _endpoints(network: Networking) -> Object:
    if network.networks:
        return {join.network: endpoint(join) for join in network.networks}
    if not _asks(network):
        return {}
    from crun_py.model.network import Join

    join = Join(network.mode, ip=network.ip, ip6=network.ip6, mac=network.mac,
                aliases=network.aliases)  # fmt: skip
    return {network.mode: endpoint(join)}


def endpoint(join: Join) -> Object:
    """A container's place on a network, an EndpointSettings.  Raises Unsupported."""
    if join.interface:
        raise Unsupported("interface_name=: Docker's API cannot say it")
    ipam = {"IPv4Address": join.ip, "IPv6Address": join.ip6, "LinkLocalIPs": [*join.link_local]}
    asked = {key: value for key, value in ipam.items() if value}
    value: Object = {"Aliases": [*join.aliases], "MacAddress": join.mac}
    return {**value, "IPAMConfig": asked} if asked else value


def _inside(port: PortMapping) -> str:
    return f"{port.container_port}/{port.protocol}"


def _bindings(ports: tuple[PortMapping, ...]) -> Object:
    found: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        number = str(port.host_port or "")
        if port.host_last:
            number = f"{port.host_port}-{port.host_last}"
        found.setdefault(_inside(port), []).append({"HostIp": port.host_ip, "HostPort": number})
    return {**found}


# ---- mounts ----


def _is_anonymous(mount: Mount) -> bool:
    return isinstance(mount, VolumeMount) and not mount.name and not mount.mode


def _bind(mount: Mount) -> str:
    """A mount as -v writes it, "" for one that the API says by fields."""
    if isinstance(mount, Bind) and mount.create:
        source = mount.source
    elif isinstance(mount, VolumeMount) and mount.mode and mount.name:
        source = mount.name
    else:
        return ""
    return ":".join([source, mount.target, *([mount.mode] if mount.mode else [])])


def _mount(mount: Mount) -> Object | None:
    """A Mount of the API; None for what is said elsewhere.  Raises Unsupported."""
    if isinstance(mount, KernelMount | ImageMount):
        kind = mount.kind if isinstance(mount, KernelMount) else "image"
        raise Unsupported(f"--mount type={kind}: Docker's API cannot say it")
    if isinstance(mount, Tmpfs):
        if mount.chown:
            raise Unsupported(f"tmpfs {mount.target}: Docker's API cannot say U")
        return None
    if isinstance(mount, Bind) and mount.subpath:
        raise Unsupported(f"mounting {mount.target}: Docker's API cannot say a part of a directory")
    if _bind(mount) or _is_anonymous(mount):
        return None
    if mount.chown or mount.idmapped or mount.overlay or mount.id_map or mount.flags:
        raise Unsupported(
            f"mounting {mount.target}: Docker's API cannot say U, idmap, O or flags there",
            hint="-v SOURCE:DESTINATION:OPTIONS",
        )
    common: Object = {"Target": mount.target, "ReadOnly": mount.read_only}
    if isinstance(mount, Bind):
        about: Object = {"Propagation": mount.propagation} if mount.propagation else {}
        if not mount.recursive:
            about["NonRecursive"] = True
        return {**common, "Type": "bind", "Source": mount.source, "BindOptions": about}
    options: Object = {"NoCopy": not mount.copy, "Labels": mount.labels}
    if mount.subpath:
        options["Subpath"] = mount.subpath
    if mount.options:
        options["DriverConfig"] = {"Name": "local", "Options": mount.options}
    return {**common, "Type": "volume", "Source": mount.name, "VolumeOptions": options}


# ---- the rest ----


def _health(check: HealthCheck) -> Object | None:
    if check.disabled:
        return {"Test": ["NONE"]}
    times = {"Interval": check.interval_ms, "Timeout": check.timeout_ms,
             "StartPeriod": check.start_ms, "StartInterval": check.start_interval_ms}  # fmt: skip
    value: Object = {name: ms * _NS_PER_MS for name, ms in times.items() if ms is not None}
    if check.test is not None:
        value["Test"] = [*check.test]
    if check.retries is not None:
        value["Retries"] = check.retries
    return value or None


def _log(log: LogConfig) -> Object | None:
    """None for the usual one, of which the service has its own."""
    given = {"max-size": log.max_bytes, "max-file": log.max_files}
    options = {key: str(value) for key, value in given.items() if value != _USUAL_LOG[key]}
    options |= {key: ",".join(names) for key, names in (("labels", log.labels), ("env", log.env))
                if names}  # fmt: skip
    if log.tag:
        options["tag"] = log.tag
    if log.driver == "json-file" and not options:
        return None
    return {"Type": log.driver, "Config": options}


def limits(asked: Limits) -> Object:
    """The fields of HostConfig, and of ContainerUpdate, for what is limited."""

    def devices(values: dict[str, int], unit: str) -> list[Object] | None:
        return [{"Path": path, unit: value} for path, value in values.items()] or None

    value: Object = {
        "Memory": asked.memory_bytes,
        "MemorySwap": asked.memory_swap_bytes,
        "MemoryReservation": asked.memory_reservation_bytes,
        "NanoCpus": None if asked.cpus is None else int(asked.cpus * 10**9),
        "CpuShares": asked.cpu_shares,
        "CpuPeriod": asked.cpu_period_us,
        "CpuQuota": asked.cpu_quota_us,
        "CpusetCpus": asked.cpuset_cpus or None,
        "CpusetMems": asked.cpuset_mems or None,
        "PidsLimit": asked.pids,
        "BlkioWeight": asked.block_weight,
        "BlkioWeightDevice": devices(asked.block_weights, "Weight"),
        "BlkioDeviceReadBps": devices(asked.read_bytes, "Rate"),
        "BlkioDeviceWriteBps": devices(asked.write_bytes, "Rate"),
        "BlkioDeviceReadIOps": devices(asked.read_operations, "Rate"),
        "BlkioDeviceWriteIOps": devices(asked.write_operations, "Rate"),
    }
    return {key: one for key, one in value.items() if one is not None}


def _ineffective(asked: dict[str, str]) -> Object:
    """Options that have no effect here; elsewhere they may have one."""
    value: Object = {}
    if "memory_swappiness" in asked:
        value["MemorySwappiness"] = int(asked["memory_swappiness"])
    if "oom_kill_disable" in asked:
        value["OomKillDisable"] = True
    if runtime := asked.get("runtime"):
        value["Runtime"] = runtime
    return value
