"""Scripts for machines of their own where systemd is the init, and what they print: units of
containers, root's (`generate systemd`) and a plain user's (.container files)."""

GENERATED = """
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
GENERATED_EXPECTED = """
ActiveState=active
SubState=running
monitored
restarted
exited
ActiveState=inactive
"""

USERS = """
mkdir -p ~/.config/containers/systemd ~/.config/systemd/user
cat > ~/.config/containers/systemd/own.container << 'E'
[Container]
Image=busybox
Network=none
Volume=kept.volume:/kept
Exec=sh -c "trap 'exit 0' TERM; echo %n > /kept/file; while :; do sleep 0.2; done"
[Service]
Restart=always
E
echo '[Volume]' > ~/.config/containers/systemd/kept.volume
crunpy system generator --user ~/.config/systemd/user
systemctl --user daemon-reload
systemctl --user start own
systemctl --user is-active own kept-volume
test "$(systemctl --user show -p MainPID --value own)" = \\
    "$(crunpy inspect -f '{{.State.ConmonPid}}' systemd-own)" && echo main
crunpy exec systemd-own cat /kept/file
crunpy kill -s KILL systemd-own > /dev/null
n=0
until [ "$(systemctl --user show -p NRestarts --value own)" = 1 ] &&
    systemctl --user is-active -q own; do sleep 0.5; n=$((n + 1)); [ $n -lt 100 ]; done
crunpy ps --format '{{.Names}}'
systemctl --user stop own
crunpy ps -a -q
systemctl --user is-active own || true
"""
USERS_EXPECTED = """
active
active
main
own.service
systemd-own
inactive
"""
"""By the generator, which is run by hand: systemd looks for those of users in /etc."""


POD_FILES = """
files=~/.config/containers/systemd; mkdir -p $files ~/.config/systemd/user
printf '[Pod]\\nNetwork=none\\n' > $files/group.pod
cat > $files/member.container << 'E'
[Container]
Image=busybox
Pod=group.pod
Exec=sh -c "trap 'exit 0' TERM; while :; do sleep 0.2; done"
E
crunpy system generator --user ~/.config/systemd/user
systemctl --user daemon-reload
systemctl --user start group-pod
n=0
until systemctl --user is-active -q member; do sleep 0.5; n=$((n + 1)); [ $n -lt 100 ]; done
systemctl --user is-active group-pod
crunpy pod ps --format '{{.Name}} {{.Status}} {{.NumberOfContainers}}'
crunpy exec systemd-member hostname
systemctl --user stop group-pod
n=0
while systemctl --user is-active -q member; do sleep 0.5; n=$((n + 1)); [ $n -lt 100 ]; done
crunpy ps -a -q
crunpy pod ps -q
systemctl --user is-active group-pod || true
"""
POD_FILES_EXPECTED = """
active
systemd-group Running 2
systemd-group
inactive
"""


KUBE_FILE = """
files=~/.config/containers/systemd; mkdir -p $files ~/.config/systemd/user
cat > $files/played.yaml << 'E'
apiVersion: v1
kind: Pod
metadata: {name: played}
spec:
  containers:
  - {name: one, image: busybox, command: [sleep, '1000'], imagePullPolicy: Never}
E
printf '[Kube]\\nYaml=played.yaml\\nNetwork=none\\n[Service]\\nTimeoutStartSec=300\\n' \\
    > $files/ours.kube
crunpy system generator --user ~/.config/systemd/user
systemctl --user daemon-reload
systemctl --user start ours
systemctl --user is-active ours
crunpy pod ps --format '{{.Name}} {{.Status}}'
crunpy inspect -f '{{index .Config.Labels "PODMAN_SYSTEMD_UNIT"}}' played-one
systemctl --user stop ours
crunpy pod ps -q
systemctl --user is-active ours || true
"""
KUBE_FILE_EXPECTED = """
active
played Running
ours.service
inactive
"""
