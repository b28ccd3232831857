"""containers.conf(5): its keys are the defaults of the options of `create` and `run`.

The distribution's copy below /usr/share says what podman's defaults are, and is not read:
ours are Docker's.  Which files there are is found by `paths.configuration`.
"""

from __future__ import annotations

import os
import stat
import tomllib

from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.options.environment import pairs
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.spec import LinuxNamespace
    from crun_py.model.container import CreateRequest
    from crun_py.values import Values

    Check = Callable[[str, str], object]
    """Raises InvalidArgument for an option (by its key) that may not have a value."""

_FILE_BYTES = 1 << 20
_TYPES: dict[str, type] = {"list": list, "tables": list, "bool": bool, "text": str, "number": int}
_TYPE_NAMES = {"list": "a list of strings", "tables": "a list of tables",
               "bool": "true or false", "text": "a string", "number": "a whole number"}  # fmt: skip

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
        "label": ("bool", "security_opt"),
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
        "cgroup_manager": ("text", ""),
        "compose_providers": ("list", ""),
        "detach_keys": ("text", "detach_keys"),
        "env": ("list", ""),
        "image_volume_mode": ("text", "image_volume"),
        "pull_policy": ("text", "pull"),
        "stop_timeout": ("number", "stop_timeout"),
    },
    "network": {
        "default_network": ("text", ""),
        "default_subnet": ("text", ""),
        "default_subnet_pools": ("tables", ""),
    },
}
"""section: key: (type, option); "": `apply` knows it."""

_FOREIGN = {
    "containers": "apparmor_profile base_hosts_file cgroups enable_keyring enable_labeled_users "
    "host_containers_internal_ip init_path keyring label_users log_tag mounts "
    "oom_score_adj prepare_volume_on_create privileged rootless_networking user_prefix_size",
    "engine": "runtime runtimes",
    "network": "cni_plugin_dirs default_rootless_network_cmd "
    "dns_bind_port firewall_driver netavark_plugin_dirs network_backend network_config_dir "
    "pasta_options",
}
"""Keys that mean nothing here, and of which nobody needs to be told."""
_SECTIONS = ("containers", "engine", "network", "machine", "secrets", "farms", "podmansh")


class Setting:
    """A value, and the file that it is from."""

    __slots__ = ("appends", "file", "name", "value")

    def __init__(self, name: str, value: object, file: str, *, appends: bool = False) -> None:
        self.name, self.value, self.file, self.appends = name, value, file, appends

    @property
    def text(self) -> str:
        """As the text of an option."""
        return str(self.value)

    @property
    def texts(self) -> list[str]:
        """Those of a list; none of anything else."""
        return [str(text) for text in self.value] if isinstance(self.value, list) else []

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


def _parsed(file: str) -> dict[str, object]:
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
        texts = [v for v in new.value if not isinstance(v, dict)]
        if not all(isinstance(v, str) for v in texts):
            raise new.wrong("not a list of strings")
        new.value = [*(old.texts if old and new.appends else []), *texts]
    wanted = _TYPES[kind]
    right = isinstance(new.value, wanted) and not (wanted is int and isinstance(new.value, bool))
    if kind == "tables" and isinstance(new.value, list):
        right = all(isinstance(v, dict) for v in new.value)
    if not right:
        raise new.wrong(f"not {_TYPE_NAMES[kind]}")
    if any("\0" in text for text in (new.text, *new.texts)):
        raise new.wrong("a text has a NUL")
    found[new.name] = new


class Defaults:
    """What the files say: the options' values, and what no option does.

    environment: KEY=VALUE, for containers.  own_environment: for us.  capabilities: those that a
    container has unless options say otherwise; None for ours.  subnet: of the default network.
    pids_optional: the limit of processes is given up where it cannot be had.  cgroup_manager: who
    makes cgroups, "" for who does it usually.
    """

    def __init__(self, values: Values) -> None:
        self.values = values
        self.environment: list[str] = []
        self.own_environment: dict[str, str] = {}
        self.capabilities: tuple[str, ...] | None = None
        self.subnet = ""
        self.pids_optional = False
        self.cgroup_manager = ""

    def completed(self, request: CreateRequest) -> CreateRequest:
        """What is asked for, with what no option says."""
        variables, given = request.environment, pairs(self.environment, "environment")
        return replaced(
            request,
            environment=replaced(variables, inherited={**variables.inherited, **given}),
            security=replaced(request.security, default_capabilities=self.capabilities),
            pids_optional=self.pids_optional,
            cgroup_manager=self.cgroup_manager,
        )


