"""Whether a value is what an annotation says, for what a Python user gives.

Without `typing`, and not all of it: classes, `A | B`, tuples, lists, mappings and iterables.  What
it does not understand, and what can be read only once, it lets pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType

from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def check(value: object, annotation: str, names: dict[str, object], what: str) -> None:
    """Raises InvalidArgument when the value of parameter `what` is not what its annotation says.

    names: of the module that the annotation stands in.
    """
    try:
        hint = eval(annotation, names)
    except (NameError, TypeError, AttributeError):
        return  # a name for type checkers alone
    if not is_one(value, hint):
        text = repr(value)
        text = text if len(text) <= 40 else text[:40] + "…"
        raise InvalidArgument(f"{what} {text}: not {_said(hint)}")


def check_call(
    function: Callable[..., object], arguments: tuple[object, ...], keywords: dict[str, object]
) -> None:
    """`check` for the arguments of a function of ours, without its first."""
    if isinstance(function, FunctionType):
        code = function.__code__
        places = zip(code.co_varnames[1 : code.co_argcount], arguments, strict=False)
        for name, value in (*places, *keywords.items()):
            annotation = function.__annotations__.get(name)
            if isinstance(annotation, str):
                check(value, annotation, function.__globals__, name)


def _said(hint: object) -> str:
    """A hint in words: names without their modules."""
    if isinstance(hint, type) and not hasattr(hint, "__origin__"):
        return hint.__name__
    words = str(hint).replace("[", "[ ").replace("]", " ]").split(" ")
    short = " ".join(word.rpartition(".")[2] if word[-3:] != "..." else word for word in words)
    return short.replace("[ ", "[").replace(" ]", "]")


def is_one(value: object, hint: object) -> bool:
    """Whether `value` is what `hint` says."""
    origin = getattr(hint, "__origin__", None)
    parts: tuple[object, ...] = getattr(hint, "__args__", ())
    if hint is None:
        return value is None
    if origin is None and parts:  # A | B
        return any(is_one(value, part) for part in parts)
    if isinstance(value, bool) and hint in (int, float):
        return False  # a bool is an int for Python alone
    if hint is float:
        return isinstance(value, int | float)
    if origin is None:
        # a TypedDict is a dict, which is all that its class says
        return not isinstance(hint, type) or hasattr(hint, "__total__") or isinstance(value, hint)
    if not isinstance(origin, type):
        return True
    if origin in (list, tuple) and isinstance(value, list | tuple):
        fixed = origin is tuple and parts[-1] is not ...
        if fixed and len(value) != len(parts):
            return False
        return all(map(is_one, value, parts if fixed else (parts[0],) * len(value)))
    return isinstance(value, origin) and _items_are(value, origin, parts)


def _items_are(value: object, origin: type, parts: tuple[object, ...]) -> bool:
    if isinstance(value, Mapping):
        if not issubclass(origin, Mapping):
            return False  # its keys are an iterable, which nobody means
        return all(is_one(k, parts[0]) and is_one(v, parts[1]) for k, v in value.items())
    if isinstance(value, bytes):
        return False  # nor its numbers
    if isinstance(value, tuple | list | set | frozenset | str):
        return all(is_one(item, parts[0]) for item in value)
    return True
