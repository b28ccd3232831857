"""Ranges of subuid(5) that are not in the user namespace around, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crun_py.ns import subids

ROOTLESS = "         0       1000          1\n         1     100000      65536\n"
"""The map of a container of a plain user's engine."""
WHOLE = "         0          0 4294967295\n"
OWN = ("/etc/subuid", "ann", [(100000, 65536)], 1001)


def files(**more: str) -> dict[str, str]:
    """A machine's, by path; more: of those in /etc."""
    return {
        "/proc/self/uid_map": ROOTLESS,
        "/proc/self/gid_map": ROOTLESS,
        "/proc/self/status": "Name:\tx\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t0\n",
        "/etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:1001:1001::/home/ann:/bin/sh\n"
        "nobody:x:65534:65534::/:/bin/false\nbroken\n",
        "/etc/group": "root:x:0:\nann:x:1001:\nnogroup:x:65534:\n",
        "/etc/subuid": "ann:100000:65536\n",
        "/etc/subgid": "ann:100000:65536\n",
        **{f"/etc/{name}": text for name, text in more.items()},
    }


def reading(found: dict[str, str]) -> Callable[[str], str]:
    return lambda path: found.get(path, "")


@pytest.mark.parametrize(
    ("text", "ranges", "wrong"),
    [
        (ROOTLESS, [(100000, 65536)], [(100000, 65536)]),
        (ROOTLESS, [(2000, 60000), (65000, 1000)], [(65000, 1000)]),
        (ROOTLESS, [(1, 65536)], []),
        (ROOTLESS, [(0, 10)], [(0, 10)]),  # two lines of the map are not one
        (WHOLE, [(100000, 65536)], []),
    ],
)
def test_outside(text: str, ranges: list[tuple[int, int]], wrong: list[tuple[int, int]]) -> None:
    assert subids.outside(ranges, subids.there(text)) == wrong


@pytest.mark.parametrize(
    ("known", "taken", "right"),
    [
        ([(0, 65537)], [(1001, 1), (65534, 1)], (2000, 63000)),
        ([(0, 65537)], [(2000, 30000), (1001, 1)], (32000, 33000)),
        ([(0, 1), (1, 65536)], [(10000, 60000)], (1000, 9000)),
        ([(0, 1500)], [(1200, 1)], (1201, 299)),  # too few to be round
        ([(0, 1 << 32)], [(100000, 65536)], (166000, 65536)),
        ([(0, 1)], [], None),
        ([(0, 65536)], [(900, 70000)], None),
    ],
)
def test_a_range_that_would_do(
    known: list[tuple[int, int]], taken: list[tuple[int, int]], right: tuple[int, int] | None
) -> None:
    assert subids.fitting(known, taken) == right


def test_misplaced() -> None:
    found = subids.misplaced(*OWN, reading(files()))
    assert found
    assert found.message == (
        "100000-165535 is not within 0-65536, the ids of this user namespace "
        "(/proc/self/uid_map); ann:2000:63000 would do"
    )
    assert found.fix == "usermod --del-subuids 100000-165535 --add-subuids 2000-64999 ann"
    others = files(subuid="ann:100000:65536\neve:3000:30000\nx\n")
    found = subids.misplaced(*OWN, reading(others))
    assert found and found.right == (33000, 32000)
    nobody = subids.misplaced(*OWN, reading({**others, "/proc/self/uid_map": "0 1000 1\n"}))
    assert nobody and nobody.message.endswith("; none is free") and nobody.fix == ""
    assert not subids.misplaced(*OWN, reading({**others, "/proc/self/uid_map": WHOLE}))
    assert not subids.misplaced(*OWN, reading({}))  # nothing is known of the map


def test_an_addition() -> None:
    """What useradd(8) would take, where that is there."""
    whole = {**files(subuid="eve:100000:65536\n"), "/proc/self/uid_map": WHOLE}
    asked = ("/etc/subuid", "ann", 1001)
    assert subids.addition(*asked, reading(whole)) == "usermod --add-subuids 165536-231071 ann"
    nameless = subids.addition("/etc/subgid", "4321", 4321, reading({}))
    assert nameless == "echo 4321:100000:65536 >> /etc/subgid"
    few = files(subuid="eve:100000:65536\n")
    assert subids.addition(*asked, reading(few)) == "usermod --add-subuids 2000-64999 ann"
    assert subids.addition(*asked, reading({**few, "/proc/self/uid_map": "0 1000 1\n"})) == ""


def test_causes() -> None:
    ids = {"/etc/subuid": (1001, [(100000, 65536)]), "/etc/subgid": (1001, [(100000, 65536)])}
    usual = {**files(), "/proc/self/uid_map": WHOLE, "/proc/self/gid_map": WHOLE}
    assert subids.causes("ann", ids, reading(usual)) == ""
    told = subids.causes("ann", ids, reading(files()))
    assert told.startswith("/etc/subuid and /etc/subgid: 100000-165535 is not within 0-65536")
    assert told.endswith("ann:2000:63000 would do") and "setuid" not in told
    confined = {**usual, "/proc/self/status": "CapBnd:\t00000000a80425fb\nNoNewPrivs:\t1\n"}
    told = subids.causes("ann", ids, reading(confined))
    assert "no_new_privs is set" in told and "lacks CAP_SYS_ADMIN" in told
    assert "/etc/subuid" not in told
