"""generate systemd: units that systemd accepts, whose lines do what they say."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from engine import Engine, skip_if_missing, wait_for

NONE = ("--network", "none")


def lines(unit: str, key: str) -> list[str]:
    return [s.partition("=")[2] for s in unit.splitlines() if s.startswith(key + "=")]


def do(engine: Engine, line: str, **specifiers: str) -> None:
    """Carry out an ExecStart= line as systemd would, for this engine."""
    for name, value in specifiers.items():
        line = line.replace("%" + name, value)
    words = shlex.split(line.replace("%%", "%").replace("$$", "$"))
    if words[0].startswith("/bin/"):
        subprocess.run(words, check=True)
        return
    at = words.index("--runroot")
    assert words[at - 1] == str(engine.root), words
    engine.ok(*words[at + 2 :])


def test_unit_of_a_container(engine: Engine, tmp_path: Path) -> None:
    engine.ok("create", *NONE, "--name", "web", "--stop-timeout", "1", "busybox", "sleep", "1000")
    unit = engine.ok("generate", "systemd", "--name", "--wants", "db.service", "web")
    assert unit.startswith("# container-web.service") and lines(unit, "Restart") == ["on-failure"]
    assert lines(unit, "TimeoutStopSec") == ["61"] and "db.service" in lines(unit, "Wants")
    do(engine, lines(unit, "ExecStart")[0])
    assert engine.state("web")["Running"]
    pid = int(Path(lines(unit, "PIDFile")[0]).read_text())
    assert pid == engine.state("web")["ConmonPid"]
    do(engine, lines(unit, "ExecStop")[0])
    assert engine.state("web")["Status"] == "exited"
    do(engine, lines(unit, "ExecStopPost")[0])
    if not engine.rootless:
        skip_if_missing("systemd-analyze")
        file = tmp_path / "container-web.service"
        file.write_text(unit)
        done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True)
        complaints = [s for s in done.stderr.splitlines() if "container-web" in s]
        assert not complaints, complaints


def test_unit_that_makes_the_container_anew(engine: Engine) -> None:
    engine.ok("run", "-d", *NONE, "--name", "web", "--stop-timeout", "0", "-e", "A=b c$d%e",
              "busybox", "sh", "-c", 'echo "$A"; sleep 1000')  # fmt: skip
    unit = engine.ok("generate", "systemd", "--new", "--name", "--no-header", "web")
    engine.ok("rm", "-f", "web")
    where = {"t": str(engine.home), "N": "unit"}
    for line in lines(unit, "ExecStartPre") + lines(unit, "ExecStart"):
        do(engine, line, **where)
    assert engine.logs_until("web", "b c") == "b c$d%e\n"
    pid = int((engine.home / "unit.pid").read_text())
    assert os.path.exists(f"/proc/{pid}")
    for line in lines(unit, "ExecStop") + lines(unit, "ExecStopPost"):
        do(engine, line, **where)
    assert engine.ps("-a") == []
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"))


def test_names_and_files(root: Engine, tmp_path: Path) -> None:
    container_id = root.ok("create", *NONE, "--name", "web", "busybox", "true")
    unit = root.ok("generate", "systemd", "--container-prefix", "", container_id[:12])
    assert unit.startswith(f"# {container_id}.service")
    assert root.ok("generate", "systemd", "-f", "-n", "--separator", "_", "web", cwd=tmp_path) == (
        "container_web.service"
    )
    assert "[Install]" in (tmp_path / "container_web.service").read_text()
    assert "not known" in root.fails("generate", "systemd", "--restart-policy", "often", "web")


def test_a_monitor_ends_with_the_containers_exit_code(root: Engine) -> None:
    """systemd's only sign of a failure."""
    command = root.command("run", "-d", *NONE, "busybox", "sh", "-c", "exit 7")
    code = subprocess.run(
        ["python3", "-c", f"""
import ctypes, os, subprocess
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: the monitor becomes our child
subprocess.run({command!r}, check=True, stdout=subprocess.DEVNULL)
codes = []
try:
    while True:
        codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
except ChildProcessError:
    print(codes)
"""], capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "7" in code
