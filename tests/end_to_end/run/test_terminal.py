"""-t: a real terminal on both sides."""

from __future__ import annotations

import os
import signal
import time

from engine import Engine, Pty, wait_for

NONE = ("--network", "none")
PROMPT = "P> "


def shell(engine: Engine, *options: str, rows: int = 24, cols: int = 80) -> Pty:
    terminal = engine.pty("run", "-it", *NONE, "-e", f"PS1={PROMPT}", *options, "busybox", "sh",
                          rows=rows, cols=cols)  # fmt: skip
    terminal.until(PROMPT)
    return terminal


def say(terminal: Pty, text: str) -> str:
    """What the shell prints for `text`.  The prompt alone tells nothing: it comes again with
    every SIGWINCH."""
    terminal.write(f"{text}; echo E''ND\r")
    return terminal.until("END\r\n").decode()


def test_a_shell(engine: Engine) -> None:
    terminal = shell(engine, "--rm", rows=33, cols=111)
    text = say(
        terminal, "tty; stty size; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all"
    )
    assert "/dev/console" in text or "/dev/pts/0" in text
    assert "33 111" in text and "xterm" in text and "\r\nall\r\n" in text
    terminal.write("exit 5\r")
    assert terminal.wait() == 5
    assert terminal.mode() == terminal.before


def test_resize(engine: Engine) -> None:
    terminal = shell(engine, "--rm")
    terminal.size(50, 132)
    wait_for(lambda: "50 132" in say(terminal, "stty size"))
    terminal.write("exit\r")
    assert terminal.wait() == 0


def test_ctrl_c_goes_to_the_container(engine: Engine) -> None:
    terminal = shell(engine, "--rm")
    terminal.write("echo now; sleep 1000\r")
    terminal.until("now\r\n")
    time.sleep(0.2)
    terminal.write(b"\x03")
    assert "status 130" in say(terminal, "echo status $?")
    terminal.write("exit 3\r")
    assert terminal.wait() == 3


def test_ctrl_d_ends_the_shell(engine: Engine) -> None:
    terminal = shell(engine, "--rm")
    terminal.write(b"\x04")
    assert terminal.wait() == 0


def test_detach_and_attach_again(engine: Engine) -> None:
    terminal = shell(engine, "--name", "c")
    # all of it in one: what is typed before the keys still counts
    terminal.write(b"MARK=kept\r\x10\x11")
    assert terminal.wait() == 0
    assert terminal.mode() == terminal.before
    assert engine.ps() == ["c"]
    again = engine.pty("attach", "c")
    text = say(again, "echo it is $MARK; stty size")
    assert "it is kept" in text and "24 80" in text
    again.write("exit 6\r")
    assert again.wait() == 6
    assert again.mode() == again.before
    assert engine.state("c")["ExitCode"] == 6


def test_other_detach_keys(engine: Engine) -> None:
    script = "stty raw -echo; echo go; dd bs=1 count=4 2>/dev/null | od -An -tx1; sleep 1000"
    terminal = engine.pty("run", "-it", "--name", "c", *NONE, "--detach-keys", "ctrl-a,d",
                          "busybox", "sh", "-c", script)  # fmt: skip
    terminal.until("go")
    terminal.write(b"\x10\x11\x01x")
    terminal.until("10 11 01 78")
    terminal.write(b"\x01d")
    assert terminal.wait() == 0 and engine.ps() == ["c"]


def test_a_single_ctrl_p_is_passed_on(engine: Engine) -> None:
    script = "stty raw -echo; echo go; dd bs=1 count=2 2>/dev/null | od -An -tx1"
    terminal = engine.pty("run", "-it", "--rm", *NONE, "busybox", "sh", "-c", script)
    terminal.until("go")
    terminal.write(b"\x10x")
    terminal.until("10 78")
    assert terminal.wait() == 0


