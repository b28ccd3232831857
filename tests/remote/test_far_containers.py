"""Containers by way of our own service: what is printed is what the same command prints here."""

from __future__ import annotations

import json
import os
import re
import signal
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from engine import wait_for
from far import Far

NONE = ("--network", "none")
ROOT = pytest.mark.parametrize("engine", ["root"], indirect=True)
"""What is no other for a plain user."""


_AGE = re.compile(r"(Less than a|\d+|About a|About an) (second|minute)s?( ago)?|\d+\.\d+s")


def same(far: Far, *args: object, env: dict[str, str | None] | None = None) -> None:
    """What a command prints here and there, also on standard error, and its exit status are alike,
    but for ages and the width of their columns."""
    started = [far.engine.popen(*words, env=env) for words in (args, far.words(*args))]
    told = []
    for process in started:
        out, err = (_AGE.sub("AGE", text.decode()) for text in process.communicate(timeout=60))
        told.append((re.sub(" +", " ", out), err, process.returncode))
    assert told[1] == told[0], args


def test_lists_and_documents_are_the_same(far: Far) -> None:
    engine = far.engine
    engine.ok("network", "create", "--label", "a=b", "net1")
    engine.ok("volume", "create", "--label", "k=v", "vol1")
    up = ("run", "-d", "--name", "up", "--label", "x=y", "-v", "vol1:/v", "--network", "net1")
    engine.ok(*up, "-e", "A=B", "-p", "127.0.0.1::80", "busybox", "sleep", "1000")
    engine.run(
        "run", "--name", "ended", *NONE, "busybox", "sh", "-c", "echo one; echo two >&2; exit 3"
    )
    engine.ok("create", "--name", "new", *NONE, "busybox")
    every = 6 if engine.rootless else 1  # the time is for root's
    for words in (
        "ps", "ps -a", "ps -a --no-trunc", "ps -s", "ps -a --filter status=exited",
        "ps -a --filter name=u --sort names", "ps -l",
        "ps -a --filter nosuch=x", "ps -a --sort nosuch",
        "images", "images --no-trunc --digests", "images busybox", "images nosuch",
        "history busybox",
        "inspect up ended", "inspect nosuch", "inspect busybox", "inspect vol1", "inspect net1",
        "inspect --type volume vol1", "container inspect -s ended",
        "image inspect busybox", "image inspect nosuch",
        "image exists nosuch", "container exists nosuch",
        "network ls", "network ls --filter name=net1",
        "network inspect net1 bridge",
        "volume ls", "volume ls -q", "volume inspect vol1",
        "port up", "port up 81", "port -a",
        "diff up", "top up", "logs ended", "logs --tail 1 ended",
        "logs nosuch", "logs --names up ended", "wait ended",
        "stop nosuch", "rm nosuch", "pause ended",
        "rmi nosuch", "tag nosuch x", "exec nosuch true",
        "exec up", "attach ended", "cp nosuch:/x -", "export -o /dev/null nosuch",
        "system df", "search --limit x y", "events --since 1h --stream=false",
    )[::every]:  # fmt: skip
        same(far, *words.split())
    for args in (
        ("ps", "-a", "--format", "{{.ID}} {{.Status}} {{.Labels}} {{.Mounts}} {{.Networks}}"),
        ("ps", "-a", "--format", "{{.ExitCode}} {{.User}} {{.Restarts}} {{.CreatedAt}} {{.Pid}}"),
        ("ps", "-a", "--format", "table {{.Names}}\t{{.Ports}}"),
        ("ps", "--format", "{{.Label \"x\"}}"),
        ("ps", "--format", "{{.Nosuch}}"),
        ("images", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}} {{.Size}} {{.CreatedAt}}"),
        ("images", "--format", "json"),
        ("inspect", "-f", "{{.State.Status}} {{.config.env}}", "up"),
        ("inspect", "-f", "json", "up"),
        ("inspect", "-f", "{{json .Mounts}}", "up"),
        ("network", "ls", "--format", "{{.ID}} {{.Name}} {{.IPv6}} {{.CreatedAt}} {{.Labels}}"),
        ("volume", "ls", "--format", "json"),
        ("info", "--format", "{{.ServerVersion}} {{.Driver}} {{.Containers}} {{.Name}}"),
    )[::every]:  # fmt: skip
        same(far, *args)
    for words in ("ps -a", "images", "network ls", "volume ls"):
        same(far, *words.split(), "--format", "json", env={"CRUNPY_AS": "podman"})
    here, there = (
        json.loads(e.ok("ps", "-a", "--format", "json", "--filter", "name=up"))
        for e in (engine, far)
    )
    left_out = {"CGROUPNS", "IPC", "MNT", "NET", "PIDNS", "USERNS", "UTS", "Cgroup", "Namespaces"}
    left_out |= {"CreatedHuman", "Created", "RunningFor", "Status"}  # ages
    here, there = ({k: v for k, v in one.items() if k not in left_out} for one in (here, there))
    assert here == there
    far.ok("rm", "-af")
    far.ok("network", "rm", "net1")
    far.ok("volume", "rm", "vol1")


