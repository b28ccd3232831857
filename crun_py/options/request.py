"""What the options of `create` and `run` mean: pure functions from text to the record.

A function here reads nothing but its arguments, our environment (for -e KEY) and the files
that options name; it raises InvalidArgument before anything has happened.
"""

from __future__ import annotations

import os

from crun_py import jsonfile, quantity, signals, state
from crun_py.clock import now
from crun_py.container import health, restart
from crun_py.errors import InvalidArgument
from crun_py.net import ipv4, modes, ports
from crun_py.options import namespaces
from crun_py.options.environment import lines_of
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STOP_TIMEOUT_S = 10
LOG_MAX_BYTES, LOG_MAX_FILES = 10 << 20, 3
_SYSTEMD_INITS = ("/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init")


def command_line(config: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """Entry point and command as Docker joins them.  Raises InvalidArgument when empty."""
    command = list(options.get("command") or [])
    entrypoint = options.get("entrypoint")
    if entrypoint is not None:
        # a new entry point does without the image's command
        result = _words(entrypoint) + command
    else:
        result = list(config.get("Entrypoint") or []) + (command or list(config.get("Cmd") or []))
    if not result:
        raise InvalidArgument(
            "creating the container: no command specified",
            hint="the image has none: give one behind its name",
        )
    for word in result:
        if "\0" in word:
            raise InvalidArgument("creating the container: NUL in the command")
    return result


def record(
    paths: Paths,
    container_id: str,
    image_id: str,
    config: dict[str, Any],
    options: dict[str, Any],
) -> dict[str, Any]:
    mode = _network_mode(paths, options.get("network") or "bridge")
    published = [p for text in options.get("publish") or [] for p in ports.parse(text)]
    exposed = sorted(
        {
            *(config.get("ExposedPorts") or {}),
            *(port for text in options.get("expose") or [] for port in exposed_ports(text)),
            *(f"{p.container_port}/{p.protocol}" for p in published),
        }
    )
    if options.get("publish_all"):
        known = {(p.container_port, p.protocol) for p in published}
        for text in exposed:
            number, _, protocol = text.partition("/")
            if (int(number), protocol or "tcp") not in known:
                published.append(ports.Port("", 0, int(number), protocol or "tcp"))
    modes.check_mode(mode, ports=bool(published))
    shared = namespaces.chosen(paths, options)
    hostname = options.get("hostname") or (
        os.uname().nodename if "host" in (mode, shared["uts"]) else container_id[:12]
    )
    given = [line for path in options.get("label_file") or [] for line in lines_of(path, "label")]
    all_labels = {
        **(config.get("Labels") or {}),
        **labels([*given, *(options.get("label") or [])], "label"),
    }
    name = options.get("name")
    args = command_line(config, options)
    return {
        "version": state.VERSION,
        "id": container_id,
        "name": state.check_name(name.removeprefix("/")) if name else "",
        "created": now(),
        "image": options["image"],
        "image_id": image_id,
        "args": args,
        "hostname": _check_hostname(hostname),
        "domainname": options.get("domainname") or "",
        "namespaces": shared,
        "links": _links(paths, options.get("link") or [], mode),
        "requires": [
            state.resolve(paths, name)
            for text in options.get("requires") or []
            for name in text.split(",")
        ],
        "timeout": _seconds(options.get("timeout"), "timeout", 0),
        "timezone": timezone(options.get("tz")),
        "annotations": labels(options.get("annotation") or [], "annotation"),
        "cgroup_parent": _cgroup_parent(options),
        "auto_remove": bool(options.get("rm")),
        "config": {
            "user": options.get("user") or config.get("User") or "",
            "workdir": _workdir(options.get("workdir") or config.get("WorkingDir") or "/"),
            "entrypoint": _entrypoint(config, options),
            "cmd": _command(config, options),
            "labels": all_labels,
            "tty": bool(options.get("tty")),
            "open_stdin": bool(options.get("interactive")),
            "stdin_once": bool(options.get("interactive")) and not options.get("detach"),
            "stop_signal": _stop_signal(config, options, args),
            "stop_timeout": _seconds(
                options.get("stop_timeout"), "stop timeout", STOP_TIMEOUT_S, -1
            ),
            "exposed": exposed,
            "volumes": sorted(config.get("Volumes") or {}),
            "healthcheck": health.settings(config, options),
        },
        "network": {
            "mode": mode,
            "ports": [p.as_dict() for p in published],
            "add_host": options.get("add_host") or [],
            # none: the image's resolv.conf stays, see filesystems.py
            "dns": [] if options.get("dns") == ["none"] else options.get("dns") or [],
            "dns_search": options.get("dns_search") or [],
            "dns_option": options.get("dns_option") or [],
            "ip": ipv4.text(ipv4.parse(options["ip"])) if options.get("ip") else "",
            "aliases": options.get("network_alias") or [],
            "mac": ipv4.check_mac(options["mac_address"]) if options.get("mac_address") else "",
        },
        "log": _log(options),
        "restart": _restart(options),
        "create_command": options.get("create_command") or [],
        "host": _host_options(options),
        "mounts": [],
    }


def _command(config: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """The image's command, if neither a command nor an entry point takes its place."""
    if options.get("command") or options.get("entrypoint") is not None:
        return list(options.get("command") or [])
    return list(config.get("Cmd") or [])


def _entrypoint(config: dict[str, Any], options: dict[str, Any]) -> list[str]:
    given = options.get("entrypoint")
    if given is not None:
        return _words(given)
    return list(config.get("Entrypoint") or [])


def _words(entrypoint: str) -> list[str]:
    """--entrypoint: one word (docker), or words as JSON (podman-run(1)); "" for none."""
    if entrypoint.startswith("["):
        try:
            words = jsonfile.loads(entrypoint)
        except ValueError:
            words = None
        if isinstance(words, list) and all(isinstance(w, str) for w in words):
            return words
    return [entrypoint] if entrypoint else []


_KEPT = (
    "cap_add cap_drop privileged security_opt ulimit read_only tmpfs volume init memory "
    "memory_swap memory_reservation cpus cpu_shares cpuset_cpus pids_limit shm_size device "
    "sysctl oom_score_adj group_add publish_all umask pull mount volumes_from link userns "
    "cpu_period cpu_quota cpuset_mems memory_swappiness kernel_memory oom_kill_disable "
    "blkio_weight blkio_weight_device device_read_bps device_read_iops device_write_bps "
    "device_write_iops device_cgroup_rule cgroup_conf cgroup_parent systemd "
    "pidfile conmon_pidfile cidfile pids_optional"
).split()


def _host_options(options: dict[str, Any]) -> dict[str, Any]:
    kept = {name: options[name] for name in _KEPT if options.get(name)}
    # a later start has another working directory
    return kept | {key: os.path.abspath(path) for key, path in kept.items() if "pidfile" in key}


def _links(paths: Paths, options: list[str], mode: str) -> list[dict[str, str]]:
    if not options:
        return []
    from crun_py.options import links

    return links.parse(paths, options, mode)


def is_systemd(option: str | None, args: list[str]) -> bool:
    """Whether --systemd (true, false, always) and the command ask for systemd's set-up."""
    mode = (option or "true").lower()
    if mode not in ("true", "false", "always"):
        raise InvalidArgument(f"systemd {option!r}: not known", hint="known: true, false, always")
    named = args[0] in _SYSTEMD_INITS or os.path.basename(args[0]) == "systemd"
    return mode == "always" or (mode == "true" and named)


def _stop_signal(config: dict[str, Any], options: dict[str, Any], args: list[str]) -> int:
    if options.get("stop_signal"):
        return signals.number(options["stop_signal"])
    try:
        # systemd(1), "Signals": it halts the machine, SIGTERM only makes it start anew
        usual = "SIGRTMIN+3" if is_systemd(options.get("systemd"), args) else "SIGTERM"
        return signals.number(config.get("StopSignal") or usual)
    except InvalidArgument as e:
        raise InvalidArgument(
            f"the image's StopSignal: {e.message}", hint="--stop-signal names another one"
        ) from e


def _seconds(text: str | int | None, what: str, default: int, least: int = 0) -> int:
    if text is None:
        return default
    return quantity.seconds(text, what, least)


_ZONES = "/usr/share/zoneinfo"


def timezone(name: str | None) -> str:
    """The file of the host that --tz means: `local` or a name like Europe/Berlin."""
    if not name:
        return ""
    path = os.path.realpath("/etc/localtime" if name == "local" else f"{_ZONES}/{name}")
    if ".." in name.split("/") or name.startswith("/") or not os.path.isfile(path):
        raise InvalidArgument(
            f"time zone {name!r}: not known", hint=f"local, or a name below {_ZONES}"
        )
    return path


def _cgroup_parent(options: dict[str, Any]) -> str:
    """The path of --cgroup-parent; "-" for no cgroup at all (--cgroups=disabled)."""
    mode = options.get("cgroups") or "enabled"
    if mode not in ("enabled", "disabled", "no-conmon", "split"):
        raise InvalidArgument(f"cgroups {mode!r}: not known", hint="known: enabled, disabled")
    parent = options.get("cgroup_parent") or ""
    if ".." in parent.split("/") or not parent.isprintable():
        raise InvalidArgument(f"cgroup parent {parent!r}: not a path of a cgroup")
    return "-" if mode == "disabled" else parent


def _restart(options: dict[str, Any]) -> dict[str, Any]:
    wanted = restart.parse(options.get("restart") or "no")
    if options.get("rm") and wanted["name"] != "no":
        raise InvalidArgument("--rm: conflicts with --restart", hint="choose one of them")
    return wanted


_LOG_DRIVERS = ("json-file", "k8s-file", "none")


def _log(options: dict[str, Any]) -> dict[str, Any]:
    driver = options.get("log_driver") or "json-file"
    driver = "json-file" if driver == "local" else driver  # docker's: files of the engine's own
    if driver not in _LOG_DRIVERS:
        raise InvalidArgument(
            f"log driver {driver!r}: not known", hint="known: " + ", ".join(_LOG_DRIVERS)
        )
    result = {"driver": driver, "max_bytes": LOG_MAX_BYTES, "max_files": LOG_MAX_FILES}
    for option in options.get("log_opt") or []:
        key, _, value = option.partition("=")
        if key == "max-size":
            result["max_bytes"] = 0 if value == "-1" else quantity.size(value, "log size")
        elif key == "max-file" and quantity.is_number(value) and int(value) > 0:
            result["max_files"] = int(value)
        elif key in ("labels", "env"):
            result[key] = [name for name in value.split(",") if name]
        elif key == "tag":
            result[key] = value
        else:
            raise InvalidArgument(
                f"log option {option!r}: not known",
                hint="known: max-size=SIZE, max-file=N, labels=, env= and tag=, shown by --details",
            )
    return result


def _network_mode(paths: Paths, text: str) -> str:
    if text in ("none", "host"):
        return text
    if text in ("bridge", "default", "private"):
        return "bridge"
    if text.startswith("container:"):
        return "container:" + state.resolve(paths, text.partition(":")[2])
    from crun_py.net import config

    config.load(paths, text)
    return text


def exposed_ports(text: str) -> list[str]:
    """PORT[-LAST][/PROTOCOL] as one port/protocol each."""
    numbers, _, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    last = last or first
    good = quantity.is_number(first) and quantity.is_number(last)
    if not good or not 0 < int(first) <= int(last) < 65536:
        raise InvalidArgument(f"expose {text!r}: not PORT[-LAST][/PROTOCOL]")
    return [f"{n}/{(protocol or 'tcp').lower()}" for n in range(int(first), int(last) + 1)]


def _check_hostname(name: str) -> str:
    from crun_py.net.files import is_name

    if not is_name(name) or len(name) > 64:
        raise InvalidArgument(f"host name {name!r}: not allowed")
    return name


def _workdir(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise InvalidArgument(f"working directory {path!r}: must be an absolute path")
    return os.path.normpath("/" + path.lstrip("/"))


def labels(options: list[str], what: str) -> dict[str, str]:
    """KEY=VALUE options by key.  Raises InvalidArgument naming `what`."""
    result = {}
    for option in options:
        key, _, value = option.partition("=")
        if not key:
            raise InvalidArgument(f"{what} {option!r}: not KEY=VALUE")
        result[key] = value
    return result
