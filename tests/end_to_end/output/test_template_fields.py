"""The fields that docker 28 and podman 4.3 answer in templates and JSON, and the shape of JSON.

A list holds a peer's own names: those of `{{json .}}` of docker and of podman's completion
of `--format`.  `Mounts[].Type` is the field Type of each element of Mounts, `Client(A B)` is
short for Client.A Client.B.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from engine import Engine

from crun_py.cli.verbs import VERBS


def _words(text: str) -> list[str]:
    """The fields of a list: `A B(C D)` is A, B.C and B.D."""
    found = []
    for prefix, inside, plain in re.findall(r"([^\s()]+)\(([^)]*)\)|(\S+)", text):
        found += [f"{prefix}.{word}" for word in inside.split()] if prefix else [plain]
    return found


_HOST_CONFIG = """
HostConfig(Binds ContainerIDFile NetworkMode PortBindings AutoRemove VolumeDriver VolumesFrom
ConsoleSize CapAdd CapDrop ExtraHosts GroupAdd IpcMode Cgroup Links OomScoreAdj PidMode Privileged
PublishAllPorts ReadonlyRootfs SecurityOpt Tmpfs UTSMode UsernsMode ShmSize Runtime Isolation Memory
CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps
BlkioDeviceReadIOps BlkioDeviceWriteIOps CpusetCpus CpusetMems Devices KernelMemory
MemoryReservation MemorySwap MemorySwappiness OomKillDisable Init PidsLimit Ulimits CpuCount
CpuPercent IOMaximumIOps IOMaximumBandwidth)
HostConfig.RestartPolicy(Name MaximumRetryCount) HostConfig.LogConfig(Type Config)
HostConfig.Ulimits[](Name Soft Hard) HostConfig.PortBindings[][](HostIP HostPort)
"""
_NETWORK = """
NetworkSettings(Bridge SandboxID SandboxKey Ports HairpinMode LinkLocalIPv6Address
LinkLocalIPv6PrefixLen SecondaryIPAddresses SecondaryIPv6Addresses EndpointID Gateway
GlobalIPv6Address GlobalIPv6PrefixLen IPAddress IPPrefixLen IPv6Gateway MacAddress Networks)
NetworkSettings.Networks[](IPAMConfig Links Aliases MacAddress DriverOpts NetworkID EndpointID
Gateway IPAddress IPPrefixLen IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen)
"""
_CONTAINER = f"""
ID Created Path Args Image ResolvConfPath HostnamePath HostsPath Name RestartCount Driver MountLabel
ProcessLabel AppArmorProfile ExecIDs SizeRw SizeRootFs GraphDriver(Name Data)
State(Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt FinishedAt)
Mounts Mounts[](Type Name Source Destination Driver Mode RW Propagation)
Config(Hostname Domainname User AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce Env
Cmd Image Volumes WorkingDir Entrypoint OnBuild Labels StopSignal StopTimeout)
Config.Healthcheck(Test StartPeriod Interval Timeout Retries)
{_HOST_CONFIG} {_NETWORK}
"""

TEMPLATE = {
    ("container", "docker"): _CONTAINER + """
        LogPath Platform ImageManifestDescriptor
        Config(ExposedPorts ArgsEscaped NetworkDisabled MacAddress Shell)
        Config.Healthcheck.StartInterval HostConfig(Annotations CgroupnsMode DNS DNSOptions
        DNSSearch StorageOpt Sysctls CPUShares NanoCPUs CPUPeriod CPUQuota CPURealtimePeriod
        CPURealtimeRuntime DeviceCgroupRules DeviceRequests KernelMemoryTCP CPUCount CPUPercent
        Mounts MaskedPaths ReadonlyPaths) NetworkSettings.Networks[](GwPriority DNSNames)
    """,
    ("container", "podman"): _CONTAINER + """
        ImageDigest ImageName Rootfs Pod StaticDir OCIConfigPath OCIRuntime ConmonPidFile PidFile
        EffectiveCaps BoundingCaps Dependencies Namespace IsInfra IsService Mounts[].Options
        State(Healthcheck OciVersion ConmonPid Checkpointed CgroupPath CheckpointedAt RestoredAt
        CheckpointLog CheckpointPath RestoreLog Restored) State.Health(Status FailingStreak Log)
        Config(DomainName Annotations HealthcheckOnFailureAction CreateCommand Timezone SystemdMode
        Umask Secrets Timeout Passwd ChrootDirs SdNotifyMode SdNotifySocket)
        HostConfig(CgroupManager CgroupMode Dns DnsOptions DnsSearch Cgroups IDMappings CpuShares
        NanoCpus CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime DiskQuota CgroupConf)
        HostConfig.LogConfig(Path Tag Size) NetworkSettings.AdditionalMacAddresses
    """,
    ("image", "docker"): """
        ID RepoTags RepoDigests Parent Comment Created Container ContainerConfig DockerVersion
        Author Architecture Variant Os OsVersion Size VirtualSize GraphDriver(Name Data) RootFS(Type
        Layers) Metadata.LastTagTime Descriptor Manifests
        Config(User ExposedPorts Env Entrypoint Cmd Volumes WorkingDir Labels StopSignal ArgsEscaped
        Healthcheck OnBuild Shell)
    """,
    ("image", "podman"): """
        ID Digest RepoTags RepoDigests Parent Comment Created Version Author Architecture Os Size
        VirtualSize GraphDriver(Name Data) RootFS(Type Layers) Labels Annotations ManifestType User
        History NamesHistory HealthCheck History[](Created CreatedBy EmptyLayer Comment Author)
        Config(User ExposedPorts Env Entrypoint Cmd Volumes WorkingDir Labels StopSignal
        ArgsEscaped)
    """,
    ("volume", "docker"): """
        ClusterVolume CreatedAt Driver Labels Mountpoint Name Options Scope Status UsageData
    """,
    ("volume", "podman"): """
        Name Driver Mountpoint CreatedAt Status Labels Scope Options UID GID Anonymous MountCount
        NeedsCopyUp NeedsChown Timeout StorageID
    """,
    ("ps", "docker"): """
        Command CreatedAt ID Image Labels LocalVolumes Mounts Names Networks Platform Ports
        RunningFor Size State Status
    """,
    ("ps", "podman"): """
        CGROUPNS Cgroup Command CreatedAt CreatedHuman ID IPC ImageID MNT NET Names Networks PIDNS
        Pod Ports RunningFor Size State Status USERNS UTS User AutoRemove Created Exited ExitedAt
        ExitCode Image IsInfra Labels Mounts Namespaces Namespaces(MNT Cgroup IPC NET PIDNS UTS
        User) Pid PodName StartedAt
    """,
    ("images", "docker"): """
        Containers CreatedAt CreatedSince Digest ID Repository SharedSize Size Tag UniqueSize
        VirtualSize
    """,
    ("images", "podman"): """
        Created CreatedAt CreatedSince CreatedTime History ID Id IsDangling IsReadOnly Size
        Repository Tag ParentId RepoTags RepoDigests SharedSize VirtualSize Labels Containers
        ReadOnly Dangling Names Digest
    """,
    ("volume ls", "docker"): """
        Availability Driver Group Labels Links Mountpoint Name Scope Size Status
    """,
    ("volume ls", "podman"): """
        Name Driver Mountpoint CreatedAt Status Labels Scope Options UID GID Anonymous MountCount
        NeedsCopyUp NeedsChown Timeout StorageID
    """,
    ("network ls", "docker"): "CreatedAt Driver ID IPv4 IPv6 Internal Labels Name Scope",
    ("network ls", "podman"): """
        Name ID Driver NetworkInterface Created Subnets IPv6Enabled Internal DNSEnabled Labels
        Options IPAMOptions
    """,
    ("secret ls", "podman"): "ID Name Driver CreatedAt UpdatedAt",
    ("history", "docker"): "Comment CreatedAt CreatedBy CreatedSince ID Size",
    ("history", "podman"): "Created CreatedAt CreatedBy CreatedSince ID Size Tags Comment",
    ("search", "docker"): "Description IsOfficial Name StarCount",
    ("search", "podman"): "Index Name Description Stars Official Automated Tag",
    ("stats", "docker"): "BlockIO CPUPerc Container ID MemPerc MemUsage Name NetIO PIDs",
    ("stats", "podman"): """
        AVGCPU BlockIO CPUPerc ID MemPerc MemUsage MemUsageBytes NetIO PIDS Up AvgCPU ContainerID
        Name PerCPU CPU CPUNano CPUSystemNano SystemNano MemLimit NetInput NetOutput BlockInput
        BlockOutput PIDs UpTime Duration
    """,
    ("system df", "docker"): "Active Reclaimable Size TotalCount Type",
    ("system df", "podman"): "Type Total Active Size Reclaimable RawSize RawReclaimable",
    ("version", "docker"): """
        Client(Platform Version APIVersion DefaultAPIVersion GitCommit GoVersion Os Arch BuildTime
        Context) Server(Components Version APIVersion MinAPIVersion GitCommit GoVersion Os Arch
        KernelVersion Experimental BuildTime) Server.Platform.Name Server.Components[](Name Version
        Details)
    """,
    ("version", "podman"): """
        Client(APIVersion Version GoVersion GitCommit BuiltTime Built OsArch Os)
        Server(APIVersion Version GoVersion GitCommit BuiltTime Built OsArch Os)
    """,
    ("info", "docker"): """
        SystemStatus KernelMemory KernelMemoryTCP CPUCfsPeriod CPUCfsQuota HTTPProxy HTTPSProxy
        GenericResources ProductLicense DefaultAddressPools FirewallBackend CDISpecDirs
        DiscoveredDevices Containerd Plugins.Authorization RegistryConfig(InsecureRegistryCIDRs
        IndexConfigs Mirrors) Swarm(NodeID NodeAddr LocalNodeState ControlAvailable Error
        RemoteManagers Nodes Managers Cluster Warnings) ContainerdCommit.ID RuncCommit.ID
        InitCommit.ID ClientInfo(Debug Platform Version APIVersion DefaultAPIVersion GitCommit
        GoVersion Os Arch BuildTime Context Plugins Warnings) ServerErrors ClientErrors
    """,
    ("info", "podman"): """
        Host Store Version Host(Conmon CPUUtilization Distribution IDMappings OCIRuntime Security)
        Host.RemoteSocket(Path Exists) Host.Slirp4NetNS(Executable Package Version)
        Store(ContainerStore ImageStore) Plugins.Authorization Version.Os
    """,
}  # fmt: skip
"""(object or verb, peer): the fields of its template.  info: what test_info_fields has not."""

JSON = {
    "container": """
        Id Created Path Args Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount
        Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs GraphDriver(Name Data)
        State(Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt
        FinishedAt) Mounts[](Type Source Destination Mode RW Propagation)
        Config(Hostname Domainname User AttachStdin AttachStdout AttachStderr Tty OpenStdin
        StdinOnce Env Cmd Image Volumes WorkingDir Entrypoint OnBuild Labels StopSignal)
        Config.Healthcheck(Test Interval Timeout Retries)
        HostConfig(Binds ContainerIDFile NetworkMode PortBindings AutoRemove VolumeDriver
        VolumesFrom ConsoleSize CapAdd CapDrop CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts
        GroupAdd IpcMode Cgroup Links OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs
        SecurityOpt UTSMode UsernsMode ShmSize Runtime Isolation CpuShares Memory NanoCpus
        CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps
        BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod
        CpuRealtimeRuntime CpusetCpus CpusetMems Devices DeviceCgroupRules DeviceRequests
        MemoryReservation MemorySwap MemorySwappiness OomKillDisable PidsLimit Ulimits CpuCount
        CpuPercent IOMaximumIOps IOMaximumBandwidth MaskedPaths ReadonlyPaths)
        HostConfig.LogConfig(Type Config) HostConfig.RestartPolicy(Name MaximumRetryCount)
        HostConfig.Ulimits[](Name Soft Hard) HostConfig.PortBindings[][](HostIp HostPort)
        NetworkSettings(Bridge SandboxID SandboxKey Ports HairpinMode LinkLocalIPv6Address
        LinkLocalIPv6PrefixLen SecondaryIPAddresses SecondaryIPv6Addresses EndpointID Gateway
        GlobalIPv6Address GlobalIPv6PrefixLen IPAddress IPPrefixLen IPv6Gateway MacAddress Networks)
        NetworkSettings.Networks[](IPAMConfig Links Aliases MacAddress DriverOpts GwPriority
        NetworkID EndpointID Gateway IPAddress IPPrefixLen IPv6Gateway GlobalIPv6Address
        GlobalIPv6PrefixLen DNSNames)
        ImageDigest ImageName Rootfs Pod StaticDir OCIRuntime ConmonPidFile PidFile EffectiveCaps
        BoundingCaps Dependencies Namespace IsInfra IsService Mounts[].Options
        State(OciVersion CheckpointedAt RestoredAt)
        Config(Annotations HealthcheckOnFailureAction CreateCommand Umask Timeout StopTimeout Passwd
        sdNotifyMode) HostConfig.LogConfig(Path Tag Size)
        HostConfig(CgroupManager CgroupMode Cgroups Tmpfs DiskQuota KernelMemory CgroupConf)
    """,
    "image": """
        Id RepoTags RepoDigests Parent Comment Created DockerVersion Author Config Architecture Os
        Size GraphDriver(Name Data) RootFS(Type Layers) Metadata.LastTagTime
        Digest Version VirtualSize Labels Annotations ManifestType User History NamesHistory
    """,
    "volume": """
        CreatedAt Driver Labels Mountpoint Name Options Scope MountCount NeedsCopyUp NeedsChown
    """,
    "ps": TEMPLATE["ps", "docker"] + """
        AutoRemove Command CreatedAt Exited ExitedAt ExitCode Id Image ImageID IsInfra Labels Mounts
        Names Namespaces Networks Pid Pod PodName Ports Size StartedAt State Status Created
    """,
    "images": TEMPLATE["images", "docker"] + """
        Id ParentId RepoTags RepoDigests Size SharedSize VirtualSize Labels Containers Names Digest
        History Created CreatedAt
    """,
    "volume ls": TEMPLATE["volume ls", "docker"] + """
        Name Driver Mountpoint CreatedAt Labels Scope Options MountCount NeedsCopyUp NeedsChown
    """,
    "network ls": TEMPLATE["network ls", "docker"],
    "secret ls": TEMPLATE["secret ls", "podman"],
    "history": TEMPLATE["history", "docker"] + " Created Tags",
    "search": TEMPLATE["search", "docker"] + " Index Stars Official Automated Tag",
    "stats": TEMPLATE["stats", "docker"],
    "system df": TEMPLATE["system df", "docker"],
    "version": """
        Client(Version ApiVersion DefaultAPIVersion GitCommit GoVersion Os Arch BuildTime Context)
        Server(Components Version ApiVersion MinAPIVersion GitCommit GoVersion Os Arch KernelVersion
        BuildTime) Server.Platform.Name Server.Components[](Name Version)
        Client(APIVersion BuiltTime Built OsArch)
    """,
    "info": """
        Plugins.Authorization RegistryConfig GenericResources CDISpecDirs HttpProxy HttpsProxy
        NoProxy Swarm(NodeID NodeAddr LocalNodeState ControlAvailable Error RemoteManagers)
        ClientInfo(Debug Version GitCommit GoVersion Os Arch BuildTime Context Plugins Warnings)
        host(buildahVersion idMappings linkmode serviceIsRemote swapFree) host.conmon(package
        version) host.cpuUtilization(userPercent systemPercent idlePercent) host.ociRuntime(package
        version) host.distribution(version codename) host.security(apparmorEnabled capabilities
        seccompProfilePath selinuxEnabled) host.slirp4netns(executable package version)
        store(graphOptions graphRootAllocated graphRootUsed graphStatus imageCopyTmpDir)
        store.containerStore(paused running stopped) plugins(network log authorization)
        version(APIVersion GoVersion GitCommit BuiltTime Built OsArch Os)
    """,
}  # fmt: skip
"""The names of the JSON, spelled as there: docker's that are always there, then podman's."""


@pytest.fixture
def command(engine: Engine) -> Callable[[str], list[str]]:
    """The command of an object or verb of the lists, with what it speaks of made before."""
    return _made(engine)


def _made(engine: Engine) -> Callable[[str], list[str]]:
    def make(subject: str) -> list[str]:
        if subject in ("container", "ps"):
            engine.ok("volume", "create", "--label", "a=1", "data")
            engine.ok(
                "create", "--name", "one", "-v", "data:/data", "-v", "/usr/share:/share:ro",
                "--health-cmd", "true", "--ulimit", "nofile=100:200", "-p", "127.0.0.1:18080:80",
                "--label", "b=2", "--label", "a=1", "busybox", "true",
            )  # fmt: skip
        elif subject.startswith("volume"):
            engine.ok("volume", "create", "--label", "a=1", "data")
        elif subject == "secret ls":
            engine.ok("secret", "create", "word", "-", input="x")
        elif subject == "stats":
            engine.detached("--name", "one", "busybox", "sleep", "600")
        return {
            "container": ["inspect", "one"],
            "image": ["image", "inspect", "busybox"],
            "volume": ["volume", "inspect", "data"],
            "ps": ["ps", "-a"],
            "history": ["history", "busybox"],
            "search": ["search", f"{engine.registry}/busybox"],
            "stats": ["stats", "--no-stream", "-i", "50ms", "one"],
        }.get(subject, subject.split())

    return make


def _action(field: str) -> str:
    """The template of one field: `A[].B` goes through the elements of A."""
    *lists, last = field.split("[]")
    start = "".join(f"{{{{range {name or '.'}}}}}" for name in _dotted(lists))
    return f"{start}{{{{{last if last.startswith('.') else '.' + last}}}}}{'{{end}}' * len(lists)}"


def _dotted(names: list[str]) -> list[str]:
    return ["." + name.lstrip(".") if name else "" for name in names]


@pytest.mark.parametrize("subject,peer", [pytest.param(*k, id=" ".join(k)) for k in TEMPLATE])
def test_every_field_has_an_answer(
    engine: Engine, command: Callable[[str], list[str]], subject: str, peer: str
) -> None:
    """In one template, and when that fails in one for each field, to tell which."""
    words = command(subject)
    fields = _words(TEMPLATE[subject, peer])

    def answered(*names: str) -> bool:
        form = "|".join(_action(name) for name in names)
        done = engine.run(*words, "--format", form)
        return done.code == 0 and bool(done.out) and "<no value>" not in done.out

    if not answered(*fields):
        wrong = [name for name in fields if not answered(name)]
        assert not wrong, " ".join(wrong)


@pytest.mark.parametrize("peer", ["docker", "podman"])
def test_fields_are_answered_for_a_container_that_runs(engine: Engine, peer: str) -> None:
    """And with neither health check, ports nor mounts."""
    engine.detached("--name", "plain", "busybox", "sleep", "600")
    fields = [f for f in _words(TEMPLATE["container", peer]) if "Health" not in f]
    wrong = []
    for start in range(0, len(fields), 20):
        part = fields[start : start + 20]
        done = engine.run("inspect", "plain", "-f", "|".join(map(_action, part)))
        if done.code or "<no value>" in done.out:
            wrong.append((part, done.err))
    assert not wrong


def _has(value: Any, path: str) -> bool:
    """Whether a JSON document has a place, and each element of a list or map on the way."""
    name, many, rest = path.partition("[]")
    for key in filter(None, name.split(".")):
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    if not many:
        return True
    elements = list(value.values()) if isinstance(value, dict) else value
    return bool(elements) and all(_has(one, rest) for one in elements)


@pytest.mark.parametrize("form", ["json", "{{json .}}"])
@pytest.mark.parametrize("subject", JSON)
def test_json_has_every_name(root: Engine, subject: str, form: str) -> None:
    out = root.ok(*_made(root)(subject), "--format", form)
    found = json.loads(out.split("\n")[0])
    document = found[0] if isinstance(found, list) else found
    missing = [name for name in _words(JSON[subject]) if not _has(document, name)]
    assert not missing, " ".join(missing)


def test_podmans_values_of_a_container(engine: Engine) -> None:
    words = _made(engine)("container")

    def say(field: str) -> str:
        return engine.ok(*words, "--format", _action(field))

    image = engine.ok("image", "inspect", "busybox", "-f", "{{.Digest}}")
    assert say("ImageDigest") == image and re.fullmatch("sha256:[0-9a-f]{64}", image)
    assert say("ImageName") == "docker.io/library/busybox:latest"
    assert say("HostConfig.LogConfig.Path") == say("LogPath") != ""
    assert say("HostConfig.LogConfig.Size") == "0B"
    assert say("Config.Timeout") == "0" and say("Config.Umask") == "0022"
    assert say("Config.DomainName") == "" and say("Namespace") == ""
    assert say("HostConfig.CgroupManager") in ("cgroupfs", "systemd")
    assert say("SizeRw") == say("SizeRootFs") == "<nil>"
    assert engine.ok(*words, "--size", "-f", "{{.SizeRw}}").isdigit()


def test_dockers_values_in_lists(root: Engine) -> None:
    row = json.loads(root.ok(*_made(root)("ps"), "--format", "json"))
    assert row["Labels"] == "a=1,b=2" and row["Size"] == "0B" and row["LocalVolumes"] == "1"
    assert row["Command"] == '"true"' and row["Mounts"] == "data,/usr/share"
    row = json.loads(root.ok("volume", "ls", "--format", "json"))
    for name in ("Availability", "Group", "Links", "Size", "Status"):
        assert row[name] == "N/A"
    assert row["Labels"] == "a=1"
    row = json.loads(root.ok("images", "--format", "json").splitlines()[0])
    assert row["Containers"] == row["SharedSize"] == row["UniqueSize"] == "N/A"
    kinds = [json.loads(line)["Type"]
             for line in root.ok("system", "df", "--format", "json").split("\n")]  # fmt: skip
    assert kinds == ["Images", "Containers", "Local Volumes", "Build Cache"]
    done = root.run("search", f"{root.registry}/busybox", "--format", "json")
    for line in done.out.splitlines():
        assert json.loads(line)["IsOfficial"] in ("true", "false")


# ---- what --format json is ----

LINES, OBJECT, ARRAY = "an object a line", "one object", "one array"
VERBS_JSON: dict[str, tuple[str, str]] = {
    "ps": ("ps -a", LINES),
    "images": ("images", LINES),
    "volume ls": ("volume ls", LINES),
    "network ls": ("network ls", LINES),
    "secret ls": ("secret ls", LINES),
    "history": ("history busybox", LINES),
    "search": ("search REGISTRY/busybox", LINES),
    "stats": ("stats --no-stream -i 50ms one two", LINES),
    "events": ("events --since 10h --until 0s", LINES),
    "system df": ("system df", LINES),
    "system df -v": ("system df -v", OBJECT),
    "info": ("info", OBJECT),
    "version": ("version", OBJECT),
    "inspect": ("inspect one two", ARRAY),
    "container inspect": ("container inspect one two", ARRAY),
    "image inspect": ("image inspect busybox busybox:latest", ARRAY),
    "volume inspect": ("volume inspect one two", ARRAY),
    "network inspect": ("network inspect bridge host", ARRAY),
    "secret inspect": ("secret inspect word other", ARRAY),
    "auto-update": ("auto-update --dry-run", ARRAY),
    "pod ps": ("pod ps", ARRAY),
    "pod inspect": ("pod inspect pod-one pod-two", ARRAY),
    "pod stats": ("pod stats --no-stream -i 50ms", ARRAY),
    "context ls": ("context ls", LINES),
    "context inspect": ("context inspect one two", ARRAY),
    "system connection ls": ("system connection ls", ARRAY),
}
"""Verbs that take templates too: docker's shapes."""
ONLY_JSON: dict[str, tuple[str, str]] = {
    "diff": ("diff one", OBJECT),
    "image diff": ("image diff busybox", OBJECT),
    "mount": ("mount", ARRAY),
    "image mount": ("image mount", ARRAY),
    "generate systemd": ("generate systemd one", OBJECT),
}
"""Verbs that know `json` alone: podman's shapes, in any number of lines."""
NO_OUTPUT = {"commit", "push", "save", "manifest push"}
"""Verbs whose --format is that of an image."""
KINDS = {"explain run", "explain create"}
"""Verbs whose --format is one of a few words, not a template."""


