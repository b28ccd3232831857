"""logs: drivers, several containers, details, following through restarts and rotation."""

from __future__ import annotations

import re
import time

from engine import Engine, wait_for

NONE = ("--network", "none")


def said(engine: Engine, name: str, script: str, *options: str) -> None:
    engine.run("run", *NONE, "--name", name, *options, "busybox", "sh", "-c", script)


def test_k8s_file(engine: Engine) -> None:
    said(engine, "web", "echo one; echo two >&2; printf 'no end'", "--log-driver", "k8s-file")
    done = engine.run("logs", "web")
    assert (done.out, done.err) == ("one\nno end", "two\n")
    path = engine.inspect("web")["LogPath"]
    with open(path, encoding="ascii") as f:
        lines = f.read().splitlines()
    assert re.fullmatch(r"20[0-9-]+T[0-9:.]+Z stdout F one", lines[0])
    assert lines[2].endswith(" stdout P no end")
    assert engine.run("logs", "-t", "--tail", "1", "web").out.endswith("Z no end")
    assert engine.inspect("web")["HostConfig"]["LogConfig"]["Type"] == "k8s-file"


def test_k8s_file_with_long_lines_and_rotation(engine: Engine) -> None:
    said(engine, "web", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done",
         "--log-driver", "k8s-file", "--log-opt", "max-size=16k",
         "--log-opt", "max-file=9")  # fmt: skip
    assert engine.ok("logs", "web").splitlines() == [f"line {i}" for i in range(2000)]
    said(engine, "long", "head -c 40000 /dev/zero | tr '\\0' x; echo", "--log-driver", "k8s-file")
    assert engine.run("logs", "long").out == "x" * 40000 + "\n"


def test_no_log_cannot_be_read(engine: Engine) -> None:
    said(engine, "web", "echo one", "--log-driver", "none")
    assert "driver is none" in engine.fails("logs", "web")
    assert "not known" in engine.fails("create", "--log-driver", "paper", "busybox")


def test_several_containers_by_time(engine: Engine) -> None:
    said(engine, "web", "echo w1")
    said(engine, "shop", "echo s1 >&2")
    engine.ok("start", "-a", "web")
    done = engine.run("logs", "--names", "shop", "web")
    assert (done.out, done.err) == ("web w1\nweb w1\n", "shop s1\n")
    short = engine.inspect("web")["Id"][:12]
    assert engine.run("logs", "shop", "web").out == f"{short} w1\n" * 2
    assert engine.ok("logs", "-l") == "" and engine.run("logs", "-l").err == "s1\n"


def test_following_several(engine: Engine) -> None:
    for name in ("web", "shop"):
        engine.detached("--name", name, "busybox", "sh", "-c",
                        f"echo {name} 1; sleep 0.5; echo {name} 2")  # fmt: skip
    out = engine.ok("logs", "-f", "--names", "web", "shop").splitlines()
    assert sorted(out) == ["shop shop 1", "shop shop 2", "web web 1", "web web 2"]


def test_details(engine: Engine) -> None:
    said(engine, "web", "echo one", "-l", "a=b c", "-l", "x=y", "-e", "E=1", "--log-opt",
         "labels=a,nosuch", "--log-opt", "env=E")  # fmt: skip
    assert engine.ok("logs", "--details", "web") == "E=1,a=b%20c one"
    assert re.fullmatch(
        r"20[0-9T:.-]+Z E=1,a=b%20c one", engine.ok("logs", "--details", "-t", "web")
    )


def test_following_through_restarts(engine: Engine) -> None:
    engine.detached("--name", "web", "--restart", "on-failure:3", "busybox", "sh", "-c",
                    "echo x; sleep 0.2; exit 1")  # fmt: skip
    assert engine.ok("logs", "-f", "web", timeout=30).split() == ["x"] * 4


def test_follow_until(engine: Engine) -> None:
    from crun_py import clock

    engine.detached("--name", "web", "--stop-timeout", "0", "busybox", "sh", "-c",
                    "echo x; sleep 1000")  # fmt: skip
    wait_for(lambda: engine.ok("logs", "web"))
    began = time.monotonic()
    until = clock.rfc3339(time.time_ns() + 10**9)
    assert engine.ok("logs", "-f", "--until", until, "web") == "x"
    assert time.monotonic() - began < 4


def test_following_several_ends_with_the_command(engine: Engine) -> None:
    for name in ("web", "shop"):
        engine.detached("--name", name, "busybox", "sh", "-c", "echo on; sleep 1000")
    process = engine.popen("logs", "-f", "--names", "web", "shop")
    assert {process.stdout.readline() for _ in range(2)} == {b"web on\n", b"shop on\n"}
    process.kill()
    process.wait()
    wait_for(lambda: not any(" logs " in line for line in engine.processes()), 5)


def test_colours(engine: Engine) -> None:
    for name in ("web", "shop"):
        engine.run("run", "--network", "none", "--name", name, "busybox", "echo", "on")
    lines = engine.run("logs", "--names", "--color", "web", "shop").out
    assert lines == "\033[37mweb on\033[0m\n\033[31mshop on\033[0m\n"
    assert engine.ok("logs", "--color", "web") == "\033[37mon\033[0m"


def test_lines_that_are_no_entries_are_passed_over(engine: Engine) -> None:
    said(engine, "web", "echo one")
    path = engine.root / "containers" / engine.inspect("web")["Id"] / "container.log"
    with path.open("a") as f:
        f.write('{"log": "two\\n"}\n{"log": 3, "stream": "stdout", "time": ""}\n')
    for words in ([], ["-t"], ["--since", "2020-01-01"], ["--tail", "5"]):
        assert engine.ok("logs", *words, "web").endswith("one")
