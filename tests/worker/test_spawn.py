"""Programs that use a worker: nothing of them changes, and nothing of theirs is in it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from working import alive, gone, program


def test_standard_streams_that_are_closed(tmp_path: Path) -> None:
    said = tmp_path / "said"
    program(
        f"""
        from crun_py.worker.values import Descriptor
        for fd in (0, 1, 2):
            os.close(fd)
        call("containers.echo", 1)
        found = {{fd: os.path.exists(f"/proc/self/fd/{{fd}}") for fd in (0, 1, 2)}}
        world = call("containers.world")
        file = Descriptor(os.open({str(said)!r}, os.O_WRONLY | os.O_CREAT))
        back, _, _ = call("containers.pass_back", file)
        streams = {{k: v for k, v in world["fds"].items() if k < 3}}
        os.write(back.fd, repr((found, streams, back.fd)).encode())
        os._exit(0)
        """,
    )
    found, streams, fd = eval(said.read_text())
    # os.open above took 0; no socket of ours did
    assert found == {0: False, 1: False, 2: False}
    assert streams == {0: "/dev/null", 1: "/dev/null", 2: "/dev/null"}
    assert fd > 2


def test_what_a_child_finds_around_it(tmp_path: Path) -> None:
    gone_directory = tmp_path / "gone"
    gone_directory.mkdir()
    out = program(
        f"""
        import fcntl, json, resource
        os.chdir({str(gone_directory)!r})
        os.rmdir({str(gone_directory)!r})
        os.umask(0o777)
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
        socket.setdefaulttimeout(0.01)
        os.environ["MARK"] = "here"
        kept = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(20)]
        for fd in kept:
            os.set_inheritable(fd, True)
        def state():
            return (signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getsignal(signal.SIGCHLD),
                    signal.getsignal(signal.SIGINT), os.environ.copy(), os.getpgid(0), os.getsid(0),
                    signal.set_wakeup_fd(-1), resource.getrlimit(resource.RLIMIT_NOFILE))
        before = state()
        time.sleep(0.05)
        world = call("containers.world")
        call("containers.sleep", 0.1)
        assert state() == before
        try:
            os.getcwd()
            raise AssertionError
        except FileNotFoundError:
            pass
        assert os.umask(0o777) == 0o777
        print(json.dumps({{**world, "own_sid": os.getsid(0)}}))
        """
    )
    world = json.loads(out)
    files = world["fds"]
    assert [files.pop(n) for n in "012"] == ["/dev/null"] * 3
    assert len(files) == 1  # the request's socket
    assert files.popitem()[1].startswith("socket:")
    assert (world["umask"], world["cwd"], world["name"]) == (0o022, "/", "crunpy-worker\n")
    assert int(world["blocked"], 16) == 0
    # what an interpreter ignores: SIGPIPE and SIGXFSZ
    ignored = int(world["ignored"], 16)
    assert ignored == 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
    assert world["sid"] != world["own_sid"]
    assert world["environment"]["MARK"] == "here"


def test_signals_that_the_c_library_has_left_ignored() -> None:
    code = """
        print(pathlib.Path("/proc/self/status").read_text().split("SigIgn:")[1].split()[0])
        print(call("containers.world")["ignored"])
    """
    own, ignored = (int(line, 16) for line in program(code, spawned=True).split())
    assert own >> 31 and not ignored >> 31


def test_the_callers_children_are_its_own() -> None:
    program("""
        heard = []
        signal.signal(signal.SIGCHLD, lambda *_: heard.append(1))
        def none():
            for options in (os.WNOHANG, 0):
                try:
                    os.waitpid(-1, options)
                    raise AssertionError("a child")
                except ChildProcessError:
                    continue
        none()
        watching = threading.Thread(target=lambda: [none() for _ in range(5000)])
        watching.start()
        for _ in range(5):
            parent = call("containers.parent")
            none()
            os.kill(parent, signal.SIGKILL)
            while os.path.exists(f"/proc/{parent}"):
                time.sleep(0.005)
        call("containers.nothing")
        watching.join()
        worker.close()
        none()
        assert not heard
        assert not pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    """)


def test_a_subreaper_is_left_no_zombie() -> None:
    program("""
        from crun_py._native import lib
        lib.crunpy_prctl(36, 1)
        parent = call("containers.parent")
        worker.close()
        assert not os.path.exists(f"/proc/{parent}")
        try:
            os.waitpid(-1, os.WNOHANG)
            raise AssertionError
        except ChildProcessError:
            pass
    """)


@pytest.mark.parametrize("busy", [False, True])
def test_a_killed_caller_takes_all_with_it(busy: bool) -> None:
    """Although a fork of it has all its descriptors."""
    process = program(
        f"""
        parent = call("containers.parent")
        def told(pid):
            heir = os.fork()
            if not heir:
                os.closerange(0, 3)
                time.sleep(60)
                os._exit(0)
            print(parent, pid, heir, flush=True)
        if {busy}:
            call("containers.sleep", 60, on_event=told)
        told(parent)
        time.sleep(60)
        """,
        wait=False,
    )
    parent, child, heir = map(int, process.stdout.readline().split())
    try:
        process.send_signal(signal.SIGKILL)
        began = time.monotonic()
        gone(parent)
        gone(child)
        assert time.monotonic() - began < 1
        assert alive(heir)
    finally:
        os.kill(heir, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("how", ["fork", "multiprocessing"])
def test_a_fork_of_the_caller_has_a_worker_of_its_own(how: str) -> None:
    forked = {
        "fork": "pid = os.fork()\nif not pid:\n    work()\n    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n",
        "multiprocessing": "import multiprocessing\np = multiprocessing.get_context('fork')"
        ".Process(target=work)\np.start()\np.join()\nassert not p.exitcode\n",
    }[how]
    out = program(
        "import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n"
        "stream = worker.stream('containers.count', 3)\n"
        "first = call('containers.parent')\n"
        "def work():\n"
        "    global stream\n"
        "    stream = None\n"
        "    parent = call('containers.parent')\n"
        "    assert parent != first\n"
        "    print(parent, flush=True)\n" + forked + "assert call('containers.parent') == first\n"
        "assert list(stream) == [0, 1, 2]\nprint(first)\n"
    )
    for pid in map(int, out.split()):
        gone(pid)


def test_a_fork_while_threads_start_the_worker() -> None:
    program("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        for _ in range(10):
            worker = Worker(package="toy")
            thread = threading.Thread(target=worker.call, args=("containers.nothing",))
            thread.start()
            pid = os.fork()
            if not pid:
                signal.alarm(20)
                worker.call("containers.nothing")
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            thread.join()
            worker.close()
    """)