def _two_of_each(engine: Engine) -> None:
    for name in ("word", "other"):
        engine.ok("secret", "create", name, "-", input="x")
    updated = ("-l", "io.containers.autoupdate=local", "-l", "PODMAN_SYSTEMD_UNIT=x.service")
    for name in ("one", "two"):
        engine.ok("context", "create", name, "--docker", "host=unix:///x")
        engine.ok("system", "connection", "add", name, "unix:///x")
        engine.ok("volume", "create", name)
        engine.detached("--name", name, *updated, "busybox", "sleep", "600")
        engine.ok("pod", "create", "--network", "none", "--name", f"pod-{name}")
    engine.ok("pod", "start", "pod-one")


def _split(engine: Engine, text: str) -> list[str]:
    return text.replace("REGISTRY", engine.registry).split()


def test_the_tables_have_every_verb_with_a_format() -> None:
    modules = {verb: importlib.import_module(f"crun_py.cli.{VERBS[verb][0]}") for verb in VERBS}
    formatted = {
        verb
        for verb, module in modules.items()
        if any("--format" in names.split() for names, *_ in getattr(module, "OPTIONS", ()))
        and verb != "build"  # the format of its image
    }
    assert formatted == ({*VERBS_JSON, *ONLY_JSON} - {"system df -v"}) | NO_OUTPUT | KINDS


