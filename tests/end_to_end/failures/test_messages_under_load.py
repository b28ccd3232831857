"""At a limit of the machine, the user, or of time, a message says what was being done, what
was short and what can be done: never a path and an error of the kernel alone, and no trace.

The limits are met on purpose: small ones for a single command, system calls that strace lets
fail, a lock that the test holds, a process that the kernel does not let rest.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine import Engine, Result, skip_if_missing, wait_for

RUN = ("run", "--rm", "--network", "none", "busybox", "true")
FREEZER = Path("/sys/fs/cgroup/freezer")


def told(done: Result, *words: str) -> None:
    """One line that begins with what was being done and holds one of `words`, if any."""
    lines = done.err.splitlines()
    assert "Traceback" not in done.err and "internal error" not in done.err, done.err
    assert len(lines) == 1 and lines[0].startswith("crunpy: error: "), done.err
    message = lines[0].removeprefix("crunpy: error: ")
    # "starting container c: …", "no such container: c"; not "/proc/self/fd/9: …", "socketpair: …"
    assert re.match(r"[a-z]+ing \S|no such container", message), message
    # the words of the place that catches what nobody else did
    assert not message.startswith("running the command: "), message
    assert not words or any(word in message for word in words), f"none of {words}: {message}"


def command_ran(done: Result) -> bool:
    """Whether ours began at all: setpriv, env, strace and Python can meet the limit before."""
    return "crunpy: " in done.err or done.code == 0


# ---- open files, memory, processes ----


@pytest.mark.parametrize("most", range(8, 32))
def test_open_files(engine: Engine, most: int) -> None:
    done = engine.run(*RUN, wrap=["prlimit", f"--nofile={most}:{most}"])
    if done.code:
        told(done, "ulimit -n", "--nofile")
        assert "operation not permitted" not in done.err.lower(), "that is not what happened"
        engine.ok(*RUN)  # what could not be removed for the same reason is swept
    assert engine.ps("-a") == [] and not engine.left()


@pytest.mark.parametrize("verb", ["ps", "images", "inspect", "pull", "cp", "logs", "exec", "start"])
def test_open_files_of_other_verbs(root: Engine, verb: str) -> None:
    root.detached("--name", "c", "busybox", "sh", "-c", "echo x; sleep 1000")
    root.ok("create", "--network", "none", "--name", "d", "busybox", "true")
    words = {
        "ps": ("ps", "-a"), "images": ("images",), "inspect": ("inspect", "c"),
        "pull": ("pull", "-q", "busybox"), "exec": ("exec", "c", "true"),
        "cp": ("cp", "c:/etc/passwd", f"{root.home}/out"), "logs": ("logs", "c"),
        "start": ("start", "d"),
    }[verb]  # fmt: skip
    wrong = []
    for most in range(6, 32, 2):
        done = root.run(*words, wrap=["prlimit", f"--nofile={most}:{most}"])
        if done.code and command_ran(done):
            try:
                told(done, "ulimit -n", "--nofile")
            except AssertionError:
                wrong.append(f"{most}: {done.err.strip()}")
    assert not wrong, "\n".join(wrong)


def test_memory(engine: Engine) -> None:
    """From where Python itself begins to live."""
    for mib in range(12, 30, 1):
        done = engine.run(*RUN, wrap=["prlimit", f"--as={mib << 20}:{mib << 20}"])
        if done.code and "crunpy: error" in done.err and "out of memory" not in done.err:
            told(done, "memory")
    assert engine.ps("-a") == [] and not engine.left()


def processes(user: str) -> int:
    """How many processes and threads the user has now."""
    found = subprocess.run(["ps", "-L", "-U", user, "-o", "pid="], capture_output=True, text=True)
    return len(found.stdout.split())


@pytest.mark.parametrize("network", ["none", "bridge"])
def test_processes_of_a_user(user: Engine, network: str) -> None:
    words = ("run", "--rm", "--network", network, "busybox", "true")
    met = 0
    now = processes(user.user)
    for most in range(max(1, now - 12), now + 20):  # some may just be ending
        done = user.run(*words, wrap=["prlimit", f"--nproc={most}:{most}"])
        if done.code and command_ran(done):
            met += 1
            told(done, "ulimit -u", "processes")
    assert met, "the limit was never met"
    assert user.ps("-a") == [] and not user.left()


# ---- the kernel says no ----

MEMORY = ("memory",)
FILES = ("ulimit -n", "open files", "fs.file-max")
PROCESSES = ("ulimit -u", "processes", "pid_max")
NAMESPACES = ("/proc/sys/user/max_", "user.max_")
FAILING = [
    ("clone3", "ENOMEM", 1, MEMORY),
    ("clone3", "EAGAIN", 1, PROCESSES),
    ("clone3", "ENOSPC", 1, NAMESPACES),
    ("clone3", "EAGAIN", 2, PROCESSES),
    ("memfd_create", "EMFILE", 1, FILES),
    ("memfd_create", "ENFILE", 2, FILES),
    ("memfd_create", "ENOMEM", 1, MEMORY),
    ("pipe2", "ENFILE", 1, FILES),
    ("pipe2", "ENFILE", 2, FILES),
    ("socketpair", "ENFILE", 1, FILES),
    ("mount", "ENOMEM", 2, MEMORY),
    ("mount", "ENOSPC", 1, ("fs.mount-max", "mounts")),
    ("socket", "EMFILE", 1, FILES),  # the monitor's: attach.sock, orders.sock
    ("socket", "EMFILE", 2, FILES),
    ("unshare", "ENOSPC", 1, NAMESPACES),
    ("flock", "ENOLCK", 1, ("locks",)),
    ("flock", "ENOLCK", 2, ("locks",)),
    ("seccomp", "ENOMEM", 1, MEMORY),
]


@pytest.mark.parametrize(
    ("call", "error", "when", "words"), FAILING, ids=[f"{c}-{e}-{n}" for c, e, n, _ in FAILING]
)
def test_system_calls_that_fail(
    root: Engine, call: str, error: str, when: int, words: tuple[str, ...]
) -> None:
    skip_if_missing("strace")
    inject = f"inject={call}:error={error}:when={when}"
    done = root.run(*RUN, wrap=["strace", "-f", "-o", "/dev/null", "-e", inject])
    if done.code:
        assert done.code == 125
        told(done, *words)
    assert root.ps("-a") == [] and not root.left()


@pytest.mark.parametrize(
    ("call", "error", "words"), [("clone3", "EAGAIN", PROCESSES), ("clone3", "ENOMEM", MEMORY)]
)
@pytest.mark.parametrize("verb", ["exec", "healthcheck", "cp"])
def test_other_verbs_that_start_something(
    root: Engine, verb: str, call: str, error: str, words: tuple[str, ...]
) -> None:
    skip_if_missing("strace")
    root.detached(
        "--name", "c", "--health-cmd", "true", "--health-interval", "1h", "busybox", "sleep", "1000"
    )
    command = {
        "exec": ("exec", "c", "true"), "healthcheck": ("healthcheck", "run", "c"),
        "cp": ("cp", "c:/etc/passwd", f"{root.home}/out"),
    }[verb]  # fmt: skip
    inject = f"inject={call}:error={error}:when=1"
    done = root.run(*command, wrap=["strace", "-f", "-o", "/dev/null", "-e", inject])
    if done.code:
        told(done, *words)


# ---- another command was faster ----


@contextmanager
def locked(engine: Engine, container: str) -> Iterator[None]:
    """While we hold the container's lock."""
    fd = os.open(engine.root / "containers" / container / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(fd)


def waiting(count: int, inode: int) -> bool:
    """Whether so many processes wait for the lock of this file."""
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("->" in line and f":{inode} " in line for line in lines) >= count


RACERS = {
    "start": ("start", "c"), "start -a": ("start", "-a", "c"), "init": ("init", "c"),
    "restart": ("restart", "-t", "0", "c"), "rename": ("rename", "c", "other"),
    "update": ("update", "--restart", "always", "c"), "mount": ("mount", "c"),
    "cp": ("cp", "c:/etc/passwd", "-"), "export": ("export", "c"), "rm": ("rm", "c"),
}  # fmt: skip


@pytest.mark.parametrize("verb", RACERS)
def test_a_container_that_is_removed_meanwhile(engine: Engine, verb: str) -> None:
    """`rm` has waited for the lock longer than we: when we get it, nothing is there."""
    if verb == "mount" and engine.rootless:
        pytest.skip("a user's mounts are made in a namespace of the user's")
    container = engine.ok("create", "--network", "none", "--name", "c", "busybox", "true")
    inode = (engine.root / "containers" / container / "lock").stat().st_ino
    with locked(engine, container):
        remover = engine.popen("rm", "c")
        wait_for(lambda: waiting(1, inode))
        racer = engine.popen(*RACERS[verb])
        wait_for(lambda: waiting(2, inode) or racer.poll() is not None)
    out, err = racer.communicate(timeout=20)
    assert remover.wait(20) == 0
    if racer.returncode:
        told(Result(racer.returncode, "", err.decode(), out))
        assert "no such container: c" in err.decode() or "removed" in err.decode()
    assert container not in err.decode(), "a user knows the container by the name given"
    assert not engine.left()


def test_a_container_that_is_renamed_and_removed(engine: Engine) -> None:
    """`rm` waits behind `rename`: the new name is free afterwards, too."""
    container = engine.ok("create", "--network", "none", "--name", "c", "busybox", "true")
    inode = (engine.root / "containers" / container / "lock").stat().st_ino
    with locked(engine, container):
        renamer = engine.popen("rename", "c", "other")
        wait_for(lambda: waiting(1, inode))
        remover = engine.popen("rm", "c")
        wait_for(lambda: waiting(2, inode))
    assert (renamer.wait(20), remover.wait(20)) == (0, 0)
    assert not engine.left(), "a name is still taken"


def test_names_race_for_a_container(engine: Engine) -> None:
    """Two that rename at once: one name is taken at the end, and it is the container's."""
    container = engine.ok("create", "--network", "none", "--name", "c", "busybox", "true")
    inode = (engine.root / "containers" / container / "lock").stat().st_ino
    with locked(engine, container):
        racers = [engine.popen("rename", "c", name) for name in ("one", "two")]
        wait_for(lambda: waiting(2, inode))
    for racer in racers:
        racer.wait(20)
    names = sorted(p.name for p in (engine.root / "containers/.names").iterdir())
    assert names == engine.ps("-a")


# ---- the freezer ----


@contextmanager
def restless(pid: int) -> Iterator[None]:
    """Keep a process where cgroup v2's freezer cannot stop it: in the other freezer."""
    group = FREEZER / f"test-{pid}"
    group.mkdir()
    try:
        (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")
        wait_for(lambda: "FROZEN" in (group / "freezer.state").read_text())
        yield
    finally:
        (group / "freezer.state").write_text("THAWED")
        for left in (group / "cgroup.procs").read_text().split():
            (FREEZER / "cgroup.procs").write_text(left)
        wait_for(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_a_process_that_does_not_come_to_rest(root: Engine) -> None:
    """After its time `pause` names the container, and it runs on."""
    if not (FREEZER / "cgroup.procs").exists():
        pytest.skip("needs the freezer of cgroup v1 as well")
    container = root.detached("--name", "c", "busybox", "sleep", "1000")
    with restless(root.pids(container)[1]):
        done = root.run("pause", "c", timeout=40)
        assert done.code == 125
        told(done)
        assert "container c" in done.err and "/sys/fs/cgroup" not in done.err
        assert root.state("c")["Status"] == "running"
    root.ok("pause", "c")
    root.ok("unpause", "c")


def test_a_container_that_ends_while_it_is_paused(root: Engine) -> None:
    """Then it is not running; that this machine has no freezer would be a lie."""
    skip_if_missing("strace")
    container = root.detached("--name", "c", "busybox", "sleep", "1000")
    group = Path(os.readlink(root.run_root / "containers" / container / "cgroup"))
    slow = ["strace", "-f", "-o", "/dev/null", "-P", f"{group}/cgroup.freeze", "-e",
            "inject=openat:delay_enter=1500000"]  # fmt: skip
    process = subprocess.Popen(
        root.command("pause", "c", wrap=slow), stderr=subprocess.PIPE, text=True
    )
    time.sleep(0.7)
    root.ok("kill", "c")
    wait_for(lambda: not group.exists())
    _, err = process.communicate(timeout=20)
    told(Result(process.returncode, "", err, b""))
    assert "container c" in err and "not running" in err
    assert "freezer" not in err and "delegated" not in err


def test_a_container_that_ends_while_it_is_committed(root: Engine) -> None:
    """What it has written is committed: nothing moves any more."""
    skip_if_missing("strace")
    container = root.detached("--name", "c", "busybox", "sh", "-c", "echo x > /x; sleep 1000")
    group = Path(os.readlink(root.run_root / "containers" / container / "cgroup"))
    slow = ["strace", "-f", "-o", "/dev/null", "-P", f"{group}/cgroup.freeze", "-e",
            "inject=openat:delay_enter=1500000"]  # fmt: skip
    process = subprocess.Popen(
        root.command("commit", "-q", "c", "made", wrap=slow), stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    time.sleep(0.9)
    root.ok("kill", "c")
    wait_for(lambda: not group.exists())
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    root.ok("rmi", "made")


def test_a_container_that_ends_while_a_command_enters_it(engine: Engine) -> None:
    skip_if_missing("strace")
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=memfd_create",
            "-e", "inject=memfd_create:delay_enter=1200000"]  # fmt: skip
    process = subprocess.Popen(engine.command("exec", "c", "true", wrap=slow), text=True,
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
    time.sleep(0.9)
    engine.ok("kill", "c")
    _, err = process.communicate(timeout=30)
    told(Result(process.returncode, "", err, b""), "it has just ended", "not running")


def test_a_network_that_is_removed_while_a_container_connects(root: Engine) -> None:
    """Its interface is gone, its record is still there: the container makes none anew."""
    skip_if_missing("strace")
    root.ok("network", "create", "n")
    root.ok("run", "--rm", "--network", "n", "busybox", "true")
    record = root.root / "networks/n.json"
    slow = ["strace", "-f", "-o", "/dev/null", "-P", str(record), "-e",
            "inject=unlink:delay_enter=1500000"]  # fmt: skip
    shown = ["ip", "link", "show", json.loads(record.read_text())["interface"]]

    def there() -> bool:
        return subprocess.run(shown, capture_output=True).returncode == 0

    assert there()
    process = subprocess.Popen(
        root.command("network", "rm", "n", wrap=slow), stdout=subprocess.DEVNULL
    )
    wait_for(lambda: not there())
    done = root.run("run", "--rm", "--network", "n", "busybox", "true")
    assert process.wait(timeout=30) == 0
    assert done.code == 125, done
    told(done, "it was removed just now")
    assert not there()


def test_a_network_that_is_made_anew_while_a_container_connects(root: Engine) -> None:
    """The container makes no bridge of the one before, which nobody would remove."""
    skip_if_missing("strace")
    root.ok("network", "create", "n")
    before = json.loads((root.root / "networks/n.json").read_text())["interface"]
    slow = ["strace", "-f", "-o", "/dev/null", "-P", str(root.root / "networks/.lock"), "-e",
            "inject=flock:delay_enter=2500000"]  # fmt: skip
    process = subprocess.Popen(
        root.command("run", "--rm", "--network", "n", "busybox", "true", wrap=slow),
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: any(root.root.glob("containers/*/container.json")))
    time.sleep(0.5)  # it has read the network's record
    (root.root / "networks/n.json").unlink()
    root.ok("network", "create", "--subnet", "10.231.77.0/24", "n")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 125
    told(Result(125, "", err, b""), "it was removed just now")
    assert subprocess.run(["ip", "link", "show", before], capture_output=True).returncode
    root.ok("run", "--rm", "--network", "n", "busybox", "true")
    root.ok("network", "rm", "n")


def test_a_network_in_use_is_removed_by_force_while_its_container_starts(root: Engine) -> None:
    """Neither waits for the other for ever."""
    for step in range(6):
        root.ok("network", "create", "n")
        starting = root.popen("run", "-d", "--name", "c", "--network", "n", "busybox", "sleep", "9")
        time.sleep(0.03 * step)
        removed = root.run("network", "rm", "--force", "n", timeout=30)
        assert removed.code == 0, removed
        assert starting.wait(timeout=30) in (0, 125)
        root.ok("rm", "-f", "c")
        root.run("network", "rm", "-f", "n")
