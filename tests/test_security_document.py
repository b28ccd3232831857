"""docs/security.md is true: the tests that it names exist, its tables are what the code does."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from crun_py import spec
from crun_py.ns import caps, seccomp_profile, syscalls

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "docs/security.md").read_text()
NUMBERS = syscalls.tables()
ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"

# What the peers' profiles hold back on x86-64, of the calls that Linux 6.1 has.
PODMAN_DENIES = """_sysctl acct add_key afs_syscall bpf clock_settime create_module delete_module
finit_module get_kernel_syms getpmsg init_module io_pgetevents io_uring_enter io_uring_register
io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load lookup_dcookie migrate_pages move_pages
nfsservctl open_by_handle_at perf_event_open process_madvise putpmsg query_module quotactl
quotactl_fd request_key security set_mempolicy_home_node setdomainname sethostname settimeofday
swapoff swapon sysfs tuxcall uselib userfaultfd ustat vhangup vmsplice vserver""".split()
DOCKER_DENIES = {*PODMAN_DENIES} - {"io_pgetevents", "vmsplice"} | {
    *"""clone3 fanotify_init
fsconfig fsmount fsopen fspick get_mempolicy keyctl mbind mount mount_setattr move_mount open_tree
pidfd_getfd pivot_root reboot set_mempolicy setns syslog umount2 unshare""".split()
}
LAST_OF_6_1 = 450
BOTH_ALLOW_ON_32_BITS = """_llseek _newselect arm_fadvise64_64 arm_sync_file_range breakpoint
cacheflush ipc mmap2 recv send set_tls sigprocmask sigreturn ugetrlimit waitpid
io_pgetevents_time64""".split()
"""Besides those whose names say that they are another width of a call that x86-64 has."""


def section(title: str) -> str:
    start = re.search(rf"^#+ {re.escape(title)}$", TEXT, re.M)
    assert start, title
    end = re.search(r"^#", TEXT[start.end() :], re.M)
    return TEXT[start.end() : start.end() + end.start() if end else len(TEXT)]


def rows(title: str) -> list[list[str]]:
    """The cells of a table, without its heading."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@cache
def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", TEXT)
    files = {path.name: path for path in TESTS.rglob("test_*.py")}
    missing = [f"{f}::{t}" for f, t in named if f not in files or t not in functions(files[f])]
    assert missing == [] and len(named) > 120
    assert len(re.findall(r"test_\w+\.py", TEXT)) == len(named) + 1, "a name of another form"


def test_every_threat_has_its_line() -> None:
    found = rows("Threats and tests")
    assert [row[0] for row in found] == [f"T{n:02}" for n in range(1, 43)]
    assert [row[0] for row in found if "::test_" not in row[2]] == []
    lines = rows("What a container cannot do")
    assert len(lines) > 20 and [row for row in lines if "::test_" not in row[2]] == []


def test_capabilities() -> None:
    found = {row[0]: row[1:4] for row in rows("Capabilities")}
    assert [name for name in found if found[name][0] == "yes"] == [
        name for name in caps.NAMES if name in caps.DEFAULT
    ]
    assert [name for name in found if found[name][1] == "yes"] == [*found]
    assert {name for name in found if found[name][2] == "no"} == {
        "CAP_NET_RAW", "CAP_MKNOD", "CAP_AUDIT_WRITE",
    }  # fmt: skip


def test_paths() -> None:
    masked, _, readonly = section("Paths").partition("Read-only:")
    listed = re.findall(r"`(/[^`]+)`", masked.partition("All of")[0])
    assert listed == [*spec.MASKED]
    assert re.findall(r"`(/proc[^`]+)`", readonly) == [*spec.READONLY]


def by_argument(name: str) -> bool:
    return name in seccomp_profile._BY_ARGUMENT


def allowed() -> set[str]:
    """What the default profile allows whatever the arguments are, on any architecture."""
    found: set[str] = set()
    for machine in ("x86_64", "aarch64"):
        for rule in seccomp_profile.default_profile(caps.DEFAULT, machine)["syscalls"]:
            if rule["action"] == ALLOW and not rule.get("args"):
                found |= {*rule["names"]}
    return found


def another_width(name: str) -> bool:
    """fstat64 is fstat, clock_gettime64 clock_gettime, getuid32 getuid; fstatat64 newfstatat."""
    plain = re.sub(r"(_time64|64_64|64|32)$", "", name)
    return plain != name and (plain in NUMBERS["x86_64"] or plain in ("fstatat", "fadvise"))


