"""From what is asked for and the image's configuration to the record, container.json.

Pure, but for the names of other containers and networks, which are looked up; raises
InvalidArgument before anything has happened.
"""

from __future__ import annotations

import os

from crun_py import signals, state
from crun_py.cgroup import manager
from crun_py.clock import now
from crun_py.container import health, namespaces
from crun_py.errors import InvalidArgument
from crun_py.model.container import RestartPolicy, Tmpfs
from crun_py.model.network import Join
from crun_py.net import config, connection
from crun_py.record import replaced, to_json, without_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.documents import container as documents
    from crun_py.documents.container import (
        Config,
        Host,
        Link,
        MountEntry,
        Port,
        Record,
        UserNamespace,
    )
    from crun_py.documents.image import ImageConfig
    from crun_py.model.container import CreateRequest, Networking
    from crun_py.paths import Paths

_SYSTEMD_INITS = ("/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init")
NO_CGROUP = "-"
"""As the record's cgroup_parent: there is to be none at all."""


def command_line(config: ImageConfig, request: CreateRequest) -> list[str]:
    """Entry point and command as Docker joins them.  Raises InvalidArgument when empty."""
    if request.entrypoint is not None:
        # a new entry point does without the image's command
        result = [*request.entrypoint, *request.command]
    else:
        result = list(config.get("Entrypoint") or [])
        result += request.command or list(config.get("Cmd") or [])
    if not result:
        raise InvalidArgument(
            "creating the container: no command specified",
            hint="the image has none: give one behind its name",
        )
    for word in result:
        if "\0" in word:
            raise InvalidArgument("creating the container: NUL in the command")
    return result


def make(
    paths: Paths,
    container_id: str,
    image_id: str,
    config: ImageConfig,
    request: CreateRequest,
    *,
    userns: UserNamespace | None = None,
    layers: Sequence[str] = (),
) -> Record:
    """The record of a container `container_id`; its environment and mounts come with
    `completed`.

    config: the image's.  layers: directories, base first.  Raises InvalidArgument, NotFound.
    """
    asked = request.network
    mode = _network_mode(paths, asked.networks[0].network if asked.networks else asked.mode)
    published = _published(asked, config)
    connection.check_mode(mode, ports=bool(published))
    shared = namespaces.chosen(paths, request.namespaces)
    if shared["uts"] != "private" and request.hostname:
        raise InvalidArgument("--hostname: conflicts with --uts, which shares another's name")
    hostname = request.hostname or _hostname(paths, container_id, mode, shared["uts"])
    args = command_line(config, request)
    replaced = bool(request.command) or request.entrypoint is not None
    restart = request.restart or RestartPolicy()
    if restart.name != "no" and request.auto_remove:
        raise InvalidArgument("--rm: conflicts with --restart", hint="choose one of them")
    record: Record = {
        "version": state.VERSION,
        "id": container_id,
        "name": state.check_name(request.name) if request.name else "",
        "created": now(),
        "image": "" if request.infra else request.image or request.rootfs,
        "image_id": image_id,
        "args": args,
        "hostname": _check_hostname(hostname),
        "domainname": request.domainname,
        "namespaces": shared,
        "userns": userns,
        "links": _links(paths, asked, mode),
        "requires": [state.resolve(paths, name) for name in request.requires],
        "timeout": request.timeout_s,
        "timezone": zone_file(request.timezone),
        "annotations": {**request.annotations},
        "cgroup_parent": _cgroup_parent(request),
        "auto_remove": request.auto_remove,
        "config": {
            "user": request.user or config.get("User") or "",
            "workdir": _workdir(request.workdir or config.get("WorkingDir") or "/"),
            "entrypoint": list(
                config.get("Entrypoint") or [] if request.entrypoint is None else request.entrypoint
            ),
            "cmd": list(request.command if replaced else config.get("Cmd") or []),
            "labels": {**(config.get("Labels") or {}), **request.labels},
            "tty": request.tty,
            "open_stdin": request.open_stdin,
            "stdin_once": request.stdin_once,
            "stop_signal": request.stop_signal or _stop_signal(config, request.systemd, args),
            "stop_timeout": request.stop_timeout_s,
            "exposed": _exposed(asked, config),
            "volumes": sorted(config.get("Volumes") or {}),
            "healthcheck": health.settings(config, request.health),
            "env": [],
            "env_chosen": [],
        },
        "network": {
            "mode": mode,
            "ports": published,
            "add_host": [*asked.hosts],
            "dns": [*asked.dns],
            "dns_search": [*asked.dns_search],
            "dns_option": [*asked.dns_options],
            "networks": [to_json(join) for join in _joins(paths, asked, mode)],
        },
        "log": to_json(request.log),
        "restart": {"name": restart.name, "max": restart.retries},
        "create_command": [*request.created_by],
        "host": _host(request),
        "mounts": [],
        "layers": [os.path.relpath(layer, paths.root) for layer in layers],
    }
    if request.sdnotify == "healthy" and not record["config"]["healthcheck"]:
        raise InvalidArgument(
            "--sdnotify healthy: the container has no health check", hint="--health-cmd"
        )
    if not layers:
        record["rootfs"] = request.rootfs
    if request.cgroup_manager:
        record["cgroup_manager"] = request.cgroup_manager
    if request.secrets:
        record["secrets"] = _secrets(paths, request)
    if request.pod:
        record["pod"] = request.pod
    if request.infra:
        record["infra"] = True
    return record


