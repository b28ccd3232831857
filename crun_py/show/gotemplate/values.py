"""Values of JSON as Go has them: what is null, true, a struct; and how fmt prints them.

An object all of whose keys begin with a capital letter is a struct, another one a map.
"""

from __future__ import annotations

from decimal import Decimal

from crun_py import jsonfile
from crun_py.show.struct import Struct


class NilSlice(list[object]):
    """A list that JSON has as null: Go prints it `[]`."""


class NilMap(dict[str, object]):
    """A map that JSON has as null: Go prints it `map[]`.  like: a value that one of its kind
    has, whose type the zero value of an absent key has."""

    like: object = ""


class NilPointer:
    """Something else that JSON has as null: Go prints it `<nil>`.

    absent: a document need not have it, and fields of it are no error.
    """

    def __init__(self, *, absent: bool = False) -> None:
        self.absent = absent

    def __bool__(self) -> bool:
        return False


class _NoValue:
    """What a key that a map has not gives."""

    def __bool__(self) -> bool:
        return False


NO_VALUE = _NoValue()
NIL = None

_NULL_MAPS = frozenset(
    "Annotations DriverOpts ExposedPorts Labels Options Sysctls Tmpfs Volumes".split()
)
_NULL_POINTERS = frozenset(
    "Health Healthcheck IPAMConfig Init MemorySwappiness OomKillDisable PidsLimit SizeRootFs "
    "SizeRw UsageData".split()
)
"""Fields whose null is no list (Engine API)."""


def of_null(name: str) -> object:
    """The value of the field `name` when JSON has null."""
    if name in _NULL_MAPS:
        return NilMap()
    return NilPointer() if name in _NULL_POINTERS else NilSlice()


def is_struct(value: object) -> bool:
    if isinstance(value, Struct):
        return True
    return isinstance(value, dict) and bool(value) and all(k[:1].isupper() for k in value)


def is_nil(value: object) -> bool:
    return value is NIL or isinstance(value, NilSlice | NilMap | NilPointer | _NoValue)


def zero_like(value: object) -> object:
    """The zero value of the type of `value`."""
    if is_struct(value) or isinstance(value, NilPointer):
        return NilPointer()
    if isinstance(value, dict):
        made = NilMap()
        made.like = next(iter(value.values()), getattr(value, "like", ""))
        return made
    if isinstance(value, list) or value is None:
        return NilSlice()
    return type(value)()


def truth(value: object) -> bool:
    """What `if` makes of it: a struct is always true."""
    return is_struct(value) or bool(value)


def json(value: object) -> str:
    """As docker's `json` writes it."""
    if is_nil(value):
        return "null"
    if isinstance(value, float):
        return _json_float(value)
    if isinstance(value, list):
        return "[" + ",".join(map(json, value)) + "]"
    if isinstance(value, dict):
        pairs = value.items() if is_struct(value) else sorted(value.items())
        return "{" + ",".join(f"{_json_text(str(k))}:{json(v)}" for k, v in pairs) + "}"
    return _json_text(value) if isinstance(value, str) else jsonfile.dumps(value)


_JSON = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _json_text(text: str) -> str:
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_JSON.get(c) or (c if c.isprintable() else _escape(c)) for c in text) + '"'


def _escape(c: str) -> str:
    code = ord(c)
    if 0xD800 <= code < 0xE000:
        return "\ufffd"
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _json_float(value: float) -> str:
    size = abs(value)
    if size and (size < 1e-6 or size >= 1e21):
        digits, _, exponent = f"{Decimal(repr(value)).normalize():e}".replace("E", "e").partition(
            "e"
        )
        return f"{digits}e{exponent}"
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def float_text(value: float, upper: bool = False) -> str:
    """%v of a float: the shortest digits, with an exponent below -4 and from 6 on."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).rstrip("0") or "0"
    point = len(digits) + exponent  # digits before the point
    minus = "-" if sign else ""
    power = point - 1
    if value == 0:
        return minus + "0"
    if not -4 <= power < 6:
        mantissa = text[0] + ("." + text[1:] if len(text) > 1 else "")
        letter = "E" if upper else "e"
        return f"{minus}{mantissa}{letter}{'-' if power < 0 else '+'}{abs(power):02d}"
    if point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    if len(text) <= point:
        return minus + text + "0" * (point - len(text))
    return f"{minus}{text[:point]}.{text[point:]}"


def type_name(value: object) -> str:
    """As %T says it."""
    if value is NIL or isinstance(value, _NoValue | NilPointer):
        return "<nil>"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float64"
    if isinstance(value, list):
        return "[]" + (type_name(value[0]) if value else "string")
    if is_struct(value):
        return "struct"
    if isinstance(value, dict):
        first = next(iter(value.values()), "")
        return f"map[string]{type_name(first)}"
    return "string"


def show(value: object) -> str:
    """As fmt.Print writes it."""
    if isinstance(value, _NoValue):
        return "<no value>"
    if value is NIL or isinstance(value, NilPointer):
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, dict) and is_struct(value):
        return "{" + " ".join(show(_field(k, v)) for k, v in value.items()) + "}"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{show(_entry(v))}" for k, v in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(show, value)) + "]"
    return str(value)


def _field(name: str, value: object) -> object:
    return of_null(name) if value is None else value


def _entry(value: object) -> object:
    """A value of a map: null is a nil slice, as of ports."""
    return NilSlice() if value is None else value
