"""ContainerCreate's JSON as what the library is asked for (Engine API, 1.24 to 1.41)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crun_py.errors import InvalidArgument, Unsupported
from crun_py.fields import Fields
from crun_py.library import options
from crun_py.model.container import (
    Bind,
    HealthCheck,
    Limits,
    LogConfig,
    RestartPolicy,
    Tmpfs,
    Ulimit,
    VolumeMount,
)
from crun_py.model.network import Join
from crun_py.options import parts
from crun_py.record import replaced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crun_py.library.create_options import AnyMount, CreateOptions
    from crun_py.model.container import CreateRequest
    from crun_py.model.registry import PullRequest

    Object = Mapping[str, object]


_DEVICE = ("PathOnHost", "PathInContainer", "CgroupPermissions")


def request(body: Object, name: str, platform: str) -> tuple[CreateRequest, PullRequest]:
    """What ContainerCreate asks for.  Raises InvalidArgument, Unsupported."""
    config = Fields(body)
    given = _options(config, config.inner("HostConfig"))
    given["name"] = name.removeprefix("/")
    given["platform"] = platform
    given["pull"] = "never"
    asked, wanted = options.requests(config.text("Image"), config.texts("Cmd"), given)
    exposed = tuple(config.keys("ExposedPorts"))
    return replaced(
        asked,
        stdin_once=config.flag("StdinOnce"),
        network=replaced(asked.network, expose=exposed),
    ), wanted


def _options(config: Fields, host: Fields) -> CreateOptions:
    if not config.text("Image"):
        raise InvalidArgument("config cannot be empty: it names no image")
    given: CreateOptions = {
        "environment": config.texts("Env"),
        "labels": config.pairs("Labels"),
        "annotations": host.pairs("Annotations"),
        "user": config.text("User"),
        "working_dir": config.text("WorkingDir"),
        "hostname": config.text("Hostname"),
        "domainname": config.text("Domainname"),
        "tty": config.flag("Tty"),
        "stdin_open": config.flag("OpenStdin"),
        "remove": host.flag("AutoRemove"),
        "privileged": host.flag("Privileged"),
        "read_only": host.flag("ReadonlyRootfs"),
        "publish_all_ports": host.flag("PublishAllPorts"),
        "init": host.flag("Init"),
        "ports": _ports(host),
        "volumes": _volumes(config, host),
        "volumes_from": host.texts("VolumesFrom"),
        "mounts": [_mount(one) for one in host.objects("Mounts")],
        "tmpfs": host.pairs("Tmpfs"),
        "devices": [
            *(parts.device(":".join(map(d.text, _DEVICE))) for d in host.objects("Devices")),
            *_requested(host),
        ],
        "device_rules": host.texts("DeviceCgroupRules"),
        "ulimits": [Ulimit(u.text("Name"), u.number("Soft"), u.number("Hard"))
                    for u in host.objects("Ulimits")],
        "sysctls": host.pairs("Sysctls"),
        "limits": limits(host),
        "groups": host.texts("GroupAdd"),
        "links": dict(parts.link(text) for text in host.texts("Links")),
        "dns": host.texts("Dns"),
        "dns_search": host.texts("DnsSearch"),
        "dns_options": host.texts("DnsOptions"),
        "extra_hosts": dict(text.partition(":")[::2] for text in host.texts("ExtraHosts")),
        "cap_add": host.texts("CapAdd"),
        "cap_drop": host.texts("CapDrop"),
        "oom_score_adj": host.number("OomScoreAdj"),
        "cgroup_parent": host.text("CgroupParent"),
        "security": parts.security(host.texts("SecurityOpt")),
    }  # fmt: skip
    if config.has("Entrypoint"):
        words = config.texts("Entrypoint")
        given["entrypoint"] = [] if words == [""] else words  # docker's word for none
    _some(given, config, host)
    _network(given, config, host)
    return given


def _volumes(config: Fields, host: Fields) -> list[str]:
    """Binds as texts of -v, and anonymous volumes where there is nothing else."""
    binds = host.texts("Binds")
    others = [one.text("Target") for one in host.objects("Mounts")]
    targets = {*others, *(text.split(":")[1].rstrip("/") for text in binds if ":" in text)}
    return [*binds, *(path for path in config.keys("Volumes") if path.rstrip("/") not in targets)]


def _some(given: CreateOptions, config: Fields, host: Fields) -> None:
    """What has a default of our own."""
    if host.number("ShmSize"):
        given["shm_size"] = host.number("ShmSize")
    if config.text("StopSignal"):
        given["stop_signal"] = config.text("StopSignal")
    if config.has("StopTimeout"):
        given["stop_timeout"] = config.number("StopTimeout")
    if config.has("Healthcheck"):
        given["health"] = health(config.inner("Healthcheck"))
    if host.inner("RestartPolicy").text("Name"):
        given["restart"] = restart(host.inner("RestartPolicy"))
    if host.inner("LogConfig").text("Type"):
        log = host.inner("LogConfig")
        texts = [f"{key}={value}" for key, value in log.pairs("Config").items()]
        given["log"] = (
            parts.log(log.text("Type"), texts) if texts else LogConfig(driver=log.text("Type"))
        )
    for key, name in (("PidMode", "pid"), ("IpcMode", "ipc"), ("UTSMode", "uts"),
                      ("CgroupnsMode", "cgroupns"), ("UsernsMode", "userns")):  # fmt: skip
        if word := host.text(key):
            given[name] = word  # type: ignore[literal-required]
    size = host.pairs("StorageOpt").get("size")
    if size:
        given["storage_size"] = size


_MOST_GPUS = 64


def _requested(host: Fields) -> list[str]:
    """The names of the CDI devices that DeviceRequests mean: their own, or NVIDIA's for `--gpus`.
    Raises Unsupported."""
    found: list[str] = []
    for request in host.objects("DeviceRequests"):
        names, driver = request.texts("DeviceIDs"), request.text("Driver")
        capabilities = request.value("Capabilities") or []
        if driver == "cdi":
            found += names
        elif driver in ("", "nvidia") and "gpu" in str(capabilities):
            count = request.number("Count")
            if count > _MOST_GPUS:
                raise Unsupported(f"DeviceRequests: Count {count}: more than {_MOST_GPUS}")
            names = names or (["all"] if count < 0 else [str(number) for number in range(count)])
            found += [f"nvidia.com/gpu={name}" for name in names]
        else:
            raise Unsupported(f"DeviceRequests: no devices of driver {driver!r} are known here")
    return found


def _network(given: CreateOptions, config: Fields, host: Fields) -> None:
    mode = host.text("NetworkMode") or "default"
    if config.flag("NetworkDisabled"):
        mode = "none"
    endpoints = config.inner("NetworkingConfig").each("EndpointsConfig")
    joins = [join(name, one) for name, one in endpoints]
    if mode in ("default", "bridge") and not joins:
        pass
    elif mode in ("host", "none") or mode.startswith(("container:", "ns:")):
        given["network"] = mode
    else:
        name = "bridge" if mode == "default" else mode
        if name not in [one.network for one in joins] and mode != "default":
            joins.insert(0, Join(name))
        joins.sort(key=lambda one: one.network != name)
        if mac := config.text("MacAddress"):
            joins[0] = replaced(joins[0], mac=mac)
        given["networks"] = joins


def join(name: str, endpoint: Fields) -> Join:
    """A container's place on a network, of an EndpointSettings."""
    ipam = endpoint.inner("IPAMConfig")
    return Join(
        name,
        ip=ipam.text("IPv4Address"),
        ip6=ipam.text("IPv6Address"),
        mac=endpoint.text("MacAddress"),
        aliases=tuple(endpoint.texts("Aliases")),
        link_local=tuple(ipam.texts("LinkLocalIPs")),
    )


