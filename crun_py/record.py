"""Records: classes whose instances are made with named fields, compared by value and never
changed.

What `dataclasses.dataclass(frozen=True, slots=True, kw_only=True)` gives, for code on the start
path: importing `dataclasses` costs more than a whole command here.  mypy checks it as such.

    @record
    class Port:
        number: int
        protocol: str = "tcp"
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard, TypeVar, dataclass_transform

    T = TypeVar("T")

    @dataclass_transform(frozen_default=True, kw_only_default=True)
    def record(cls: type[T]) -> type[T]:
        """Make `cls` a record of the fields that it annotates; values there are defaults."""

else:

    def record(cls):
        """Make `cls` a record of the fields that it annotates; values there are defaults."""
        base = next((b for b in cls.__mro__[1:] if hasattr(b, "_fields")), None)
        inherited = getattr(base, "_fields", ())
        own = tuple(name for name in cls.__annotations__ if name not in inherited)
        space = dict(cls.__dict__)
        defaults = {**getattr(base, "_defaults", {})}
        defaults.update((name, space.pop(name)) for name in cls.__annotations__ if name in space)
        for name in ("__dict__", "__weakref__"):
            space.pop(name, None)
        fields = (*inherited, *own)
        parents = tuple(b for b in cls.__bases__ if b is not object) or (_Record,)
        space.update(__slots__=own, _fields=fields, _defaults=defaults)
        return type(cls.__name__, parents, space)


class _Record:
    __slots__ = ()
    _fields: tuple[str, ...]
    _defaults: dict[str, Any]

    def __init__(self, **given: Any) -> None:
        setter = object.__setattr__
        for name in self._fields:
            if name in given:
                setter(self, name, given.pop(name))
            elif name in self._defaults:
                setter(self, name, self._defaults[name])
            else:
                raise TypeError(f"{type(self).__name__}: no {name} was given")
        if given:
            raise TypeError(f"{type(self).__name__} has no {', '.join(given)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is a record: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is a record: {name} cannot be deleted")

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._fields)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        pairs = zip(self._fields, self._values(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in pairs)})"


def is_record(cls: object) -> TypeGuard[type]:
    """Whether `cls` is a class that `record` made."""
    return isinstance(cls, type) and issubclass(cls, _Record)


def fields_of(value: object) -> dict[str, Any]:
    """The fields of the record `value` by name, in the order of the class.  Raises TypeError for
    what is no record."""
    if not isinstance(value, _Record):
        raise TypeError(f"{type(value).__name__} is no record")
    return dict(zip(value._fields, value._values(), strict=True))


def replaced(value: T, **changes: Any) -> T:
    """A copy of the record `value` with other values for some of its fields."""
    return type(value)(**{**fields_of(value), **changes})
