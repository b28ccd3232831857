"""A plain user who has no subordinate ids, as in a container with few privileges: his containers
have one user, root, to whom all files belong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import Engine
from hiding import hidden
from images import busybox_tar, image
from oci_images import directory, entry, tar

NONE = ("--network", "none")


@pytest.fixture(scope="module")
def owned(base: Path) -> Path:
    """An image with files of several owners and a user of its own, as an OCI layout."""
    where = base / "one-id-layout"
    layer = tar(
        directory("d", uid=5), entry("d/gone", uid=5), entry("d/f", b"f", uid=7, gid=8, mode=0o4755)
    )
    image(busybox_tar(), layer, tar(entry("d/.wh.gone"))).write_layout(where)
    for path in (where, *where.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return where


class Alone:
    """The command of a user for whom /etc/subuid says nothing, or (`program`) newuidmap fails."""

    def __init__(self, engine: Engine, wrap: list[str]) -> None:
        self.engine, self._wrap = engine, wrap

    def ok(self, *args: object, **kwargs: Any) -> str:
        return self.engine.ok(*args, wrap=self._wrap, **kwargs)

    def fails(self, *args: object) -> str:
        return self.engine.fails(*args, wrap=self._wrap)

    def run(self, *args: object) -> tuple[int, str, str]:
        done = self.engine.run(*args, wrap=self._wrap)
        return done.code, done.out, done.err


@pytest.fixture(params=["subuid", "newuidmap"])
def alone(
    request: pytest.FixtureRequest, fresh: Callable[[str], Engine], base: Path
) -> Iterator[Alone]:
    if request.param == "subuid":
        file = base / "no-ids-at-all"
        file.write_text("somebody:100000:65536\n")
        wrap = hidden((str(file), "/etc/subuid"), (str(file), "/etc/subgid"))
    else:
        file = base / "newuidmap-refuses"
        file.write_text("#!/bin/sh\nexit 1\n")
        file.chmod(0o755)
        wrap = hidden((str(file), "/usr/bin/newuidmap"), (str(file), "/usr/bin/newgidmap"))
    made = Alone(fresh("user"), wrap)
    yield made
    made.run("rm", "-fa", "-t", "0")


def test_a_life(alone: Alone, owned: Path) -> None:
    code, _, told = alone.run("load", "-q", "-i", owned)
    assert code == 0 and told.count("containers have one user, root, to whom all files belong") == 1
    alone.ok("tag", alone.ok("images", "-q"), "app")
    shown = "id -u; stat -c '%u %g %a' /d /d/f; ls /d; cat /d/f; chown 5 /d 2>/dev/null || echo no"
    code, out, told = alone.run("run", "--rm", *NONE, "app", "sh", "-c", shown)
    assert (code, out, told) == (0, "0\n0 0 755\n0 0 4755\nf\nfno\n", "")
    alone.ok("run", "-d", "--name", "c", *NONE, "-v", "v:/d", "app", "sleep", "1000")
    assert alone.ok("exec", "c", "sh", "-c", "id -u; ls /d; echo n >/new") == "0\nf"
    alone.ok("cp", "/etc/hostname", "c:/h")
    assert sorted(alone.ok("diff", "c").split("\n")) == ["A /h", "A /new"]
    assert "c" in alone.ok("ps", "--format", "{{.Names}}")
    alone.ok("commit", "-q", "c", "made")
    alone.ok("rm", "-f", "-t", "0", "c")
    assert alone.ok("run", "--rm", *NONE, "made", "cat", "/new") == "n"
    alone.ok("build", "-q", "--network", "none", "-t", "t", "-",
             input="FROM app\nRUN echo b >/b\nCOPY --from=app /d/f /f\n")  # fmt: skip
    assert alone.ok("run", "--rm", *NONE, "t", "cat", "/b", "/f") == "b\nf"
    saved = alone.engine.home / "t.tar"
    alone.ok("save", "-q", "-o", saved, "t")
    alone.ok("rmi", "-f", "-a")
    alone.ok("load", "-q", "-i", saved)
    saved.unlink()
    assert alone.ok("run", "--rm", *NONE, "t", "cat", "/b") == "b"


def test_other_users(alone: Alone, owned: Path) -> None:
    alone.ok("load", "-q", "-i", owned)
    alone.ok("tag", alone.ok("images", "-q"), "app")
    refused = alone.fails("run", "--rm", *NONE, "-u", "tester", "app", "true")
    assert "user 1234:1234: there is no id but root's here" in refused and "/etc/subuid" in refused
    alone.ok("run", "-d", "--name", "c", *NONE, "app", "sleep", "1000")
    assert "no id but root's" in alone.fails("exec", "-u", "1:1", "c", "true")
    alone.ok("rm", "-f", "-t", "0", "c")


def test_networks(alone: Alone, owned: Path) -> None:
    alone.ok("load", "-q", "-i", owned)
    alone.ok("tag", alone.ok("images", "-q"), "app")
    assert "tap0" in alone.ok("run", "--rm", "app", "ls", "/sys/class/net")
    alone.ok("network", "create", "n")
    alone.ok("run", "-d", "--name", "a", "--network", "n", "app", "sleep", "1000")
    alone.ok("run", "--rm", "--network", "n", "app", "ping", "-c", "1", "-w", "5", "a")
    alone.ok("rm", "-f", "-t", "0", "a")
    alone.ok("network", "rm", "n")


def test_a_store_goes_on_with_ids(alone: Alone, owned: Path) -> None:
    """When the ids are there; but not the other way round."""
    alone.ok("load", "-q", "-i", owned)
    alone.ok("tag", alone.ok("images", "-q"), "app")
    engine = alone.engine
    assert engine.ok("run", "--rm", *NONE, "-u", "5:5", "app", "id", "-u") == "5"
    assert "newuidmap" in (refused := alone.fails("run", "--rm", *NONE, "app", "true")) or (
        "/etc/subuid" in refused
    )
    assert engine.ok("run", "--rm", *NONE, "app", "cat", "/d/f") == "f"
