"""The options of `create`, `run` and `update`, by their names, as what the engine is asked for.

All that depends on who asks is put in here: variables, relative paths, the command line.
"""

from __future__ import annotations

import os
import sys

from crun_py import caller, quantity, signals
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
    from crun_py.model.container import Mount, RestartPolicy, SecretUse, Ulimit
    from crun_py.model.network import Join, PortMapping
    from crun_py.values import Values


def request(values: Values, arguments: list[str]) -> CreateRequest:
    """What the options of `create` and `run` ask for; arguments: image (or directory) and command.

    Raises InvalidArgument, Unsupported.
    """
    foreign.refuse(values)
    groups = values.texts("group_add")
    overlay = values.flag("rootfs") and arguments[0].endswith(":O")
    directory = os.path.abspath(arguments[0].removesuffix(":O")) if values.flag("rootfs") else ""
    entrypoint, stop_timeout = values.maybe("entrypoint"), values.maybe("stop_timeout")
    devices, cdi = parts.devices(values.texts("device"), values.text("gpus"))
    lines = [
        line for path in values.texts("label_file") for line in environment.lines_of(path, "label")
    ]
    return CreateRequest(
        image="" if values.flag("rootfs") else arguments[0],
        rootfs=directory,
        rootfs_overlay=overlay,
        command=tuple(arguments[1:]),
        entrypoint=None if entrypoint is None else parts.words(entrypoint),
        name=values.text("name").removeprefix("/"),
        tty=values.flag("tty"),
        open_stdin=values.flag("interactive"),
        stdin_once=values.flag("interactive") and not values.given("detach"),
        auto_remove=values.flag("rm"),
        environment=variables(values),
        labels={**unit_label(), **environment.labels([*lines, *values.texts("label")], "label")},
        annotations=environment.labels(values.texts("annotation"), "annotation"),
        mounts=mounted(values),
        volumes_from=tuple(
            part
            for text in values.texts("volumes_from")
            for part in ([text] if ":" in text else text.split(","))
        ),
        image_volumes=values.text("image_volume") or "bind",
        workdir=values.text("workdir"),
        user=values.text("user"),
        groups=tuple(g for g in groups if g != "keep-groups"),
        keep_groups="keep-groups" in groups,
        hostname=values.text("hostname"),
        domainname=values.text("domainname"),
        network=networking(values),
        namespaces=namespaces(values),
        security=security(values),
        limits=limits(values),
        ulimits=ulimits(values.texts("ulimit")),
        sysctls=environment.pairs(values.texts("sysctl"), "sysctl"),
        devices=devices,
        device_rules=tuple(map(parts.device_rule, values.texts("device_cgroup_rule"))),
        cdi=cdi,
        read_only=bool(values.switch("read_only")),
        read_only_tmpfs=bool(values.switch("read_only_tmpfs")),
        shm_bytes=quantity.size(values.text("shm_size"), "shm size")
        if values.text("shm_size")
        else SHM_BYTES,
        storage_bytes=parts.storage_size(values.texts("storage_opt")),
        oom_score_adj=int(values.text("oom_score_adj") or 0),
        umask=int(values.text("umask") or "0022", 8),
        stop_signal=signals.number(values.text("stop_signal")) if values.text("stop_signal") else 0,
        stop_timeout_s=STOP_TIMEOUT_S
        if stop_timeout is None
        else quantity.seconds(stop_timeout, "stop timeout", -1),
        timeout_s=quantity.seconds(values.text("timeout") or 0, "timeout"),
        init=bool(values.switch("init")),
        systemd=(values.text("systemd") or "true").lower(),
        sdnotify=(values.text("sdnotify") or "container").lower(),
        restart=restart(values),
        health=health(values),
        log=parts.log(values.text("log_driver") or "json-file", values.texts("log_opt")),
        timezone=values.text("tz"),
        passwd=values.switch("passwd") is not False,
        passwd_entry=values.text("passwd_entry"),
        group_entry=values.text("group_entry"),
        requires=tuple(name for text in values.texts("requires") for name in text.split(",")),
        cgroup=(values.text("cgroups") or "enabled").lower() != "disabled",
        cgroup_parent=values.text("cgroup_parent"),
        pid_file=absolute(values.text("pidfile")),
        monitor_pid_file=absolute(values.text("conmon_pidfile")),
        id_file=absolute(values.text("cidfile")),
        secrets=_secrets(values.texts("secret")),
        binds=tuple(values.texts("volume")),
        mount_texts=tuple(values.texts("mount")),
        created_by=tuple(sys.argv),
        replace=values.flag("replace"),
        pod=_pod(values),
        ineffective=foreign.ineffective(values),
    )


