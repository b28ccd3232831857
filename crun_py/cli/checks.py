"""Every option's value is looked at before its verb begins, so that nothing is pulled or made for
a command line that cannot be right.

What an option's value must be is told by its word in the tables (N, SECONDS, SIGNAL …), or by
the option's name where that says more.  What depends on other options, or on what there is, the
verb checks itself.
"""

from __future__ import annotations

import os

from crun_py import quantity
from crun_py.errors import InvalidArgument
from crun_py.values import LIST, OPTIONAL, VALUE, destination

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.values import Option, Table, Values

    Check = Callable[[str, str], object]
    """Given the option's value and name; raises InvalidArgument."""


def check(verb: str, options: Table, values: Values) -> None:
    """Raises InvalidArgument for the first value that cannot be right."""
    for entry in options:
        key, kind = destination(entry[0]), entry[1]
        if kind == LIST:
            _each(verb, entry, values.texts(key))
        elif kind in (VALUE, OPTIONAL) and (text := values.maybe(key)) is not None:
            _each(verb, entry, [text])


def one(verb: str, options: Table, key: str, value: str) -> None:
    """As `check`, for one value of the option whose key is `key`."""
    entry = next(entry for entry in options if destination(entry[0]) == key)
    _each(verb, entry, [value])


def _each(verb: str, entry: Option, texts: list[str]) -> None:
    option = destination(entry[0]).replace("_", "-")
    act = _BY_VERB.get((verb, option)) or _BY_NAME.get(option) or _BY_WORD.get(entry[3])
    if act:
        for text in texts:
            act(text, option)


def names_beside(verb: str, usage: str, values: Values, arguments: list[str]) -> None:
    """Raises InvalidArgument for names beside an option that stands for all of them."""
    optional = usage.startswith("[") and usage.endswith("...]") and verb != "top"
    for option in ("all", "latest") if optional and arguments else ():
        if values.given(option):
            raise InvalidArgument(
                f"{verb} --{option}: conflicts with the name {_shown(arguments[0])}",
                hint="either of them",
            )


def _shown(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:40] + "…")


def _within(least: int, most: int = quantity.MOST) -> Check:
    return lambda value, option: quantity.whole(value, option, least, most)


def _weight(value: str, option: str) -> None:
    """0 is the usual one."""
    if value != "0":
        quantity.whole(value, option, 10, 1000)


def _seconds(value: str, option: str) -> None:
    quantity.seconds(value, option, -1)


def _one_of(*words: str) -> Check:
    def act(value: str, option: str) -> None:
        if value.lower() not in words:
            raise InvalidArgument(
                f"{option} {_shown(value)}: not known",
                hint="known: " + ", ".join(filter(None, words)),
            )

    return act


def _signal(value: str, option: str) -> None:
    from crun_py import signals

    signals.number(value)


def _span(value: str, option: str) -> None:
    from crun_py.clock import parse_span_ms

    parse_span_ms(value, option)


def _interval(value: str, option: str) -> None:
    if value != "disable":
        _span(value, option)


def _point(value: str, option: str) -> None:
    from crun_py.clock import parse_point

    parse_point(value)


def _size(value: str, option: str) -> None:
    if value != "-1":
        quantity.size(value, option)


def _cpus(value: str, option: str) -> None:
    from crun_py.options.limits import cpus

    cpus(value)


def _format(value: str, option: str) -> None:
    if value not in ("json", "table"):
        from crun_py.show.gotemplate import check as check_template

        check_template(value)


def _printable(value: str, option: str) -> None:
    if not value.isprintable():
        raise InvalidArgument(f"{option} {_shown(value)}: a character in it is not allowed")


def _name(value: str, option: str) -> None:
    from crun_py.net.files import is_name

    if not is_name(value) or len(value) > 64:
        raise InvalidArgument(f"{option} {_shown(value)}: not a name that a host can have")


def _search_domain(value: str, option: str) -> None:
    if value != ".":
        _name(value, option)


def _add_host(value: str, option: str) -> None:
    from crun_py.net.files import parse_add_host

    parse_add_host(value)


def _dns(value: str, option: str) -> None:
    from crun_py.net.files import is_address

    if value != "none" and not is_address(value):
        raise InvalidArgument(f"dns {_shown(value)}: not an address")


def _user(value: str, option: str) -> None:
    from crun_py.ns.users import check_text

    check_text(value)


def _umask(value: str, option: str) -> None:
    if not (0 < len(value) <= 4 and set(value) <= set("01234567")):
        raise InvalidArgument(f"umask {_shown(value)}: not an octal number", hint="like 0022")


def _absolute(value: str, option: str) -> None:
    if not value.startswith("/") or "\0" in value:
        raise InvalidArgument(f"working directory {_shown(value)}: must be an absolute path")


def _key_value(value: str, option: str) -> None:
    if not value or value.startswith("="):
        raise InvalidArgument(f"{option} {_shown(value)}: not KEY=VALUE")


