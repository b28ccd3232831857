"""Many random commands at once on one store, for a time: none may be surprised, nothing may stay.

Each of N threads takes commands by chance, about a few names that they all share, so that they get
in each other's way: containers, images, volumes, networks.  Some are killed.  Meanwhile each answer
is looked at (a trace, an exit status or message that no user should see, a command that hangs), and
again and again the whole store; at the end all is removed, and what is left is a fault.

    tools/in-test-namespace python tools/soak.py [--seconds T] [--processes N] [--seed S] [--user]
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent / "bench"))
sys.path.insert(1, str(Path(__file__).resolve().parent / "chaos"))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tests"))

from engine import Engine
from stage import Stage, stage

Words = tuple[object, ...]
HANGS_S = 90
TICKS = "trap 'exit 0' TERM; while :; do echo tick; echo tock >&2; sleep 0.3; done"
DOCKERFILES = (
    "FROM busybox\nRUN echo {n} > /made\n",
    "FROM busybox AS a\nRUN echo {n} > /made\nFROM busybox\nCOPY --from=a /made /copied\n",
    "FROM {image}\nENV N={n}\nRUN echo $N >> /made\nWORKDIR /w\n",
)

USUAL = re.compile(
    r"no such (container|image|object|volume|network)|no network |no health check|not in this store"
    r"|already (in use|exists|stopped|paused)|exists already"
    r"|(is|it is) (running|paused|not running|in use|stopped|not paused|used|being|restarting)"
    r"|not running|in use|is running|was removed|removed just now|has been removed|it ended"
    r"|is connected|not connected|already connected|connects|no interface|is not there"
    r"|is taken|busy|is initialized|has no (process|logs|network)|does not run|uses it|is gone"
    r"|started just now|has just ended|publishes none|has network mode|has it \("
    r"|which used the image|its name already|failure in name resolution|could not find|not found"
    r"|no container|ends just now|has ended|is not known|paused|is stopping|has no monitor"
    r"|SIGTERM did not stop container|not in the store any more|started again meanwhile"
    r"|it has no cgroup v2|seen only in a namespace|default network alone"  # a plain user's
)
"""What commands that get in each other's way may say."""


class Chance:
    """Commands of one thread, by its own chance."""

    def __init__(self, seed: int, engine: Engine, work: Path) -> None:
        self.random = random.Random(seed)
        self.engine, self.work = engine, work
        self.made = 0

    def container(self) -> str:
        return f"c{self.random.randrange(7)}"

    def volume(self) -> str:
        return f"v{self.random.randrange(4)}"

    def network(self) -> str:
        return f"n{self.random.randrange(2)}"

    def image(self) -> str:
        return self.random.choice(["busybox", "busybox", "i0", "i1", "i2"])

    def options(self) -> Words:
        """Of run and create."""
        network = self.random.choice(["none", "none", "bridge", self.network()])
        words: list[object] = ["--pull", "never", "--network", network]
        if self.random.random() < 0.3:
            words += ["-v", f"{self.volume()}:/data"]
        if self.random.random() < 0.2 and network != "none":
            words += ["-p", f"127.0.0.1:{self.random.randrange(30000, 30020)}:80"]
        if self.random.random() < 0.2:
            words += ["--restart", "on-failure:2"]
        if self.random.random() < 0.1:
            words += ["--health-cmd", "true", "--health-interval", "1s"]
        return tuple(words)

    def run(self) -> Words:
        code = self.random.randrange(4)
        options = [o for o in self.options() if o not in ("--restart", "on-failure:2")]
        return ("run", "--rm", *options, self.image(), "sh", "-c", f"echo hello; exit {code}")

    def detached(self) -> Words:
        name = self.container()
        return ("run", "-d", "--name", name, *self.options(), self.image(), "sh", "-c", TICKS)

    def create(self) -> Words:
        name = self.container()
        return ("create", "--name", name, *self.options(), self.image(), "sh", "-c", TICKS)

    def copy(self) -> Words:
        name = self.container()
        inwards = (__file__, f"{name}:/copy")
        outwards = (f"{name}:/etc/passwd", self.work / f"out{threading.get_ident()}")
        return ("cp", *self.random.choice([inwards, outwards]))

    def build(self) -> Words:
        self.made += 1
        context = self.work / f"context{threading.get_ident()}"
        context.mkdir(exist_ok=True)
        text = self.random.choice(DOCKERFILES)
        (context / "Dockerfile").write_text(text.format(n=self.made % 5, image=self.image()))
        return ("build", "-q", "--network", "none", "-t", f"i{self.random.randrange(3)}", context)

    def simple(self, *words: str) -> Callable[[], Words]:
        """C, V, N, I in `words` stand for a container, volume, network, image."""
        names = {"C": self.container, "V": self.volume, "N": self.network, "I": self.image}
        return lambda: tuple(names[word]() if word in names else word for word in words)

    def actions(self) -> list[tuple[int, Callable[[], Words]]]:
        """With how often each is taken."""
        return [
            (10, self.run), (12, self.detached), (5, self.create), (3, self.copy), (3, self.build),
            *((weight, self.simple(*text.split())) for weight, text in SIMPLE),
        ]  # fmt: skip


