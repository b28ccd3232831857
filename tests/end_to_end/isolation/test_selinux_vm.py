"""Containers under SELinux: a kernel that enforces a small policy of ours (tests/data/selinux.cil),
in which a container may touch nothing but files of its own categories."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import CHECKOUT, Engine
from machine import COMMAND, in_vm, prologue

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest"),
]

POLICY = CHECKOUT / "tests/data/selinux.cil"
SIDS = """kernel security unlabeled fs file file_labels init any_socket port netif netmsg node
igmp_packet icmp_socket tcp_socket sysctl_modprobe sysctl sysctl_fs sysctl_kernel sysctl_net
sysctl_net_unix sysctl_vm sysctl_dev kmod policy scmp_packet devnull""".split()
"""The kernel's initial ones, in its order (security/selinux/include/initial_sid_to_string.h)."""

ENFORCE = """
mkdir -p /sys/fs/selinux
mount -t selinuxfs none /sys/fs/selinux
cat {policy} > /sys/fs/selinux/load
mkdir -p /etc/selinux/small/contexts
echo SELINUXTYPE=small > /etc/selinux/config
cat > /etc/selinux/small/contexts/lxc_contexts <<END
process = "system_u:system_r:container_t:s0"
content = "system_u:object_r:host_t:s0"
file = "system_u:object_r:container_file_t:s0"
init_process = "system_u:system_r:container_init_t:s0"
END
echo 1 > /sys/fs/selinux/enforce
"""

