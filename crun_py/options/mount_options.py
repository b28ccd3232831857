"""What --mount says: TYPE and KEY=VALUE pairs, docker's and podman's, as a mount.

Pure but for `glob`, which looks at the host.  Consistency means nothing here and is accepted.
"""

from __future__ import annotations

from crun_py import quantity
from crun_py.errors import InvalidArgument
from crun_py.model.container import Bind, ImageMount, KernelMount, Tmpfs, VolumeMount
from crun_py.options import parts, volume_options
from crun_py.options.paths import host_path
from crun_py.volumes import PASSED, PROPAGATION, RELABEL, check_destination, check_name, check_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.model.container import Mount

_SAME = {"src": "source", "dst": "destination", "target": "destination", "ro": "readonly",
         "chown": "U", "image-subpath": "subpath",
         "volume-subpath": "subpath"}  # fmt: skip
_ALL = {"type", "source", "destination", "readonly", "rw", "consistency", *PASSED}
_KEYS = {
    "bind": {"bind-propagation", "bind-nonrecursive", "bind-recursive", "z", "Z", "relabel", "U",
             "idmap"},
    "volume": {"volume-nocopy", "nocopy", "volume-label", "volume-driver", "volume-opt", "z", "Z",
               "relabel", "U", "idmap", "subpath"},
    "tmpfs": {"tmpfs-size", "tmpfs-mode", "size", "mode", "uid", "gid", "notmpcopyup",
              "tmpcopyup", "U"},
    "image": {"subpath"},
    "glob": {"bind-propagation", "bind-nonrecursive", "bind-recursive", "z", "Z", "relabel", "U",
             "idmap"},
    "devpts": {"uid", "gid", "mode", "max"},
    "ramfs": {"mode"},
}  # fmt: skip
TYPES = tuple(_KEYS)


def parse(text: str) -> list[Mount]:
    """One --mount option: a mount, or those of a glob.  Raises InvalidArgument naming the nearest
    word."""
    given, repeated = _pairs(text)
    kind = given.pop("type", "volume")
    if kind not in _KEYS:
        raise _unknown(text, f"type {kind!r}", kind, TYPES)
    for key in given:
        if key not in _KEYS[kind] | _ALL:
            raise _unknown(text, f"key {key!r}", key, sorted({*_KEYS[kind], *_ALL, *_SAME}))
    if "destination" not in given:
        raise InvalidArgument(f"mount {text!r}: no destination", hint="destination=/PATH")
    target = check_destination(given["destination"], text)
    if kind == "volume":
        made: list[Mount] = [_volume(text, given, repeated, target)]
    elif kind == "glob":
        made = [*_glob(text, given, target)]
    else:
        made = [_OF_TYPE[kind](text, given, target)]
    for mount in made:
        check_place(mount.target, text, source=mount.source if isinstance(mount, Bind) else None)
    return made


def _read_only(text: str, given: dict[str, str]) -> bool:
    if given.get("readonly") == "force":  # by mount_setattr(2), as always
        return True
    return _switch(text, given, "readonly") or given.get("rw") == "false"


def _relabel(text: str, given: dict[str, str]) -> str:
    """shared, private or "": what z, Z or relabel= say of SELinux labels."""
    found = [word for key, word in RELABEL.items() if _switch(text, given, key)]
    found += [given["relabel"]] if "relabel" in given else []
    if len(found) > 1 or (found and found[0] not in RELABEL.values()):
        raise InvalidArgument(f"mount {text!r}: relabel is shared (z) or private (Z)")
    return found[0] if found else ""


def _flags(given: dict[str, str]) -> tuple[str, ...]:
    return tuple(key for key in given if key in PASSED)


_REPEATED = ("volume-label", "volume-opt")


