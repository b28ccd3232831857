"""The API: docker's command line and docker-py with our service, beside the same with dockerd."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from containers import MB, _pss_kib, through
from engines import BASE, OURS, Bench, Engine, Failure, docker_client

LIMIT = "limit"


@contextmanager
def services(bench: Bench) -> Iterator[list[Engine]]:
    """docker's command with our service, and with dockerd where that runs."""
    ours = bench.engines[0]
    peers = [engine for engine in bench.engines if engine.daemon]
    path = bench.base / bench.fresh("socket")
    process = subprocess.Popen(
        ours.words("system", "service", f"unix://{path}"), env=ours.env,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr
    try:
        if not process.stderr.readline().startswith(b"API listen"):
            raise Failure("the service does not come up")
        program = peers[0].command[0] if peers else "docker"
        client = docker_client(OURS, bench, [program, "--host", f"unix://{path}"], f"unix://{path}")
        client.env["DOCKER_BUILDKIT"] = "0"
        client.run_options = []
        yield [client, *peers]
    finally:
        process.terminate()
        process.stderr.close()
        process.wait()


def _by_commands(bench: Bench, *arguments: str) -> dict[str, float]:
    with services(bench) as engines:
        return bench.median(lambda engine: engine.seconds(*arguments), engines=engines)


def ps(bench: Bench) -> dict[str, float]:
    return _by_commands(bench, "ps")


def run(bench: Bench) -> dict[str, float]:
    return _by_commands(bench, "run", "--rm", "--network", "none", bench.busybox, "true")


def build_cached(bench: Bench) -> dict[str, float]:
    """The sample that is not counted fills the cache."""
    context = bench.context(f"FROM {BASE}\nENV A=1\nRUN echo 1 > /one\nCOPY file /file\n")
    with services(bench) as engines:
        for engine in engines:
            engine.output("build", "-q", "-t", BASE, str(bench.base_context()))
        words = ("build", "-q", "--network", "none", "-t", "bench", str(context))
        return bench.median(lambda engine: engine.seconds(*words), engines=engines)


def stdout(bench: Bench) -> dict[str, float]:
    """100 MB through an attached stream."""
    size = 100 * MB
    with services(bench) as engines:
        return through(bench, size, engines, bench.busybox, "head", "-c", str(size), "/dev/zero")


def _libraries(engines: list[Engine]) -> dict[str, Any]:
    try:
        import docker as library
    except ImportError as e:
        raise Failure("pip install docker") from e
    return {one.name: library.DockerClient(base_url=one.daemon, timeout=120) for one in engines}


def _by_library(bench: Bench, work: Callable[[Any], object]) -> dict[str, float]:
    with services(bench) as engines:
        clients = _libraries(engines)

        def sample(engine: Engine) -> float:
            start = time.perf_counter()
            work(clients[engine.name])
            return time.perf_counter() - start

        return bench.median(sample, engines=engines)


def library_run(bench: Bench) -> dict[str, float]:
    return _by_library(bench, lambda client: client.containers.run(
        bench.busybox, ["true"], network_mode="none", remove=True
    ))  # fmt: skip


def list_of_1000(bench: Bench) -> dict[str, float]:
    """One request for a list of 1,000."""
    with services(bench) as engines:
        client = _libraries(engines[:1])[OURS]
        made = [
            client.api.create_container(
                bench.busybox, ["true"],
                host_config=client.api.create_host_config(network_mode="none"),
            )["Id"]
            for _ in range(1000)
        ]  # fmt: skip
        time.sleep(3)  # what was changed just now is read anew

        def sample(_: Engine) -> float:
            start = time.perf_counter()
            found = client.api.containers(all=True)
            took = time.perf_counter() - start
            if len(found) < 1000:
                raise Failure(f"{len(found)} containers of 1000")
            return took

        taken = bench.median(sample, engines=engines[:1])
        for container in made:
            client.api.remove_container(container)
        return {**taken, LIMIT: 0.100}


def idle(bench: Bench) -> dict[str, float]:
    """MB of the service and of its worker, after its first requests."""
    with services(bench) as engines:
        engines[0].output("ps")
        (service,) = [pid for pid, words in _commands() if engines[0].daemon.encode() in words]
        children = Path(f"/proc/{service}/task/{service}/children").read_text().split()
        return {OURS: sum(map(_pss_kib, [service, *map(int, children)])) / 1024, LIMIT: 25}


def _commands() -> Iterator[tuple[int, bytes]]:
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it may have ended
            yield int(place.parent.name), place.read_bytes()
