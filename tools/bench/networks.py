"""The rows of networks: starts on them, published ports, names.

As root, clients are in the host's network or come from outside: from a namespace of their own
behind a veth pair.  As a plain user, both engines use slirp4netns, with which podman 4 has two ways
of ports: slirp4netns's own, as ours, and rootlesskit's, its default; pasta it does not know.
"""

from __future__ import annotations

import functools
import json
import pwd
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engine import REACHABLE, USER
from engines import MB, OURS, Bench, Engine, Failure, timed

LIMIT, ONE_PORT, ROOTLESSKIT, PASTA = "limit", "with 1 port", "podman, rootlesskit", "crunpy, pasta"
LOCAL, ADDRESS, OUTSIDE = "127.0.0.1", "203.0.113.1", "203.0.113.2"
MANY = 1000
_FIRST = 18080
_SECONDS = "1"

Figures = dict[str, dict[str, float]]


# ---- starts ----


@contextmanager
def networks(engines: list[Engine], *names: str) -> Iterator[list[str]]:
    """The same networks in each engine, with names; gives the options to be on all of them."""
    made: list[tuple[Engine, str]] = []
    try:
        for engine in engines:
            for name in names:
                engine.output("network", "create", name)
                made.append((engine, name))
        yield [word for name in names for word in ("--network", name)]
    finally:
        for engine, name in made:
            engine.output("network", "rm", name)


def run_network(bench: Bench) -> dict[str, float]:
    """On a network whose containers find each other by name; another one is there already, so
    that nobody makes or removes the bridge, its rules and podman's aardvark-dns."""
    with networks(bench.engines, "bench") as on, bench.running(*on, bench.busybox, "sleep", "1000"):
        return _runs(bench, bench.engines, *on)


def run_network_alone(bench: Bench) -> dict[str, float]:
    """As the first container there and the last one."""
    with networks(bench.engines, "bench") as on:
        return _runs(bench, bench.engines, *on)


def run_bridge_beside(bench: Bench) -> dict[str, float]:
    """On the default network while another one is there."""
    with bench.running(bench.busybox, "sleep", "1000"):
        return _runs(bench, bench.engines)


def _runs(bench: Bench, engines: list[Engine], *options: str) -> dict[str, float]:
    words = ("run", "--rm", *options, bench.busybox, "true")
    return bench.median(lambda engine: engine.seconds(*words), engines=engines)


@functools.cache
def _networks_cost(bench: Bench) -> Figures:
    """Seconds that the first network with names costs, and each further one; another container is
    on all of them.  Docker's `run` takes one network alone."""
    engines = bench.daemonless
    with (
        networks(engines, "bench1", "bench2", "bench3") as on,
        bench.running(*on, bench.busybox, "sleep", "1000", engines=engines),
    ):

        def sample(engine: Engine) -> dict[str, float]:
            none, one, three = (
                engine.seconds("run", "--rm", *options, bench.busybox, "true")
                for options in (["--network", "none"], on[:2], on)
            )
            return {"first": one - none, "further": (three - one) / 2, "three": three}

        return bench.medians(sample, engines=engines)


def network_first(bench: Bench) -> dict[str, float]:
    return {**_networks_cost(bench)["first"], LIMIT: 0.010}


def network_further(bench: Bench) -> dict[str, float]:
    return {**_networks_cost(bench)["further"], LIMIT: 0.003}


def run_published(bench: Bench) -> dict[str, float]:
    return _runs(bench, bench.engines, "-p", "18080:80")


# ---- published ports ----


def throughput(bench: Bench) -> dict[str, float]:
    """MB/s of a 200 MB file, asked for several times, through a published port."""
    web = bench.base / "web"
    web.mkdir(exist_ok=True)
    size, times = 200 * MB, 4
    (web / "big").write_bytes(b"\0" * size)
    share = ("-v", f"{web}:/var/www/html:ro")

    with published(bench.engines, 80, *share, bench.nginx) as ports:

        def sample(engine: Engine) -> float:
            url = f"http://{LOCAL}:{ports[engine.name]}/big"
            return size * times / MB / timed(["curl", "-sSf", *["-o", "/dev/null", url] * times])

        return bench.median(sample)


@contextmanager
def published(
    engines: list[Engine], port: int, *arguments: str, udp: bool = False
) -> Iterator[dict[str, int]]:
    """A container in each engine with a server at `port`; gives the host's ports that lead there,
    when all servers are there."""
    with ExitStack() as stack:
        ports = {engine.name: _FIRST + i for i, engine in enumerate(engines)}
        for engine in engines:
            pair = f"{ports[engine.name]}:{port}"
            options = ["-p", pair, *(["-p", f"{pair}/udp"] if udp else [])]
            container = engine.output("run", "-d", *options, *arguments)
            stack.callback(engine.remove, container)
            wait_for(ports[engine.name], http=port == 80)
        yield ports


