"""Which devices a container's processes may open and make: the rules of the OCI specification as
an eBPF program of its cgroup (config-linux.md, "Allowed Device list"; bpf(2);
Documentation/admin-guide/cgroup-v2.rst, "Device controller").

    struct bpf_cgroup_dev_ctx: u32 access << 16 | type, u32 major, u32 minor
"""

from __future__ import annotations

import os
from _struct import pack

from crun_py._native import check, ffi, lib
from crun_py.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.documents.spec import LinuxDeviceCgroup

_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}
_ALL = 7

# linux/bpf_common.h, linux/bpf.h: opcodes
_LOAD, _MOVE, _MOVE_IMMEDIATE, _AND, _SHIFT_RIGHT = 0x61, 0xBF, 0xB7, 0x57, 0x77
_JUMP_EQUAL, _JUMP_OTHER, _EXIT = 0x15, 0x55, 0x95

_RESULT, _CONTEXT, _WANTED, _TYPE, _MAJOR, _MINOR, _SCRATCH = range(7)
"""Registers: the first two as the kernel has them, the others as we use them."""

_Code = list[tuple[int, int, int, int, int]]  # opcode, destination, source, offset, immediate


def program(rules: Iterable[LinuxDeviceCgroup]) -> bytes:
    """The instructions for `rules`, of which the last that speaks of a device and an access
    decides about it; what none speaks of is not allowed."""
    code: _Code = [
        (_LOAD, _TYPE, _CONTEXT, 0, 0),
        (_MOVE, _WANTED, _TYPE, 0, 0),
        (_AND, _TYPE, 0, 0, 0xFFFF),
        (_SHIFT_RIGHT, _WANTED, 0, 0, 16),
        (_LOAD, _MAJOR, _CONTEXT, 4, 0),
        (_LOAD, _MINOR, _CONTEXT, 8, 0),
    ]
    for rule in reversed([*rules]):
        code += _rule(rule)
        if _decides_all(rule):
            break  # the kernel takes no instructions that are never reached
    else:
        code += _verdict(allow=False)
    return b"".join(
        pack("<BBhi", opcode, target | source << 4, offset, immediate)
        for opcode, target, source, offset, immediate in code
    )


def _decides_all(rule: LinuxDeviceCgroup) -> bool:
    numbers = rule.get("major", -1), rule.get("minor", -1)
    return {*rule["access"]} == {*_ACCESS} and rule.get("type", "a") == "a" and max(numbers) < 0


def _verdict(*, allow: bool) -> _Code:
    return [(_MOVE_IMMEDIATE, _RESULT, 0, 0, int(allow)), (_EXIT, 0, 0, 0, 0)]


def _rule(rule: LinuxDeviceCgroup) -> _Code:
    """A verdict; or, of an allowed part of what is wanted, the rest goes on to older rules."""
    access = sum(_ACCESS[letter] for letter in {*rule["access"]})
    act: _Code = []
    if access == _ALL:
        act = _verdict(allow=rule["allow"])
    elif rule["allow"]:
        act = [
            (_AND, _WANTED, 0, 0, _ALL & ~access),
            (_JUMP_OTHER, _WANTED, 0, 2, 0),
            *_verdict(allow=True),
        ]
    else:
        act = [
            (_MOVE, _SCRATCH, _WANTED, 0, 0),
            (_AND, _SCRATCH, 0, 0, access),
            (_JUMP_EQUAL, _SCRATCH, 0, 2, 0),
            *_verdict(allow=False),
        ]
    tests = [
        (_MAJOR, rule.get("major", -1)),
        (_MINOR, rule.get("minor", -1)),
    ]
    if rule.get("type", "a") != "a":
        tests.insert(0, (_TYPE, _TYPES[rule["type"]]))
    for register, number in reversed(tests):
        if number >= 0:
            act = [(_JUMP_OTHER, register, 0, len(act), number), *act]
    return act


def guard(cgroup: str, rules: Iterable[LinuxDeviceCgroup]) -> None:
    """The processes of the group `cgroup`, a directory, get at devices by `rules` alone; for as
    long as the group is there.  Raises Unsupported where the kernel or our rights do not allow
    it."""
    code = program(rules)
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        check(lib.crunpy_filter_devices(fd, ffi.from_buffer(code), len(code) // 8))
    except OSError as e:
        raise Unsupported.from_os("limiting devices by cgroup v2", e) from e
    finally:
        os.close(fd)
