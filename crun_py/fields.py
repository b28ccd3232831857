"""JSON objects of Docker's Engine API, looked at value by value: what clients of ours ask, and what
other services answer."""

from __future__ import annotations

from typing import TypeVar

from crun_py.errors import InvalidArgument

T = TypeVar("T")


class Fields:
    """A JSON object whose values are looked at as they are taken; missing and null are the same.

    Names are taken in any case, as Go does.  Raises InvalidArgument for a value of another type.
    """

    def __init__(self, value: object, where: str = "") -> None:
        if not isinstance(value, dict):
            raise InvalidArgument(f"{where or 'the body'}: not an object")
        self._value = {str(key).lower(): one for key, one in value.items() if one is not None}
        self._where = where

    def _get(self, name: str, kind: type[T] | tuple[type[T], ...], otherwise: T) -> T:
        value = self._value.get(name.lower(), otherwise)
        good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if not good and value is not otherwise:
            raise InvalidArgument(f"{self._where}{name}: of a wrong type")
        found: T = value
        return found

    def text(self, name: str) -> str:
        return self._get(name, str, "")

    def number(self, name: str) -> int:
        value = self._get(name, (int, float), 0)
        try:
            return int(value)
        except (OverflowError, ValueError):  # 1e999, NaN
            raise InvalidArgument(f"{self._where}{name}: not a number that can be had") from None

    def flag(self, name: str, otherwise: bool = False) -> bool:
        return self._get(name, bool, otherwise)

    def has(self, name: str) -> bool:
        return name.lower() in self._value

    def texts(self, name: str) -> list[str]:
        """A list of texts; a text stands for a list of it alone."""
        value = self._value.get(name.lower(), [])
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise InvalidArgument(f"{self._where}{name}: not a list of texts")
        return found

    def pairs(self, name: str) -> dict[str, str]:
        """An object of texts."""
        value = self._get(name, dict, {})
        if not all(isinstance(one, str) for one in value.values()):
            raise InvalidArgument(f"{self._where}{name}: not an object of texts")
        return {**value}

    def inner(self, name: str) -> Fields:
        return Fields(self._value.get(name.lower(), {}), f"{self._where}{name}.")

    def objects(self, name: str) -> list[Fields]:
        value = self._get(name, list, [])
        return [Fields(one, f"{self._where}{name}.") for one in value]

    def keys(self, name: str) -> list[str]:
        """The names in an object."""
        return [*self._get(name, dict, {})]

    def each(self, name: str) -> list[tuple[str, Fields]]:
        """The objects in an object, by name."""
        value = self._get(name, dict, {})
        return [
            (key, Fields(one or {}, f"{self._where}{name}.{key}.")) for key, one in value.items()
        ]

    def value(self, name: str) -> object:
        return self._value.get(name.lower())
