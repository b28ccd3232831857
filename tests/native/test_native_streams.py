"""The process that reads what a container writes and what its clients say (_native/streams.c)."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from engine import CHECKOUT, Engine, streams_of, wait_for

CORE = CHECKOUT / "crun_py/_native/crunpy-core"
SLEEP = ("busybox", "sleep", "1000")


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def descriptors(pid: int) -> set[str]:
    return {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}


def jailed(pid: int) -> None:
    found = status(pid)
    assert (found["Seccomp"], found["NoNewPrivs"]) == ("2", "1")
    assert {found[f"Cap{kind}"].strip("0") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {""}


def test_it_is_jailed_before_a_start_is_told(engine: Engine) -> None:
    """And has nothing but what it passes on: no namespace, program, directory."""
    made = engine.detached("-i", "--init", *SLEEP)
    pid = engine.streams(made)
    jailed(pid)
    assert int(status(pid)["PPid"]) == engine.pids(made)[0]
    log = f"{engine.root}/containers/{made}/container.log"
    assert all(f == log or f == "/dev/null" or f.startswith(("pipe:", "socket:"))
               for f in descriptors(pid)), descriptors(pid)  # fmt: skip
    assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"crunpy-streams\0")
    assert "Max core file size        0" in Path(f"/proc/{pid}/limits").read_text()
    engine.ok("rm", "-f", "-t0", made)
    assert engine.left() == []


def test_the_monitor_has_nothing_of_it(engine: Engine) -> None:
    """Else nobody would see that it closes something, and it could be asked for that."""
    made = engine.detached("-i", *SLEEP)
    monitor, init = engine.pids(made)
    pipes = {os.readlink(f"/proc/{init}/fd/{fd}") for fd in range(3)}
    assert pipes <= descriptors(engine.streams(made))
    assert not pipes & descriptors(monitor)
    engine.ok("rm", "-f", "-t0", made)


def test_of_a_terminal(engine: Engine) -> None:
    made = engine.detached("-it", *SLEEP)
    jailed(engine.streams(made))
    streams = engine.streams(made)
    assert wait_for(lambda: any(name.endswith("/ptmx") for name in descriptors(streams)))
    engine.ok("rm", "-f", "-t0", made)


def test_of_a_container_that_waits(engine: Engine) -> None:
    """`init`: it lets the container start when a client wants that."""
    engine.ok("create", "--network", "none", "--name", "c", "busybox",
              "sh", "-c", "echo on; sleep 99")  # fmt: skip
    engine.ok("init", "c")
    made = engine.inspect("c")["Id"]
    jailed(engine.streams(made))
    assert engine.state("c")["Status"] == "initialized"
    engine.ok("start", "c")
    assert engine.logs_until("c", "on")
    engine.ok("rm", "-f", "-t0", "c")


def test_of_an_exec_session(engine: Engine) -> None:
    made = engine.detached(*SLEEP)
    monitor = engine.pids(made)[0]
    process = engine.popen("exec", made, "sh", "-c", "echo on; exec sleep 1000")
    assert process.stdout.readline() == b"on\n"
    others = {int(line.split()[0]) for line in engine.processes() if " crunpy-monitor " in line}
    (session,) = others - {monitor}
    jailed(streams_of(session))
    engine.ok("rm", "-f", "-t0", made)
    process.wait(10)
    assert engine.left() == []


def test_orders_are_not_taken_from_clients(engine: Engine) -> None:
    """What clients hand over is nobody's: only orders.sock leads to the monitor."""
    made = engine.detached(*SLEEP)
    both = engine.pids(made)[0], engine.streams(made)

    def held() -> list[int]:
        return [len(descriptors(pid)) for pid in both]

    def at_rest() -> list[int]:
        """Who started it may just be hanging up."""
        found = held()
        time.sleep(0.2)
        return found if found == held() else []

    before = wait_for(at_rest)
    directory = os.open(engine.run_root / "containers" / made, os.O_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(f"/proc/self/fd/{directory}/attach.sock")
        null = os.open("/dev/null", os.O_RDONLY)
        socket.send_fds(client, [b"k\1\0\0\0"], [null])
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(100)
    os.close(null)
    os.close(directory)
    assert wait_for(lambda: before == held())
    engine.ok("rm", "-f", "-t0", made)


def test_they_end_with_the_monitor(engine: Engine) -> None:
    made = engine.detached(*SLEEP)
    pid = engine.streams(made)
    os.kill(engine.pids(made)[0], signal.SIGKILL)
    assert wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    engine.ok("rm", "-f", made)
    assert engine.left() == []


def test_killed_ones(engine: Engine) -> None:
    """The container's output is lost, which it is told (EPIPE); all else is as it should."""
    script = "echo on; while ! [ -e /go ]; do sleep 0.1; done; trap '' PIPE; echo off || exit 7"
    made = engine.detached("--name", "c", "busybox", "sh", "-c", script)
    engine.logs_until("c", "on")
    pid = engine.streams(made)
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    assert engine.state("c")["Running"]
    assert "it has no monitor" in engine.fails("attach", "--no-stdin", "c")
    engine.ok("exec", "c", "touch", "/go")
    assert engine.ok("wait", "c") == "7"
    assert engine.ok("logs", "c") == "on"
    engine.ok("start", "c")  # /go is there
    assert "off" in engine.logs_until("c", "off")
    engine.ok("rm", "-f", "-t0", "c")
    assert engine.left() == []


def test_killed_ones_of_a_container_that_is_removed(engine: Engine) -> None:
    made = engine.detached("--rm", *SLEEP)
    monitor, init = engine.pids(made)
    os.kill(engine.streams(made), signal.SIGKILL)
    os.kill(init, signal.SIGTERM)
    os.kill(init, signal.SIGKILL)
    assert wait_for(lambda: not os.path.exists(f"/proc/{monitor}"))
    assert engine.left() == [] and engine.ps("-a") == []


def test_killed_while_a_client_waits(engine: Engine) -> None:
    """It waits on for the container's end, of which nobody will tell it, and knows the code though
    `kill` cleans up: several times, for it is a matter of moments."""
    for _ in range(8):
        process = engine.popen("run", "--name", "c", "--network", "none", "busybox",
                               "sh", "-c", "echo on; sleep 1000")  # fmt: skip
        assert process.stdout.readline() == b"on\n"
        os.kill(engine.streams(engine.inspect("c")["Id"]), signal.SIGKILL)
        time.sleep(0.3)
        assert process.poll() is None, "the container runs"
        engine.ok("kill", "c")
        assert process.wait(10) == 137
        engine.ok("rm", "-f", "-t0", "c")
    assert engine.left() == []


def test_stopped_ones_hold_nobody(root: Engine) -> None:
    """Who would not let an end be noted cannot keep the container."""
    made = root.detached("--name", "c", *SLEEP)
    os.kill(root.streams(made), signal.SIGSTOP)
    began = time.monotonic()
    root.ok("rm", "-f", "-t0", "c", timeout=45)
    assert time.monotonic() - began < 40
    assert root.left(40) == []


@pytest.mark.parametrize("driver", ["json-file", "k8s-file"])
def test_rotation(engine: Engine, driver: str) -> None:
    """Its files are opened by the monitor, one after the other."""
    limits = ("--log-opt", "max-size=10k", "--log-opt", "max-file=3", "--log-driver", driver)
    made = engine.detached(*limits, "busybox", "sh", "-c", "seq 10000; echo end; exec sleep 1000")
    engine.logs_until(made, "end")
    names = {p.name for p in (engine.root / "containers" / made).glob("container.log*")}
    assert names == {"container.log", "container.log.1", "container.log.2"}
    found = [int(n) for n in engine.ok("logs", made).split()[:-1]]
    assert found == list(range(found[0], 10001))
    assert len([f for f in descriptors(engine.streams(made)) if "container.log" in f]) == 1
    engine.ok("rm", "-f", "-t0", made)


def test_memory(root: Engine) -> None:
    """What is beside a container, all in all."""
    made = root.detached(*SLEEP)
    time.sleep(0.2)
    found = {pid: _pss_kib(pid) for pid in (root.pids(made)[0], root.streams(made))}
    root.ok("rm", "-f", "-t0", made)
    with_glibc = b"GNU C Library" in CORE.read_bytes()
    assert sum(found.values()) < (1100 if with_glibc else 300), found


def _pss_kib(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