def wait_for(port: int, *, http: bool) -> None:
    """Until something answers, if only with 403."""
    for _ in range(200):
        try:
            if http:
                urllib.request.urlopen(f"http://{LOCAL}:{port}/", timeout=1).close()
            else:
                socket.create_connection((LOCAL, port), timeout=1).close()
                time.sleep(1)  # a forwarding program may have answered, and not the server
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise Failure(f"{LOCAL}:{port}: no answer")


@contextmanager
def outside() -> Iterator[list[str]]:
    """The words before a command that runs in a network of its own, for which the host is at
    ADDRESS."""
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as process:
        try:
            own = Path("/proc/self/ns/net").readlink()
            while Path(f"/proc/{process.pid}/ns/net").readlink() == own:
                time.sleep(0.01)
            enter = ["nsenter", f"--net=/proc/{process.pid}/ns/net"]
            for words in (
                f"ip link add outside type veth peer name uplink netns {process.pid}",
                f"ip address add {ADDRESS}/24 dev outside",
                "ip link set outside up",
            ):
                subprocess.run(words.split(), check=True)
            for words in (f"address add {OUTSIDE}/24 dev uplink", "link set uplink up"):
                subprocess.run([*enter, "ip", *words.split()], check=True)
            yield enter
        finally:
            process.kill()


def iperf_server(bench: Bench) -> list[str]:
    """Options, image and command of a container with the host's iperf3 in it."""
    kit = bench.base / "iperf3"
    program = shutil.which("iperf3")
    if not program:
        raise Failure("iperf3 is not installed")
    if not kit.exists():
        kit.mkdir()
        shutil.copy(program, kit / "iperf3")
        told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", told):
            shutil.copy(library, kit)
    loader = next(file.name for file in kit.iterdir() if file.name.startswith("ld-"))
    start = [f"/kit/{loader}", "--library-path", "/kit", "/kit/iperf3", "--server"]
    return ["-v", f"{kit}:/kit:ro", bench.busybox, *start]


def iperf(enter: list[str], host: str, port: int, *, udp: bool = False) -> float:
    """Gbit/s that the server in the container received."""
    command = [
        *enter,
        "iperf3",
        "--client",
        host,
        "--port",
        str(port),
        "--time",
        _SECONDS,
        "--json",
    ]
    command += ["--udp", "--bitrate", "0", "--length", "1400"] if udp else []
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True)
        told = json.loads(done.stdout or "{}")
        if done.returncode == 0:
            break
        time.sleep(0.5)
    else:
        raise Failure(f"iperf3 by {host}: {told.get('error')}")
    if udp:
        total = told["end"]["sum"]
        return float(total["bits_per_second"]) * (1 - total["lost_percent"] / 100) / 1e9
    return float(told["end"]["sum_received"]["bits_per_second"]) / 1e9


@functools.cache
def _iperf_root(bench: Bench) -> Figures:
    with (
        outside() as enter,
        published(bench.engines, 5201, *iperf_server(bench), udp=True) as ports,
    ):
        return bench.medians(
            lambda engine: {
                "local": iperf([], LOCAL, ports[engine.name]),
                "outside": iperf(enter, ADDRESS, ports[engine.name]),
                "udp": iperf(enter, ADDRESS, ports[engine.name], udp=True),
            }
        )


def iperf_local(bench: Bench) -> dict[str, float]:
    return _iperf_root(bench)["local"]


def iperf_outside(bench: Bench) -> dict[str, float]:
    return _iperf_root(bench)["outside"]


def iperf_udp(bench: Bench) -> dict[str, float]:
    return _iperf_root(bench)["udp"]


def wrk(port: int) -> dict[str, float]:
    """Of 16 connections that stay: requests a second, and the latency that half and 99 % of them
    keep to, in seconds."""
    url = f"http://{LOCAL}:{port}/"
    command = ["wrk", "-t1", "-c16", f"-d{_SECONDS}s", "--latency", url]
    done = subprocess.run(command, capture_output=True, text=True)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    latency = re.findall(r"(?:50|99)%\s+([\d.]+)(us|ms|s)\n", done.stdout)
    if done.returncode or not rate or len(latency) != 2 or "Non-2xx" in done.stdout:
        raise Failure(f"wrk of port {port}: {done.stdout[-300:]}{done.stderr[-300:]}")
    factors = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
    half, most = (float(number) * factors[unit] for number, unit in latency)
    return {"rate": float(rate[1]), "half": half, "most": most}


