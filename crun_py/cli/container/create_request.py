"""The options of `create`, `run` and `update`, by their names, as what the engine is asked for.

All that depends on who asks is put in here: variables, relative paths, the command line.
"""

from __future__ import annotations

import os
import sys

from crun_py import quantity, signals
from crun_py.errors import InvalidArgument
from crun_py.model.container import (
    SHM_BYTES,
    STOP_TIMEOUT_S,
    CreateRequest,
    Environment,
    HealthCheck,
    Limits,
    Namespaces,
    Networking,
    Security,
)
from crun_py.options import environment, foreign, mounts, parts
from crun_py.options import limits as texts
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.model.container import Mount, SecretUse, Ulimit
    from crun_py.model.network import Join, PortMapping


def request(values: dict[str, Any], arguments: list[str]) -> CreateRequest:
    """What the options of `create` and `run` ask for; arguments: image (or directory) and command.

    Raises InvalidArgument, Unsupported.
    """
    foreign.refuse(values)
    groups = values["group_add"]
    overlay = bool(values["rootfs"]) and arguments[0].endswith(":O")
    directory = os.path.abspath(arguments[0].removesuffix(":O")) if values["rootfs"] else ""
    entrypoint = values["entrypoint"]
    lines = [line for path in values["label_file"] for line in environment.lines_of(path, "label")]
    return CreateRequest(
        image="" if values["rootfs"] else arguments[0],
        rootfs=directory,
        rootfs_overlay=overlay,
        command=tuple(arguments[1:]),
        entrypoint=None if entrypoint is None else parts.words(entrypoint),
        name=(values["name"] or "").removeprefix("/"),
        tty=bool(values["tty"]),
        open_stdin=bool(values["interactive"]),
        stdin_once=bool(values["interactive"]) and not values.get("detach"),
        auto_remove=bool(values["rm"]),
        environment=variables(values),
        labels=environment.labels([*lines, *values["label"]], "label"),
        annotations=environment.labels(values["annotation"], "annotation"),
        mounts=mounted(values),
        volumes_from=tuple(
            part
            for text in values["volumes_from"]
            for part in ([text] if ":" in text else text.split(","))
        ),
        image_volumes=values["image_volume"] or "bind",
        workdir=values["workdir"] or "",
        user=values["user"] or "",
        groups=tuple(g for g in groups if g != "keep-groups"),
        keep_groups="keep-groups" in groups,
        hostname=values["hostname"] or "",
        domainname=values["domainname"] or "",
        network=networking(values),
        namespaces=namespaces(values),
        security=security(values),
        limits=limits(values),
        pids_optional=bool(values.get("pids_optional")),
        ulimits=ulimits(values["ulimit"]),
        sysctls=environment.pairs(values["sysctl"], "sysctl"),
        devices=tuple(parts.device(text) for text in values["device"]),
        read_only=bool(values["read_only"]),
        read_only_tmpfs=bool(values["read_only_tmpfs"]),
        shm_bytes=quantity.size(values["shm_size"], "shm size")
        if values["shm_size"]
        else SHM_BYTES,
        oom_score_adj=int(values["oom_score_adj"] or 0),
        umask=int(values["umask"] or "0022", 8),
        stop_signal=signals.number(values["stop_signal"]) if values["stop_signal"] else 0,
        stop_timeout_s=STOP_TIMEOUT_S
        if values["stop_timeout"] is None
        else quantity.seconds(values["stop_timeout"], "stop timeout", -1),
        timeout_s=quantity.seconds(values["timeout"] or 0, "timeout"),
        init=bool(values["init"]),
        systemd=(values["systemd"] or "true").lower(),
        restart=parts.restart_policy(values["restart"] or "no"),
        health=health(values),
        log=parts.log(values["log_driver"] or "json-file", values["log_opt"]),
        timezone=values["tz"] or "",
        passwd=values["passwd"] is not False,
        passwd_entry=values["passwd_entry"] or "",
        group_entry=values["group_entry"] or "",
        requires=tuple(name for text in values["requires"] for name in text.split(",")),
        cgroup=(values["cgroups"] or "enabled").lower() != "disabled",
        cgroup_parent=values["cgroup_parent"] or "",
        pid_file=_absolute(values["pidfile"]),
        monitor_pid_file=_absolute(values["conmon_pidfile"]),
        id_file=_absolute(values["cidfile"]),
        secrets=_secrets(values["secret"]),
        binds=tuple(values["volume"]),
        mount_texts=tuple(values["mount"]),
        created_by=tuple(sys.argv),
        replace=bool(values["replace"]),
        ineffective=foreign.ineffective(values),
    )


