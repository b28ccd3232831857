"""Fixtures of the end-to-end tests: a real registry, the command as root and as a user."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import images
import pytest
from engine import REACHABLE, USER, Engine, empty_cgroups
from oci_images import TestImage, docker_registry, push
from programs import Programs

from crun_py import caller

caller.has(os.environ)  # for tests that call the engine in their own process


@pytest.fixture(scope="session")
def base() -> Iterator[Path]:
    """A short directory that all users can enter."""
    if os.environ.get("CRUNPY_IN_TEST_NAMESPACE") != "1" or not REACHABLE.is_dir():
        pytest.fail("run by `make test` (tools/in-test-namespace), as root")
    while True:
        path = Path(tempfile.mkdtemp(prefix="cp", dir="/tmp"))
        if path.name.isalnum():
            break
        path.rmdir()  # some peers take a path with _ before a / for no path
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


class Registry:
    """A docker-registry of this worker."""

    def __init__(self, host: str, conf: Path, work: Path) -> None:
        self.host, self.conf, self._work = host, conf, work
        self._layer: bytes = b""

    @property
    def busybox(self) -> bytes:
        """The layer of library/busybox, for images on top of it."""
        self._layer = self._layer or images.busybox_tar()
        return self._layer

    def push(self, name: str, image: TestImage) -> str:
        """Make `image` known as docker.io/NAME:latest; returns NAME."""
        push(image, f"{self.host}/{name}:latest", self._work)
        return name


@pytest.fixture(scope="session")
def registry(base: Path) -> Iterator[Registry]:
    """Holds library/busybox and library/nginx, and is docker.io's mirror by registries.conf."""
    work = base / "registry"
    work.mkdir()
    subprocess.run(["cp", "-al", images.registry_data(), work / "data"], check=True)
    with docker_registry(work) as host:
        conf = base / "registries.conf"
        conf.write_text(
            '[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n'
            f'[[registry.mirror]]\nlocation = "{host}"\ninsecure = true\n'
        )
        yield Registry(host, conf, base)


@pytest.fixture(scope="session")
def user_name() -> str:
    """The unprivileged user, with subordinate ids, made if absent."""
    images.CACHE.mkdir(exist_ok=True)
    with (images.CACHE / "user.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            pwd.getpwnam(USER)
        except KeyError:
            subprocess.run(["useradd", "--no-create-home", USER], check=True)
        for file, option in (("uid", "--add-subuids"), ("gid", "--add-subgids")):
            if f"{USER}:" not in Path(f"/etc/sub{file}").read_text():
                subprocess.run(["usermod", option, "600000-665535", USER], check=True)
    return USER


@pytest.fixture(scope="session")
def new_engine(base: Path, registry: Registry, user_name: str) -> Callable[[str, str], Engine]:
    """Makes an engine with an empty store: new_engine("root" or "user", name)."""
    count = iter(range(100000))

    def make(who: str, name: str = "x") -> Engine:
        user = user_name if who == "user" else ""
        return Engine(base / f"{name}{next(count)}", user, registry.conf, registry.host)

    return make


def _session_engine(make: Callable[[str, str], Engine], who: str) -> Iterator[Engine]:
    engine = make(who, who[0])
    engine.ok("pull", "-q", "busybox")
    yield engine
    assert not engine.settled()


def _shared(engine: Engine) -> Iterator[Engine]:
    """For one test; the next one finds it as this one did."""
    before = set(engine.home.iterdir())
    yield engine
    engine.clean()
    engine.restore(before)


@pytest.fixture(scope="session")
def _root(new_engine: Callable[[str, str], Engine]) -> Iterator[Engine]:
    yield from _session_engine(new_engine, "root")


@pytest.fixture(scope="session")
def _user(new_engine: Callable[[str, str], Engine]) -> Iterator[Engine]:
    yield from _session_engine(new_engine, "user")


@pytest.fixture
def root(_root: Engine) -> Iterator[Engine]:
    """The command as root; its store holds busybox.  Afterwards nothing may be left."""
    yield from _shared(_root)


@pytest.fixture
def user(_user: Engine) -> Iterator[Engine]:
    """The same as an unprivileged user."""
    yield from _shared(_user)


@pytest.fixture(params=["root", "user"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Once as root and once as a user."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def programs(engine: Engine) -> Programs:
    """Programs that use the library, as root and as a user."""
    return Programs(engine)


@pytest.fixture
def fresh(
    request: pytest.FixtureRequest, new_engine: Callable[[str, str], Engine]
) -> Iterator[Callable[[str], Engine]]:
    """Makes engines with stores of their own for one test: fresh("root")."""
    made: list[Engine] = []

    def make(who: str) -> Engine:
        made.append(new_engine(who, "f"))
        return made[-1]

    yield make
    for engine in made:
        engine.clean()


@pytest.fixture(scope="session", autouse=True)
def no_cgroups_left() -> Iterator[None]:
    yield
    assert not empty_cgroups()
