"""SIGKILL at random and at every moment, and pids that are given again: R1, R4, R10 and R12."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import engines
from crash_points import HIT, hits
from engine import Engine, wait_for
from images import ARCHITECTURE, busybox_tar
from oci_images import TestImage, entry, tar
from pid_machine import strangers_live
from scripted import Server, noise, serving
from stage import NONE, Found, Stage, podman_pids, tally, told
from victims import alive, kill, status_of

LAYER_BYTES = 30_000_000


def damage(engine: Engine) -> str:
    """What `system check` tells, but for what the next command sweeps away."""
    lines = engine.run("system", "check").out.splitlines()
    return "; ".join(line for line in lines if not line.startswith("leftover "))


# ---- R1 ----


def killed_pulls(stage: Stage) -> Found:
    faults: list[str] = []
    rounds = stage.times(100)
    layers = [tar(entry(f"f{n}", noise(LAYER_BYTES, n))) for n in range(3)]
    image = TestImage(busybox_tar(), *layers, architecture=ARCHITECTURE)
    with serving(image) as server:
        with stage.engine(empty=True) as engine:
            figures = _killed_by_us(stage, engine, server, image, rounds, faults)
        podman = stage.beside(lambda other: _podman_pulls(stage, other, server))
    return Found(f"{rounds} SIGKILLs of pull, 90 MB in 3 layers", figures, faults, podman)


def _killed_by_us(
    stage: Stage, engine: Engine, server: Server, image: TestImage, rounds: int, faults: list[str]
) -> str:
    name = f"{server.host}/big:1"
    began = time.monotonic()
    engine.ok("pull", "-q", name)
    took = time.monotonic() - began
    engine.ok("rmi", "-f", name)
    engine.ok("system", "prune", "-a", "-f")
    hit = fetched_again = 0

    def once(n: int) -> str:
        nonlocal hit, fetched_again
        blobs = engine.root / "images/blobs/sha256"
        whole = {path.name for path in blobs.iterdir()} if blobs.exists() else set()
        server.seen.clear()
        process = engine.popen("pull", "-q", name)
        time.sleep(stage.chance.uniform(0.05, took))
        ended = process.poll() is not None
        process.kill()
        process.communicate()
        engine.started.remove(process)
        hit += not ended
        asked = {path.rpartition(":")[2] for path, _ in server.seen if "/blobs/" in path}
        fetched_again += len(asked & whole)
        listed = engine.run("images")
        fault = damage(engine) or ("" if listed.code == 0 else f"images: {listed.err}")
        if ended or n % 10 == 9:
            engine.ok("rmi", "-f", name) if ended else None
            engine.ok("system", "prune", "-a", "-f")
        return fault

    well = tally(faults, rounds, once)
    engine.ok("pull", "-q", name)
    if engine.ok("run", "--rm", *NONE, name, "echo", "whole") != "whole":
        faults.append("the image does not run")
    engine.ok("rmi", "-f", name)
    engine.ok("system", "prune", "-a", "-f")
    left = sum(p.stat().st_size for d in ("images/blobs", "images/.staging", "layers")
               for p in (engine.root / d).rglob("*") if p.is_file())  # fmt: skip
    faults += [f"{left} bytes left"] if left else []
    faults += [f"{fetched_again} whole layers fetched again"] if fetched_again else []
    return (f"{hit} hit in mid-pull, {well}/{rounds} stores whole, {fetched_again} layers fetched "
            f"again, {left} bytes left")  # fmt: skip


def _podman_pulls(stage: Stage, podman: engines.Engine, server: Server) -> str:
    rounds = stage.times(20, 20)
    name = f"{server.host}/big:1"
    pull = ("pull", "-q", "--tls-verify=false", name)
    took = podman.seconds(*pull)
    podman.output("rmi", "-f", name)
    failed = 0
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for _ in range(rounds):
        process = subprocess.Popen(podman.words(*pull), env=podman.env, **quiet)
        time.sleep(stage.chance.uniform(0.05, took))
        process.kill()
        process.wait()
        failed += told(podman, "images")[0] != 0
        told(podman, "rmi", "-f", name)
    left = [p for p in Path(podman.env["TMPDIR"]).rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in left) / 1e6
    return f"{rounds} kills: {failed} failed commands, {size:.0f} MB left in TMPDIR"


# ---- R4 ----

VICTIMS = ("monitor", "streams", "first process", "both", "attach", "exec", "stop")
TALKS = ("busybox", "sh", "-c", "echo on; sleep 1000")


def killed_processes(stage: Stage) -> Found:
    rounds = stage.times(50)
    faults: list[str] = []
    longest = 0.0
    order = [victim for victim in VICTIMS for _ in range(rounds)]
    stage.chance.shuffle(order)
    with stage.engine() as engine:

        def once(n: int) -> str:
            nonlocal longest
            longest = max(longest, _killed(engine, order[n]))
            return ""

        well = tally(faults, len(order), once)
    figures = f"{well}/{len(order)} well, the truth told within {longest:.2f} s"
    return Found(
        f"SIGKILL of {', '.join(VICTIMS)}, {rounds} times each; then rm -f",
        figures, faults, stage.beside(lambda other: _podman_kills(stage, other)),
    )  # fmt: skip


def _killed(engine: Engine, victim: str) -> float:
    """Kill, ask, remove; the seconds until `ps` told the truth."""
    container_id = engine.detached("--name", "c", *TALKS)
    engine.logs_until("c", "on")
    monitor, init = engine.pids(container_id)
    if victim in ("attach", "exec", "stop"):
        words = {"attach": ("attach", "--no-stdin", "c"), "exec": ("exec", "c", "sleep", "100"),
                 "stop": ("stop", "-t", "5", "c")}[victim]  # fmt: skip
        process = engine.popen(*words)
        time.sleep(0.12)
        process.kill()
        process.communicate()
        engine.started.remove(process)
    else:
        pids = {
            "monitor": (monitor,),
            "streams": (engine.streams(container_id),),
            "first process": (init,),
            "both": (monitor, init),
        }
        kill(*pids[victim])
    began = time.monotonic()
    wait_for(lambda: status_of(engine, "c").startswith("running") == alive(init))
    took = time.monotonic() - began
    assert took < 1, f"{victim}: {took:.1f} s until ps was right"
    status = status_of(engine, "c")
    assert victim != "first process" or "(137)" in status, f"{victim}: {status}"
    assert engine.ok("logs", "c") == "on", f"{victim}: the log is lost"
    removed = engine.run("rm", "-f", "-t", "0", "c")
    assert (removed.code, removed.err) == (0, ""), f"{victim}: {removed}"
    left = engine.left()
    assert not left, f"{victim}: left behind: {left}"
    return took


def _podman_kills(stage: Stage, podman: engines.Engine) -> str:
    """conmon and the first process of a container, as above."""
    rounds = stage.times(10, 10)
    wrong = failed = 0
    for _ in range(rounds):
        container = podman.output("run", "-d", *NONE, "busybox", "sleep", "1000")
        kill(*podman_pids(podman, container))
        time.sleep(1)
        wrong += "Up" in told(podman, "ps", "-a", "--format", "{{.Status}}")[1]
        failed += told(podman, "rm", "-f", "-t", "0", container)[0] != 0
        told(podman, "rm", "-f", "-t", "0", container)
    return f"{rounds} times both: {wrong} shown as Up after 1 s, {failed} first rm -f failed"


# ---- R10 ----


def crash_points(stage: Stage) -> Found:
    """At most so many points of each command; rounds 0 takes what fits the time."""
    most = stage.times(15)
    faults: list[str] = []
    points = calls = 0
    with stage.engine() as engine:
        for (role, number), kinds in HIT.items():
            for kind in kinds:
                first = stage.chance.randrange(1, 12)
                hit = None
                for hit in hits(engine, role, number, kind, first, 1, most):
                    points += 1
                    if hit.fault:
                        faults.append(hit.fault)
                        engine.wipe()
                calls += hit.calls if hit else 0
    kinds = sum(map(len, HIT.values()))
    done = f"SIGKILL or SIGINT before {points} of {calls} changing calls of {kinds} kinds"
    return Found(done, f"{points - len(faults)}/{points} points without damage", faults,
                 "not asked: threads, its calls have no order")  # fmt: skip


# ---- R12 ----


def reused_pids(stage: Stage) -> Found:
    rounds = stage.times(10)
    faults: list[str] = []
    given = 0
    with stage.engine() as engine:

        def once(n: int) -> str:
            nonlocal given
            given += strangers_live(engine, *(NONE if n % 2 else ()))
            return ""

        tally(faults, rounds, once)
    done = f"{rounds} times 3 containers killed, {given} pids given to strangers, 9 commands each"
    return Found(done, f"{0 if not faults else 'some'} strangers signalled", faults)
