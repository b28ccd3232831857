"""Much at once, for long, and of everything: R2, R3, R9, and a thousand containers."""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import engines
from endurance import create_and_remove, peak_kib, start_and_stop
from engine import Engine
from flood import MAX_FILE, MAX_SIZE, SLACK, flood
from stage import NONE, Found, Stage, told

# ---- R2 ----

AT_ONCE = 50


def _wall(spans: list[float], wall: float) -> str:
    ordered = sorted(spans)
    return (f"{wall:.1f} s (p50 {ordered[len(ordered) // 2]:.1f}, "
            f"p99 {ordered[int(len(ordered) * 0.99)]:.1f})")  # fmt: skip


def parallel_runs(stage: Stage) -> Found:
    rounds = stage.times(3)
    faults: list[str] = []
    ours: dict[str, list[str]] = {}
    with stage.engine() as engine:
        for _ in range(rounds):
            for network in ("none", "bridge"):
                ours.setdefault(network, []).append(_ours_at_once(engine, network, faults))
                left = engine.left()
                faults += [f"left behind: {left}"] if left else []

    def theirs(podman: engines.Engine) -> str:
        return "; ".join(f"{n}: {_theirs_at_once(podman, n)}" for n in ("none", "bridge"))

    shown = "; ".join(f"{network}: {', '.join(walls)}" for network, walls in ours.items())
    done = f"{rounds} times {AT_ONCE} at once, network none and bridge"
    return Found(done, f"{shown}; {len(faults)} failures", faults, stage.beside(theirs))


def _ours_at_once(engine: Engine, network: str, faults: list[str]) -> str:
    def one(n: int) -> float:
        began = time.monotonic()
        done = engine.run("run", "--rm", "--network", network, "busybox", "sh", "-c",
                          f"echo {n}; exit {n}", timeout=120)  # fmt: skip
        if (done.code, done.out, done.err) != (n, f"{n}\n", ""):
            faults.append(f"run {n}: {done}")
        return time.monotonic() - began

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        spans = list(pool.map(one, range(AT_ONCE)))
    return _wall(spans, time.monotonic() - began)


def _theirs_at_once(podman: engines.Engine, network: str) -> str:
    failed = 0

    def one(n: int) -> float:
        nonlocal failed
        began = time.monotonic()
        code, out = told(podman, "run", "--rm", "--network", network, "busybox", "echo", str(n))
        failed += code != 0 or str(n) not in out
        return time.monotonic() - began

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        spans = list(pool.map(one, range(AT_ONCE)))
    return f"{_wall(spans, time.monotonic() - began)}, {failed} failures"


# ---- R3 ----


