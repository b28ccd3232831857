"""Containers as scopes of systemd's and in its units, in a machine of its own where it is the init
(tests/vm/README.md).  One boot for root, one for a plain user in a login session."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from delegation_machine import BY_SYSTEMD, BY_SYSTEMD_EXPECTED, plain_user
from engine import Engine
from limits_machine import NESTED, NESTED_EXPECTED, PODS, PODS_EXPECTED
from machine import apart, in_vm, prologue, together
from oci_machine import SYSTEMD, SYSTEMD_EXPECTED
from units_machine import (
    GENERATED,
    GENERATED_EXPECTED,
    KUBE_FILE,
    KUBE_FILE_EXPECTED,
    POD_FILES,
    POD_FILES_EXPECTED,
    USERS,
    USERS_EXPECTED,
)

pytestmark = [
    pytest.mark.timeout(1000),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest"),
]

SHOWN = """
shown() { systemctl $user show -p "$2" "$1" | sort; }
unit() { echo crunpy-$(crunpy inspect -f '{{.ID}}' $1).scope; }
where() { cat /proc/$(crunpy inspect -f '{{.State.Pid}}' $1)/cgroup | sed "s/$(unit $1)/UNIT/"; }
units() { systemctl $user list-units --all --plain --no-legend 'crunpy-*' | wc -l; }
units_left() {
    for _ in $(seq 50); do [ "$(units)" != 0 ] || break; sleep 0.2; done
    units
}
limits=MemoryMax,MemorySwapMax,MemoryLow,CPUQuotaPerSecUSec,TasksMax
"""

ROOT = """
crunpy info -f '{{.CgroupDriver}} {{.Host.CgroupManager}}'
crunpy run -d --name a --network none --stop-timeout 0 -m 64m --memory-swap 80m \\
    --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --pids-limit 50 --cpuset-cpus 0 \\
    --device-write-bps /dev/vda:1mb busybox sleep 1000 > /dev/null
where a
shown $(unit a) $limits,CPUWeight,AllowedCPUs,IOWriteBandwidthMax,Delegate,Slice,Description
wc -l < /sys/fs/cgroup/machine.slice/$(unit a)/cgroup.procs
systemctl daemon-reload
crunpy exec a sh -c 'cd /sys/fs/cgroup; cat memory.max memory.swap.max pids.max cpu.max io.max'
crunpy update -m 48m --memory-swap 48m --cpus 0.25 a
shown $(unit a) $limits
crunpy exec a sh -c 'cd /sys/fs/cgroup; cat memory.max cpu.max /proc/self/cgroup'
crunpy restart a
shown $(unit a) MemoryMax,ActiveState
crunpy rm -f a
crunpy run --name eater --network none -m 64m busybox tail /dev/zero || echo status $?
crunpy inspect -f '{{.State.OOMKilled}} {{.HostConfig.CgroupManager}}' eater
crunpy rm eater
crunpy run --rm --network none --pids-limit 1 busybox echo one
crunpy run -d --name b --network none --stop-timeout 0 --cgroup-parent test-web.slice \\
    busybox sh -c 'trap "exit 3" TERM; while :; do sleep 1; done' > /dev/null
where b
systemctl stop $(unit b)
crunpy wait b
crunpy --cgroup-manager cgroupfs create --name c --network none busybox sleep 1000 > /dev/null
crunpy start c
where c | sed 's/[0-9a-f]\\{64\\}/ID/'
crunpy rm -f b c
crunpy --cgroup-manager systemd run --rm --cgroup-parent /x busybox true 2>&1 || echo $?
units_left
find /sys/fs/cgroup -name 'crunpy-*'
crunpy run --rm --network none --cgroupns host busybox cat /proc/self/cgroup > /dev/null
grep -o nsdelegate /proc/mounts
"""


ROOT_EXPECTED = """
systemd systemd
0::/machine.slice/UNIT
AllowedCPUs=0
CPUQuotaPerSecUSec=500ms
CPUWeight=20
Delegate=yes
Description=crunpy container a
IOWriteBandwidthMax=/dev/vda 1048576
MemoryLow=33554432
MemoryMax=67108864
MemorySwapMax=16777216
Slice=machine.slice
TasksMax=50
1
67108864
16777216
50
50000 100000
254:0 rbps=max wbps=1048576 riops=max wiops=max
a
CPUQuotaPerSecUSec=250ms
MemoryLow=33554432
MemoryMax=50331648
MemorySwapMax=0
TasksMax=50
50331648
25000 100000
0::/
a
ActiveState=active
MemoryMax=50331648
a
status 137
true systemd
eater
one
0::/test.slice/test-web.slice/UNIT
3
c
0::/crunpy/ID
b
c
crunpy: error: cgroup parent '/x': not the name of a slice, which systemd wants \
(--cgroup-parent NAME.slice, or --cgroup-manager cgroupfs)
125
0
nsdelegate
"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    """A directory that the guest's user can enter."""
    path = base / "vm-systemd-scopes"
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def lines(text: str) -> list[str]:
    return text.strip("\n").split("\n")