def connection(port: int, count: int = 300) -> float:
    """Seconds from connecting to the end of the answer, for each of new connections."""
    start = time.perf_counter()
    for _ in range(count):
        with socket.create_connection((LOCAL, port), timeout=10) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            got = 0
            while piece := sock.recv(65536):
                got += len(piece)
        if got < 500:
            raise Failure(f"port {port}: {got} bytes")
    return (time.perf_counter() - start) / count


@functools.cache
def _web(bench: Bench, rootless: bool) -> Figures:
    engines = rootless_engines(bench) if rootless else bench.engines
    with published(engines, 80, bench.nginx) as ports:
        return bench.medians(
            lambda engine: {**wrk(ports[engine.name]), "new": connection(ports[engine.name])},
            engines=engines,
        )


def web_rate(bench: Bench) -> dict[str, float]:
    return _web(bench, False)["rate"]


def web_half(bench: Bench) -> dict[str, float]:
    return _web(bench, False)["half"]


def web_most(bench: Bench) -> dict[str, float]:
    return _web(bench, False)["most"]


def web_new(bench: Bench) -> dict[str, float]:
    return _web(bench, False)["new"]


# ---- many ports ----


def _many() -> list[str]:
    """Options for ports of which no two are neighbours: an engine can't join them."""
    return [word for i in range(MANY) for word in ("-p", f"{20000 + 2 * i}:80")]


