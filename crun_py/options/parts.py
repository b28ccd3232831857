"""Texts of docker's and podman's options as parts of a request.  Pure.

All raise InvalidArgument naming the text.
"""

from __future__ import annotations

from crun_py import jsonfile, quantity
from crun_py.errors import InvalidArgument
from crun_py.model.container import (
    Device,
    DeviceRule,
    IdMap,
    LogConfig,
    RestartPolicy,
    Security,
    Ulimit,
)
from crun_py.model.spec import RLIMIT_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

RESTART_POLICIES = ("no", "on-failure", "always", "unless-stopped")
LOG_DRIVERS = ("json-file", "k8s-file", "none")


def words(text: str) -> tuple[str, ...]:
    """--entrypoint: one word (docker), or words as JSON (podman-run(1)); "" for none."""
    return _json_words(text) or ((text,) if text and text != "[]" else ())


def _json_words(text: str) -> tuple[str, ...]:
    """The words of a JSON array, () for any other text."""
    if not text.startswith("["):
        return ()
    try:
        found = jsonfile.loads(text)
    except ValueError:
        return ()
    good = isinstance(found, list) and all(isinstance(word, str) for word in found)
    return tuple(found) if good else ()


def health_test(text: str) -> tuple[str, ...]:
    """--health-cmd: a shell's command line, or words as JSON, as podman takes them."""
    if text.lower() == "none":
        return ("NONE",)
    if found := _json_words(text):
        return found if found[0] in ("CMD", "CMD-SHELL", "NONE") else ("CMD", *found)
    return ("CMD-SHELL", text)


def restart_policy(text: str) -> RestartPolicy:
    """`always`, `on-failure:3` …"""
    name, sep, number = text.partition(":")
    name = name or "no"
    if name not in RESTART_POLICIES:
        raise InvalidArgument(
            f"restart policy {text!r}: not known", hint=", ".join(RESTART_POLICIES)
        )
    if not sep:
        return RestartPolicy(name=name)
    if name != "on-failure":
        raise InvalidArgument(f"restart policy {text!r}: only on-failure has a maximum")
    if not quantity.is_number(number):
        raise InvalidArgument(f"restart policy {text!r}: the maximum is not a number")
    return RestartPolicy(name=name, retries=int(number))


def log(driver: str, options: Iterable[str]) -> LogConfig:
    """--log-driver and the KEY=VALUE texts of --log-opt."""
    driver = "json-file" if driver == "local" else driver  # docker's: files of the engine's own
    if driver not in LOG_DRIVERS:
        raise InvalidArgument(
            f"log driver {driver!r}: not known", hint="known: " + ", ".join(LOG_DRIVERS)
        )
    usual = LogConfig()
    size, files, names, tag = usual.max_bytes, usual.max_files, {"labels": (), "env": ()}, ""
    for option in options:
        key, _, value = option.partition("=")
        if key == "max-size":
            size = 0 if value == "-1" else quantity.size(value, "log size")
        elif key == "max-file" and quantity.is_number(value) and int(value) > 0:
            files = int(value)
        elif key in names:
            names[key] = tuple(name for name in value.split(",") if name)  # type: ignore[assignment]
        elif key == "tag":
            tag = value
        else:
            raise InvalidArgument(
                f"log option {option!r}: not known",
                hint="known: max-size=SIZE, max-file=N, labels=, env= and tag=, shown by --details",
            )
    return LogConfig(driver=driver, max_bytes=size, max_files=files, tag=tag, **names)


def exposed_ports(text: str) -> tuple[str, ...]:
    """PORT[-LAST][/PROTOCOL] as one port/protocol each."""
    numbers, _, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    last = last or first
    good = quantity.is_number(first) and quantity.is_number(last)
    if not good or not 0 < int(first) <= int(last) < 65536:
        raise InvalidArgument(f"expose {text!r}: not PORT[-LAST][/PROTOCOL]")
    return tuple(f"{n}/{(protocol or 'tcp').lower()}" for n in range(int(first), int(last) + 1))


def ulimit(text: str) -> Ulimit:
    """NAME=SOFT[:HARD]; -1 and unlimited are for no limit."""
    name, _, values = text.partition("=")
    soft, _, hard = values.partition(":")
    try:
        numbers = [
            -1 if v in ("-1", "unlimited") else quantity.whole(v, "ulimit")
            for v in (soft, hard or soft)
        ]
    except InvalidArgument:
        numbers = []
    if name not in RLIMIT_NAMES or not numbers:
        raise InvalidArgument(
            f"ulimit {text}: not NAME=SOFT[:HARD]", hint="names: " + ", ".join(RLIMIT_NAMES)
        )
    if 0 <= numbers[1] < (numbers[0] if numbers[0] >= 0 else numbers[1] + 1):
        raise InvalidArgument(f"ulimit {text}: the soft limit is above the hard one")
    return Ulimit(name=name, soft=numbers[0], hard=numbers[1])


