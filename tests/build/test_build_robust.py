"""A build that is stopped, killed, or that runs out of something leaves nothing, harms nothing."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from building import (
    build,
    built,
    context,
    failed,
    image_id,
    left,
    own,
    said,
    wipe,
    words,
    workspaces,
)
from engine import Engine, wait_for
from full_disk import fill, small_disk

ONE = """FROM busybox
RUN --mount=type=bind,target=/ctx,rw --mount=type=cache,target=/c sleep 1000
"""
SEVERAL = """FROM busybox AS a
RUN --mount=type=bind,target=/ctx sleep 1000
FROM busybox AS b
RUN --mount=type=cache,target=/c sleep 1000
FROM busybox AS c
RUN sleep 1000
FROM busybox
COPY --from=a /etc/passwd /a
COPY --from=b /etc/passwd /b
COPY --from=c /etc/passwd /c
"""
SHAPES = {"one": (ONE, 1), "several": (SEVERAL, 3)}
PRECIOUS = {"precious/file": "content", "precious/deep/er/file": "more"}


def sleepers(engine: Engine) -> list[str]:
    return [line for line in engine.processes() if line.endswith(" sleep 1000 ")]


def precious(where: Path) -> bool:
    """The user's own files are there."""
    names = [name for name in PRECIOUS if (where / name).exists()]
    return names == [*PRECIOUS] and all((where / n).read_text() == PRECIOUS[n] for n in names)


def begun(engine: Engine, shape: str, *options: object) -> tuple[Any, Path]:
    """A build at its RUNs, all of which sleep; and its context."""
    text, count = SHAPES[shape]
    where = context(engine, {"Dockerfile": text, **PRECIOUS})
    process = engine.popen(*words(where, "-j", "8", *options))
    wait_for(lambda: len(sleepers(engine)) == count)
    return process, where


def stages(process: Any) -> list[int]:
    """The processes of the stages of a build."""

    def below(pid: int) -> list[int]:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(word) for word in text.split()]

    def is_build(pid: int) -> bool:
        return b"\0build\0" in Path(f"/proc/{pid}/cmdline").read_bytes()

    return [pid for pid in below(process.pid) if is_build(pid)]


@pytest.fixture(autouse=True)
def _own_leftovers(request: pytest.FixtureRequest) -> Iterator[None]:
    """What one test finds left behind is not the next one's."""
    yield
    engine = request.node.funcargs.get("engine") or request.node.funcargs.get("root")
    if engine:
        wipe(engine)


# ---- stopped ----


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("shape", SHAPES)
def test_stopped_during_run(engine: Engine, shape: str, number: int) -> None:
    process, where = begun(engine, shape)
    started = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - started < 2
    assert process.returncode == 128 + number and b"Traceback" not in err
    assert left(engine) == [] and precious(where)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("times", [1, 4])
def test_ctrl_c_on_a_terminal(engine: Engine, shape: str, times: int) -> None:
    """Also when somebody has no patience."""
    text, count = SHAPES[shape]
    where = context(engine, {"Dockerfile": text, **PRECIOUS})
    terminal = engine.pty(*words(where, "-j", "8"))
    wait_for(lambda: len(sleepers(engine)) == count)
    started = time.monotonic()
    for _ in range(times):
        terminal.write("\x03")
        time.sleep(0.01)
    assert terminal.wait() == 130 and time.monotonic() - started < 2
    assert b"Traceback" not in terminal.seen and terminal.mode() == terminal.before
    assert left(engine) == [] and precious(where)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_many_files_are_copied(engine: Engine, number: int) -> None:
    """At whatever point of reading, copying and hashing."""
    where = context(engine, {"Dockerfile": "FROM busybox\nCOPY . /files/\n"})
    for directory in range(40):
        (where / f"d{directory}").mkdir()
        for file in range(100):
            (where / f"d{directory}/{file}").write_text(f"{directory} {file}")
    own(engine, where)
    for wait_s in (0.1, 0.3, 0.6):
        process = engine.popen(*words(where, "--no-cache"))
        time.sleep(wait_s)
        process.send_signal(number)
        started = time.monotonic()
        process.communicate(timeout=20)
        assert time.monotonic() - started < 8  # 2, but for a busy disk
        # on a busy machine it has not even begun after so short a time
        assert process.returncode in (0, 128 + number, -number)
        assert left(engine) == []
    assert engine.ok(*words(where, "-q"))


