"""The pytest plugin, in sessions of pytest of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import REACHABLE, Engine, wait_for
from programs import Programs

COMMON = """
import os
import crun_py
import pytest

ARCHIVE = os.environ["TEST_ARCHIVE"]
SLEEP = dict(network="none", stop_timeout=0)

@pytest.fixture
def busybox(crunpy_image):
    return crunpy_image("busybox", archive=ARCHIVE)
"""


@pytest.fixture
def session(programs: Programs) -> Iterator[Session]:
    """pytest for a file of tests, as root and as a user."""
    with tempfile.TemporaryDirectory(dir=programs.engine.home) as home:
        Path(home).chmod(0o777)
        archive = programs.engine.home / "busybox.tar"
        if not archive.exists():
            programs.engine.ok("save", "-o", archive, "busybox")
        yield Session(programs, Path(home), archive)


class Session:
    def __init__(self, programs: Programs, home: Path, archive: Path) -> None:
        self.programs, self.home = programs, home
        self.env = {"TEST_ARCHIVE": str(archive), "PYTHONPATH": str(REACHABLE)}

    def run(self, tests: str, *words: str, check: bool = True) -> str:
        """What pytest prints."""
        self.write(tests)
        done = self.programs.run(*self.command(*words), env=self.env, check=check)
        return done.out + done.err

    def write(self, tests: str) -> None:
        (self.home / "test_it.py").write_text(COMMON + tests)

    def command(self, *words: str) -> list[str]:
        return ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null",
                "--rootdir", str(self.home), "--basetemp", str(self.home / "tmp"),
                str(self.home / "test_it.py"), *words]  # fmt: skip


FIXTURES = """
def test_a_container(container, busybox):
    box = container(busybox, ["sh", "-c", "echo up; exec sleep 1000"], volumes=["named:/n", "/a"],
                    wait_until={"log": "up", "timeout": 20}, **SLEEP)
    assert box.running and box.exec(["echo", "x"]).stdout == b"x\\n"
    other = container(busybox, ["sleep", "1000"], **SLEEP)
    assert other != box

def test_nothing_is_left(crunpy):
    assert crunpy.containers.list(all=True) == [] and crunpy.volumes.list() == ()

def test_what_a_test_makes_by_hand(crunpy, busybox):
    crunpy.containers.create(busybox, network="none", name="mine", volumes=["v:/v"])
    crunpy.volumes.create("w")
    raise ZeroDivisionError

def test_is_removed_too(crunpy):
    assert crunpy.containers.list(all=True) == [] and crunpy.volumes.list() == ()

def test_a_built_image(crunpy_image, container, tmp_path, busybox):
    (tmp_path / "Dockerfile").write_text("FROM busybox\\nCMD echo built; sleep 1000\\n")
    name = crunpy_image("built:1", build=tmp_path)
    assert name == "built:1"
    container(name, wait_until={"log": "built"}, **SLEEP)
    assert crunpy_image(build=tmp_path) == crunpy_image(build=tmp_path)
    assert len(crunpy_image(archive=ARCHIVE)) == 64
    with pytest.raises(crun_py.NotFound, match="no image absent in it"):
        crunpy_image("absent", archive=ARCHIVE)

def test_a_pulled_image(crunpy_image, crunpy):
    assert crunpy_image("busybox") == "busybox" and crunpy.images.exists("busybox")
    with pytest.raises(ValueError):
        crunpy_image()
"""


@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_fixtures(session: Session, words: tuple[str, ...]) -> None:
    out = session.run(FIXTURES, *words, check=False)
    assert "1 failed, 5 passed" in out and "ZeroDivisionError" in out, out
    assert session.programs.engine.ps("-a") == [], "the user's store is another"


def test_the_users_store(session: Session) -> None:
    engine = session.programs.engine
    engine.ok("create", "--name", "before", "--network", "none", "busybox")
    out = session.run(
        """
def test_it(container, crunpy):
    container("busybox", ["sleep", "1000"], name="made", volumes=["v:/v"], **SLEEP)
    assert {box.name for box in crunpy.containers.list(all=True)} == {"made", "before"}
""",
        "--crunpy-store=user",
    )
    assert "1 passed" in out
    assert engine.ps("-a") == ["before"] and not engine.volumes()
    engine.ok("rm", "before")


def test_a_store_that_stays(session: Session) -> None:
    tests = """
def test_it(crunpy, busybox):
    assert crunpy.containers.list(all=True) == []
"""
    option = f"--crunpy-store-dir={session.home}/kept"
    assert "1 passed" in session.run(tests, option)
    session.env["TEST_ARCHIVE"] = "/nothing"
    assert "1 passed" in session.run(tests, option)
    assert "1 passed" in session.run(tests, "-o", "crunpy_store_dir=kept")
    out = session.run(tests, "-o", "crunpy_store=strange", check=False)
    assert "not own or user" in out


def test_interrupted(session: Session) -> None:
    """Ctrl-C in a test: what it made is removed."""
    session.write(
        f"""
import time
def test_it(container, busybox, crunpy):
    box = container(busybox, ["sleep", "1000"], name="made", **SLEEP)
    open("{session.home}/began", "w").write(str(os.getpid()))
    time.sleep(100)
"""
    )
    programs = session.programs
    user = programs.engine.user
    become = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
    variables = {**programs.engine.env, **session.env, "PYTHONDONTWRITEBYTECODE": "1"}
    python = programs.python()
    process = subprocess.Popen(
        [*become, "env", "-i", *(f"{k}={v}" for k, v in variables.items()), python,
         *session.command(f"--crunpy-store-dir={session.home}/kept")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", text=True,
    )  # fmt: skip
    began = session.home / "began"
    wait_for(lambda: began.exists() and began.read_text())
    os.kill(int(began.read_text()), signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in out
    said = programs.text(
        "import crun_py\n"
        f"engine = crun_py.Engine(root='{session.home}/kept/store/root', "
        f"runroot='{session.home}/kept/store/run')\n"
        "print(engine.containers.list(all=True))"
    )
    assert said == "[]"


def test_it_is_found_and_costs_little(root: Engine) -> None:
    """By its entry point; a session that uses none of it loads nothing but the module."""
    from importlib.metadata import entry_points

    (found,) = [e for e in entry_points(group="pytest11") if e.name == "crunpy"]
    assert found.value == "crun_py.pytest_plugin"
    said = Programs(root).text(
        "import sys, pytest, time; before = set(sys.modules); began = time.perf_counter()\n"
        "import crun_py.pytest_plugin; took = time.perf_counter() - began\n"
        "print(took < 0.1, *sorted(set(sys.modules) - before))"
    )
    assert said == "True crun_py crun_py.pytest_plugin"
