"""JSON files: the codec means what `json` means; a file is whole at any instant; locks."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crun_py import jsonfile
from crun_py.errors import Conflict, CorruptState, CrunpyError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    max_leaves=20,
)  # fmt: skip


@given(values)
def test_round_trip(value: Any) -> None:
    text = jsonfile.dumps(value)
    assert "\n" not in text
    assert json.loads(text) == value == jsonfile.loads(text) == jsonfile.loads(text.encode())


@given(values)
def test_reads_what_json_writes(value: Any) -> None:
    assert jsonfile.loads(json.dumps(value, indent=3, ensure_ascii=False)) == value
    assert jsonfile.loads("\n \t" + json.dumps(value) + " \r\n") == value
    assert json.loads(jsonfile.dumps(value, indent=4)) == value


@given(st.text() | values.map(json.dumps).map(lambda t: t[:-1] + "x"))
def test_refuses_what_json_refuses(text: str) -> None:
    try:
        wanted = json.loads(text, parse_constant=_refused)
    except ValueError:
        with pytest.raises(ValueError):
            jsonfile.loads(text)
    else:
        assert jsonfile.loads(text) == wanted


def _refused(word: str) -> None:
    raise ValueError(word)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}'])
def test_refuses_what_json_takes(text: str) -> None:
    for read in (jsonfile.loads, jsonfile.first):
        with pytest.raises(ValueError, match="is no number"):
            read(text)


@given(st.binary())
def test_bytes_that_are_not_text(data: bytes) -> None:
    try:
        jsonfile.loads(data)
    except ValueError:
        return


def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "deep"
    path.write_text("[" * 200000)
    with pytest.raises(CorruptState):
        jsonfile.read(str(path))
    with pytest.raises(ValueError, match="nested too deeply"):
        jsonfile.loads("[" * 200000)


def test_what_a_text_begins_with() -> None:
    assert jsonfile.first('["a", "b]"] x') == ["a", "b]"]
    for text in ("", "[", '["a"', "x", "[" * 200000):
        with pytest.raises(ValueError):
            jsonfile.first(text)


def test_a_file_of_another_shape(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": "1"}')
    assert jsonfile.read(str(path), {"a": str}) == {"a": "1"}
    with pytest.raises(CorruptState, match="does not say what it should"):
        jsonfile.read(str(path), {"a": int})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x"])
def test_what_json_cannot_say(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        jsonfile.dumps(value)


@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 100, b"nul", b"\xff\xfe", b"1 2"])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(CorruptState, match=str(path)):
        jsonfile.read(str(path))
    with pytest.raises(FileNotFoundError):
        jsonfile.read(str(tmp_path / "absent"))


def test_write_is_private_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("old")
    path.chmod(0o666)
    for durable in (True, False):
        jsonfile.write(str(path), {"a": 1}, durable=durable)
        assert jsonfile.read(str(path)) == {"a": 1}
        assert path.stat().st_mode & 0o777 == 0o600
        assert os.listdir(tmp_path) == ["x.json"]


def test_failed_write_keeps_the_old(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    jsonfile.write(str(path), 1)
    with pytest.raises((ValueError, TypeError)):
        jsonfile.write(str(path), float("nan"))
    with pytest.raises(CrunpyError, match="no such file"):
        jsonfile.write(str(tmp_path / "absent/x.json"), 1)
    assert jsonfile.read(str(path)) == 1 and os.listdir(tmp_path) == ["x.json"]


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    (tmp_path / "x.json").symlink_to(target)
    jsonfile.write(str(tmp_path / "x.json"), 1)
    assert target.read_text() == "untouched" and not (tmp_path / "x.json").is_symlink()


WRITER = """
import sys
from crun_py import jsonfile
n = 0
while True:
    n += 1
    jsonfile.write(sys.argv[1], {"n": n, "filler": [n] * 20000}, durable=False)
"""


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    jsonfile.write(str(path), {"n": 0, "filler": [0] * 20000})
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path])
    try:
        seen = set()
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline or len(seen) < 3:
            value = jsonfile.read(str(path))
            assert value["filler"] == [value["n"]] * 20000
            seen.add(value["n"])
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert jsonfile.read(str(path))["filler"]


def _hold(path: str, seconds: float, ready: Any) -> None:
    with jsonfile.Lock(path):
        ready.set()
        time.sleep(seconds)


def test_lock_excludes_and_dies_with_its_holder(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(path, 60, ready))
    holder.start()
    assert ready.wait(20)
    with pytest.raises(Conflict, match="lock"), jsonfile.Lock(path, timeout_s=0):
        pass
    started = time.monotonic()
    with pytest.raises(Conflict), jsonfile.Lock(path, timeout_s=0.2):
        pass
    assert 0.15 < time.monotonic() - started < 5
    holder.kill()
    with jsonfile.Lock(path, timeout_s=5):
        pass
    holder.join()


def test_shared_locks(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with (
        jsonfile.Lock(path, shared=True),
        jsonfile.Lock(path, shared=True, timeout_s=0),
        pytest.raises(Conflict),
        jsonfile.Lock(path, timeout_s=0),
    ):
        pass


def test_lock_of_what_was_removed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), jsonfile.Lock(str(tmp_path / "gone/lock")):
        pass


@settings(max_examples=30)
@given(st.integers(0, 2000))
def test_cut_files_never_read_as_something_else(cut: int) -> None:
    text = jsonfile.dumps({"id": "a" * 64, "list": list(range(300)), "end": True})
    if cut < len(text):
        with pytest.raises(ValueError):
            jsonfile.loads(text[:cut])


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is a stranger's by now is damaged, as one with nonsense in it is."""
    (tmp_path / "directory").mkdir()
    with pytest.raises(CorruptState, match="is a directory"):
        jsonfile.read(str(tmp_path / "directory"))

    def refused(path: str) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(jsonfile, "read_bytes", refused)
    with pytest.raises(CorruptState, match=r"reading /x\.json: permission denied"):
        jsonfile.read("/x.json")