def test_an_output_that_nobody_reads(engine: Engine) -> None:
    """`crunpy build . | head -1`."""
    where = context(engine, {"Dockerfile": "FROM busybox\nRUN yes | head -c 5000000; sleep 1000\n"})
    process = engine.popen(*words(where))
    assert process.stdout.readline().startswith(b"Step 1/")
    process.stdout.close()
    assert process.wait(20) != 0
    assert left(engine) == []


# ---- killed ----


@pytest.mark.parametrize("shape", SHAPES)
def test_a_builder_that_is_killed(engine: Engine, shape: str) -> None:
    """The next command finishes what it left, and it can be built again."""
    process, where = begun(engine, shape)
    process.kill()
    process.wait()
    assert engine.run("ps", "-a").code == 0

    def finished() -> bool:
        """A part of it may take its time to die, on a busy machine."""
        return said(engine, "busybox", "echo", "fine") == "fine" and left(engine, 1) == []

    assert wait_for(finished) and precious(where)
    text = (where / "Dockerfile").read_text().replace("sleep 1000", "echo x > /etc/passwd")
    (where / "Dockerfile").write_text(text)
    assert build(engine, where).code == 0


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_stage_that_is_killed(engine: Engine, victim: int) -> None:
    """It fails the build, which says so, leaves nothing, and touches no file of the context."""
    process, where = begun(engine, "several")
    os.kill(stages(process)[victim], signal.SIGKILL)
    _, err = process.communicate(timeout=20)
    assert precious(where), "the files of the context are gone"
    assert process.returncode == 1 and b"killed" in err and b"Traceback" not in err
    assert left(engine) == []


def test_a_monitor_that_is_killed(engine: Engine) -> None:
    process, where = begun(engine, "one")
    monitors = [line for line in engine.processes() if "crunpy-monitor" in line]
    os.kill(int(monitors[0].split()[0]), signal.SIGKILL)
    process.communicate(timeout=8)
    assert process.returncode not in (0, -9)
    assert left(engine) == [] and precious(where)


# ---- something is missing or too large ----


@pytest.fixture
def small(fresh: Callable[[str], Engine], engine: Engine) -> Iterator[Engine]:
    """An engine whose store is on a tmpfs of 24 MB, with busybox."""
    made = fresh("user" if engine.rootless else "root")
    with small_disk(made, made.root):
        made.ok("pull", "-q", "busybox")
        yield made


FULL = {
    "RUN": "RUN dd if=/dev/zero of=/big bs=1M count=100",
    "COPY": "COPY big /big",
    "cache": "RUN --mount=type=cache,target=/c dd if=/dev/zero of=/c/big bs=1M count=100",
    "heredoc": "ENV A=1",
}


@pytest.mark.parametrize("what", FULL)
def test_a_full_disk(small: Engine, what: str) -> None:
    """It is told, and given back: what can be built on so little still can."""
    where = context(small, {"Dockerfile": f"FROM busybox\n{FULL[what]}\n"}, name=what)
    if what == "COPY":
        (where / "big").write_bytes(os.urandom(1 << 20) * 60)
        own(small, where)
    filler = fill(small.root) if what == "heredoc" else None
    done = build(small, where)
    assert done.code == 1, done
    assert "no space left" in done.err.lower() + done.out.lower()
    if filler:
        filler.unlink()
    assert workspaces(small) == []
    if what == "cache":
        small.ok("builder", "prune", "-f")
    text = "FROM busybox\nRUN head -c 1000000 /dev/urandom > /x\n"
    assert build(small, context(small, {"Dockerfile": text}), "-t", "little").code == 0
    assert said(small, "little", "sh", "-c", "wc -c < /x") == "1000000"