@ROOT
def test_a_life(far: Far, place: Path) -> None:
    files = ("--cidfile", str(place / "cid"))
    made = far.ok(
        "create", "--name", "a", *NONE, *files, "busybox", "sh", "-c", "echo hi; sleep 99"
    )
    assert Path(place / "cid").read_text() == made and len(made) == 64
    assert "exists already" in far.fails("run", *files, "busybox")
    assert far.run("create", "--name", "a", "busybox").code == 1
    assert far.ok("start", "a") == "a"
    wait_for(lambda: "hi" in far.ok("logs", "a"))
    assert far.ok("pause", "a") == "a" and "(Paused)" in far.ok("ps")
    assert far.ok("unpause", "a") == "a"
    assert far.ok("rename", "a", "b") == ""
    assert far.ok("update", "--restart", "on-failure:3", "b") == "b"
    policy = far.engine.inspect("b")["HostConfig"]["RestartPolicy"]
    assert policy == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert far.ok("restart", "-t0", "b") == "b"
    row = far.ok("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}")
    assert row.split()[0] == "b" and int(row.split()[1]) >= 1
    assert far.ok("kill", "-s", "KILL", "b") == "b"
    assert far.ok("wait", "b") == "137"
    assert far.ok("start", "-f", "name=b") == made
    assert far.ok("stop", "-t0", "--all") == made
    assert far.ok("rm", "b") == "b"
    far.ok("create", "--name", "c", *NONE, "busybox")
    assert far.ok("rm", "--all", "-f") and far.ok("ps", "-aq") == ""
    assert "Total reclaimed space" in far.ok("container", "prune", "-f")


