"""Numbers and sizes as users write them: InvalidArgument for what is none, or out of range."""

from __future__ import annotations

from crun_py.errors import InvalidArgument

MOST = (1 << 63) - 1
"""The largest number that the kernel's and Go's signed 64 bits hold."""
MOST_SECONDS = (1 << 31) - 1

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def is_number(text: str) -> bool:
    """Whether `text` is digits only, of ASCII, and not too many to be a number of 64 bits."""
    return text.isascii() and text.isdecimal() and len(text) <= 19


def whole(text: str, what: str, least: int = 0, most: int = MOST, base: int = 10) -> int:
    """A whole number within `least` and `most`; `what` names the option."""
    digits = text.removeprefix("-") if least < 0 else text.removeprefix("+")
    try:
        if not digits.isascii() or not digits.isalnum() or len(digits) > 40:
            raise ValueError
        number = int(text, base)
    except ValueError:
        raise InvalidArgument(f"{what} {_short(text)}: not a whole number") from None
    if not least <= number <= most:
        raise InvalidArgument(f"{what} {_short(text)}: not within {least} and {most}")
    return number


def size(text: str, what: str) -> int:
    """`64m`, `1g`, `1.5gb`, `512` in bytes (binary units, as Docker)."""
    lower = text.strip().lower()
    number = lower.rstrip("bkmgti")
    unit = lower[len(number) :].removesuffix("ib").removesuffix("b") or lower[len(number) :][:1]
    try:
        if unit not in _UNITS or not number.isascii() or not number.replace(".", "", 1).isdecimal():
            raise ValueError
        value = int(float(number) * _UNITS[unit])
    except (ValueError, OverflowError):
        raise InvalidArgument(
            f"{what} {_short(text)}: not a size", hint="a number with b, k, m or g, like 64m"
        ) from None
    if value > MOST:
        raise InvalidArgument(f"{what} {_short(text)}: more than {MOST} bytes")
    return value


def seconds(text: str | int, what: str, least: int = 0) -> int:
    """A number of seconds."""
    return whole(str(text), what, least, MOST_SECONDS)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")


def cpus(text: str, what: str) -> set[int]:
    """`0-2,5` as the numbers of processors, at least one.  Raises InvalidArgument."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        low = whole(first, what, 0, _MOST_CPUS - 1)
        high = whole(last, what, low, _MOST_CPUS - 1) if dash else low
        found |= set(range(low, high + 1))
    return found


_MOST_CPUS = 8192
"""As many as the kernel's NR_CPUS can be."""
