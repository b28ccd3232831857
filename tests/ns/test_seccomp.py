"""crun_py.ns.seccomp: the program against the profile, libseccomp and the kernel.

`verdict` is a BPF interpreter; `meaning` says what a profile means, written without looking
at the assembler; the two are compared for every number in every ABI.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from bpf_machine import verdict

from crun_py.errors import InvalidArgument, Unsupported
from crun_py.ns import bpf, caps, seccomp, seccomp_profile, syscalls

ALLOW, KILL = bpf.ALLOW, bpf.KILL_PROCESS
EPERM, ENOSYS = bpf.ERRNO | 1, bpf.ERRNO | 38
AUDIT = {"x86_64": 0xC000003E, "x32": 0xC000003E, "x86": 0x40000003}
AUDIT |= {"aarch64": 0xC00000B7, "arm": 0x40000028}
NUMBERS = syscalls.tables()
WORD = (1 << 64) - 1


def holds(test: dict[str, Any], args: tuple[int, ...], bits: int) -> bool:
    mask = (1 << bits) - 1
    found, value = args[test["index"]] & mask, test["value"] & mask
    if test["op"] == "SCMP_CMP_MASKED_EQ":
        return found & value == test.get("valueTwo", 0) & mask
    return {
        "SCMP_CMP_EQ": found == value,
        "SCMP_CMP_NE": found != value,
        "SCMP_CMP_LT": found < value,
        "SCMP_CMP_LE": found <= value,
        "SCMP_CMP_GT": found > value,
        "SCMP_CMP_GE": found >= value,
    }[test["op"]]


def action(value: dict[str, Any], name: str, number: str) -> int:
    code = bpf._ACTIONS[value[name]]
    return code | value.get(number, 1) if code in (bpf.ERRNO, bpf.TRACE) else code


def meaning(profile: dict[str, Any], name: str | None, args: tuple[int, ...], bits: int) -> int:
    for rule in profile["syscalls"]:
        tests = rule.get("args") or []
        if name in rule["names"]:
            each = [holds(test, args, bits) for test in tests]
            twice = len({test["index"] for test in tests}) < len(tests)
            if any(each) if twice else all(each):
                return action(rule, "action", "errnoRet")
    return action(profile, "defaultAction", "defaultErrnoRet")


def every_call(abi: str) -> list[tuple[int, str | None]]:
    offset = 0x40000000 if abi == "x32" else 0
    names = {number: name for name, number in NUMBERS[abi].items()}
    numbers = {*range(600), *names, *(n + 1 for n in names), 0x3FFFFFFF}
    return [(n + offset, names.get(n)) for n in sorted(numbers)]


ARGUMENTS = [
    (0,) * 6,
    (WORD,) * 6,
    *((n,) * 6 for n in (1, 2, 8, 16, 37, 38, 39, 40, 41, 45, 47, 48, 0x20000, 0x20008)),
    *((n,) * 6 for n in (0xFFFFFFFF, 0x10000000, 0x00020000, 0x40000000, 0x01200011)),
    *((n | 1 << 32,) * 6 for n in (2, 38, 40, 0x10000000)),
]


def compare(profile: dict[str, Any], machine: str, abis: list[str]) -> None:
    program = bpf.assemble(profile, machine)
    assert len(program) // 8 <= 4096
    for abi in abis:
        bits = 32 if abi in ("x86", "arm") else 64
        for number, name in every_call(abi):
            conditional = any(name in r["names"] and r.get("args") for r in profile["syscalls"])
            for args in ARGUMENTS if conditional else ARGUMENTS[:1]:
                cut = tuple(a & (1 << bits) - 1 for a in args)
                expected = meaning(profile, name, cut, bits)
                found = verdict(program, AUDIT[abi], number, cut)
                assert found == expected, f"{abi} {name or number} {args}: {found:#x}"


@pytest.mark.parametrize("names", [[], caps.DEFAULT, ["CAP_SYS_ADMIN"], caps.NAMES])
@pytest.mark.parametrize(
    ("machine", "abis"),
    [("x86_64", ["x86_64", "x32", "x86"]), ("aarch64", ["aarch64", "arm"])],
)
def test_default_is_what_the_profile_says(names: list[str], machine: str, abis: list[str]) -> None:
    compare(seccomp_profile.default_profile(names, machine), machine, abis)


@pytest.fixture(scope="module")
def default() -> bytes:
    return bpf.assemble(seccomp_profile.default_profile(caps.DEFAULT), "x86_64")


DENIED = {
    "io_uring_setup": EPERM,
    "userfaultfd": EPERM,
    "keyctl": EPERM,
    "add_key": EPERM,
    "request_key": EPERM,
    "mount": EPERM,
    "umount2": EPERM,
    "unshare": EPERM,
    "setns": EPERM,
    "fsopen": EPERM,
    "open_tree": EPERM,
    "bpf": EPERM,
    "perf_event_open": EPERM,
    "kexec_load": EPERM,
    "init_module": EPERM,
    "finit_module": EPERM,
    "reboot": EPERM,
    "swapon": EPERM,
    "open_by_handle_at": EPERM,
    "pivot_root": EPERM,
    "syslog": EPERM,
    "mbind": EPERM,
    "iopl": EPERM,
    "clock_settime": EPERM,
    "acct": EPERM,
    "kcmp": EPERM,
    "pidfd_getfd": EPERM,
    "quotactl": EPERM,
    "uselib": EPERM,
    "clone3": ENOSYS,
    "socketcall": ENOSYS,
    "vm86": EPERM,
}


@pytest.mark.parametrize("abi", ["x86_64", "x32", "x86"])
def test_default_denies_by_number(default: bytes, abi: str) -> None:
    offset = 0x40000000 if abi == "x32" else 0
    for name, expected in DENIED.items():
        if name in NUMBERS[abi]:
            number = NUMBERS[abi][name] | offset
            assert verdict(default, AUDIT[abi], number) == expected, name
    for name in ("read", "write", "execve", "chroot", "ptrace", "mknod", "fork", "prctl"):
        if name in NUMBERS[abi]:
            number = NUMBERS[abi][name] | offset
            assert verdict(default, AUDIT[abi], number) == ALLOW, name


@pytest.mark.parametrize("abi", ["x86_64", "x32", "x86"])
def test_default_looks_at_arguments(default: bytes, abi: str) -> None:
    offset = 0x40000000 if abi == "x32" else 0

    def call(name: str, first: int) -> int:
        return verdict(default, AUDIT[abi], NUMBERS[abi][name] | offset, (first,))

    denied = (12, 19, 20, 23, 25, 34, 37, 38, 40, 46, 47)
    for family in {*range(48)} - {*denied}:
        assert call("socket", family) == ALLOW
    for family in denied:
        assert call("socket", family) == EPERM
        assert call("socket", family | 7 << 32) == EPERM, "the kernel looks at 32 bits"
    assert call("clone", 0x01200011) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert call("clone", flag | 17) == EPERM
    assert [call("personality", n) == ALLOW for n in (0, 8, 0x20000, 0xFFFFFFFF, 0x40000)] == [
        *(True,) * 4,
        False,
    ]


def test_capabilities_open_what_they_guard() -> None:
    for name, calls in seccomp_profile._BY_CAPABILITY.items():
        program = bpf.assemble(seccomp_profile.default_profile([name]), "x86_64")
        for call in calls.split():
            if call in NUMBERS["x86_64"]:
                assert verdict(program, AUDIT["x86_64"], NUMBERS["x86_64"][call]) == ALLOW
    admin = bpf.assemble(seccomp_profile.default_profile(["CAP_SYS_ADMIN"]), "x86_64")
    for call in ("clone", "clone3"):
        assert verdict(admin, AUDIT["x86_64"], NUMBERS["x86_64"][call], (WORD,)) == ALLOW


def test_the_mask_of_capabilities_that_matter_is_whole() -> None:
    assert caps.mask(seccomp_profile._BY_CAPABILITY) == seccomp._RELEVANT


def test_other_architectures_are_killed(default: bytes) -> None:
    assert verdict(default, AUDIT["aarch64"], 0) == KILL
    only = bpf.assemble({"defaultAction": "SCMP_ACT_ALLOW"}, "x86_64")
    assert verdict(only, AUDIT["x86_64"], 0x3FFFFFFF) == ALLOW
    assert verdict(only, AUDIT["x86_64"], 0x40000000) == KILL
    assert verdict(only, AUDIT["x86_64"], 0xFFFFFFFF) == KILL
    assert verdict(only, AUDIT["x86"], 0) == KILL


OPS = ["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"]


def test_random_profiles() -> None:
    """Every operator, several tests in a rule, several rules for a call, values of any size."""
    chance = random.Random(7)
    interesting = [0, 1, 2, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 32) + 1, WORD, WORD - 1]
    names = ["read", "openat", "write", "nonsense", "futex_time64", "ioctl", "socket"]
    for _ in range(150):
        rules = []
        for _ in range(chance.randint(1, 6)):
            args = [
                {
                    "index": chance.randrange(3),
                    "value": chance.choice(interesting),
                    "valueTwo": chance.choice(interesting),
                    "op": "SCMP_CMP_" + chance.choice(OPS),
                }
                for _ in range(chance.choice((0, 1, 1, 2, 3)))
            ]
            kind = chance.choice(["ALLOW", "ERRNO", "LOG", "TRAP", "TRACE", "KILL_PROCESS"])
            rule = {"names": chance.sample(names, 3), "action": "SCMP_ACT_" + kind, "args": args}
            rules.append({**rule, "errnoRet": chance.randrange(100)})
        profile = {
            "defaultAction": "SCMP_ACT_ERRNO",
            "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": rules,
        }
        program = bpf.assemble(profile, "x86_64")
        for abi, bits in (("x86_64", 64), ("x32", 64), ("x86", 32)):
            offset = 0x40000000 if abi == "x32" else 0
            for name in names:
                if name not in NUMBERS[abi]:
                    continue
                for _ in range(12):
                    args = tuple(chance.choice(interesting) & (1 << bits) - 1 for _ in range(6))
                    expected = meaning(profile, name, args, bits)
                    number = NUMBERS[abi][name] | offset
                    assert verdict(program, AUDIT[abi], number, args) == expected


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"defaultAction": "SCMP_ACT_MAYBE"},
        {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": -1},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{}]},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "x"}]},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": 5},
        *(
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG", "args": [test]}],
            }
            for test in (
                {"index": 6, "value": 0, "op": "SCMP_CMP_EQ"},
                {"index": 0, "value": -1, "op": "SCMP_CMP_EQ"},
                {"index": 0, "value": 0, "op": "SCMP_CMP_XX"},
                {"index": "0", "value": 0, "op": "SCMP_CMP_EQ"},
            )
        ),
    ],
)
def test_malformed_profiles(profile: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="seccomp profile"):
        bpf.assemble(profile, "x86_64")


def test_notify_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="NOTIFY"):
        bpf.assemble({"defaultAction": "SCMP_ACT_NOTIFY"}, "x86_64")


def test_docker_profile_files(tmp_path: Path) -> None:
    rule = {"names": ["mount"], "action": "SCMP_ACT_ALLOW"}
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "archMap": [
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        ],
        "syscalls": [
            {**rule, "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {**rule, "names": ["umount2"], "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {**rule, "names": ["read"], "includes": {"minKernel": "4.8"}},
            {**rule, "names": ["write"], "includes": {"minKernel": "99.0"}},
            {**rule, "names": ["open"], "includes": {"arches": ["amd64"]}},
            {**rule, "names": ["close"], "excludes": {"arches": ["amd64"]}},
            {"name": "fork", "action": "SCMP_ACT_ALLOW", "args": None},
        ],
    }
    found = seccomp_profile.resolve(profile, ["CAP_SYS_ADMIN"], "x86_64")
    assert found["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert [r["names"][0] for r in found["syscalls"]] == ["mount", "read", "open", "fork"]
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(profile))
    if seccomp.machine() == "x86_64":
        program, _ = seccomp.compiled(seccomp.load_profile(str(file)))
        assert verdict(program, AUDIT["x86_64"], NUMBERS["x86_64"]["umount2"]) == ALLOW
        assert verdict(program, AUDIT["x86_64"], NUMBERS["x86_64"]["mount"]) == ENOSYS
    for text in ("{", "[]", '{"syscalls": 1}', '{"defaultAction": "x", "syscalls": [1]}'):
        file.write_text(text)
        with pytest.raises(InvalidArgument, match=re.escape(str(file))):
            seccomp.load_profile(str(file))
    with pytest.raises(InvalidArgument, match="no such file"):
        seccomp.load_profile(str(tmp_path / "absent"))


def test_numbers_are_those_of_the_headers_here() -> None:
    headers = Path("/usr/include/x86_64-linux-gnu/asm")
    if not headers.exists():
        pytest.skip("no x86-64 kernel headers here")
    for abi, file in (("x86_64", "unistd_64"), ("x86", "unistd_32"), ("x32", "unistd_x32")):
        text = (headers / f"{file}.h").read_text()
        found = re.findall(r"^#define __NR_(\w+) (?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?$", text, re.M)
        assert len(found) > 300
        for name, number in found:
            assert NUMBERS[abi].get(name, int(number)) == int(number), (abi, name)
        missing = {name for name, number in found if int(number) < 470} - NUMBERS[abi].keys()
        assert not missing, (abi, missing)


def test_cache(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    first = seccomp.compiled_default(caps.DEFAULT, cache)
    assert first == seccomp.compiled_default(["chown", "sys_chroot"], cache), "the same filter"
    assert first == seccomp.compiled_default(caps.mask(caps.DEFAULT), cache)
    assert seccomp.compiled_default([], cache) != first
    files = sorted(os.listdir(cache))
    assert len(files) == 2
    for name in files:  # a torn file is written anew
        Path(cache, name).write_bytes(b"torn")
    start = time.perf_counter()
    assert seccomp.compiled_default(caps.DEFAULT, cache) == first
    assert time.perf_counter() - start < 1
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        seccomp.compiled_default(caps.DEFAULT, cache)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.02


def test_version_is_raised_with_the_program() -> None:
    """When this fails, raise seccomp.VERSION (old caches must not be used) and the digests."""
    digest = hashlib.sha256()
    for names in ([], caps.DEFAULT, caps.NAMES):
        for machine in ("x86_64", "aarch64"):
            profile = seccomp_profile.default_profile(names, machine)
            digest.update(bpf.assemble(profile, machine))
    assert (seccomp.VERSION, digest.hexdigest()[:16]) == (2, "4f200af19b5c1692")


def _libseccomp() -> Any:
    name = ctypes.util.find_library("seccomp")
    if not name or seccomp.machine() != "x86_64":
        pytest.skip("no libseccomp here")
    lib = ctypes.CDLL(name)
    lib.seccomp_init.restype = ctypes.c_void_p
    return lib


class Compare(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def oracle(lib: Any, profile: dict[str, Any], tokens: list[int]) -> bytes:
    """libseccomp's program for `profile` on the architectures of `tokens`."""
    context = ctypes.c_void_p(lib.seccomp_init(action(profile, "defaultAction", "defaultErrnoRet")))
    assert lib.seccomp_attr_set(context, 2, 0x80000000) == 0  # SCMP_FLTATR_ACT_BADARCH
    for token in tokens:
        assert lib.seccomp_arch_add(context, token) in (0, -17)  # EEXIST: the native one
    if AUDIT["x86_64"] not in tokens:
        assert lib.seccomp_arch_remove(context, AUDIT["x86_64"]) == 0
    order = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]
    default = action(profile, "defaultAction", "defaultErrnoRet")
    for rule in profile["syscalls"]:
        code = action(rule, "action", "errnoRet")
        if code == default:
            continue  # libseccomp refuses a rule that says what the default says
        tests = (Compare * len(rule.get("args", ())))(
            *(
                Compare(
                    t["index"],
                    1 + order.index(t["op"].removeprefix("SCMP_CMP_")),
                    t["value"],
                    t.get("valueTwo", 0),
                )
                for t in rule.get("args", ())
            )
        )
        for name in rule["names"]:
            number = lib.seccomp_syscall_resolve_name(name.encode())
            if number == -1:
                continue
            result = lib.seccomp_rule_add_array(context, code, number, len(tests), tests)
            # EEXIST: for i386 it makes socket a socketcall, whose arguments it cannot see
            assert result == 0 or (0x40000003 in tokens and name == "socket"), (name, result)
    fd = os.memfd_create("bpf")
    assert lib.seccomp_export_bpf(context, fd) == 0
    os.lseek(fd, 0, os.SEEK_SET)
    program = os.read(fd, 1 << 20)
    os.close(fd)
    return program


