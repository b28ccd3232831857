"""crun_py.ns.caps: names, numbers, and the set of a container."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crun_py.errors import InvalidArgument, Unsupported
from crun_py.ns import caps

ALL = (1 << len(caps.NAMES)) - 1


def test_numbers_are_the_kernel_headers() -> None:
    header = Path("/usr/include/linux/capability.h")
    if not header.exists():
        pytest.skip("no kernel headers here")
    found = re.findall(r"^#define (CAP_\w+)\s+(\d+)$", header.read_text(), re.M)
    assert {name: int(n) for name, n in found} == caps.NUMBERS


def test_default_is_dockers_fourteen() -> None:
    given = caps.compute(bounding=ALL)
    assert len(given) == 14
    assert caps.mask(given) == 0x00000000A80425FB


def test_add_and_drop() -> None:
    given = caps.compute(["net_admin", "CAP_SYS_TIME"], ["mknod", "Cap_Chown"], bounding=ALL)
    assert {"CAP_NET_ADMIN", "CAP_SYS_TIME"} < set(given)
    assert not {"CAP_MKNOD", "CAP_CHOWN"} & set(given)
    assert given == sorted(given, key=caps.NUMBERS.__getitem__)


def test_all() -> None:
    assert caps.compute(["ALL"], bounding=ALL) == list(caps.NAMES)
    assert caps.compute(["all"], ["NET_RAW"], bounding=ALL) == [
        n for n in caps.NAMES if n != "CAP_NET_RAW"
    ]
    assert caps.compute([], ["ALL"], bounding=ALL) == []
    assert caps.compute(["KILL"], ["ALL"], bounding=ALL) == ["CAP_KILL"]
    assert caps.compute(privileged=True, bounding=ALL) == list(caps.NAMES)
    assert "CAP_KILL" not in caps.compute([], ["KILL"], privileged=True, bounding=ALL)
    assert caps.compute(["KILL"], ["ALL"], privileged=True, bounding=ALL) == ["CAP_KILL"]


def test_bounding_set_clips_what_nobody_named() -> None:
    without = ALL & ~(1 << caps.NUMBERS["CAP_MKNOD"])
    assert "CAP_MKNOD" not in caps.compute(bounding=without)
    assert "CAP_MKNOD" not in caps.compute(privileged=True, bounding=without)
    with pytest.raises(Unsupported, match="CAP_MKNOD"):
        caps.compute(["MKNOD"], bounding=without)


def test_errors() -> None:
    with pytest.raises(InvalidArgument, match="NET_ADMON") as e:
        caps.compute(["NET_ADMON"], bounding=ALL)
    assert "NET_ADMIN" in e.value.hint
    with pytest.raises(InvalidArgument, match="both"):
        caps.compute(["KILL"], ["kill"], bounding=ALL)
    with pytest.raises(InvalidArgument):
        caps.compute([""], bounding=ALL)


def test_masks_round_trip() -> None:
    assert caps.names(caps.mask(caps.NAMES)) == list(caps.NAMES)
    assert caps.bounding_mask() <= ALL
