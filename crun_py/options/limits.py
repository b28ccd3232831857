"""Texts about memory, CPU, processes and disks as numbers.  Pure."""

from __future__ import annotations

from crun_py import quantity
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_CPUS = 8192


def cpus(text: str | None) -> float | None:
    """--cpus: how many, None for no text and for 0, which is no limit.  Raises InvalidArgument."""
    if text is None:
        return None
    plain = text.replace(".", "", 1)
    if quantity.is_number(plain) and not float(text):
        return None
    if not quantity.is_number(plain) or not 0.01 <= float(text) <= _MOST_CPUS:
        raise InvalidArgument(f"cpus {text[:40]!r}: not a number within 0.01 and {_MOST_CPUS}")
    return float(text)


def list_of_numbers(text: str | None, what: str) -> str:
    """`0-2,5` as it is, "" for no text.  Raises InvalidArgument."""
    if text is None:
        return ""
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers = [first, last or first]
        good = all(map(quantity.is_number, numbers))
        if not good or not int(first) <= int(numbers[1]) < _MOST_CPUS:
            raise InvalidArgument(f"{what} {text!r}: not a list", hint="like 0-2,5")
    return text


def size(text: str | None, what: str) -> int | None:
    """`64m` in bytes, -1 for no limit, None for no text."""
    return None if not text else -1 if text == "-1" else quantity.size(text, what)


def number(text: str | None, what: str, least: int, most: int = quantity.MOST) -> int | None:
    """A whole number, None for no text."""
    return quantity.whole(text, what, least, most) if text else None


def per_device(texts: Iterable[str], what: str, *, sizes: bool) -> dict[str, int]:
    """DEVICE:VALUE texts by device; sizes: the values are bytes.  Raises InvalidArgument."""
    found = {}
    for text in texts:
        path, colon, value = text.rpartition(":")
        if not colon or not path or not value:
            raise InvalidArgument(f"{what} {text!r}: not DEVICE:VALUE")
        found[path] = quantity.size(value, what) if sizes else quantity.whole(value, what)
    return found


def unified(texts: Iterable[str]) -> dict[str, str]:
    """FILE=VALUE of the cgroup.  Raises InvalidArgument."""
    result = {}
    for text in texts:
        key, sep, value = text.partition("=")
        good = "." in key and all(c.isalnum() or c in "._" for c in key) and ".." not in key
        if not sep or not good:
            raise InvalidArgument(f"cgroup-conf {text!r}: not FILE=VALUE", hint="memory.high=1G")
        if key.startswith("cgroup.") and not key.startswith("cgroup.max."):
            # processes come and go, stand still and end by other commands
            raise InvalidArgument(f"cgroup-conf {text!r}: it is no limit", hint="memory.high=1G")
        result[key] = value
    return result
