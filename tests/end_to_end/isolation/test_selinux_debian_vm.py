"""Containers under SELinux with a distribution's policy: Debian 13's, which a kernel enforces, and
started from an administrator's shell of that policy (unconfined_t)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import selinux_policy
from engine import Engine
from machine import COMMAND, in_vm, prologue

pytestmark = [
    pytest.mark.timeout(900),  # the policy is compiled once
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest"),
]

ENFORCE = """
mkdir -p /sys/fs/selinux
mount -t selinuxfs none /sys/fs/selinux
rm -rf /etc/selinux
cp -r {policy} /etc/selinux
# in one write(2)
dd bs=16M iflag=fullblock status=none if=/etc/selinux/default/policy/policy.{version} \
    of=/sys/fs/selinux/load
# as udev and an installation label them
for node in null zero urandom random; do
    chcon system_u:object_r:${{node}}_device_t:s0 /dev/$node
done
chcon system_u:object_r:null_device_t:s0 /dev/full
chcon system_u:object_r:devtty_t:s0 /dev/tty
chcon -R system_u:object_r:var_lib_t:s0 $TMPDIR
exec runcon unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023 sh -eu {script}
"""
CONTAINERS = r"""
echo 1 > /sys/fs/selinux/enforce
run() { crunpy run --rm --network none "$@" 2>&1; }
file() { for f in "$@"; do ls -Zd $f | awk '{print $1}'; done; }
pair() { tr -d '\0' | sed -E 's/s0:c[0-9]+,c[0-9]+/s0:PAIR/; s/step [0-9]+ //'; echo; }
denied() { dmesg -c | grep -o 'denied .*comm="cat".*' |
    sed -E 's/for .* name=/for /; s/ dev=.*scontext=/ /; s/tcontext=//; s/ permissive=0//
        s/:c[0-9]+,c[0-9]+/:PAIR/g'; }
current='cat /proc/self/attr/current'
dmesg -C
cd $TMPDIR; mkdir one both no
echo secret > one/f; echo shared > both/f; echo host > no/f
echo "--- two containers, and what they share or not"
crunpy run -d --name a --network none --stop-timeout 0 -v $PWD/one:/one:Z -v $PWD/both:/both:z \
    -v $PWD/no:/no -v vol:/vol busybox sleep 100000 > /dev/null
crunpy run -d --name b --network none --stop-timeout 0 -v $PWD/one/f:/of-a -v $PWD/both:/both:z \
    -v vol:/vol busybox sh -c 'echo logged; sleep 100000' > /dev/null
crunpy inspect -f '{{.ProcessLabel}} {{.MountLabel}} {{.State.Pid}}' a b > shown
read of_a files_of_a _ < shown
tail -1 shown > last; read of_b files_of_b pid < last
[ "$of_a" != "$of_b" ] && echo "not the same"
echo "$of_b $files_of_b" | sed -E 's/c[0-9]+,c[0-9]+/PAIR/g'
[ "$(tr -d '\0' < /proc/$pid/attr/current)" = "$of_b" ] && echo "b is so"
crunpy exec a sh -c "$current; cat /one/f /both/f; echo from a > /vol/f; echo > /new" |
    tr -d '\0' | sed s/$of_a/OWN/
dmesg -C
crunpy exec b cat /both/f
# here a file has the categories of who makes it, not of its directory, until it is labelled
crunpy exec b cat /vol/f 2>&1 || denied
run -v vol:/vol:z busybox cat /vol/f
crunpy exec b cat /vol/f
crunpy exec b cat /of-a 2>&1 || denied
crunpy exec a cat /no/f 2>&1 || denied
file both/f no $CRUNPY_ROOT/volumes/vol/_data
[ "$(file one/f)" = "$files_of_a" ] && echo "one is of a"
for path in / /dev /dev/null /dev/pts /dev/shm /etc/hosts; do
    [ "$(file /proc/$pid/root$path)" = "$files_of_b" ] || echo "$path: $(file /proc/$pid/root$path)"
done
echo "--- what it prints, and reads"
run busybox sh -c 'echo out; echo err >&2; echo again > /dev/stdout' | sort
echo typed | run -i busybox cat
run -t busybox sh -c 'tty; echo x > /dev/console' | tr -d '\r'
crunpy logs b
crunpy exec -u 1234 b sh -c 'echo a user'
ls -A $CRUNPY_RUNROOT/containers/*/ | grep pipe || true
echo "--- words"
run --security-opt label=level:s0:c5,c6 --init --user 1 --security-opt no-new-privileges \
    busybox $current | tr -d '\0'; echo
run --security-opt label=type:container_kvm_t busybox $current | pair
run --security-opt label=disable -v $PWD/no:/no busybox sh -c "$current; cat /no/f" | pair
run --privileged -v $PWD/no:/no busybox sh -c "$current; cat /no/f" | pair
run --security-opt label=type:sshd_t busybox true | pair
echo "--- a plain user"
mkdir own; cp -r $CRUNPY_ROOT own/root; rm -rf own/root/containers own/root/volumes
chown -R $USER_OF_TESTS: own; chmod 755 $TMPDIR; cd own
root=$CRUNPY_ROOT
export HOME=$PWD XDG_RUNTIME_DIR=$PWD CRUNPY_ROOT=$PWD/root CRUNPY_RUNROOT=
su -m -s /bin/sh $USER_OF_TESTS -c "mkdir data; echo own > data/f
    $CRUNPY run --rm --network none -v $PWD/data:/data:Z --tmpfs /t busybox sh -c '
        $current; cat /data/f; echo > /new; echo > /t/x; echo > /dev/null; wc -l < /etc/hosts'" \
    2>&1 | pair
echo "--- a policy that does not know what its lxc_contexts names"
cd ..; export CRUNPY_ROOT=$root CRUNPY_RUNROOT=$TMPDIR/s/run
sed -i 's/container_/unheard_/' /etc/selinux/default/contexts/lxc_contexts
run busybox $current | pair
run --security-opt label=type:container_t busybox true
crunpy volume create other > /dev/null; file $CRUNPY_ROOT/volumes/other/_data
crunpy doctor | grep SELinux
"""
EXPECTED = """\
--- two containers, and what they share or not
not the same
system_u:system_r:container_t:s0:PAIR system_u:object_r:container_file_t:s0:PAIR
b is so
OWNsecret
shared
shared
cat: can't open '/vol/f': Permission denied
denied  { read } for "f" system_u:system_r:container_t:s0:PAIR \
system_u:object_r:container_file_t:s0:PAIR tclass=file
from a
from a
cat: can't open '/of-a': Permission denied
denied  { read } for "f" system_u:system_r:container_t:s0:PAIR \
system_u:object_r:container_file_t:s0:PAIR tclass=file
cat: can't open '/no/f': Permission denied
denied  { read } for "f" system_u:system_r:container_t:s0:PAIR \
unconfined_u:object_r:var_lib_t:s0 tclass=file
system_u:object_r:container_file_t:s0
unconfined_u:object_r:var_lib_t:s0
system_u:object_r:container_file_t:s0
one is of a
--- what it prints, and reads
again
err
out
typed
/dev/pts/0
x
logged
a user
--- words
system_u:system_r:container_t:s0:c5,c6
system_u:system_r:container_kvm_t:s0:PAIR
unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023host

unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023host

crunpy: error: running the container's command: exec: "true": permission denied: the file is not \
executable (or SELinux's policy does not let it be run with the container's label: ausearch -m avc)

--- a plain user
system_u:system_r:container_t:s0:PAIRown
7

--- a policy that does not know what its lxc_contexts names
unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023
crunpy: warning: --security-opt label=type:container_t has no effect: the container is confined as \
whoever starts it; no profile or label is set
unconfined_u:object_r:var_lib_t:s0
warning  security modules: SELinux is on, but its policy default does not know \
system_u:system_r:unheard_t:s0, which /etc/selinux/default/contexts/lxc_contexts names (Debian \
12's is such): containers get no labels
"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    path = base / "selinux-debian"
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_labels_of_debian(fresh: Callable[[str], Engine], work: Path) -> None:
    root, plain = fresh("root"), fresh("user")
    root.run("pull", "-q", "busybox", check=True)
    policy = shutil.copytree(selinux_policy.debian(), work / "policy")
    names = f"USER_OF_TESTS={plain.user}; CRUNPY='{COMMAND}'\n"
    script = work / "containers"
    script.write_text(prologue(root.root) + names + CONTAINERS)
    enforced = ENFORCE.format(policy=policy, script=script, version=selinux_policy.VERSION)
    found = in_vm(enforced, work, "--append", "security=selinux selinux=1 enforcing=0")
    assert found == EXPECTED.splitlines()
