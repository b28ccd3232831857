"""top and stats."""

from __future__ import annotations

import json
import re

from engine import Engine, wait_for


def busy(engine: Engine, name: str = "web") -> str:
    return engine.detached("--name", name, "--stop-timeout", "0", "busybox", "sh", "-c",
                           "sleep 1000 & while :; do :; done")  # fmt: skip


def test_top_shows_the_hosts_columns_and_pids(engine: Engine) -> None:
    busy(engine)
    pid = engine.state("web")["Pid"]
    heading, *rows = engine.ok("top", "web").splitlines()
    assert heading.split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert len(rows) == 2 and rows[0].split()[1] == str(pid)
    assert {row.split()[7] for row in rows} == {"sh", "sleep"}
    heading, *rows = engine.ok("top", "web", "-o", "pid,comm").splitlines()
    assert heading.split() == ["PID", "COMMAND"] and len(rows) == 2
    assert engine.ok("top", "web", "aux").splitlines()[0].split()[0] == "USER"
    assert "PID" in engine.fails("top", "web", "-o", "comm")


def test_top_with_descriptors_shows_the_containers_pids(engine: Engine) -> None:
    engine.detached("--name", "web", "-u", "7:7", "--passwd=false", "--stop-timeout", "0",
                    "busybox", "sh", "-c", "sleep 1000; true")  # fmt: skip
    engine.ok("exec", "-u", "0", "web", "sh", "-c", "echo painter:x:7:7::/: >> /etc/passwd")
    wait_for(lambda: len(engine.ok("top", "web", "pid").splitlines()) == 3)
    lines = engine.ok("top", "web", "user,pid", "ppid", "args", "seccomp", "capeff").splitlines()
    assert lines[0].split() == ["USER", "PID", "PPID", "COMMAND", "SECCOMP", "EFFECTIVE", "CAPS"]
    assert re.match(r"painter +1 +0 +sh -c sleep 1000; true +filter +none", lines[1])
    assert re.match(r"painter +[0-9]+ +1 +sleep 1000 +filter +none", lines[2])
    default = "user,pid,ppid,pcpu,etime,tty,time,args"
    assert engine.ok("top", "web", default).splitlines()[0].split() == (
        "USER PID PPID %CPU ELAPSED TTY TIME COMMAND".split()
    )


def test_top_of_what_does_not_run(engine: Engine) -> None:
    engine.ok("create", "--name", "web", "--network", "none", "busybox", "true")
    assert "created, not running" in engine.fails("top", "web")


def test_stats_once(engine: Engine) -> None:
    busy(engine)
    lines = engine.ok("stats", "--no-stream", "-i", "300ms").splitlines()
    assert re.split(" {2,}", lines[0]) == [
        "CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O",
        "PIDS"]  # fmt: skip
    found = re.match(
        r"[0-9a-f]{12} +web +([0-9.]+)% +[0-9.]+[KM]iB / [0-9.]+GiB +[0-9.]+%", lines[1]
    )
    assert found and 20 < float(found[1]) < 130 and lines[1].split()[-1] == "2"
    row = json.loads(engine.ok("stats", "--no-stream", "-i", "100ms", "--format", "json", "web"))
    assert row["Name"] == "web" and row["PIDs"] == "2"
    text = engine.ok("stats", "--no-stream", "-i", "100ms", "--format", "{{.Name}}: {{.CPUPerc}}")
    assert re.fullmatch(r"web: [0-9.]+%", text)


def test_stats_stream_and_stopped_ones(engine: Engine) -> None:
    busy(engine)
    engine.ok("create", "--name", "idle", "--network", "none", "busybox", "true")
    process = engine.popen("stats", "-i", "100ms", "--format", "{{.Name}}")
    assert [process.stdout.readline() for _ in range(3)] == [b"web\n"] * 3
    process.terminate()
    out = engine.ok("stats", "-a", "--no-stream", "-i", "100ms")
    assert re.search(r"idle +-- +-- / -- +--", out)
    assert "not running" in engine.fails("stats", "--no-stream", "idle")