@pytest.mark.parametrize(
    ("machine", "abis", "tokens"),
    [("x86_64", ["x86_64", "x32"], [AUDIT["x86_64"], 0x4000003E]),
     ("x86_64", ["x86"], [AUDIT["x86_64"], AUDIT["x86"]]),
     ("aarch64", ["aarch64", "arm"], [AUDIT["aarch64"], AUDIT["arm"]])],
)  # fmt: skip
def test_libseccomp_agrees(machine: str, abis: list[str], tokens: list[int]) -> None:
    lib = _libseccomp()
    profile = seccomp_profile.default_profile(caps.DEFAULT, machine)
    ours, theirs = bpf.assemble(profile, machine), oracle(lib, profile, tokens)
    names = {name for calls in NUMBERS.values() for name in calls}
    unknown = {n for n in names if lib.seccomp_syscall_resolve_name(n.encode()) == -1}
    for abi in abis:
        for number, name in every_call(abi):
            if name in unknown or name is None:
                continue
            # libseccomp makes i386's newer socket and ipc calls from the multiplexers
            if abi == "x86" and (name in ("socketcall", "ipc") or 359 <= number <= 402):
                continue
            conditional = name in ("clone", "socket", "personality")
            for args in ARGUMENTS if conditional else ARGUMENTS[:1]:
                # of x32's registers, too, it looks at 32 bits only
                wide = abi in ("x86_64", "aarch64")
                cut = args if wide else tuple(a & 0xFFFFFFFF for a in args)
                a = verdict(ours, AUDIT[abi], number, cut)
                b = verdict(theirs, AUDIT[abi], number, cut)
                assert a == b, f"{abi} {name} {args}: {a:#x} {b:#x}"


