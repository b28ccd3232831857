"""systemd as the command: it comes up with its services, is stopped by its own signal, and
leaves no control group, as root and as a user who has one delegated.

Each container that only is looked at boots once for all tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import debian_images
import pytest
from engine import CHECKOUT, REACHABLE, Engine, Result, wait_for
from images import image
from machine import COMMAND, in_vm
from mirror import Registry

from crun_py.cgroup import group

IMAGE = "debian-systemd"
RUN = ("run", "-d", "--network", "none")
INIT = (IMAGE, "/sbin/init")


class Machine:
    """An engine whose commands run where they may make control groups."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        top = group.mount_point()
        assert top, "no cgroup2 here"
        self.wrap: list[str] = []
        self.made: set[str] = set()
        self.groups = Path(top) / "crunpy"
        self.delegated = Path()
        if engine.user:
            self.delegated = Path(top) / f"crunpy-test-{os.getpid()}-{engine.home.name}"
            own = self.delegated / "own"
            own.mkdir(parents=True)
            for directory in (self.delegated, own):
                for name in (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
                    shutil.chown(directory / name, engine.user)
            enter = f'echo $$ > {own}/cgroup.procs; exec "$@"'
            self.wrap = ["sh", "-c", enter, "sh"]
            self.groups = self.delegated / "crunpy"
        layout = str(debian_images.systemd())
        if engine.user:
            layout = layout.replace(str(CHECKOUT), str(REACHABLE), 1)
        self.ok("load", "-q", "-i", layout, timeout=120)

    def run(self, *args: object, **kwargs: Any) -> Result:
        return self.engine.run(*args, wrap=self.wrap, **kwargs)

    def ok(self, *args: object, **kwargs: Any) -> str:
        return self.engine.ok(*args, wrap=self.wrap, **kwargs)

    def boot(self, *options: str, command: tuple[str, ...] = INIT) -> str:
        """A container `c` of systemd that has come up."""
        container = self.ok(*RUN, "--name", "c", *options, *command)
        self.made.add(container)
        self.up("c")
        return container

    def up(self, name: str) -> str:
        """What it says of itself when it has come up."""

        def answers() -> bool:
            asked = self.run("exec", name, "systemctl", "is-system-running", timeout=30)
            return asked.out.strip() in ("starting", "running", "degraded")

        wait_for(answers, every_s=0.2)
        done = self.run("exec", name, "systemctl", "is-system-running", "--wait", timeout=90)
        return done.out.strip()

    def left(self) -> list[str]:
        """Control groups of our containers."""
        return sorted(str(p) for p in self.groups.glob("*/") if p.name in self.made)

    def clean(self) -> None:
        """Remove every container, and by force what it left."""
        self.run("rm", "-f", "-a", "-t", "0", timeout=90)
        for top in self.left():
            subprocess.run(["find", top, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])

    def close(self) -> None:
        self.clean()
        self.engine.clean()
        if self.delegated != Path():
            subprocess.run(["find", self.delegated, "-depth", "-type", "d", "-exec", "rmdir",
                            "{}", ";"])  # fmt: skip


Make = Callable[[str, str], Engine]


def made(make: Make, who: str) -> Iterator[Machine]:
    machine = Machine(make(who, "sd"))
    yield machine
    machine.close()


@pytest.fixture(scope="module")
def root_machine(new_engine: Make) -> Iterator[Machine]:
    yield from made(new_engine, "root")


@pytest.fixture(scope="module")
def user_machine(new_engine: Make) -> Iterator[Machine]:
    yield from made(new_engine, "user")


@pytest.fixture(scope="module", params=["root", "user"])
def booted(request: pytest.FixtureRequest, new_engine: Make) -> Iterator[Machine]:
    """A machine with a container `c` that has come up, to be looked at."""
    for machine in made(new_engine, request.param):
        machine.boot("-t")
        yield machine


@pytest.fixture(params=["root", "user"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine without a container, for one test."""
    found: Machine = request.getfixturevalue(f"{request.param}_machine")
    yield found
    found.clean()


# ---- what has come up ----


def test_it_comes_up(booted: Machine) -> None:
    """Without a failed unit: dbus, cron, apache2, logind and systemd's own."""
    failed = booted.ok("exec", "c", "systemctl", "--failed", "--no-legend", "--plain")
    units = [line.split()[0] for line in failed.splitlines()]
    assert not [unit for unit in units if unit != "redis-server.service"], failed


def test_a_unit_in_a_user_namespace(booted: Machine) -> None:
    """redis-server's unit has PrivateUsers=: the default filter lets systemd make one."""
    assert booted.run("exec", "c", "systemctl", "is-active", "redis-server").out == "active\n"
    assert booted.ok("exec", "c", "redis-cli", "ping") == "PONG"
    assert booted.up("c") == "running"


def test_services_serve(booted: Machine) -> None:
    for unit in ("cron", "apache2", "mariadb", "dbus", "systemd-logind", "systemd-journald"):
        assert booted.ok("exec", "c", "systemctl", "is-active", unit) == "active", unit
    ask = (
        "exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3"
    )  # fmt: skip
    assert "200 OK" in booted.ok("exec", "c", "bash", "-c", ask)


def test_units_of_ones_own(booted: Machine) -> None:
    run = ("exec", "c", "systemd-run", "--quiet", "--wait", "--pipe")
    assert booted.ok(*run, "echo", "from a unit") == "from a unit"
    assert booted.run(*run, "sh", "-c", "exit 7").code == 7
    lines = booted.ok("exec", "c", "sh", "-c", "cat /proc/1/cgroup /proc/1/comm").splitlines()
    assert lines[-1] == "systemd" and "0::/init.scope" in lines


def test_the_journal(booted: Machine) -> None:
    journal = booted.ok("exec", "c", "journalctl", "-b", "--no-pager")
    assert "Startup finished in" in journal and "Started cron.service" in journal
    booted.ok("exec", "c", "sh", "-c", "echo a line of mine | systemd-cat -t mine; sync")
    booted.ok("exec", "c", "journalctl", "--sync")
    assert "a line of mine" in booted.ok("exec", "c", "journalctl", "-t", "mine", "--no-pager")


def test_the_console_on_a_terminal(booted: Machine) -> None:
    """From the first line to the last whole one, the head of the login prompt, whoever hangs the
    terminal up in between."""

    def log() -> str:
        return re.sub("\x1b\\[[0-9;]*m", "", booted.ok("logs", "c"))

    assert "Welcome to Debian" in log()
    wait_for(lambda: "Reached target multi-user.target" in log(), timeout_s=5, every_s=0.2)
    wait_for(lambda: " console" in log().rstrip().splitlines()[-1], timeout_s=5, every_s=0.2)


def test_it_is_paused(booted: Machine) -> None:
    """With all its groups."""
    booted.ok("pause", "c")
    try:
        assert booted.ok("inspect", "-f", "{{.State.Status}}", "c") == "paused"
    finally:
        booted.ok("unpause", "c")
    assert booted.up("c") in ("running", "degraded")


def test_stats_and_top_see_its_services(booted: Machine) -> None:
    assert "apache2" in booted.ok("top", "c") and "cron" in booted.ok("top", "c")
    assert int(booted.ok("stats", "--no-stream", "--format", "{{.PIDs}}", "c")) > 5


# ---- the end ----


def ended(machine: Machine, container: str) -> None:
    """It ended by its own will and left nothing."""
    state = machine.engine.state(container)
    assert state["ExitCode"] in (0, 130), state
    assert not machine.left()


def test_it_is_stopped(machine: Machine) -> None:
    container = machine.boot()
    assert machine.left()
    assert machine.engine.inspect(container)["Config"]["StopSignal"] in ("SIGRTMIN+3", "37")
    began = time.monotonic()
    done = machine.run("stop", "c")
    took = time.monotonic() - began
    assert (done.code, done.err) == (0, "") and took < 6, (done, took)
    ended(machine, container)
    # and comes up again
    machine.ok("start", "c")
    assert machine.up("c") in ("running", "degraded")
    done = machine.run("restart", "c")
    assert (done.code, done.err) == (0, "")
    assert machine.up("c") in ("running", "degraded")
    done = machine.run("rm", "-f", "c")
    assert (done.code, done.err) == (0, "")
    assert not machine.left()


def test_it_is_killed(machine: Machine) -> None:
    """Its services with it; the monitor cleans up, which nobody waits for."""
    machine.boot("--rm")
    machine.ok("kill", "c")
    wait_for(lambda: not machine.engine.ps("-a"))
    wait_for(lambda: not machine.left(), timeout_s=5)


def test_it_powers_itself_off(machine: Machine) -> None:
    container = machine.boot()
    machine.run("exec", "c", "systemctl", "poweroff")
    wait_for(lambda: not machine.engine.state(container)["Running"], timeout_s=10)
    wait_for(lambda: not machine.left(), timeout_s=5)
    ended(machine, container)


def test_groups_as_deep_as_a_container_likes(root: Engine) -> None:
    """It chooses how deep its groups are: no recursion of ours follows it."""
    root.detached("--systemd", "always", "--name", "c", "busybox", "sh", "-c",
                  "cd /sys/fs/cgroup; i=0; while [ $i -lt 1200 ]; do mkdir a && cd a; i=$((i+1));"
                  " done; echo up; sleep 1000")  # fmt: skip
    root.logs_until("c", "up")
    top = os.readlink(root.run_root / "containers" / root.inspect("c")["Id"] / "cgroup")
    done = root.run("rm", "-f", "c", timeout=60)
    assert (done.code, done.err) == (0, "") and not os.path.exists(top), done


# ---- which signal, which set-up ----


@pytest.mark.parametrize(
    ("options", "command", "signal"),
    [
        ((), "/sbin/init", "SIGRTMIN+3"),
        ((), "/lib/systemd/systemd", "SIGRTMIN+3"),
        (("--systemd", "always"), "/bin/sleep", "SIGRTMIN+3"),
        (("--stop-signal", "SIGTERM"), "/sbin/init", "SIGTERM"),
        (("--stop-signal", "RTMIN+4"), "/sbin/init", "SIGRTMIN+4"),
        (("--systemd", "false"), "/sbin/init", "SIGTERM"),
        ((), "/bin/sleep", "SIGTERM"),
    ],
)
def test_the_signal(
    root_machine: Machine, options: tuple[str, ...], command: str, signal: str
) -> None:
    container = root_machine.ok("create", *options, IMAGE, command)
    assert root_machine.engine.inspect(container)["Config"]["StopSignal"] == signal
    root_machine.ok("rm", container)


def test_the_signal_of_an_image(root: Engine, registry: Registry) -> None:
    """What the image's author chose stays."""
    for wanted, config in (
        ("SIGUSR1", {"StopSignal": "SIGUSR1", "Cmd": ["/sbin/init"]}),
        ("SIGRTMIN+3", {"Entrypoint": ["/sbin/init"]}),
    ):
        name = registry.push("test/init", image(registry.busybox, **config))
        root.ok("pull", "-q", name)
        container = root.ok("create", name)
        assert root.inspect(container)["Config"]["StopSignal"] == wanted
        root.ok("rm", container)
        root.ok("rmi", name)


def test_a_user_without_a_group_is_told(user: Engine) -> None:
    """systemd cannot live without; then somebody says so."""
    layout = str(debian_images.systemd()).replace(str(CHECKOUT), str(REACHABLE), 1)
    user.ok("load", "-q", "-i", layout, timeout=120)
    done = user.run(*RUN, "--name", "c", *INIT)
    said = done.err
    if done.code == 0:
        wait_for(lambda: not user.state("c")["Running"])
        said += user.run("logs", "c").out
        assert user.state("c")["ExitCode"] != 0
    assert "cgroup" in said.lower() or "control group" in said.lower(), (done, said)
    user.ok("rm", "-f", "c")
    user.ok("rmi", IMAGE)


# ---- on a kernel with cgroup v2 and its controllers ----

GUEST = """
set -u
export CRUNPY_ROOT=$TMPDIR/s/root CRUNPY_RUNROOT=$TMPDIR/s/run
crunpy() {{ {command} "$@"; }}
crunpy load -q -i {layout} > /dev/null
crunpy run -d --name c --network none debian-systemd /sbin/init > /dev/null
for i in $(seq 40); do
    crunpy exec c systemctl is-system-running > $TMPDIR/state 2>&1
    grep -qxE 'starting|running|degraded' $TMPDIR/state && break
    sleep 1
done
crunpy exec c systemctl is-system-running --wait
crunpy exec c systemctl --failed --no-legend --plain | grep -v ^redis-server
crunpy exec c grep -ow -e memory -e pids /sys/fs/cgroup/cgroup.subtree_control
crunpy exec c systemd-run --quiet --wait --pipe -p MemoryMax=30M \\
    sh -c 'cat /sys/fs/cgroup/$(cut -d: -f3 /proc/self/cgroup)/memory.max'
crunpy exec c sh -c 'journalctl --no-pager | grep -c "Startup finished"'
crunpy update -m 700m c && crunpy exec c cat /sys/fs/cgroup/memory.max
crunpy stop c
crunpy inspect -f '{{{{.State.ExitCode}}}}' c
crunpy rm -f c
find /sys/fs/cgroup -path '*crunpy/*' -type d
exit 0
"""


@pytest.mark.timeout(400)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest")
@pytest.mark.parametrize("who", ["root", "user"])
def test_with_controllers(base: Path, user_name: str, who: str) -> None:
    """systemd hands controllers on to its groups, so that no process may be in the top one:
    `exec` goes elsewhere.  A user's subtree is one that the guest's systemd delegated."""
    work = base / f"systemd-{who}"
    work.mkdir(mode=0o755)
    script = GUEST.format(command=COMMAND, layout=debian_images.systemd())
    lines = in_vm(script, work, *([f"--user={user_name}"] if who == "user" else []))
    shutil.rmtree(work)
    assert lines[0] in ("running", "degraded"), lines
    assert sorted(lines[1:3]) == ["memory", "pids"], lines
    assert lines[3:5] == [str(30 << 20), "1"], lines
    assert lines[5:7] == ["c", str(700 << 20)], lines
    assert lines[7] == "c" and lines[8] in ("0", "130"), lines
    assert lines[9:] == ["c"], f"groups are left: {lines}"
