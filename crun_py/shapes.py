"""What JSON documents are made of, as data, and whether a value is so.

    str, int, bool, object          a value of this type (true is no int)
    None                            null
    (shape, shape)                  one of these
    [shape]                         a list of such
    {str: shape}                    an object of any keys
    {"key": shape, "key?": shape}   an object of these keys, the second only if it is there; what
                                    else it has does not matter

A file of ours that somebody edited, or a disk damaged, is found so before anything is made of it.
`documents/` says the same for mypy.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ABSENT = object()


def fits(value: object, shape: object) -> bool:
    """Whether `value`, as JSON gives it, is of the `shape`."""
    if isinstance(shape, type):
        return type(value) is shape or shape is object
    if shape is None:
        return value is None
    if isinstance(shape, tuple):
        return any(fits(value, one) for one in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and _all_fit(value, shape[0])
    assert isinstance(shape, dict)
    if not isinstance(value, dict):
        return False
    if str in shape:
        return _all_fit(value.values(), shape[str])
    for key, inner in shape.items():
        found = value.get(key, _ABSENT)
        if found is _ABSENT:
            if key[-1] != "?":
                return False
            found = value.get(key[:-1], _ABSENT)
            if found is _ABSENT:
                continue
        if type(found) is not inner and not fits(found, inner):
            return False
    return True


def _all_fit(values: Iterable[object], shape: object) -> bool:
    # a generator would take twice the time, and `ps` asks this of thousands of records
    for one in values:  # noqa: SIM110
        if type(one) is not shape and not fits(one, shape):
            return False
    return True


def misfit(value: object, shape: object, where: str = "") -> str:
    """Where `value` is first not of the `shape`, and what it is not, as `a.b[1]: not a number`; ""
    when it fits.  where: what `value` is called."""
    if fits(value, shape):
        return ""
    if isinstance(shape, dict) and isinstance(value, dict):
        if str in shape:
            inner = {key: (one, shape[str]) for key, one in value.items()}
        else:
            names = {key.rstrip("?"): wanted for key, wanted in shape.items()}
            inner = {key: (value[key], wanted) for key, wanted in names.items() if key in value}
            for key in shape:
                if key[-1] != "?" and key not in value:
                    return f"{where}.{key}: missing".lstrip(".")
        found = (misfit(*pair, f"{where}.{key}".lstrip(".")) for key, pair in inner.items())
        return next(filter(None, found))
    if isinstance(shape, list) and isinstance(value, list):
        found = (misfit(one, shape[0], f"{where}[{n}]") for n, one in enumerate(value))
        return next(filter(None, found))
    kind = shape if isinstance(shape, type) else type(shape)
    return f"{where}: not {_CALLED.get(kind, 'of a type that can be')}"


_CALLED: dict[type, str] = {
    str: "a text", int: "a number", list: "a list", dict: "an object", bool: "true or false",
}  # fmt: skip

_TEXTS, _BY_NAME = [str], {str: str}
_ROWS = [[int]]
_HEALTH_CHECK = {
    "test": _TEXTS, "interval_ms": int, "timeout_ms": int, "start_ms": int,
    "start_interval_ms": int, "retries": int, "on_failure": str,
}  # fmt: skip
_CONFIG = {
    "user": str, "workdir": str, "entrypoint": _TEXTS, "cmd": _TEXTS, "env": _TEXTS,
    "env_chosen": _TEXTS, "labels": _BY_NAME, "tty": bool, "open_stdin": bool, "stdin_once": bool,
    "stop_signal": int, "stop_timeout": int, "exposed": _TEXTS, "volumes": _TEXTS,
    "healthcheck": (None, _HEALTH_CHECK),
}  # fmt: skip
_PORT = {
    "container_port": int, "host_port": int, "host_ip": str, "protocol": str, "host_last": int,
}  # fmt: skip
_JOIN = {
    "network": str, "ip": str, "ip6": str, "mac": str, "aliases": _TEXTS, "interface": str,
    "link_local": _TEXTS,
}  # fmt: skip
_NETWORK = {
    "mode": str, "ports": [_PORT], "add_host": _TEXTS, "dns": _TEXTS, "dns_search": _TEXTS,
    "dns_option": _TEXTS, "networks": [_JOIN],
}  # fmt: skip
_HOST = {
    "cap_add?": _TEXTS, "cap_drop?": _TEXTS, "privileged?": bool, "security_opt?": _TEXTS,
    "ulimit?": [{"name": str, "soft": int, "hard": int}], "read_only?": bool, "tmpfs?": _BY_NAME,
    "volume?": _TEXTS, "mount?": _TEXTS, "volumes_from?": _TEXTS, "link?": _TEXTS, "init?": bool,
    "limits?": {str: object}, "shm_size?": int, "storage_bytes?": int,
    "device?": [{"source": str, "target": str, "access": str}], "sysctl?": _BY_NAME,
    "device_rules?": [{"type": str, "major": int, "minor": int, "access": str}],
    "oom_score_adj?": int, "group_add?": _TEXTS, "publish_all?": bool, "umask?": int,
    "userns?": str, "systemd?": str, "sdnotify?": str, "tz?": str, "passwd?": bool, "pidfile?": str,
    "conmon_pidfile?": str, "cidfile?": str, "pids_optional?": bool, "ineffective?": _BY_NAME,
}  # fmt: skip
_MOUNT = {
    "type": str, "name": str, "source": str, "destination": str, "rw": bool, "options": _TEXTS,
    "mode?": str, "copy?": bool, "create?": bool, "anonymous?": bool, "subpath?": str,
    "chown?": bool, "idmap?": bool, "mounted?": bool, "id_map?": {str: _ROWS}, "overlay?": bool,
    "relabel?": str, "layer?": str, "image_id?": str,
}  # fmt: skip
RECORD = {
    "version": int, "id": str, "name": str, "created": str, "image": str, "image_id": str,
    "args": _TEXTS, "hostname": str, "domainname": str,
    "namespaces": {"pid": str, "ipc": str, "uts": str, "cgroup": str},
    "userns": (None, {"mode": str, "uids": _ROWS, "gids": _ROWS, "idmapped": bool}),
    "links": [{"id": str, "alias": str}], "requires": _TEXTS, "timeout": int, "timezone": str,
    "annotations": _BY_NAME, "cgroup_parent": str, "cgroup_manager?": str,
    "auto_remove": bool, "config": _CONFIG, "network": _NETWORK,
    "log": {"driver": str, "max_bytes": int, "max_files": int, "labels": _TEXTS, "env": _TEXTS,
            "tag": str},
    "restart": {"name": str, "max": int}, "create_command": _TEXTS, "host": _HOST,
    "mounts": [_MOUNT], "layers": _TEXTS, "rootfs?": str, "copied?": bool,
    "pod?": str, "infra?": bool,
    "selinux?": {"process": str, "mount": str, "nested": bool},
    "secrets?": [{"name": str, "variable": str, "target": str, "uid": int, "gid": int,
                  "mode": int}],
}  # fmt: skip
"""container.json, documents.container.Record."""

SPEC = {
    "process": {"args": _TEXTS, "env": _TEXTS, "cwd": str, "user": {"uid": int, "gid": int},
                "capabilities": {str: _TEXTS}},
    "linux": {str: object}, "root": {"path": str}, "mounts": [{str: object}],
    "annotations": _BY_NAME,
}  # fmt: skip
"""What is asked of a config.json before it is looked at as a whole (runtime.check)."""

SECCOMP = {
    "defaultAction": str, "defaultErrnoRet?": int, "architectures?": _TEXTS, "flags?": _TEXTS,
    "listenerPath?": str, "listenerMetadata?": str,
    "syscalls?": [{
        "names": _TEXTS, "action": str, "errnoRet?": int,
        "args?": [{"index": int, "value?": int, "valueTwo?": int, "op": str}],
    }],
}  # fmt: skip
"""linux.seccomp of a config.json, or a profile file of which only that is left."""

_SOME_TEXTS, _SOME_TEXT, _SOME_NAMES = (None, _TEXTS), (None, str), (None, {str: object})
IMAGE = {
    "rootfs": {"diff_ids": _TEXTS},
    "history?": (None, [{str: object}]),
    "config?": (None, {
        "Cmd?": _SOME_TEXTS, "Entrypoint?": _SOME_TEXTS, "Env?": _SOME_TEXTS,
        "OnBuild?": _SOME_TEXTS, "Shell?": _SOME_TEXTS, "StopSignal?": _SOME_TEXT,
        "User?": _SOME_TEXT, "WorkingDir?": _SOME_TEXT, "Volumes?": _SOME_NAMES,
        "ExposedPorts?": _SOME_NAMES, "Healthcheck?": _SOME_NAMES, "Labels?": (None, _BY_NAME),
    }),
}  # fmt: skip
"""An image's config of the store, which oci.config.check has passed: whether it still is one."""

POD = {
    "version": int, "id": str, "name": str, "created": str, "labels": _BY_NAME, "shared": _TEXTS,
    "infra": str, "exit_policy": str, "create_command": _TEXTS, "hostname": str,
    "cgroup_parent": str, "limits": {str: object}, "restart?": {"name": str, "max": int},
}  # fmt: skip
"""pod.json, documents.pod.Pod."""

VOLUME = {
    "version?": int, "name?": str, "created?": str, "labels?": _BY_NAME, "anonymous?": bool,
    "options?": _BY_NAME, "unused?": bool,
}  # fmt: skip
"""volume.json, documents.volume.Volume."""
