"""Programs of every kind that use the library: nothing of theirs changes, nothing is left."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from engine import Engine
from programs import Programs

pytestmark = pytest.mark.timeout(240)


def test_a_hundred_threads(programs: Programs) -> None:
    said = programs.text(
        """
import concurrent.futures, gc, os, threading
import crun_py

engine = crun_py.Engine()
engine.containers.list()
before = len(os.listdir("/proc/self/fd"))
gate = threading.Barrier(100)

def work(number):
    gate.wait()
    return engine.containers.run("busybox", ["echo", str(number)], network="none")

with concurrent.futures.ThreadPoolExecutor(100) as pool:
    got = [*pool.map(work, range(100))]
assert got == [b"%d\\n" % number for number in range(100)], got
gc.collect()
assert len(os.listdir("/proc/self/fd")) == before
assert threading.active_count() == 1
assert engine.containers.list(all=True) == []
engine.close()
assert len(os.listdir("/proc/self/fd")) == before - 2, "control socket and pidfd"
print("done")
""",
        timeout=230,
    )
    assert said == "done"


def test_thirty_tasks_of_which_some_are_cancelled(programs: Programs) -> None:
    said = programs.text(
        """
import asyncio, os
import crun_py
from crun_py import aio

async def main():
    async with aio.Engine() as engine:
        await engine.containers.list()
        before = len(os.listdir("/proc/self/fd"))
        run = engine.containers.run
        short = [asyncio.create_task(run("busybox", ["echo", str(i)], network="none"))
                 for i in range(15)]
        long = [asyncio.create_task(run("busybox", ["sleep", "1000"], network="none"))
                for i in range(8)]
        made = [asyncio.create_task(run("busybox", ["sleep", "1000"], network="none", detach=True))
                for i in range(7)]
        for i, task in enumerate(made):
            await asyncio.sleep(0.03 * i)  # in whatever they do
            task.cancel()
        assert await asyncio.gather(*short) == [b"%d\\n" % i for i in range(15)]
        for task in long:
            task.cancel()
        await asyncio.gather(*long, *made, return_exceptions=True)
        assert all(task.cancelled() for task in long)
        for task in made:
            if not task.cancelled():
                await task.result().remove(force=True)
        for _ in range(1000):
            left = await engine.containers.list(all=True)
            if not left:
                break
            await asyncio.sleep(0.02)
        assert not left, left
        assert len(os.listdir("/proc/self/fd")) == before
        try:
            async with asyncio.timeout(0.5):
                await run("busybox", ["sleep", "1000"], network="none")
        except TimeoutError:
            print("timeout")

asyncio.run(main(), debug=False)
""",
        timeout=230,
    )
    assert said == "timeout"


def test_cancelled_commands_end(programs: Programs) -> None:
    """Also those that are cancelled while they are being started."""
    said = programs.text(
        """
import asyncio, time
from crun_py import aio

async def main():
    async with aio.Engine() as engine:
        async with await engine.containers.run(
            "busybox", ["sleep", "1000"], network="none", detach=True, stop_timeout=0
        ) as box:
            async def runs():
                return any("999" in row[0] for row in (await box.top(["args"])).processes)

            begun = time.monotonic()
            task = asyncio.create_task(box.exec(["sleep", "999"]))
            while not await runs():
                await asyncio.sleep(0.02)
            took = time.monotonic() - begun
            for part in [10, *range(10)]:
                if part < 10:
                    task = asyncio.create_task(box.exec(["sleep", "999"]))
                    await asyncio.sleep(took * part / 10)
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled()
                deadline = time.monotonic() + 5
                while await runs():
                    assert time.monotonic() < deadline, f"it runs on, cancelled at {part}/10"
                    await asyncio.sleep(0.02)
            print("gone", box.name == (await engine.containers.get(box.id)).name)

asyncio.run(main())
"""
    )
    assert said == "gone True"


def test_closed_standard_streams(programs: Programs) -> None:
    """Descriptors 0 to 2 are free: nothing of ours may get there, and nobody writes there."""
    program = """
import os, sys
import crun_py
engine = crun_py.Engine()
out = engine.containers.run("busybox", ["sh", "-c", "cat; echo x; echo y >&2"], network="none")
with engine.containers.run("busybox", ["cat"], detach=True, stdin_open=True, network="none",
                           stop_timeout=0) as box:
    with box.attach() as io:
        assert min(io.stdin.fileno(), io.stdout.fileno(), io.stderr.fileno()) > 2
        io.stdin.write(b"typed\\n")
        assert io.stdout.readline() == b"typed\\n"
    text = box.logs()
for fd in (0, 1, 2):
    try:
        os.fstat(fd)
    except OSError:
        continue
    os._exit(9)
engine.close()
os._exit(0 if (out, text) == (b"x\\n", b"typed\\n") else 8)
"""
    done = programs.run("-c", "import os\nos.closerange(0, 3)\n" + program, check=False)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_nothing_of_the_caller_changes(programs: Programs) -> None:
    said = programs.text(
        """
import os, signal, sys, threading, locale
import crun_py

def state():
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    handlers = [signal.getsignal(n) for n in range(1, 32)]
    return (os.getcwd(), os.umask(0o022), os.environ.copy(), sys.path[:], mask, handlers,
            os.getuid(), os.geteuid(), os.getgroups(), threading.active_count(),
            os.readlink("/proc/self/ns/user"), os.readlink("/proc/self/ns/mnt"),
            open("/proc/self/comm").read(), open("/proc/self/oom_score_adj").read(),
            sys.excepthook, sys.getrecursionlimit(), locale.setlocale(locale.LC_ALL))

