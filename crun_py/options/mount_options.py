"""What --mount says: TYPE and KEY=VALUE pairs, docker's and podman's, as a mount of the record.

    {"type": "bind"|"volume"|"tmpfs"|"image", "name", "source", "destination", "rw",
     "options", "copy", "create", …}

Pure.  SELinux labels (z, Z, relabel) and consistency mean nothing here and are accepted.
"""

from __future__ import annotations

import os

from crun_py import quantity
from crun_py.errors import InvalidArgument
from crun_py.options import volume_options
from crun_py.volumes import PASSED, PROPAGATION, check_destination, check_name, check_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SAME = {"src": "source", "dst": "destination", "target": "destination", "ro": "readonly",
         "chown": "U", "relabel": "z", "image-subpath": "subpath",
         "volume-subpath": "subpath"}  # fmt: skip
_ALL = {"type", "source", "destination", "readonly", "rw", "consistency", *PASSED}
_KEYS = {
    "bind": {"bind-propagation", "bind-nonrecursive", "bind-recursive", "z", "U", "idmap"},
    "volume": {"volume-nocopy", "nocopy", "volume-label", "volume-driver", "volume-opt", "z", "U",
               "idmap", "subpath"},
    "tmpfs": {"tmpfs-size", "tmpfs-mode", "size", "mode", "uid", "gid", "notmpcopyup",
              "tmpcopyup"},
    "image": {"subpath"},
}  # fmt: skip
TYPES = tuple(_KEYS)


def parse(text: str) -> dict[str, Any]:
    """One --mount option.  Raises InvalidArgument naming the nearest word."""
    given, repeated = _pairs(text)
    kind = given.pop("type", "volume")
    if kind not in _KEYS:
        raise _unknown(text, f"type {kind!r}", kind, TYPES)
    for key in given:
        if key not in _KEYS[kind] | _ALL:
            raise _unknown(text, f"key {key!r}", key, sorted({*_KEYS[kind], *_ALL, *_SAME}))
    if "destination" not in given:
        raise InvalidArgument(f"mount {text!r}: no destination", hint="destination=/PATH")
    read_only = _switch(text, given, "readonly") or given.get("rw") == "false"
    entry: dict[str, Any] = {
        "type": kind,
        "name": "",
        "source": "",
        "destination": check_destination(given["destination"], text),
        "rw": not read_only,
        "options": [key for key in given if key in PASSED],
        "copy": True,
        "create": False,
    }
    {"bind": _bind, "volume": _volume, "tmpfs": _tmpfs, "image": _image}[kind](text, given, entry)
    if repeated["volume-opt"]:
        entry["volume_options"] = volume_options.parse(repeated["volume-opt"])
    if repeated["volume-label"]:
        entry["volume_labels"] = dict(word.partition("=")[::2] for word in repeated["volume-label"])
    check_place(entry["destination"], text, source=entry["source"] if kind == "bind" else None)
    return entry


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


def _bind(text: str, given: dict[str, str], entry: dict[str, Any]) -> None:
    source = given.get("source", "")
    if not source:
        raise InvalidArgument(f"mount {text!r}: a bind mount needs source=PATH")
    entry["source"] = os.path.abspath(os.path.expanduser(source))
    propagation = given.get("bind-propagation")
    if propagation:
        if propagation not in PROPAGATION:
            raise _unknown(text, f"bind-propagation {propagation!r}", propagation,
                           sorted(PROPAGATION))  # fmt: skip
        entry["options"].append(propagation)
    recursive = given.get("bind-recursive", "enabled")
    if recursive not in ("enabled", "disabled", "writable", "readonly", "true", "false"):
        raise _unknown(text, f"bind-recursive {recursive!r}", recursive,
                       ("enabled", "disabled", "writable", "readonly"))  # fmt: skip
    if recursive in ("disabled", "false") or _switch(text, given, "bind-nonrecursive"):
        entry["options"].append("norbind")
    _owners(text, given, entry)


def _owners(text: str, given: dict[str, str], entry: dict[str, Any]) -> None:
    if _switch(text, given, "U"):
        entry["chown"] = True
    if given.get("idmap"):
        if given["idmap"] != "true":
            raise InvalidArgument(
                f"mount {text!r}: idmap with a mapping of its own is not supported",
                hint="idmap alone uses the container's mapping",
            )
        entry["idmap"] = True


def _volume(text: str, given: dict[str, str], entry: dict[str, Any]) -> None:
    if given.get("source"):
        entry["name"] = check_name(given["source"])
    if given.get("volume-driver", "local") != "local":
        raise InvalidArgument(f"mount {text!r}: only volumes of the driver local")
    if "subpath" in given:
        raise InvalidArgument(f"mount {text!r}: a part of a volume cannot be mounted by itself")
    entry["copy"] = not (_switch(text, given, "volume-nocopy") or _switch(text, given, "nocopy"))
    _owners(text, given, entry)


def _tmpfs(text: str, given: dict[str, str], entry: dict[str, Any]) -> None:
    if "source" in given:
        raise InvalidArgument(f"mount {text!r}: a tmpfs has no source")
    if "tmpcopyup" in given:
        raise InvalidArgument(f"mount {text!r}: a tmpfs is empty at first, tmpcopyup does not hold")
    options = []
    for name in ("size", "mode", "uid", "gid"):
        value = given.get(f"tmpfs-{name}") or given.get(name)
        if value is None:
            continue
        plain = value[:-1] if name == "size" and value[-1:].lower() in "kmgt%" else value
        if not quantity.is_number(plain):
            raise InvalidArgument(f"mount {text!r}: {name} {value!r} is not a number")
        options.append(f"{name}={value}")
    entry["tmpfs"] = ["ro"] * (not entry["rw"]) + entry["options"] + options


def _image(text: str, given: dict[str, str], entry: dict[str, Any]) -> None:
    if not given.get("source"):
        raise InvalidArgument(f"mount {text!r}: an image mount needs source=IMAGE")
    if "subpath" in given:
        raise InvalidArgument(f"mount {text!r}: a part of an image cannot be mounted by itself")
    entry["name"], entry["rw"] = given["source"], _switch(text, given, "rw")
