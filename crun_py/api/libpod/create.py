"""podman's SpecGenerator as what the library is asked for (libpod's ContainerCreateLibpod)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from crun_py.api.create import health
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.fields import Fields
from crun_py.library import options
from crun_py.model.container import (
    Bind,
    Device,
    ImageMount,
    Limits,
    Namespaces,
    SecretUse,
    Security,
    Tmpfs,
    Ulimit,
    VolumeMount,
)
from crun_py.model.network import Join, PortMapping
from crun_py.options import parts
from crun_py.record import replaced
from crun_py.volumes import RELABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crun_py.library.create_options import AnyMount, CreateOptions
    from crun_py.model.container import CreateRequest
    from crun_py.model.pod import PodRequest
    from crun_py.model.registry import PullRequest

_NAMES = {
    "cap_add": "cap_add", "cap_drop": "cap_drop", "dns_search": "dns_search",
    "dns_server": "dns", "dns_option": "dns_options", "groups": "groups",
    "volumes_from": "volumes_from", "device_cgroup_rule": "device_rules",
}  # fmt: skip
_TEXTS = {
    "user": "user", "hostname": "hostname", "work_dir": "working_dir",
    "cgroup_parent": "cgroup_parent", "timezone": "timezone",
}  # fmt: skip
_FLAGS = {
    "terminal": "tty", "stdin": "stdin_open", "privileged": "privileged", "remove": "remove",
    "read_only_filesystem": "read_only", "init": "init",
    "publish_image_ports": "publish_all_ports",
}  # fmt: skip


def request(body: Mapping[str, object]) -> tuple[CreateRequest, PullRequest]:
    """What a SpecGenerator asks for.  Raises InvalidArgument, Unsupported."""
    spec = Fields(body)
    if not spec.text("image"):
        raise InvalidArgument("creating a container: it names no image")
    given: CreateOptions = {
        "name": spec.text("name"), "pull": "never", "environment": spec.pairs("env"),
        "labels": spec.pairs("labels"), "annotations": spec.pairs("annotations"),
        "sysctls": spec.pairs("sysctl"),
        "ports": [_port(one) for one in spec.objects("portmappings")],
        "mounts": [_mount(one) for one in spec.objects("mounts")]
        + [_volume(one) for one in spec.objects("volumes")]
        + [_image(one) for one in spec.objects("image_volumes")],
        "devices": [_device(one.text("path")) for one in spec.objects("devices")],
        "ulimits": [Ulimit(one.text("type").lower().removeprefix("rlimit_"), one.number("soft"),
                           one.number("hard")) for one in spec.objects("r_limits")],
        "extra_hosts": dict(text.partition(":")[::2] for text in spec.texts("hostadd")),
        "secrets": [
            SecretUse(one.text("Source"), target=one.text("Target"))
            for one in spec.objects("secrets")
        ],
        "limits": _limits(spec.inner("resource_limits")),
        "namespaces": _namespaces(spec),
        "security": _security(spec),
    }  # fmt: skip
    alike: dict[str, object] = {ours: spec.texts(theirs) for theirs, ours in _NAMES.items()}
    alike |= {ours: spec.flag(theirs) for theirs, ours in _FLAGS.items()}
    alike |= {ours: text for theirs, ours in _TEXTS.items() if (text := spec.text(theirs))}
    given.update(cast("CreateOptions", alike))
    if spec.has("entrypoint"):
        given["entrypoint"] = spec.texts("entrypoint")
    _rest(given, spec)
    _network(given, spec)
    given["pod"] = spec.text("pod")
    asked, wanted = options.requests(spec.text("image"), spec.texts("command"), given)
    expose = spec.value("expose") or {}
    if not isinstance(expose, dict):
        raise InvalidArgument("expose: not an object")
    exposed = tuple(f"{port}/{protocol or 'tcp'}" for port, protocol in expose.items())
    return replaced(
        asked, stdin_once=asked.open_stdin, network=replaced(asked.network, expose=exposed)
    ), wanted


def pod(body: Mapping[str, object]) -> PodRequest:
    """What a PodSpecGenerator asks for.  Raises InvalidArgument, Unsupported."""
    spec = Fields(body)
    infra = not spec.flag("no_infra")
    given: CreateOptions = {
        "name": spec.text("name"), "labels": spec.pairs("labels"),
        "hostname": spec.text("hostname"),
        "ports": [_port(one) for one in spec.objects("portmappings")],
        "mounts": [_mount(one) for one in spec.objects("mounts")]
        + [_volume(one) for one in spec.objects("volumes")],
        "volumes_from": spec.texts("volumes_from"),
        "sysctls": spec.pairs("sysctl"),
        "extra_hosts": dict(text.partition(":")[::2] for text in spec.texts("hostadd")),
        "dns": spec.texts("dns_server"), "dns_search": spec.texts("dns_search"),
        "dns_options": spec.texts("dns_option"),
        "limits": _limits(spec.inner("resource_limits")),
        "namespaces": _namespaces(spec),
        "security": _security(spec),
        "cgroup_parent": spec.text("cgroup_parent"),
    }  # fmt: skip
    if spec.number("shm_size"):
        given["shm_size"] = spec.number("shm_size")
    _restart(given, spec)
    _network(given, spec)
    shared = spec.value("shared_namespaces")
    words = None if shared is None else tuple(w for w in spec.texts("shared_namespaces") if w)
    if not infra or words == ("none",):
        words = ()
    made = options.pod("", words, infra, spec.text("infra_name"),
                       spec.text("exit_policy") or "continue", given)  # fmt: skip
    return replaced(made, created_by=tuple(spec.texts("pod_create_command")))


def _rest(given: CreateOptions, spec: Fields) -> None:
    """What has a default of our own."""
    if spec.number("shm_size"):
        given["shm_size"] = spec.number("shm_size")
    signal = spec.value("stop_signal")
    if signal:
        given["stop_signal"] = str(signal)
    if spec.has("stop_timeout"):
        given["stop_timeout"] = spec.number("stop_timeout")
    if spec.has("healthconfig"):
        given["health"] = health(spec.inner("healthconfig"))
    if spec.has("oom_score_adj"):
        given["oom_score_adj"] = spec.number("oom_score_adj")
    _restart(given, spec)
    log = spec.inner("log_configuration")
    if log.text("driver"):
        texts = [f"{key}={value}" for key, value in log.pairs("options").items()]
        given["log"] = parts.log(log.text("driver"), texts)


def _restart(given: CreateOptions, spec: Fields) -> None:
    if policy := spec.text("restart_policy"):
        retries = spec.number("restart_tries")
        given["restart"] = replaced(parts.restart_policy(policy), retries=retries)


def _namespaces(spec: Fields) -> Namespaces:
    def mode(name: str) -> str:
        about = spec.inner(name)
        kind, value = about.text("nsmode"), about.text("value")
        if kind in ("", "default", "pod"):
            return ""
        return f"{kind}:{value}" if value else kind

    return Namespaces(
        pid=mode("pidns") or "private",
        ipc=mode("ipcns") or "private",
        uts=mode("utsns") or "private",
        cgroup=mode("cgroupns") or "private",
        user=mode("userns"),
    )


def _security(spec: Fields) -> Security:
    texts = [f"label={text}" for text in spec.texts("selinux_opts")]
    if spec.flag("no_new_privileges"):
        texts.append("no-new-privileges")
    for name, word in (("seccomp_profile_path", "seccomp"), ("apparmor_profile", "apparmor")):
        if value := spec.text(name):
            texts.append(f"{word}={value}")
    texts += [f"mask={path}" for path in spec.texts("mask")]
    texts += [f"unmask={path}" for path in spec.texts("unmask")]
    return parts.security(texts)


def _network(given: CreateOptions, spec: Fields) -> None:
    about = spec.inner("netns")
    mode, value = about.text("nsmode"), about.text("value")
    named = spec.each("Networks") or spec.each("networks")
    old = [one for one in _old_networks(spec) if one]
    if mode in ("host", "none"):
        given["network"] = mode
    elif mode in ("container", "path"):
        given["network"] = f"{'ns' if mode == 'path' else mode}:{value}"
    elif mode in ("pasta", "slirp4netns"):
        given["network"] = f"{mode}:{value}" if value else mode
    elif named or old:
        joins = [
            Join(_ours(name), ip=next((i for i in one.texts("static_ips") if "." in i), ""),
                 ip6=next((i for i in one.texts("static_ips") if ":" in i), ""),
                 mac=one.text("static_mac"), aliases=tuple(one.texts("aliases")),
                 interface=one.text("interface_name"))
            for name, one in named
        ]  # fmt: skip
        known = [join.network for join in joins]
        joins += [Join(_ours(name)) for name in old if _ours(name) not in known]
        if [join.network for join in joins] != ["bridge"] or joins[0] != Join("bridge"):
            given["networks"] = joins


def _old_networks(spec: Fields) -> list[str]:
    found = spec.value("cni_networks")
    return [str(one) for one in found if one] if isinstance(found, list) else []


def _ours(name: str) -> str:
    """podman's default network is called podman."""
    return "bridge" if name in ("podman", "default") else name


