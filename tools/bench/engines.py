"""The engines that are measured, each with a store of its own, and how samples are taken."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import images
from docker_daemon import Unable, docker_daemon
from oci_images import docker_registry, push

CHECKOUT = Path(__file__).resolve().parent.parent.parent
OURS, DOCKER, BUILDKIT = "crunpy", "docker", "BuildKit"
BASE = "localhost/base"
MB = 1_000_000


class Engine:
    """One engine with a store of its own.

    command: words before the verb; special: those of them that this machine needs.  run_options,
    build_options: what this machine or the row makes it need after `run` or `build`.  daemon: the
    socket of the one whose store this is, there is no other store then.
    """

    def __init__(self, name: str, command: list[str], env: dict[str, str] | None = None) -> None:
        self.name, self.command = name, command
        self.env = {**os.environ, **(env or {})}
        self.special: list[str] = []
        self.run_options: list[str] = []
        self.build_options: list[str] = []
        self.daemon = ""

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

    def remove(self, container: str) -> None:
        """A running container, without the wait that a stop allows it."""
        self.output("rm", "-f", *([] if self.daemon else ["-t", "0"]), container)

    def pid(self, container: str) -> int:
        """Of a container's first process, here: docker's daemon tells its own PID namespace's."""
        told = self.output("inspect", "--format", "{{.State.Pid}}", container)
        if not self.daemon:
            return int(told)
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):  # it may have ended
                if f"\nNSpid:\t{status.parent.name}\t{told}\t1\n".encode() in status.read_bytes():
                    return int(status.parent.name)
        raise Failure(f"{self.name}: no process is {told} of {container}")


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

    @property
    def daemonless(self) -> list[Engine]:
        """Without docker, for what it can't do or what takes it minutes."""
        return [engine for engine in self.engines if not engine.daemon]

    def fresh(self, what: str) -> str:
        """A name that was not there before."""
        return f"{what}{next(self._numbers)}"

    def builders(self, *, apart: bool = False) -> list[Engine]:
        """Engines that build, whose stores hold BASE alone: what a cached build costs podman
        grows with its store.  Docker's is its daemon's.  apart: see `builder`."""
        if self._builders is None:
            more = (buildah(self), buildkit(self))
            self._builders = [*self.engines, *(engine for engine in more if engine)]
        return [self.builder(engine, apart=apart) for engine in self._builders]

    def builder(self, engine: Engine, *, apart: bool = False) -> Engine:
        """One like `engine` with a store that holds BASE alone.

        apart: on a disk of its own.  Making files costs several times as much on an ext4 where
        many were deleted a moment ago, and podman's builds delete what they copied; but fsync(2)
        takes longer there.
        """
        found = engine
        if not engine.daemon:
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
        return self.medians(lambda engine: {"": sample(engine)}, rounds, engines)[""]

    def medians(
        self,
        sample: Callable[[Engine], dict[str, float]],
        rounds: int = 0,
        engines: list[Engine] | None = None,
    ) -> dict[str, dict[str, float]]:
        """The same of a sample that has several figures: by figure and engine.  Who comes first
        changes: what one sample leaves for the machine to do hurts the next."""
        engines = engines or self.engines
        taken: dict[str, dict[str, list[float]]] = {}
        for turn in range((rounds or self.rounds) + 1):
            for engine in engines if turn % 2 else reversed(engines):
                for figure, value in sample(engine).items():
                    values = taken.setdefault(figure, {}).setdefault(engine.name, [])
                    if turn:
                        values.append(value)
        return {
            figure: {engine.name: statistics.median(by_name[engine.name]) for engine in engines}
            for figure, by_name in taken.items()
        }

    @contextmanager
    def running(
        self, *arguments: str, engines: list[Engine] | None = None
    ) -> Iterator[dict[str, str]]:
        """A detached container in each engine; gives their ids."""
        engines = engines or self.engines
        started: dict[str, str] = {}
        try:
            for engine in engines:
                started[engine.name] = engine.output("run", "-d", *arguments)
            yield started
        finally:
            for engine in engines:
                if engine.name in started:
                    engine.remove(started[engine.name])


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
    place = ["--root", f"{home}/root", "--runroot", f"{home}/run"]
    place += ["--network-config-dir", f"{home}/networks"] if name == "podman" else []
    engine = Engine(name, [name, *place])
    if like:
        engine.special = like.special
        engine.command += like.special
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
            engine.command, engine.special = plain + special, special
            engine.run_options = options
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
    """Docker with a daemon of our own, if one can run; it builds with its first builder."""
    with contextlib.ExitStack() as stack:
        engine = None
        try:
            daemon = stack.enter_context(docker_daemon(bench.base / DOCKER))
            engine = docker_client(DOCKER, bench, daemon.command, daemon.host)
            engine.env["DOCKER_BUILDKIT"] = "0"
            engine.output("pull", "-q", bench.busybox)
            engine.output("run", "--rm", bench.busybox, "true")
            print("docker is", daemon.version)
        except (Unable, Failure) as e:
            print("without docker:", e)
            engine = None
            stack.close()
        yield engine


def docker_client(name: str, bench: Bench, command: list[str], host: str) -> Engine:
    engine = Engine(name, command, {"DOCKER_CONFIG": str(bench.base / "docker-config")})
    engine.daemon = host
    return engine


def buildkit(bench: Bench) -> Engine | None:
    """Docker's daemon with its second builder, the default since docker 23."""
    for docker in bench.engines:
        if docker.daemon:
            engine = docker_client(BUILDKIT, bench, docker.command, docker.daemon)
            engine.env["DOCKER_BUILDKIT"] = "1"
            try:
                engine.output("build", "-q", str(bench.base_context()))
            except Failure as e:
                print("without BuildKit:", e)
            else:
                return engine
    return None


@contextmanager
def everything(rounds: int) -> Iterator[Bench]:
    """The registry and the engines, on a disk and not in memory; gone afterwards."""
    base = Path(tempfile.mkdtemp(prefix="crunpy-", dir="/var/tmp"))
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
                other = podman(bench)
                bench.engines = [ours, *(engine for engine in (other, daemon) if engine)]
                missing = [] if other else ["podman"]
                missing += [] if shutil.which("bwrap") else ["bwrap"]
                if missing:
                    print("not measured, for it is not here or can't run:", ", ".join(missing))
                yield bench
    finally:
        for note in base.glob("r/libpod/tmp/pause.pid"):  # a plain user's podman leaves a process
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(int(note.read_text()), signal.SIGKILL)
        unmount_below(base)
        shutil.rmtree(base)


def unmount_below(base: Path) -> None:
    """Podman and buildah leave their stores mounted."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [line.split()[4] for line in mounts]
    for place in reversed([place for place in places if place.startswith(f"{base}/")]):
        subprocess.run(["umount", "--lazy", place], check=False)