ROOT = r"""
run() { crunpy run --rm --network none "$@" 2>&1; }
keep() { crunpy run -d --network none --stop-timeout 0 "$@" sleep 1000 > /dev/null; }
file() { for f in "$@"; do ls -Zd $f | awk '{print $1}'; done; }
pair() { tr -d '\0' | sed -E 's/s0:c[0-9]+,c[0-9]+/s0:PAIR/; s/step [0-9]+ //'; echo; }
current='cat /proc/self/attr/current'
cd $TMPDIR; mkdir one both no
echo secret > one/f; echo shared > both/f; echo host > no/f; ln -s /etc/passwd one/link
echo "--- two containers, and what they share or not"
keep --name a -v $PWD/one:/one:Z -v $PWD/both:/both:z -v $PWD/no:/no -v vol:/vol busybox
keep --name b -v $PWD/one:/one -v $PWD/both:/both:z -v vol:/vol --tmpfs /t --ipc shareable busybox
crunpy inspect -f '{{.ProcessLabel}} {{.MountLabel}} {{.State.Pid}}' a b > shown
read of_a files_of_a _ < shown
tail -1 shown > last; read of_b files_of_b pid < last
[ "$of_a" != "$of_b" ] && echo "not the same"
crunpy exec a sh -c "$current; cat /one/f /both/f /no/f 2>&1; echo x 2>&1 > /no/f" |
    tr -d '\0' | sed s/$of_a/OWN/ || true
crunpy exec b sh -c 'cat /one/f 2>&1; cat /both/f; echo from b > /vol/f; touch /new
    echo x > /dev/null; echo y > /dev/shm/y'
crunpy exec --privileged a cat /vol/f /no/f 2>&1 || true
[ "$(run --ipc container:b busybox $current | tr -d '\0')" = "$of_b" ] && echo "ipc shared"
echo "--- its files"
for path in / /new /dev /dev/null /dev/pts /dev/shm/y /dev/mqueue /etc/hosts /run/.containerenv \
    /t; do
    [ "$(file /proc/$pid/root$path)" = "$files_of_b" ] || echo "$path: $(file /proc/$pid/root$path)"
done
file both both/f $CRUNPY_ROOT/volumes/vol/_data no /etc/passwd
[ "$(file one/f)" = "$files_of_a" ] && echo "one is of a"
run -t --read-only --tmpfs /t:size=1m -v $PWD/both:/both:O busybox sh -c 'tty; echo x > /dev/console
    echo t > /t/x; echo o > /both/o; cat /t/x /both/o /proc/kcore; wc -l < /etc/hosts
    ls -A /sys/fs/selinux' | tr -d '\r'
echo "--- started again, when a label was changed"
chcon -hR system_u:object_r:host_t:s0 one
crunpy restart -t 0 a
crunpy exec a cat /one/f
echo "--- words"
run --security-opt label=level:s0:c5,c6 --init --user 1 --security-opt no-new-privileges \
    busybox $current | tr -d '\0'; echo
run --security-opt label=disable -v $PWD/no:/no busybox sh -c "$current; cat /no/f" | pair
run --security-opt label=type:nobodys busybox true | pair
run --security-opt label=nested busybox sh -c 'ls /sys/fs/selinux/enforce'
echo "--- a pod's copy"
crunpy pod create --network none p > /dev/null
crunpy create --pod p --name one busybox true > /dev/null
crunpy pod clone p > /dev/null
crunpy inspect -f '{{.ProcessLabel}}' one one-clone | sort -u | pair
echo "--- builds"
cat > Dockerfile <<'END'
FROM busybox
RUN --mount=type=cache,target=/c echo built > /c/x; cat /c/x /proc/self/attr/current > /x
RUN --mount=type=bind,source=.,target=/ctx cat /ctx/f > /f
END
crunpy build -q -f Dockerfile -t built both > /dev/null
run built cat /f /x | pair
echo "--- a plain user"
mkdir own; cp -r $CRUNPY_ROOT own/root; rm -rf own/root/containers own/root/volumes
chown -R $USER_OF_TESTS: own; chmod 755 $TMPDIR; cd own
export HOME=$PWD XDG_RUNTIME_DIR=$PWD CRUNPY_ROOT=$PWD/root CRUNPY_RUNROOT=
su -m -s /bin/sh $USER_OF_TESTS -c "mkdir data; echo own > data/f; ln -s /etc/passwd data/link
    $CRUNPY run --rm --network none -v $PWD/data:/data:Z --tmpfs /t busybox sh -c '
        $current; cat /data/f; echo > /new; echo > /t/x; echo > /dev/null; wc -l < /etc/hosts'" \
    2>&1 | pair
"""
EXPECTED = """\
--- two containers, and what they share or not
not the same
OWNsecret
shared
cat: can't open '/no/f': Permission denied
sh: can't create /no/f: Permission denied
cat: can't open '/one/f': Permission denied
shared
from b
cat: can't open '/no/f': Permission denied
ipc shared
--- its files
system_u:object_r:container_file_t:s0
system_u:object_r:container_file_t:s0
system_u:object_r:container_file_t:s0
system_u:object_r:host_t:s0
system_u:object_r:host_t:s0
one is of a
/dev/pts/0
x
t
o
7
--- started again, when a label was changed
a
secret
--- words
system_u:system_r:container_t:s0:c5,c6
system_u:system_r:host_t:s0-s0:c0.c1023host

crunpy: error: starting the container: (confine system_u:system_r:nobodys:s0:PAIR): \
invalid argument (SELinux's policy has no such label: seinfo -t lists its types)

/sys/fs/selinux/enforce
--- a pod's copy
system_u:system_r:container_t:s0:PAIR
system_u:system_r:container_t:s0:PAIR

--- builds
shared
built
system_u:system_r:container_t:s0:PAIR
--- a plain user
system_u:system_r:container_t:s0:PAIRown
7

"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    path = base / "selinux"
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def compiled(work: Path) -> Path:
    """The policy, with the categories and initial SIDs that the kernel wants named."""
    categories = [f"c{n}" for n in range(1024)]
    names = [f"(category {name})" for name in categories]
    sids = [
        f"(sid {sid})(sidcontext {sid} {'all_of_it' if sid in ('kernel', 'init') else 'host'})"
        for sid in SIDS
    ]
    text = POLICY.read_text()
    text = text.replace(
        "; CATEGORIES", f"{' '.join(names)}(categoryorder ({' '.join(categories)}))"
    )
    source, policy = work / "policy.cil", work / "policy"
    source.write_text(text.replace("; SIDS", f"{' '.join(sids)}(sidorder ({' '.join(SIDS)}))"))
    command = ["secilc", "-M", "true", "-c", "33", "-o", policy, "-f", "/dev/null", source]
    subprocess.run(command, check=True)
    return policy


def test_labels(fresh: Callable[[str], Engine], work: Path) -> None:
    root, plain = fresh("root"), fresh("user")
    root.run("pull", "-q", "busybox", check=True)
    names = f"USER_OF_TESTS={plain.user}; CRUNPY='{COMMAND}'\n"
    script = prologue(root.root) + ENFORCE.format(policy=compiled(work)) + names + ROOT
    found = in_vm(script, work, "--append", "security=selinux selinux=1 enforcing=0")
    assert found == EXPECTED.splitlines()
