"""Scripts about limits for machines of their own (tests/machine.py), and what they print."""

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
crunpy exec live cat /sys/fs/cgroup/memory.swap.max
crunpy update -m 48m --pids-limit 20 --cpus 0.25 live
crunpy exec live sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max'
crunpy inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}}' live
crunpy update -m 0 --memory-swap 64m live
crunpy update -m 80m live 2> /dev/null || echo refused
crunpy update --memory-swap 40m live 2> /dev/null || echo refused
crunpy exec live sh -c 'cd /sys/fs/cgroup; cat memory.max memory.swap.max'
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
EXPLAINED = """
crunpy explain run --format shell --network none -m 48m --pids-limit 25 busybox \
    sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max' | sh
find /sys/fs/cgroup -name 'explained-*'
"""
"""The script that `explain` prints is for root."""
EXPLAINED_EXPECTED = """
50331648
25
"""
LIMITS_EXPECTED = """
67108864
30
50000 100000
20
status 137
true 137
2048
0::/
eater
67108864
live
50331648
20
25000 100000
50331648 100663296 20
live
refused
refused
50331648
16777216
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

OOM = """
crunpy run -d --name parent --network none -m 64m --stop-timeout 0 busybox \
    sh -c 'tail /dev/zero; echo child $?; exec sleep 1000' > /dev/null
until [ -n "$(crunpy logs parent 2> /dev/null)" ]; do sleep 0.2; done
crunpy inspect -f '{{.State.Status}} {{.State.OOMKilled}}' parent
crunpy exec parent tail /dev/zero || echo exec $?
crunpy events --since 1h --until 0s --filter container=parent --filter event=oom \
    --format '{{.Actor.Attributes.name}}'
crunpy kill parent > /dev/null
crunpy wait parent
crunpy inspect -f '{{.State.OOMKilled}}' parent
crunpy events --since 1h --until 0s --filter container=parent --format '{{.Action}}' | grep -c oom
crunpy rm parent
"""
OOM_EXPECTED = """
running true
exec 137
parent
parent
137
true
2
parent
"""
"""A child that is killed for its memory, and a command of `exec`: the container goes on."""

NESTED = """
nested='cd /sys/fs/cgroup; mkdir -p own inner/deep/er frozen; echo 1 > own/cgroup.procs
    echo "+memory +pids" > cgroup.subtree_control
    sleep 1000 & echo $! > inner/deep/er/cgroup.procs
    sleep 1001 & echo $! > frozen/cgroup.procs; echo 1 > frozen/cgroup.freeze; echo made; $0'
groups() { find /sys/fs/cgroup -path '*crunpy[-/]*' -type d | grep -v crunpy-command | wc -l; }
gone() { for _ in $(seq 50); do [ "$(groups)" != 0 ] || break; sleep 0.2; done; groups; }
crunpy run -d --name a --privileged --network none --stop-timeout 0 busybox \
    sh -c "$nested" 'sleep 1000' > /dev/null
until [ "$(crunpy logs a)" = made ]; do sleep 0.2; done
groups
crunpy exec a cat /proc/self/cgroup
crunpy rm -f a
gone
crunpy run -d --name b --privileged --network none --stop-timeout 0 busybox \
    sh -c "$nested" 'exit 3' > /dev/null
crunpy wait b
until [ "$(groups)" = 0 ]; do sleep 0.2; done
crunpy run --name c --privileged --network none busybox sh -c "$nested" 'exit 4' || echo $?
gone
crunpy rm b c
"""
"""Containers that make control groups below their own, with processes in them, one frozen."""
NESTED_EXPECTED = """
6
0::/own
a
0
3
made
4
0
b
c
"""


PODS = """
id=$(crunpy pod create --name p --network none -m 64m --memory-swap 64m --cpus 0.5)
named() { sed "s/[^/]*$id[^/]*/POD/"; }
crunpy run -d --pod p --name a --stop-timeout 0 -m 32m busybox sleep 1000 > /dev/null
crunpy run --pod p --name eater busybox tail /dev/zero || echo status $?
own=$(crunpy inspect -f '{{.State.CgroupPath}}' a)
pod=$(dirname $own)
basename $pod | named
cat $pod/memory.max $pod/cpu.max $own/memory.max
crunpy pod restart p | named
cat $pod/memory.max
crunpy pod ps --format '{{.Status}}'
crunpy pod rm -f p | named
for _ in $(seq 50); do [ -d $pod ] || break; sleep 0.1; done
[ -d $pod ] || echo gone
"""
"""A pod's limits are of its containers together."""
PODS_EXPECTED = """
status 137
POD
67108864
50000 100000
33554432
POD
67108864
Degraded
POD
gone
"""
