"""containers.conf(5): its keys are the defaults of the options of `create` and `run`.

The distribution's copy below /usr/share says what podman's defaults are, and is not read:
ours are Docker's.  Which files there are is found by `paths.configuration`.
"""

from __future__ import annotations

import os
import stat
import tomllib

from crun_py.errors import CrunpyError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from crun_py.documents.spec import LinuxNamespace

    Check = Callable[[str, str], object]

_FILE_BYTES = 1 << 20
_TYPES: dict[str, type] = {"list": list, "bool": bool, "text": str, "number": int}
_TYPE_NAMES = {"list": "a list of strings", "bool": "true or false", "text": "a string",
               "number": "a whole number"}  # fmt: skip

_KEYS: dict[str, dict[str, tuple[str, str]]] = {
    "containers": {
        "annotations": ("list", "annotation"),
        "cgroupns": ("text", "cgroupns"),
        "default_capabilities": ("list", ""),
        "default_sysctls": ("list", "sysctl"),
        "default_ulimits": ("list", "ulimit"),
        "devices": ("list", "device"),
        "dns_options": ("list", "dns_option"),
        "dns_searches": ("list", "dns_search"),
        "dns_servers": ("list", "dns"),
        "env": ("list", ""),
        "http_proxy": ("bool", "http_proxy"),
        "init": ("bool", "init"),
        "ipcns": ("text", "ipc"),
        "log_driver": ("text", "log_driver"),
        "log_size_max": ("number", "log_opt"),
        "netns": ("text", "network"),
        "no_hosts": ("bool", "no_hosts"),
        "pidns": ("text", "pid"),
        "pids_limit": ("number", "pids_limit"),
        "read_only": ("bool", "read_only"),
        "seccomp_profile": ("text", "security_opt"),
        "shm_size": ("text", "shm_size"),
        "tz": ("text", "tz"),
        "umask": ("text", "umask"),
        "userns": ("text", "userns"),
        "utsns": ("text", "uts"),
        "volumes": ("list", "volume"),
    },
    "engine": {
        "detach_keys": ("text", "detach_keys"),
        "env": ("list", ""),
        "image_volume_mode": ("text", "image_volume"),
        "pull_policy": ("text", "pull"),
        "stop_timeout": ("number", "stop_timeout"),
    },
    "network": {"default_subnet": ("text", "")},
}
"""section: key: (type, option); "": `apply` knows it."""

_FOREIGN = {
    "containers": "apparmor_profile base_hosts_file cgroups enable_keyring enable_labeled_users "
    "host_containers_internal_ip init_path keyring label label_users log_tag mounts "
    "oom_score_adj prepare_volume_on_create privileged rootless_networking user_prefix_size",
    "engine": "runtime runtimes",
    "network": "cni_plugin_dirs default_network default_rootless_network_cmd default_subnet_pools "
    "dns_bind_port firewall_driver netavark_plugin_dirs network_backend network_config_dir "
    "pasta_options",
}
"""Keys that mean nothing here, and of which nobody needs to be told."""
_SECTIONS = ("containers", "engine", "network", "machine", "secrets", "farms", "podmansh")


class Setting:
    """A value, and the file that it is from."""

    __slots__ = ("appends", "file", "name", "value")

    def __init__(self, name: str, value: Any, file: str, *, appends: bool = False) -> None:
        self.name, self.value, self.file, self.appends = name, value, file, appends

    def wrong(self, why: object) -> InvalidArgument:
        return InvalidArgument(f"{self.file}: {self.name}: {why}")


def load(files: list[str], tell: Callable[[str], object]) -> dict[str, Setting]:
    """What the files say, later ones key by key instead of earlier ones, by `section.key`.

    tell: is told of keys that nobody knows.  Raises InvalidArgument, which names the file.
    """
    found: dict[str, Setting] = {}
    for file in files:
        for section, keys in _parsed(file).items():
            if section not in _SECTIONS:
                tell(f"{file}: section {section} is not known")
                continue
            if not isinstance(keys, dict):
                raise InvalidArgument(f"{file}: {section}: not a table")
            for key, value in keys.items():
                known = _KEYS.get(section, {}).get(key)
                if known:
                    _merge(found, Setting(f"{section}.{key}", value, file), known[0])
                elif section in _KEYS and key not in _FOREIGN[section].split():
                    tell(f"{file}: {section}.{key}: not known")
    return found


