"""The pytest plugin: containers in tests, as fixtures.

    def test_cache(container):
        redis = container("redis", ports={6379: None}, wait_until={"port": 6379})
        ...  # redis.ports[6379].host_port, redis.ip_address

`crunpy` is an engine, `crunpy_image` makes sure that an image is there, `container` makes
containers.  What a test makes, containers and volumes, is removed after it.

Nothing of the library is loaded before a test asks for one of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack

import pytest

if TYPE_CHECKING:
    from crun_py.blocking import Container, Engine
    from crun_py.library.create_options import CreateOptions, Pathname, Words

_OWN, _USER = "own", "user"


class WaitUntil(TypedDict, total=False):
    """What is waited for: the arguments of Container.wait_until."""

    healthy: bool
    port: int | None
    log: str | None
    timeout: float


class MakesContainers(Protocol):
    """What the fixture `container` gives."""

    def __call__(
        self,
        image: str,
        command: Words | None = None,
        *,
        wait_until: WaitUntil | None = None,
        **given: Unpack[CreateOptions],
    ) -> Container:
        """A container that runs, and that is gone after the test.  given: as of `run`.

        wait_until: return when this is true of it.  Raises as Containers.run and
        Container.wait_until.
        """


class FindsImages(Protocol):
    """What the fixture `crunpy_image` gives."""

    def __call__(
        self, name: str = "", *, archive: Pathname | None = None, build: Pathname | None = None
    ) -> str:
        """Make sure that an image is there; its name, for `container`.

        With a name alone it is pulled unless it is there.  archive: an archive or OCI layout that
        is loaded unless the image is there; without a name each session loads it.  build: a
        directory with a Dockerfile that is built, once a session.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crunpy", "containers in tests")
    group.addoption(
        "--crunpy-store",
        choices=(_OWN, _USER),
        help="own: a store of this session (the default, also as ini option crunpy_store); "
        "user: the user's own",
    )
    group.addoption(
        "--crunpy-store-dir",
        metavar="DIR",
        help="where the session's own store is and stays, so that images are there the next time "
        "(ini option crunpy_store_dir, relative to the ini file)",
    )
    parser.addini("crunpy_store", "own (default) or user: which store tests work with")
    parser.addini("crunpy_store_dir", "where the store `own` is and stays")


@pytest.fixture(scope="session")
def _crunpy_engine(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """The session's engine; with xdist each worker has its own store."""
    import crun_py

    which = pytestconfig.getoption("--crunpy-store") or pytestconfig.getini("crunpy_store") or _OWN
    if which not in (_OWN, _USER):
        raise pytest.UsageError(f"crunpy_store is {which!r}: not own or user")
    if which == _USER:
        with crun_py.Engine() as engine:
            yield engine
        return
    kept = _store_directory(pytestconfig)
    where = kept or tmp_path_factory.mktemp("crunpy", numbered=False)
    where = where / getattr(pytestconfig, "workerinput", {}).get("workerid", "store")
    where.mkdir(parents=True, exist_ok=True)
    with crun_py.Engine(root=where / "root", runroot=where / "run") as engine:
        try:
            yield engine
        finally:
            if not kept:
                for image in engine.images.list():
                    engine.images.remove(image.id, force=True)
                engine.prune(all=True, volumes=True)


def _store_directory(config: pytest.Config) -> Path | None:
    if given := config.getoption("--crunpy-store-dir"):
        return Path(given).absolute()
    if said := config.getini("crunpy_store_dir"):
        return config.rootpath / str(said)
    return None


class _Made:
    """What there was before a test, so that what it made can be removed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._containers = {box.id for box in engine.containers.list(all=True)}
        self._volumes = {volume.name for volume in engine.volumes.list()}

    def remove(self) -> None:
        """Goes on after an error, which is raised at the end."""
        from crun_py.errors import CrunpyError, NotFound

        failed: list[CrunpyError] = []
        engine = self._engine
        ways: list[tuple[str, Callable[[str], None]]] = [
            (box.id, _remove_container(engine))
            for box in engine.containers.list(all=True)
            if box.id not in self._containers
        ]
        ways += [
            (volume.name, lambda name: engine.volumes.remove(name, force=True))
            for volume in engine.volumes.list()
            if volume.name not in self._volumes
        ]
        for name, remove in ways:
            try:
                remove(name)
            except NotFound:
                continue  # with another, or by itself
            except CrunpyError as e:
                failed.append(e)
        if failed:
            raise failed[0]


def _remove_container(engine: Engine) -> Callable[[str], None]:
    def remove(container_id: str) -> None:
        engine.containers.get(container_id).remove(force=True, volumes=True)

    return remove


@pytest.fixture
def crunpy(_crunpy_engine: Engine, pytestconfig: pytest.Config) -> Iterator[Engine]:
    """An engine.  The containers and volumes that a test makes in a store of its own are removed
    after it; in the user's store those that the fixture `container` made."""
    which = pytestconfig.getoption("--crunpy-store") or pytestconfig.getini("crunpy_store") or _OWN
    if which == _USER:
        yield _crunpy_engine
        return
    made = _Made(_crunpy_engine)
    try:
        yield _crunpy_engine
    finally:
        made.remove()


@pytest.fixture
def container(crunpy: Engine) -> Iterator[MakesContainers]:
    """Makes containers that run and are removed after the test, newest first, with the volumes made
    for them: container("redis", wait_until={"port": 6379})."""
    from contextlib import ExitStack

    volumes = {volume.name for volume in crunpy.volumes.list()}
    used: set[str] = set()

    def make(
        image: str,
        command: Words | None = None,
        *,
        wait_until: WaitUntil | None = None,
        **given: Unpack[CreateOptions],
    ) -> Container:
        box = stack.enter_context(crunpy.containers.run(image, command, detach=True, **given))
        used.update(mount.name for mount in box.info.mounts if mount.type == "volume")
        if wait_until:
            box.wait_until(**wait_until)
        return box

    with ExitStack() as stack:
        stack.callback(_remove_volumes, crunpy, volumes, used)
        yield make


def _remove_volumes(engine: Engine, before: set[str], used: set[str]) -> None:
    """Those of a test's containers that were not there before, named ones too."""
    for name in used - before:
        if engine.volumes.exists(name):
            engine.volumes.remove(name, force=True)


@pytest.fixture(scope="session")
def crunpy_image(_crunpy_engine: Engine) -> FindsImages:
    """Makes sure that an image is in the store: pulled by its name, loaded, or built."""
    done: dict[tuple[str, str], str] = {}
    images = _crunpy_engine.images

    def loaded(name: str, archive: Pathname) -> str:
        from crun_py.errors import NotFound

        found = images.load(archive)
        if name and not images.exists(name):
            held = ", ".join(text for image in found for text in image.names)
            raise NotFound(f"archive {archive}: no image {name} in it", hint=f"it has {held}")
        return found[0].id

    def find(
        name: str = "", *, archive: Pathname | None = None, build: Pathname | None = None
    ) -> str:
        key = (name, os.fspath(archive or build or ""))
        if key in done:
            return done[key]
        if build:
            tags = [name] if name else []
            found = images.build(build, tags=tags).id
        elif archive:
            found = name if name and images.exists(name) else loaded(name, archive)
        elif name:
            found = images.pull(name, policy="missing").id
        else:
            raise ValueError("crunpy_image: which? a name, an archive or a directory to build")
        done[key] = name or found
        return done[key]

    return find
