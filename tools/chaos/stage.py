"""Where scenarios play: stores of crunpy and podman, the registry both pull from, and chance."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import engines
from engine import Engine
from leavings import leavings, left_since
from mirror import Registry, mirror, short_directory, test_user

NONE = ("--network", "none")
PODMANS = (
    "mount /run/netns",
    "nft table ip filter",
    "nft table ip nat",
    "file /dev/shm/libpod_lock",
)
"""What podman leaves on a machine for the next time."""
KNOWN = ("file /dev/shm/fuzz", "file /tmp/vm-run-cache", "file /dev/shm/faketime_shm",
         "file /dev/shm/sem.faketime_sem")  # fmt: skip
"""The place of tools/fuzz/targets/state, which goes at the end of the process, vm-run's, and what
faketime leaves of programs that were killed, or that another user's process goes on with."""
SLEEP = ("busybox", "sleep", "1000")


class Found(NamedTuple):
    """What came of a scenario.

    done: what was done how often.  figures: what was measured.  faults: what should not have
    been, none is a pass.  podman: its figures where it was asked, else "".
    """

    done: str
    figures: str
    faults: list[str]
    podman: str = ""


class Stage:
    """chance: seeded, so that a run can be played again.  rounds: instead of each scenario's own
    count.  podman: one with options that work on this machine, None without."""

    def __init__(self, base: Path, registry: Registry, seed: int, rounds: int, user: bool) -> None:
        self.base, self.registry, self.user = base, registry, test_user() if user else ""
        self.chance = random.Random(seed)
        self.rounds = rounds
        self.podman: engines.Engine | None = None
        self._numbers = iter(range(1_000_000))

    def times(self, full: int, most: int = 0) -> int:
        """How often; most: more rounds than that are not wanted of this."""
        wanted = self.rounds or full
        return min(wanted, most) if most else wanted

    def directory(self) -> Path:
        """A new one."""
        path = self.base / f"d{next(self._numbers)}"
        path.mkdir()
        return path

    @contextmanager
    def engine(self, *, empty: bool = False, user: str | None = None) -> Iterator[Engine]:
        """crunpy with a store of its own, which holds busybox unless it is to be empty.  Afterwards
        nothing of containers may be left: that is an AssertionError.  Then the store goes."""
        name = f"e{next(self._numbers)}"
        user = self.user if user is None else user
        made = Engine(self.base / name, user, self.registry.conf, self.registry.host)
        try:
            if not empty:
                made.ok("pull", "-q", "busybox")
            yield made
            made.clean()
            made.ok("system", "reset", "--force")
        finally:
            made.wipe()

    def beside(self, play: Callable[[engines.Engine], str]) -> str:
        """What `play` returns of podman with a store of its own that holds busybox, or how it
        failed; "" without podman."""
        if not self.podman:
            return ""
        home = self.base / f"p{next(self._numbers)}"
        made = engines.new_engine("podman", home, self.podman)
        made.run_options = self.podman.run_options
        made.env["TMPDIR"] = str(home / "tmp")
        (home / "tmp").mkdir()
        try:
            made.output("pull", "-q", self.busybox)
            made.output("tag", self.busybox, "busybox")
            return play(made)
        except engines.Failure as e:
            return f"failed: {e}"
        finally:
            told(made, "rm", "-f", "-a", "-t", "0")
            engines.unmount_below(home)
            shutil.rmtree(home, ignore_errors=True)

    @property
    def busybox(self) -> str:
        """Its name in the registry itself."""
        return f"{self.registry.host}/library/busybox"


def told(engine: engines.Engine, *words: str, timeout_s: float = 120) -> tuple[int, str]:
    """The exit status and all that a command of podman's prints."""
    try:
        done = subprocess.run(engine.words(*words), env=engine.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout_s)  # fmt: skip
    except subprocess.TimeoutExpired:
        return 124, f"not done after {timeout_s:.0f} s"
    return done.returncode, done.stdout + done.stderr


def podman_pids(podman: engines.Engine, container: str) -> list[int]:
    """Of a container's conmon and its first process."""
    forms = ("{{.State.ConmonPid}}", "{{.State.Pid}}")
    return [int(podman.output("inspect", "--format", form, container)) for form in forms]


def tally(faults: list[str], count: int, check: Callable[[int], str]) -> int:
    """Do `check` so often; what it returns or fails with is a fault.  How many were well."""
    well = 0
    for n in range(count):
        try:
            fault = check(n)
        except AssertionError as e:
            fault = str(e) or "an assertion"
        if fault:
            faults.append(f"round {n}: {fault}")
        well += not fault
    return well


@contextmanager
def stage(seed: int, rounds: int, user: bool, podman: bool) -> Iterator[Stage]:
    """On a disk and not in memory; gone afterwards.  In the mount namespace of ours, what commands
    put into /tmp and /dev/shm is seen by nobody else, and what is there is theirs."""
    for directory in ("/tmp", "/dev/shm"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "own", directory], check=True)
    before = leavings()
    base = short_directory("/var/tmp")
    try:
        with mirror(base) as registry:
            made = Stage(base, registry, seed, rounds, user)
            if podman:
                conf = base / "podman.conf"
                conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n')
                os.environ["CONTAINERS_REGISTRIES_CONF"] = str(conf)
                made.podman = engines.podman(engines.Bench(base, registry.host, 1))
            yield made
    finally:
        engines.unmount_below(base)
        shutil.rmtree(base)
    left = [line for line in left_since(before) if not line.startswith((*PODMANS, *KNOWN))]
    if left:
        print("left on the machine:", *left, sep="\n  ")
