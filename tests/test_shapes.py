"""What JSON documents must be made of, and that it is what the types say."""

from __future__ import annotations

import types
import typing
from typing import Any, NotRequired, Required, get_args, get_origin, get_type_hints

import pytest

from crun_py import shapes, upgrade
from crun_py.documents import container, spec, volume
from crun_py.runtime import form
from crun_py.shapes import fits, misfit

OBJECT = {"a": int, "b?": [str]}


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (1, int), ("", str), (True, bool), (None, object), ([], object), (None, None), ([], [int]),
        ([1, 2], [int]), ({}, {str: int}), ({"x": 1}, {str: int}), (None, (None, str)),
        ("x", (None, str)), ({"a": 1}, OBJECT), ({"a": 1, "b": ["c"], "d": 0}, OBJECT),
        ([[1], []], [[int]]),
    ],
)  # fmt: skip
def test_what_fits(value: object, shape: object) -> None:
    assert fits(value, shape)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (True, int), (1, bool), (1.0, int), (None, str), ("x", None), (1, (None, str)),
        ("ab", [str]), ({}, [int]), ([1, "x"], [int]), ([], {str: int}), ({"x": ""}, {str: int}),
        ([], OBJECT), (None, OBJECT), ({}, OBJECT), ({"a": ""}, OBJECT),
        ({"a": 1, "b": None}, OBJECT),
    ],
)  # fmt: skip
def test_what_does_not(value: object, shape: object) -> None:
    assert not fits(value, shape)


def shape_of(hint: Any) -> Any:
    """The shape that a type of `documents` is."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint is type(None):
        return None
    if origin is types.UnionType:
        return tuple(sorted(map(shape_of, inside), key=lambda shape: shape is not None))
    if origin is list:
        return [shape_of(inside[0])]
    if origin is dict:
        return {str: shape_of(inside[1])}
    if not typing.is_typeddict(hint):
        return hint
    made = {}
    for name, inner in get_type_hints(hint, include_extras=True).items():
        needed = get_origin(inner) is Required or (
            hint.__total__ and get_origin(inner) is not NotRequired
        )
        if get_origin(inner) in (NotRequired, Required):
            inner = get_args(inner)[0]
        made[name if needed else name + "?"] = shape_of(inner)
    return made


def test_a_record_is_what_its_type_says() -> None:
    assert shape_of(container.Record) == shapes.RECORD
    assert fits(upgrade.lost("ab" * 32), shapes.RECORD)


def test_so_is_a_volume_as_far_as_it_is_there() -> None:
    types_ = {key.rstrip("?"): shape for key, shape in shape_of(volume.Volume).items()}
    assert {key.rstrip("?"): shape for key, shape in shapes.VOLUME.items()} == types_


def test_so_is_a_specification() -> None:
    wanted = shape_of(spec.Spec)
    linux = wanted["linux"]
    # what a FIFO has not, which is refused in words of its own; and what stands for all of access
    for place, names in ((linux["devices?"][0], ("major", "minor")),
                         (linux["resources?"]["devices?"][0], ("access",))):  # fmt: skip
        for name in names:
            place[name + "?"] = place.pop(name)
    assert wanted == form.CONFIG


@pytest.mark.parametrize(
    ("value", "shape", "said"),
    [
        (1, int, ""), ({"a": 1, "x": None}, OBJECT, ""), ([], OBJECT, "w: not an object"),
        ({"a": "x"}, OBJECT, "w.a: not a number"), ({"b": []}, OBJECT, "w.a: missing"),
        ({"a": 1, "b": ["", 5]}, OBJECT, "w.b[1]: not a text"), ("x", [str], "w: not a list"),
        ({"k": {"a": True}}, {str: OBJECT}, "w.k.a: not a number"),
        (1, bool, "w: not true or false"),
        (5, (None, str), "w: not of a type that can be"),
    ],
)  # fmt: skip
def test_where_it_does_not_fit(value: object, shape: object, said: str) -> None:
    assert misfit(value, shape, "w") == said
