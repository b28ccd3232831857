"""Names for containers that were given none."""

from __future__ import annotations

import os

import pytest

from crun_py import names, state


def test_a_container_may_have_each(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for number in range(64 * 128):
        monkeypatch.setattr(os, "urandom", lambda n, number=number: number.to_bytes(n, "little"))
        found.add(state.check_name(names.generate()))
    adjectives = {name.partition("_")[0] for name in found}
    people = {name.partition("_")[2] for name in found}
    assert adjectives == set(names._ADJECTIVES.split())
    assert people == set(names._PEOPLE.split())
    assert len(found) > 3000


def test_no_word_is_there_twice() -> None:
    for words in (names._ADJECTIVES.split(), names._PEOPLE.split()):
        assert len(words) == len(set(words)) and all(w.isalpha() and w.islower() for w in words)
