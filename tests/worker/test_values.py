"""What values survive a journey, and what is refused."""

from __future__ import annotations

import json
import math
import os

import pytest

from crun_py.build.request import BuildEvent
from crun_py.errors import CommandError, CrunpyError, Gone, InvalidArgument, NotFound
from crun_py.model.descriptor import Descriptor
from crun_py.record import record
from crun_py.worker.values import Malformed, pack, unpack


def journey(value: object) -> object:
    blobs: list[bytes] = []
    fds: list[int] = []
    said = json.loads(json.dumps(pack(value, blobs, fds)))
    return unpack(said, blobs, [Descriptor(os.dup(fd), owned=True) for fd in fds])


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -1, 1 << 200, 1.5, math.inf, "", "grüß", "\udc80\x00", b"", b"\x00\xff",
     (), (1, ("a", b"b")), {}, {"a": {1: b"x"}, -2: ()}, {"d": 1, "r": {"b": 0}},
     BuildEvent(kind="step", text="t", data=b"\xff")],
)  # fmt: skip
def test_what_comes_is_what_went(value: object) -> None:
    found = journey(value)
    assert found == value and type(found) is type(value)


def test_lists_become_tuples() -> None:
    assert journey([1, [2, {"a": [3]}]]) == (1, (2, {"a": (3,)}))


def test_not_a_number() -> None:
    found = journey(math.nan)
    assert isinstance(found, float) and math.isnan(found)


@pytest.mark.parametrize(
    "error",
    [
        CrunpyError("a", hint="b", errno=3),
        NotFound("x"),
        CommandError("no", 127, errno=2),
        Gone("y"),
    ],
)
def test_errors_are_whole(error: CrunpyError) -> None:
    found = journey((error,))[0]  # type: ignore[index]
    assert type(found) is type(error)
    assert found.to_json() == error.to_json()


def test_a_descriptor_is_a_copy_closed_with_its_object() -> None:
    heard, told = os.pipe()
    found = journey(Descriptor(told))
    assert isinstance(found, Descriptor) and found.fd != told
    os.close(told)
    os.write(found.fd, b"x")
    assert os.read(heard, 5) == b"x"
    del found
    assert os.read(heard, 5) == b""
    os.close(heard)


@record
class Stranger:
    """A record that is not below crun_py."""


@pytest.mark.parametrize(
    "value", [{1, 2}, object(), {(1,): 2}, {True: 1}, {None: 1}, Stranger(), BuildEvent]
)
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgument, match="sending"):
        pack((value,), [], [])


@pytest.mark.parametrize(
    "said",
    [{}, {"d": 1, "b": 2}, {"x": 1}, {"b": 0}, {"b": -1}, {"b": True}, {"b": "0"}, {"fd": 0},
     {"d": []}, {"d": [[1], []]}, {"d": [[None], [1]]}, {"d": [[[]], [1]]}, {"r": "x"},
     {"r": [1, {}]},
     {"r": ["os:system", {}]}, {"r": ["crun_py.errors:CrunpyError", {}]},
     {"r": ["crun_py.__main__:entry", {}]}, {"r": ["crun_py.worker.values:is_record", {}]},
     {"r": ["crun_py.nowhere:X", {}]}, {"r": ["crun_py.build.request:BuildEvent", {"nope": 1}]},
     {"r": ["crun_py.record:_Record", {}]}, {"r": ["crun_py..errors:X", {}]},
     {"e": {}}, {"e": 1},
     {"e": {"type": 1, "message": 1, "hint": 1, "errno": "x", "exit_code": 0}}],
)  # fmt: skip
def test_what_means_nothing_is_malformed(said: object) -> None:
    with pytest.raises(Malformed):
        unpack(said, [], [])


def test_a_descriptor_has_one_owner() -> None:
    with pytest.raises(Malformed, match="twice"):
        unpack([{"fd": 0}, {"fd": 0}], [], [Descriptor(0)])