SIMPLE = [
    (6, "start C"), (5, "stop -t 0 C"), (2, "stop -t 1 C"), (3, "restart -t 0 C"), (3, "kill C"),
    (4, "rm C"), (4, "rm -f -t 0 C"), (2, "rm -f -v -t 0 C"), (6, "exec C true"),
    (2, "exec -d C sleep 1"), (2, "exec C cat /etc/hosts"), (4, "logs C"), (2, "logs --tail 3 C"),
    (2, "logs -t C"), (2, "commit -q C i0"), (1, "commit -q --pause=false C i1"),
    (4, "pull -q busybox"), (1, "pull -q nginx"), (2, "tag busybox i2"), (2, "rmi I"),
    (2, "rmi -f i0 i1"), (2, "volume create V"), (2, "volume rm V"), (1, "volume prune -f"),
    (1, "volume ls"), (4, "network create N"), (2, "network rm N"), (1, "network prune -f"),
    (2, "network connect N C"), (2, "network disconnect N C"), (1, "network ls"),
    (2, "pause C"), (2, "unpause C"), (2, "rename C C"), (4, "inspect C"), (4, "ps -a"),
    (3, "images"), (1, "image inspect I"), (2, "top C"), (1, "stats --no-stream"), (1, "diff C"),
    (1, "export -o /dev/null C"), (1, "save -q -o /dev/null I"), (1, "port C"),
    (1, "update --restart no C"), (1, "system df"), (1, "system prune -f"),
    (1, "container prune -f"), (1, "image prune -f"), (1, "builder prune -f"), (1, "history I"),
    (1, "healthcheck run C"), (1, "events --since 10s --until 0s"), (1, "port add C 127.0.0.1::81"),
    (1, "init C"), (1, "network reload C"), (1, "mount"), (1, "container exists C"),
]  # fmt: skip
OF_THE_CONTAINER = ("run", "exec", "healthcheck", "container")
"""Verbs whose exit status may be another's than ours."""


