"""The functions of templates: text/template's own and docker's."""

from __future__ import annotations

from collections.abc import Callable

from crun_py.show.gotemplate import values
from crun_py.show.gotemplate.printf import sprintf
from crun_py.show.gotemplate.values import NIL, NO_VALUE, NilPointer, is_nil, is_struct, show


class Refused(Exception):
    """A call with the wrong arguments, in words."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f"expected string, got {values.type_name(value)}")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(f"expected int, got {values.type_name(value)}")
    return value


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _from_bytes(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


# ---- of text/template ----


def _plain(value: object) -> object:
    """A missing value as an argument."""
    return NIL if value is NO_VALUE else value


def _print(*parts: object) -> str:
    made = ""
    for number, part in enumerate(parts):
        texts = isinstance(part, str) or (number and isinstance(parts[number - 1], str))
        made += (" " if number and not texts else "") + show(_plain(part))
    return made


def _println(*parts: object) -> str:
    return " ".join(show(_plain(part)) for part in parts) + "\n"


def _printf(form: object, *parts: object) -> str:
    return sprintf(_text(form), *map(_plain, parts))


def _len(value: object) -> int:
    if isinstance(value, str):
        return len(_bytes(value))
    if isinstance(value, list) or (isinstance(value, dict) and not is_struct(value)):
        return len(value)
    raise Refused(f"len of type {values.type_name(value)}")


def _index(value: object, *keys: object) -> object:
    if is_nil(value) and not isinstance(value, list | dict):
        raise Refused("index of untyped nil")
    for key in keys:
        value = _entry(value, key)
    return value


def _entry(value: object, key: object) -> object:
    if isinstance(value, dict):
        if not isinstance(key, str):
            raise Refused("value has type " + values.type_name(key) + "; should be string")
        if key in value:
            return values.NilSlice() if value[key] is None else value[key]
        return values.zero_like(next(iter(value.values()), getattr(value, "like", "")))
    if not isinstance(value, list | str):
        raise Refused(f"can't index item of type {values.type_name(value)}")
    number = _whole(key)
    items = _bytes(value) if isinstance(value, str) else value
    if not 0 <= number < len(items):
        raise Refused(f"index out of range: {number}")
    return items[number]


def _slice(value: object, *ends: object) -> object:
    if not isinstance(value, list | str) or len(ends) > (2 if isinstance(value, str) else 3):
        raise Refused(f"can't slice item of type {values.type_name(value)}")
    items = _bytes(value) if isinstance(value, str) else value
    numbers = [_whole(end) for end in ends]
    first, last = (*numbers, *[0, len(items)][len(numbers) :])[:2]
    if not 0 <= first <= last <= len(items):
        raise Refused("slice index out of range")
    cut = items[first:last]
    return _from_bytes(cut) if isinstance(cut, bytes) else cut


def _kind(value: object) -> str:
    name = values.type_name(value)
    return name if name in ("bool", "int", "float64", "string") else "other"


def _equal(a: object, b: object) -> bool:
    a, b = _plain(a), _plain(b)
    if is_nil(a) or is_nil(b):
        return is_nil(a) and is_nil(b)
    if _kind(a) != _kind(b):
        raise Refused("incompatible types for comparison")
    if _kind(a) == "other" and not (is_struct(a) and is_struct(b)):
        raise Refused(f"non-comparable type {values.type_name(a)}")
    return bool(a == b)


def _eq(first: object, *others: object) -> bool:
    if not others:
        raise Refused("missing argument for comparison")
    return any(_equal(first, other) for other in others)


def _ne(a: object, b: object) -> bool:
    return not _equal(a, b)


def _less(a: object, b: object) -> bool:
    kinds = {_kind(_plain(a)), _kind(_plain(b))}
    if not kinds <= {"int", "float64", "string"}:
        raise Refused("invalid type for comparison")
    if len(kinds) > 1:
        raise Refused("incompatible types for comparison")
    if isinstance(a, str) and isinstance(b, str):
        return _bytes(a) < _bytes(b)
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a < b
    raise Refused("invalid type for comparison")


def _html(*parts: object) -> str:
    text = _print(*parts)
    for c, name in (("&", "&amp;"), ("'", "&#39;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;")):
        text = text.replace(c, name)
    return text.replace("\0", "\ufffd")


_JS = {c: f"\\{c}" for c in "\\'\""} | {c: f"\\u{ord(c):04X}" for c in "<>&="}


def _js(*parts: object) -> str:
    text = _print(*parts)
    return "".join(_JS.get(c) or (c if c.isprintable() else f"\\u{ord(c):04X}") for c in text)


def _urlquery(*parts: object) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_print(*parts), safe="")


def _call(*_: object) -> object:
    raise Refused("there is nothing to call")


# ---- docker's ----


def _json(value: object) -> str:
    return values.json(_plain(value))


def _join(parts: object, separator: object) -> str:
    if isinstance(parts, dict) or not isinstance(parts, list):
        raise Refused(f"expected []string, got {values.type_name(parts)}")
    return _text(separator).join(map(_text, parts))


def _split(text: object, separator: object) -> list[str]:
    return _text(text).split(_text(separator)) if separator else list(_text(text))


def _each(text: str, change: Callable[[str], str]) -> str:
    """Rune by rune, as Go does: one that would become several stays."""
    return "".join(new if len(new := change(c)) == 1 else c for c in text)


def _title(value: object) -> str:
    made, before = [], " "
    for c in _text(value):
        apart = not (before.isalnum() or before == "_") if before.isascii() else before.isspace()
        made.append(_each(c, str.upper) if apart else c)
        before = c
    return "".join(made)


def _pad(text: object, before: object, after: object) -> str:
    spaces = _whole(before), _whole(after)
    return " " * spaces[0] + _text(text) + " " * spaces[1] if text else _text(text)


def _truncate(text: object, length: object) -> str:
    data = _bytes(_text(text))
    return _from_bytes(data[: max(0, _whole(length))])


FUNCTIONS: dict[str, tuple[Callable[..., object], int, int]] = {
    "print": (_print, 0, 99), "println": (_println, 0, 99), "printf": (_printf, 1, 99),
    "len": (_len, 1, 1), "index": (_index, 1, 99), "slice": (_slice, 1, 99),
    "not": (lambda value: not values.truth(value), 1, 1),
    "eq": (_eq, 1, 99), "ne": (_ne, 2, 2), "lt": (_less, 2, 2),
    "le": (lambda a, b: _less(a, b) or _equal(a, b), 2, 2),
    "gt": (lambda a, b: not _less(a, b) and not _equal(a, b), 2, 2),
    "ge": (lambda a, b: not _less(a, b), 2, 2),
    "html": (_html, 0, 99), "js": (_js, 0, 99), "urlquery": (_urlquery, 0, 99),
    "call": (_call, 0, 99),
    "json": (_json, 1, 1), "join": (_join, 2, 2), "split": (_split, 2, 2),
    "lower": (lambda text: _each(_text(text), str.lower), 1, 1),
    "upper": (lambda text: _each(_text(text), str.upper), 1, 1),
    "title": (_title, 1, 1), "pad": (_pad, 3, 3), "truncate": (_truncate, 2, 2),
}  # fmt: skip
"""function, least and most arguments."""
LAZY = frozenset({"and", "or"})
"""Those that look at an argument only when they need it."""
NAMES = frozenset(FUNCTIONS) | LAZY
__all__ = ["FUNCTIONS", "LAZY", "NAMES", "NilPointer", "Refused"]