def test_processes_in_the_background(engine: Engine) -> None:
    """What RUN leaves running ends with it, and does not hold it up."""
    text = "FROM busybox\nRUN sleep 1000 & (trap '' HUP TERM; sleep 1000) & echo done > /f\n"
    started = time.monotonic()
    built(engine, text, "--no-cache", "-t", "background")
    assert time.monotonic() - started < 5
    assert left(engine) == [] and said(engine, "background", "cat", "/f") == "done"


def test_much_output(root: Engine) -> None:
    """200 MB pass through, in little memory, and none is kept."""
    where = context(
        root, {"Dockerfile": "FROM busybox\nRUN yes 0123456789abcde | head -c 200000000\n"}
    )
    process = root.popen(*words(where))
    size, most_kb = 0, 0
    while data := process.stdout.read(1 << 20):
        size += len(data)
        if size % (20 << 20) < 1 << 20:
            status = Path(f"/proc/{process.pid}/status").read_text()
            most_kb = max(most_kb, int(status.partition("VmRSS:")[2].split()[0]))
    assert process.wait(20) == 0 and size > 200_000_000
    assert most_kb < 80_000


def test_much_output_of_a_quiet_build(root: Engine) -> None:
    """What is kept for a failure has a limit; its end is shown."""
    text = (
        "FROM busybox\nRUN yes 0123456789abcde | head -c 150000000; echo end; sleep 0.3; exit 3\n"
    )
    process = root.popen(*words(context(root, {"Dockerfile": text}), "-q"))
    most_kb = 0
    while process.poll() is None and not select.select([process.stderr], [], [], 0.02)[0]:
        found = Path(f"/proc/{process.pid}/status").read_text().partition("VmHWM:")[2].split()
        most_kb = int(found[0]) if found else most_kb
    _, err = process.communicate()
    assert process.returncode == 3 and b"\nend\n" in err
    assert most_kb < 120_000 and len(err) < 50_000_000


def test_many_steps(engine: Engine) -> None:
    steps = [f"RUN echo {n} >> /log" if n % 4 == 1 else f"COPY f{n % 2} /f{n}" for n in range(120)]
    text = "\n".join(["FROM busybox", *steps])
    built(engine, {"Dockerfile": text, "f0": "0", "f1": "1"}, "-t", "many", timeout=100)
    found = said(engine, "many", "sh", "-c", "wc -l < /log; ls / | grep -c '^f[0-9]'; cat /f119")
    assert found.split("\n") == ["30", "90", "1"]


# ---- several stages ----


def _fan(command: str) -> str:
    """Ten stages, and one that needs them all."""
    heads = [f"FROM busybox AS s{n}\nRUN {command.replace('%', str(n))}" for n in range(10)]
    return "\n".join([*heads, "FROM busybox", *(f"COPY --from=s{n} /o /o{n}" for n in range(10))])


def test_stages_at_once(engine: Engine) -> None:
    started = time.monotonic()
    built(engine, _fan("sleep 1; echo % > /o"), "--no-cache", "-j", "10", "-t", "fan")
    assert time.monotonic() - started < 9  # 10 s and more one after the other
    assert said(engine, "fan", "sh", "-c", "cat /o*").split() == [*"0123456789"]


def test_a_stage_that_fails_stops_the_others(engine: Engine) -> None:
    started = time.monotonic()
    command = "if [ % = 4 ]; then exit 9; fi; sleep 1000"
    error = failed(engine, _fan(command), "-j", "10", code=9)
    assert time.monotonic() - started < 5 and ">>>" in error and "exit status 9" in error
    assert left(engine) == []


def test_the_result_does_not_depend_on_the_number_of_jobs(engine: Engine) -> None:
    text = _fan("echo % > /o")
    ids = set()
    for jobs in (1, 10):
        built(engine, text, "--no-cache", "--timestamp", "0", "-j", str(jobs), "-t", "jobs")
        ids.add(image_id(engine, "jobs"))
    assert len(ids) == 1
