"""A terminal has the caller's rows and columns from the first instruction of the command on."""

from __future__ import annotations

import re

from engine import Engine, Pty, wait_for

NONE = ("--network", "none")
SIZES = [(31 + n, 101 + n) for n in range(6)]


def seen(terminal: Pty) -> tuple[int, int]:
    """What `stty size` printed."""
    assert terminal.wait() == 0, terminal.seen
    found = re.search(rb"(\d+) (\d+)\r\n", terminal.seen)
    assert found, terminal.seen
    return int(found[1]), int(found[2])


def test_run(engine: Engine) -> None:
    for options in ("-it", "-t"):
        for rows, cols in SIZES:
            terminal = engine.pty("run", options, "--rm", *NONE, "busybox", "stty", "size",
                                  rows=rows, cols=cols)  # fmt: skip
            if options == "-it":
                assert seen(terminal) == (rows, cols), options
            else:  # no terminal on its standard input to ask: its output's
                terminal.until(f"{rows} {cols}")
                assert terminal.wait() == 0


def test_exec(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    for rows, cols in SIZES:
        terminal = engine.pty("exec", "-it", "c", "stty", "size", rows=rows, cols=cols)
        assert seen(terminal) == (rows, cols)
    engine.detached("-t", "--name", "d", "busybox", "sleep", "1000")
    terminal = engine.pty("exec", "-it", "d", "stty", "size", rows=44, cols=88)
    assert seen(terminal) == (44, 88)


def test_start(engine: Engine) -> None:
    """The same container with a terminal of another size each time."""
    engine.ok("create", "-it", "--name", "c", *NONE, "busybox", "stty", "size")
    for rows, cols in SIZES:
        terminal = engine.pty("start", "-ai", "c", rows=rows, cols=cols)
        assert seen(terminal) == (rows, cols)


def test_start_of_one_that_is_made_ready(engine: Engine) -> None:
    engine.ok("create", "-it", "--name", "c", *NONE, "busybox", "stty", "size")
    engine.ok("init", "c")
    terminal = engine.pty("start", "-ai", "c", rows=35, cols=105)
    assert seen(terminal) == (35, 105)


def test_attach(engine: Engine) -> None:
    """What comes after the first key sees the size, not what comes half a second later."""
    for number, (rows, cols) in enumerate(SIZES):
        engine.detached("-it", "--name", f"c{number}", "busybox", "sh", "-c", "read x; stty size")
        terminal = engine.pty("attach", f"c{number}", rows=rows, cols=cols)
        terminal.write("\r")
        assert seen(terminal) == (rows, cols)


def test_a_second_client_changes_it(engine: Engine) -> None:
    engine.detached("-it", "--name", "c", "busybox", "sh")
    first = engine.pty("attach", "c", rows=30, cols=90)
    first.write("echo re''ady\r")
    first.until("ready\r\n")
    second = engine.pty("attach", "c", rows=40, cols=120)
    second.write("stty size; echo E''ND\r")
    assert b"40 120" in second.until("END\r\n")


def test_changes_reach_exec(engine: Engine) -> None:
    """Then SIGWINCH as the window changes."""
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"
    terminal = engine.pty("exec", "-it", "c", "sh", "-c", script, rows=30, cols=90)
    terminal.until("ready")
    for rows, cols in ((50, 132), (12, 40)):
        terminal.size(rows, cols)
        terminal.until(f"{rows} {cols}")
    terminal.write(b"\x03")
    wait_for(lambda: terminal.process.poll() is not None)