def _new_file(value: str, option: str) -> None:
    """A file that the verb is going to write."""
    directory = os.path.dirname(os.path.abspath(value))
    if not value or os.path.isdir(value):
        raise InvalidArgument(f"{option} {_shown(value)}: not the name of a file")
    if not os.path.isdir(directory):
        raise InvalidArgument(f"{option} {_shown(value)}: no such directory: {directory}")


def _file(value: str, option: str) -> None:
    if not os.path.isfile(value):
        raise InvalidArgument(f"{option} {_shown(value)}: no such file")


def _init_path(value: str, option: str) -> None:
    if not os.access(value, os.X_OK) or os.path.isdir(value):
        raise InvalidArgument(f"{option} {_shown(value)}: no such program")


def _platform(value: str, option: str) -> None:
    from crun_py.oci.manifest import split_platform

    split_platform(value)


def _tail(value: str, option: str) -> None:
    if value != "all":
        quantity.whole(value, option, -1)


def _publish(value: str, option: str) -> None:
    from crun_py.net.ports import parse

    parse(value)


def _restart(value: str, option: str) -> None:
    from crun_py.options.parts import restart_policy

    restart_policy(value)


def _expose(value: str, option: str) -> None:
    from crun_py.options.parts import exposed_ports

    exposed_ports(value)


def _mac(value: str, option: str) -> None:
    from crun_py.net.ip import check_mac

    check_mac(value)


def _ipv4(value: str, option: str) -> None:
    from crun_py.net.ip import packed

    if value:
        packed(value)


def _container_names(value: str, option: str) -> None:
    from crun_py.state import check_name

    for name in value.split(","):
        check_name(name)


def _map(value: str, option: str) -> None:
    from crun_py.options.parts import id_map

    id_map(value, option.removesuffix("map"))


def _list_of_numbers(value: str, option: str) -> None:
    from crun_py.options.limits import list_of_numbers

    list_of_numbers(value, option)


def _ulimit(value: str, option: str) -> None:
    from crun_py.options.parts import ulimit

    if value != "host":
        ulimit(value)


def _keys(value: str, option: str) -> None:
    from crun_py.container.attach import parse_detach_keys

    parse_detach_keys(value)


def _device_value(value: str, option: str) -> None:
    path, colon, rest = value.rpartition(":")
    if not colon or not path or not rest:
        raise InvalidArgument(f"{option} {_shown(value)}: not DEVICE:VALUE")


def _device_rule(value: str, option: str) -> None:
    from crun_py.options import parts

    parts.device_rule(value)


def _namespace(*words: str) -> Check:
    def act(value: str, option: str) -> None:
        mode, colon, name = value.partition(":")
        if value and (mode + colon not in words or (colon and not name)):
            raise InvalidArgument(
                f"{option} namespace {_shown(value)}: not known",
                hint="known: " + ", ".join(w + "NAME" * w.endswith(":") for w in words),
            )

    return act


def _share(value: str, option: str) -> None:
    from crun_py.pods import SHARED

    for word in value.split(","):
        if word.strip().lower() not in (*SHARED, "", "none"):
            raise InvalidArgument(
                f"invalid kernel namespace to share: {_shown(word)}",
                hint=f"known: {', '.join(SHARED)} or none",
            )


def _zone(value: str, option: str) -> None:
    from crun_py.container.record import zone_file

    zone_file(value)


def _filter_of(module: str, name: str) -> Check:
    def act(value: str, option: str) -> None:
        from crun_py.filters import parse

        known = getattr(__import__(module, fromlist=[name]), name)
        parse([value], known)

    return act


_ARCHITECTURES = (
    "386", "amd64", "arm", "arm64", "aarch64", "x86_64", "loong64", "mips64le", "ppc64le",
    "riscv64", "s390x",
)  # fmt: skip


def _platforms(value: str, option: str) -> None:
    for part in value.split(","):
        _platform(part, option)
        if "/" not in part and part not in ("local", "linux", *_ARCHITECTURES):
            hint = "like linux/arm64"
            raise InvalidArgument(f"{option} {_shown(part)}: not a platform", hint=hint)


def _image_name(value: str, option: str) -> None:
    from crun_py.oci.reference import parse

    if parse(value.removeprefix("=")).digest:
        raise InvalidArgument(f"{option} {_shown(value)}: a new image has no digest in its name")


def _capability(value: str, option: str) -> None:
    from crun_py.ns import caps

    caps.canonical(value)