def apply(
    values: Values, files: list[str], check: Check, tell: Callable[[str], object]
) -> Defaults:
    """The values of the options, with what `files` say of those that were not given, and the rest
    that they say.

    tell: see `load`.  Raises InvalidArgument, which names the file.
    """
    found = load(files, tell)
    made = Defaults(values)
    for section, keys in _KEYS.items():
        for key, (_, option) in keys.items():
            setting = found.get(f"{section}.{key}")
            if setting is None:
                continue
            try:
                if setting.name in _SPECIAL:
                    _SPECIAL[setting.name](made, setting, check)
                elif option:
                    _default(made, option, setting, check)
            except CrunpyError as e:
                raise setting.wrong(e.message) from e
    return made


def _default(made: Defaults, option: str, setting: Setting, check: Check) -> None:
    """Of an option that was not given; `create` lacks some that `run` has."""
    values, value = made.values, setting.value
    if isinstance(value, bool):
        if values.switch(option) is None:
            made.values = values.with_switch(option, value)
    elif isinstance(value, list):
        for text in setting.texts:
            check(option, text)
        if not values.texts(option):
            made.values = values.with_texts(option, setting.texts)
    else:
        check(option, setting.text)
        if values.has(option) and values.maybe(option) is None:
            made.values = values.with_text(option, setting.text)


def _first(made: Defaults, option: str, texts: list[str], check: Check) -> None:
    """For options of which the last one with a name counts."""
    for text in texts:
        check(option, text)
    made.values = made.values.with_texts(option, [*texts, *made.values.texts(option)])


def _no_hosts(made: Defaults, setting: Setting, check: Check) -> None:
    made.values = made.values.with_flag("no_hosts", bool(setting.value))


def _pairs(setting: Setting) -> list[tuple[str, str]]:
    found = []
    for text in setting.texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InvalidArgument(f"{text!r}: not KEY=VALUE")
        found.append((key, value))
    return found


def _own_environment(made: Defaults, setting: Setting, check: Check) -> None:
    made.own_environment = dict(_pairs(setting))


def _environment(made: Defaults, setting: Setting, check: Check) -> None:
    _pairs(setting)
    made.environment = setting.texts


def _capabilities(made: Defaults, setting: Setting, check: Check) -> None:
    from crun_py.ns import caps

    made.capabilities = tuple(caps.canonical(name) for name in setting.texts)


def _is_shared(given: list[str]) -> bool:
    """Whether an option about a namespace means that of the host or of another container."""
    return any(text.partition(":")[0] in ("host", "container") for text in given[:1])


def _sysctls(made: Defaults, setting: Setting, check: Check) -> None:
    from crun_py.spec import sysctls

    every: list[LinuxNamespace] = [{"type": kind} for kind in ("network", "ipc", "uts")]
    sysctls(pairs(setting.texts, "sysctl"), every)
    shared = [
        prefix
        for option, prefixes in (("network", ("net.",)), ("ipc", ("kernel.", "fs.mqueue.")))
        if _is_shared(made.values.given(option))
        for prefix in prefixes
    ]
    texts = [text for text in setting.texts if not text.startswith(tuple(shared))]
    _first(made, "sysctl", texts, check)


def _namespace(option: str) -> Callable[[Defaults, Setting, Check], None]:
    def set_it(made: Defaults, setting: Setting, check: Check) -> None:
        check(option, setting.text)
        if setting.text not in ("", "private") and not made.values.text(option):
            made.values = made.values.with_text(option, setting.text)

    return set_it


def _network(made: Defaults, setting: Setting, check: Check) -> None:
    check("network", setting.text)
    if setting.text not in ("", "private") and not made.values.texts("network"):
        made.values = made.values.with_texts("network", [setting.text])


def _seccomp(made: Defaults, setting: Setting, check: Check) -> None:
    if not setting.text:
        return
    from crun_py.ns import seccomp

    seccomp.load_profile(setting.text)
    given = made.values.texts("security_opt")
    if not any(text.startswith("seccomp") for text in given):
        texts = [*given, f"seccomp={setting.text}"]
        made.values = made.values.with_texts("security_opt", texts)


def _label(made: Defaults, setting: Setting, check: Check) -> None:
    """false: no container is confined by SELinux."""
    if not setting.value:
        texts = [*made.values.texts("security_opt"), "label=disable"]
        made.values = made.values.with_texts("security_opt", texts)


def _volumes(made: Defaults, setting: Setting, check: Check) -> None:
    from crun_py.options import mount_options, mounts

    values = made.values
    taken = {mounts.volume(text).target for text in values.texts("volume")}
    taken |= {mounts.tmpfs(text).target for text in values.texts("tmpfs")}
    for text in values.texts("mount"):
        taken |= {mount.target for mount in mount_options.parse(text)}
    new = [text for text in setting.texts if mounts.volume(text).target not in taken]
    made.values = values.with_texts("volume", [*new, *values.texts("volume")])