def _ports(host: Fields) -> list[str]:
    """PortBindings as texts of -p."""
    found = []
    bindings = host.value("PortBindings") or {}
    if not isinstance(bindings, dict):
        raise InvalidArgument("HostConfig.PortBindings: not an object")
    for key, several in bindings.items():
        if several is not None and not isinstance(several, list):
            raise InvalidArgument(f"HostConfig.PortBindings.{key}: not a list")
        for one in several or [{}]:
            binding = Fields(one or {}, f"HostConfig.PortBindings.{key}.")
            address, port = binding.text("HostIp"), binding.text("HostPort")
            port = "" if port == "0" else port
            where = f"[{address}]" if ":" in address else address
            found.append(f"{where}:{port}:{key}" if where else f"{port}:{key}" if port else key)
    return found


def _mount(one: Fields) -> AnyMount:
    kind, target, source = one.text("Type"), one.text("Target"), one.text("Source")
    read_only = one.flag("ReadOnly")
    if kind == "bind":
        about = one.inner("BindOptions")
        return Bind(
            source, target, read_only=read_only, create=about.flag("CreateMountpoint"),
            propagation=about.text("Propagation"),
        )  # fmt: skip
    if kind == "volume":
        about = one.inner("VolumeOptions")
        return VolumeMount(
            source, target, read_only=read_only, copy=not about.flag("NoCopy"),
            subpath=about.text("Subpath"),
        )  # fmt: skip
    if kind == "tmpfs":
        about = one.inner("TmpfsOptions")
        texts = [f"size={about.number('SizeBytes')}"] if about.number("SizeBytes") else []
        texts += [f"mode={about.number('Mode'):o}"] if about.number("Mode") else []
        return Tmpfs(target, (*texts, *(["ro"] if read_only else [])))
    raise InvalidArgument(f"mount type {kind!r}: not bind, volume or tmpfs")