def own_ulimits() -> tuple[Ulimit, ...]:
    """All limits of this process (`--ulimit host`)."""
    import resource

    return tuple(
        Ulimit(name=name, soft=soft, hard=hard)
        for number, name in enumerate(RLIMIT_NAMES)
        for soft, hard in (resource.getrlimit(number),)
    )


def devices(texts: Iterable[str], gpus: str = "") -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """Of --device, nodes of the host and names of CDI devices, VENDOR/CLASS=NAME; gpus: --gpus, all
    or device=NAME,…, which are such.  Raises InvalidArgument."""
    own, named = [], []
    for text in texts:
        kind, equals, name = text.partition("=")
        if equals and "/" in kind and not text.startswith((".", "/")):
            if not name or not all(c.isalnum() or c in "_.:-" for c in name):
                raise InvalidArgument(f"device {text!r}: not VENDOR/CLASS=NAME")
            named.append(text)
        else:
            own.append(device(text))
    if gpus:
        word, equals, names = gpus.strip('"').partition("=")
        if gpus != "all" and not (word == "device" and names):
            raise InvalidArgument(f"gpus {gpus!r}: all, or device=NAME,…", hint="--gpus all")
        named += [f"nvidia.com/gpu={name}" for name in (names.split(",") if equals else ["all"])]
    return tuple(own), tuple(named)


def device(text: str) -> Device:
    """HOST[:CONTAINER][:rwm]."""
    source, _, rest = text.partition(":")
    target, colon, access = rest.partition(":")
    if not colon and {*target} <= {*"rwm"}:
        target, access = "", target
    if not {*access} <= {*"rwm"}:
        raise InvalidArgument(f"device {text!r}: {access!r} is not of the letters rwm")
    return Device(source=source, target=target or source, access=access)


def device_rule(text: str) -> DeviceRule:
    """TYPE MAJOR:MINOR ACCESS, as in the files of cgroup v1's device controller: `c 1:* rwm`.
    Raises InvalidArgument."""
    words = text.split(" ")
    numbers = words[1].split(":") if len(words) == 3 else []
    good = len(numbers) == 2 and words[0] in ("a", "b", "c") and words[2]
    if not good or not {*words[2]} <= {*"rwm"} or not all(map(_is_device_number, numbers)):
        raise InvalidArgument(
            f"device cgroup rule {text[:40]!r}: not TYPE MAJOR:MINOR ACCESS", hint="c 1:3 rwm"
        )
    major, minor = (-1 if n == "*" else int(n) for n in numbers)
    return DeviceRule(words[0], major, minor, words[2])


def _is_device_number(text: str) -> bool:
    return text == "*" or (quantity.is_number(text) and int(text) < 1 << 31)


def id_map(text: str, kind: str) -> tuple[int, int, int]:
    """INSIDE:OUTSIDE[:COUNT]; kind: uid or gid."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(map(quantity.is_number, parts)):
        raise InvalidArgument(f"{kind}map {text[:40]!r}: not INSIDE:OUTSIDE[:COUNT]")
    inside, outside, count = (*map(int, parts), 1)[:3]
    # the last of 32 bits is no id: (uid_t)-1
    if not count or max(inside, outside) + count > (1 << 32) - 1:
        raise InvalidArgument(f"{kind}map {text[:40]!r}: out of range")
    return inside, outside, count


def mount_id_map(value: str, what: str) -> IdMap | None:
    """What a mount's idmap= says: [@]uids=STORED-SHOWN-COUNT#…;gids=… (podman-run(1)); None for
    the container's own.  what: the whole option, for errors.  Raises InvalidArgument."""
    if value in ("", "true"):
        return None
    relative = value.startswith("@")
    tables: dict[str, tuple[tuple[int, int, int], ...]] = {}
    for part in value.removeprefix("@").split(";"):
        kind, _, rows = part.partition("=")
        relative |= rows.startswith("@")
        if kind not in ("uids", "gids") or kind in tables:
            raise InvalidArgument(f"mount {what!r}: idmap {part!r} is not uids=… or gids=…")
        tables[kind] = tuple(_id_row(row, what) for row in rows.removeprefix("@").split("#"))
    uids, gids = tables.get("uids", ()), tables.get("gids", ())
    return IdMap(uids=uids or gids, gids=gids or uids, relative=relative)


