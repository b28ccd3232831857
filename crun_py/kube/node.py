"""An object of a manifest, read key by key: what is not of the kind that it must be is refused with
its place, and what nobody has asked for is known afterwards."""

from __future__ import annotations

from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEEPEST = 50


class Node:
    """where: the object's place, for errors and warnings."""

    def __init__(self, value: Mapping[str, object], where: str) -> None:
        self._value, self.where = value, where
        self._asked: set[str] = set()
        self._below: dict[str, list[Node]] = {}

    def _get(self, key: str) -> object:
        self._asked.add(key)
        return self._value.get(key)

    def _wrong(self, key: str, what: str) -> InvalidArgument:
        return InvalidArgument(f"{self.where}.{key}: it must be {what}")

    def __contains__(self, key: str) -> bool:
        return self._value.get(key) is not None

    def known(self, *keys: str) -> None:
        """What needs no doing."""
        self._asked.update(keys)

    def text(self, key: str, usual: str = "") -> str:
        """A text; a number stands for its digits."""
        value = self._get(key)
        if value is None:
            return usual
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(key, "a text")
        if "\0" in str(value):
            raise self._wrong(key, "a text without NUL")
        return str(value)

    def needed(self, key: str) -> str:
        """A text that must be there."""
        found = self.text(key)
        if not found:
            raise InvalidArgument(f"{self.where}.{key}: it is missing")
        return found

    def number(self, key: str) -> int | None:
        value = self._get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 31:
            raise self._wrong(key, "a whole number")
        return value

    def truth(self, key: str) -> bool | None:
        value = self._get(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def texts(self, key: str) -> list[str]:
        value = self._get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._wrong(key, "a list of texts")
        return value

    def numbers(self, key: str) -> list[int]:
        value = self._get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(type(one) is int for one in value):
            raise self._wrong(key, "a list of whole numbers")
        return value

    def pairs(self, key: str) -> dict[str, str]:
        """An object of texts."""
        value = self._get(key)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(
            isinstance(k, str) and isinstance(v, str) for k, v in value.items()
        ):
            raise self._wrong(key, "an object of texts")
        return value

    def node(self, key: str) -> Node:
        """An object; one without keys where it is missing."""
        value = self._get(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return self._made(key, [value], [f"{self.where}.{key}"])[0]

    def nodes(self, key: str) -> list[Node]:
        """A list of objects."""
        value = self._get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self._wrong(key, "a list of objects")
        return self._made(key, value, [f"{self.where}.{key}[{i}]" for i in range(len(value))])

    def _made(self, key: str, values: list[dict[str, object]], places: list[str]) -> list[Node]:
        """The same nodes each time, for what is asked of any of them counts."""
        if key not in self._below:
            self._below[key] = [Node(v, p) for v, p in zip(values, places, strict=True)]
        return self._below[key]

    def unknown(self, depth: int = 0) -> Iterator[str]:
        """The places of what was not asked for, here and below."""
        for key in self._value:
            if key not in self._asked and self._value[key] is not None:
                yield f"{self.where}.{key}"
        for nodes in self._below.values() if depth < _DEEPEST else ():
            for node in nodes:
                yield from node.unknown(depth + 1)
