"""Files of the host that a command writes by name: a device, a FIFO or a socket of that name stays.

It is written into or refused; links to one are no different.  The nodes are made for the test,
in the engine's own directory; what is about /dev itself runs in a namespace with a /dev of its
own.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine
from mirror import Registry
from own_dev import own_dev


class Targets:
    """Special files, and links to them, below `top`; readers empty the FIFOs all the time."""

    def __init__(self, top: Path, engine: Engine) -> None:
        self.top = top
        self._end = threading.Event()
        self.make(engine)

    def make(self, engine: Engine) -> None:
        shutil.rmtree(self.top, ignore_errors=True)
        self.top.mkdir()
        made = ["pipe", "socket"] + ([] if engine.rootless else ["null", "full", "block"])
        os.mkfifo(self.top / "pipe")
        with socket.socket(socket.AF_UNIX) as bound:
            here = os.getcwd()
            os.chdir(self.top)  # the name of a socket is short
            bound.bind("socket")
            os.chdir(here)
        if not engine.rootless:
            os.mknod(self.top / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            os.mknod(self.top / "full", stat.S_IFCHR | 0o666, os.makedev(1, 7))
            # a loop device that is not there: writing to it fails, replacing it would not
            os.mknod(self.top / "block", stat.S_IFBLK | 0o660, os.makedev(7, 2000))
        for name in made:
            (self.top / f"{name}-link").symlink_to(name)
            (self.top / f"{name}-far").symlink_to(self.top / f"{name}-link")
        if engine.user:
            subprocess.run(["chown", "-hR", f"{engine.user}:", self.top], check=True)
        self.names = sorted(os.listdir(self.top))
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        fd = os.open(self.top / "pipe", os.O_RDWR | os.O_NONBLOCK)
        while not self._end.wait(0.005):
            try:
                while os.read(fd, 1 << 20):
                    continue
            except BlockingIOError:
                continue
        os.close(fd)

    def close(self) -> None:
        self._end.set()

    def state(self) -> dict[str, tuple[object, ...]]:
        found = {}
        for name in sorted(os.listdir(self.top)):
            st = (self.top / name).lstat()
            link = os.readlink(self.top / name) if stat.S_ISLNK(st.st_mode) else ""
            found[name] = (oct(st.st_mode), st.st_ino, st.st_rdev, st.st_uid, st.st_nlink, link)
        return found


@pytest.fixture
def targets(engine: Engine) -> Iterator[Targets]:
    made = Targets(engine.home / "nodes", engine)
    yield made
    made.close()
    shutil.rmtree(made.top)


def changed(engine: Engine, targets: Targets, *command: object) -> dict[str, object]:
    """Which targets `command`, in which OUT stands for each of them, changed or left beside."""
    before, found = targets.state(), {}
    for name in targets.names:
        if command[0] == "login" and name.startswith(("pipe", "full")):
            continue  # it reads what is there, which never ends
        words = [str(word).replace("OUT", str(targets.top / name)) for word in command]
        done = engine.run(*words, timeout=20)
        assert "internal error" not in done.err and "Traceback" not in done.err, done.err
        after = targets.state()
        differing = {n for n in {*before, *after} if before.get(n) != after.get(n)}
        if differing:
            found[name] = sorted(differing)
            targets.make(engine)
            before = targets.state()
    return found


@pytest.fixture
def box(engine: Engine) -> Engine:
    """The engine with a container `c` that has ended: /f and a directory /dir with names of
    special files."""
    script = "echo new > /f; mkdir /dir; for n in null pipe socket block; do echo x > /dir/$n; done"
    engine.ok("run", "--network", "none", "--name", "c", "busybox", "sh", "-c", script)
    return engine


COMMANDS = [
    "cp c:/f OUT",
    "cp -a c:/f OUT",
    "cp -L c:/etc/passwd OUT",
    "cp c:/dir OUT",
    "cp --overwrite c:/dir OUT",
    "export -o OUT c",
    "save -o OUT busybox",
    "save --format oci-archive -o OUT busybox",
    "save --format oci-dir -o OUT busybox",
    "save --format docker-dir -o OUT busybox",
    "commit -q --iidfile OUT c test/iid",
    "create --network none --cidfile OUT busybox",
    "run --rm --network none --pidfile OUT busybox true",
    "run --rm --network none --conmon-pidfile OUT busybox true",
    "run -d --rm --network none --pidfile OUT busybox true",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_special_files_stay(box: Engine, targets: Targets, command: str) -> None:
    try:
        assert changed(box, targets, *command.split()) == {}
    finally:
        box.run("rmi", "-f", "test/iid")


def test_names_that_the_container_chose(box: Engine, targets: Targets) -> None:
    """A directory is copied into one in which its names are special files."""
    before = targets.state()
    for how in ([], ["-a"], ["--overwrite"]):
        done = box.run("cp", *how, "c:/dir/.", targets.top, timeout=20)
        assert "internal error" not in done.err
        after = targets.state()
        assert {name: after.get(name) for name in before} == before, how


def test_digests_and_passwords(engine: Engine, targets: Targets, registry: Registry) -> None:
    push = ("push", "-q", "--tls-verify=false", "--digestfile", "OUT")
    assert changed(engine, targets, *push, "busybox", f"{registry.host}/test/digest") == {}
    login = ("login", "--tls-verify=false", "--authfile", "OUT", "-u", "x", "-p", "y")
    assert changed(engine, targets, *login, registry.host) == {}


def test_a_list_that_is_pushed(engine: Engine, targets: Targets, registry: Registry) -> None:
    engine.ok("manifest", "create", "test/list", "docker.io/library/busybox")
    try:
        push = ("manifest", "push", "--tls-verify=false", "--digestfile", "OUT", "test/list")
        assert changed(engine, targets, *push, f"docker://{registry.host}/test/list") == {}
    finally:
        engine.ok("manifest", "rm", "test/list")


def test_a_unit_that_is_written(box: Engine, targets: Targets) -> None:
    """The file's name is the engine's own choice here: container-NAME.service."""
    before = targets.state()
    for name in targets.names:
        unit = targets.top / "container-c.service"
        unit.symlink_to(name)
        done = box.run("generate", "systemd", "--files", "--name", "c", cwd=targets.top, timeout=20)
        assert "internal error" not in done.err
        unit.unlink()
        assert targets.state() == before, name
    os.mkfifo(targets.top / "container-c.service")
    mode = (targets.top / "container-c.service").lstat().st_mode
    assert stat.S_ISFIFO(mode)


def test_a_failed_export_takes_nothing_away(box: Engine, targets: Targets) -> None:
    """It ends half way: neither a device (see `full`) nor a file that was there is gone."""
    old, link, new = (box.home / name for name in ("old.tar", "old-link", "new.tar"))
    old.write_text("what was there")
    link.symlink_to(old)
    if box.user:
        subprocess.run(["chown", "-h", f"{box.user}:", old, link], check=True)
    for command in (["export", "-o"], ["save", "-o"]):
        for path in (old, link, new):
            done = box.run(*command, path, "c" if command[0] == "export" else "busybox",
                           preexec_fn=small_files)  # fmt: skip
            assert done.code == 125 and done.err.count("\n") == 1, done
            assert link.is_symlink() and old.read_text() == "what was there", command
            assert not list(box.home.glob("*.t*mp")) and not new.exists()


def small_files() -> None:
    """No file larger than 64 KiB can be written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))


