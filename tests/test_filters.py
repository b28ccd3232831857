"""--filter KEY=VALUE."""

from __future__ import annotations

import pytest

from crun_py import filters
from crun_py.errors import InvalidArgument


def test_values_by_key() -> None:
    known = ["label", "status"]
    assert filters.parse([], known) == {}
    given = ["label=a=b", "status=exited", "label=", "label=a=b"]
    assert filters.parse(given, known) == {"label": ["a=b", "", "a=b"], "status": ["exited"]}


@pytest.mark.parametrize("text", ["", "label", "=a", "labels=a", "LABEL=a", " label=a"])
def test_what_is_not_known(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        filters.parse([text], ["label", "status"])
    assert caught.value.message == f"filter {text!r}: not known"
    assert caught.value.hint == "KEY=VALUE with label, status"


@pytest.mark.parametrize(
    "wanted,matches",
    [("a", True), ("a=1", True), ("a=", False), ("e", True), ("e=", True), ("e=1", False),
     ("x", False), ("", False), ("k=v=w", True), ("A", False)],
)  # fmt: skip
def test_labels(wanted: str, matches: bool) -> None:
    labels = {"a": "1", "e": "", "k": "v=w"}
    assert filters.label_matches(labels, wanted) is matches
