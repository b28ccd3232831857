"""Values and annotations: what fits, and what is said of what does not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crun_py import hints
from crun_py.errors import InvalidArgument
from crun_py.model.container import Ulimit

if TYPE_CHECKING:
    from crun_py.model.container import Limits

Pathname = str | os.PathLike[str]
NAMES = {**globals(), "Iterable": Iterable, "Mapping": Mapping, "Sequence": Sequence}
ULIMIT = Ulimit(name="core", soft=0, hard=0)


@pytest.mark.parametrize(
    "annotation,right,wrong",
    [
        ("str", ["", "a"], [None, 1, b"a", ["a"]]),
        ("int", [0, -1], [True, 1.5, "1", None]),
        ("bool", [True, False], [0, 1, "true", None]),
        ("float", [0.5, 2], [True, "1", None]),
        ("bytes", [b"a"], ["a", 1]),
        ("str | None", ["a", None], [1]),
        ("int | str", [1, "1"], [True, None, [1]]),
        ("tuple[str, ...]", [(), ("a", "b"), ["a"]], ["a", (1,), None]),
        ("tuple[str, int]", [("a", 1)], [("a",), (1, "a"), ("a", 1, 2)]),
        ("list[str]", [["a"], ("a",)], ["a", [1], {"a": "b"}]),
        ("Iterable[str]", ["a", ["a"], ("a",), {"a"}], [5, [5], b"a", {"a": "b"}, None]),
        ("Sequence[str]", [["a"], "a"], [{"a"}, [1]]),
        ("Mapping[str, str]", [{}, {"a": "b"}], [{"a": 1}, {1: "a"}, [("a", "b")]]),
        ("Mapping[str, str | Mapping[str, str]]", [{"a": {"b": "c"}}], [{"a": {"b": 1}}]),
        ("dict[str, str] | None", [{"a": "b"}, None], [5, {"a": None}]),
        ("Pathname", ["/a", Path("/a")], [5, b"/a", None]),
        ("Ulimit", [ULIMIT], ["core=0", None]),
        ("Iterable[str | Ulimit]", ["core=0", ["core=0", ULIMIT]], [[1], ULIMIT]),
    ],
)
def test_values(annotation: str, right: list[object], wrong: list[object]) -> None:
    for value in right:
        hints.check(value, annotation, NAMES, "it")
    for value in wrong:
        with pytest.raises(InvalidArgument, match=r"^it .*: not "):
            hints.check(value, annotation, NAMES, "it")


def test_what_is_not_known_passes() -> None:
    names = {k: v for k, v in NAMES.items() if k != "Limits"}
    hints.check(5, "Limits | None", names, "it")
    hints.check((n for n in (1, 2)), "Iterable[str]", NAMES, "it")  # it could not be read again


@pytest.mark.parametrize(
    "value,annotation,message",
    [
        (5, "str", "it 5: not str"),
        ([1], "int | str", r"it \[1\]: not int | str"),
        (5, "Iterable[str | Ulimit]", r"it 5: not Iterable\[str | Ulimit\]"),
        (["x" * 99], "Pathname", r"it \['x{38}…: not str | PathLike\[str\]"),
        ((1,), "tuple[str, ...]", r"it \(1,\): not tuple\[str, \.\.\.\]"),
    ],
)
def test_messages(value: object, annotation: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        hints.check(value, annotation, NAMES, "it")
    assert caught.value.message == message.replace("\\", "").replace("x{38}", "x" * 38)


def greet(context: object, name: str, *, times: int = 1, limits: Limits | None = None) -> None:
    """A function as those of engine/."""


def test_calls() -> None:
    hints.check_call(greet, ("a",), {"times": 2, "limits": "a checker's alone"})
    with pytest.raises(InvalidArgument, match=r"^name 5: not str$"):
        hints.check_call(greet, (5,), {})
    with pytest.raises(InvalidArgument, match=r"^times 'x': not int$"):
        hints.check_call(greet, ("a",), {"times": "x"})
