"""Fixtures of the end-to-end tests: a real registry, the command as root and as a user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import REACHABLE, Engine, empty_cgroups
from mirror import Registry, mirror, short_directory, test_user
from oci_bundles import OURS, Bundle, Runtime
from programs import Programs

from crun_py import caller

caller.has(os.environ)  # for tests that call the engine in their own process


@pytest.fixture(scope="session")
def base() -> Iterator[Path]:
    """A short directory that all users can enter."""
    if os.environ.get("CRUNPY_IN_TEST_NAMESPACE") != "1" or not REACHABLE.is_dir():
        pytest.fail("run by `make test` (tools/in-test-namespace), as root")
    path = short_directory("/tmp")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def registry(base: Path) -> Iterator[Registry]:
    """Holds library/busybox and library/nginx, and is docker.io's mirror by registries.conf."""
    with mirror(base) as found:
        yield found


@pytest.fixture(scope="session")
def user_name() -> str:
    """The unprivileged user, with subordinate ids, made if absent."""
    return test_user()


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
    assert not engine.left()


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


@pytest.fixture(scope="session")
def guarded(base: Path) -> Iterator[str]:
    """A registry for me and you only, with the image team/app."""
    from oci_images import SECRET, USERS, TestImage, docker_registry, entry, tar

    with docker_registry(base / "guarded", users=USERS) as host:
        image = TestImage(tar(entry("f", b"x")))
        image.write_layout(base / "guarded/layout")
        subprocess.run(
            ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false",
             "--dest-creds", f"me:{SECRET}",
             f"oci:{base}/guarded/layout:latest", f"docker://{host}/team/app:latest"],
            check=True,
        )  # fmt: skip
        yield host


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For TLS (tcp_service.certificates)."""
    import tcp_service

    return tcp_service.certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def served(engine: Engine) -> Iterator[Any]:
    """A service for an engine's store (api_service.Served)."""
    from api_service import Served

    service = Served(engine)
    yield service
    service.end()
    assert not service.path.exists()


@pytest.fixture
def client(served: Any) -> Iterator[Any]:
    """docker-py connected to it; its containers go with it."""
    made = served.client()
    yield made
    for container in made.containers.list(all=True):
        container.remove(force=True)
    made.close()


# ---- OCI runtimes (oci_runtime/) ----


@pytest.fixture
def bundle(base: Path) -> Iterator[Bundle]:
    """A directory with config.json and a root file system of busybox."""
    path = Path(tempfile.mkdtemp(prefix="bundle", dir=base))
    yield Bundle(path)
    shutil.rmtree(path)


def _runtime(program: str | Path, path: Path) -> Iterator[Runtime]:
    made = Runtime(program, path / "oci")
    yield made
    made.clean()


@pytest.fixture
def oci(tmp_path: Path) -> Iterator[Runtime]:
    """Our OCI runtime."""
    yield from _runtime(OURS, tmp_path)


@pytest.fixture(params=["crunpy-oci", "runc"])
def any_oci(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runtime]:
    """Ours, and runc: what is true of both is what callers are used to."""
    yield from _runtime(OURS if request.param == "crunpy-oci" else "runc", tmp_path)
