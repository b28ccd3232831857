"""What is told of processes that are killed for their memory (in a real group: test_limits_vm)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crun_py import events, jsonfile
from crun_py.cgroup import group
from crun_py.paths import Paths


@pytest.mark.parametrize(
    ("text", "killed"),
    [("low 0\nmax 3\noom 1\noom_kill 0\noom_group_kill 0\n", False),
     ("oom 1\noom_kill 12\n", True), ("oom 1\noom_group_kill 1\n", False), (None, False)],
)  # fmt: skip
def test_the_groups_file(tmp_path: Path, text: str | None, killed: bool) -> None:
    if text is not None:
        (tmp_path / "memory.events").write_text(text)
    assert group.oom_killed(str(tmp_path)) == killed


def test_no_group() -> None:
    assert not group.oom_killed(None)


def test_the_monitors_line_is_a_commands(tmp_path: Path) -> None:
    """Both write one journal, and whoever reads it sees no difference."""

    class About:
        id, name, paths = "a" * 64, "web", Paths(str(tmp_path), str(tmp_path / "run"))
        record: Any = {"image": "busybox", "config": {"labels": {"k": 'v"\n'}}}  # noqa: RUF012

    about: Any = About
    events.container(about, "oom")
    path, line = events.by_monitor(about, "oom")
    written = Path(path).read_bytes()
    time, rest = written.split(b", ", 1)
    assert rest == line and line.count(b"\n") == 1 and line.endswith(b"\n")
    assert jsonfile.loads(b'{"time": 5, ' + line) == jsonfile.loads(written) | {"time": 5}
    assert int(time.removeprefix(b'{"time": ')) > 1 << 60
