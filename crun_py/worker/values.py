"""Values of a message: what JSON can say of them, with bytes and descriptors aside.

    None, bool, int, float, str   themselves
    tuple, list                   an array, read as a tuple
    dict (str or int keys)        {"d": [[key, …], [value, …]]}
    bytes                         {"b": number of the blob}
    Descriptor                    {"fd": number of the descriptor}
    a record                      {"r": ["crun_py.module:Class", {field: value}]}
    CrunpyError                   {"e": what to_json says}

Whatever a peer names, only records below crun_py are ever made (no pickle).
"""

from __future__ import annotations

import importlib
import sys

from crun_py.errors import CrunpyError, InvalidArgument, from_json
from crun_py.model.descriptor import Descriptor
from crun_py.record import fields_of, is_record

_PACKAGE = "crun_py"


class Malformed(ValueError):
    """What a peer sent means nothing; the text says why."""


_classes: dict[str, type] = {}
"""Records by name, those that were met."""


def _record_class(name: str) -> type:
    """The record that is called `module:Class`.  Raises Malformed."""
    found = _classes.get(name)
    if found is None:
        module, _, word = name.partition(":")
        parts = module.split(".")
        # __main__ and the like do something when they are imported
        wrong = any(not p.isidentifier() or p.startswith("_") for p in (*parts, word))
        if wrong or parts[0] != _PACKAGE:
            raise Malformed(f"{name!a} is no record of ours")
        try:
            found = getattr(sys.modules.get(module) or importlib.import_module(module), word, None)
        except ImportError as e:
            raise Malformed(f"{name!a} is not known here") from e
        if not is_record(found) or found.__module__ != module:
            raise Malformed(f"{name!a} is no record of ours")
        _classes[name] = found
    return found


def _record_name(kind: type) -> str:
    name = f"{kind.__module__}:{kind.__name__}"
    try:
        known = _record_class(name) is kind
    except Malformed:
        known = False
    if not known:
        raise InvalidArgument(f"sending a {kind.__name__}: {name} cannot be found by its name")
    return name


def pack(value: object, blobs: list[bytes], fds: list[int]) -> object:
    """`value` for JSON; bytes and descriptors in it are added to `blobs` and `fds`.

    Raises InvalidArgument for what cannot be sent, RecursionError for what is too deep.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple | list):
        return [pack(v, blobs, fds) for v in value]
    if isinstance(value, dict):
        for key in value:
            if type(key) not in (str, int):
                raise InvalidArgument(f"sending a dict: {key!r} is a key other than str or int")
        return {"d": [list(value), [pack(v, blobs, fds) for v in value.values()]]}
    if isinstance(value, bytes):
        blobs.append(value)
        return {"b": len(blobs) - 1}
    if is_record(type(value)):
        fields = {k: pack(v, blobs, fds) for k, v in fields_of(value).items()}
        return {"r": [_record_name(type(value)), fields]}
    if isinstance(value, Descriptor):
        fds.append(value.fd)
        return {"fd": len(fds) - 1}
    if isinstance(value, CrunpyError):
        return {"e": value.to_json()}
    raise InvalidArgument(f"sending a {type(value).__name__}: it has no form outside of a process")


def unpack(said: object, blobs: list[bytes], fds: list[Descriptor | None]) -> object:
    """The value that `pack` made `said` of.  Descriptors are taken out of `fds`.

    Raises Malformed, RecursionError.
    """
    if isinstance(said, list):
        return tuple([unpack(v, blobs, fds) for v in said])
    if not isinstance(said, dict):
        return said
    if len(said) != 1:
        raise Malformed("a tag is not alone")
    ((tag, inner),) = said.items()
    if tag == "r":
        return _record(inner, blobs, fds)
    if tag == "d":
        return _dict(inner, blobs, fds)
    if tag == "b":
        return blobs[_index(inner, len(blobs))]
    if tag == "fd":
        number = _index(inner, len(fds))
        descriptor, fds[number] = fds[number], None
        if descriptor is None:
            raise Malformed("a descriptor is named twice")
        return descriptor
    if tag == "e":
        return _error(inner)
    raise Malformed(f"tag {tag!a} is not known")


def _index(number: object, count: int) -> int:
    if type(number) is not int or not 0 <= number < count:
        raise Malformed(f"number {number!a} of {count}")
    return number


def _pair(inner: object) -> tuple[object, object]:
    if not isinstance(inner, list) or len(inner) != 2:
        raise Malformed("no pair")
    return inner[0], inner[1]


def _dict(
    inner: object, blobs: list[bytes], fds: list[Descriptor | None]
) -> dict[str | int, object]:
    keys, values = _pair(inner)
    if not isinstance(keys, list) or not isinstance(values, list) or len(keys) != len(values):
        raise Malformed("keys and values differ in number")
    if any(type(key) not in (str, int) for key in keys):
        raise Malformed("a key is neither str nor int")
    return {key: unpack(v, blobs, fds) for key, v in zip(keys, values, strict=True)}


def _record(inner: object, blobs: list[bytes], fds: list[Descriptor | None]) -> object:
    name, fields = _pair(inner)
    if not isinstance(name, str) or not isinstance(fields, dict):
        raise Malformed("no record")
    kind = _record_class(name)
    try:
        return kind(**{k: unpack(v, blobs, fds) for k, v in fields.items()})
    except TypeError as e:
        raise Malformed(str(e)) from e


def _error(inner: object) -> CrunpyError:
    words = ("type", "message", "hint")
    if not isinstance(inner, dict) or not all(isinstance(inner.get(w), str) for w in words):
        raise Malformed("no error")
    try:
        return from_json(inner)
    except (TypeError, KeyError, ValueError, AttributeError) as e:
        raise Malformed("no error") from e
