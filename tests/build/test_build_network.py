"""build --network NAME: what runs meets the network's containers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from engine import Engine


@pytest.fixture
def back(engine: Engine) -> Iterator[Engine]:
    engine.ok("network", "create", "back")
    engine.detached("--network", "back", "--name", "db", "busybox", "sleep", "1000")
    yield engine
    engine.run("rm", "-f", "-a", "-t0")
    engine.ok("network", "rm", "back")


def build(engine: Engine, network: str, dockerfile: str, *options: str) -> str:
    where = engine.home / "built"
    where.mkdir(exist_ok=True)
    (where / "Dockerfile").write_text(dockerfile)
    if engine.user:
        subprocess.run(["chown", "-R", engine.user, where], check=True)
    done = engine.run("build", "--network", network, *options, "-t", "built", where)
    engine.run("rmi", "-f", "built")
    return "" if done.code == 0 else done.err + done.out


def test_a_network_with_names(back: Engine) -> None:
    told = build(back, "back", "FROM busybox\nRUN ping -c1 -W2 db\nRUN nslookup db\n", "--no-cache")
    assert told == ""
    assert "db" in build(back, "none", "FROM busybox\nRUN ping -c1 -W2 db\n", "--no-cache")
    assert "nosuch" in build(back, "nosuch", "FROM busybox\nRUN true\n", "--no-cache")


def test_stages_at_once(back: Engine) -> None:
    stages = "".join(f"FROM busybox AS s{n}\nRUN ping -c1 -W2 db >/f{n}\n" for n in range(4))
    last = "FROM busybox\n" + "".join(f"COPY --from=s{n} /f{n} /\n" for n in range(4))
    assert build(back, "back", stages + last, "--no-cache", "--jobs", "4") == ""
    assert back.ps() == ["db"]


def test_the_first_of_a_network(engine: Engine) -> None:
    """Nobody is on it yet; afterwards nobody is left there."""
    engine.ok("network", "create", "back")
    assert build(engine, "back", "FROM busybox\nRUN ip addr show eth0\n", "--no-cache") == ""
    engine.ok("network", "rm", "back")
