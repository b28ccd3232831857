"""Each key of each kind of file, and the command line that comes of it; and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from crun_py.cli import fast
from crun_py.errors import InvalidArgument
from crun_py.quadlet import generate, keys, sources, words
from crun_py.quadlet.unit_file import UnitFile
from crun_py.values import FLAG, LIST, SWITCH, VALUE, destination

HEAD = "name=systemd-%N cidfile=%t/%N.cid replace rm -d sdnotify=conmon".split()


def source(name: str, text: str, where: str = "/etc/containers/systemd") -> sources.Source:
    unit = UnitFile()
    unit.read(text)
    return sources.Source(f"{where}/{name}", unit)


def service(name: str, text: str, *others: sources.Source, user: bool = False) -> UnitFile:
    """The service of a file, read again."""
    here = source(name, text)
    found = {other.name: other for other in (here, *others)}
    made = generate.one(here, found, ["crunpy"], user=user)
    unit = UnitFile()
    unit.read(made.text)
    return unit


def command(name: str, text: str, *others: sources.Source) -> list[str]:
    """The words of its ExecStart=."""
    return words.split(service(name, text, *others).last("Service", "ExecStart"))


def run(lines: str, *others: sources.Source) -> list[str]:
    """What a container's options are beside the usual ones, without their dashes."""
    line = command("a.container", f"[Container]\nImage=i\n{lines}\n", *others)
    assert line[:2] == ["crunpy", "run"] and line[-1] == "i"
    assert [word.lstrip("-") if word != "-d" else word for word in line[2:8]] == HEAD
    return [word.removeprefix("--") for word in line[8:-1]]