def _absolute(path: str | None) -> str:
    """A later start has another working directory."""
    return os.path.abspath(path) if path else ""


def variables(values: dict[str, Any]) -> Environment:
    """What the options about variables ask for, with ours where they name them."""
    own = os.environ
    inherited = environment.proxies(own) if values["http_proxy"] is not False else {}
    if values["env_host"]:
        inherited |= own
    inherited |= environment.pairs(values.get("default_env") or (), "environment")
    return Environment(
        inherited=inherited,
        without_image=bool(values["unsetenv_all"]),
        without=tuple(values["unsetenv"]),
        variables=environment.chosen(values["env_file"], values["env"], own),
        merged=environment.pairs(values["env_merge"], "environment"),
    )


def mounted(values: dict[str, Any]) -> tuple[Mount, ...]:
    """-v, --mount and --tmpfs.

    Raises InvalidArgument when two have one destination; the very same text twice counts once.
    """
    found: list[tuple[str, Mount]] = [(text, mounts.volume(text)) for text in values["volume"]]
    if values["mount"]:
        from crun_py.options import mount_options

        found += [(text, mount_options.parse(text)) for text in values["mount"]]
    found += [(f"tmpfs {text}", mounts.tmpfs(text)) for text in values["tmpfs"]]
    chosen: dict[str, tuple[str, Mount]] = {}
    for text, mount in found:
        first = chosen.setdefault(mount.target, (text, mount))[0]
        if first != text:
            raise InvalidArgument(
                f"mounting {mount.target}: two mounts have this destination: {first} and {text}"
            )
    return tuple(mount for _, mount in chosen.values())


def _published(texts: list[str]) -> tuple[PortMapping, ...]:
    if not texts:
        return ()  # the usual way: nothing of ports is loaded
    from crun_py.net import ports

    return tuple(port for text in texts for port in ports.parse(text))


_MODES = ("container:", "ns:", "pasta:", "slirp4netns:")
"""Words before a colon that are not a network's name."""


def _secrets(texts: list[str]) -> tuple[SecretUse, ...]:
    if not texts:
        return ()
    from crun_py.options import secret_options

    return tuple(secret_options.use(text) for text in texts)


def _of_one(values: dict[str, Any]) -> dict[str, Any]:
    """What is asked of the only network."""
    return {
        "ip": values["ip"] or "",
        "ip6": values["ip6"] or "",
        "mac": values["mac_address"] or "",
        "aliases": tuple(values["network_alias"]),
    }


def networking(values: dict[str, Any]) -> Networking:
    """The options about the network."""
    alone = values["dns"] == ["none"]  # the image's resolv.conf stays
    words = values["network"]
    several = len(words) > 1 or any({*":="} & {*w} and not w.startswith(_MODES) for w in words)
    joins: tuple[Join, ...] = ()
    if several or values["link_local_ip"]:
        from crun_py.options import network_options

        joins = network_options.joins(words, values)
    return Networking(
        mode=words[0] if words and not joins else "bridge",
        **({} if joins else _of_one(values)),
        networks=joins,
        ports=_published(values["publish"]),
        expose=tuple(port for text in values["expose"] for port in parts.exposed_ports(text)),
        publish_all=bool(values["publish_all"]),
        hosts=tuple(values["add_host"]),
        keep_hosts=bool(values["no_hosts"]),
        dns=() if alone else tuple(values["dns"]),
        dns_search=tuple(values["dns_search"]),
        dns_options=tuple(values["dns_option"]),
        keep_resolv_conf=alone,
        links=tuple(parts.link(text) for text in values["link"]),
    )