def _pairs(text: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The comma-separated KEY=VALUE pairs, and all values of the keys that may come again; a
    part may be in double quotes, as in CSV."""
    parts, quoted = [""], False
    for c in text:
        if c == '"':
            quoted = not quoted
        elif c == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += c
    result: dict[str, str] = {}
    repeated: dict[str, list[str]] = {key: [] for key in _REPEATED}
    for part in parts:
        key, sep, value = part.partition("=")
        key = _SAME.get(key.strip(), key.strip())
        if not key or (key in result and key not in _REPEATED):
            raise InvalidArgument(f"mount {text!r}: {part!r} is not KEY=VALUE, or is given twice")
        result[key] = value if sep else "true"
        if key in repeated:
            repeated[key].append(value)
    return result, repeated


def _unknown(text: str, what: str, word: str, known: list[str] | tuple[str, ...]) -> Exception:
    import difflib

    near = difflib.get_close_matches(word, known, 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else "known: " + ", ".join(known)
    return InvalidArgument(f"mount {text!r}: {what} is not known", hint=hint)


def _switch(text: str, given: dict[str, str], key: str) -> bool:
    value = given.get(key, "false").lower()
    if value not in ("true", "1", "false", "0"):
        raise InvalidArgument(f"mount {text!r}: {key}={value} is neither true nor false")
    return value in ("true", "1")


def _bind(text: str, given: dict[str, str], target: str) -> Bind:
    source = given.get("source", "")
    if not source:
        raise InvalidArgument(f"mount {text!r}: a bind mount needs source=PATH")
    propagation = given.get("bind-propagation", "")
    if propagation and propagation not in PROPAGATION:
        raise _unknown(text, f"bind-propagation {propagation!r}", propagation, sorted(PROPAGATION))
    recursive = given.get("bind-recursive", "enabled")
    if recursive not in ("enabled", "disabled", "writable", "readonly", "true", "false"):
        raise _unknown(text, f"bind-recursive {recursive!r}", recursive,
                       ("enabled", "disabled", "writable", "readonly"))  # fmt: skip
    alone = recursive in ("disabled", "false") or _switch(text, given, "bind-nonrecursive")
    return Bind(
        source=host_path(source), target=target,
        read_only=_read_only(text, given), read_only_below=recursive != "writable",
        flags=_flags(given), propagation=propagation, recursive=not alone,
        chown=_switch(text, given, "U"), idmapped="idmap" in given,
        id_map=parts.mount_id_map(given.get("idmap", ""), text), relabel=_relabel(text, given),
    )  # fmt: skip


def _glob(text: str, given: dict[str, str], target: str) -> list[Bind]:
    """All that a pattern finds on the host, each under its own name in the target."""
    import glob
    import os

    pattern = host_path(given.get("source", ""))
    found = sorted(glob.glob(pattern))
    if not found:
        raise InvalidArgument(f"mount {text!r}: nothing matches {pattern}")
    places = ((path, f"{target}/{os.path.basename(path)}") for path in found)
    return [_bind(text, {**given, "source": path}, place) for path, place in places]


def _volume(
    text: str, given: dict[str, str], repeated: dict[str, list[str]], target: str
) -> VolumeMount:
    if given.get("volume-driver", "local") != "local":
        raise InvalidArgument(f"mount {text!r}: only volumes of the driver local")
    subpath = given.get("subpath", "")
    if "subpath" in given and not given.get("source"):
        raise InvalidArgument(f"mount {text!r}: a part of a volume needs the volume's name")
    return VolumeMount(
        name=check_name(given["source"]) if given.get("source") else "", target=target,
        read_only=_read_only(text, given), flags=_flags(given),
        copy=not (_switch(text, given, "volume-nocopy") or _switch(text, given, "nocopy")),
        chown=_switch(text, given, "U"), idmapped="idmap" in given, subpath=subpath,
        id_map=parts.mount_id_map(given.get("idmap", ""), text),
        options=volume_options.parse(repeated["volume-opt"]), relabel=_relabel(text, given),
        labels=dict(word.partition("=")[::2] for word in repeated["volume-label"]),
    )  # fmt: skip


def _tmpfs(text: str, given: dict[str, str], target: str) -> Tmpfs:
    if "source" in given:
        raise InvalidArgument(f"mount {text!r}: a tmpfs has no source")
    options = ["ro"] if _read_only(text, given) else []
    options += ["tmpcopyup"] if _switch(text, given, "tmpcopyup") else []
    options += _flags(given)
    for name in ("size", "mode", "uid", "gid"):
        value = given.get(f"tmpfs-{name}") or given.get(name)
        if value is None:
            continue
        plain = value[:-1] if name == "size" and value[-1:].lower() in "kmgt%" else value
        if not quantity.is_number(plain):
            raise InvalidArgument(f"mount {text!r}: {name} {value!r} is not a number")
        options.append(f"{name}={value}")
    return Tmpfs(target=target, options=tuple(options), chown=_switch(text, given, "U"))


def _kernel(text: str, given: dict[str, str], target: str, kind: str) -> KernelMount:
    if "source" in given:
        raise InvalidArgument(f"mount {text!r}: {kind} has no source")
    options = [*(["ro"] if _read_only(text, given) else []), *_flags(given)]
    for name in ("uid", "gid", "mode", "max"):
        if name in given and not quantity.is_number(given[name]):
            raise InvalidArgument(f"mount {text!r}: {name} {given[name]!r} is not a number")
        options += [f"{name}={given[name]}"] if name in given else []
    return KernelMount(kind=kind, target=target, options=tuple(options))


def _devpts(text: str, given: dict[str, str], target: str) -> KernelMount:
    return _kernel(text, given, target, "devpts")


def _ramfs(text: str, given: dict[str, str], target: str) -> KernelMount:
    return _kernel(text, given, target, "ramfs")


def _image(text: str, given: dict[str, str], target: str) -> ImageMount:
    if not given.get("source"):
        raise InvalidArgument(f"mount {text!r}: an image mount needs source=IMAGE")
    writable, subpath = _switch(text, given, "rw"), given.get("subpath", "")
    if subpath and writable:
        raise InvalidArgument(f"mount {text!r}: a part of an image is read-only")
    return ImageMount(image=given["source"], target=target, writable=writable, subpath=subpath)


_OF_TYPE: dict[str, Callable[[str, dict[str, str], str], Mount]] = {
    "bind": _bind, "tmpfs": _tmpfs, "image": _image, "devpts": _devpts, "ramfs": _ramfs,
}  # fmt: skip
