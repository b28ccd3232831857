"""What is asked of a container arrives on the other side as it was asked, or is refused."""

from __future__ import annotations

import json
import shlex

import pytest

from crun_py.api import create as api
from crun_py.cli import fast
from crun_py.cli.container import create as verb
from crun_py.cli.container import create_request
from crun_py.errors import Unsupported
from crun_py.model.container import CreateRequest, HealthCheck, Networking
from crun_py.model.network import Join
from crun_py.record import fields_of, replaced
from crun_py.remote import create

WRITTEN = {"binds", "mount_texts", "created_by", "stdin_once", "ineffective"}
"""How it was written, and what only the command line's own words tell."""


def asked(words: str) -> CreateRequest:
    found = fast.scan(verb.OPTIONS, [*shlex.split(words), "image", "cmd", "arg"], mixed=False)
    assert found
    return create_request.request(*found)


@pytest.mark.parametrize("words", [
    "", "--name n -it", "-e A=b -e C=d=e", "--env A= --label x=y --label z --annotation an=no",
    "-v /a:/b -v /c:/d:ro,rshared -v vol:/v -v vol2:/w:nocopy -v /anonymous",
    "--mount type=bind,source=/a,target=/b,readonly --mount type=volume,source=v,target=/c",
    "--mount type=volume,source=v,target=/c,volume-nocopy --tmpfs /t --tmpfs /u:size=1m,mode=700",
    "-p 80 -p 8080:80 -p 127.0.0.1:1:1/udp -p [::1]:5:5 -P --expose 81 --expose 90/udp",
    "-w /tmp -u 1:2 --group-add 5 --hostname h --domainname d", "--entrypoint sh", "--entrypoint=",
    "--network host", "--network none", "--network container:c", "--network n:ip=10.0.0.9",
    "--network n:alias=a,ip=10.1.0.2 --network m:mac=02:00:00:00:00:01",
    "--add-host a:1.2.3.4 --dns 9.9.9.9 --dns-search s --dns-option ndots:1 --link c:alias",
    "--read-only --privileged --cap-add CHOWN --cap-drop ALL --init",
    "--security-opt no-new-privileges --security-opt seccomp=unconfined --security-opt apparmor=x",
    "--ulimit nofile=1:2 --sysctl net.x=1 --device /dev/null:/dev/x:r "
    "--device-cgroup-rule 'c 1:3 r'",
    "-m 64m --memory-swap 128m --memory-reservation 32m --cpus 1.5 -c 512 --cpuset-cpus 0-1",
    "--cpu-period 1000 --cpu-quota 500 --cpuset-mems 0 --pids-limit 9 --blkio-weight 100",
    "--blkio-weight-device /dev/x:20 --device-read-bps /dev/x:1m --device-write-iops /dev/x:9",
    "--shm-size 1m --storage-opt size=1g --oom-score-adj 7 --cgroup-parent /p",
    "--stop-signal INT --stop-timeout 3 --restart on-failure:4 --rm",
    "--health-cmd true --health-interval 9s --health-timeout 8s --health-retries 7 "
    "--health-start-period 6s --health-start-interval 5s", "--no-healthcheck",
    "--log-driver none", "--log-opt max-size=1m --log-opt max-file=9 --log-opt labels=a,b",
    "--log-opt tag=t --log-opt env=A",
    "--pid host --ipc host --uts host --cgroupns host --userns host",
    "--pid container:c --ipc shareable", "--volumes-from c --volumes-from d:ro",
    "--platform linux/arm64",
])  # fmt: skip
def test_what_is_asked_arrives(words: str) -> None:
    request = asked(words)
    body = json.loads(json.dumps(create.body(request)))
    arrived, _ = api.request(body, request.name, "")
    for name, value in fields_of(request).items():
        if name not in WRITTEN:
            assert _plain(getattr(arrived, name)) == _plain(value), name


def test_one_network_is_told_as_one_of_several() -> None:
    arrived, _ = api.request(
        create.body(asked("--network n --ip 10.0.0.9 --network-alias x")), "", ""
    )
    assert arrived.network.networks == (Join("n", ip="10.0.0.9", aliases=("x",)),)


def _plain(value: object) -> object:
    """Records as their fields; of mounts not their order and how they were written, of variables
    not ours, of ports not that those published are exposed, too."""
    if isinstance(value, HealthCheck) and value.disabled:
        return "disabled"
    if isinstance(value, Networking):
        published = {f"{p.container_port}/{p.protocol}" for p in value.ports}
        value = replaced(value, expose=tuple(p for p in value.expose if p not in published))
    if isinstance(value, tuple) and value and hasattr(value[0], "target"):
        value = sorted(value, key=lambda one: one.target)
    if hasattr(value, "_fields"):
        left_out = {"mode", "inherited", "options"}
        return type(value), {k: _plain(v) for k, v in fields_of(value).items() if k not in left_out}  # type: ignore[type-var]
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


@pytest.mark.parametrize("words", [
    "--umask 077", "--tz local", "--secret s", "--requires c", "--pod p", "--timeout 5",
    "--pidfile /x",
    "--systemd always", "--passwd=false", "--cgroups disabled", "--image-volume ignore",
    "--mount type=image,source=i,target=/i", "--health-on-failure kill", "--no-hosts", "--dns none",
    "--mount type=bind,source=/a,target=/b,chown=true", "--uidmap 0:1:2", "--read-only-tmpfs",
    "--network n:interface_name=x", "--unsetenv-all", "--env-merge A=b", "--tmpfs /t:U",
    "--cgroup-conf memory.high=1",
])  # fmt: skip
def test_what_cannot_be_said_is_refused(words: str) -> None:
    with pytest.raises(Unsupported, match="cannot say"):
        create.body(asked(words))