@pytest.mark.parametrize(
    "lines,wanted",
    [
        ("AddCapability=A B\nAddCapability=C", "cap-add=A cap-add=B cap-add=C"),
        ("DropCapability=all", "cap-drop=all"),
        ("AddHost=h:1.2.3.4", "add-host=h:1.2.3.4"),
        ("Annotation=a=1 b=2", "annotation=a=1 annotation=b=2"),
        ("AutoUpdate=registry", "label=io.containers.autoupdate=registry"),
        ("CgroupsMode=enabled", "cgroups=enabled"),
        ("DNS=1.1.1.1\nDNSOption=ndots:1\nDNSSearch=.",
         "dns=1.1.1.1 dns-option=ndots:1 dns-search=."),
        ("Environment=A=1 B=2\nEnvironment=C=3", "env=A=1 env=B=2 env=C=3"),
        ("Environment=A=1\nEnvironment=\nEnvironment=B=2", "env=B=2"),
        ("EnvironmentFile=x/env\nEnvironmentFile=%n/env\nEnvironmentFile=./%n",
         "env-file=/etc/containers/systemd/x/env env-file=%n/env "
         "env-file=/etc/containers/systemd/%n"),
        ("EnvironmentHost=yes", "env-host"),
        ("EnvironmentHost=no", ""),
        ("ExposeHostPort=50-59", "expose=50-59"),
        ("UIDMap=0:1:2\nGIDMap=0:1:2\nSubUIDMap=u\nSubGIDMap=g",
         "gidmap=0:1:2 subgidname=g subuidname=u uidmap=0:1:2"),
        ("GroupAdd=keep-groups", "group-add=keep-groups"),
        ("HealthCmd=none\nHealthInterval=2m\nHealthOnFailure=kill\nHealthRetries=5\n"
         "HealthStartPeriod=1m\nHealthTimeout=20s",
         "health-cmd=none health-interval=2m health-on-failure=kill health-retries=5 "
         "health-start-period=1m health-timeout=20s"),
        ("HostName=h\nHttpProxy=false", "hostname=h http-proxy=false"),
        ("IP=10.0.0.2\nIP6=fd::2", "ip=10.0.0.2 ip6=fd::2"),
        ("Label=a=b\nLabel=c=%n", "label=a=b label=c=%n"),
        ("LogDriver=none\nLogOpt=max-size=1m", "log-driver=none log-opt=max-size=1m"),
        ("Memory=20m\nPidsLimit=9\nShmSize=1m", "memory=20m pids-limit=9 shm-size=1m"),
        ("Mask=/a:/b\nUnmask=ALL\nSeccompProfile=unconfined\nNoNewPrivileges=true",
         "security-opt=no-new-privileges security-opt=mask=/a:/b security-opt=seccomp=unconfined "
         "security-opt=unmask=ALL"),
        ("SecurityLabelDisable=1\nSecurityLabelType=t\nSecurityLabelLevel=s0\n"
         "SecurityLabelFileType=f\nSecurityLabelNested=true",
         "security-opt=label=disable security-opt=label=nested security-opt=label=filetype:f "
         "security-opt=label=level:s0 security-opt=label=type:t"),
        ("Mount=type=bind,source=./x,target=/y\nMount=type=tmpfs,target=/t",
         "mount=type=bind,source=/etc/containers/systemd/x,target=/y mount=type=tmpfs,target=/t"),
        ("Network=host\nNetworkAlias=n", "network-alias=n network=host"),
        ("PodmanArgs=--publish 1:2 '--label=a b'", "publish 1:2 label=a|b"),
        ("PublishPort=8080:80\nPublishPort=81", "publish=8080:80 publish=81"),
        ("Pull=never\nRetry=5\nRetryDelay=5s", "pull=never retry=5 retry-delay=5s"),
        ("ReadOnly=true\nReadOnlyTmpfs=false", "read-only=true read-only-tmpfs=false"),
        ("RunInit=true\nSecret=s,type=env", "init=true secret=s,type=env"),
        ("StopSignal=INT\nStopTimeout=20", "stop-signal=INT stop-timeout=20"),
        ("StopTimeout=1\nStopTimeout=2", "stop-timeout=2"),
        ("Sysctl=a=1 b=2", "sysctl=a=1 sysctl=b=2"),
        ("Timezone=local\nTmpfs=/t\nUlimit=nofile=1:2", "tz=local tmpfs=/t ulimit=nofile=1:2"),
        ("User=bin\nGroup=5", "user=bin:5"),
        ("User=1", "user=1"),
        ("UserNS=keep-id:uid=200,gid=210", "userns=keep-id:uid=200,gid=210"),
        ("Volume=/a:/b:ro\nVolume=./c:/d\nVolume=/only\nVolume=%h/x:/y",
         "volume=/a:/b:ro volume=/etc/containers/systemd/c:/d volume=/only volume=%h/x:/y"),
        ("WorkingDir=$HOME", "workdir=$HOME"),
        ("Entrypoint=[\"a\", \"b\"]", 'entrypoint=["a",|"b"]'),
        ("AddDevice=/dev/null\nAddDevice=-/dev/nosuch:/x", "device=/dev/null"),
    ],
)  # fmt: skip
def test_keys_of_a_container(lines: str, wanted: str) -> None:
    assert run(lines) == [word.replace("|", " ") for word in wanted.split()]


def test_the_service_of_a_container() -> None:
    made = service(
        "web.container",
        "[Unit]\nDescription=x\nAfter=db.container a.service\n[Container]\nImage=i\n"
        "Exec=sh -c \"echo '%n' $A\" \\\n# between\n  last\n[Service]\nRestart=always\n"
        "[Install]\nWantedBy=multi-user.target\n",
        source("db.container", "[Container]\nImage=i\nServiceName=database"),
    )
    assert made.sections["Unit"] == [
        ("SourcePath", "/etc/containers/systemd/web.container"),
        ("Wants", "network-online.target"),
        ("After", "network-online.target"),
        ("Description", "x"),
        ("After", "database.service a.service"),
        ("RequiresMountsFor", "%t/crunpy"),
    ]
    start = (
        "crunpy run --name=systemd-%N --cidfile=%t/%N.cid --replace --rm -d --sdnotify=conmon i "
        "sh -c \"echo '%n' $A\" last"
    )
    assert made.sections["Service"] == [
        ("Environment", "PODMAN_SYSTEMD_UNIT=%n"),
        ("KillMode", "mixed"),
        ("Restart", "always"),
        ("ExecStartPre", "-/bin/rm -f %t/%N.cid"),
        ("ExecStop", "crunpy stop --cidfile=%t/%N.cid --ignore"),
        ("ExecStopPost", "-crunpy rm -f -v --cidfile=%t/%N.cid --ignore"),
        ("Delegate", "yes"),
        ("Type", "notify"),
        ("NotifyAccess", "all"),
        ("SyslogIdentifier", "%N"),
        ("ExecStart", start),
    ]
    assert [key for key, _ in made.sections["X-Container"]] == ["Image", "Exec"]


