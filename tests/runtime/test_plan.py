"""The plan: the same numbers in Python and C, bytes that C reads, lines that people read."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crun_py import _native
from crun_py.ns import CLONE_NEWNET, users
from crun_py.overlay.rootfs import RootFs
from crun_py.runtime import container, plan
from crun_py.runtime.plan import Plan

NATIVE = Path(_native.__file__).parent


def numbers_in_c() -> dict[str, int]:
    text = (NATIVE / "core.h").read_text()
    body = text[text.index("enum op {") : text.index("};", text.index("enum op {"))]
    return {name: int(n) for name, n in re.findall(r"\b(?:OP_)?(\w+) = (\d+)", body)}


def numbers_in_python() -> dict[str, int]:
    top = max(numbers_in_c().values())
    names = re.findall(r"^([A-Z][A-Z_, ]+) = range", Path(plan.__file__).read_text(), re.M)
    words = [w.strip() for line in names for w in line.split(",")]
    return {w: getattr(plan, w) for w in words if getattr(plan, w) <= top}


def test_numbers_are_the_same_on_both_sides() -> None:
    assert numbers_in_python() == numbers_in_c()


def test_every_step_has_a_name_and_a_function() -> None:
    for name, number in numbers_in_c().items():
        step = plan.Step(number, 0, 0, 0, (b"",) * 6 if name == "OVERLAY" else (b"x",) * 4)
        assert step.name == name.lower()
        assert step.describe()
    init = (NATIVE / "init.c").read_text()
    for name, number in numbers_in_c().items():
        if number < 100:
            assert f"OP_{name}" in init or f"step_{name.lower()}" in init, name


def decode(data: bytes) -> list[tuple[int, int, int, int, list[bytes]]]:
    """What plan.c does."""
    at, steps = 0, []
    while at < len(data):
        op, count, a, b, c = struct.unpack_from("<IIqqq", data, at)
        at += 32
        strings = []
        for _ in range(count):
            (length,) = struct.unpack_from("<I", data, at)
            strings.append(data[at + 4 : at + 4 + length])
            assert data[at + 4 + length] == 0
            at += length + 5
        steps.append((op, a, b, c, strings))
    return steps


number = st.integers(-(1 << 63), (1 << 64) - 1)


@given(st.lists(st.tuples(st.integers(1, 110), number, number, number, st.lists(st.binary()))))
def test_bytes(steps: list[tuple[int, int, int, int, list[bytes]]]) -> None:
    made = Plan()
    for op, a, b, c, strings in steps:
        made.add(op, *strings, a=a, b=b, c=c)
    signed = [
        (op, *(n - (1 << 64) if n >= 1 << 63 else n for n in (a, b, c)), strings)
        for op, a, b, c, strings in steps
    ]
    assert decode(made.encode()) == signed


CAPABILITY_SETS = "bounding effective permitted inheritable ambient".split()


def spec(**changes: Any) -> dict[str, Any]:
    process = {
        "args": ["true"], "env": ["A=1"], "cwd": "/", "terminal": False,
        "user": {"uid": 0, "gid": 0, "additionalGids": [0]},
        "capabilities": {name: [] for name in CAPABILITY_SETS},
    }  # fmt: skip
    document = {
        "process": process | changes.pop("process", {}),
        "root": {"path": "/run/rootfs"},
        "hostname": "box",
        "mounts": [],
        "annotations": {},
        "linux": {"namespaces": [{"type": t} for t in ("pid", "mount", "uts", "network")],
                  "maskedPaths": ["/proc/keys"], "readonlyPaths": ["/proc/sys"],
                  "devices": []} | changes.pop("linux", {}),
    }  # fmt: skip
    return document | changes


ROOT = RootFs(["/l2", "/l1"], "/up", "/work", "")


def names(document: dict[str, Any], **kwargs: Any) -> list[str]:
    given_values = {"joined": {}, "seccomp": (b"12345678", 0), "reap": False} | kwargs
    made = container.plan_for(document, kwargs.pop("root", ROOT), **given_values)
    return [s.name for s in made.steps]


def test_order_of_a_container() -> None:
    found = names(spec())
    wanted = (
        "propagation overlay mask readonly pivot hostname chdir seccomp bounding user caps env exec"
    )
    positions = [found.index(w) for w in wanted.split()]
    assert positions == sorted(positions)
    assert found[-1] == "exec"


def test_filter_comes_last_with_no_new_privileges() -> None:
    found = names(spec(process={"noNewPrivileges": True}))
    assert found.index("caps") < found.index("nonewprivs") < found.index("seccomp")


def test_features_that_are_off_are_no_steps() -> None:
    found = names(spec(), seccomp=None)
    assert not {"seccomp", "terminal", "init", "sysctl", "rootflags", "setns"} & set(found)
    assert "init" in names(spec(), reap=True)
    assert "terminal" in names(spec(process={"terminal": True}))
    assert "loopback" in found
    assert "loopback" not in names(spec(), joined={"network": 5})
    assert "setns" in names(spec(), joined={"network": 5})
    assert "rootflags" in names(spec(root={"path": "/x", "readonly": True}))


def test_joined_namespaces_are_not_made() -> None:
    assert container.clone_flags(spec(), {"network": 5}) & CLONE_NEWNET == 0
    assert container.clone_flags(spec(), {}) & CLONE_NEWNET


@pytest.mark.parametrize(
    "text", ["a:x:1:1::/:/bin/sh\n", "a:x:-1:1::/:\n", "::::::\n", "\0\n", "a:x"]
)
def test_passwd_lines_that_do_not_parse(text: str) -> None:
    class View:
        def read(self, path: str) -> bytes:
            return text.encode()

    found = users.resolve(View(), "")  # type: ignore[arg-type]
    assert (found.uid, found.gid) == (0, 0)
