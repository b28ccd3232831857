"""config.json: the OCI runtime spec 1.2 (config.md, config-linux.md), as far as we know it."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class User(TypedDict):
    """keepGroups: ours: the groups of who starts it stay."""

    uid: int
    gid: int
    additionalGids: NotRequired[list[int]]
    umask: NotRequired[int]
    keepGroups: NotRequired[bool]


class Capabilities(TypedDict):
    bounding: list[str]
    effective: list[str]
    permitted: list[str]
    inheritable: list[str]
    ambient: list[str]


class Rlimit(TypedDict):
    type: str
    soft: int
    hard: int


IOPriority = TypedDict("IOPriority", {"class": str, "priority": NotRequired[int]})


class Scheduler(TypedDict):
    policy: str
    nice: NotRequired[int]
    priority: NotRequired[int]
    flags: NotRequired[list[str]]
    runtime: NotRequired[int]
    deadline: NotRequired[int]
    period: NotRequired[int]


class ConsoleSize(TypedDict):
    height: int
    width: int


class ExecCPUAffinity(TypedDict, total=False):
    """Lists of processors, as 0-3,7: before and after a further process is in the cgroup."""

    initial: str
    final: str


class Process(TypedDict):
    consoleSize: NotRequired[ConsoleSize]
    terminal: NotRequired[bool]
    user: User
    args: list[str]
    env: list[str]
    cwd: str
    capabilities: Capabilities
    rlimits: NotRequired[list[Rlimit]]
    noNewPrivileges: NotRequired[bool]
    oomScoreAdj: NotRequired[int]
    apparmorProfile: NotRequired[str]
    selinuxLabel: NotRequired[str]
    ioPriority: NotRequired[IOPriority]
    scheduler: NotRequired[Scheduler]
    execCPUAffinity: NotRequired[ExecCPUAffinity]


class Root(TypedDict):
    path: str
    readonly: NotRequired[bool]


class LinuxIdMapping(TypedDict):
    containerID: int
    hostID: int
    size: int


class Mount(TypedDict):
    """uidMappings, gidMappings: from the ids of the source's files to those that are shown."""

    destination: str
    type: NotRequired[str]
    source: NotRequired[str]
    options: NotRequired[list[str]]
    uidMappings: NotRequired[list[LinuxIdMapping]]
    gidMappings: NotRequired[list[LinuxIdMapping]]


class LinuxNamespace(TypedDict):
    """path: of a namespace that is there; ours: container:ID, whose it is when it starts."""

    type: str
    path: NotRequired[str]


class LinuxDevice(TypedDict):
    """source: ours: a node of the host, taken as it is when the container starts."""

    path: str
    type: str
    major: int
    minor: int
    fileMode: NotRequired[int]
    uid: NotRequired[int]
    gid: NotRequired[int]
    source: NotRequired[str]


class LinuxMemory(TypedDict, total=False):
    limit: int
    swap: int
    reservation: int
    swappiness: int
    disableOOMKiller: bool
    checkBeforeUpdate: bool


class LinuxCpu(TypedDict, total=False):
    """burst: microseconds.  idle: 1 for the idle policy.  realtime…: of cgroup v1."""

    quota: int
    period: int
    burst: int
    shares: int
    idle: int
    realtimeRuntime: int
    realtimePeriod: int
    cpus: str
    mems: str


class LinuxPids(TypedDict, total=False):
    limit: int


class LinuxWeightDevice(TypedDict):
    major: int
    minor: int
    weight: NotRequired[int]
    leafWeight: NotRequired[int]


class LinuxThrottleDevice(TypedDict):
    major: int
    minor: int
    rate: int


class LinuxBlockIO(TypedDict, total=False):
    weight: int
    leafWeight: int
    weightDevice: list[LinuxWeightDevice]
    throttleReadBpsDevice: list[LinuxThrottleDevice]
    throttleWriteBpsDevice: list[LinuxThrottleDevice]
    throttleReadIOPSDevice: list[LinuxThrottleDevice]
    throttleWriteIOPSDevice: list[LinuxThrottleDevice]


class LinuxDeviceCgroup(TypedDict):
    allow: bool
    access: str
    type: NotRequired[str]
    major: NotRequired[int]
    minor: NotRequired[int]


class LinuxHugepageLimit(TypedDict):
    """pageSize: as in 2MB.  limit: bytes."""

    pageSize: str
    limit: int


class LinuxRdma(TypedDict, total=False):
    hcaHandles: int
    hcaObjects: int


class LinuxResources(TypedDict, total=False):
    memory: LinuxMemory
    cpu: LinuxCpu
    pids: LinuxPids
    blockIO: LinuxBlockIO
    unified: dict[str, str]
    devices: list[LinuxDeviceCgroup]
    hugepageLimits: list[LinuxHugepageLimit]
    rdma: dict[str, LinuxRdma]
    network: dict[str, object]


class SeccompArg(TypedDict):
    index: int
    value: NotRequired[int]
    valueTwo: NotRequired[int]
    op: str


class SeccompRule(TypedDict):
    names: list[str]
    action: str
    args: NotRequired[list[SeccompArg]]
    errnoRet: NotRequired[int]


class LinuxSeccomp(TypedDict):
    defaultAction: str
    defaultErrnoRet: NotRequired[int]
    architectures: NotRequired[list[str]]
    flags: NotRequired[list[str]]
    listenerPath: NotRequired[str]
    listenerMetadata: NotRequired[str]
    syscalls: NotRequired[list[SeccompRule]]


class Personality(TypedDict):
    domain: str
    flags: NotRequired[list[str]]


class Hook(TypedDict):
    """timeout: seconds."""

    path: str
    args: NotRequired[list[str]]
    env: NotRequired[list[str]]
    timeout: NotRequired[int]


Hooks = dict[str, list[Hook]]
"""By their kinds: prestart, createRuntime, createContainer, startContainer, poststart, poststop."""


class TimeOffset(TypedDict, total=False):
    secs: int
    nanosecs: int


class IntelRdt(TypedDict, total=False):
    closID: str
    l3CacheSchema: str
    memBwSchema: str
    schemata: list[str]
    enableCMT: bool
    enableMBM: bool
    enableMonitoring: bool


class Linux(TypedDict):
    cgroupsPath: NotRequired[str]
    personality: NotRequired[Personality]
    rootfsPropagation: NotRequired[str]
    timeOffsets: NotRequired[dict[str, TimeOffset]]
    namespaces: list[LinuxNamespace]
    maskedPaths: NotRequired[list[str]]
    readonlyPaths: NotRequired[list[str]]
    devices: NotRequired[list[LinuxDevice]]
    uidMappings: NotRequired[list[LinuxIdMapping]]
    gidMappings: NotRequired[list[LinuxIdMapping]]
    sysctl: NotRequired[dict[str, str]]
    resources: NotRequired[LinuxResources]
    seccomp: NotRequired[LinuxSeccomp]
    mountLabel: NotRequired[str]
    intelRdt: NotRequired[IntelRdt]


class Spec(TypedDict):
    ociVersion: str
    process: Process
    root: Root
    hostname: NotRequired[str]
    domainname: NotRequired[str]
    mounts: list[Mount]
    linux: Linux
    hooks: NotRequired[Hooks]
    annotations: NotRequired[dict[str, str]]
