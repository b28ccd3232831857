"""Every system call that the default filter denies, made in a container by its number and by each
door (x86-64, x32, i386 on x86-64; AArch64): it fails as the profile says, for root and as exec.

And what a container finds of control groups: its own alone, to read.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from engine import Engine

from crun_py.ns import caps, seccomp, seccomp_profile, syscalls

NONE = ("run", "--rm", "--network", "none")
PROBE = r"""
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#ifdef __x86_64__
static long by_i386(long n, long a)
{
	long r;
	__asm__ volatile("push %%rbx; mov %2, %%ebx; mov $-1, %%ecx; mov $-1, %%edx; mov $-1, %%esi;"
		"mov $-1, %%edi; int $0x80; pop %%rbx" : "=a"(r) : "a"(n), "r"((int)a)
		: "memory", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
	return (int)r;
}
#endif

/* Lines "ABI NUMBER FIRST-ARGUMENT" in, lines "ABI NUMBER ERRNO" out. */
int main(void)
{
	char abi[20];
	long number, first;
	while (scanf("%19s %ld %ld", abi, &number, &first) == 3) {
		long r = -ENOSYS;
#ifdef __x86_64__
		if (!strcmp(abi, "x86"))
			r = by_i386(number, first);
		else
#endif
		{
			number |= strcmp(abi, "x32") ? 0 : 0x40000000;
			r = syscall(number, first, -1L, -1L, -1L, -1L, -1L) < 0 ? -errno : 0;
			number &= ~0x40000000L;
		}
		printf("%s %ld %ld\n", abi, number, -r);
	}
	return 0;
}
"""
MACHINE = seccomp.machine()
ABIS = {"x86_64": ("x86_64", "x32", "x86"), "aarch64": ("aarch64",)}[MACHINE]
FAMILIES = dict.fromkeys((12, 19, 20, 23, 25, 34, 37, 38, 40), 1)  # AF_ALG, AF_VSOCK, old ones
NAMESPACES = (0x10000000, 0x20000000, 0x40000000, 0x2000000, 0x4000000, 0x8000000, 0x20000)
UNIMPLEMENTED = {"socketcall": 38, "clone3": 38}


@pytest.fixture(scope="module")
def probe(base: Path) -> Path:
    source, program = base / "calls.c", base / "calls"
    source.write_text(PROBE)
    subprocess.run(["gcc", "-static", "-O1", "-w", "-o", program, source], check=True)
    return program


def denied() -> dict[tuple[str, int, int], int]:
    """(ABI, number, first argument): the errno that the profile promises."""
    numbers = syscalls.tables()
    rules = seccomp_profile.default_profile(caps.DEFAULT, MACHINE)["syscalls"]
    names = {n for r in rules if r["action"] == "SCMP_ACT_ERRNO" and not r.get("args")
             for n in r["names"]}  # fmt: skip
    assert len(names) > 75
    found = {}
    for abi in ABIS:
        for name in names & numbers[abi].keys():
            found[abi, numbers[abi][name], -1] = UNIMPLEMENTED.get(name, 1)
        for family, errno in FAMILIES.items():
            if "socket" in numbers[abi]:
                found[abi, numbers[abi]["socket"], family] = errno
        for flag in NAMESPACES:
            found[abi, numbers[abi]["clone"], flag] = 1
        found[abi, numbers[abi]["personality"], 0x40000] = 38
        unknown = max(numbers[abi].values()) + 1
        for number in range(unknown, unknown + 40):  # of kernels to come
            found[abi, number, -1] = 38
    return found


@pytest.mark.parametrize("how", ["run", "exec", "-u tester", "no-new-privileges", "--init"])
def test_every_denied_call(engine: Engine, probe: Path, how: str) -> None:
    wanted = denied()
    asked = "".join(f"{abi} {number} {first}\n" for abi, number, first in wanted)
    mount = ("-v", f"{probe}:/calls:ro")
    if how == "exec":
        engine.detached("--name", "c", *mount, "busybox", "sleep", "1000")
        words: tuple[str, ...] = ("exec", "-i", "c")
    else:
        more = {"run": "", "no-new-privileges": "--security-opt no-new-privileges"}.get(how, how)
        words = (*NONE, "-i", *mount, *more.split(), "busybox")
    lines = engine.ok(*words, "/calls", input=asked).splitlines()
    got = [line.split() for line in lines]
    assert len(got) == len(wanted)
    wrong = [(key, errno, row) for (key, errno), row in zip(wanted.items(), got, strict=True)
             if [*map(str, (key[0], key[1], errno))] != row]  # fmt: skip
    assert wrong == []


def test_without_the_filter_they_are_answered_otherwise(engine: Engine, probe: Path) -> None:
    """The probe tells: calls that the kernel has answer with errors of their own."""
    wanted = {
        key: e for key, e in denied().items() if key[0] == ABIS[0] and key[2] == -1 and e == 1
    }
    harmless = [syscalls.tables()[ABIS[0]][name] for name in ("keyctl", "add_key", "request_key",
                "fsopen", "open_tree", "mbind", "kcmp", "setns", "userfaultfd")]  # fmt: skip
    asked = "".join(f"{ABIS[0]} {n} -1\n" for n in harmless if (ABIS[0], n, -1) in wanted)
    options = (*NONE, "-i", "-v", f"{probe}:/calls:ro", "--security-opt", "seccomp=unconfined")
    lines = engine.ok(*options, "busybox", "/calls", input=asked).splitlines()
    assert len({line.split()[2] for line in lines} - {"1"}) >= 3


CGROUPS = """
cat /proc/self/cgroup
for d in $(grep -o ' /sys/fs/cgroup[^ ]*' /proc/mounts); do
  mkdir $d/made && echo MADE; echo $$ > $d/cgroup.procs && echo MOVED
  echo 1 > $d/cgroup.freeze && echo FROZEN; touch $d/release_agent && echo AGENT
done
for t in cgroup cgroup2; do
  mkdir -p /tmp/$t; mount -t $t -o none,name=own x /tmp/$t && echo MOUNTED
  mount -t $t x /tmp/$t && echo MOUNTED
done
mount -o remount,rw /sys/fs/cgroup && echo REMOUNTED
true
"""


@pytest.mark.parametrize("options", [(), ("--cgroupns", "private"), ("--network", "host")])
def test_control_groups(engine: Engine, options: tuple[str, ...]) -> None:
    """CVE-2022-0492 and CVE-2023-25809: no hierarchy to write to, none to mount, and of the
    host's tree only its own place, which is named /."""
    words = ("run", "--rm", *options) if "host" in options else (*NONE, *options)
    done = engine.run(*words, "busybox", "sh", "-c", CGROUPS)
    assert done.code == 0
    assert not re.search("MADE|MOVED|FROZEN|AGENT|MOUNTED|REMOUNTED", done.out), done
    own = [line for line in done.out.splitlines() if line.startswith("0::")]
    assert own in ([], ["0::/"]), done.out
