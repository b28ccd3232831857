"""--sdnotify: what a service manager is told, by a socket that stands for its."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine, wait_for

RUN = ("run", "-d", "--network", "none", "--stop-timeout", "0")


class Manager:
    """A datagram socket, of which all that comes is kept."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.said: list[str] = []

    def hears(self, engine: Engine, *words: str) -> str:
        """What a command prints that is told of this socket."""
        import threading

        ended = threading.Event()

        def listen() -> None:
            self.socket.settimeout(0.05)
            while not ended.is_set():
                self.listen_once()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            return engine.ok(*words, env={"NOTIFY_SOCKET": self.path})
        finally:
            ended.set()
            thread.join()

    def listen_once(self) -> None:
        try:
            self.said.append(self.socket.recv(4096).decode())  # a descriptor with it is closed
        except TimeoutError:
            return

    def later(self) -> list[str]:
        """The next message."""
        del self.said[:]
        self.socket.settimeout(0.1)
        return list(wait_for(lambda: self.listen_once() or self.said))


@pytest.fixture
def manager(engine: Engine) -> Iterator[Manager]:
    found = Manager(engine.home / "notify")
    yield found
    found.socket.close()
    os.unlink(found.path)


def monitor(engine: Engine, name: str) -> int:
    return int(engine.ok("inspect", "-f", "{{.State.ConmonPid}}", name))


def test_we_tell_when_it_runs(engine: Engine, manager: Manager) -> None:
    manager.hears(engine, *RUN, "--name", "c", "--sdnotify", "conmon", "busybox", "sh", "-c",
                  'echo "[$NOTIFY_SOCKET]"; ls /run; sleep 1000')  # fmt: skip
    assert manager.said == [f"MAINPID={monitor(engine, 'c')}\nREADY=1", "BARRIER=1"]
    assert "notify" not in engine.logs_until("c", "[]")
    assert engine.ok("inspect", "-f", "{{.Config.SdNotifyMode}}", "c") == "conmon"


def test_nobody_tells(engine: Engine, manager: Manager) -> None:
    manager.hears(engine, *RUN, "--name", "c", "--sdnotify", "ignore", "busybox", "sh", "-c",
                  'echo "[$NOTIFY_SOCKET]"; sleep 1000')  # fmt: skip
    assert manager.said == [] and engine.logs_until("c", "[]")


def test_the_container_tells(engine: Engine, manager: Manager) -> None:
    """As a user of its own, through the monitor; and of itself alone."""
    manager.hears(engine, *RUN, "--name", "c", "--user", "1234", "busybox", "sh", "-c",
                  'echo "[$NOTIFY_SOCKET]"; ls -l /run/notify; sleep 1000')  # fmt: skip
    pid = monitor(engine, "c")
    assert manager.said == [f"MAINPID={pid}", "BARRIER=1"]
    engine.logs_until("c", "[/run/notify/notify.sock]")
    engine.ok("exec", "c", "sh", "-c", "! touch /run/notify/x")
    first = int(engine.ok("inspect", "-f", "{{.State.Pid}}", "c"))
    inside = f"/proc/{first}/root/run/notify/notify.sock"
    for said in (
        "READY=1\\nSTATUS=up\\nMAINPID=1",
        "MAINPID=1",
        "FDSTORE=1\\nREADY=12",
        "STOPPING=1\\n",
    ):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(said.replace("\\n", "\n").encode(), inside)
    assert manager.later() == ["READY=1\nSTATUS=up\n"]
    assert manager.later() == ["STOPPING=1\n"]
    assert engine.ok("exec", "c", "cat", "/proc/1/environ").count("NOTIFY_SOCKET=") == 1


def test_a_container_with_ids_of_its_own_tells(engine: Engine, manager: Manager) -> None:
    own = ("--userns", "keep-id") if engine.rootless else ("--uidmap", "0:200000:2000")
    manager.hears(engine, *RUN, "--name", "c", *own, "--read-only", "busybox", "sh", "-c",
                  "test -w $NOTIFY_SOCKET && echo can; sleep 1000")  # fmt: skip
    engine.logs_until("c", "can")
    first = int(engine.ok("inspect", "-f", "{{.State.Pid}}", "c"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"READY=1", f"/proc/{first}/root/run/notify/notify.sock")
    assert manager.later() == ["READY=1\n"]


def test_health_tells(engine: Engine, manager: Manager) -> None:
    manager.hears(engine, *RUN, "--name", "c", "--sdnotify", "healthy", "--health-cmd",
                  "test -e /ready", "--health-interval", "200ms",
                  "busybox", "sleep", "1000")  # fmt: skip
    assert manager.said == [f"MAINPID={monitor(engine, 'c')}", "BARRIER=1"]
    engine.ok("exec", "c", "touch", "/ready")
    assert manager.later() == ["READY=1"]
    assert manager.later() == ["BARRIER=1"]


def test_a_start_tells_too(root: Engine, tmp_path: Path) -> None:
    manager = Manager(tmp_path / "s")
    root.ok("create", "--network", "none", "--name", "c", "--sdnotify", "conmon", "busybox",
            "sleep", "1000")  # fmt: skip
    manager.hears(root, "start", "c")
    assert manager.said[0] == f"MAINPID={monitor(root, 'c')}\nREADY=1"
    root.ok("stop", "-t", "0", "c")
    root.ok("start", "c")
    manager.socket.close()
    done = root.run("restart", "-t", "0", "c", env={"NOTIFY_SOCKET": "/nowhere"})
    assert done.code == 0 and done.err == ""


def test_refused(root: Engine) -> None:
    words = ("create", "--network", "none", "--sdnotify")
    assert "no health check" in root.fails(*words, "healthy", "busybox")
    assert "sdnotify" in root.fails(*words, "often", "busybox")


def test_units_of_containers_that_tell(root: Engine) -> None:
    root.ok("create", "--network", "none", "--name", "web", "--sdnotify=conmon", "busybox", "true")
    unit = root.ok("generate", "systemd", "--new", "--name", "-e", "HOME", "-e", "A=b", "web")
    assert "\nType=notify\nNotifyAccess=all\n" in unit and "PIDFile" not in unit
    assert "\nEnvironment=PODMAN_SYSTEMD_UNIT=%n\n" in unit
    assert "\nEnvironment=HOME=" in unit and "\nEnvironment=A=b\n" in unit
    template = root.ok("generate", "systemd", "--template", "--name", "web")
    assert template.startswith("# container-web@.service") and "--name web-%i " in template


def test_the_unit_is_a_label(root: Engine) -> None:
    label = '{{index .Config.Labels "PODMAN_SYSTEMD_UNIT"}}'
    own = {"PODMAN_SYSTEMD_UNIT": "web.service"}
    root.ok("create", "--network", "none", "--name", "a", "busybox", "true", env=own)
    assert root.ok("inspect", "-f", label, "a") == "web.service"