def test_kinds_of_services() -> None:
    once = service("a.container", "[Container]\nImage=i\n[Service]\nType=oneshot\n")
    line = once.last("Service", "ExecStart")
    assert " -d " not in line and "sdnotify" not in line and not once.has("Service", "NotifyAccess")
    text = "[Container]\nImage=i\nNotify={}\n"
    assert "--sdnotify=container" in command("a.container", text.format("true"))
    assert "--sdnotify=healthy" in command("a.container", text.format("healthy"))
    assert "--sdnotify=conmon" in command("a.container", text.format("no"))
    user = service("a.container", "[Container]\nImage=i\n", user=True)
    assert not user.has("Unit", "After")
    alone = "[Container]\nImage=i\n[Quadlet]\nDefaultDependencies=false\n"
    assert not service("a.container", alone).has("Unit", "Wants")
    rootfs = command("a.container", "[Container]\nRootfs=/r:O\nExec=sh\n")
    assert rootfs[-3:] == ["--rootfs", "/r:O", "sh"]
    more = command("a.container", "[Container]\nImage=i\nGlobalArgs=--root /x\n")
    assert more[:4] == ["crunpy", "--root", "/x", "run"]


def test_reloading() -> None:
    text = "[Container]\nImage=i\nContainerName=n\n{}\n"
    made = service("a.container", text.format("ReloadCmd=kill -HUP 1"))
    assert made.last("Service", "ExecReload") == "crunpy exec n kill -HUP 1"
    made = service("a.container", text.format("ReloadSignal=HUP"))
    assert made.last("Service", "ExecReload") == "crunpy kill --signal=HUP n"


def test_files_that_others_make() -> None:
    others = (
        source("d.volume", "[Volume]\n"),
        source("own.volume", "[Volume]\nVolumeName=mine\n"),
        source("n.network", "[Network]\n"),
        source("b.container", "[Container]\nImage=i\n"),
        source("p.image", "[Image]\nImage=quay.io/x\nServiceName=puller\n"),
        source("made.build", "[Build]\nImageTag=localhost/y\nFile=/f\n"),
    )
    assert run("Volume=d.volume:/data:ro\nVolume=own.volume:/o", *others) == [
        "volume=systemd-d:/data:ro", "volume=mine:/o"]  # fmt: skip
    assert run("Network=n.network:ip=10.0.0.1\nNetwork=b.container", *others) == [
        "network=systemd-n:ip=10.0.0.1", "network=container:systemd-b"]  # fmt: skip
    assert run("Mount=type=volume,source=d.volume,target=/x\n"
               "Mount=type=image,source=p.image,target=/y", *others) == [
        "mount=type=volume,source=systemd-d,target=/x",
        "mount=type=image,source=quay.io/x,target=/y"]  # fmt: skip
    made = service("a.container", "[Container]\nImage=p.image\nVolume=d.volume:/d\n", *others)
    assert made.last("Service", "ExecStart").endswith(" quay.io/x")
    for key in ("Requires", "After"):
        assert made.all("Unit", key)[-2:] == ["d-volume.service", "puller.service"]
    assert command("a.container", "[Container]\nImage=made.build\n", *others)[-1] == "localhost/y"


