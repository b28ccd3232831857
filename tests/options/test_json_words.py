"""The JSON form of a Dockerfile's instructions."""

from __future__ import annotations

import pytest

from crun_py.options.instructions import json_list


@pytest.mark.parametrize(
    ("text", "words"),
    [('["a", "b"]', ["a", "b"]), ('["a]"] and more', ["a]"]), ("[]", []), ("[1]", [1]), ("x", None),
     ("[", None), ('["a"', None), ("", None), ('{"a": []}', None)],
)  # fmt: skip
def test_what_it_means(text: str, words: object) -> None:
    assert json_list(text) == words


def test_a_long_line_is_read_once() -> None:
    """It was read again up to each bracket, which takes hours here."""
    assert json_list('["' + "]" * (1 << 20)) is None