def test_run_and_its_exit_codes(far: Far) -> None:
    run = ("run", "--rm", *NONE)
    done = far.run(*run, "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.out, done.err, done.code) == ("out\n", "err\n", 7)
    assert far.run(*run, "-i", "busybox", "cat", input=b"x" * 300_000).out == "x" * 300_000
    assert far.run(*run, "-i", "busybox", "head", "-c3", input="abcdef").out == "abc"
    for words, code in ((["nosuch"], 127), (["/etc"], 126)):
        here, there = (e.run(*run, "busybox", *words) for e in (far.engine, far))
        assert (here.code, there.code) == (code, code), there.err
        assert there.err == here.err
    assert far.run(*run, "-a", "stderr", "busybox", "sh", "-c", "echo o; echo e >&2").out == ""
    assert far.ok(*run, "-e", "A=b c", "-w", "/tmp", "-u", "1:2", "--hostname", "h", "busybox",
                  "sh", "-c", "echo $A $PWD $(id -u) $(hostname)") == "b c /tmp 1 h"  # fmt: skip
    assert "no such" in far.fails("run", "--pull", "never", "busybox:nosuch").lower()
    assert far.ok("ps", "-aq") == ""
    assert "Docker's API cannot say it" in far.fails("run", "--tz", "local", "busybox")
    assert "-d" not in far.ok("run", "-d", "--name", "d", *NONE, "busybox", "sleep", "99")
    assert far.ok("rm", "-f", "d") == "d"


@ROOT
def test_mounts_ports_and_limits_arrive(far: Far, place: Path) -> None:
    (place / "f").write_text("file")
    asked = (
        *NONE, "-v", f"{place}:/b:ro", "-v", "named:/n", "-v", "/anon", "--tmpfs", "/t:size=1m",
        "--mount", f"type=bind,source={place},target=/m", "--ulimit", "nofile=100:200",
        "--cap-drop", "ALL", "--cap-add", "CHOWN",
        "--read-only", "--init", "--shm-size", "1m", "--label", "l=1", "--add-host", "x:1.2.3.4",
        "--stop-signal", "INT", "--stop-timeout", "3", "--health-cmd", "true", "--health-interval",
        "9s", "--log-opt", "max-size=1m", "--restart", "on-failure:2", "--security-opt",
        "no-new-privileges", "--entrypoint", "sleep", "--expose", "81", "--sysctl",
        "net.ipv4.ip_unprivileged_port_start=1", "busybox", "9",
    )  # fmt: skip
    far.engine.ok("create", "--name", "here", *asked)
    far.ok("create", "--name", "there", *asked)
    here, there = (far.engine.inspect(name) for name in ("here", "there"))
    told = {"HostConfig": ("Ulimits CapAdd CapDrop ReadonlyRootfs Init ShmSize RestartPolicy "
                           "SecurityOpt ExtraHosts Tmpfs Sysctls NetworkMode"),
            "Config": ("Cmd Entrypoint Labels StopSignal StopTimeout Healthcheck ExposedPorts "
                       "Volumes")}  # fmt: skip
    for part, keys in told.items():
        for key in keys.split():
            assert there[part].get(key) == here[part].get(key), key
    places = [
        {(m["Type"], m["Destination"], m["RW"]) for m in one["Mounts"]} for one in (here, there)
    ]
    assert places[0] == places[1]
    far.ok("rm", "-v", "here", "there")


@ROOT
def test_exec(far: Far) -> None:
    far.engine.detached("--name", "c", "busybox", "sleep", "1000")
    done = far.run("exec", "-e", "A=1", "-w", "/tmp", "-u", "5", "c", "sh", "-c",
                   "echo $A $PWD $(id -u); echo e >&2; exit 4")  # fmt: skip
    assert (done.out, done.err, done.code) == ("1 /tmp 5\n", "e\n", 4)
    assert far.run("exec", "-i", "c", "cat", input="typed").out == "typed"
    assert far.run("exec", "c", "nosuch").code == 127
    assert far.ok("exec", "-d", "c", "touch", "/made") == ""
    wait_for(lambda: far.run("exec", "c", "ls", "/made").code == 0)
    assert far.run("exec", "-it", "c", "true", input="").code == 1  # no terminal


def test_terminals(far: Far) -> None:
    command = far.words("run", "-it", "--rm", *NONE, "--name", "t", "busybox", "sh")
    terminal = far.engine.pty(*command, rows=30, cols=90)
    terminal.until("/ # ")
    terminal.write("stty size\n")
    terminal.until("30 90")
    terminal.size(20, 70)
    terminal.process.send_signal(signal.SIGWINCH)
    wait_for(lambda: "20 70" in far.ok("exec", "-t", "t", "stty", "-F", "/dev/pts/0", "size"))
    terminal.write("\x10\x11")
    assert terminal.wait() == 0 and far.ok("ps", "--format", "{{.Names}}") == "t"
    again = far.engine.pty(*far.words("attach", "t"))
    again.write("echo mar''k\n")
    again.until("mark")
    again.write("exit 5\n")
    assert again.wait() == 5
    wait_for(lambda: far.ok("ps", "-aq") == "")
    far.engine.detached("--name", "u", "busybox", "sleep", "1000")
    inside = far.engine.pty(*far.words("exec", "-it", "u", "sh"))
    inside.until("/ # ")
    inside.write("exit 6\n")
    assert inside.wait() == 6


@ROOT
def test_signals_are_passed_on(far: Far) -> None:
    script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    process = far.engine.popen(*far.words("run", "--rm", *NONE, "busybox", "sh", "-c", script))
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == b"got\n" and process.wait(20) == 9


@ROOT
def test_start_attached_and_logs_that_follow(far: Far) -> None:
    far.ok("create", "--name", "c", *NONE, "-i", "busybox", "sh", "-c", "read x; echo $x; exit 2")
    done = far.run("start", "-ai", "c", input="hello\n")
    assert (done.out, done.code) == ("hello\n", 2)
    for name in ("l", "m"):
        script = f"echo {name}1; sleep 0.5; echo {name}2"
        far.engine.detached("--name", name, "busybox", "sh", "-c", script)
    assert far.ok("logs", "-f", "l") == "l1\nl2"
    lines = far.ok("logs", "-f", "--names", "l", "m").splitlines()
    assert sorted(lines) == ["l l1", "l l2", "m m1", "m m2"]
    assert far.ok("logs", "--since", "1h", "--until", "0s", "l") == "l1\nl2"


def members(data: bytes) -> list[str]:
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        return archive.getnames()


@ROOT
def test_files_both_ways(far: Far, place: Path) -> None:
    (place / "d").mkdir()
    (place / "d/f").write_text("content")
    far.engine.detached("--name", "c", "busybox", "sleep", "1000")
    far.ok("cp", place / "d", "c:/new")
    assert far.ok("exec", "c", "cat", "/new/f") == "content"
    far.ok("cp", f"{place}/d/f", "c:/tmp")
    far.ok("cp", f"{place}/d/.", "c:/tmp")
    far.ok("cp", f"{place}/d/f", "c:/tmp/g")
    assert far.ok("exec", "c", "ls", "/tmp") == "f\ng"
    out = place / "out"
    out.mkdir(mode=0o777)
    os.chmod(out, 0o777)
    far.ok("cp", "c:/new", f"{out}")
    far.ok("cp", "c:/tmp/g", f"{out}/h")
    far.ok("cp", "c:/new/.", f"{out}")
    assert (out / "new/f").read_text() == (out / "h").read_text() == (out / "f").read_text()
    archive = far.run("cp", "c:/new", "-").raw
    assert members(archive) == ["new", "new/f"]
    far.ok("exec", "c", "mkdir", "/in")
    far.ok("cp", "-", "c:/in", input=archive)
    assert far.ok("exec", "c", "cat", "/in/new/f") == "content"
    for args in (
        ("c:/nosuch", "x"),
        (f"{place}/nosuch", "c:/"),
        (f"{place}/d/f", "c:/no/such/"),
    ):
        far.fails("cp", *args)
    assert "A /new" in far.ok("diff", "c")
    exported = far.run("export", "c").raw
    assert "bin/busybox" in members(exported)
    made = far.ok("commit", "-m", "text", "-c", 'CMD ["cat", "/new/f"]', "c", "made:1")
    assert far.ok("run", "--rm", *NONE, "made:1") == "content"
    assert far.ok("inspect", "-f", "{{.Id}}", "made:1") == made
    assert "Untagged: made:1" in far.ok("rmi", "made:1")


def test_what_would_be_removed_is_not_asked_of_a_service(far: Far) -> None:
    far.engine.ok("create", "--name", "old", "--network", "none", "busybox")
    for kind in ("container", "volume", "network"):
        assert "--dry-run: not on " in far.fails(kind, "prune", "--dry-run")
    assert far.engine.ps("-a") == ["old"]