def test_what_peers_do_not_allow() -> None:
    """Every call that we allow and one of them does not, and no other, is there with a reason."""
    table = {row[0]: row[1:] for row in rows("Allowed here, and not by Docker or not by podman")}
    assert all(len(row) == 3 and row[2] for row in table.values())
    ours = allowed()
    expected = {name for name in ours & NUMBERS["x86_64"].keys()
                if name in DOCKER_DENIES or name in PODMAN_DENIES
                or NUMBERS["x86_64"][name] > LAST_OF_6_1}  # fmt: skip
    expected |= {"uretprobe", "uprobe"} & ours  # 335 and 336, which Linux 6.1 has not
    narrow = {n for abi in ("x86", "arm") for n in NUMBERS[abi]} - NUMBERS["x86_64"].keys()
    expected |= {n for n in ours & narrow
                 if not another_width(n) and n not in BOTH_ALLOW_ON_32_BITS}  # fmt: skip
    assert {*table} == expected
    for name, (docker, podman, _) in table.items():
        assert {docker, podman} & {"no", "?"}, name
        if NUMBERS["x86_64"].get(name, LAST_OF_6_1 + 1) <= LAST_OF_6_1 and "probe" not in name:
            assert (docker == "no") == (name in DOCKER_DENIES), name
            assert (podman == "no") == (name in PODMAN_DENIES), name


def test_capabilities_of_system_calls() -> None:
    table = {row[0]: row[1].partition(", clone3")[0] for row in rows(
        "Held back unless a capability is given")}  # fmt: skip
    assert table == seccomp_profile._BY_CAPABILITY
    for name, calls in table.items():
        assert not {*calls.split()} & allowed() or name in caps.DEFAULT


def test_calls_that_are_never_allowed() -> None:
    listed = [name for row in rows("Never allowed") for name in row[1].split()]
    assert len(listed) == len({*listed}) and {*listed} == seccomp_profile.NEVER


def test_every_call_is_in_one_of_the_lists() -> None:
    """Allowed, held back by capability, never allowed, or looked at by its arguments."""
    known = {name for calls in NUMBERS.values() for name in calls}
    guarded = {n for calls in seccomp_profile._BY_CAPABILITY.values() for n in calls.split()}
    rest = known - allowed() - guarded - seccomp_profile.NEVER
    assert {name for name in rest if not by_argument(name)} == set()
    assert seccomp_profile.NEVER - known == set()


def test_address_families() -> None:
    text = " ".join(section("Never allowed").split())
    listed = re.search(r"refuses the address families ([\d ]+):", text)
    assert listed
    rules = seccomp_profile.default_profile(caps.DEFAULT)["syscalls"]
    denied = [r["args"][0]["valueTwo"] for r in rules
              if r["names"] == ["socket"] and r["action"] == ERRNO]  # fmt: skip
    assert [*map(int, listed[1].split())] == denied
    masks = [(r["args"][0]["value"], r["args"][0]["valueTwo"]) for r in rules
             if r["names"] == ["socket"] and r["action"] == ALLOW]  # fmt: skip
    found = {n for n in range(64) if any(n & mask == value for mask, value in masks)}
    assert found == {*range(48)} - {*denied}


@pytest.mark.parametrize(
    ("name", "value"),
    [("DOCUMENT_LIMIT", "4 MiB"), ("REDIRECT_LIMIT", "10, none"), ("PATH_LIMIT", "4096 bytes"),
     ("DEPTH_LIMIT", "256 levels"), ("META_LIMIT", "1 MiB of extended"), ("NAME_LIMIT", "255;")],
)  # fmt: skip
def test_limits(name: str, value: str) -> None:
    """The numbers in the table are those of the sources."""
    from crun_py.oci import manifest, reference
    from crun_py.oci.registry import client
    from crun_py.oci.store import layers

    header = (TESTS.parent / "crun_py/_native/untar_inner.h").read_text()
    native = {n: v.strip() for n, v in re.findall(r"#define (\w+_LIMIT) ([^/\n]+)", header)}
    code = {
        "DOCUMENT_LIMIT": f"{manifest.DOCUMENT_LIMIT >> 20} MiB",
        "REDIRECT_LIMIT": f"{client.REDIRECT_LIMIT}, none",
        "PATH_LIMIT": f"{native['PATH_LIMIT']} bytes",
        "DEPTH_LIMIT": f"{native['DEPTH_LIMIT']} levels",
        "META_LIMIT": "1 MiB of extended" if native["META_LIMIT"] == "(1 << 20)" else "",
        "NAME_LIMIT": f"{reference.NAME_LIMIT};",
    }
    usual = layers.Limits()
    table = section("Limits on what strangers send")
    assert code[name] == value and value in table
    assert f"{usual.bytes >> 30} GiB unpacked, {usual.entries:,} entries, {usual.ratio} " in table