os.umask(0o022)
before = state()
with crun_py.Engine() as engine:
    engine.containers.run("busybox", ["true"], network="none")
    with engine.containers.run("busybox", ["sleep", "9"], network="none", detach=True) as box:
        box.exec(["true"])
    assert state() == before
assert state() == before
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no children")
"""
    )
    assert said == "no children"


def test_a_fork_of_the_caller(programs: Programs) -> None:
    said = programs.text(
        """
import multiprocessing, os, warnings
import crun_py

engine = crun_py.Engine()
engine.containers.list()

def work(number):
    return engine.containers.run("busybox", ["echo", str(number)], network="none")

pid = os.fork()
if not pid:
    os._exit(0 if work(1) == b"1\\n" else 1)
assert os.waitpid(pid, 0)[1] == 0
with multiprocessing.get_context("fork").Pool(3) as pool:
    assert pool.map(work, range(6)) == [b"%d\\n" % i for i in range(6)]
assert work(7) == b"7\\n"
print("done")
"""
    )
    assert said == "done"


def test_warnings(root: Engine) -> None:
    said = Programs(root).text(
        """
import warnings
import crun_py

trap = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
told = []
quiet = crun_py.Engine(on_warning=told.append)
with quiet.containers.run("busybox", trap, detach=True, network="none") as box:
    box.stop(1)
assert len(told) == 1 and "SIGKILL" in told[0], told
engine = crun_py.Engine()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    with engine.containers.run("busybox", trap, detach=True, network="none") as box:
        box.stop(1)
(one,) = caught
assert one.category is crun_py.CrunpyWarning and "SIGKILL" in str(one.message)
print(one.filename)
"""
    )
    assert said == "<stdin>", "a warning is of the line that called"


def test_the_engine_of_run(programs: Programs) -> None:
    said = programs.text(
        """
import asyncio
import crun_py
from crun_py import aio
print(crun_py.run("busybox", ["echo", "hi"], network="none", input=None, wait_timeout=50,
                  check=True, on_event=print, on_output=None).decode(), end="")
with crun_py.run("busybox", ["sleep", "100"], detach=True, network="none", stop_timeout=0) as box:
    print(box.running)
print(asyncio.run(aio.run("busybox", ["cat"], input=b"x", network="none")))
async def main():
    async with await aio.run("busybox", ["sleep", "100"], detach=True, network="none") as box:
        print(box.state)
asyncio.run(main())
crun_py.run("busybox", ["sh", "-c", "echo out; echo err >&2"], network="none",
            on_output=lambda stream, data: print(stream, data))
"""
    )
    assert said.splitlines() == [
        "hi", "True", "b'x'", "running", "stdout b'out\\n'", "stderr b'err\\n'",
    ]  # fmt: skip


def test_the_program_is_killed(programs: Programs) -> None:
    """What it waited for ends with it; what it detached goes on."""
    done = programs.run(
        "-c",
        """
import os, signal, threading, time
import crun_py
engine = crun_py.Engine()
kept = engine.containers.run("busybox", ["sleep", "1000"], detach=True, network="none", name="kept")
run = lambda: engine.containers.run("busybox", ["sleep", "1000"], network="none", name="ends")
threading.Thread(target=run, daemon=True).start()
while not engine.containers.exists("ends") or not engine.containers.get("ends").running:
    time.sleep(0.02)
os.kill(os.getpid(), signal.SIGKILL)
""",
        check=False,
    )
    assert done.code in (-9, 137), done.err
    said = programs.text(
        """
import time
import crun_py
engine = crun_py.Engine()
for _ in range(1000):
    if not engine.containers.exists("ends"):
        break
    time.sleep(0.02)
names = [box.name for box in engine.containers.list(all=True)]
engine.containers.get("kept").remove(force=True)
print(names)
"""
    )
    assert said == "['kept']"


def test_interrupted_by_the_keyboard(programs: Programs) -> None:
    said = programs.text(
        """
import os, signal, threading, time
import crun_py
engine = crun_py.Engine()
engine.containers.list()
threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    engine.containers.run("busybox", ["sleep", "1000"], network="none")
except KeyboardInterrupt:
    print("interrupted")
for _ in range(1000):
    if not engine.containers.list(all=True):
        break
    time.sleep(0.02)
print(engine.containers.list(all=True))
"""
    )
    assert said.splitlines() == ["interrupted", "[]"]


def test_importing_costs_little(root: Engine) -> None:
    def loaded(program: str) -> set[str]:
        return {*Programs(root).text(f"import sys; {program}; print(*sys.modules)").split()}

    assert len(loaded("import crun_py") - loaded("pass")) == 1
    heavy = {"asyncio", "httpx", "typer", "rich", "pyroute2", "crun_py.engine.run"}
    assert not heavy & loaded("from crun_py import Engine")


def test_the_doctor_tells_of_a_store_of_others(programs: Programs, base: Path) -> None:
    """Which every other call refuses."""
    store = tempfile.mkdtemp(dir=base)
    os.chown(store, 4711, 4711)
    said = programs.text(
        f"""
import crun_py

with crun_py.Engine(root={store!r}) as engine:
    (found,) = [one for one in engine.doctor() if one.name == "store"]
    print(found.status, "belongs to another user" in found.message, found.outside)
    try:
        engine.images.list()
    except crun_py.CrunpyError as e:
        print("belongs to another user" in str(e))
"""
    )
    assert said.split() == ["error", "True", "False", "True"]
