"""Inputs for hypothesis: what a target begins with, changed here and there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Json = Any
_SCALARS = (
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats()
    | st.sampled_from(["", "a", "/", "../x", "sha256:" + "0" * 64, "\n", "\0", "1", "é", "x" * 300])
)  # fmt: skip
VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "name", "size", "digest", "a", ""]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
"""Values of JSON that nobody expects."""


def edited(seeds: Iterable[bytes], tokens: Iterable[str], most: int) -> st.SearchStrategy[bytes]:
    """Seeds of which bytes are taken away, and to which words or parts of seeds are added."""
    good = [*seeds]
    words = [token.encode("utf-8", "surrogateescape") for token in tokens]
    place, sizes = st.integers(0, most), st.integers(0, 512)
    added = (
        st.sampled_from(words) | st.binary(max_size=3)
        | st.builds(lambda seed, at, n: seed[at : at + n], st.sampled_from(good), place, sizes)
    )  # fmt: skip
    gone = st.sampled_from((0, 0, 1, 4, 64, most))
    edits = st.lists(st.tuples(place, gone, added), max_size=6)

    def apply(seed: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
        data = seed
        for at, less, more in changes:
            at %= len(data) + 1
            data = data[:at] + more + data[at + less :]
        return data[:most]

    return st.builds(apply, st.sampled_from(good), edits)


def _paths(value: Json, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [above]
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            found += _paths(inner, (*above, key))
    return found


_GONE = object()


def replaced(value: Json, path: tuple[Any, ...], new: Json) -> Json:
    """A copy of `value` with another value at `path`."""
    if not path:
        return new if new is not _GONE else None
    key, *rest = path
    if isinstance(value, dict) and key in value:
        copy = dict(value)
    elif isinstance(value, list) and isinstance(key, int) and key < len(value):
        copy = [*value]
    else:
        return value  # an earlier change has taken it
    if not rest and new is _GONE:
        del copy[key]
    else:
        copy[key] = replaced(copy[key], tuple(rest), new)
    return copy


def altered(document: Json) -> st.SearchStrategy[Json]:
    """The document with some of its values replaced, or gone."""
    paths = st.sampled_from(_paths(document))
    changes = st.lists(st.tuples(paths, VALUES | st.just(_GONE)), min_size=1, max_size=3)

    def apply(found: list[tuple[tuple[Any, ...], Json]]) -> Json:
        value = document
        for path, new in found:
            value = replaced(value, path, new)
        return value

    return changes.map(apply)


def feed(target: Any, most: int) -> None:
    """So many of a target's cases, the same each time."""

    @settings(
        max_examples=most, deadline=None, database=None, derandomize=True,
        suppress_health_check=[*HealthCheck],
    )  # fmt: skip
    @given(case=target.CASES)
    def check(case: tuple[str, object]) -> None:
        target.check(*case)

    check()