def run_range(bench: Bench) -> dict[str, float]:
    options = ("-p", f"20000-{20000 + MANY - 1}:20000-{20000 + MANY - 1}")
    command = ("run", "--rm", *options, bench.busybox, "true")
    return bench.median(
        lambda engine: engine.seconds(*command), max(bench.rounds // 3, 1), bench.daemonless
    )


@functools.cache
def _many_ports(bench: Bench) -> Figures:
    """What the start takes with many ports, and then a connection to the last one.

    Each once, for podman takes minutes; without it where few rounds were asked for.
    """
    found: Figures = {"run": {}, "new": {}}
    for engine in bench.daemonless if bench.rounds > 5 else bench.engines[:1]:
        engine.output("pull", "-q", bench.nginx)
        start = time.perf_counter()
        container = engine.output("run", "-d", *_many(), bench.nginx)
        found["run"][engine.name] = time.perf_counter() - start
        try:
            last = 20000 + 2 * (MANY - 1)
            wait_for(last, http=True)
            found["new"][engine.name] = min(connection(last, 100) for _ in range(5))
        finally:
            engine.remove(container)
    return found


def run_many(bench: Bench) -> dict[str, float]:
    return _many_ports(bench)["run"]


def many_new(bench: Bench) -> dict[str, float]:
    """Beside it, our own with one port."""
    with published(bench.engines[:1], 80, bench.nginx) as ports:
        one = min(connection(ports[OURS], 100) for _ in range(5))
    return {**_many_ports(bench)["new"], ONE_PORT: one}


def port_add(bench: Bench) -> dict[str, float]:
    """To a running container, which podman can't, with many ports and with one."""
    ours = bench.engines[0]
    both = [ours, Engine(ONE_PORT, ours.command)]
    with ExitStack() as stack:
        containers = {}
        for engine, ports in zip(both, (_many(), ["-p", "18080:80"]), strict=True):
            name = ours.output("run", "-d", *ports, bench.busybox, "sleep", "1000")
            stack.callback(ours.remove, name)
            containers[engine.name] = name

        def sample(engine: Engine) -> float:
            took = ours.seconds("port", "add", containers[engine.name], "19999:80")
            ours.output("port", "rm", containers[engine.name], "19999:80")
            return took

        return bench.median(sample, engines=both)


# ---- names ----


@functools.cache
def _names(bench: Bench, count: int) -> Figures:
    """dnsperf in a container, which asks its resolv.conf's server for all names of its network: of
    four other containers."""
    if not shutil.which("dnsperf"):
        raise Failure("dnsperf is not installed")
    names = [[f"n{i}-{j}" for j in range(count // 4)] for i in range(4)]
    if count < 4:
        names = [[f"n{i}-0"] for i in range(count)]
    queries = bench.base / f"queries{count}"
    queries.write_text("".join(f"{name} A\n" for each in names for name in each))
    with ExitStack() as stack:
        on = stack.enter_context(networks(bench.engines, "names"))
        for each in names:
            aliases = [word for name in each for word in ("--network-alias", name)]
            words = (*on, *aliases, bench.busybox, "sleep", "1000")
            asking = stack.enter_context(bench.running(*words))
        pids = {engine.name: engine.pid(asking[engine.name]) for engine in bench.engines}
        servers = {
            engine.name: engine.output("exec", asking[engine.name], "cat", "/etc/resolv.conf")
            for engine in bench.engines
        }

        def sample(engine: Engine) -> dict[str, float]:
            server = re.search(r"^nameserver (\S+)", servers[engine.name], re.MULTILINE)
            assert server
            command = ["nsenter", f"--net=/proc/{pids[engine.name]}/ns/net", "dnsperf", "-l"]
            command += [_SECONDS, "-s", server[1], "-d", str(queries)]
            rate = _dnsperf([*command, "-q", "100"], r"Queries per second:\s+([\d.]+)")
            one = _dnsperf([*command, "-q", "1"], r"Average Latency \(s\):\s+([\d.]+)")
            return {"rate": rate, "one": one}

        return bench.medians(sample)


def _dnsperf(command: list[str], figure: str) -> float:
    told = subprocess.run(command, capture_output=True, text=True).stdout
    found = re.search(figure, told)
    wrong = re.search(r"Response codes:\s+NOERROR \d+ \(100.00%\)\n", told) is None
    if not found or wrong:
        raise Failure(f"{' '.join(command)}: {told[-600:]}")
    return float(found[1])


def names_rate(count: int) -> Callable[[Bench], dict[str, float]]:
    return lambda bench: _names(bench, count)["rate"]


def names_one(count: int) -> Callable[[Bench], dict[str, float]]:
    return lambda bench: _names(bench, count)["one"]


# ---- as a plain user ----


@functools.cache
def _users(bench: Bench) -> list[Engine]:
    """crunpy and podman (if it is measured) as a plain user, with busybox and nginx."""
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        raise Failure(f"there is no user {USER}, whom the tests make") from None
    bench.base.chmod(0o755)
    home = bench.base / "user"
    home.mkdir(mode=0o700)
    run = bench.base / "r"  # the path of slirp4netns's socket below has but 107 bytes
    run.mkdir(mode=0o700)
    for path in (home, run):
        shutil.chown(path, user.pw_uid, user.pw_gid)
    become = ["setpriv", f"--reuid={USER}", f"--regid={user.pw_gid}", "--init-groups", "env", "-i",
              "-C", "/", f"HOME={home}", f"XDG_RUNTIME_DIR={run}",
              f"CONTAINERS_REGISTRIES_CONF={bench.base}/registries.conf",
              "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]  # fmt: skip
    words = {OURS: [f"{REACHABLE}/.venv/bin/python", "-IS", f"{REACHABLE}/.venv/bin/crunpy"]}
    for engine in bench.engines:
        if engine.name == "podman":
            words["podman"] = ["podman", *engine.special]
    made = [Engine(name, [*become, *command]) for name, command in words.items()]
    for engine in made:
        if engine.name == "podman":
            engine.run_options = ["--ulimit", "nofile=1000:1000"]
        for image in (bench.busybox, bench.nginx):
            engine.output("pull", "-q", image)
    return made


def rootless_engines(bench: Bench) -> list[Engine]:
    """With slirp4netns and its way of ports, and what there is besides."""
    ways = (
        (OURS, OURS, "slirp4netns"),
        ("podman", "podman", "slirp4netns:port_handler=slirp4netns"),
        ("podman", ROOTLESSKIT, "slirp4netns:port_handler=rootlesskit"),
        (OURS, PASTA, "pasta"),
    )
    users = {engine.name: engine for engine in _users(bench)}
    made = []
    for kind, name, network in ways:
        if kind in users:
            engine = Engine(name, users[kind].command)
            engine.run_options = [*users[kind].run_options, "--network", network]
            made.append(engine)
    return made


def rootless_iperf(bench: Bench) -> dict[str, float]:
    engines = rootless_engines(bench)
    with published(engines, 5201, *iperf_server(bench)) as ports:
        return bench.median(lambda engine: iperf([], LOCAL, ports[engine.name]), engines=engines)


def rootless_rate(bench: Bench) -> dict[str, float]:
    return _web(bench, True)["rate"]


def rootless_half(bench: Bench) -> dict[str, float]:
    return _web(bench, True)["half"]


def rootless_new(bench: Bench) -> dict[str, float]:
    return _web(bench, True)["new"]


def rootless_run(bench: Bench) -> dict[str, float]:
    """On a network with names that another one is on."""
    engines = _users(bench)
    with (
        networks(engines, "bench") as on,
        bench.running(*on, bench.busybox, "sleep", "1000", engines=engines),
    ):
        return _runs(bench, engines, *on)


def rootless_network_iperf(bench: Bench) -> dict[str, float]:
    """Through a port of a container on such a network."""
    engines = _users(bench)
    with (
        networks(engines, "bench") as on,
        published(engines, 5201, *on, *iperf_server(bench)) as ports,
    ):
        return bench.median(lambda engine: iperf([], LOCAL, ports[engine.name]), engines=engines)