def _port(one: Fields) -> PortMapping:
    host = one.number("host_port")
    if one.number("range") > 1:
        raise Unsupported("creating a container: ranges of ports, given as one mapping")
    return PortMapping(one.number("container_port"), host, host_ip=one.text("host_ip"),
                       protocol=one.text("protocol") or "tcp")  # fmt: skip


def _mount(one: Fields) -> AnyMount:
    kind, target = one.text("type"), one.text("destination")
    words = one.texts("options")
    if kind == "tmpfs":
        return Tmpfs(target, tuple(words))
    if kind in ("bind", ""):
        return Bind(one.text("source"), target, read_only="ro" in words, relabel=_relabel(words))
    if kind == "volume":
        return VolumeMount(one.text("source"), target, read_only="ro" in words,
                           relabel=_relabel(words))  # fmt: skip
    raise InvalidArgument(f"mount type {kind!r}: not bind, volume or tmpfs")


def _volume(one: Fields) -> VolumeMount:
    words = one.texts("Options")
    return VolumeMount(one.text("Name"), one.text("Dest"), read_only="ro" in words,
                       copy="nocopy" not in words, relabel=_relabel(words))  # fmt: skip


def _relabel(words: list[str]) -> str:
    return next((RELABEL[word] for word in words if word in RELABEL), "")


def _image(one: Fields) -> ImageMount:
    return ImageMount(one.text("Source"), one.text("Destination"))


def _device(text: str) -> Device:
    """HOST[:CONTAINER[:ACCESS]]"""
    host, _, rest = text.partition(":")
    inside, _, access = rest.partition(":")
    return Device(host, inside or host, access)


def _limits(limits: Fields) -> Limits:
    memory, cpu, pids = limits.inner("memory"), limits.inner("cpu"), limits.inner("pids")
    return Limits(
        memory_bytes=memory.number("limit") or None,
        memory_swap_bytes=memory.number("swap") or None,
        memory_reservation_bytes=memory.number("reservation") or None,
        cpu_shares=cpu.number("shares") or None,
        cpu_period_us=cpu.number("period") or None,
        cpu_quota_us=cpu.number("quota") or None,
        cpuset_cpus=cpu.text("cpus"),
        cpuset_mems=cpu.text("mems"),
        pids=pids.number("limit") or None,
    )