def test_a_plain_user(user_name: str) -> None:
    out = program(
        """
        world = call("containers.world")
        threads = [threading.Thread(target=call, args=("containers.nothing",)) for _ in range(30)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(world["uid"] == os.getuid() != 0, call("containers.parent"))
        worker.close()
        """,
        user=user_name,
    )
    same, parent = out.split()
    assert same == "True" and not alive(int(parent))


def test_a_user_namespace_is_the_childs_alone(user_name: str) -> None:
    out = program(
        """
        threads = [threading.Thread(target=time.sleep, args=(5,), daemon=True) for _ in range(3)]
        for thread in threads: thread.start()
        before = os.readlink("/proc/self/ns/user")
        assert call("containers.enters", 0) == 0
        assert call("containers.world")["uid"] == os.getuid() != 0
        assert os.readlink("/proc/self/ns/user") == before
        # that its parent died is told to such a child too
        parent, pids = call("containers.parent"), []
        def told(pid):
            pids.append(pid)
            os.kill(parent, signal.SIGKILL)
        try:
            call("containers.enters", 60, on_event=told)
        except CrunpyError as e:
            assert e.message == "the worker was killed meanwhile", e
        print(*pids)
        """,
        user=user_name,
    )
    gone(int(out))


def test_too_many_descriptors_or_processes(user_name: str) -> None:
    out = program(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 2000))
        first = call("containers.parent")
        resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))
        streams, error = [], ""
        while not error:
            streams.append(worker.stream("containers.forever", "/dev/null"))
            try:
                next(streams[-1])
            except CrunpyError as e:
                error = e.line()
        print(error)
        for stream in streams:
            stream.close()
        while True:
            try:
                call("containers.limit_processes")
                break
            except CrunpyError:
                time.sleep(0.05)
        try:
            call("containers.nothing")
        except CrunpyError as e:
            print(e.line())
        resource.prlimit(first, resource.RLIMIT_NPROC, (0, 0))
        assert os.path.exists(f"/proc/{first}")
        """,
        user=user_name,
    )
    descriptors, processes = out.splitlines()
    assert "36 requests are under way" in descriptors and "ulimit -n" in descriptors
    assert "resource temporarily unavailable" in processes and "ulimit -u" in processes


def test_the_terminal_of_the_caller_is_not_ours(tmp_path: Path) -> None:
    """A Ctrl-C there is the caller's alone; it says what becomes of its calls."""
    process = program(
        """
        signal.signal(signal.SIGINT, lambda *_: print("caught", flush=True))
        call("containers.sleep", 1, on_event=lambda pid: print(pid, flush=True))
        print("done")
        """,
        wait=False, start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (out.splitlines(), err) == (["caught", "done"], "")


def test_nothing_is_started_by_an_import() -> None:
    out = program("""
        print(pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text(),
              len(os.listdir("/proc/self/fd")), threading.active_count())
    """)
    assert out.split() == ["4", "1"]