def test_json_of_every_verb(root: Engine) -> None:
    _two_of_each(root)
    wrong = {}
    for verb, (words, shape) in VERBS_JSON.items():
        done = root.run(*_split(root, words), "--format", "json")
        lines = done.out.splitlines()
        values = [json.loads(line) for line in lines]
        right = {
            LINES: len(values) > 0 and all(isinstance(value, dict) for value in values),
            OBJECT: len(values) == 1 and isinstance(values[0], dict),
            ARRAY: len(values) == 1 and isinstance(values[0], list) and len(values[0]) > 0,
        }
        if done.code or not right[shape]:
            wrong[verb] = (shape, done.code, done.out[:200], done.err)
    assert not wrong


def test_json_as_a_template_of_every_verb(root: Engine) -> None:
    """A line for each object, the same as `json`; of an array its elements."""
    _two_of_each(root)
    wrong = {}
    for verb, (words, shape) in VERBS_JSON.items():
        plain = root.ok(*_split(root, words), "--format", "json").split("\n")
        values = json.loads(plain[0]) if shape == ARRAY else list(map(json.loads, plain))
        for form in ("{{json .}}", "{{ json . }}", "{{. | json}}"):
            done = root.run(*_split(root, words), "--format", form)
            lines = [json.loads(line) for line in done.out.splitlines()]
            # of events there may be more by now: a container's monitor has just cleaned up
            same = lines[: len(values)] == values if verb == "events" else lines == values
            if verb in (
                "ps",
                "images",
                "stats",
                "pod stats",
                "secret ls",
                "info",
                "system df -v",
            ):  # ages, and measured again
                same = [set(line) for line in lines] == [set(value) for value in values]
            if verb == "pod ps":  # podman's document is not what its templates have
                same = [line["Id"] for line in lines] == [value["Id"] for value in values]
            if done.code or not same:
                wrong[verb, form] = (done.code, done.out[:200], done.err)
    assert not wrong


