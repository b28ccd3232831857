"""Times crunpy beside the peers that are installed (podman, buildah, docker, bwrap), as ratios.

Each row measures one work: a sample of each engine in turn, so that a slow minute of the
machine hurts all alike, and the medians are compared with the budgets of the design.  Runs in
tools/in-test-namespace (`make bench`), with stores of its own.  A slow number is no failure.

    python tools/bench.py [--quick] [--rounds N] [--only NAME]…
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "tests"))

import images  # noqa: E402
from oci_images import docker_registry, push  # noqa: E402

COMMAND, DOCKER_PY, LIST_LIMIT = "the command", "docker-py", "limit"
OURS, BARE, ONE_BY_ONE = "crunpy", "bwrap + python", "--jobs 1"
BASE = "localhost/base"
MB = 1_000_000


class Budget(NamedTuple):
    """crunpy ÷ peer may be at most (or at least) `limit`; bold: a goal beyond the budget."""

    peer: str
    limit: float
    at_least: bool = False
    bold: bool = False

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.limit:.2f}"

    def met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit


class Engine:
    """One engine with a store of its own.

    command: words before the verb.  run_options, build_options: what this machine or the row
    makes it need after `run` or `build`.
    """

    def __init__(self, name: str, command: list[str], env: dict[str, str] | None = None) -> None:
        self.name, self.command = name, command
        self.env = {**os.environ, **(env or {})}
        self.run_options: list[str] = []
        self.build_options: list[str] = []

    def words(self, *arguments: str) -> list[str]:
        verb, *rest = arguments
        more = self.run_options if verb in ("run", "create") else []
        more = self.build_options if verb == "build" else more
        return [*self.command, verb, *more, *rest]

    def output(self, *arguments: str) -> str:
        """What a command that must succeed prints."""
        done = subprocess.run(self.words(*arguments), env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"{self.name} {' '.join(arguments)}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    def seconds(self, *arguments: str) -> float:
        """How long a command takes, its output going nowhere."""
        return timed(self.words(*arguments), self.env)


class Failure(Exception):
    """A measured command did not work."""


def timed(command: list[str], env: dict[str, str] | None = None) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)  # fmt: skip
    took = time.perf_counter() - start
    if done.returncode:
        raise Failure(f"{' '.join(command)}: {done.stderr.decode()[-300:]}")
    return took


class Bench:
    """The engines, the registry they pull from, and how often each sample is taken."""

    def __init__(self, base: Path, registry: str, rounds: int) -> None:
        self.base, self.registry, self.rounds = base, registry, rounds
        self.busybox = f"{registry}/library/busybox"
        self.nginx = f"{registry}/library/nginx"
        self.engines: list[Engine] = []
        self._builders: list[Engine] | None = None
        self._numbers = iter(range(1_000_000))

    def fresh(self, what: str) -> str:
        """A name that was not there before."""
        return f"{what}{next(self._numbers)}"

    def builders(self, *, apart: bool = False) -> list[Engine]:
        """Engines that build, whose stores hold BASE alone: what a cached build costs podman
        grows with its store.  Docker's is its daemon's.  apart: see `builder`."""
        if self._builders is None:
            found = buildah(self)
            self._builders = [*self.engines, *([found] if found else [])]
        return [self.builder(engine, apart=apart) for engine in self._builders]

    def builder(self, engine: Engine, *, apart: bool = False) -> Engine:
        """One like `engine` with a store that holds BASE alone.

        apart: on a disk of its own.  Making files costs several times as much on an ext4 where
        many were deleted a moment ago, and podman's builds delete what they copied; but fsync(2)
        takes longer there.
        """
        found = engine
        if engine.name != "docker":
            home = self.base / self.fresh("build")
            home.mkdir()
            if apart:
                own_disk(home)
            found = new_engine(engine.name, home / "store", engine)
        found.output("build", "-q", "-t", BASE, str(self.base_context()))
        return found

    def base_context(self) -> Path:
        """What BASE is built of: busybox with a history, which podman and buildah want of an
        image that they build on."""
        path = self.base / "busybox"
        if not path.exists():
            path.mkdir()
            (path / "Dockerfile").write_text("FROM scratch\nADD root.tar /\nCMD sh\n")
            (path / "root.tar").write_bytes(images.busybox_tar())
        return path

    def context(self, dockerfile: str) -> Path:
        """A new build context with a file beside the Dockerfile."""
        path = self.base / self.fresh("context")
        path.mkdir()
        (path / "Dockerfile").write_text(dockerfile)
        (path / "file").write_text("a file\n")
        return path

    def median(
        self,
        sample: Callable[[Engine], float],
        rounds: int = 0,
        engines: list[Engine] | None = None,
    ) -> dict[str, float]:
        """The median of `sample` for each engine, samples interleaved, the first not counted."""
        engines = engines or self.engines
        taken: dict[str, list[float]] = {engine.name: [] for engine in engines}
        for turn in range((rounds or self.rounds) + 1):
            for engine in engines:
                value = sample(engine)
                if turn:
                    taken[engine.name].append(value)
        return {name: statistics.median(values) for name, values in taken.items()}

    @contextmanager
    def running(self, *arguments: str) -> Iterator[dict[str, str]]:
        """A detached container in each engine; gives their ids."""
        started: dict[str, str] = {}
        try:
            for engine in self.engines:
                started[engine.name] = engine.output("run", "-d", *arguments)
            yield started
        finally:
            for engine in self.engines:
                if engine.name in started:
                    engine.output("rm", "-f", started[engine.name])


# ---- the rows: each gives the values by engine ----


def run_none(bench: Bench) -> dict[str, float]:
    arguments = ("run", "--rm", "--network", "none", bench.busybox, "true")
    engines = [*bench.engines, *bare(bench)]
    found = bench.median(lambda engine: engine.seconds(*arguments), engines=engines)
    if "bwrap" in found:
        found[BARE] = found.pop("bwrap") + found.pop("python")
    return found


def bare(bench: Bench) -> list[Engine]:
    """The least that a container in Python could cost: bwrap, and an interpreter's start."""
    if not shutil.which("bwrap"):
        return []
    root = bench.base / "bwrap"
    if not root.exists():
        root.mkdir()
        subprocess.run(["tar", "-xC", root], input=images.busybox_tar(), check=True)
    box = ["bwrap", "--bind", str(root), "/", "--proc", "/proc", "--dev", "/dev", "--unshare-all"]
    bwrap, python = Engine("bwrap", box), Engine("python", [sys.executable])
    bwrap.words = lambda *_: [*box, "true"]  # type: ignore[method-assign]
    python.words = lambda *_: [sys.executable, "-c", "pass"]  # type: ignore[method-assign]
    return [bwrap, python]