def cgroup_manager(files: list[str], tell: Callable[[str], object]) -> str:
    """Who makes cgroups, "" where the files do not say.  Raises InvalidArgument, which names the
    file."""
    setting = load(files, tell).get("engine.cgroup_manager")
    if setting is None:
        return ""
    from crun_py.cgroup import manager

    try:
        manager.check(setting.text, "")
    except InvalidArgument as e:
        raise setting.wrong(e.message) from e
    return setting.text


def compose_providers(files: list[str], tell: Callable[[str], object]) -> list[str]:
    """Programs that `compose` may run, the first that is there; none where the files do not say."""
    setting = load(files, tell).get("engine.compose_providers")
    return setting.texts if setting else []


def _of_another_verb(made: Defaults, setting: Setting, check: Check) -> None:
    """Nothing that containers are made with."""


def _cgroup_manager(made: Defaults, setting: Setting, check: Check) -> None:
    from crun_py.cgroup import manager

    manager.check(setting.text, "")
    made.cgroup_manager = setting.text


def _default_network(made: Defaults, setting: Setting, check: Check) -> None:
    """Of root's containers; a plain user's are alone unless they ask for a network."""
    from crun_py.ns import user

    if setting.text not in ("", "bridge", "podman") and not user.needed():
        _network(made, setting, check)


def pools(files: list[str], tell: Callable[[str], object]) -> tuple[tuple[str, int], ...]:
    """What `network create` chooses subnets from: networks, and how long a prefix each of their
    parts has; () for ours.  Raises InvalidArgument, which names the file."""
    from crun_py.net import ip

    setting = load(files, tell).get("network.default_subnet_pools")
    if setting is None or not isinstance(setting.value, list):
        return ()
    found = []
    for pool in setting.value:
        base, size = pool.get("base"), pool.get("size")
        if not isinstance(base, str) or not isinstance(size, int) or isinstance(size, bool):
            raise setting.wrong('not {"base" = SUBNET, "size" = NUMBER}')
        try:
            subnet = ip.subnet(base)
        except InvalidArgument as e:
            raise setting.wrong(e.message) from e
        if not subnet[1] <= size <= subnet[2] - 3 or subnet[2] != ip.IPv4:
            raise setting.wrong(f"{base} has no parts of /{size}")
        found.append((ip.written(subnet), size))
    return tuple(found)


def _subnet(made: Defaults, setting: Setting, check: Check) -> None:
    from crun_py.net import ip

    ip.subnet(setting.text)
    made.subnet = setting.text


def _log_size(made: Defaults, setting: Setting, check: Check) -> None:
    if int(setting.text) >= 0:
        _first(made, "log_opt", [f"max-size={setting.text}"], check)


def _log_driver(made: Defaults, setting: Setting, check: Check) -> None:
    known = ("json-file", "k8s-file", "none")  # the others' logs go where we write none
    if not made.values.text("log_driver") and setting.text in known:
        made.values = made.values.with_text("log_driver", setting.text)


def _pids(made: Defaults, setting: Setting, check: Check) -> None:
    if not made.values.text("pids_limit"):
        made.values = made.values.with_text("pids_limit", str(setting.value or -1))
        made.pids_optional = True


def _by_name(option: str) -> Callable[[Defaults, Setting, Check], None]:
    return lambda made, setting, check: _first(made, option, setting.texts, check)


_SPECIAL: dict[str, Callable[[Defaults, Setting, Check], None]] = {
    "containers.annotations": _by_name("annotation"),
    "containers.cgroupns": _namespace("cgroupns"),
    "containers.default_capabilities": _capabilities,
    "containers.default_sysctls": _sysctls,
    "containers.default_ulimits": _by_name("ulimit"),
    "containers.env": _environment,
    "engine.cgroup_manager": _cgroup_manager,
    "engine.compose_providers": _of_another_verb,
    "engine.env": _own_environment,
    "containers.ipcns": _namespace("ipc"),
    "containers.label": _label,
    "containers.log_driver": _log_driver,
    "containers.log_size_max": _log_size,
    "containers.netns": _network,
    "containers.no_hosts": _no_hosts,
    "containers.pidns": _namespace("pid"),
    "containers.pids_limit": _pids,
    "containers.seccomp_profile": _seccomp,
    "containers.userns": _namespace("userns"),
    "containers.utsns": _namespace("uts"),
    "containers.volumes": _volumes,
    "network.default_subnet": _subnet,
    "network.default_subnet_pools": lambda made, setting, check: None,  # pools
    "network.default_network": _default_network,
}