def restart(values: Values) -> RestartPolicy | None:
    """--restart, None where it is not said."""
    text = values.text("restart")
    return parts.restart_policy(text) if text else None


def _pod(values: Values) -> str:
    """--pod and --pod-id-file.  Raises InvalidArgument when both are given."""
    name, files = values.text("pod"), values.given("pod_id_file")
    if name and files:
        raise InvalidArgument("--pod: conflicts with --pod-id-file", hint="choose one of them")
    if not files:
        return name
    from crun_py.engine.selection import ids_in

    return ids_in(files, "pod ID file")[0]


def unit_label() -> dict[str, str]:
    """The label by which `auto-update` knows the unit that we are a command of."""
    unit = os.environ.get("PODMAN_SYSTEMD_UNIT")
    return {"PODMAN_SYSTEMD_UNIT": unit} if unit else {}


def absolute(path: str) -> str:
    """A later start has another working directory."""
    return os.path.abspath(path) if path else ""


def variables(values: Values) -> Environment:
    """What the options about variables ask for, with ours where they name them."""
    own = os.environ
    inherited: dict[str, str] = {}
    if values.switch("http_proxy") is not False:
        inherited = {**environment.proxies(own), **_configured_proxies()}
    if values.flag("env_host"):
        inherited |= own
    return Environment(
        inherited=inherited,
        without_image=values.flag("unsetenv_all"),
        without=tuple(values.texts("unsetenv")),
        variables=environment.chosen(values.texts("env_file"), values.texts("env"), own),
        merged=environment.pairs(values.texts("env_merge"), "environment"),
    )


def _configured_proxies() -> dict[str, str]:
    """Those of docker's config.json; most have no such file, and load nothing for it."""
    if not os.path.exists(
        (caller.variable("DOCKER_CONFIG") or caller.home(".docker")) + "/config.json"
    ):
        return {}
    from crun_py.cli import docker_config

    return docker_config.proxies()


def mounted(values: Values) -> tuple[Mount, ...]:
    """-v, --mount and --tmpfs.

    Raises InvalidArgument when two have one destination; the very same text twice counts once.
    """
    found: list[tuple[str, Mount]] = [
        (text, mounts.volume(text)) for text in values.texts("volume")
    ]
    if values.texts("mount"):
        from crun_py.options import mount_options

        for text in values.texts("mount"):
            found += [(text, mount) for mount in mount_options.parse(text)]
    found += [(f"tmpfs {text}", mounts.tmpfs(text)) for text in values.texts("tmpfs")]
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


def networking(values: Values) -> Networking:
    """The options about the network."""
    alone = values.texts("dns") == ["none"]  # the image's resolv.conf stays
    words = values.texts("network")
    several = len(words) > 1 or any({*":="} & {*w} and not w.startswith(_MODES) for w in words)
    joins: tuple[Join, ...] = ()
    if several or values.texts("link_local_ip"):
        from crun_py.options import network_options

        joins = network_options.joins(words, values)
    return Networking(
        mode=words[0] if words and not joins else "bridge",
        ip="" if joins else values.text("ip"),
        ip6="" if joins else values.text("ip6"),
        mac="" if joins else values.text("mac_address"),
        aliases=() if joins else tuple(values.texts("network_alias")),
        networks=joins,
        ports=_published(values.texts("publish")),
        expose=tuple(port for text in values.texts("expose") for port in parts.exposed_ports(text)),
        publish_all=values.flag("publish_all"),
        hosts=tuple(values.texts("add_host")),
        keep_hosts=values.flag("no_hosts"),
        dns=() if alone else tuple(values.texts("dns")),
        dns_search=tuple(values.texts("dns_search")),
        dns_options=tuple(values.texts("dns_option")),
        keep_resolv_conf=alone,
        links=tuple(parts.link(text) for text in values.texts("link")),
    )


