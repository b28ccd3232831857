"""Limits on a kernel with cgroup v2 (Debian's 6.1 under QEMU, tests/vm/README.md): this
project's usual test machines have none.  One boot for root, one for a delegated user."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine
from machine import in_vm, prologue

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest"),
]


LIMITS = """
crunpy run --rm --network none -m 64m --memory-swap 64m --pids-limit 30 \
    --cpus 0.5 --cpu-shares 512 busybox \
    sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max cpu.weight'
crunpy run --name eater --network none -m 64m busybox tail /dev/zero || echo status $?
crunpy inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' eater
crunpy run --rm --network none busybox cat /sys/fs/cgroup/pids.max /proc/self/cgroup
crunpy rm eater
crunpy run -d --name live --network none -m 64m --stop-timeout 0 busybox \
    sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=20; sleep 1000' > /dev/null
crunpy update -m 48m --pids-limit 20 --cpus 0.25 live
crunpy exec live sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max'
crunpy inspect -f '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}' live
crunpy pause live
crunpy inspect -f '{{.State.Status}}' live
crunpy unpause live
crunpy stats --no-stream --format '{{.MemUsage}}' live | sed 's/[0-9][.0-9]*M/xM/'
crunpy restart live
crunpy exec live cat /sys/fs/cgroup/memory.max
crunpy pause live
crunpy rm -f live
crunpy run -d --restart on-failure:1 --name again --network none -m 64m busybox tail /dev/zero \
    > /dev/null
until [ "$(crunpy inspect -f '{{.State.Status}} {{.RestartCount}}' again)" = "exited 1" ]; do
    sleep 1
done
crunpy inspect -f '{{.State.OOMKilled}} {{.State.ExitSignal}}' again
crunpy events --since 1h --until 0s --filter container=again --format '{{.Action}}'
crunpy rm again
find /sys/fs/cgroup -path '*crunpy/*' -type d
"""
EXPECTED = """
67108864
30
50000 100000
20
status 137
true 137
2048
0::/
eater
live
50331648
20
25000 100000
50331648 20
live
paused
live
xMiB / 48MiB
live
50331648
live
live
true SIGKILL
create
start
oom
die
start
oom
die
again
"""


DISK_AND_CPUS = """
crunpy run -d --name disk --network none --stop-timeout 0 --cpuset-cpus 0 --cpuset-mems 0 \
    --cpu-quota 20000 --cpu-period 50000 --blkio-weight 300 --device-read-bps /dev/vda:1mb \
    --device-write-iops /dev/vda:100 busybox sleep 1000 > /dev/null
crunpy exec disk sh -c 'cd /sys/fs/cgroup; cat cpuset.cpus cpuset.mems cpu.max io.weight io.max'
crunpy update --blkio-weight 10 disk
crunpy exec disk cat /sys/fs/cgroup/io.weight
crunpy rm -f disk
crunpy run -d --name busy --network none --stop-timeout 0 --cpus 0.05 busybox \
    sh -c 'while :; do :; done' > /dev/null
for _ in $(seq 20); do
    pressed=$(crunpy stats --no-stream --format '{{.CPUPressure}}' busy)
    [ "$pressed" = 0.00% ] || break
done
[ "$pressed" = 0.00% ] && echo no pressure || echo pressure
crunpy rm -f busy
"""
DISK_AND_CPUS_EXPECTED = """
0
0
20000 50000
default 2930
254:0 rbps=1048576 wbps=max riops=max wiops=100
disk
default 1
disk
pressure
busy
"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    """A directory that the guest's user can enter."""
    path = base / "vm"
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def root(fresh: Callable[[str], Engine]) -> Engine:
    """A store with nothing but what the guest is given: it is copied."""
    return fresh("root")


@pytest.fixture
def user(fresh: Callable[[str], Engine]) -> Engine:
    """As `root`, a plain user's."""
    return fresh("user")


def test_limits_hold_for_root(root: Engine, work: Path) -> None:
    root.run("pull", "-q", "busybox", check=True)
    lines = in_vm(prologue(root.root) + LIMITS + DISK_AND_CPUS, work)
    assert lines == (EXPECTED + DISK_AND_CPUS_EXPECTED[1:]).split("\n")[1:-1]


def test_limits_hold_for_a_user_with_a_delegated_cgroup(user: Engine, work: Path) -> None:
    user.run("pull", "-q", "busybox", check=True)
    store = work / "store"
    # the guest's user cannot read a home that is another's
    subprocess.run(["cp", "-r", user.root, store], check=True)
    subprocess.run(["chmod", "-R", "a+rX", store], check=True)
    lines = in_vm(prologue(store) + LIMITS, work, f"--user={user.user}")
    assert lines == EXPECTED.split("\n")[1:-1]


UNITS = """
crunpy create --network none --name web busybox \\
    sh -c 'trap "exit 0" TERM; while :; do sleep 1; done' > /dev/null
crunpy generate systemd --name --restart-policy always --restart-sec 0 web \\
    > "$(systemctl show -p UnitPath --value | cut -d' ' -f1)/container-web.service"
systemctl daemon-reload
systemctl start container-web
systemctl show -p ActiveState,SubState container-web
[ "$(systemctl show -p MainPID --value container-web)" = \\
  "$(crunpy inspect -f '{{.State.ConmonPid}}' web)" ] && echo monitored
kill -9 $(crunpy inspect -f '{{.State.Pid}}' web)
until [ "$(systemctl show -p NRestarts --value container-web)" -ge 1 ] &&
      [ "$(crunpy inspect -f '{{.State.Running}}' web)" = true ]; do sleep 1; done
echo restarted
systemctl stop container-web
crunpy inspect -f '{{.State.Status}}' web
systemctl show -p ActiveState container-web
"""


def test_systemd_runs_a_generated_unit(root: Engine, work: Path) -> None:
    root.run("pull", "-q", "busybox", check=True)
    lines = in_vm(prologue(root.root) + UNITS, work, "--systemd")
    assert lines == [
        "ActiveState=active", "SubState=running", "monitored", "restarted", "exited",
        "ActiveState=inactive"]  # fmt: skip
