"""Calls from threads: answers, errors, streams, cancellation, and what a worker leaves."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import wait_for
from working import alive, gone, kill, nothing_left, program, toy_worker

from crun_py.build.request import BuildEvent
from crun_py.errors import CommandError, CrunpyError, InvalidArgument, NotFound
from crun_py.worker.channel import Worker
from crun_py.worker.spawn import Link
from crun_py.worker.values import Descriptor


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker with toy calls, of which nothing may be left."""
    with nothing_left():
        made = toy_worker()
        parent = made.call("containers.parent")
        yield made
        made.close()
        assert not alive(parent)  # type: ignore[arg-type]


def fails(worker: Worker, *args: object) -> CrunpyError:
    with pytest.raises(CrunpyError) as caught:
        worker.call(*args)  # type: ignore[arg-type]
    return caught.value


def test_values_there_and_back(worker: Worker) -> None:
    event = BuildEvent(kind="step", data=b"\xff")
    assert worker.call("containers.echo", 1, [b"x", event], a={1: None}) == (
        (1, (b"x", event)), {"a": {1: None}},
    )  # fmt: skip
    assert worker.call("containers.store") == ("/tmp/toy-root", "/tmp/toy-run")


def test_a_hundred_megabytes(worker: Worker) -> None:
    data = os.urandom(1 << 20) * 100
    began = time.perf_counter()
    assert worker.call("containers.echo", data) == (data,)
    print(f"100 MiB there and back: {time.perf_counter() - began:.3f} s")


def test_time_of_an_empty_call(worker: Worker) -> None:
    times = []
    for _ in range(200):
        began = time.perf_counter()
        worker.call("containers.nothing")
        times.append(1000 * (time.perf_counter() - began))
    print(f"an empty call: {statistics.median(times):.2f} ms (median of 200)")
    assert statistics.median(times) < 100


def test_typed_errors(worker: Worker) -> None:
    error = fails(worker, "containers.missing")
    assert type(error) is NotFound
    assert (error.message, error.hint, error.errno) == ("container x: no such container", "look", 2)
    command = fails(worker, "containers.command")
    assert type(command) is CommandError and command.exit_code == 127
    assert fails(worker, "containers.bug").message.startswith("internal error: KeyError")
    assert "/nowhere/at/all: no such file" in fails(worker, "containers.os_error").message


@pytest.mark.parametrize(
    "name", ["containers.none", "containers.Context", "nowhere.x", "x", "",
                                  "os.system", "containers.__name__", "_x.y", "containers.os.fork"]
)  # fmt: skip
def test_only_listed_functions_are_called(worker: Worker, name: str) -> None:
    assert isinstance(fails(worker, name), InvalidArgument)


def test_what_cannot_be_sent(worker: Worker) -> None:
    assert isinstance(fails(worker, "containers.echo", {1, 2}), InvalidArgument)
    assert "sending a set" in fails(worker, "containers.strange").message
    assert "no stream" in fails(worker, "containers.count", 3).message
    with pytest.raises(CrunpyError, match="no stream"):
        next(worker.stream("containers.nothing"))


def test_a_child_that_crashes(worker: Worker) -> None:
    assert "exited with status 3" in fails(worker, "containers.exits", 3).message
    assert "ended without an answer" in fails(worker, "containers.exits", 0).message
    for number in (signal.SIGKILL, signal.SIGSEGV):
        error = fails(worker, "containers.killed", int(number))
        assert f"was killed by {number.name}" in error.message
    assert worker.call("containers.forks") == 7


def test_killed_in_the_midst_of_a_message(worker: Worker) -> None:
    with worker.stream("containers.half") as stream:
        time.sleep(0.6)
        with pytest.raises(CrunpyError, match="cut off"):
            next(stream)


def test_descriptors(worker: Worker) -> None:
    heard, told = os.pipe()
    os.write(told, b"hello")
    assert worker.call("containers.read", Descriptor(heard)) == b"hello"
    back, inheritable, _ = worker.call("containers.pass_back", Descriptor(told))  # type: ignore[misc]
    assert not inheritable and not os.get_inheritable(back.fd)
    os.close(told)
    os.write(back.fd, b"again")
    assert os.read(heard, 9) == b"again"
    back.close()
    assert os.read(heard, 9) == b""
    os.close(heard)


def test_streams_events_and_warnings() -> None:
    warned: list[str] = []
    events: list[object] = []
    with toy_worker(on_warning=warned.append) as worker:
        assert list(worker.stream("containers.count", 2000)) == list(range(2000))
        worker.call("containers.warns", "careful")
        assert worker.call("containers.events", 3, on_event=events.append) == 3
        assert worker.call("containers.events", 3) == 3
    assert warned == ["careful"]
    assert events == [{"step": 0}, {"step": 1}, {"step": 2}]


def test_a_listener_that_raises_ends_the_call(worker: Worker) -> None:
    pids: list[int] = []

    def refuse(event: object) -> None:
        pids.append(event)  # type: ignore[arg-type]
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        worker.call("containers.sleep", 60, on_event=refuse)
    gone(pids[0])


def test_a_stream_closed_early_is_unwound(worker: Worker, tmp_path: Path) -> None:
    stream = worker.stream("containers.forever", str(tmp_path / "note"))
    pid = next(stream)
    stream.close()
    gone(pid)  # type: ignore[arg-type]
    assert (tmp_path / "note").read_text() == "unwound"
    assert list(stream) == []
    for step in worker.stream("containers.forever", str(tmp_path / "again")):
        pid = step
        break
    del step
    gc.collect()
    gone(pid)  # type: ignore[arg-type]
    stream = worker.stream("containers.floods")
    next(stream)
    time.sleep(0.1)  # it waits for a reader


