"""Records: classes whose instances are made with named fields, compared by value and never
changed.

What `dataclasses.dataclass(frozen=True, slots=True, kw_only=True)` gives, for code on the start
path: importing `dataclasses` costs more than a whole command here.  mypy checks it as such.

    @record
    class Port:
        number: int
        protocol: str = "tcp"

With `@record(kw_only=False)` the fields above `_: KW_ONLY` can also be given by their places.
"""

from __future__ import annotations

import sys

from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeGuard, TypeVar, dataclass_transform, overload

    T = TypeVar("T")

    @overload
    def record(cls: type[T]) -> type[T]: ...

    @overload
    def record(*, kw_only: bool) -> Callable[[type[T]], type[T]]: ...

    @dataclass_transform(frozen_default=True, kw_only_default=True)
    def record(
        cls: type[T] | None = None, *, kw_only: bool = True
    ) -> type[T] | Callable[[type[T]], type[T]]:
        """Make `cls` a record of the fields that it annotates; values there are defaults."""

else:

    def record(cls=None, *, kw_only=True):
        """Make `cls` a record of the fields that it annotates; values there are defaults."""
        if cls is None:
            return lambda given: _made(given, kw_only)
        return _made(cls, kw_only)

    def _made(cls, kw_only):
        base = next((b for b in cls.__mro__[1:] if "_fields" in b.__dict__), None)
        inherited = base._fields if base else ()
        annotated = [*cls.__annotations__]
        places = annotated.index("_") if "_" in annotated else len(annotated)
        own = (name for name in annotated if name != "_" and name not in inherited)
        cls._fields = (*inherited, *own)
        cls._known = frozenset(cls._fields)
        # a default stays where the class has it: an instance holds what it was given
        cls._required = frozenset(name for name in cls._fields if not hasattr(cls, name))
        cls._placed = () if kw_only else tuple(annotated[:places])
        if base is None:
            for name, method in _METHODS:
                setattr(cls, name, method)
        return cls


class _Record:
    """What every record has, copied into its class: a class of its own for each would have to be
    made twice, and some 35 are on the start path."""

    _fields: tuple[str, ...]
    _known: frozenset[str]
    _required: frozenset[str]
    _placed: tuple[str, ...]

    def __init__(self, *placed: Any, **given: Any) -> None:
        if placed:
            self._name(placed, given)
        if not self._required <= given.keys():
            missing = next(name for name in self._fields if name in self._required - given.keys())
            raise TypeError(f"{type(self).__name__}: no {missing} was given")
        if not self._known >= given.keys():
            unknown = [name for name in given if name not in self._known]
            raise TypeError(f"{type(self).__name__} has no {', '.join(unknown)}")
        self.__dict__.update(given)

    def _name(self, placed: tuple[Any, ...], given: dict[str, Any]) -> None:
        """Add what was given by its place to what was given by name."""
        kind = type(self).__name__
        if len(placed) > len(self._placed):
            raise TypeError(f"{kind} takes {len(self._placed)} values without a name")
        for name, value in zip(self._placed, placed, strict=False):
            if name in given:
                raise TypeError(f"{kind}: {name} was given twice")
            given[name] = value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is a record: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is a record: {name} cannot be deleted")

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._fields)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(self._values() == other._values())

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        pairs = zip(self._fields, self._values(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in pairs)})"


_METHODS = [
    (name, value)
    for name, value in _Record.__dict__.items()
    if callable(value) and name not in ("__dict__", "__weakref__")
]


def is_record(cls: object) -> TypeGuard[type]:
    """Whether `cls` is a class that `record` made."""
    return isinstance(cls, type) and hasattr(cls, "_required")


def fields_of(value: object) -> dict[str, Any]:
    """The fields of the record `value` by name, in the order of the class.  Raises TypeError for
    what is no record."""
    if not is_record(type(value)):
        raise TypeError(f"{type(value).__name__} is no record")
    return {name: getattr(value, name) for name in value._fields}  # type: ignore[attr-defined]


def replaced(value: T, **changes: Any) -> T:
    """A copy of the record `value` with other values for some of its fields."""
    return type(value)(**{**fields_of(value), **changes})


# ---- JSON ----


def to_json(value: Any) -> Any:
    """A record as what JSON can say: a dict of its fields, tuples as lists, records below alike."""
    if is_record(type(value)):
        return {name: to_json(inner) for name, inner in fields_of(value).items()}
    if isinstance(value, tuple | list):
        return [to_json(inner) for inner in value]
    if isinstance(value, dict):
        return {key: to_json(inner) for key, inner in value.items()}
    return value


def without_empty(document: T, *, but: str = "") -> T:
    """A copy of a JSON object without what is empty or false; the key `but` stays."""
    assert isinstance(document, dict)
    kept: Any = {key: value for key, value in document.items() if value or key == but}
    found: T = kept
    return found


def from_json(cls: type[T], found: object) -> T:
    """The record of class `cls` that `to_json` described; fields that are absent have their
    defaults, those that are not known are passed over.

    Raises InvalidArgument, naming the field, for a value that is not of the field's type.
    """
    if not isinstance(found, dict):
        raise InvalidArgument(f"{cls.__name__}: not an object")
    annotations = _annotations(cls)
    given = {}
    for name, value in found.items():
        if name in annotations:
            where = f"{cls.__name__}.{name}"
            given[name] = _converted(annotations[name], value, cls.__module__, where)
    try:
        return cls(**given)
    except TypeError as e:
        raise InvalidArgument(str(e)) from None


def _annotations(cls: type) -> dict[str, str]:
    """The types of all fields, as they were written."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= vars(base).get("__annotations__", {})
    return {name: found[name] for name in cls._fields}  # type: ignore[attr-defined]


_SCALARS: dict[str, type | tuple[type, ...]] = {
    "str": str, "int": int, "bool": bool, "float": (int, float), "bytes": bytes, "object": object,
}  # fmt: skip


def _converted(annotation: str, value: Any, module: str, where: str) -> Any:
    if annotation.endswith(" | None"):
        inner = annotation.removesuffix(" | None")
        return None if value is None else _converted(inner, value, module, where)
    if annotation.startswith("tuple[") and isinstance(value, tuple | list):
        inner = annotation[6:-1]
        if inner.endswith(", ..."):
            return tuple(_converted(inner[:-5], one, module, where) for one in value)
        return tuple(value)
    if annotation.startswith("dict[str, ") and isinstance(value, dict):
        inner = annotation[10:-1]
        return {key: _converted(inner, one, module, where) for key, one in value.items()}
    scalar = _SCALARS.get(annotation)
    if scalar:
        # a bool is an int for Python alone
        if isinstance(value, scalar) and (annotation != "int" or not isinstance(value, bool)):
            return value
    else:
        kind = getattr(sys.modules[module], annotation, None)
        if is_record(kind):
            return value if isinstance(value, kind) else from_json(kind, value)
    raise InvalidArgument(f"{where}: {str(value)[:40]!r} is not {annotation}")
