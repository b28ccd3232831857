"""A script for a machine of its own whose kernel has AppArmor, and what it prints."""

PROFILES = r"""
mountpoint -q /sys/kernel/security || mount -t securityfs none /sys/kernel/security
profiles=/sys/kernel/security/apparmor/profiles
grep -c crunpy $profiles || true
run() { crunpy run --rm --network none "$@"; }
current='cat /proc/self/attr/current'
run busybox $current
grep crunpy $profiles
echo "--- what it forbids, to root with all that a mount needs"
for options in '' '--security-opt apparmor=unconfined'; do
    run --cap-add SYS_ADMIN $options busybox sh -c \
        'mkdir /m; mount -t tmpfs none /m 2>/dev/null && echo mounted || echo refused'
    run --cap-add SYS_ADMIN --security-opt unmask=ALL $options busybox sh -c \
        'mount -o remount,rw /proc/sys 2>/dev/null
         mount -o remount,rw /proc/sysrq-trigger 2>/dev/null
         cd /proc/sys
         for f in vm/swappiness kernel/core_pattern kernel/panic kernel/shmmax ../sysrq-trigger; do
             { true >> $f; } 2>/dev/null && echo "writes $f" || echo "not $f"
         done'
done
echo "--- who is confined"
run --privileged busybox $current
run --init busybox $current
run --user 1000 --security-opt no-new-privileges busybox $current
run --security-opt apparmor=unconfined busybox $current
crunpy run -d --name web --network none --stop-timeout 1 busybox sleep 1000 > /dev/null
crunpy exec web $current
crunpy exec --privileged web $current
crunpy exec -u 5 web sh -c 'sleep 1000 & kill $! && echo killed'
crunpy inspect -f '{{.AppArmorProfile}}' web
crunpy info -f '{{.SecurityOptions}} {{.Host.Security.AppArmorEnabled}}' |
    grep -o -e 'name=apparmor' -e 'true$'
crunpy kill web && crunpy wait web
crunpy rm web
echo "--- another profile"
printf 'profile other flags=(attach_disconnected) { file, deny /etc/passwd r, }' |
    apparmor_parser --replace --skip-cache
run --security-opt apparmor=other busybox sh -c "$current; cat /etc/passwd" 2>&1 || true
run --security-opt apparmor=nobodys busybox true 2>&1 | sed 's/step [0-9]* //'
printf 'profile crunpy-default {}' | apparmor_parser --remove
run busybox $current
"""
PROFILES_EXPECTED = """\
0
crunpy-default (enforce)
crunpy-default (enforce)
--- what it forbids, to root with all that a mount needs
refused
not vm/swappiness
not kernel/core_pattern
not kernel/panic
writes kernel/shmmax
not ../sysrq-trigger
mounted
writes vm/swappiness
writes kernel/core_pattern
writes kernel/panic
writes kernel/shmmax
writes ../sysrq-trigger
--- who is confined
unconfined
crunpy-default (enforce)
crunpy-default (enforce)
unconfined
crunpy-default (enforce)
unconfined
killed
crunpy-default
name=apparmor
true
web
137
web
--- another profile
other (enforce)
cat: can't open '/etc/passwd': Permission denied
crunpy: error: starting the container: (confine exec nobodys): no such file or directory \
(the profile is not loaded: apparmor_parser --replace FILE, as root)
crunpy-default (enforce)
"""

OF_A_USER = """
echo "--- profiles"
as_user '$run --rm busybox cat /proc/self/attr/current
    $run --rm --security-opt apparmor=crunpy-default busybox cat /proc/self/attr/current
    current="cat /proc/self/attr/current"
    $run --rm --security-opt apparmor=other busybox sh -c "$current; cat /etc/passwd" 2>&1 || true
    $run --rm --security-opt apparmor=nobodys busybox true 2>&1 || true' | sed 's/step [0-9]* //'
echo "---"
"""
"""After `PROFILES`, in a script with `delegation_machine.plain_user`."""
OF_A_USER_EXPECTED = """
--- profiles
unconfined
crunpy-default (enforce)
other (enforce)
cat: can't open '/etc/passwd': Permission denied
crunpy: error: starting the container: (confine exec nobodys): no such file or directory \
(the profile is not loaded: apparmor_parser --replace FILE, as root)
---
"""