@pytest.mark.parametrize(
    "name,text,wanted",
    [
        ("d.volume", "[Volume]\nLabel=a=b c=d\n",
         "volume create --ignore --label=a=b --label=c=d systemd-d"),
        ("d.volume", "[Volume]\nVolumeName=v\nType=tmpfs\nDevice=tmpfs\nOptions=size=1m\nUser=5\n",
         "volume create --ignore --opt=type=tmpfs --opt=device=tmpfs --opt=o=size=1m,uid=5 v"),
        ("n.network", "[Network]\nSubnet=10.1.0.0/24\nGateway=10.1.0.1\nInternal=true\nIPv6=no\n"
         "Options=mtu=9000\nLabel=a=b\nDNS=1.1.1.1\nPodmanArgs=--attachable\n",
         "network create --ignore --dns=1.1.1.1 --gateway=10.1.0.1 --internal --label=a=b "
         "--opt=mtu=9000 --subnet=10.1.0.0/24 --attachable systemd-n"),
        ("i.image", "[Image]\nImage=x\nAllTags=true\nTLSVerify=false\nArch=arm64\nPolicy=newer\n",
         "pull --all-tags --arch=arm64 --policy=newer --tls-verify=false x"),
        ("b.build", "[Build]\nImageTag=t\nImageTag=u\nSetWorkingDirectory=unit\n",
         "build --tag=t --tag=u /etc/containers/systemd"),
        ("b.build", "[Build]\nImageTag=t\nFile=./sub/Containerfile\nTarget=x\nEnvironment=A=b\n"
         "SetWorkingDirectory=file\n",
         "build --env=A=b --tag=t --target=x --file=/etc/containers/systemd/sub/Containerfile "
         "/etc/containers/systemd/sub"),
        ("b.build", "[Build]\nImageTag=t\nSetWorkingDirectory=https://h/x.git\nNetwork=host\n",
         "build --tag=t --network=host https://h/x.git"),
        ("b.build", "[Build]\nImageTag=t\nFile=/x/F\n", "build --tag=t --file=/x/F /x"),
    ],
)  # fmt: skip
def test_what_is_made_once(name: str, text: str, wanted: str) -> None:
    made = service(name, text)
    assert made.last("Service", "ExecStart") == f"crunpy {wanted}"
    assert made.last("Service", "Type") == "oneshot"
    assert made.last("Service", "RemainAfterExit") == "yes"


def test_a_network_may_go_with_its_service() -> None:
    made = service("n.network", "[Network]\nNetworkDeleteOnStop=true\nNetworkName=x\n")
    assert made.last("Service", "ExecStopPost") == "crunpy network rm x"


def test_a_pod_and_its_containers() -> None:
    net = source("n.network", "[Network]\n")
    one = source("one.container", "[Container]\nImage=i\nPod=p.pod\n")
    two = source("two.container", "[Container]\nImage=i\nPod=p.pod\nStartWithPod=no\n")
    text = ("[Pod]\nPublishPort=8080:80\nNetwork=n.network\nVolume=./d:/d\nLabel=a=b\n"
            "StopTimeout=3\nPodmanArgs=--share=net\n[Install]\nWantedBy=x.target\n")  # fmt: skip
    made = service("p.pod", text, net, one, two)
    assert made.all("Unit", "Wants") == ["network-online.target", "one.service"]
    assert made.all("Unit", "Before") == ["one.service", "two.service"]
    assert made.all("Unit", "Requires") == ["n-network.service"]
    removal, create = made.all("Service", "ExecStartPre")
    file = "--pod-id-file=%t/p-pod.pod-id"
    assert removal == "-/bin/rm -f %t/%N.pid %t/p-pod.pod-id"
    assert words.split(create) == [
        "crunpy", "pod", "create", "--infra-conmon-pidfile=%t/%N.pid", file, "--replace",
        "--exit-policy=stop", "--label=a=b", "--publish=8080:80", "--network=systemd-n",
        "--volume=/etc/containers/systemd/d:/d", "--share=net", "--name=systemd-p",
    ]  # fmt: skip
    assert made.last("Service", "ExecStart") == f"crunpy pod start {file}"
    assert made.last("Service", "ExecStop") == f"crunpy pod stop {file} --ignore --time=3"
    assert made.last("Service", "ExecStopPost") == f"-crunpy pod rm {file} --ignore --force"
    assert made.last("Service", "Type") == "forking"
    assert made.last("Service", "PIDFile") == "%t/%N.pid"
    own = service("one.container", "[Container]\nImage=i\nPod=p.pod\n", source("p.pod", text))
    assert file in words.split(own.last("Service", "ExecStart"))
    assert own.last("Unit", "BindsTo") == "p-pod.service" in own.all("Unit", "After")
    named = source("q.pod", "[Pod]\nPodName=x\nExitPolicy=continue\nServiceName=y\n")
    assert "--exit-policy=continue" in words.split(
        service("q.pod", "[Pod]\nExitPolicy=continue\n").all("Service", "ExecStartPre")[1]
    )
    own = service("b.container", "[Container]\nImage=i\nPod=q.pod\n", named)
    assert own.last("Unit", "BindsTo") == "y.service"