def test_a_hundred_threads(worker: Worker) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for n in range(20):
            try:
                if worker.call("containers.echo", number, n) != (number, n):
                    wrong.append((number, n))
            except CrunpyError as e:
                wrong.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_hundred_threads_start_one_worker() -> None:
    with nothing_left(), toy_worker() as worker:
        parents: list[object] = []
        threads = [
            threading.Thread(target=lambda: parents.append(worker.call("containers.parent")))
            for _ in range(100)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(parents) == 100 and len(set(parents)) == 1


def test_a_killed_worker_is_told_and_replaced(worker: Worker) -> None:
    first = worker.call("containers.parent")
    pids: list[int] = []
    failed: list[CrunpyError] = []

    def wait() -> None:
        try:
            worker.call("containers.sleep", 60, on_event=pids.append)  # type: ignore[arg-type]
        except CrunpyError as e:
            failed.append(e)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_for(lambda: pids)
    kill(first)  # type: ignore[arg-type]
    thread.join(5)
    assert "the worker" in failed[0].message and "killed" in failed[0].message
    gone(pids[0])
    assert worker.call("containers.parent") != first


def test_a_worker_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with nothing_left():
        with Worker(package="toy", preload=("toy.nowhere",)) as broken:
            for _ in range(2):
                with pytest.raises(CrunpyError, match="No module named") as caught:
                    broken.call("containers.nothing")
                assert "the worker ended" in caught.value.message
        for python, said in (
            ("/bin/false", "killed"),
            ("/nowhere", "no such file"),
            ("", "not know"),
        ):
            monkeypatch.setattr("sys.executable", python)
            with pytest.raises(CrunpyError, match=said), toy_worker() as worker:
                worker.call("containers.nothing")
        del caught


def test_a_worker_that_has_ended_before_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried some times; why it ended is told then, too."""
    ask = Link.request

    def late(link: Link, *, wait: bool) -> socket.socket:
        poller = select.poll()
        poller.register(link.pidfd, select.POLLIN)
        assert poller.poll(30_000)
        return ask(link, wait=wait)

    monkeypatch.setattr(Link, "request", late)
    monkeypatch.setattr("sys.executable", "/bin/false")
    said = "starting the worker: it ends again and again: it was killed"
    with pytest.raises(CrunpyError, match=said), toy_worker() as worker:
        worker.call("containers.nothing")


def test_closed_is_closed() -> None:
    worker = toy_worker()
    worker.close()
    worker.close()
    with pytest.raises(CrunpyError, match="closed"):
        worker.call("containers.nothing")


def test_close_interrupts_what_is_at_work(tmp_path: Path) -> None:
    worker = toy_worker()
    pids: list[int] = []
    failed: list[CrunpyError] = []

    def wait() -> None:
        try:
            worker.call("containers.unwinds", str(tmp_path / "note"), on_event=pids.append)  # type: ignore[arg-type]
        except CrunpyError as e:
            failed.append(e)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_for(lambda: pids)
    worker.close()
    assert not alive(pids[0])
    assert (tmp_path / "note").read_text() == "unwound"
    thread.join(5)
    assert failed[0].message == "interrupted"


def test_a_child_that_does_not_listen_is_killed() -> None:
    worker = toy_worker()
    pids: list[int] = []

    def wait() -> None:
        with pytest.raises(CrunpyError):
            worker.call("containers.deaf", on_event=pids.append)  # type: ignore[arg-type]

    thread = threading.Thread(target=wait)
    thread.start()
    wait_for(lambda: pids)
    began = time.monotonic()
    worker.close()
    assert 9 < time.monotonic() - began < 13
    assert not alive(pids[0])
    thread.join(5)


def test_a_forgotten_worker_ends() -> None:
    with nothing_left():
        worker = toy_worker()
        parent = worker.call("containers.parent")
        del worker
        gc.collect()
        gone(parent)  # type: ignore[arg-type]


def test_ctrl_c_interrupts_the_call_there(tmp_path: Path) -> None:
    out = program(f"""
        pids = []
        def told(pid):
            pids.append(pid)
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            call("containers.unwinds", {str(tmp_path / "note")!r}, on_event=told)
        except KeyboardInterrupt:
            print("interrupted")
        while os.path.exists(f"/proc/{{pids[0]}}"):
            time.sleep(0.01)
        print(pathlib.Path({str(tmp_path / "note")!r}).read_text(), call("containers.echo", 1))
    """)
    assert out.splitlines() == ["interrupted", "unwound (1,)"]


@pytest.mark.parametrize("how", ["sys.exit()", "worker.close()", "del worker, call", "os._exit(0)"])
def test_the_end_of_a_program(how: str) -> None:
    pid = int(program(f"print(call('containers.parent'), flush=True)\n{how}"))
    gone(pid)


def test_a_program_that_becomes_another() -> None:
    process = program(
        """
        print(call("containers.parent"), flush=True)
        os.execv("/bin/sleep", ["sleep", "30"])
        """,
        wait=False,
    )
    gone(int(process.stdout.readline()))
    assert process.poll() is None
    process.kill()
    process.communicate()