def limits(host: Fields) -> Limits:
    def rates(name: str) -> dict[str, int]:
        return {one.text("Path"): one.number("Rate") for one in host.objects(name)}

    def some(name: str) -> int | None:
        return host.number(name) or None

    return Limits(
        memory_bytes=some("Memory"),
        memory_swap_bytes=some("MemorySwap"),
        memory_reservation_bytes=some("MemoryReservation"),
        cpus=host.number("NanoCpus") / 1e9 or None,
        cpu_shares=some("CpuShares"),
        cpu_period_us=some("CpuPeriod"),
        cpu_quota_us=some("CpuQuota"),
        cpuset_cpus=host.text("CpusetCpus"),
        cpuset_mems=host.text("CpusetMems"),
        pids=some("PidsLimit"),
        block_weight=some("BlkioWeight"),
        block_weights={
            one.text("Path"): one.number("Weight") for one in host.objects("BlkioWeightDevice")
        },
        read_bytes=rates("BlkioDeviceReadBps"),
        write_bytes=rates("BlkioDeviceWriteBps"),
        read_operations=rates("BlkioDeviceReadIOps"),
        write_operations=rates("BlkioDeviceWriteIOps"),
    )


def restart(policy: Fields) -> RestartPolicy:
    name = policy.text("Name") or "no"
    return replaced(parts.restart_policy(name), retries=policy.number("MaximumRetryCount"))


def health(about: Fields) -> HealthCheck:
    """What a HealthConfig asks for; its times are nanoseconds."""

    def ms(name: str) -> int | None:
        return about.number(name) // 1_000_000 or None

    test = about.texts("Test")
    return HealthCheck(
        test=tuple(test) if test else None,
        interval_ms=ms("Interval"),
        timeout_ms=ms("Timeout"),
        start_ms=ms("StartPeriod"),
        start_interval_ms=ms("StartInterval"),
        retries=about.number("Retries") or None,
        disabled=test == ["NONE"],
    )
