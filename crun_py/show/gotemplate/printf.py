"""Go's fmt.Sprintf, for the values of a template."""

from __future__ import annotations

import re
from typing import NamedTuple

from crun_py.show.gotemplate.values import (
    NIL,
    NilPointer,
    NilSlice,
    float_text,
    is_struct,
    show,
    type_name,
)

_DIRECTIVE = re.compile(
    r"%([-+# 0]*)(?:\[(\d+)\])?(\*|\d+)?(?:\.(?:\[(\d+)\])?(\*|\d*))?(?:\[(\d+)\])?(.)?", re.S
)


class _How(NamedTuple):
    flags: str
    width: int
    precision: int  # -1: none
    verb: str

    def has(self, flag: str) -> bool:
        return flag in self.flags

    def pad(self, text: str, *, zeros: bool = False) -> str:
        if len(text) >= self.width:
            return text
        if self.has("-"):
            return text.ljust(self.width)
        if zeros and self.has("0"):
            sign = text[:1] if text[:1] in ("-", "+", " ") and len(text) > 1 else ""
            return sign + text[len(sign) :].rjust(self.width - len(sign), "0")
        return text.rjust(self.width)


class _Arguments:
    def __init__(self, values: tuple[object, ...]) -> None:
        self.values, self.at, self.ordered = values, 0, True

    def take(self) -> tuple[bool, object]:
        if self.at >= len(self.values):
            return False, None
        self.at += 1
        return True, self.values[self.at - 1]

    def seek(self, number: str | None) -> bool:
        """Go to the argument of that number, from 1; whether it is there."""
        if number is None:
            return True
        self.ordered = False
        self.at = int(number) - 1
        return 0 <= self.at < len(self.values)


def sprintf(form: str, *values: object) -> str:
    """`form` with its directives filled in; what is wrong is said in the text, as fmt does."""
    arguments = _Arguments(values)

    def one(match: re.Match[str]) -> str:
        flags, first, wide, second, exact, third, verb = match.groups()
        if verb == "%":
            return "%"
        good = arguments.seek(first)
        width = _count(wide, arguments) if wide else 0
        good = arguments.seek(second) and good
        precision = -1 if exact is None else _count(exact or "0", arguments)
        good = arguments.seek(third) and good
        if verb is None:
            return "%!(NOVERB)"
        if not good:
            return f"%!{verb}(BADINDEX)"
        there, value = arguments.take()
        if not there:
            return f"%!{verb}(MISSING)"
        if verb == "v":
            flags = flags.replace("+", "N")  # of a struct: with the names of its fields
        if width < 0:
            flags, width = flags + "-", -width
        return _format(_How(flags, width, precision, verb), value)

    text = _DIRECTIVE.sub(one, form)
    if arguments.ordered and arguments.at < len(values):
        extra = [
            f"{type_name(v)}={show(v)}" if v is not NIL else "<nil>" for v in values[arguments.at :]
        ]
        text += f"%!(EXTRA {', '.join(extra)})"
    return text


def _count(text: str, arguments: _Arguments) -> int:
    if text != "*":
        return min(int(text), 1_000_000)
    there, value = arguments.take()
    if not there or not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if abs(value) <= 1_000_000 else 0


def _bad(how: _How, value: object) -> str:
    if value is NIL or isinstance(value, NilPointer):
        return f"%!{how.verb}(<nil>)"
    return f"%!{how.verb}({type_name(value)}={show(value)})"


def _format(how: _How, value: object) -> str:
    if how.verb == "T":
        return how.pad(type_name(value))
    if value is NIL or isinstance(value, NilPointer):
        return how.pad("<nil>") if how.verb == "v" else _bad(how, value)
    if isinstance(value, bool):
        return how.pad(show(value)) if how.verb in "tv" else _bad(how, value)
    if isinstance(value, int):
        return _integer(how, value)
    if isinstance(value, float):
        return _float(how, value)
    if isinstance(value, str):
        return _string(how, value)
    if isinstance(value, dict):
        return _object(how, value)
    if isinstance(value, list):
        if how.verb == "v" and how.has("#"):
            inner = ", ".join(_format(how, v) for v in value)
            null = isinstance(value, NilSlice)
            return f"{type_name(value)}(nil)" if null else f"{type_name(value)}{{{inner}}}"
        return "[" + " ".join(_format(how, v) for v in value) + "]"
    return how.pad(show(value)) if how.verb in "sv" else _bad(how, value)