def _parsed(file: str) -> dict[str, Any]:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(fd)
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3):
                return {}  # /dev/null: nothing shall be read
            if not stat.S_ISREG(found.st_mode) or found.st_size > _FILE_BYTES:
                raise InvalidArgument(f"reading {file}: not a configuration file")
            data = os.read(fd, _FILE_BYTES)
        finally:
            os.close(fd)
    except OSError as e:
        raise InvalidArgument.from_os(f"reading {file}", e) from e
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise InvalidArgument(f"reading {file}: not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        lines = data.rstrip(b"\n").count(b"\n") + 1
        why = str(e).replace("at end of document", f"at the end, line {lines}")
        raise InvalidArgument(f"reading {file}: {why[:1].lower()}{why[1:]}") from None


def _merge(found: dict[str, Setting], new: Setting, kind: str) -> None:
    old = found.get(new.name)
    if kind == "list" and isinstance(new.value, list):
        new.appends = bool(old and old.appends)
        for part in [part for part in new.value if isinstance(part, dict)]:
            if list(part) != ["append"] or not isinstance(part["append"], bool):
                raise new.wrong("not a list of strings")
            new.appends = part["append"]
            new.value = [v for v in new.value if v is not part]
        if not all(isinstance(v, str) for v in new.value):
            raise new.wrong("not a list of strings")
        if old and new.appends:
            new.value = [*old.value, *new.value]
    wanted = _TYPES[kind]
    if not isinstance(new.value, wanted) or (wanted is int and isinstance(new.value, bool)):
        raise new.wrong(f"not {_TYPE_NAMES[kind]}")
    found[new.name] = new


def apply(
    values: dict[str, Any], files: list[str], check: Check, tell: Callable[[str], object]
) -> dict[str, Any]:
    """The values of the options, with what `files` say of those that were not given.

    check: raises InvalidArgument for an option (by its key) that may not have a value.
    """
    found = load(files, tell)
    values = {**values}
    for section, keys in _KEYS.items():
        for key, (_, option) in keys.items():
            setting = found.get(f"{section}.{key}")
            if setting is None:
                continue
            try:
                if setting.name in _SPECIAL:
                    _SPECIAL[setting.name](values, setting, check)
                elif option:
                    _default(values, option, setting, check)
            except CrunpyError as e:
                raise setting.wrong(e.message) from e
    return values


def _default(values: dict[str, Any], option: str, setting: Setting, check: Check) -> None:
    """Of an option that was not given."""
    value = setting.value
    texts = value if isinstance(value, list) else [] if isinstance(value, bool) else [str(value)]
    for text in texts:
        check(option, text)
    given = values.get(option)
    if option in values and (given is None or given == [] or option == "no_hosts"):
        values[option] = value if isinstance(value, list | bool) else str(value)


def _first(values: dict[str, Any], option: str, texts: list[str], check: Check) -> None:
    """For options of which the last one with a name counts."""
    for text in texts:
        check(option, text)
    values[option] = [*texts, *(values.get(option) or [])]


def _pairs(setting: Setting) -> list[tuple[str, str]]:
    found = []
    for text in setting.value:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InvalidArgument(f"{text!r}: not KEY=VALUE")
        found.append((key, value))
    return found


def _own_environment(values: dict[str, Any], setting: Setting, check: Check) -> None:
    values["engine_env"] = dict(_pairs(setting))


def _environment(values: dict[str, Any], setting: Setting, check: Check) -> None:
    _pairs(setting)
    values["default_env"] = setting.value


def _capabilities(values: dict[str, Any], setting: Setting, check: Check) -> None:
    from crun_py.ns import caps

    values["default_capabilities"] = [caps.canonical(name) for name in setting.value]


def _mode(values: dict[str, Any], option: str) -> str:
    """The word before a colon of an option about a namespace; --network may be given often."""
    given = values.get(option) or ""
    first = given[0] if isinstance(given, list) else given
    return str(first).partition(":")[0]


def _sysctls(values: dict[str, Any], setting: Setting, check: Check) -> None:
    from crun_py.options.environment import pairs
    from crun_py.spec import sysctls

    every: list[LinuxNamespace] = [{"type": kind} for kind in ("network", "ipc", "uts")]
    sysctls(pairs(setting.value, "sysctl"), every)
    shared = [
        prefix
        for option, prefixes in (("network", ("net.",)), ("ipc", ("kernel.", "fs.mqueue.")))
        if _mode(values, option) in ("host", "container")
        for prefix in prefixes
    ]
    texts = [text for text in setting.value if not text.startswith(tuple(shared))]
    _first(values, "sysctl", texts, check)


def _namespace(option: str) -> Callable[[dict[str, Any], Setting, Check], None]:
    def set_it(values: dict[str, Any], setting: Setting, check: Check) -> None:
        check(option, setting.value)
        if setting.value not in ("", "private") and not values.get(option):
            listed = isinstance(values.get(option), list)
            values[option] = [setting.value] if listed else setting.value

    return set_it


def _seccomp(values: dict[str, Any], setting: Setting, check: Check) -> None:
    if not setting.value:
        return
    from crun_py.ns import seccomp

    seccomp.load_profile(setting.value)
    given = values.get("security_opt") or []
    if not any(text.startswith("seccomp") for text in given):
        values["security_opt"] = [*given, f"seccomp={setting.value}"]


def _volumes(values: dict[str, Any], setting: Setting, check: Check) -> None:
    from crun_py.options import mount_options, mounts

    taken = {mounts.volume(text).target for text in values.get("volume") or []}
    taken |= {mounts.tmpfs(text).target for text in values.get("tmpfs") or []}
    taken |= {mount_options.parse(text).target for text in values.get("mount") or []}
    new = [text for text in setting.value if mounts.volume(text).target not in taken]
    values["volume"] = [*new, *(values.get("volume") or [])]


def _subnet(values: dict[str, Any], setting: Setting, check: Check) -> None:
    from crun_py.net import ip

    ip.subnet(setting.value)
    values["default_subnet"] = setting.value


def _log_size(values: dict[str, Any], setting: Setting, check: Check) -> None:
    if setting.value >= 0:
        _first(values, "log_opt", [f"max-size={setting.value}"], check)


def _log_driver(values: dict[str, Any], setting: Setting, check: Check) -> None:
    if not values.get("log_driver") and setting.value in ("json-file", "k8s-file", "none"):
        values["log_driver"] = setting.value  # the others' logs go where we write none


def _pids(values: dict[str, Any], setting: Setting, check: Check) -> None:
    if not values.get("pids_limit"):
        values["pids_limit"] = str(setting.value or -1)
        values["pids_optional"] = True


def _by_name(option: str) -> Callable[[dict[str, Any], Setting, Check], None]:
    return lambda values, setting, check: _first(values, option, setting.value, check)


_SPECIAL: dict[str, Callable[[dict[str, Any], Setting, Check], None]] = {
    "containers.annotations": _by_name("annotation"),
    "containers.cgroupns": _namespace("cgroupns"),
    "containers.default_capabilities": _capabilities,
    "containers.default_sysctls": _sysctls,
    "containers.default_ulimits": _by_name("ulimit"),
    "containers.env": _environment,
    "engine.env": _own_environment,
    "containers.ipcns": _namespace("ipc"),
    "containers.log_driver": _log_driver,
    "containers.log_size_max": _log_size,
    "containers.netns": _namespace("network"),
    "containers.pidns": _namespace("pid"),
    "containers.pids_limit": _pids,
    "containers.seccomp_profile": _seccomp,
    "containers.userns": _namespace("userns"),
    "containers.utsns": _namespace("uts"),
    "containers.volumes": _volumes,
    "network.default_subnet": _subnet,
}