def completed(
    record: Record, mounts: list[MountEntry], environment: list[str], chosen: list[str]
) -> Record:
    """`record` with what was decided after it: mounts, the whole environment, and what of that
    the image and the user said."""
    config: Config = {**record["config"], "env": environment, "env_chosen": chosen}
    return {**record, "mounts": mounts, "config": config}


def _published(asked: Networking, config: ImageConfig) -> list[Port]:
    """The published ports; with publish_all also those exposed that are not named."""
    found: list[Port] = [to_json(port) for port in asked.ports]
    if asked.publish_all:
        known = {(port.container_port, port.protocol) for port in asked.ports}
        for text in _exposed(asked, config):
            number, _, protocol = text.partition("/")
            if (int(number), protocol or "tcp") not in known:
                found.append({"container_port": int(number), "host_port": 0, "host_ip": "",
                              "protocol": protocol or "tcp", "host_last": 0})  # fmt: skip
    return found


def _exposed(asked: Networking, config: ImageConfig) -> list[str]:
    own = {f"{port.container_port}/{port.protocol}" for port in asked.ports}
    return sorted({*(config.get("ExposedPorts") or {}), *asked.expose, *own})


def _host(request: CreateRequest) -> Host:
    """What the container gets of the host, for `inspect`, `update` and each start."""
    security = request.security
    found: Host = {
        "cap_add": [*security.cap_add],
        "cap_drop": [*security.cap_drop],
        "privileged": security.privileged,
        "security_opt": [*security.options],
        "ulimit": [to_json(limit) for limit in request.ulimits],
        "read_only": request.read_only,
        "tmpfs": {m.target: ",".join(m.options) for m in request.mounts if isinstance(m, Tmpfs)},
        "volume": [*request.binds],
        "mount": [*request.mount_texts],
        "volumes_from": [*request.volumes_from],
        "link": [f"{name}:{alias}" for name, alias in request.network.links],
        "init": request.init,
        "limits": to_json(request.limits),
        "shm_size": request.shm_bytes,
        "storage_bytes": request.storage_bytes,
        "device": [to_json(device) for device in request.devices],
        "device_rules": [to_json(rule) for rule in request.device_rules],
        "sysctl": {**request.sysctls},
        "oom_score_adj": request.oom_score_adj,
        "group_add": [*request.groups, *(["keep-groups"] if request.keep_groups else [])],
        "publish_all": request.network.publish_all,
        "umask": request.umask,
        "userns": request.namespaces.user,
        "systemd": request.systemd,
        "sdnotify": "" if request.sdnotify == "container" else request.sdnotify,
        "tz": request.timezone,
        "passwd": request.passwd,
        "pidfile": request.pid_file,
        "conmon_pidfile": request.monitor_pid_file,
        "cidfile": request.id_file,
        "pids_optional": request.pids_optional,
        "ineffective": {**request.ineffective},
    }
    return without_empty(found, but="passwd")


def _links(paths: Paths, asked: Networking, mode: str) -> list[Link]:
    if not asked.links:
        return []
    from crun_py.container import links

    return links.chosen(paths, asked.links, mode)


def is_systemd(how: str, args: list[str]) -> bool:
    """Whether `how` (true, false, always) and the command ask for systemd's set-up."""
    mode = how.lower()
    if mode not in ("true", "false", "always"):
        raise InvalidArgument(f"systemd {how!r}: not known", hint="known: true, false, always")
    named = args[0] in _SYSTEMD_INITS or os.path.basename(args[0]) == "systemd"
    return mode == "always" or (mode == "true" and named)