def namespaces(values: Values) -> Namespaces:
    """The options about namespaces and maps of ids."""
    return Namespaces(
        pid=values.text("pid") or "private",
        ipc=values.text("ipc") or "private",
        uts=values.text("uts") or "private",
        cgroup=values.text("cgroupns") or "private",
        user=values.text("userns"),
        uids=tuple(parts.id_map(text, "uid") for text in values.texts("uidmap")),
        gids=tuple(parts.id_map(text, "gid") for text in values.texts("gidmap")),
        subuid=values.text("subuidname"),
        subgid=values.text("subgidname"),
    )


def security(values: Values) -> Security:
    """The options about capabilities and filters."""
    return replaced(
        parts.security(values.texts("security_opt")),
        privileged=values.flag("privileged"),
        cap_add=tuple(values.texts("cap_add")),
        cap_drop=tuple(values.texts("cap_drop")),
    )


def ulimits(given: list[str]) -> tuple[Ulimit, ...]:
    """--ulimit; host: all of ours."""
    own = parts.own_ulimits() if "host" in given else ()
    return (*own, *(parts.ulimit(text) for text in given if text != "host"))


def health(values: Values) -> HealthCheck:
    """The options about health checks."""
    from crun_py.clock import parse_span_ms

    command, retries = values.maybe("health_cmd"), values.maybe("health_retries")
    given = {
        "interval": values.text("health_interval"),
        "timeout": values.text("health_timeout"),
        "start_period": values.text("health_start_period"),
        "start_interval": values.text("health_start_interval"),
    }
    if values.flag("no_healthcheck"):
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
        on_failure=values.text("health_on_failure") or "none",
    )


def limits(values: Values) -> Limits:
    """The options about what may be used; those that a verb lacks ask for nothing."""

    def devices(key: str, given: list[str]) -> dict[str, int]:
        return texts.per_device(given, key.replace("_", "-"), sizes=key.endswith("bps"))

    reserved = values.maybe("memory_reservation")
    return Limits(
        memory_bytes=texts.size(values.maybe("memory"), "memory limit"),
        memory_swap_bytes=texts.size(values.maybe("memory_swap"), "memory and swap limit"),
        memory_reservation_bytes=texts.size(reserved, "memory reservation"),
        cpus=texts.cpus(values.maybe("cpus")),
        cpu_shares=texts.number(values.maybe("cpu_shares"), "cpu shares", 0, 262144),
        cpu_period_us=texts.number(values.maybe("cpu_period"), "cpu period", 0, 1_000_000),
        cpu_quota_us=texts.number(values.maybe("cpu_quota"), "cpu quota", -1),
        cpuset_cpus=texts.list_of_numbers(values.maybe("cpuset_cpus"), "cpuset-cpus"),
        cpuset_mems=texts.list_of_numbers(values.maybe("cpuset_mems"), "cpuset-mems"),
        pids=texts.number(values.maybe("pids_limit"), "pids limit", -1),
        block_weight=texts.number(values.maybe("blkio_weight"), "blkio weight", 0, 1000),
        block_weights=devices("blkio_weight_device", values.texts("blkio_weight_device")),
        read_bytes=devices("device_read_bps", values.texts("device_read_bps")),
        write_bytes=devices("device_write_bps", values.texts("device_write_bps")),
        read_operations=devices("device_read_iops", values.texts("device_read_iops")),
        write_operations=devices("device_write_iops", values.texts("device_write_iops")),
        unified=texts.unified(values.given("cgroup_conf")),
    )