def _object(how: _How, value: dict[str, object]) -> str:
    if is_struct(value):
        named = how.verb == "v" and (how.has("N") or how.has("#"))
        parts = [(f"{k}:" if named else "") + _format(how, _null(v)) for k, v in value.items()]
        return "{" + " ".join(parts) + "}"
    if how.verb == "v" and how.has("#"):
        parts = [f"{_format(how, k)}:{_format(how, v)}" for k, v in sorted(value.items())]
        return f"{type_name(value)}{{{', '.join(parts)}}}"
    parts = [f"{_format(how, k)}:{_format(how, _null(v))}" for k, v in sorted(value.items())]
    return "map[" + " ".join(parts) + "]"


def _null(value: object) -> object:
    return NilSlice() if value is None else value


_BASES = {"d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X", "v": "d"}
_PREFIXES = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}


def _integer(how: _How, value: int) -> str:
    if how.verb in _BASES:
        digits = format(abs(value), _BASES[how.verb])
        if how.precision >= 0:
            digits = digits.rjust(how.precision, "0") if value or how.precision else ""
        prefix = "0o" if how.verb == "O" else _PREFIXES.get(how.verb, "") if how.has("#") else ""
        sign = "-" if value < 0 else "+" if how.has("+") else " " if how.has(" ") else ""
        return how.pad(sign + prefix + digits, zeros=how.precision < 0)
    if how.verb == "c":
        return how.pad(_char(value))
    if how.verb == "q":
        return how.pad(_quoted(_char(value), "'", ascii_only=how.has("+")))
    if how.verb == "U":
        text = f"U+{value:04X}"
        return how.pad(f"{text} '{_char(value)}'" if how.has("#") else text)
    return _bad(how, value)


def _char(value: int) -> str:
    valid = 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000
    return chr(value) if valid else "\ufffd"


def _float(how: _How, value: float) -> str:
    kind = {"v": "g"}.get(how.verb, how.verb)
    if kind not in "eEfFgG":
        return _bad(how, value)
    if kind in "gG" and how.precision < 0:
        text = float_text(value, upper=kind == "G")
    else:
        text = f"{value:.{6 if how.precision < 0 else how.precision}{kind}}"
    sign = "" if text[0] == "-" else "+" if how.has("+") else " " if how.has(" ") else ""
    return how.pad(sign + text, zeros=True)


def _string(how: _How, value: str) -> str:
    if how.verb in "sv" and not (how.verb == "v" and how.has("#")):
        return how.pad(_cut(how, value), zeros=True)
    if how.verb == "q" or how.verb == "v":
        if how.verb == "q" and how.has("#") and "`" not in value and value.isprintable():
            return how.pad(f"`{_cut(how, value)}`")
        return how.pad(_quoted(_cut(how, value), '"', ascii_only=how.has("+")))
    if how.verb in "xX":
        data = value.encode("utf-8", "surrogateescape")
        data = data[: how.precision] if how.precision >= 0 else data
        pairs = [format(byte, "02" + how.verb) for byte in data]
        prefix = "0" + how.verb if how.has("#") and data else ""
        joint = " " + prefix if how.has(" ") else ""
        return how.pad(prefix + joint.join(pairs))
    return _bad(how, value)


def _cut(how: _How, value: str) -> str:
    return value[: how.precision] if how.precision >= 0 else value


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
            "\v": "\\v", "\\": "\\\\"}  # fmt: skip


def _quoted(text: str, quote: str, *, ascii_only: bool) -> str:
    def one(c: str) -> str:
        if c in _ESCAPES or c == quote:
            return _ESCAPES.get(c, "\\" + c)
        if c.isprintable() and (c.isascii() or not ascii_only):
            return c
        code = ord(c)
        if 0xDC80 <= code < 0xDD00:
            return f"\\x{code - 0xDC00:02x}"
        if code < 0x20 or code == 0x7F:
            return f"\\x{code:02x}"
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    return quote + "".join(map(one, text)) + quote