def test_exec_with_a_terminal(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    terminal = engine.pty("exec", "-it", "-e", f"PS1={PROMPT}", "c", "sh", rows=30, cols=90)
    terminal.until(PROMPT)
    terminal.write("tty; stty size; exit 4\r")
    text = terminal.until("30 90").decode()
    assert "/dev/pts/" in text
    assert terminal.wait() == 4
    assert terminal.mode() == terminal.before
    assert engine.ps() == ["c"]


def test_terminal_without_input(engine: Engine) -> None:
    terminal = engine.pty(
        "run", "-t", "--rm", *NONE, "busybox", "sh", "-c", "tty && echo x; exit 2"
    )
    terminal.until("x")
    assert terminal.wait() == 2


def test_t_without_a_terminal_of_our_own(engine: Engine) -> None:
    done = engine.run("run", "-t", "--rm", *NONE, "busybox", "sh", "-c", "tty; echo err >&2")
    assert done.code == 0 and "/dev/" in done.out and "err\r\n" in done.out and done.err == ""


def test_detached_terminal_keeps_its_log(engine: Engine) -> None:
    container_id = engine.detached("-t", "busybox", "sh", "-c", "tty; echo end")
    engine.ok("wait", container_id)
    text = engine.run("logs", container_id).out
    assert text.startswith("/dev/") and text.endswith("end\r\n")


def test_terminal_is_restored_when_the_container_is_killed(engine: Engine) -> None:
    terminal = shell(engine, "--name", "c")
    assert terminal.mode() != terminal.before
    engine.ok("kill", "c")
    assert terminal.wait() == 137
    assert terminal.mode() == terminal.before


def test_terminal_is_restored_when_we_are_told_to_end(engine: Engine) -> None:
    terminal = shell(engine, "--name", "c", "--sig-proxy=false")
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.wait() in (-15, 143)
    assert engine.ps() == ["c"]


def test_terminal_belongs_to_the_user(engine: Engine) -> None:
    out = engine.run("run", "-t", "--rm", *NONE, "-u", "tester", "busybox", "sh", "-c",
                     "stat -c %u $(tty); echo w > $(tty)")  # fmt: skip
    assert out.out == "1234\r\nw\r\n"


def test_our_terminal_stays_outside(engine: Engine) -> None:
    script = (
        "test -t 0 || test -t 1 || test -t 2 || echo none; echo x > /dev/tty; ls -l /proc/$$/fd"
    )
    terminal = engine.pty("run", "--rm", "-i", *NONE, "busybox", "sh", "-c", script)
    text = terminal.until("none")
    terminal.wait()
    assert b"pts" not in text + terminal.seen and b"No such device" in text + terminal.seen


def test_start_interactive_brings_the_shell_back(engine: Engine) -> None:
    engine.ok("create", "-it", "--network", "none", "--name", "web", "busybox", "sh")
    for number in (1, 2):
        terminal = engine.pty("start", "-a", "-i", "web", rows=31, cols=97)
        terminal.until("# ")
        terminal.write("stty size; echo x >> /count; wc -l < /count\n")
        assert b"31 97" in terminal.until(f"\r\n{number}\r\n")
        terminal.write("exit 4\n")
        assert terminal.wait() == 4 and terminal.mode() == terminal.before


def test_job_control(engine: Engine) -> None:
    terminal = engine.pty("run", "--rm", "-it", "--network", "none", "busybox", "sh")
    assert b"job control" not in terminal.until("# ")
    terminal.write("sleep 1234\n")
    terminal.until("sleep 1234\r\n")
    time.sleep(0.3)
    terminal.write("\x1a")  # Ctrl-Z
    terminal.until("Stopped")
    terminal.write("jobs; bg; fg\n")
    terminal.until("sleep 1234\r\nsleep 1234")
    time.sleep(0.2)
    terminal.write("\x03")
    terminal.until("# ")
    terminal.write("exit\n")
    assert terminal.wait() in (0, 130)


def test_exec_resizes_and_detaches(engine: Engine) -> None:
    engine.detached("--name", "web", "--stop-timeout", "0", "busybox", "sleep", "1000")
    terminal = engine.pty("exec", "-it", "web", "sh", rows=20, cols=70)
    terminal.until("# ")
    terminal.write("stty size\n")
    terminal.until("20 70")
    terminal.size(33, 99)
    wait_for(lambda: _size_seen(terminal, b"33 99"))
    terminal.write("\x10\x11")
    assert terminal.wait() == 0 and engine.state("web")["Running"]
    terminal = engine.pty("exec", "-it", "--detach-keys", "x,y", "web", "sh")
    terminal.until("# ")
    terminal.write("xy")
    assert terminal.wait() == 0 and engine.state("web")["Running"]


def _size_seen(terminal: Pty, size: bytes) -> bool:
    terminal.write("stty size\n")
    return size in terminal.until("# ")


def test_two_on_one_terminal(engine: Engine) -> None:
    engine.detached("-it", "--name", "web", "busybox", "sh")
    first, second = engine.pty("attach", "web"), engine.pty("attach", "web")
    time.sleep(0.3)
    first.write("echo se''en\n")
    first.until("seen")
    second.until("seen")
    second.write("\x10\x11")
    assert second.wait() == 0
    first.write("exit 5\n")
    assert first.wait() == 5


def test_started_in_the_background(engine: Engine) -> None:
    """`crunpy run -it … &` of an interactive shell stops until fg, as any program that wants the
    terminal."""
    command = " ".join(engine.command("run", "-it", *NONE, "--name", "web", "busybox", "sh"))
    bash = Pty(["bash", "--norc", "-i"], {**os.environ, "PS1": "@@ "})
    engine.started.append(bash)
    bash.until("@@ ")
    bash.write(f"{command} &\r")
    wait_for(lambda: engine.run("container", "exists", "web").code == 0)
    wait_for(lambda: engine.state("web")["Running"])
    bash.write("\recho he''re\r")
    bash.until("here\r\n")
    bash.write("jobs; echo the''re\r")
    assert b"Stopped" in bash.until("there\r\n")
    bash.write("fg\r")
    bash.until("busybox sh\r\n")
    bash.write("echo in''side; exit 3\r")
    bash.until("inside\r\n")
    bash.until("@@ ")
    bash.write("echo st''atus=$?\r")
    bash.until("status=3")
    bash.write("exit\r")
