"""The OCI runtime's limits on machines of their own (tests/machine.py): scripts, and what they
print.  It was seen to be what runc 1.1 prints, but for rsvd and the burst."""

from __future__ import annotations

import json
import sys

_RESOURCES = {
    "memory": {"limit": 64 << 20, "swap": 80 << 20, "reservation": 32 << 20},
    "cpu": {
        "shares": 512,
        "quota": 50000,
        "period": 100000,
        "burst": 10000,
        "cpus": "0",
        "mems": "0",
    },
    "pids": {"limit": 50},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}],
    "blockIO": {"throttleWriteBpsDevice": [{"major": 254, "minor": 0, "rate": 1 << 20}]},
    "unified": {"memory.high": "50331648"},
    "devices": [{"allow": False, "access": "rwm"}],
}
_CHANGE = f"""
import json, sys
path, where, *words = sys.argv[1:]
config = json.load(open(path))
config["process"].update(terminal=False, args=words, rlimits=[])
config["ociVersion"] = "1.0.2"
config["root"]["readonly"] = False
config["linux"].update(cgroupsPath=where, resources=json.loads('''{json.dumps(_RESOURCES)}'''))
json.dump(config, open(path, "w"))
"""
_BUNDLE = f"""
mkdir -p $TMPDIR/bundle/rootfs/bin
cd $TMPDIR/bundle
cp /bin/busybox rootfs/bin
for name in sh cat sleep tail ls mkdir; do ln -sf busybox rootfs/bin/$name; done
cat > change.py <<'END'
{_CHANGE}
END
bundle() {{ rm -f config.json; crunpy oci spec; {sys.executable} change.py config.json "$@"; }}
values="memory.max memory.swap.max memory.low memory.high cpu.max cpu.max.burst cpu.weight pids.max
    cpuset.cpus cpuset.mems hugetlb.2MB.max hugetlb.2MB.rsvd.max io.max"
"""
_USED = f"""{sys.executable} -c 'import json, sys; d = json.load(sys.stdin)["data"]
print(d["memory"]["usage"]["limit"], d["pids"]["current"], d["pids"]["limit"])'"""

CGROUPFS = (
    _BUNDLE
    + f"""
bundle /apart/one sleep 1000
crunpy oci create c > /dev/null 2> said || cat said
cat /proc/$(crunpy oci state c | sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p')/cgroup
(cd /sys/fs/cgroup/apart/one; cat $values)
crunpy oci start c
crunpy oci exec c sh -c 'cat /proc/self/cgroup /dev/null; ls /dev/null'
crunpy oci events --stats c | {_USED}
crunpy oci update --memory 33554432 --memory-swap 33554432 --pids-limit 20 c
(cd /sys/fs/cgroup/apart/one; cat memory.max memory.swap.max pids.max cpu.max)
crunpy oci update --memory-swap 41943040 --cpu-idle 1 --cpu-burst 0 c
(cd /sys/fs/cgroup/apart/one; cat memory.max memory.swap.max cpu.idle cpu.max.burst cpu.max)
echo '{{"memory": {{"limit": 4096, "checkBeforeUpdate": true}}}}' | crunpy oci update -r - c 2>&1 |
    grep -o 'more than the limit 4096'
echo '{{"cpu": {{"shares": null, "quota": "x"}}}}' | crunpy oci update -r - c 2>&1 |
    grep -o 'cpu.quota: not a number'
cat /sys/fs/cgroup/apart/one/memory.max
crunpy oci pause c
crunpy oci list | grep -o paused
crunpy oci resume c
crunpy oci exec c tail /dev/zero || echo status $?
crunpy oci delete -f c
ls -d /sys/fs/cgroup/apart/one 2>&1 || true
bundle /apart/one tail /dev/zero
crunpy oci run d || echo status $?
rmdir /sys/fs/cgroup/apart
"""
)
SYSTEMD = (
    _BUNDLE
    + """
bundle machine.slice:apart:one sleep 1000
crunpy oci --systemd-cgroup create c > /dev/null 2> said || cat said
cat /proc/$(crunpy oci state c | sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p')/cgroup
(cd /sys/fs/cgroup/machine.slice/apart-one.scope; cat $values)
systemctl show -p MemoryMax,MemoryLow,TasksMax,CPUQuotaPerSecUSec,CPUWeight,AllowedCPUs,Slice \\
    apart-one.scope | sort
crunpy oci --systemd-cgroup start c
systemctl daemon-reload
(cd /sys/fs/cgroup/machine.slice/apart-one.scope; cat memory.max pids.max)
crunpy oci exec c cat /proc/self/cgroup
crunpy oci --systemd-cgroup delete -f c
systemctl is-active apart-one.scope || true
"""
)
_VALUES = """
67108864
16777216
33554432
50331648
50000 100000
10000
20
50
0
0
4194304
4194304
254:0 rbps=max wbps=1048576 riops=max wiops=max
"""


CGROUPFS_EXPECTED = f"""0::/apart/one{_VALUES}0::/
/dev/null
67108864 1 50
33554432
0
20
50000 100000
33554432
8388608
1
0
50000 100000
more than the limit 4096
cpu.quota: not a number
33554432
paused
status 137
ls: cannot access '/sys/fs/cgroup/apart/one': No such file or directory
status 137
"""
SYSTEMD_EXPECTED = f"""0::/machine.slice/apart-one.scope{_VALUES}AllowedCPUs=0
CPUQuotaPerSecUSec=500ms
CPUWeight=20
MemoryLow=33554432
MemoryMax=67108864
Slice=machine.slice
TasksMax=50
67108864
50
0::/
inactive
"""