def _stop_signal(config: ImageConfig, systemd: str, args: list[str]) -> int:
    try:
        # systemd(1), "Signals": it halts the machine, SIGTERM only makes it start anew
        usual = "SIGRTMIN+3" if is_systemd(systemd, args) else "SIGTERM"
        return signals.number(config.get("StopSignal") or usual)
    except InvalidArgument as e:
        raise InvalidArgument(
            f"the image's StopSignal: {e.message}", hint="--stop-signal names another one"
        ) from e


_ZONES = "/usr/share/zoneinfo"


def zone_file(name: str) -> str:
    """The file of the host that a time zone is: `local` or a name like Europe/Berlin."""
    if not name:
        return ""
    path = os.path.realpath("/etc/localtime" if name == "local" else f"{_ZONES}/{name}")
    if ".." in name.split("/") or name.startswith("/") or not os.path.isfile(path):
        raise InvalidArgument(
            f"time zone {name!r}: not known", hint=f"local, or a name below {_ZONES}"
        )
    return path


def _cgroup_parent(request: CreateRequest) -> str:
    """The path of the cgroup above the container's; NO_CGROUP for none at all."""
    parent = request.cgroup_parent
    manager.check(request.cgroup_manager, parent)
    if ".." in parent.split("/") or not parent.isprintable():
        raise InvalidArgument(f"cgroup parent {parent!r}: not a path of a cgroup")
    return parent if request.cgroup else NO_CGROUP


def _network_mode(paths: Paths, text: str) -> str:
    if text.startswith("container:"):
        return "container:" + state.resolve(paths, text.partition(":")[2])
    return text if connection.is_alone(text) else _network_name(paths, text)


def _secrets(paths: Paths, request: CreateRequest) -> list[documents.SecretUse]:
    """What the container gets of secrets that there are.  Raises NotFound, InvalidArgument."""
    from crun_py import secrets

    found = []
    for use in request.secrets:
        if not 0 <= use.mode <= 0o7777 or use.uid < 0 or use.gid < 0:
            raise InvalidArgument(f"secret {use.name}: mode or owner is out of range")
        found.append(to_json(replaced(use, name=secrets.load(paths, use.name).name)))
    return found


def _joins(paths: Paths, asked: Networking, mode: str) -> list[Join]:
    """What is asked of each network.  Raises InvalidArgument, NotFound."""
    own = Join(mode, ip=asked.ip, ip6=asked.ip6, mac=asked.mac, aliases=asked.aliases)
    alone = connection.is_alone(mode)
    joins = [*asked.networks] or [own]
    if asked.networks and own != Join(mode):
        raise InvalidArgument(
            "addresses and names on networks: say of which, where there are several"
        )
    if alone:
        if len(joins) > 1:
            raise InvalidArgument(f"network mode {mode!r}: it goes with no other network")
        if own != Join(mode):
            raise InvalidArgument(
                f"network mode {mode!r}: addresses and names on a network conflict with it"
            )
        return []
    found: list[Join] = []
    for join in joins:
        network = _network_name(paths, join.network)
        if any(network == other.network for other in found):
            raise InvalidArgument(f"network {network!r}: it is given twice")
        found.append(config.checked(paths, replaced(join, network=network)))
    interfaces = [join.interface for join in found if join.interface]
    if len({*interfaces}) < len(interfaces):
        raise InvalidArgument("interface names: one is given twice")
    return found


def _network_name(paths: Paths, text: str) -> str:
    """A network's name, for that or for the beginning of its id.  Raises NotFound."""
    if text in ("bridge", "default", "private", ""):
        return "bridge"
    return config.resolve(paths, text).name


def _hostname(paths: Paths, container_id: str, network_mode: str, uts: str) -> str:
    """The host name of a container that asks for none."""
    if uts.startswith("container:"):
        return state.load(paths, uts.partition(":")[2]).record["hostname"]
    return os.uname().nodename if "host" in (network_mode, uts) else container_id[:12]


def _check_hostname(name: str) -> str:
    from crun_py.net.files import is_name

    if not is_name(name) or len(name) > 64:
        raise InvalidArgument(f"host name {name!r}: not allowed")
    return name


def _workdir(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise InvalidArgument(f"working directory {path!r}: must be an absolute path")
    return os.path.normpath("/" + path.lstrip("/"))
