"""`RUN --mount=type=…,…` (Dockerfile reference, "RUN --mount").  Pure."""

from __future__ import annotations

from crun_py import quantity
from crun_py.build.nearest import hint
from crun_py.errors import InvalidArgument
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = ("bind", "cache", "secret", "ssh", "tmpfs")
SHARING = ("locked", "private", "shared")
_SAME = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly",
         "rw": "readwrite"}  # fmt: skip
_KEYS = ("type", "id", "source", "target", "from", "sharing", "mode", "uid", "gid", "required",
         "readonly", "readwrite", "env", "size")  # fmt: skip
_BARE = ("readonly", "readwrite", "required")
_ONLY = {
    "mode": ("cache", "secret", "ssh"), "uid": ("cache", "secret", "ssh"),
    "gid": ("cache", "secret", "ssh"), "required": ("secret", "ssh"), "size": ("tmpfs",),
    "sharing": ("cache",), "env": ("secret",),
}  # fmt: skip
"""The keys that only some types of mounts have."""
_MODES = {"cache": 0o755, "secret": 0o400, "ssh": 0o600}
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


@record
class Mount:
    """type: one of TYPES.  from_: the stage, image or context of `source`, "" for the build
    context (bind) or an empty directory (cache).  target: "" for an ssh mount that goes where
    it likes, and for a secret that is only a variable, `env`.  sharing: of a cache.  mode, uid,
    gid: of a cache, secret or socket, as far as they hold.  size_bytes: of a tmpfs, 0 for no
    limit.  text: the flag's value."""

    type: str
    id: str = ""
    source: str = ""
    target: str = ""
    from_: str = ""
    sharing: str = ""
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    required: bool = False
    read_only: bool = False
    env: str = ""
    size_bytes: int = 0
    text: str = ""


def mount(text: str, expanded: Callable[[str], str] | None = None) -> Mount:
    """The mount that `--mount=text` asks for.

    expanded: replaces variables in a value; without it values that hold some are looked at only
    as far as they can be, and stand as they are.  Raises InvalidArgument.
    """
    given = _given(text)
    loose = False
    for key, value in given.items():
        if "$" in value and key == "from":
            raise InvalidArgument(
                "from cannot hold a variable",
                hint="name the stage: FROM …$NAME… AS x, then from=x",
            )
        loose = loose or ("$" in value and expanded is None)
        given[key] = expanded(value) if expanded else value
    kind = given.get("type", "bind").lower()
    if "$" in kind:
        return Mount(type=kind, text=text)
    if kind not in TYPES:
        raise InvalidArgument(f"type {kind} is not known", hint=hint(kind, TYPES) or _among(TYPES))
    _check_keys(kind, given)
    return _made(kind, {k: v for k, v in given.items() if not (loose and "$" in v)}, given, text)


def _check_keys(kind: str, given: dict[str, str]) -> None:
    for key in given:
        if kind not in _ONLY.get(key, TYPES):
            raise InvalidArgument(f"a {kind} mount has no {key}")
    if kind == "secret":
        if "from" in given:
            raise InvalidArgument("a secret mount has no from")
        if "source" in given and "id" in given:
            raise InvalidArgument("a secret has an id or a source, not both")
        if not any(given.get(key) for key in ("id", "source", "target")):
            raise InvalidArgument("a secret mount needs an id or a target")
    elif kind in ("bind", "cache", "tmpfs") and not given.get("target"):
        raise InvalidArgument(f"a {kind} mount needs a target")


def _made(kind: str, known: dict[str, str], given: dict[str, str], text: str) -> Mount:
    """known: the values without variables; given: all of them."""
    id_, source, target = (given.get(key, "") for key in ("id", "source", "target"))
    if kind == "secret":
        id_ = id_ or source or target.rstrip("/").rpartition("/")[2]
        target = target or ("" if given.get("env") else f"/run/secrets/{id_.rpartition('/')[2]}")
        source = ""
    elif kind == "ssh":
        id_ = id_ or "default"
    elif kind == "cache":
        id_ = id_ or target
    mode = _number(known, "mode", 8) if "mode" in known else _MODES.get(kind)
    return Mount(
        type=kind, id=id_, source=source, target=target, from_=given.get("from", ""),
        sharing=_sharing(known) if kind == "cache" else "", mode=mode,
        uid=_number(known, "uid", 10), gid=_number(known, "gid", 10),
        required=_switch(known, "required", False), read_only=_read_only(kind, known),
        env=given.get("env", ""), text=text,
        size_bytes=quantity.size(known["size"], "size") if "size" in known else 0,
    )  # fmt: skip


def _given(text: str) -> dict[str, str]:
    """Values by the keys' first names; a later one holds."""
    given: dict[str, str] = {}
    for field in fields(text):
        key, sep, value = field.partition("=")
        key = _SAME.get(key.lower(), key.lower())
        if key not in _KEYS:
            near = hint(key, (*_KEYS, *_SAME))
            raise InvalidArgument(f"key {key} is not known", hint=near)
        if not sep and key not in _BARE:
            raise InvalidArgument(f"{key} needs a value", hint=f"{key}=…")
        if key in ("readonly", "readwrite"):
            given.pop("readonly", None), given.pop("readwrite", None)
        given[key] = value if sep else "true"
    return given


def fields(text: str) -> list[str]:
    """The fields of one line of CSV: a quoted one may hold commas, and "" for a quote."""
    fields, at = [""], 0
    while at < len(text):
        if text[at] == '"' and not fields[-1]:
            end = at + 1
            while (end := text.find('"', end)) >= 0 and text[end : end + 2] == '""':
                end += 2
            if end < 0:
                raise InvalidArgument("a quote does not end")
            fields[-1], at = text[at + 1 : end].replace('""', '"'), end + 1
        elif text[at] == ",":
            fields.append("")
            at += 1
        else:
            fields[-1] += text[at]
            at += 1
    return fields


def _number(known: dict[str, str], key: str, base: int) -> int:
    return quantity.whole(known[key], key, 0, (1 << 32) - 1, base) if key in known else 0


def _switch(known: dict[str, str], key: str, otherwise: bool) -> bool:
    value = known.get(key)
    if value is None:
        return otherwise
    if value not in (*_TRUE, *_FALSE):
        raise InvalidArgument(f"{key}={value} is neither true nor false")
    return value in _TRUE


def _read_only(kind: str, known: dict[str, str]) -> bool:
    if "readwrite" in known:
        return not _switch(known, "readwrite", True)
    return _switch(known, "readonly", kind not in ("cache", "tmpfs"))


def _sharing(known: dict[str, str]) -> str:
    value = known.get("sharing", "shared").lower()
    if value not in SHARING:
        near = hint(value, SHARING) or _among(SHARING)
        raise InvalidArgument(f"sharing={value} is not known", hint=near)
    return value


def _among(known: tuple[str, ...]) -> str:
    return "known: " + ", ".join(known)