def namespaces(values: dict[str, Any]) -> Namespaces:
    """The options about namespaces and maps of ids."""
    return Namespaces(
        pid=values["pid"] or "private",
        ipc=values["ipc"] or "private",
        uts=values["uts"] or "private",
        cgroup=values["cgroupns"] or "private",
        user=values["userns"] or "",
        uids=tuple(parts.id_map(text, "uid") for text in values["uidmap"]),
        gids=tuple(parts.id_map(text, "gid") for text in values["gidmap"]),
        subuid=values["subuidname"] or "",
        subgid=values["subgidname"] or "",
    )


def security(values: dict[str, Any]) -> Security:
    """The options about capabilities and filters."""
    default = values.get("default_capabilities")
    return replaced(
        parts.security(values["security_opt"]),
        privileged=bool(values["privileged"]),
        cap_add=tuple(values["cap_add"]),
        cap_drop=tuple(values["cap_drop"]),
        default_capabilities=None if default is None else tuple(default),
    )


def ulimits(given: list[str]) -> tuple[Ulimit, ...]:
    """--ulimit; host: all of ours."""
    own = parts.own_ulimits() if "host" in given else ()
    return (*own, *(parts.ulimit(text) for text in given if text != "host"))


def health(values: dict[str, Any]) -> HealthCheck:
    """The options about health checks."""
    from crun_py.clock import parse_span_ms

    command, retries = values["health_cmd"], values["health_retries"]
    names = ("interval", "timeout", "start_period", "start_interval")
    given = {name: values[f"health_{name}"] for name in names}
    if values["no_healthcheck"]:
        named = {"cmd": command, "retries": retries, **given}
        if first := next((name for name, value in named.items() if value), None):
            raise InvalidArgument(
                f"--no-healthcheck: conflicts with --health-{first.replace('_', '-')}"
            )
        return HealthCheck(disabled=True)
    times = {
        name: 0 if text == "disable" else parse_span_ms(text, f"health {name.replace('_', ' ')}")
        for name, text in given.items()
        if text
    }
    return HealthCheck(
        test=parts.health_test(command) if command else None,
        interval_ms=times.get("interval"),
        timeout_ms=times.get("timeout"),
        start_ms=times.get("start_period"),
        start_interval_ms=times.get("start_interval"),
        retries=None if retries is None else quantity.whole(retries, "health retries"),
        on_failure=values["health_on_failure"] or "none",
    )


def limits(values: dict[str, Any]) -> Limits:
    """The options about what may be used; those that a verb lacks ask for nothing."""
    given = values.get

    def devices(name: str) -> dict[str, int]:
        sizes = name.endswith("bps")
        return texts.per_device(given(name) or (), name.replace("_", "-"), sizes=sizes)

    return Limits(
        memory_bytes=texts.size(given("memory"), "memory limit"),
        memory_swap_bytes=texts.size(given("memory_swap"), "memory and swap limit"),
        memory_reservation_bytes=texts.size(given("memory_reservation"), "memory reservation"),
        cpus=texts.cpus(given("cpus")),
        cpu_shares=texts.number(given("cpu_shares"), "cpu shares", 0, 262144),
        cpu_period_us=texts.number(given("cpu_period"), "cpu period", 0, 1_000_000),
        cpu_quota_us=texts.number(given("cpu_quota"), "cpu quota", -1),
        cpuset_cpus=texts.list_of_numbers(given("cpuset_cpus"), "cpuset-cpus"),
        cpuset_mems=texts.list_of_numbers(given("cpuset_mems"), "cpuset-mems"),
        pids=texts.number(given("pids_limit"), "pids limit", -1),
        block_weight=texts.number(given("blkio_weight"), "blkio weight", 0, 1000),
        block_weights=devices("blkio_weight_device"),
        read_bytes=devices("device_read_bps"),
        write_bytes=devices("device_write_bps"),
        read_operations=devices("device_read_iops"),
        write_operations=devices("device_write_iops"),
        unified=texts.unified(given("cgroup_conf") or ()),
    )
