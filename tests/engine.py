"""Driving the command as a user does: as root or as an unprivileged user, with pipes or on a
terminal; and finding what a container left behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
REACHABLE = Path("/run/crunpy-checkout")
"""Where tools/in-test-namespace shows the checkout to everybody."""
USER = "crunpy-test"


class Result(NamedTuple):
    """What a command gave: exit status, and its two streams as text and as bytes."""

    code: int
    out: str
    err: str
    raw: bytes


def wait_for(what: Callable[[], Any], timeout_s: float = 30, every_s: float = 0.02) -> Any:
    """The first true value of `what()`."""
    deadline = time.monotonic() + timeout_s
    while not (value := what()):
        assert time.monotonic() < deadline, "timed out"
        time.sleep(every_s)
    return value


def lasting(found: Callable[[], list[str]], timeout_s: float = 20) -> list[str]:
    """Those that are still found when the time is up: the other worker's pass."""
    left = set(found())
    deadline = time.monotonic() + timeout_s
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left &= set(found())
    return sorted(left)


def free_port() -> int:
    """A port that nobody has now; the workers' ranges do not meet."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    for _ in range(1000):
        free_port.last = (free_port.last + 1) % 1000  # type: ignore[attr-defined]
        port = 20000 + 1000 * worker + free_port.last  # type: ignore[attr-defined]
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


free_port.last = 0  # type: ignore[attr-defined]


class Pty:
    """A command on a terminal of its own."""

    def __init__(self, command: list[str], env: dict[str, str], rows: int = 24, cols: int = 80):
        self.master, slave = pty.openpty()
        self.size(rows, cols)
        self.before = termios.tcgetattr(slave)
        self.seen = b""
        self.process = subprocess.Popen(
            command, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
        )  # fmt: skip
        self.slave = slave

    def size(self, rows: int, cols: int) -> None:
        """Give the terminal this size; the foreground processes get SIGWINCH."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def write(self, text: str | bytes) -> None:
        os.write(self.master, text.encode() if isinstance(text, str) else text)

    def until(self, text: str | bytes, timeout_s: float = 15) -> bytes:
        """Read until `text` has come; returns everything up to its end, and forgets it."""
        wanted = text.encode() if isinstance(text, str) else text
        deadline = time.monotonic() + timeout_s
        while wanted not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"no {wanted!r} in {self.seen!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    raise AssertionError(f"ended without {wanted!r}: {self.seen!r}") from None
        at = self.seen.index(wanted) + len(wanted)
        found, self.seen = self.seen[:at], self.seen[at:]
        return found

    def wait(self, timeout_s: float = 15) -> int:
        """The exit status; output is read meanwhile."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"does not end: {self.seen!r}"
            if select.select([self.master], [], [], 0.02)[0]:
                self.seen += os.read(self.master, 65536)
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 65536)
        return self.process.returncode

    def mode(self) -> list[Any]:
        return termios.tcgetattr(self.slave)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def _for_user(path: str) -> str:
    """`path`, through REACHABLE if it lies in the checkout."""
    inside = os.path.abspath(path)
    return inside.replace(str(CHECKOUT), str(REACHABLE), 1) if inside.startswith(
        str(CHECKOUT) + "/"
    ) else path  # fmt: skip


class Engine:
    """The command with a store of its own.

    home:     everything of this engine is below; the processes it starts carry its path.
    user:     name of the user it runs as, "" for root.
    registry: host:port of the registry that is docker.io's mirror.
    """

    def __init__(self, home: Path, user: str, conf: Path, registry: str) -> None:
        self.home, self.user, self.registry = home, user, registry
        self.rootless = bool(user)
        self.root = home / ".local/share/crunpy" if user else home / "root"
        self.run_root = home / "xdg/crunpy" if user else home / "run"
        self.started: list[subprocess.Popen[bytes] | Pty] = []
        self.env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(home),
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "CONTAINERS_REGISTRIES_CONF": str(conf),
            "CONTAINERS_CONF": "/dev/null",  # the machine's own has nothing to say here
        }
        home.mkdir(mode=0o700)
        if user:
            self.env["XDG_RUNTIME_DIR"] = str(home / "xdg")
            (home / "xdg").mkdir(mode=0o700)
            subprocess.run(["chown", "-R", f"{user}:", home], check=True)
        else:
            self.env["CRUNPY_ROOT"] = str(self.root)
            self.env["CRUNPY_RUNROOT"] = str(self.run_root)

    # ---- commands ----

    def command(
        self,
        *args: object,
        env: dict[str, str | None] | None = None,
        wrap: list[str] | None = None,
    ) -> list[str]:
        """The whole command line; env changes variables (None: not set), wrap comes before it
        and is still run as root."""
        variables = {**self.env, **(env or {})}
        main = [sys.executable, str(CHECKOUT / "crun_py/__main__.py")]
        become = []
        if self.user:
            main = [_for_user(word) for word in main]
            become = ["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups"]
        given = [f"{k}={v}" for k, v in variables.items() if v is not None]
        return [*(wrap or []), *become, "env", "-i", *given, *main, *map(str, args)]

    def run(
        self,
        *args: object,
        input: bytes | str | None = None,
        env: dict[str, str | None] | None = None,
        wrap: list[str] | None = None,
        timeout: float = 60,
        check: bool = False,
        **kwargs: Any,
    ) -> Result:
        data = input.encode() if isinstance(input, str) else input
        if data is None:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(
            self.command(*args, env=env, wrap=wrap),
            input=data, capture_output=True, timeout=timeout, **kwargs,
        )  # fmt: skip
        out, err = (s.decode("utf-8", "surrogateescape") for s in (done.stdout, done.stderr))
        if check:
            assert done.returncode == 0, f"{args}: exit {done.returncode}: {out[-500:]}{err}"
        return Result(done.returncode, out, err, done.stdout)

    def ok(self, *args: object, **kwargs: Any) -> str:
        """The standard output, stripped, of a command that must succeed."""
        return self.run(*args, check=True, **kwargs).out.strip()

    def fails(self, *args: object, code: int = 125, **kwargs: Any) -> str:
        """The one line on standard error, without its prefix, of a command that must fail."""
        done = self.run(*args, **kwargs)
        assert done.code == code, f"{args}: exit {done.code}: {done.out}{done.err}"
        lines = done.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("crunpy: error: "), done.err
        return lines[0].removeprefix("crunpy: error: ")

    def popen(self, *args: object, env: dict[str, str | None] | None = None, **kwargs: Any) -> Any:
        kwargs = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                  "stderr": subprocess.PIPE, **kwargs}  # fmt: skip
        process = subprocess.Popen(self.command(*args, env=env), **kwargs)
        self.started.append(process)
        return process

    def pty(self, *args: object, rows: int = 24, cols: int = 80) -> Pty:
        terminal = Pty(self.command(*args), dict(os.environ), rows, cols)
        self.started.append(terminal)
        return terminal

    # ---- containers ----

    def detached(self, *args: object, **kwargs: Any) -> str:
        """`run -d` without a network unless one is asked for; the id."""
        if not any(str(a).partition("=")[0] in ("--network", "-p", "--net") for a in args):
            args = ("--network", "none", *args)
        container_id = self.ok("run", "-d", *args, **kwargs)
        assert re.fullmatch("[0-9a-f]{64}", container_id)
        return container_id

    def inspect(self, name: str) -> Any:
        return json.loads(self.ok("inspect", name))[0]

    def state(self, name: str) -> Any:
        return self.inspect(name)["State"]

    def status_file(self, container_id: str) -> Path:
        return self.run_root / "containers" / container_id / "status.json"

    def pids(self, container_id: str) -> tuple[int, int]:
        """The host pids of a running container's monitor and first process."""
        found = json.loads(self.status_file(container_id).read_text())
        return found["monitor_pid"], found["pid"]

    def streams(self, container_id: str) -> int:
        """The host pid of the process that has a running container's output and clients."""
        return streams_of(self.pids(container_id)[0])

    def logs_until(self, name: str, text: str) -> str:
        """The log of `name` once `text` is in it."""

        def read() -> str:
            done = self.run("logs", name)
            return done.out + done.err

        wait_for(lambda: text in read(), every_s=0.1)
        return read()

    def ps(self, *args: object) -> list[str]:
        """Names, oldest first."""
        return self.ok("ps", *args, "--format", "{{.Names}}").split()[::-1]

    # ---- what is left ----

    def processes(self) -> list[str]:
        """Processes that belong to this store: monitors, networks, containers, commands."""
        found = []
        # as a mount's root it has no /tmp before it, where that is a file system of its own
        mark = f"/{self.home.parent.name}/{self.home.name}".encode()
        own = os.readlink("/proc/self/ns/mnt")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                seen = mark in Path(f"/proc/{pid}/environ").read_bytes() or mark in command
                if not seen and os.readlink(f"/proc/{pid}/ns/mnt") != own:
                    seen = mark in Path(f"/proc/{pid}/mountinfo").read_bytes()
            except OSError:
                continue
            if seen and command:
                found.append(f"{pid} {command.replace(bytes(1), b' ').decode(errors='replace')}")
        return found

    def interfaces(self) -> list[str]:
        """veth pairs on this store's bridge, and elements of its port maps."""
        file = self.root / "networks/bridge.json"
        if not file.exists():
            return []
        network = json.loads(file.read_text())
        links = subprocess.run(
            ["ip", "-o", "link", "show", "master", network["interface"]],
            capture_output=True, text=True,
        ).stdout.splitlines()  # fmt: skip
        for name in ("ports", "address_ports"):
            shown = subprocess.run(
                ["nft", "-j", "list", "map", "ip", network["table"], name],
                capture_output=True, text=True,
            )  # fmt: skip
            if shown.returncode == 0:
                found = json.loads(shown.stdout)["nftables"][1]["map"]
                links += [str(e) for e in found.get("elem", [])]
        return links

    def files(self) -> list[str]:
        """Container directories and mounts."""
        found = []
        for directory in (self.root / "containers", self.run_root / "containers"):
            if directory.exists():
                kept = (".names", ".lock")
                found += [str(p) for p in directory.iterdir() if p.name not in kept]
        pods = self.root / "pods"
        found += [str(p) for p in pods.iterdir()] if pods.exists() else []
        names = self.root / "containers/.names"
        found += [str(p) for p in names.iterdir()] if names.exists() else []
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        return found + [line for line in mounts if f"{self.home}/" in line]

    def there(self) -> list[str]:
        """Whatever of containers there is."""
        return self.processes() + self.interfaces() + self.files()

    def left(self, timeout_s: float = 10) -> list[str]:
        """What is still there after some time for monitors to end: they do it beside the command
        that they have told the end."""
        deadline = time.monotonic() + timeout_s
        while (left := self.there()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def volumes(self) -> list[Path]:
        directory = self.root / "volumes"
        return sorted(p for p in directory.iterdir() if p.is_dir()) if directory.exists() else []

    def names(self, repository: str = "docker.io/library/busybox") -> list[str]:
        """The names that images of `repository` have in the store."""
        index = json.loads((self.root / "images/index.json").read_text())
        names = [m.get("annotations", {}).get("org.opencontainers.image.ref.name", "")
                 for m in index["manifests"]]  # fmt: skip
        return sorted(n for n in names if re.split("[:@]", n)[0] == repository)

    def restore(self, before: set[Path]) -> None:
        """For a store that tests share: its home has what was there `before`, and busybox one
        name."""
        for path in set(self.home.iterdir()) - before:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        wanted = "docker.io/library/busybox:latest"
        names = self.names()
        if names != [wanted]:
            for name in names:
                self.ok("untag", name, name)
            self.ok("pull", "-q", "busybox")
        assert names == [wanted], f"left behind: {names}"

    def clean(self) -> None:
        """Remove every container; then nothing may be left."""
        for process in self.started:
            if isinstance(process, Pty):
                process.close()
            else:
                if process.poll() is None:
                    process.kill()
                process.wait()
                for stream in (process.stdin, process.stdout, process.stderr):
                    if stream and not stream.closed:
                        stream.close()
        self.started.clear()
        try:
            if (self.root / "pods").exists() and any((self.root / "pods").iterdir()):
                self.ok("pod", "rm", "-f", "-a")
            if self.there() or self.volumes():
                done = self.run("rm", "-f", "-a", "-v")
                assert done.code == 0 and not done.err, f"rm -fav: {done}"
            secrets = self.root / "secrets"
            if secrets.exists() and any(p.name[0] != "." for p in secrets.iterdir()):
                self.ok("secret", "rm", "-a")
            left = self.left()
            assert not left, f"left behind: {left}"
            cgroups = [] if self.user else lasting(empty_cgroups)
            for path in cgroups:
                os.rmdir(path)
            assert not cgroups, f"left behind: {cgroups}"
        finally:
            self.wipe()

    def wipe(self) -> None:
        """By force, so that one test's leak is not the next one's."""
        for line in self.processes():
            os.kill(int(line.split()[0]), signal.SIGKILL)
        for path in self.files():
            if path.startswith("/"):
                shutil.rmtree(path, ignore_errors=True)
                Path(path).unlink(missing_ok=True)
        for volume in self.volumes():
            shutil.rmtree(volume)


def streams_of(monitor: int) -> int:
    """The process that reads what a container writes, for this monitor."""
    for pid in Path(f"/proc/{monitor}/task/{monitor}/children").read_text().split():
        with contextlib.suppress(OSError):  # it ends just now
            if Path(f"/proc/{pid}/comm").read_text() == "crunpy-streams\n":
                return int(pid)
    raise LookupError(f"{monitor} has no streams")


def empty_cgroups() -> list[str]:
    """Cgroups of containers without a process: seen twice, so not of one just starting."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    top = next((Path(m[4]) for m in mounts if m[m.index("-") + 1] == "cgroup2"), None)

    def look() -> set[str]:
        found = set()
        for path in (
            (top / "crunpy").glob("[!o]*/cgroup.events") if top else ()
        ):  # oci-… are others'
            try:
                if "populated 0" in path.read_text():
                    found.add(str(path.parent))
            except OSError:
                continue
        return found

    first = look()
    if first:
        time.sleep(0.5)
    return sorted(first & look())


def skip_if_missing(program: str) -> None:
    if not shutil.which(program):
        pytest.fail(f"{program} is not installed: tools/system-packages")
