"""Many commands at once on one store."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

from engine import Engine, Result

NONE = ("--network", "none")


def together(engine: Engine, *commands: tuple[object, ...]) -> list[Result]:
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda c: engine.run(*c, timeout=100), commands))


def test_fifty_on_the_bridge(root: Engine) -> None:
    results = together(root, *[("run", "--rm", "busybox", "sh", "-c",
        f"ip -4 -o addr show eth0 | grep -o 'inet [0-9.]*'; echo {n}; exit {n}")
        for n in range(50)])  # fmt: skip
    addresses = set()
    for number, done in enumerate(results):
        lines = done.out.split("\n")
        assert (done.code, lines[1], done.err) == (number, str(number), "")
        addresses.add(lines[0])
    assert all(a.startswith("inet 10.") for a in addresses)
    assert root.left() == []


def test_fifty_without_a_network(engine: Engine) -> None:
    results = together(engine, *[("run", "--rm", *NONE, "busybox", "echo", n) for n in range(50)])
    assert [(r.code, r.out, r.err) for r in results] == [(0, f"{n}\n", "") for n in range(50)]
    assert engine.left() == []


def test_ten_users_networks(user: Engine) -> None:
    results = together(user, *[("run", "--rm", "busybox", "echo", n) for n in range(10)])
    assert [(r.code, r.out, r.err) for r in results] == [(0, f"{n}\n", "") for n in range(10)]
    assert user.left() == []


def test_one_name_is_given_once(engine: Engine) -> None:
    results = together(engine, *[("create", *NONE, "--name", "c", "busybox")] * 12)
    assert sorted(r.code for r in results) == [0] + [1] * 11  # as docker create
    assert all("in use" in r.err or "taken" in r.err for r in results if r.code)
    assert engine.ps("-a") == ["c"]


def test_first_pull_by_many(engine: Engine, fresh: object) -> None:
    new = fresh("user" if engine.rootless else "root")  # type: ignore[operator]
    results = together(new, *[("run", "--rm", "-q", *NONE, "busybox", "echo", n) for n in range(8)])
    assert [(r.code, r.out) for r in results] == [(0, f"{n}\n") for n in range(8)]
    assert new.ok("images", "-q").count("\n") == 0


def test_start_and_remove_at_once(engine: Engine) -> None:
    for _ in range(3):
        engine.ok("create", *NONE, "--name", "c", "busybox", "sleep", "1000")
        commands = [
            ("start", "c"),
            ("rm", "-f", "c"),
            ("start", "c"),
            ("rm", "-f", "c"),
            ("ps", "-a"),
        ]
        for done in together(engine, *commands):
            assert "Traceback" not in done.err
        engine.ok("rm", "-f", "c")
        assert engine.left(3) == []


def test_start_twice_starts_once(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "c", "busybox", "sh", "-c", "echo on; sleep 1000")
    results = together(engine, *[("start", "c")] * 6)
    assert all("Traceback" not in r.err for r in results)
    assert engine.logs_until("c", "on") == "on\n"
    assert len([p for p in engine.processes() if "crunpy-monitor" in p]) == 1


def test_two_stores_side_by_side(fresh: object) -> None:
    first, second = fresh("root"), fresh("root")  # type: ignore[operator]
    for engine in (first, second):
        engine.ok("run", "-d", "-q", "--name", "same", "busybox", "sleep", "1000")
    assert first.ps() == ["same"] and second.ps() == ["same"]
    assert first.inspect("same")["Id"] != second.inspect("same")["Id"]
    first.ok("rm", "-f", "same")
    assert second.ps() == ["same"]
    # the same by options
    out = second.run("--root", str(first.root), "--runroot", str(first.run_root), "ps", "-aq")
    assert out.out == ""
    address = second.inspect("same")["NetworkSettings"]["IPAddress"]
    subprocess.run(
        ["busybox", "ping", "-c1", "-W2", address], stdout=subprocess.DEVNULL, check=True
    )
