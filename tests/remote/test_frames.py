"""Outputs in frames, however they arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crun_py.api.streams import frame
from crun_py.errors import InvalidArgument
from crun_py.remote.client import command_error, filters
from crun_py.remote.paths import path
from crun_py.remote.streams import Frames


@given(st.lists(st.tuples(st.sampled_from((1, 2)), st.binary(max_size=20))), st.integers(1, 30))
def test_frames_in_pieces(frames: list[tuple[int, bytes]], size: int) -> None:
    data = b"".join(frame(*one) for one in frames)
    found = {1: b"", 2: b""}
    reader = Frames()
    for at in range(0, len(data), size):
        for number, part in reader.put(data[at : at + size]):
            found[number] += part
    assert found == {n: b"".join(part for m, part in frames if m == n) for n in (1, 2)}


def test_paths_and_filters() -> None:
    assert path("containers", "a/b?c", "json") == "/containers/a%2Fb%3Fc/json"
    assert path("images", "host:1/a/b:c", "json") == "/images/host:1/a/b:c/json"
    assert path("libpod", "images", "a/b") == "/libpod/images/a/b"
    assert filters(["a=b", "a=c", "d="]) == {"a": ["b", "c"], "d": [""]} and filters([]) is None
    for wrong in (lambda: path("containers", "", "json"), lambda: filters(["x"])):
        with pytest.raises(InvalidArgument):
            wrong()


def test_exit_statuses_of_starts() -> None:
    for words, code in (("exec: \"x\": executable file not found in $PATH", 127),
                        ("exec /x: permission denied", 126), ("port is taken", 125)):  # fmt: skip
        assert command_error(InvalidArgument(words)).exit_code == code
