"""The rows of containers, images and builds: each gives the values by engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import images
from engines import BASE, CHECKOUT, MB, OURS, Bench, Engine, Failure, new_engine, timed

COMMAND, DOCKER_PY, LIMIT = "the command", "docker-py", "limit"
RUNTIMES = RUNC, CRUN = "runc", "crun"
BARE, ONE_BY_ONE = "bwrap + python", "--jobs 1"


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


def run_in_podman(bench: Bench) -> dict[str, float]:
    """podman's own run, with our runtime below it and with others; all have podman's one store."""
    podman = next((engine for engine in bench.engines if engine.name == "podman"), None)
    if podman is None:
        raise Failure("podman is not here")
    arguments = ("run", "--rm", "--network", "none", bench.busybox, "true")
    engines = []
    for name in (OURS, *RUNTIMES):
        program = str(CHECKOUT / ".venv/bin/crunpy-oci") if name == OURS else name
        engine = Engine(name, [*podman.command, "--runtime", program])
        # without the limit that podman has for all: a hybrid host's version 2 can't hold it
        engine.run_options = [*podman.run_options, "--pids-limit", "-1"]
        try:
            engine.output(*arguments)
        except Failure as e:
            if name == OURS:
                raise
            print(f"without {e}")
        else:
            engines.append(engine)
    return bench.median(lambda engine: engine.seconds(*arguments), engines=engines)


def run_bridge(bench: Bench) -> dict[str, float]:
    return bench.median(lambda engine: engine.seconds("run", "--rm", bench.busybox, "true"))


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

    return bench.median(sample, rounds=max(bench.rounds // 2, 3), engines=bench.daemonless)


def commit(bench: Bench) -> dict[str, float]:
    """128 MB of random bytes that a container has written."""
    script = "head -c 134217728 /dev/urandom > /data; sync; exec sleep 1000"

    def sample(engine: Engine) -> float:
        name = bench.fresh("committed")
        took = engine.seconds("commit", "--pause=false", container[engine.name], name)
        engine.output("rmi", "-f", name)
        return took

    with bench.running(bench.busybox, "sh", "-c", script) as container:
        for engine in bench.engines:
            engine.output(
                "exec", container[engine.name], "sh", "-c", "until pidof sleep; do :; done"
            )
        return bench.median(sample, rounds=max(bench.rounds // 2, 3))


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

    for engine in bench.daemonless:
        engine.output("pull", "-q", bench.nginx)
    return bench.median(sample, rounds=max(bench.rounds // 2, 3), engines=bench.daemonless)


def memory(bench: Bench) -> dict[str, float]:
    """PSS of what is beside a detached container: init's parent and its other children."""
    found: dict[str, float] = {}
    with bench.running(bench.busybox, "sleep", "1000") as container:
        time.sleep(1)
        for engine in bench.engines:
            pid = engine.pid(container[engine.name])
            status = Path(f"/proc/{pid}/status").read_text()
            parent = re.search(r"^PPid:\s+(\d+)", status, re.MULTILINE)
            assert parent
            children = Path(f"/proc/{parent[1]}/task/{parent[1]}/children").read_text().split()
            beside = {int(parent[1]), *map(int, children)} - {pid}
            found[engine.name] = sum(map(_pss_kib, beside))
    return found


def _pss_kib(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    pss = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    assert pss
    return float(pss[1])


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
    return through(bench, size, bench.engines, *arguments)


def through(bench: Bench, size: int, engines: list[Engine], *arguments: str) -> dict[str, float]:
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

    return bench.median(sample, rounds=max(bench.rounds // 3, 1), engines=engines)


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
    hosts = [engine.daemon for engine in bench.engines if engine.daemon]
    if not hosts:
        print("without docker-py: there is no dockerd here")
        return None
    try:
        import docker as library
    except ImportError:
        print("without docker-py: pip install docker")
        return None
    return library.DockerClient(base_url=hosts[0])


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

        return {**bench.median(sample, engines=bench.engines[:1]), LIMIT: 0.050}