@pytest.mark.parametrize(
    "name,text,said",
    [
        ("a.container", "[Container]\nExec=x\n", "one of Image and Rootfs"),
        ("a.container", "[Container]\nImage=i\nRootfs=/r\n", "one of Image and Rootfs"),
        ("a.container", "[Container]\nImage=i\nTypo=1\n", "key Typo is not known in [Container]"),
        ("a.container", "[Container]\nImage=i\nPod=x.pod\n", "x.pod is not among the files"),
        ("a.container", "[Container]\nImage=i\nPod=x\n", "not the name of a .pod file"),
        ("a.container", "[Container]\nImage=i\nStartWithPod=no\n", "StartWithPod is given without"),
        ("a.container", "[Container]\nImage=i\nHealthStartupCmd=x\n", "HealthStartPeriod"),
        ("a.container", "[Container]\nImage=i\nGroup=1\n", "Group is given without User"),
        ("a.container", "[Container]\nImage=i\nReadOnly=maybe\n", "neither true nor false"),
        ("a.container", "[Container]\nImage=i\nExec=\"x\n", "a quote without an end"),
        ("a.container", "[Container]\nImage=i\nEnvironment=a=\\q\n", "is no escape"),
        ("a.container", "[Container]\nImage=i\nVolume=no.volume:/x\n", "no.volume is not among"),
        ("a.container", "[Container]\nImage=no.build\n", "no.build is not among the files"),
        ("a.container", "[Container]\nImage=i\nAutoUpdate=often\n", "only registry and local"),
        ("a.container", "[Container]\nImage=i\nReloadCmd=x\nReloadSignal=1\n", "only one of them"),
        ("a.container", "[Container]\nImage=i\n[Service]\nType=simple\n", "Type=simple"),
        ("a.container", "[Container]\nImage=i\n[Service]\nKillMode=none\n", "KillMode=none"),
        ("a.container", "[Container]\nImage=i\n[Quadlet]\nX=1\n", "key X is not known"),
        ("a.container", "[Container]\nImage=i\n[Install]\nWantedBy=../x\n", "no name of a unit"),
        ("a.container", "[Container]\nImage=i\nServiceName=../x\n", "name of a service"),
        ("a.container", "[Unit]\nAfter=gone.volume\n[Container]\nImage=i\n", "gone.volume"),
        ("a.container", "[Unit]\nDescription=x\n", "no section [Container]"),
        ("a.pod", "[Pod]\nTypo=1\n", "key Typo is not known in [Pod]"),
        ("a.pod", "[Pod]\nNetwork=no.network\n", "no.network is not among"),
        ("a.kube", "[Kube]\nPublishPort=1:2\n", "Yaml is missing"),
        ("a.kube", "[Kube]\nYaml=x\nYaml=y\n", "there can be only one"),
        ("a.kube", "[Kube]\nYaml=x\nAutoUpdate=sometimes\n", "AutoUpdate=sometimes: not"),
        ("a.kube", "[Kube]\nYaml=x\nExitCodePropagation=all\n", "only none is possible"),
        ("a.kube", "[Kube]\nYaml=x\nUserNS=auto\n", "makes no user namespaces"),
        ("a.kube", "[Kube]\nYaml=x\nSetWorkingDirectory=/x\n", "only yaml and unit"),
        ("a.kube", "[Kube]\nYaml=x\n[Service]\nType=notify\n", "only oneshot is possible"),
        ("a.image", "[Image]\n", "Image is missing"),
        ("a.image", "[Image]\nImage=x\nDecryptionKey=k\n", "encrypted images"),
        ("a.build", "[Build]\nFile=/x\n", "ImageTag is missing"),
        ("a.build", "[Build]\nImageTag=t\n", "one of File and SetWorkingDirectory"),
        ("a.build", "[Build]\nImageTag=t\nSetWorkingDirectory=file\n", "File is missing"),
        ("a.volume", "[Volume]\nType=ext4\n", "Type is given without Device"),
        ("a.volume", "[Volume]\nUser=1\n", "only possible with Type"),
        ("a.volume", "[Volume]\nCopy=false\n", "Volume=…:nocopy"),
        ("a.volume", "[Volume]\nImage=x\n", "Mount=type=image"),
        ("a.network", "[Network]\nGateway=10.0.0.1\n", "more often than Subnet"),
    ],
)  # fmt: skip
def test_refused(name: str, text: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        service(name, text)
    assert said in caught.value.message
    assert caught.value.message.startswith(f"reading /etc/containers/systemd/{name}: ")


@pytest.mark.parametrize("section", keys.TABLES)
def test_the_tables_name_options_of_the_commands(section: str) -> None:
    kinds = {keys.ONE: {VALUE, LIST, "optional"}, keys.MANY: {LIST}, keys.WORDS: {LIST},
             keys.PAIRS: {LIST}, keys.FLAG: {FLAG},
             keys.SWITCH: {FLAG, SWITCH, VALUE, "optional"}}  # fmt: skip
    table = fast.load(keys.COMMANDS[section]).OPTIONS
    known = {name: kind for names, kind, *_ in table for name in names.split()}
    wrong = {
        key: (kind, known.get(option))
        for key, (kind, option) in keys.TABLES[section].items()
        if known.get(option) not in kinds[kind]
    }
    assert wrong == {}
    assert not set(keys.TABLES[section]) & (keys.OWN[section] | set(keys.REFUSED))
    assert all(destination(option) for _, option in keys.TABLES[section].values())


def test_a_port_of_a_pods_container() -> None:
    pod = source("p.pod", "[Pod]\n")
    text = "[Container]\nImage=i\nPod=p.pod\nPublishPort=1:2\n"
    with pytest.raises(InvalidArgument, match=r"ports are the pod's, p\.pod is to say it"):
        service("a.container", text, pod)
    assert "--publish=1:2" in command("a.container", text + "Network=bridge\n", pod)


def test_a_manifest() -> None:
    net = source("n.network", "[Network]\n")
    made = service(
        "a.kube",
        "[Kube]\nYaml=./a.yaml\nNetwork=n.network\nPublishPort=8080:80\nConfigMap=c.yaml\n"
        "ConfigMap=/d.yaml\nAutoUpdate=registry web/local\nKubeDownForce=true\nLogDriver=none\n"
        "SetWorkingDirectory=yaml\nPodmanArgs=--quiet\n[Install]\nWantedBy=x.target\n",
        net,
    )
    where = "/etc/containers/systemd"
    assert words.split(made.last("Service", "ExecStart")) == [
        "crunpy", "kube", "play", "--replace", "--log-driver=none", "--publish=8080:80",
        "--network=systemd-n", f"--configmap={where}/c.yaml", "--configmap=/d.yaml",
        "--annotation=io.containers.autoupdate=registry",
        "--annotation=io.containers.autoupdate/web=local", "--quiet", f"{where}/a.yaml",
    ]  # fmt: skip
    assert made.last("Service", "ExecStopPost") == f"crunpy kube down --force {where}/a.yaml"
    assert made.last("Service", "Type") == "oneshot"
    assert made.last("Service", "RemainAfterExit") == "yes"
    assert made.last("Service", "Environment") == "PODMAN_SYSTEMD_UNIT=%n"
    assert made.last("Service", "WorkingDirectory") == where
    assert made.all("Unit", "Requires") == ["n-network.service"]
    plain = service("a.kube", "[Kube]\nYaml=/a.yaml\n")
    assert plain.last("Service", "ExecStopPost") == "crunpy kube down /a.yaml"
    assert not plain.has("Service", "WorkingDirectory")


def test_every_key_of_podmans_is_known() -> None:
    """podman-systemd.unit(5) of podman 5.6."""
    for section, text in PODMANS.items():
        known = {*keys.TABLES[section], *keys.OWN[section], *keys.REFUSED}
        known |= {key for name, key in keys.REFUSED_OF if name == section}
        assert set(text.split()) - known == set()


PODMANS = {
    "Container": """
AddCapability AddDevice AddHost Annotation AutoUpdate CgroupsMode ContainerName
ContainersConfModule DNS DNSOption DNSSearch DropCapability Entrypoint Environment EnvironmentFile
EnvironmentHost Exec ExposeHostPort GIDMap GlobalArgs Group GroupAdd HealthCmd HealthInterval
HealthLogDestination HealthMaxLogCount HealthMaxLogSize HealthOnFailure HealthRetries
HealthStartPeriod HealthStartupCmd HealthStartupInterval HealthStartupRetries HealthStartupSuccess
HealthStartupTimeout HealthTimeout HostName HttpProxy Image IP IP6 Label LogDriver LogOpt Mask
Memory Mount Network NetworkAlias NoNewPrivileges Notify PidsLimit Pod PodmanArgs PublishPort Pull
ReadOnly ReadOnlyTmpfs ReloadCmd ReloadSignal Retry RetryDelay Rootfs RunInit SeccompProfile Secret
SecurityLabelDisable SecurityLabelFileType SecurityLabelLevel SecurityLabelNested SecurityLabelType
ShmSize StartWithPod StopSignal StopTimeout SubGIDMap SubUIDMap Sysctl Timezone Tmpfs UIDMap Ulimit
Unmask User UserNS Volume WorkingDir""",
    "Pod": """
AddHost ContainersConfModule DNS DNSOption DNSSearch ExitPolicy GIDMap GlobalArgs HostName IP IP6
Label Network NetworkAlias PodmanArgs PodName PublishPort ServiceName ShmSize StopTimeout SubGIDMap
SubUIDMap UIDMap UserNS Volume""",
    "Volume": """
ContainersConfModule Copy Device Driver GlobalArgs Group Image Label Options PodmanArgs Type User
VolumeName""",
    "Network": """
ContainersConfModule DisableDNS DNS Driver Gateway GlobalArgs InterfaceName Internal IPAMDriver
IPRange IPv6 Label NetworkDeleteOnStop NetworkName Options PodmanArgs Subnet""",
    "Image": """
AllTags Arch AuthFile CertDir ContainersConfModule Creds DecryptionKey GlobalArgs Image ImageTag OS
PodmanArgs Policy Retry RetryDelay TLSVerify Variant""",
    "Build": """
Annotation Arch AuthFile BuildArg ContainersConfModule DNS DNSOption DNSSearch Environment File
ForceRM GlobalArgs GroupAdd IgnoreFile ImageTag Label Network PodmanArgs Pull Retry RetryDelay
Secret SetWorkingDirectory Target TLSVerify Variant Volume""",
    "Kube": """
AutoUpdate ConfigMap ContainersConfModule ExitCodePropagation GlobalArgs KubeDownForce LogDriver
LogOpt Network PodmanArgs PublishPort RemapGid RemapUid RemapUidSize RemapUsers SetWorkingDirectory
UserNS Yaml""",
}


def test_names(tmp_path: Path) -> None:
    names = {"a.container": "a", "a.volume": "a-volume", "a.network": "a-network",
             "a.image": "a-image", "a.build": "a-build", "a.pod": "a-pod", "a.kube": "a",
             "a@.container": "a@", "a@1.container": "a@1", "a@1.volume": "a-volume@1"}  # fmt: skip
    for name, wanted in names.items():
        assert source(name, "").service == wanted
    assert command("a@1.container", "[Container]\nImage=i\n")[2] == "--name=systemd-%p_%i"
    assert command("v@.volume", "[Volume]\n")[-1] == "systemd-v_%i"


def test_templates_are_installed_by_their_default_instance() -> None:
    install = "[Container]\nImage=i\n[Install]\nWantedBy=x.target\nAlias=b.service\n"
    plain = source("a.container", install)
    assert generate.one(plain, {}, ["c"]).links == ("b.service", "x.target.wants/a.service")
    assert generate.one(source("a@.container", install), {}, ["c"]).links == ()
    instance = source("a@.container", install + "DefaultInstance=7\nRequiredBy=y.target\n")
    assert generate.one(instance, {}, ["c"]).links == (
        "b.service", "x.target.wants/a@7.service", "y.target.requires/a@7.service")  # fmt: skip