def cycles(stage: Stage) -> Found:
    rounds = stage.times(200)
    near = max(rounds // 10, 1)
    faults: list[str] = []
    with stage.engine() as engine:
        found = start_and_stop(engine, rounds)
        engine.ok("rm", "-v", "web")
        engine.ok("volume", "rm", "data")
        create_and_remove(engine, rounds)
        left = engine.left() + [str(path) for path in engine.volumes()]
    faults += [f"left behind: {left}"] if left else []
    if len(set(found.descriptors)) > 1 or len(set(found.files[1:])) > 1:
        faults.append(f"descriptors {set(found.descriptors)}, files {set(found.files)}")
    drift = found.drift(near)
    faults += [f"drift {drift:.2f}"] if drift > 1.1 else []
    median = statistics.median(found.spans) * 1e3
    figures = (
        f"{median:.0f} ms each, last {near} {drift:.2f} times the first {near}; monitor: "
        f"{found.descriptors[-1]} descriptors, {max(found.memory)} KiB; 0 left"
    )
    done = f"{rounds} start/stop with a port and a volume, {rounds} create/rm"
    return Found(done, figures, faults, stage.beside(lambda other: _podman_cycles(stage, other)))


def _podman_cycles(stage: Stage, podman: engines.Engine) -> str:
    rounds = stage.times(20, 20)
    podman.output("create", "--name", "web", "-p", "127.0.0.1:18080:80", "-v", "data:/data",
                  "busybox", "sleep", "1000")  # fmt: skip
    spans = []
    for _ in range(rounds):
        spans.append(podman.seconds("start", "web") + podman.seconds("stop", "-t", "0", "web"))
    podman.output("rm", "-v", "web")
    told(podman, "volume", "rm", "-a", "-f")
    return f"{rounds}: {statistics.median(spans) * 1e3:.0f} ms each"


# ---- R9 ----

FLOODS = {
    "2 GB": "head -c 2000000000 /dev/zero",
    "10^6 lines": "seq 1000000",
    "a line of 64 MB": "head -c 64000000 /dev/zero | tr '\\0' x; echo",
    "no newline at the end": "printf %s last",
}


def floods(stage: Stage) -> Found:
    rounds = stage.times(2)
    faults: list[str] = []
    took: dict[str, float] = {}
    disk = memory = 0
    with stage.engine() as engine:
        for _ in range(rounds):
            for name, script in FLOODS.items():
                try:
                    found = flood(engine, script, 120)
                except AssertionError as e:
                    faults.append(f"{name}: {e}")
                    engine.ok("rm", "-f", "-a")
                    continue
                took[name] = found.took_s
                disk, memory = max(disk, found.disk), max(memory, found.memory_kib)
                engine.ok("kill", found.container)
                engine.ok("wait", found.container)  # a line without an end is kept until then
                out = engine.run("logs", found.container).out
                engine.ok("rm", found.container)
                faults += [f"{name}: {fault}" for fault in [_log_fault(name, out)] if fault]
    if disk > MAX_FILE * (MAX_SIZE + SLACK):
        faults.append(f"{disk} bytes of log")
    faults += [f"{memory} KiB"] if memory > 50 << 10 else []
    figures = (
        f"2 GB in {took.get('2 GB', 0):.1f} s, 10^6 lines in {took.get('10^6 lines', 0):.1f} s; "
        f"the streams took {memory} KiB at most, the log {disk / 1e6:.1f} MB (cap 12.6), its lines "
        "in order"
    )
    done = f"{rounds} times ({', '.join(FLOODS)}), a client stopped"
    return Found(done, figures, faults, stage.beside(_podman_flood))


def _log_fault(name: str, out: str) -> str:
    """What is wrong with what is kept of a flood, "" for nothing."""
    if name == "10^6 lines":
        numbers = list(map(int, out.split()))
        return "" if numbers == list(range(numbers[0], 1000001)) else "lines are lost"
    if name == "a line of 64 MB":
        return "" if re.fullmatch("x+\n", out) else "the line is not whole"
    if name == "no newline at the end":
        return "" if out == "1\nlast" else f"{out!r}"
    return "" if set(out) <= {"\0", "1", "\n"} else "other bytes"


def _podman_flood(podman: engines.Engine) -> str:
    """Of lines alone: its log has no cap unless one is asked for."""
    began = time.monotonic()
    container = podman.output("run", "-d", *NONE, "busybox", "seq", "1000000")
    podman.output("wait", container)
    took = time.monotonic() - began
    log = podman.output("inspect", "--format", "{{.HostConfig.LogConfig.Path}}", container)
    size = Path(log).stat().st_size
    return f"10^6 lines in {took:.1f} s, a log of {size / 1e6:.0f} MB, no cap by default"


# ---- many ----


def thousand(stage: Stage) -> Found:
    count = stage.times(1000)
    faults: list[str] = []
    with stage.engine() as engine:
        before = _available_kib()
        began = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            started = list(pool.map(lambda n: engine.run("run", "-d", *NONE, "--name", f"c{n}",
                                    "busybox", "sleep", "100000"), range(count)))  # fmt: skip
        start_s = time.monotonic() - began
        faults += [f"run: {done.err}" for done in started if done.code][:3]
        each_kib = (before - _available_kib()) / count
        peaks = [peak_kib(engine.pids(done.out.strip())[0]) for done in started if not done.code]
        spans = []
        for _ in range(5):
            began = time.monotonic()
            listed = engine.ps()
            spans.append(time.monotonic() - began)
        faults += [f"ps shows {len(listed)}"] if len(listed) != count else []
        exec_s = _took(engine, "exec", f"c{count // 2}", "true")
        stop_s = _took(engine, "stop", "-t", "0", "--all")
        rest = engine.ps()
        faults += [f"{len(rest)} still run"] if rest else []
        rm_s = _took(engine, "rm", "--all")
        left = engine.left()
        faults += [f"left behind: {left[:3]}"] if left else []
    figures = (
        f"started in {start_s:.0f} s; ps {statistics.median(spans) * 1e3:.0f} ms, exec "
        f"{exec_s * 1e3:.0f} ms, stop --all {stop_s:.1f} s, rm --all {rm_s:.1f} s; beside each "
        f"{each_kib:.0f} KiB of the machine, its monitor {max(peaks)} KiB at most; "
        f"{len(left)} left"
    )
    return Found(f"{count} containers at once, network none", figures, faults)


def _took(engine: Engine, *words: str) -> float:
    began = time.monotonic()
    engine.ok(*words, timeout=600)
    return time.monotonic() - began


def _available_kib() -> int:
    """What the machine could still give, with what the kernel would drop."""
    subprocess.run(["sync"], check=True)
    found = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
    assert found
    return int(found[1])