_containers = _filter_of("crun_py.show.container_filters", "FILTERS")
_BY_WORD: dict[str, Check] = {
    "ACTION": _one_of("none", "kill", "restart", "stop"),
    "BOOL": _one_of("true", "false", "1", "0", "t", "f"),
    "DEVICE:N": _device_value,
    "DEVICE:SIZE": _device_value,
    "FORMAT": _format,
    "KEYS": _keys,
    "LIST": _list_of_numbers,
    "MAC": _mac,
    "MAP": _map,
    "N": _within(0),
    "PLATFORM": _platform,
    "PORT": _expose,
    "SECONDS": _seconds,
    "SIGNAL": _signal,
    "SIZE": _size,
    "STREAM": _one_of("stdin", "stdout", "stderr"),
    "TIME": _span,
    "ZONE": _zone,
}
_BY_NAME: dict[str, Check] = {
    "add-host": _add_host,
    "annotation": _key_value,
    "authfile": _file,
    "blkio-weight": _weight,
    "cgroupns": _namespace("private", "host", "container:"),
    "cgroups": _one_of("enabled", "disabled", "no-conmon", "split"),
    "cidfile": _new_file,
    "compression-format": _one_of("gzip", "zstd", "zstd:chunked"),
    "conmon-pidfile": _new_file,
    "cpu-period": _within(0, 1_000_000),
    "cpu-quota": _within(-1),
    "cpu-shares": _within(0, 262144),
    "cpus": _cpus,
    "device-cgroup-rule": _device_rule,
    "digestfile": _new_file,
    "dns": _dns,
    "dns-option": _printable,
    "dns-search": _search_domain,
    "domainname": _name,
    "health-interval": _interval,
    "hostname": _name,
    "iidfile": _new_file,
    "ipam-driver": _one_of("default", "host-local", "none", "dhcp"),
    "image-volume": _one_of("bind", "anonymous", "tmpfs", "ignore"),
    "init-path": _init_path,
    "ip": _ipv4,
    "ipc": _namespace("private", "shareable", "none", "host", "container:"),
    "kernel-memory": _size,
    "label": _key_value,
    "last": _within(-1),
    "log-driver": _one_of("json-file", "k8s-file", "local", "none"),
    "memory-swappiness": _within(-1, 100),
    "network-alias": _name,
    "oom-score-adj": _within(-1000, 1000),
    "pod-id-file": _file,
    "pid": _namespace("private", "host", "container:"),
    "pidfile": _new_file,
    "pids-limit": _within(-1),
    "platform": _platform,
    "preserve-fds": _within(0, 256),
    "publish": _publish,
    "pull": _one_of("", "always", "missing", "never", "newer", "true", "false"),
    "restart": _restart,
    "sdnotify": _one_of("container", "conmon", "ignore", "healthy"),
    "seccomp-policy": _one_of("default", "image"),
    "share": _share,
    "since": _point,
    "systemd": _one_of("true", "false", "always"),
    "tail": _tail,
    "timeout": lambda value, option: quantity.seconds(value, option),
    "ulimit": _ulimit,
    "umask": _umask,
    "until": _point,
    "user": _user,
    "uts": _namespace("private", "host", "container:"),
    "watch": _span,
    "workdir": _absolute,
}
_EXPLAINING = ("explain create", "explain run")
_BY_VERB: dict[tuple[str, str], Check] = {
    **{(verb, "filter"): _containers for verb in ("ps", "stop", "kill", "restart", "pause",
                                                  "unpause", "rm", "start")},
    ("images", "filter"): _filter_of("crun_py.show.image_filters", "FILTERS"),
    ("image prune", "filter"): _filter_of("crun_py.show.image_filters", "PRUNE"),
    ("volume ls", "filter"): _filter_of("crun_py.show.volume_list", "FILTERS"),
    ("events", "filter"): _filter_of("crun_py.events", "FILTERS"),
    ("container prune", "filter"): _filter_of("crun_py.container.prune", "FILTERS"),
    ("buildx create", "driver"): _one_of("docker", "docker-container", "kubernetes", "remote"),
    ("build", "format"): _one_of("oci", "docker"),
    ("build", "progress"): _one_of("auto", "tty", "plain", "rawjson", "quiet", "none"),
    ("build", "allow"): _one_of("security.insecure", "network.host"),
    ("build", "pull"): _one_of(
        "", "always", "missing", "never", "newer", "true", "false", "ifmissing", "ifnewer"
    ),
    ("build", "metadata-file"): _new_file,
    ("build", "logfile"): _new_file,
    ("build", "platform"): _platforms,
    ("build", "tag"): _image_name,
    ("build", "timestamp"): _within(0),
    ("build", "source-date-epoch"): _within(0),
    **{("build", option): _capability for option in ("cap-add", "cap-drop")},
    **{(verb, "authfile"): _new_file for verb in ("login", "logout")},
    **{(verb, "cidfile"): _file for verb in ("stop", "kill", "restart", "pause", "unpause", "rm")},
    **{(verb, "requires"): _container_names for verb in ("create", "run", *_EXPLAINING)},
    **{(verb, "format"): _one_of("text", "json", "oci", "shell") for verb in _EXPLAINING},
    ("generate systemd", "requires"): _printable,
    ("generate systemd", "restart-policy"): _one_of(
        "no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always"
    ),
    ("pod create", "pod-id-file"): _new_file,
    ("pod ps", "filter"): _filter_of("crun_py.show.pod_list", "FILTERS"),
    ("pod prune", "filter"): _filter_of("crun_py.container.prune", "FILTERS"),
    ("push", "progress"): _one_of("auto", "plain", "tty", "quiet", "json", "none"),
    ("volume create", "label"): _key_value,
}  # fmt: skip
