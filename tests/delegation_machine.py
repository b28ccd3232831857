"""Scripts for machines of their own (tests/machine.py): a plain user is given control groups by the
very commands that crunpy prints."""

from __future__ import annotations

from pathlib import Path

from machine import COMMAND


def plain_user(name: str, store: Path) -> str:
    """Root's script gets `as_user`, which runs a script (sh) as the user `name`, who has what
    `store` holds, from where root stands; in $SHARE both write."""
    return f"""
user={name}; uid=$(id -u $user) own=$TMPDIR/of-$user
export SHARE=$TMPDIR/share-$user
mkdir -p $own/root $SHARE; cp -r {store}/images {store}/layers $own/root/
chown -R $user: $own; chmod 755 $TMPDIR; chmod 777 $SHARE
as_user() {{
    setpriv --reuid $uid --regid $(id -g $user) --init-groups env HOME=$own USER=$user \\
        XDG_RUNTIME_DIR=${{bus:+/run/user/$uid}} CRUNPY_ROOT=$own/root CRUNPY_RUNROOT=$own/run \\
        sh -euc 'cd $HOME; crunpy() {{ {COMMAND} "$@"; }}
run="crunpy run --network none --stop-timeout 0"
'"$1"
}}
told_command() {{
    sed -n 's/.*as root: \\([^)]*\\))$/\\1/p' $SHARE/error | sed 's/, PID being.*//'
}}
"""


BY_HAND = """
as_user '$run --rm -m 64m busybox true 2> $SHARE/error && echo wrong || echo $?
    echo $$ > $SHARE/pid; until [ -e $SHARE/go ]; do sleep 0.1; done
    $run --rm -m 64m --pids-limit 33 busybox sh -c "cd /sys/fs/cgroup; cat memory.max pids.max"
    $run -d --name a -m 64m busybox sleep 1000 > /dev/null
    crunpy exec a sh -c "wc -l < /sys/fs/cgroup/cgroup.procs"' &
until [ -s $SHARE/pid ]; do sleep 0.1; done
sed s/$uid/UID/g $SHARE/error
eval "$(told_command | sed "s/PID/$(cat $SHARE/pid)/")"
touch $SHARE/go
wait $!
echo "--- from outside of what was delegated"
as_user 'crunpy exec a sh -c "wc -l < /sys/fs/cgroup/cgroup.procs" 2>&1' |
    sed "s/$uid/UID/g; s/[0-9a-f]\\{64\\}/ID/"
as_user 'crunpy update -m 32m a; crunpy rm -f a'
find /sys/fs/cgroup -path '*crunpy/*' -type d
"""
BY_HAND_EXPECTED = """
125
crunpy: error: limiting memory.max=67108864: no cgroup v2 memory controller for us here (as root: \
echo '+cpuset +cpu +io +memory +pids' > /sys/fs/cgroup/cgroup.subtree_control; \
d=/sys/fs/cgroup/user-UID; mkdir -p $d/shell; chown -R UID $d; echo PID > $d/shell/cgroup.procs, \
PID being that of your shell)
67108864
33
2
--- from outside of what was delegated
crunpy: warning: executing in container a: its limits do not hold for the command, which cannot \
enter cgroup /sys/fs/cgroup/user-UID/crunpy/ID: this command stands outside of what was delegated
1
a
a
"""
"""Without systemd."""

BY_SYSTEMD = """
# this machine's systemd looks for units elsewhere
mkdir -p /etc/systemd/system/user@.service.d
ln -s /etc/systemd/system/user@.service.d $(systemctl show -p UnitPath --value | cut -d' ' -f1)/
as_user '$run --rm -m 64m busybox true 2> $SHARE/error && echo wrong || echo $?'
sed s/$uid/UID/g $SHARE/error
eval "$(told_command)"
until [ -S /run/user/$uid/bus ]; do sleep 0.2; done
bus=yes
as_user '$run --rm -m 64m busybox sh -c "cd /sys/fs/cgroup; cat memory.max"
    $run --rm --cpuset-cpus 0 busybox true 2> $SHARE/error && echo wrong || echo $?'
sed s/$uid/UID/g $SHARE/error
eval "$(told_command)"
until [ -S /run/user/$uid/bus ]; do sleep 0.2; done
as_user '$run --rm --cpuset-cpus 0 busybox sh -c "cd /sys/fs/cgroup; cat cpuset.cpus"
    $run -d --name a -m 64m busybox sleep 1000 > /dev/null'
echo "--- from elsewhere: a service of the machine's, which is no session of the user's"
as_user 'crunpy exec a sh -c "wc -l < /sys/fs/cgroup/cgroup.procs"'
bus=
as_user 'DBUS_SESSION_BUS_ADDRESS= crunpy exec a sh -c "wc -l < /sys/fs/cgroup/cgroup.procs"
    crunpy --cgroup-manager cgroupfs run --rm --network none busybox echo by ourselves
    crunpy rm -f a'
"""
BY_SYSTEMD_EXPECTED = """
125
crunpy: error: limiting memory.max=67108864: no cgroup v2 memory controller for us here (as root: \
loginctl enable-linger UID)
67108864
125
crunpy: error: limiting cpuset.cpus=0: no cgroup v2 cpuset controller for us here (as root: \
mkdir -p /etc/systemd/system/user@.service.d; \
printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' > \
/etc/systemd/system/user@.service.d/delegate.conf; systemctl daemon-reload; \
systemctl restart user@UID)
0
--- from elsewhere: a service of the machine's, which is no session of the user's
2
2
by ourselves
a
"""
"""With systemd."""