def test_the_devices_themselves(root: Engine) -> None:
    """/dev/null and its like, as scripts give them: the nodes stay what they are."""
    root.ok("run", "--network", "none", "--name", "c", "busybox", "sh", "-c", "echo new > /f")
    root.detached("--name", "r", "busybox", "sleep", "1000")
    with own_dev() as host:
        before = host.nodes()
        for name in ("/dev/null", "/dev/full", "/dev/link", "/dev/tty", "/dev/fd/1", "/dev/stdout"):
            for command in ("cp c:/f OUT", "cp r:/bin/busybox OUT", "export -o OUT c",
                            "export -o OUT r", "save -o OUT busybox",
                            "run --rm --network none --pidfile OUT busybox true"):  # fmt: skip
                words = command.replace("OUT", name).split()
                done = root.run(*words, wrap=host.wrap, timeout=20)
                assert "internal error" not in done.err, done.err
                assert host.nodes() == before, (command, name)


def test_what_is_no_special_file_is_replaced(box: Engine) -> None:
    """As before: files and links to files get the new content."""
    out = box.home / "plain"
    out.mkdir()
    (out / "file").write_text("old and longer")
    (out / "link").symlink_to("file")
    if box.user:
        subprocess.run(["chown", "-hR", f"{box.user}:", out], check=True)
    box.ok("cp", "c:/f", out / "file")
    assert (out / "file").read_text() == "new\n"
    (out / "file").write_text("old and longer")
    box.ok("cp", "c:/f", out / "link")
    assert (out / "file").read_text() == "new\n"
    for name in ("file", "link"):
        box.ok("run", "--rm", "--network", "none", "--pidfile", out / name, "busybox", "true")
        assert (out / name).read_text().strip().isdigit()
    shutil.rmtree(out)