_PROBE = """
import ctypes, os, sys, errno
libc = ctypes.CDLL(None, use_errno=True)
program = sys.stdin.buffer.read()
class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))
buffer = ctypes.create_string_buffer(program, len(program))
given = Program(len(program) // 8, ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.syscall(317, 1, 0, ctypes.byref(given)) == 0
def call(*args):
    ctypes.set_errno(0)
    libc.syscall(*(ctypes.c_long(a) for a in args))
    return errno.errorcode.get(ctypes.get_errno(), "0")
print(call(39), call(250, 0, 0, 0, 0, 0), call(272, 0x10000000), call(41, 38, 5, 0),
      call(41, 40, 1, 0), call(435, 0, 0), call(425, 1, 0), call(321, 0, 0, 0), call(999),
      call(0x40000000 | 272, 0), call(0x40000000 | 41, 38, 5, 0), call(56, 0x10000011),
      call(41, 40 | 1 << 32, 1, 0))
os.system("true") == 0 or print("no children")
"""


def test_the_kernel_takes_it(default: bytes) -> None:
    if seccomp.machine() != "x86_64":
        pytest.skip("the probe calls by x86-64 numbers")
    done = subprocess.run([sys.executable, "-c", _PROBE], input=default, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split() == [
        *("0", "EPERM", "EPERM", "EPERM"),
        *("EPERM", "ENOSYS", "EPERM", "EPERM", "ENOSYS"),
        *("EPERM", "EPERM", "EPERM", "EPERM"),
    ]


_PROBE_I386 = r"""
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
static long call(long n, long a, long b, long c)
{
    long r;
    __asm__ volatile("push %%rbx; mov %2, %%ebx; int $0x80; pop %%rbx"
        : "=a"(r) : "a"(n), "r"((int)a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return (int)r;
}
int main(void)
{
    static struct sock_filter f[4096];
    struct sock_fprog p = { fread(f, 8, 4096, stdin), f };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, 1, 0, &p))
        return 1;
    printf("%ld %ld %ld %ld %ld %ld\n", call(20, 0, 0, 0) > 0, call(310, 0x10000000, 0, 0),
        call(359, 38, 5, 0), call(102, 1, 0, 0), call(435, 0, 0, 0), call(288, 0, 0, 0));
    return 0;
}
"""


def test_the_door_of_i386(default: bytes, tmp_path: Path) -> None:
    """int 0x80 from a 64-bit program enters by the numbers of i386."""
    source = tmp_path / "probe.c"
    source.write_text(_PROBE_I386)
    build = subprocess.run(["cc", "-o", str(tmp_path / "probe"), str(source)], capture_output=True)
    if build.returncode or seccomp.machine() != "x86_64":
        pytest.skip("no C compiler for x86-64")
    done = subprocess.run([str(tmp_path / "probe")], input=default, capture_output=True)
    assert done.returncode == 0, done
    assert done.stdout.split() == [b"1", b"-1", b"-1", b"-38", b"-38", b"-1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("{}", "it lacks defaultAction"), ("[]", "of another type"), ("1", "of another type"),
     ('{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [1]}', "of another type")],
)  # fmt: skip
def test_a_profile_that_is_none_is_told_in_words(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    with pytest.raises(InvalidArgument, match=said):
        seccomp.load_profile(str(file))
