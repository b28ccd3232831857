"""Go templates beside Go itself: the table in tests/data/gotemplates.json holds what it prints."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engine import CHECKOUT

from crun_py.errors import InvalidArgument
from crun_py.show.gotemplate import check, render

TABLE: dict[str, Any] = json.loads(
    (CHECKOUT / "tests/data/gotemplates.json").read_text(encoding="utf-8")
)


def _cases(*, errors: bool) -> list[Any]:
    """The table's rows with an error or without, each named by its topic and place in the table."""
    return [
        pytest.param(case, id=f"{case['topic']}-{number}")
        for number, case in enumerate(TABLE["cases"])
        if ("error" in case) == errors
    ]


@pytest.mark.parametrize("case", _cases(errors=False))
def test_prints_as_go(case: dict[str, str]) -> None:
    check(case["template"])
    assert render(case["template"], TABLE["data"][case["data"]]) == case["prints"]


@pytest.mark.parametrize("case", _cases(errors=True))
def test_is_refused_as_by_go(case: dict[str, str]) -> None:
    """A template that Go cannot parse is refused before there is anything to print."""
    with pytest.raises(InvalidArgument):
        render(case["template"], TABLE["data"][case["data"]])
    if case["error"] == "parse":
        with pytest.raises(InvalidArgument):
            check(case["template"])
    else:
        check(case["template"])
