"""A container's device nodes are its own: whatever is done to them, the host's stay as they were.

Every container here sees a "host" whose /dev is a tmpfs with nodes of its own (own_dev), so
that an attack that works changes nothing of the machine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import pytest
from engine import Engine
from own_dev import OwnDev, own_dev

NONE = ("run", "--rm", "--network", "none")
NODES = "null zero full random urandom tty"
MASKS = "/proc/interrupts /proc/kcore /proc/keys /proc/timer_list"
# Only what a mount covers: an entry of /proc itself has one mode for all of the machine.
ATTACK = f"""
cd /dev
for n in {NODES} given other; do
    chmod 600 $n; chown 1234:77 $n; touch -d 2001-01-01 $n; rm -f $n; mv $n x; ln $n /tmp/$n
done
for m in {MASKS} /etc/passwd; do
    grep -q " $m " /proc/mounts || continue
    chmod 000 $m; chown 4321 $m; touch -d 2001-01-01 $m; echo x > $m
    mount -o remount,bind,rw $m; chmod 000 $m
done
exit 0
"""


@pytest.fixture
def host() -> Iterator[OwnDev]:
    with own_dev() as made:
        yield made


def attack(engine: Engine, host: OwnDev, *options: str) -> None:
    before = host.nodes()
    done = engine.run(*NONE, *options, "busybox", "sh", "-c", ATTACK, wrap=host.wrap)
    assert done.code == 0, done
    after = host.nodes()
    changed = {name: (node, after.get(name)) for name, node in before.items()}
    assert after == before, {name: pair for name, pair in changed.items() if pair[0] != pair[1]}


def test_nodes_and_masks(engine: Engine, host: OwnDev) -> None:
    """chmod, chown, touch, rm by the root of a default container: its root is the host's."""
    attack(engine, host)


@pytest.mark.parametrize(
    "options",
    [
        ("--privileged",),
        ("--read-only",),
        ("--cap-add", "ALL"),
        ("--security-opt", "mask=/etc/passwd"),
        ("--uidmap", "0:0:65536", "--gidmap", "0:0:65536"),
        ("--init", "--pid", "host"),
        ("--systemd", "always"),
    ],
    ids=lambda options: options[0],
)
def test_nodes_and_masks_with(root: Engine, host: OwnDev, options: tuple[str, ...]) -> None:
    attack(root, host, *options)


@pytest.mark.parametrize("wanted", ["/dev/loose:/dev/given", "/dev/loose:/dev/given:r"])
def test_a_device_that_is_given(root: Engine, host: OwnDev, wanted: str) -> None:
    attack(root, host, "--device", wanted, "--device", "/dev/fuse:/dev/other")


def test_a_device_that_a_user_gives(user: Engine, host: OwnDev) -> None:
    """Opened with the user's rights, as before, and not changed."""
    attack(user, host, "--device", "/dev/loose:/dev/given")


def test_from_another_process_and_on_a_terminal(root: Engine, host: OwnDev) -> None:
    before = host.nodes()
    root.detached("--name", "c", "-t", "busybox", "sleep", "1000", wrap=host.wrap)
    root.ok("exec", "--privileged", "c", "sh", "-c", ATTACK + "chmod 0 console", wrap=host.wrap)
    assert host.nodes() == before


def test_two_containers_do_not_share_nodes(engine: Engine, host: OwnDev) -> None:
    """What one does to its nodes, and to what hides files, no other sees."""
    for name in "ab":
        engine.detached("--name", name, "busybox", "sleep", "1000", wrap=host.wrap)
    shown = ("sh", "-c", f"cd /dev; stat -c '%n %a %u %g' {NODES} {MASKS}; true")
    first = engine.ok("exec", "b", *shown)
    engine.ok("exec", "a", "sh", "-c", ATTACK)
    assert engine.ok("exec", "b", *shown) == first
    engine.ok("restart", "-t", "0", "b", wrap=host.wrap)
    assert engine.ok("exec", "b", *shown) == first
    host_modes = {n: host.nodes()[n][0] for n in NODES.split()}
    assert set(host_modes.values()) == {oct(stat.S_IFCHR | 0o666)}


def test_the_nodes_work_and_are_the_only_ones(engine: Engine, host: OwnDev) -> None:
    """Own nodes must open, and everything beside them stays without devices."""
    script = f"""
        cd /dev
        for n in {NODES}; do stat -c '%n %t:%T %F' $n; done
        echo x > null; head -c 3 zero | wc -c; head -c 5 urandom | wc -c; echo x > full
        for d in / /dev /dev/shm /tmp /run /etc; do
            mkdir -p $d; rm -f $d/m; mknod $d/m c 1 5 && head -c1 $d/m && echo OPEN $d
        done
        grep ' /dev ' /proc/mounts
    """
    done = engine.run(*NONE, "busybox", "sh", "-c", script, wrap=host.wrap)
    lines = done.out.splitlines()
    numbers = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9"}
    for name, number in {**numbers, "tty": "5:0"}.items():
        assert f"{name} {number} character special file" in lines, lines
    assert lines[6:8] == ["3", "5"] and "No space" in done.err
    assert "OPEN" not in done.out
    assert "nodev" in lines[-1].split()[3].split(",")


def test_masks_stay_empty_and_refuse(root: Engine, host: OwnDev) -> None:
    """A mask is read-only: neither its mode nor its owner is the container's to change."""
    script = (
        f'for m in {MASKS}; do grep -q " $m " /proc/mounts || continue; '
        "chmod 640 $m && echo CHANGED $m; done; true"
    )
    done = root.run(*NONE, "busybox", "sh", "-c", script, wrap=host.wrap)
    assert "CHANGED" not in done.out and "Read-only" in done.err, done


def test_the_hosts_modes_do_not_reach_in(root: Engine, host: OwnDev) -> None:
    """A host whose null is closed to others: the container's nodes are usable all the same."""
    os.chmod(host.path / "zero", 0o600)
    out = root.ok(*NONE, "-u", "tester", "busybox", "head", "-c", "2", "/dev/zero", wrap=host.wrap)
    assert out == "\0\0"
