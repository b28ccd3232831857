"""A full disk, a bad registry, damaged files, a boot, a clock that jumps: R5 to R7, R8a, R11."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import engines
from engine import CHECKOUT, Engine
from full_disk import fill, small_disk
from scripted import Request, Rule, Server, answer, cut, layered, once, serving, slowly
from stage import NONE, SLEEP, Found, Stage, tally, told
from victims import reboot, status_of

sys.path.insert(0, str(CHECKOUT / "tools/fuzz"))

NO_SPACE = "no space left"


def sound(done: object, what: str) -> None:
    """That a command, whether it succeeded or not, was not surprised."""
    text = str(done)
    assert "Traceback" not in text and "internal error" not in text, f"{what}: {text[-400:]}"


# ---- R5 ----

INJECTED = ("pull", "create", "run", "commit", "build")


def full_disk(stage: Stage) -> Found:
    rounds = stage.times(5)
    points = stage.times(6)
    faults: list[str] = []
    with stage.engine(empty=True) as engine, small_disk(engine, engine.root):
        filled = tally(faults, rounds, lambda n: _filled(engine))
    injected = 0
    with stage.engine() as engine:
        for verb in INJECTED:
            for call in ("write", "fsync"):
                for k in range(1, points + 1):
                    injected += 1
                    try:
                        _injected(engine, verb, call, k)
                    except AssertionError as e:
                        faults.append(f"{verb}, {call} {k}: {e}")
    figures = (
        f"ps, images, logs, exec, stop, rm, rmi, prune worked {filled}/{rounds}; run, pull told "
        f"`{NO_SPACE}`; nothing to repair afterwards"
    )
    done = f"{rounds} times a store filled; {injected} times ENOSPC of a write or fsync"
    return Found(done, figures, faults, stage.beside(lambda other: _podman_full(stage, other)))


def _filled(engine: Engine) -> str:
    engine.ok("pull", "-q", "busybox")
    engine.ok("run", "--name", "ended", *NONE, "busybox", "echo", "text")
    engine.detached("--name", "runs", *SLEEP)
    fill(engine.root)
    assert engine.ok("logs", "ended") == "text" and "busybox" in engine.ok("images")
    assert engine.ok("exec", "runs", "echo", "x") == "x"
    for words in (("run", "--rm", *NONE, "busybox", "true"), ("pull", "-q", "nginx")):
        assert NO_SPACE in engine.fails(*words).lower(), words
    engine.ok("stop", "-t", "0", "runs")
    assert engine.ps("-a") == ["ended", "runs"]
    fill(engine.root)
    engine.ok("rm", "-f", "runs", "ended")
    fill(engine.root)
    engine.ok("rmi", "busybox")
    engine.ok("system", "prune", "-f")
    (engine.root / "filler").unlink()
    told = engine.run("system", "check")
    return "" if told.code == 0 else f"system check: {told.out}"


def _injected(engine: Engine, verb: str, call: str, k: int) -> None:
    """The k-th such call of a command that is about a file of the store gets ENOSPC."""
    words: dict[str, tuple[str, ...]] = {
        "pull": ("pull", "-q", "busybox"), "create": ("create", "--name", "c", *NONE, *SLEEP),
        "run": ("run", "--rm", *NONE, "busybox", "true"),
        "commit": ("commit", "-q", "c", "made"),
        "build": ("build", "-q", "--network", "none", "-t", "made", "-"),
    }  # fmt: skip
    input = "FROM busybox\nRUN echo x > /x\n" if verb == "build" else None
    engine.ok("rm", "-f", "c")
    if verb == "pull":
        engine.ok("rmi", "-f", "busybox")
    if verb == "commit":
        engine.ok("create", "--name", "c", *NONE, *SLEEP)
    trace = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}",
             "-e", f"inject={call}:error=ENOSPC:when={k}"]  # fmt: skip
    done = engine.run(*words[verb], wrap=trace, input=input)
    sound(done, verb)
    engine.run("rm", "-f", "c")
    if verb == "commit":
        engine.ok("create", "--name", "c", *NONE, *SLEEP)
    engine.ok(*words[verb], input=input)
    engine.ok("rm", "-f", "c")
    engine.run("rmi", "-f", "made")
    engine.ok("builder", "prune", "-a", "-f")
    told = engine.run("system", "check", "--repair")
    assert told.code == 0, told.out


def _podman_full(stage: Stage, podman: engines.Engine) -> str:
    home = Path(podman.command[podman.command.index("--root") + 1])
    told(podman, "rm", "-fa")
    subprocess.run(["umount", "-l", home / "overlay"], capture_output=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "small", home], check=True)
    podman.output("pull", "-q", stage.busybox)
    container = podman.output("run", "-d", *NONE, stage.busybox, "sleep", "1000")
    ended = podman.output("create", *NONE, stage.busybox, "true")
    fill(home)
    worked = []
    for words in (("ps",), ("images",), ("stop", "-t", "0", container), ("rm", "-f", container),
                  ("rm", "-f", ended), ("rmi", "-f", stage.busybox)):  # fmt: skip
        worked.append(f"{words[0]} {told(podman, *words)[0]}")
    (home / "filler").unlink()
    told(podman, "rm", "-fa")
    return "exit codes on a full disk: " + ", ".join(worked)


# ---- R6 ----

Cases = dict[str, tuple[tuple[str, Rule], bool, str]]


def cases(server: Server, layer: str) -> Cases:
    """What a registry does wrong: to which path, whether a pull can still succeed, and else a part
    of the cause that is told."""
    blob = server.image.blobs[layer]
    manifests, config = "/manifests/", "sha256:" + server.image.id

    def elsewhere(request: Request, count: int) -> bool:
        return answer(307, location="http://localhost:" + server.host.rpartition(":")[2]
                      + "/elsewhere/" + layer)(request, count)  # fmt: skip

    return {
        "dropped after n bytes, 3 times": ((layer, cut(len(blob) // 4, 3)), True, ""),
        "429 with Retry-After": ((manifests, once(429, {"retry-after": "1"})), True, ""),
        "500 once": ((config, once(500)), True, ""),
        "503 once": ((layer, once(503)), True, ""),
        "a drip of 40 KB/s": ((layer, slowly(4000, 0.1)), True, ""),
        "redirected to another host": (("/v2/a/blobs/" + layer, elsewhere), True, ""),
        "500 always": ((manifests, answer(500)), False, "status 500"),
        "truncated": ((layer, answer(200, blob[:1000])), False, "1000 of"),
        "wrong digest": ((layer, answer(200, blob[:-1] + b"x")), False, "digest"),
        "HTML": ((manifests, answer(200, b"<html>", content_type="text/html")), False, "JSON"),
        "401 always": ((layer, answer(401)), False, "authentication"),
    }


def bad_registries(stage: Stage) -> Found:
    rounds = stage.times(20)
    faults: list[str] = []
    image = layered(50_000, 7, count=2)
    layer = image.value["layers"][0]["digest"]  # type: ignore[index]
    succeeded = possible = refused = leaked = again = 0
    slowest = 0.0
    with serving(image) as server, stage.engine() as engine:
        name = f"{server.host}/a:1"
        auth = engine.home / "auth.json"
        auth.write_text(json.dumps({"auths": {server.host: {"auth": "dXNlcjpzZWNyZXQ="}}}))
        if engine.user:
            shutil.chown(auth, engine.user)
        for case, (rule, can, cause) in cases(server, layer).items():
            server.rules[:] = [rule]
            for n in range(rounds):
                server.seen.clear()
                began = time.monotonic()
                done = engine.run("pull", "-q", "--authfile", auth, "--retry", "5",
                                  "--retry-delay", "1ms", name)  # fmt: skip
                slowest = max(slowest, time.monotonic() - began)
                sound(done, case)
                if can:
                    possible += 1
                    succeeded += done.code == 0
                else:
                    refused += done.code == 125 and cause in done.err
                    if done.code != 125 or cause not in done.err:
                        faults.append(f"{case}: {done}")
                if can and done.code:
                    faults.append(f"{case}: {done.err}")
                asked = sum(layer in path for path, _ in server.seen)
                again = max(again, asked)
                leaked += any("Authorization" in headers and "/elsewhere/" in path
                              for path, headers in server.seen)  # fmt: skip
                engine.run("rmi", "-f", name)
                engine.ok("system", "prune", "-a", "-f") if n == 0 else None
                engine.ok("pull", "-q", "busybox") if n == 0 else None
        if any(line for line in engine.run("system", "check").out.splitlines()
               if not line.startswith("leftover ")):  # fmt: skip
            faults.append("a bad blob is stored")
    faults += ["credentials leaked"] if leaked else []
    figures = (
        f"{succeeded}/{possible} recovered (a layer asked for {again} times at most), {refused} "
        f"refused with the cause, slowest {slowest:.1f} s, 0 bad blobs, {leaked} headers leaked"
    )
    count = len(cases(server, layer))
    podman = stage.beside(lambda other: _podman_pulls(stage, other))
    return Found(f"{rounds} times {count} faults of a registry", figures, faults, podman)


def _podman_pulls(stage: Stage, podman: engines.Engine) -> str:
    """Each fault once: did it do what can be done?"""
    image = layered(50_000, 7, count=2)
    layer = image.value["layers"][0]["digest"]  # type: ignore[index]
    wrong = []
    with serving(image) as server:
        found = cases(server, layer)
        for case, (rule, can, _) in found.items():
            server.rules[:] = [rule]
            server.seen.clear()
            name = f"{server.host}/a:1"
            code, _ = told(podman, "pull", "-q", "--tls-verify=false", name, timeout_s=60)
            wrong += [case] if (code == 0) != can else []
            told(podman, "rmi", "-f", name)
    return f"once each: {len(wrong)} of {len(found)} pulls failed needlessly" + (
        f" ({', '.join(wrong)})" if wrong else ""
    )


# ---- R7 ----

DAMAGES: dict[str, Callable[[bytes, Stage], bytes | None]] = {
    "truncated": lambda data, stage: data[: len(data) // 2],
    "empty": lambda data, stage: b"",
    "zeros": lambda data, stage: bytes(len(data)),
    "a bit flipped": lambda data, stage: _flipped(data, stage.chance.randrange(len(data) * 8)),
    "of an old version": lambda data, stage: data.replace(b'"version":', b'"version":-', 1),
    "another's": lambda data, stage: data,
    "missing": lambda data, stage: None,
}


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def damaged_files(stage: Stage) -> Found:
    from inputs import feed
    from targets import exchange, state

    rounds = stage.times(2)
    documents = stage.times(500)
    faults: list[str] = []
    for target in (state, exchange):
        try:
            feed(target, documents)
        except Exception as e:  # whatever a reader raised is the fault that is told
            faults.append(f"{target.__name__}: {e!r}")
    count = 0
    with stage.engine() as engine:
        engine.ok("volume", "create", "v")
        engine.ok("network", "create", "n")
        engine.ok("run", "--name", "bad", *NONE, "busybox", "true")
        engine.ok("create", "--name", "good", *NONE, "busybox", "echo", "good")
        engine.ok("tag", "busybox", "other")
        bad = engine.inspect("bad")["Id"]
        files = [path for path in sorted(engine.root.rglob("*.json")) if _is_state(path, bad)]
        files += sorted((engine.root / "images/blobs/sha256").iterdir())
        for _ in range(rounds):
            for file in files:
                for damage, change in DAMAGES.items():
                    count += 1
                    try:
                        _damaged(stage, engine, file, damage, change)
                    except AssertionError as e:
                        faults.append(f"{file.relative_to(engine.root)} {damage}: {e}")
    done = f"{documents * 2} documents to the readers; {count} times a file of a store damaged"
    figures = f"{count - len(faults)}/{count} without a trace, others usable, check told or mended"
    return Found(done, figures, faults, stage.beside(_podman_damaged))


def _is_state(path: Path, bad: str) -> bool:
    """Whether it is a document of ours (not of a layer's content) and not the good container's."""
    inside = "/diff/" in str(path) or path.name.startswith(".")
    return not inside and ("/containers/" not in str(path) or bad in str(path))


def _damaged(
    stage: Stage, engine: Engine, file: Path, damage: str, change: Callable[..., bytes | None]
) -> None:
    kept, owner = file.read_bytes(), file.stat()
    data = change(kept, stage)
    file.unlink()
    if data is not None:
        file.write_bytes(data)
        file.chmod(0o600)
        os.chown(file, *((12345, 12345) if damage == "another's" else (owner.st_uid, owner.st_gid)))
    try:
        for words in (("ps", "-a"), ("images",), ("volume", "ls"), ("network", "ls"),
                      ("inspect", "bad"), ("start", "bad"), ("system", "check"),
                      ("system", "df")):  # fmt: skip
            sound(engine.run(*words), " ".join(words))
        assert "good" in engine.run("ps", "-a").out, "one container hides the others"
        if "/images/" not in str(file):
            assert engine.ok("start", "-a", "good") == "good"
    finally:
        file.unlink(missing_ok=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(kept)
        file.chmod(owner.st_mode & 0o7777)
        os.chown(file, owner.st_uid, owner.st_gid)


def _podman_damaged(podman: engines.Engine) -> str:
    """Its image's manifest is lost."""
    home = Path(podman.command[podman.command.index("--root") + 1])
    for manifest in home.glob("overlay-images/*/manifest"):
        manifest.unlink()
    for manifest in home.glob("overlay-images/*/=*"):
        manifest.unlink()
    code, _ = told(podman, "images")
    shutil.rmtree(home / "overlay-images")
    return f"images with a manifest lost: exit {code}"


# ---- R8a ----


def reboots(stage: Stage) -> Found:
    rounds = stage.times(20)
    faults: list[str] = []
    with stage.engine() as engine:
        well = tally(faults, rounds, lambda n: _rebooted(stage, engine))
    figures = f"{well}/{rounds}: all Exited or Created, policies honoured, none lost"
    done = f"{rounds} times a boot while 3 of 5 containers ran, then system resume"
    return Found(done, figures, faults)


def _rebooted(stage: Stage, engine: Engine) -> str:
    for name, policy in (("a", "always"), ("u", "unless-stopped"), ("n", "no")):
        engine.detached("--name", name, "--restart", policy, *SLEEP)
    engine.ok("create", "--name", "made", *NONE, *SLEEP)
    engine.run("run", "--name", "done", *NONE, "busybox", "sh", "-c", "exit 3")
    reboot(engine)
    for name in ("a", "u", "n"):
        assert status_of(engine, name).startswith("exited Exited ("), name
    assert status_of(engine, "made").startswith("created")
    assert status_of(engine, "done").startswith("exited Exited (3)")
    resumed = engine.ok("system", "resume").split()
    assert resumed == ["a", "u"], resumed
    told = engine.run("system", "check")
    engine.ok("rm", "-f", "-t", "0", "-a")
    left = engine.left()
    assert not left, left
    return told.out if told.code else ""


# ---- R11 ----

YEAR = 365 * 86400


def clock_jumps(stage: Stage) -> Found:
    rounds = stage.times(5)
    faults: list[str] = []
    with stage.engine() as engine:
        well = tally(faults, rounds * 2, lambda n: _jumped(engine, YEAR if n % 2 else -YEAR))
    done = f"{rounds} times a year ahead and back between two commands"
    return Found(done, f"{well}/{rounds * 2}: states, stop timeouts, events, prune right", faults)


def at(offset_s: int) -> list[str]:
    """What runs a command with another time of day; its monotonic clock is the kernel's."""
    return ["env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", "-f", f"{offset_s:+d}s"]


def _jumped(engine: Engine, offset: int) -> str:
    """Containers that were made before the jump, and in the other time; watched and stopped."""
    wrap = at(offset)
    engine.detached("--name", "now", "--health-cmd", "true", "--health-interval", "1s", *SLEEP)
    engine.ok("run", "-d", "--name", "then", *NONE, *SLEEP, wrap=wrap)
    for words in (("ps", "-a"), ("images",), ("inspect", "now", "then"), ("stats", "--no-stream"),
                  ("top", "now"), ("system", "df"), ("logs", "--since", "1h", "now"),
                  ("exec", "then", "true")):  # fmt: skip
        for clock in ([], wrap):
            done = engine.run(*words, wrap=clock)
            sound(done, " ".join(words))
            assert done.code == 0, f"{words}: {done.err}"
    for clock in ([], wrap):
        listed = engine.ok("ps", "--format", "{{.Names}} {{.State}}", wrap=clock).splitlines()
        assert sorted(listed) == ["now running", "then running"], listed
    began = time.monotonic()
    engine.ok("stop", "-t", "1", "now", wrap=wrap)
    assert time.monotonic() - began < 4, "stop goes by the time of day"
    assert engine.state("now")["ExitCode"] == 137
    engine.ok("start", "now")
    assert status_of(engine, "now").startswith("running")
    engine.ok("rm", "-f", "-t", "0", "-a")
    left = engine.left()
    assert not left, left
    told = engine.run("system", "check")
    return told.out if told.code else ""