def _id_row(row: str, what: str) -> tuple[int, int, int]:
    numbers = row.split("-")
    if len(numbers) != 3 or not all(map(quantity.is_number, numbers)):
        raise InvalidArgument(f"mount {what!r}: idmap row {row!r} is not STORED-SHOWN-COUNT")
    stored, shown, count = map(int, numbers)
    if not count or max(stored, shown) + count > (1 << 32) - 1:
        raise InvalidArgument(f"mount {what!r}: idmap row {row!r} is out of range")
    return stored, shown, count


def link(text: str) -> tuple[str, str]:
    """NAME[:ALIAS] as (name, alias)."""
    name, _, alias = text.partition(":")
    name = name.removeprefix("/")
    alias = alias or name
    if not name or not all(c.isalnum() or c in "_.-" for c in alias):
        raise InvalidArgument(f"link {text!r}: not NAME[:ALIAS]")
    return name, alias


def storage_size(options: Iterable[str]) -> int:
    """size= of --storage-opt in bytes, 0 for none.  Raises InvalidArgument."""
    found = 0
    for text in options:
        key, _, value = text.partition("=")
        if key != "size":
            raise InvalidArgument(f"storage option {text!r}: not known", hint="size=10g")
        found = quantity.size(value, "storage size")
        if not found:
            raise InvalidArgument(f"storage option {text!r}: not a size")
    return found


_HIDEPID = ("0", "1", "2", "4", "off", "noaccess", "invisible", "ptraceable")


def _proc_options(text: str) -> list[str]:
    """hidepid=, gid= and subset=pid, with commas between (proc(5)).  Raises InvalidArgument."""
    found = text.split(",")
    for option in found:
        key, _, value = option.partition("=")
        good = (
            (key == "hidepid" and value in _HIDEPID)
            or (key == "gid" and quantity.is_number(value))
            or option == "subset=pid"
        )
        if not good:
            raise InvalidArgument(
                f"security option proc-opts={text}: {option!r} is not known",
                hint="hidepid=0|1|2|4, gid=N, subset=pid",
            )
    return found


_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
"""As Go's strconv.ParseBool knows them, and so docker and podman."""


def _truth(option: str, value: str) -> bool:
    if value not in (*_TRUE, *_FALSE):
        raise InvalidArgument(f"security option {option}: {value!r} is neither true nor false")
    return value in _TRUE


def _system_paths(option: str, key: str, value: str) -> list[str]:
    if key == "unmask" and value.upper() == "ALL":
        return ["ALL"]
    found = value.split(":")
    for path in found:
        if not path.startswith("/"):
            raise InvalidArgument(f"security option {option}: {path!r} is not an absolute path")
    return found


def security(options: Iterable[str]) -> Security:
    """The texts of --security-opt.  Raises InvalidArgument."""
    labels: list[str] = []
    proc_options: list[str] = []
    no_new_privileges, seccomp, apparmor = False, "default", ""
    paths: dict[str, list[str]] = {"mask": [], "unmask": []}
    for option in options:
        key, sep, value = option.partition("=")
        if not sep:
            key, sep, value = option.partition(":")
        if key == "no-new-privileges":
            no_new_privileges = value == "" or _truth(option, value)
        elif key == "seccomp" and value:
            seccomp = "default" if value in ("builtin", "default") else value
        elif key in paths and value:
            paths[key] += _system_paths(option, key, value)
        elif key == "apparmor":
            apparmor = value
        elif key == "label":
            from crun_py.ns import selinux

            labels.append(selinux.check_option(value))
        elif key == "proc-opts":
            proc_options += _proc_options(value)
        elif key == "systempaths":
            if value != "unconfined":
                raise InvalidArgument(f"security option {option}: only unconfined is possible")
            paths["unmask"].append("ALL")
        else:
            raise InvalidArgument(
                f"security option {option}: not known",
                hint="known: no-new-privileges, seccomp=, mask=, unmask=, label=, apparmor=, "
                "proc-opts=, systempaths=",
            )
    return Security(
        no_new_privileges=no_new_privileges, seccomp=seccomp, mask=tuple(paths["mask"]),
        unmask=tuple(paths["unmask"]), apparmor=apparmor, labels=tuple(labels),
        proc_options=tuple(proc_options),
        options=tuple(options),
    )  # fmt: skip