def run_bridge(bench: Bench) -> dict[str, float]:
    return bench.median(lambda engine: engine.seconds("run", "--rm", bench.busybox, "true"))


NETWORK = "bench"


def run_network(bench: Bench) -> dict[str, float]:
    """On a network whose containers find each other by name; another one is there already."""
    for engine in bench.engines:
        engine.output("network", "create", NETWORK)
    arguments = ("--network", NETWORK, bench.busybox, "sleep", "1000")
    try:
        with bench.running(*arguments):
            return bench.median(
                lambda engine: engine.seconds(
                    "run", "--rm", "--network", NETWORK, bench.busybox, "true"
                )
            )
    finally:
        for engine in bench.engines:
            engine.output("network", "rm", NETWORK)


def run_published(bench: Bench) -> dict[str, float]:
    arguments = ("run", "--rm", "-p", "18080:80", bench.busybox, "true")
    return bench.median(lambda engine: engine.seconds(*arguments))


def exec_true(bench: Bench) -> dict[str, float]:
    with bench.running(bench.busybox, "sleep", "1000") as container:
        return bench.median(lambda engine: engine.seconds("exec", container[engine.name], "true"))


def parallel_runs(bench: Bench) -> dict[str, float]:
    """50 at once; what is left behind afterwards is a failure."""

    def sample(engine: Engine) -> float:
        before = leavings(engine)
        command = engine.words("run", "--rm", bench.busybox, "true")
        start = time.perf_counter()
        started = [
            subprocess.Popen(command, env=engine.env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for _ in range(50)
        ]  # fmt: skip
        told = [process.communicate()[1] for process in started]
        took = time.perf_counter() - start
        failed = [t for process, t in zip(started, told, strict=True) if process.returncode]
        if failed:
            raise Failure(f"{engine.name}: {len(failed)} of 50 failed: {failed[0][-200:]!r}")
        deadline = time.monotonic() + 10
        while (after := leavings(engine)) != before:
            if time.monotonic() > deadline:
                raise Failure(f"{engine.name} left behind: before {before}, after {after}")
            time.sleep(0.05)
        return took

    return bench.median(sample, rounds=max(bench.rounds // 5, 1))


def leavings(engine: Engine) -> tuple[str, int, int]:
    """Containers, network links and mounts of an engine's kind."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    mounts = Path("/proc/self/mountinfo").read_text()
    return engine.output("ps", "-aq"), links.stdout.count("veth"), mounts.count("\n")


def ps_50(bench: Bench) -> dict[str, float]:
    for engine in bench.engines:
        for _ in range(50 - len(engine.output("ps", "-aq").split())):
            engine.output("create", bench.busybox, "true")
    return bench.median(lambda engine: engine.seconds("ps", "-a"))


def pull(bench: Bench) -> dict[str, float]:
    """Into an empty store each time, what was written before being on the disk.

    Without docker, whose store is its daemon's: emptying it would free so many inodes that
    ext4, which avoids those for minutes, becomes slow for all.
    """

    def sample(engine: Engine) -> float:
        puller = new_engine(engine.name, bench.base / bench.fresh("pull"), engine)
        os.sync()
        return puller.seconds("pull", "-q", bench.nginx)

    engines = [engine for engine in bench.engines if engine.name != "docker"]
    return bench.median(sample, rounds=max(bench.rounds // 2, 3), engines=engines)


def save_and_load(bench: Bench) -> dict[str, float]:
    """nginx into an archive, and from it into an empty store."""

    def sample(engine: Engine) -> float:
        home = bench.base / bench.fresh("load")
        archive = bench.base / bench.fresh("archive")
        loader = new_engine(engine.name, home, engine)
        os.sync()
        took = engine.seconds("save", "-q", "-o", str(archive), bench.nginx)
        took += loader.seconds("load", "-q", "-i", str(archive))
        archive.unlink()
        return took

    engines = [engine for engine in bench.engines if engine.name != "docker"]
    for engine in engines:
        engine.output("pull", "-q", bench.nginx)
    return bench.median(sample, rounds=max(bench.rounds // 2, 3), engines=engines)


def memory(bench: Bench) -> dict[str, float]:
    """PSS of the process beside a detached container: its init's parent."""
    found: dict[str, float] = {}
    with bench.running(bench.busybox, "sleep", "1000") as container:
        time.sleep(1)
        for engine in bench.engines:
            pid = engine.output("inspect", "--format", "{{.State.Pid}}", container[engine.name])
            status = Path(f"/proc/{pid}/status").read_text()
            parent = re.search(r"^PPid:\s+(\d+)", status, re.MULTILINE)
            assert parent
            rollup = Path(f"/proc/{parent[1]}/smaps_rollup").read_text()
            pss = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
            assert pss
            found[engine.name] = float(pss[1])
    return found


def throughput(bench: Bench) -> dict[str, float]:
    """MB/s of a 200 MB file, asked for several times, through a published port."""
    web = bench.base / "web"
    web.mkdir(exist_ok=True)
    size, times = 200 * MB, 4
    (web / "big").write_bytes(b"\0" * size)
    ports = {engine.name: 18081 + i for i, engine in enumerate(bench.engines)}

    def sample(engine: Engine) -> float:
        url = f"http://127.0.0.1:{ports[engine.name]}/big"
        return size * times / MB / timed(["curl", "-sSf", *["-o", "/dev/null", url] * times])

    with ExitStack() as stack:
        for engine in bench.engines:
            publish = f"{ports[engine.name]}:80"
            container = engine.output(
                "run", "-d", "-p", publish, "-v", f"{web}:/var/www/html:ro", bench.nginx
            )
            stack.callback(engine.output, "rm", "-f", container)
            wait_for(f"http://127.0.0.1:{ports[engine.name]}/")
        return bench.median(sample)


def wait_for(url: str) -> None:
    """Until something answers, if only with 403."""
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise Failure(f"{url}: no answer")


def stdout_text(bench: Bench) -> dict[str, float]:
    line = b"The quick brown fox jumps over the lazy dog, and so does this line of a log.\n"
    data = line * (100 * MB // len(line))
    (bench.base / "text").write_bytes(data)
    share = ("-v", f"{bench.base}/text:/text:ro")
    return through_stdout(bench, len(data), *share, bench.busybox, "cat", "/text")


def stdout_zeros(bench: Bench) -> dict[str, float]:
    size = 100 * MB
    return through_stdout(bench, size, bench.busybox, "head", "-c", str(size), "/dev/zero")


def through_stdout(bench: Bench, size: int, *arguments: str) -> dict[str, float]:
    """Seconds until all of a container's output has come through a pipe."""

    def sample(engine: Engine) -> float:
        command = engine.words("run", "--rm", "--network", "none", *arguments)
        start = time.perf_counter()
        with subprocess.Popen(command, env=engine.env, stdout=subprocess.PIPE) as process:
            assert process.stdout
            got = 0
            while piece := os.read(process.stdout.fileno(), 1 << 20):
                got += len(piece)
        if process.returncode or got != size:
            raise Failure(f"{engine.name}: {got} of {size} bytes, status {process.returncode}")
        return time.perf_counter() - start

    return bench.median(sample, rounds=max(bench.rounds // 3, 1))


# ---- builds ----


def built(engine: Engine, context: Path, *options: str) -> float:
    """Seconds of a build, all that was written before being on the disk."""
    os.sync()
    return engine.seconds("build", "-q", *options, "-t", "bench", str(context))


def _six_steps(bench: Bench) -> Path:
    return bench.context(
        f'FROM {BASE}\nENV A=1\nRUN echo 1 > /one\nCOPY file /file\nRUN echo 2 > /two\nCMD ["sh"]\n'
    )


def build_steps(bench: Bench) -> dict[str, float]:
    context, builders = _six_steps(bench), bench.builders()
    return bench.median(lambda engine: built(engine, context, "--no-cache"), engines=builders)


def build_cached(bench: Bench) -> dict[str, float]:
    """The sample that is not counted fills the cache."""
    context, builders = _six_steps(bench), bench.builders()
    return bench.median(lambda engine: built(engine, context), engines=builders)


def _many_files(bench: Bench) -> tuple[Path, list[Path]]:
    """A context of 200 directories with 100 files of 1 KB each, and these files."""
    context = bench.context(f"FROM {BASE}\nCOPY . /files/\n")
    files = [context / f"tree/d{i}/f{j}" for i in range(200) for j in range(100)]
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"{number:08}".encode() * 128)
    return context, files


def build_files(bench: Bench) -> dict[str, float]:
    """Each time as after a fresh checkout: the times of all files are new, so that nothing that
    was read before counts and the layer is a new one."""
    context, files = _many_files(bench)
    builders = bench.builders(apart=True)

    def sample(engine: Engine) -> float:
        for file in files:
            os.utime(file)
        return built(engine, context, "--no-cache")

    return bench.median(sample, rounds=max(bench.rounds // 5, 3), engines=builders)


def build_files_cached(bench: Bench) -> dict[str, float]:
    context, _ = _many_files(bench)
    builders = bench.builders()
    time.sleep(2)  # files of the last moment are never taken for known
    return bench.median(
        lambda engine: built(engine, context), rounds=max(bench.rounds // 3, 3), engines=builders
    )


def build_stages(bench: Bench) -> dict[str, float]:
    """Ten stages that none needs another, each with 0.3 s of work for a processor: all at once,
    and one after the other."""
    loop = "i=0; while [ $i -lt %d ]; do i=$((i+1)); done"
    count = int(200_000 * 0.3 / timed([str(images.BUSYBOX), "sh", "-c", loop % 200_000]))
    lines = []
    for i in range(10):
        lines += [f"FROM {BASE} AS s{i}", f"RUN {loop % count}; echo {i} > /made"]
    lines += [f"FROM {BASE}", *(f"COPY --from=s{i} /made /made{i}" for i in range(10))]
    context = bench.context("\n".join(lines) + "\n")
    both = [bench.builder(bench.engines[0]) for _ in range(2)]
    both[1].name, both[1].build_options = ONE_BY_ONE, ["--jobs", "1"]
    return bench.median(
        lambda engine: built(engine, context, "--no-cache"),
        rounds=max(bench.rounds // 3, 3), engines=both,
    )  # fmt: skip


# ---- from Python ----


def library_runs(bench: Bench) -> dict[str, float]:
    """50 runs from one process that goes on: by our library, by our command, and by docker-py with
    its daemon."""
    import crun_py

    ours = bench.engines[0]
    words = ("run", "--rm", "--network", "none", bench.busybox, "true")
    ways: dict[str, Callable[[], object]] = {COMMAND: lambda: ours.seconds(*words)}
    with crun_py.Engine(root=ours.env["CRUNPY_ROOT"], runroot=ours.env["CRUNPY_RUNROOT"]) as engine:
        ways[OURS] = lambda: engine.containers.run(bench.busybox, ["true"], network="none")
        if client := docker_py(bench):
            ways[DOCKER_PY] = lambda: client.containers.run(
                bench.busybox, ["true"], network_mode="none", remove=True
            )

        def sample(way: Engine) -> float:
            start = time.perf_counter()
            for _ in range(50):
                ways[way.name]()
            return time.perf_counter() - start

        rounds = max(bench.rounds // 3, 3)
        return bench.median(sample, rounds, [Engine(name, []) for name in ways])


def docker_py(bench: Bench) -> Any:
    """A client of the daemon that is measured, None without one."""
    daemon = next((engine for engine in bench.engines if engine.name == "docker"), None)
    if daemon is None:
        print("without docker-py: there is no dockerd here")
        return None
    try:
        import docker as library
    except ImportError:
        print("without docker-py: pip install docker")
        return None
    return library.DockerClient(base_url=daemon.command[2])


def library_list(bench: Bench) -> dict[str, float]:
    """containers.list(all=True) of 1,000, and reading the name of each."""
    import crun_py

    with (
        crun_py.Engine(root=bench.base / "many", runroot=bench.base / "many-run") as engine,
        ThreadPoolExecutor(4) as pool,
    ):
        engine.images.pull(bench.busybox)
        made = pool.map(
            lambda _: engine.containers.create(bench.busybox, ["true"], network="none"), range(1000)
        )
        assert len(list(made)) == 1000
        time.sleep(3)  # what was changed just now is read anew

        def sample(_: Engine) -> float:
            start = time.perf_counter()
            names = {box.name for box in engine.containers.list(all=True)}
            took = time.perf_counter() - start
            if len(names) != 1000:
                raise Failure(f"{len(names)} containers of 1000")
            return took

        return {**bench.median(sample, engines=bench.engines[:1]), LIST_LIMIT: 0.050}


class Row(NamedTuple):
    name: str
    unit: str
    measure: Callable[[Bench], dict[str, float]]
    budgets: tuple[Budget, ...]


UNITS = {"ms": (1000.0, "ms"), "s": (1.0, "s"), "KiB": (1.0, "KiB"), "MB/s": (1.0, "MB/s")}

ROWS = (
    Row("run --network none", "ms", run_none,
        (Budget("podman", 0.30), Budget("docker", 0.20), Budget(BARE, 3, bold=True))),
    Row("run on the bridge", "ms", run_bridge,
        (Budget("podman", 0.25), Budget("podman", 0.15, bold=True), Budget("docker", 0.30))),
    Row("run on a network", "ms", run_network, (Budget("podman", 0.20),)),
    Row("run -p", "ms", run_published, (Budget("podman", 0.25),)),
    Row("exec", "ms", exec_true, (Budget("podman", 0.40), Budget("podman", 0.25, bold=True))),
    Row("50 parallel run --rm", "s", parallel_runs, (Budget("podman", 0.30),)),
    Row("pull of nginx", "s", pull, (Budget("podman", 0.40), Budget("podman", 0.30, bold=True))),
    Row("save and load", "s", save_and_load, (Budget("podman", 0.50),)),
    Row("memory beside it", "KiB", memory, (Budget("podman", 1), Budget("podman", 0.5, bold=True))),
    Row("port throughput", "MB/s", throughput,
        (Budget("podman", 0.95, at_least=True), Budget("podman", 1, at_least=True, bold=True))),
    Row("100 MB text, stdout", "s", stdout_text,
        (Budget("podman", 0.5), Budget("podman", 0.2, bold=True))),
    Row("100 MB zeros, stdout", "s", stdout_zeros,
        (Budget("podman", 0.5), Budget("podman", 0.2, bold=True))),
    Row("ps -a of 50", "ms", ps_50, (Budget("podman", 1), Budget("docker", 1, bold=True))),
    Row("build, 6 steps", "ms", build_steps, (Budget("podman", 0.20),)),
    Row("build, 6 steps cached", "ms", build_cached,
        (Budget("podman", 0.15), Budget("docker", 0.80))),
    Row("build, 20,000 files", "s", build_files, (Budget("podman", 0.25),)),
    Row("build, files cached", "s", build_files_cached, (Budget("podman", 0.10),)),
    Row("build, 10 stages", "s", build_stages, ()),
    Row("library: 50 runs", "s", library_runs, (Budget(COMMAND, 0.70), Budget(DOCKER_PY, 0.10))),
    Row("library: list of 1,000", "ms", library_list, (Budget(LIST_LIMIT, 1),)),
)  # fmt: skip


# ---- what is printed ----

_HEADING = ("work", OURS, "peer", "peer's", "ratio", "budget", "", "bold goal", "")
_WIDTHS = (22, 10, 14, 10, 6, 7, 6, 7, 0)


def line(*cells: str) -> None:
    aligned = [
        cell.rjust(width) if i in (1, 3, 4) else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ]
    print("  ".join(aligned).rstrip(), flush=True)


def shown(value: float, unit: str) -> str:
    factor, name = UNITS[unit]
    number = value * factor
    return f"{number:.{2 if unit == 's' else 0 if number >= 1000 else 1}f} {name}"


def report(row: Row, found: dict[str, float]) -> None:
    """A line for each peer: its value, our ratio to it, and what was wanted."""
    left, own = row.name, shown(found[OURS], row.unit)
    for peer in [name for name in found if name != OURS] or [""]:
        if not peer:
            line(left, own, *[""] * 7)
            continue
        ratio = found[OURS] / found[peer]
        wanted = {b.bold: b for b in row.budgets if b.peer == peer}
        plain, bold = wanted.get(False), wanted.get(True)
        line(
            left, own, peer, shown(found[peer], row.unit), f"{ratio:.2f}",
            str(plain or ""), ("ok" if plain.met(ratio) else "over") if plain else "",
            str(bold or ""), ("met" if bold.met(ratio) else "not yet") if bold else "",
        )  # fmt: skip
        left = own = ""


# ---- the images ----


def registry_data() -> Path:
    """The storage of a registry with busybox, and with an nginx of 72 MB in 9,300 files."""
    small = images.registry_data()
    data = images.CACHE / f"bench-{small.name}"
    if not data.exists():
        work = Path(tempfile.mkdtemp(dir=images.CACHE))
        shutil.copytree(small, work / "data")
        raw = work / "nginx.tar"
        print("assembling nginx from Debian's packages, with all their files")
        subprocess.run(
            [*images._outside(), "mmdebstrap", "--quiet", "--variant=minbase",
             "--include=nginx-light", "bookworm", raw],
            check=True,
        )  # fmt: skip
        command = ["nginx", "-g", "daemon off;"]
        with docker_registry(work) as host:
            nginx = images.image(raw.read_bytes(), Cmd=command)
            push(nginx, f"{host}/library/nginx:latest", work)
        (work / "data").rename(data)
        shutil.rmtree(work)
    return data


# ---- the engines ----


def new_engine(name: str, home: Path, like: Engine | None = None) -> Engine:
    """An engine with an empty store below `home`; like: one whose special options it needs."""
    home.mkdir()
    if name == OURS:
        env = {"CRUNPY_ROOT": f"{home}/root", "CRUNPY_RUNROOT": f"{home}/run"}
        return Engine(OURS, [str(CHECKOUT / ".venv/bin/crunpy")], env)
    special = like.command[5:] if like else []
    engine = Engine(name, [name, "--root", f"{home}/root", "--runroot", f"{home}/run", *special])
    engine.build_options = like.build_options if like else []
    return engine


def own_disk(directory: Path) -> None:
    """Mount a file system of its own on `directory`, where that is possible."""
    image = directory.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(50_000 * MB)
    options = ["-E", "lazy_itable_init=1,lazy_journal_init=1", "-N", "3000000"]
    make = ["mkfs.ext4", "-q", "-F", *options, str(image)]
    mount = ["mount", "-o", "loop,noinit_itable", str(image), str(directory)]
    if any(subprocess.run(command, capture_output=True).returncode for command in (make, mount)):
        print("without a disk of its own:", directory)


def podman(bench: Bench) -> Engine | None:
    """Podman with the least options that make it work on this machine."""
    if not shutil.which("podman"):
        return None
    engine = new_engine("podman", bench.base / "podman")
    engine.output("pull", "-q", bench.busybox)
    plain = engine.command
    limits = ["--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000"]
    cgroupfs = ["--cgroup-manager", "cgroupfs"]
    for special in ([], cgroupfs, [*cgroupfs, "--runtime", "runc"]):
        for options in ([], limits):
            engine.command, engine.run_options = plain + special, options
            with contextlib.suppress(Failure):
                engine.output("run", "--rm", bench.busybox, "true")
                if special or options:
                    print("podman needs here:", *special, *options)
                engine.build_options = options
                return engine
    print("podman is installed and runs nothing here" + _runc_hint())
    return None


def buildah(bench: Bench) -> Engine | None:
    """Buildah, which keeps its steps as the others do, with the least options that it needs."""
    if not shutil.which("buildah"):
        return None
    engine = new_engine("buildah", bench.base / "buildah")
    engine.output("build", "-q", "-t", BASE, str(bench.base_context()))
    context = bench.context(f"FROM {BASE}\nRUN true\n")
    for special in ([], ["--runtime", "runc"]):
        engine.build_options = ["--layers", *special]
        with contextlib.suppress(Failure):
            engine.output("build", "-q", "--no-cache", str(context))
            if special:
                print("buildah needs here:", *special)
            return engine
    print("buildah is installed and builds nothing here" + _runc_hint())
    return None


def _runc_hint() -> str:
    """crun refuses some machines' control groups (a v2 controller beside v1 ones)."""
    return "" if shutil.which("runc") else "; apt-get install runc may help"


@contextmanager
def docker(bench: Bench) -> Iterator[Engine | None]:
    """Docker with a daemon of our own, if one can run."""
    if not (shutil.which("docker") and shutil.which("dockerd")):
        yield None
        return
    home = bench.base / "docker"
    home.mkdir()
    socket = f"unix://{home}/socket"
    engine = Engine("docker", ["docker", "--host", socket], {"DOCKER_CONFIG": str(home)})
    command = ["dockerd", "--data-root", f"{home}/data", "--exec-root", f"{home}/exec"]
    command += ["--pidfile", f"{home}/pid", "--host", socket]
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as daemon,
    ):
        try:
            yield engine if _docker_works(engine, bench) else None
        finally:
            daemon.terminate()


def _docker_works(engine: Engine, bench: Bench) -> bool:
    for _ in range(100):
        with contextlib.suppress(Failure):
            engine.output("pull", "-q", bench.busybox)
            engine.output("pull", "-q", bench.nginx)
            engine.output("run", "--rm", bench.busybox, "true")
            return True
        time.sleep(0.1)
    return False


@contextmanager
def everything(rounds: int) -> Iterator[Bench]:
    """The registry and the engines, on a disk and not in memory; gone afterwards."""
    base = Path(tempfile.mkdtemp(prefix="crunpy-bench-", dir="/var/tmp"))
    try:
        data = base / "registry/data"
        data.parent.mkdir()
        data.symlink_to(registry_data())
        with docker_registry(data.parent) as host:
            conf = base / "registries.conf"
            conf.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
            os.environ["CONTAINERS_REGISTRIES_CONF"] = str(conf)
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
            bench = Bench(base, host, rounds)
            ours = new_engine(OURS, base / OURS)
            ours.output("pull", "-q", bench.busybox)
            with docker(bench) as daemon:
                peers = {"podman": podman(bench), "docker": daemon}
                bench.engines = [ours, *(engine for engine in peers.values() if engine)]
                missing = [name for name, engine in peers.items() if not engine]
                missing += [] if shutil.which("bwrap") else ["bwrap"]
                if missing:
                    print("not measured, for it is not here or can't run:", ", ".join(missing))
                yield bench
    finally:
        unmount_below(base)
        shutil.rmtree(base)


def unmount_below(base: Path) -> None:
    """Podman and buildah leave their stores mounted."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [line.split()[4] for line in mounts]
    for place in reversed([place for place in places if place.startswith(f"{base}/")]):
        subprocess.run(["umount", "--lazy", place], check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description="Times crunpy beside its peers.")
    parser.add_argument("--quick", action="store_true", help="5 rounds")
    parser.add_argument("--rounds", type=int, default=15, help="samples of each (default: 15)")
    parser.add_argument("--only", action="append", metavar="NAME", help="rows with this in them")
    chosen = parser.parse_args()
    rows = [row for row in ROWS if not chosen.only or any(n in row.name for n in chosen.only)]
    if os.environ.get("CRUNPY_IN_TEST_NAMESPACE") != "1":
        print("run by `make bench`: tools/in-test-namespace python tools/bench.py")
        return 1
    with everything(5 if chosen.quick else chosen.rounds) as bench:
        print(f"medians of {bench.rounds} interleaved rounds, fewer for the long ones\n")
        line(*_HEADING)
        for row in rows:
            try:
                report(row, row.measure(bench))
            except Failure as e:
                print(f"{row.name}: {e}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