def test_json_alone(root: Engine) -> None:
    _two_of_each(root)
    kinds = {OBJECT: dict, ARRAY: list}
    for words, shape in ONLY_JSON.values():
        assert isinstance(json.loads(root.ok(*words.split(), "--format", "json")), kinds[shape])


@pytest.mark.parametrize("words", ["ps -a", "images", "volume ls", "stats --no-stream -a"])
@pytest.mark.parametrize("form", ["json", "{{json .}}"])
def test_json_of_nothing_is_nothing(fresh: Callable[[str], Engine], words: str, form: str) -> None:
    assert fresh("root").run(*words.split(), "--format", form, check=True).out == ""


def test_a_field_of_json_for_jq(root: Engine) -> None:
    """`json` of a part is one line for each object, in each verb."""
    _two_of_each(root)
    for words, field in (
        ("ps", ".Names"), ("images", ".Repository"), ("volume ls", ".Name"),
        ("inspect one two", ".State"), ("volume inspect one two", ".Labels"),
        ("history busybox", ".CreatedBy"), ("info", ".Plugins"), ("version", ".Client"),
        ("system df", ".Type"), ("stats --no-stream -i 50ms", ".Name"),
    ):  # fmt: skip
        for line in root.ok(*words.split(), "--format", f"{{{{json {field}}}}}").split("\n"):
            json.loads(line)