def test_roots_containers(fresh: Callable[[str], Engine], work: Path, user_name: str) -> None:
    """Scopes, nested groups, generated units; a plain user who is given cgroups by the commands
    that crunpy prints."""
    root = fresh("root")
    root.run("pull", "-q", "busybox", check=True)
    parts = {"scopes": SHOWN + ROOT, "nested": NESTED, "pods": PODS, "units": GENERATED,
             "oci": SYSTEMD,
             "by systemd": plain_user(user_name, root.root) + BY_SYSTEMD}  # fmt: skip
    found = apart(
        in_vm("user=\n" + prologue(root.root) + together(parts), work, "--systemd", timeout_s=900)
    )
    assert found["scopes"] == lines(ROOT_EXPECTED)
    assert found["nested"] == lines(NESTED_EXPECTED)
    assert found["pods"] == lines(PODS_EXPECTED)
    assert found["units"] == lines(GENERATED_EXPECTED)
    assert found["oci"] == lines(SYSTEMD_EXPECTED)
    assert found["by systemd"] == lines(BY_SYSTEMD_EXPECTED)


USER = """
where_am_i=$(sed s/user-[0-9]*/user-UID/ /proc/self/cgroup); echo ${where_am_i%/*}
crunpy info -f '{{.CgroupDriver}} {{.Host.CgroupManager}}'
crunpy run -d --name a --network none --stop-timeout 0 -m 64m --pids-limit 50 \\
    busybox sleep 1000 > /dev/null
where a | sed "s/$(id -u)/UID/g"
shown $(unit a) $limits,Slice
sed "s/$(id -u)/UID/g; s/-[0-9a-f]*.scope/-HEX.scope/" \\
    /proc/$(crunpy inspect -f '{{.State.ConmonPid}}' a)/cgroup
crunpy exec a sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max; wc -l < cgroup.procs'
crunpy update -m 48m a
shown $(unit a) MemoryMax
crunpy restart a
shown $(unit a) MemoryMax,ActiveState
crunpy rm -f a
crunpy run --name eater --network none -m 64m busybox tail /dev/zero || echo status $?
crunpy inspect -f '{{.State.OOMKilled}}' eater
crunpy rm eater
crunpy run --rm --network none --cpuset-cpus 0 busybox true 2>&1 | sed s/@$(id -u)/@UID/
(crunpy --cgroup-manager cgroupfs run --rm --network none -m 64m busybox true 2>&1) || echo $?
DBUS_SESSION_BUS_ADDRESS= XDG_RUNTIME_DIR= \\
    crunpy --cgroup-manager systemd run --rm --network none busybox echo as by su 2>&1 || echo $?
units_left
"""
USER_EXPECTED = """
0::/user.slice/user-UID.slice
systemd systemd
0::/user.slice/user-UID.slice/user@UID.service/user.slice/UNIT
CPUQuotaPerSecUSec=infinity
MemoryLow=0
MemoryMax=67108864
MemorySwapMax=67108864
Slice=user.slice
TasksMax=50
0::/user.slice/user-UID.slice/user@UID.service/user.slice/crunpy-command-HEX.scope
67108864
50
2
a
MemoryMax=50331648
a
ActiveState=active
MemoryMax=50331648
a
status 137
true
eater
crunpy: error: limiting cpuset.cpus=0: no cgroup v2 cpuset controller for us here (as root: \
mkdir -p /etc/systemd/system/user@.service.d; \
printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' > \
/etc/systemd/system/user@.service.d/delegate.conf; systemctl daemon-reload; \
systemctl restart user@UID)
crunpy: error: limiting memory.max=67108864: no cgroup v2 memory controller for us here \
(with --cgroup-manager systemd, or inside of systemd-run --user --scope -p Delegate=yes)
125
as by su
0
"""


def test_a_users_containers(fresh: Callable[[str], Engine], work: Path) -> None:
    user = fresh("user")
    user.run("pull", "-q", "busybox", check=True)
    store = work / "store"
    # the guest's user cannot read a home that is another's
    subprocess.run(["cp", "-r", user.root, store], check=True)
    subprocess.run(["chmod", "-R", "a+rX", store], check=True)
    parts = {"scopes": SHOWN + USER, "nested": NESTED, "pods": PODS, "files": USERS,
             "pod files": POD_FILES, "kube file": KUBE_FILE}  # fmt: skip
    script = "user=--user\n" + prologue(store) + together(parts)
    found = apart(in_vm(script, work, "--systemd", f"--user={user.user}", timeout_s=900))
    assert found["scopes"] == lines(USER_EXPECTED)
    assert found["nested"] == lines(NESTED_EXPECTED)
    assert found["pods"] == lines(PODS_EXPECTED)
    assert found["files"] == lines(USERS_EXPECTED)
    assert found["pod files"] == lines(POD_FILES_EXPECTED)
    assert found["kube file"] == lines(KUBE_FILE_EXPECTED)