class Soak:
    """What all threads share: faults, how often each verb was taken, and what errors said."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self.engine = engine
        self.until = time.monotonic() + seconds
        self.faults: list[str] = []
        self.verbs: collections.Counter[str] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()
        self.killed = 0
        self._lock = threading.Lock()

    def fault(self, text: str) -> None:
        with self._lock:
            self.faults.append(text)
            print(f"    {text.replace(TICKS, '...')}", flush=True)

    def work(self, chance: Chance) -> None:
        """One thread."""
        actions = chance.actions()
        weights = [weight for weight, _ in actions]
        while time.monotonic() < self.until:
            [(_, action)] = chance.random.choices(actions, weights)
            words = action()
            if chance.random.random() < 0.04:
                self.kill(chance, words)
            else:
                self.look(words)

    def kill(self, chance: Chance, words: Words) -> None:
        """Start a command and kill it a little later."""
        process = subprocess.Popen(
            self.engine.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(chance.random.random() * 0.3)
        process.kill()
        process.wait()
        self.killed += 1

    def look(self, words: Words) -> None:
        """Carry it out and look at what it says."""
        line = " ".join(map(str, words))
        try:
            done = self.engine.run(*words, timeout=HANGS_S)
        except subprocess.TimeoutExpired:
            self.fault(f"{line}: not done after {HANGS_S} s")
            return
        with self._lock:
            self.verbs[str(words[0])] += 1
        if "Traceback" in done.err or "internal error" in done.err:
            self.fault(f"{line}: {done.err}")
        said = [text for text in done.err.splitlines() if text.startswith("crunpy: ")]
        for text in said:
            with self._lock:
                self.errors[re.sub(r"\b[0-9a-f]{12,64}\b|\b[civn]\d\b|\d+", "_", text)] += 1
            if not USUAL.search(text):
                self.fault(f"{line}: {text}")
        if done.code and not said and words[0] not in OF_THE_CONTAINER:
            self.fault(f"{line}: exit {done.code} without a word: {done.err[-300:]}")
        if done.code not in (0, 1, 2, 3, 125, 126, 127, 137, 143):
            self.fault(f"{line}: exit {done.code}: {done.err[-300:]}")

    def watch(self) -> None:
        """The whole store, again and again."""
        while time.monotonic() < self.until:
            time.sleep(5)
            for words in (("ps", "-a", "--format", "json"), ("images",), ("volume", "ls"),
                          ("network", "ls")):  # fmt: skip
                done = self.engine.run(*words, timeout=HANGS_S)
                if done.code or done.err:
                    self.fault(f"{' '.join(words)}: exit {done.code}: {done.err[-300:]}")
            seen = self._wrong()
            time.sleep(2)
            for text in seen & self._wrong():  # what is under way is not wrong for long
                self.fault(f"system check: {text}")

    def _wrong(self) -> set[str]:
        lines = self.engine.run("system", "check", timeout=HANGS_S).out.splitlines()
        return {line for line in lines if not line.startswith("leftover ")}


def finish(soak: Soak) -> None:
    """Remove all; nothing may be left, and the store must be whole."""
    engine = soak.engine
    engine.ok("rm", "-f", "-t", "0", "-a", timeout=300)
    for words in (("network", "prune", "-f"), ("volume", "rm", "-a", "-f"),
                  ("rmi", "-f", "-a"), ("builder", "prune", "-a", "-f"),
                  ("system", "prune", "-a", "-f")):  # fmt: skip
        done = engine.run(*words, timeout=120)
        if done.code or "Traceback" in done.err:
            soak.fault(f"at the end: {' '.join(words)}: {done.err}")
    told = engine.run("system", "check")
    if told.code:
        soak.fault(f"at the end: system check: {told.out}")
    for text in engine.left(20):
        soak.fault(f"left behind: {text}")
    big = [f"{path} ({path.stat().st_size} bytes)" for path in engine.root.rglob("*")
           if path.is_file() and path.stat().st_size > 100_000]  # fmt: skip
    for text in big:
        soak.fault(f"left behind: {text}")


def play(where: Stage, seconds: float, processes: int, seed: int) -> Soak:
    with where.engine() as engine:
        work = where.directory()
        work.chmod(0o777)
        for name in ("i0", "i1", "i2"):
            engine.ok("tag", "busybox", name)
        soak = Soak(engine, seconds)
        chances = [Chance(seed * 1000 + n, engine, work) for n in range(processes)]
        threads = [threading.Thread(target=soak.work, args=(chance,)) for chance in chances]
        threads.append(threading.Thread(target=soak.watch))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(work / "out")
        finish(soak)
    return soak


def main() -> int:
    parser = argparse.ArgumentParser(description="Random commands at once, for a time.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--user", action="store_true", help="as a plain user")
    options = parser.parse_args()
    if os.environ.get("CRUNPY_IN_TEST_NAMESPACE") != "1":
        print("run by tools/in-test-namespace .venv/bin/python tools/soak.py")
        return 1
    print(f"seed {options.seed}", flush=True)
    with stage(options.seed, 0, options.user, podman=False) as where:
        soak = play(where, options.seconds, options.processes, options.seed)
    print(f"{sum(soak.verbs.values())} commands, {soak.killed} killed ones, load "
          f"{os.getloadavg()[1]:.1f}")  # fmt: skip
    print("  ".join(f"{verb} {count}" for verb, count in soak.verbs.most_common()))
    for text, count in soak.errors.most_common():
        print(f"{count:6} {text}")
    print(f"{len(soak.faults)} faults")
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
