"""What `explain` says of a container that is not made: a document for programs, and what people
read is taken from."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from crun_py.documents.container import (
    HealthCheck,
    Join,
    Link,
    Log,
    Port,
    Restart,
    SecretUse,
    UserNamespace,
)
from crun_py.documents.spec import LinuxDevice, LinuxNamespace, Rlimit


class Image(TypedDict):
    """name: as it was given.  id, digest: sha256:….  platform: OS/ARCH."""

    name: str
    id: str
    digest: str
    platform: str


class Root(TypedDict):
    """kind: overlay, copy (where the store holds no overlay) or directory (--rootfs).  layers:
    directories, base first; of a directory itself.  size: what its writable layer may hold in
    bytes, 0 for no limit."""

    kind: str
    layers: list[str]
    read_only: bool
    size: int


class User(TypedDict):
    """uid, gid, groups: inside; host_uid, host_gid: the same on the host."""

    uid: int
    gid: int
    groups: list[int]
    host_uid: int
    host_gid: int


class Process(TypedDict):
    """environment: KEY=VALUE.  umask: as a number.  seccomp: default, nesting (of a container whose
    command is systemd), unconfined or the path of a profile.  apparmor, selinux: "" for none."""

    args: list[str]
    cwd: str
    user: User
    umask: int
    environment: list[str]
    terminal: bool
    stdin: bool
    no_new_privileges: bool
    oom_score_adj: int
    limits: list[Rlimit]
    seccomp: str
    apparmor: str
    selinux: str


class Capabilities(TypedDict):
    """bounding, effective: as CAP_….  added, dropped: beside the set that a container has by
    default."""

    bounding: list[str]
    effective: list[str]
    added: list[str]
    dropped: list[str]


class Ids(TypedDict):
    """own: the map of a namespace of the container's own, None without one.  engine: uids and gids
    of the namespace that the engine is in: first id inside, first id on the host, count."""

    own: UserNamespace | None
    engine: dict[str, list[list[int]]]


class Mount(TypedDict):
    """what: engine, file (the engine's own: hosts, resolv.conf …), tmpfs, bind, volume or image.
    name: of the volume or image, "" for a volume that goes with the container.  new: the source
    is made for it."""

    destination: str
    what: str
    type: str
    source: str
    options: list[str]
    name: str
    new: bool


class Cgroup(TypedDict):
    """manager: systemd, cgroupfs, or "" for no cgroup.  path: "" where it is not known before.
    asked, usual: files and what is written to them: what must hold, and what holds where the host
    has it.  lacking: of those asked for, what this host has no controller for: `run` refuses."""

    manager: str
    path: str
    asked: dict[str, str]
    usual: dict[str, str]
    lacking: list[str]


class Network(TypedDict):
    """A network that it is on.  new: it is made with the container.  bridge: the host's interface.
    subnets, gateways: its own.  join: what was asked of it; an address that is not asked for is
    the next free one."""

    name: str
    driver: str
    new: bool
    internal: bool
    bridge: str
    subnets: list[str]
    gateways: list[str]
    join: Join


class Networking(TypedDict):
    """mode: bridge, host, none, container:ID or a network's name.  way: bridge, hub (a plain user's
    networks), helper (pasta or slirp4netns), host, none, shared.  table: the nftables table in
    which ports are, "" where none is.  rules: elements that are added to it, with ADDRESS for the
    container's and PORT for one that is chosen at the start."""

    mode: str
    way: str
    networks: list[Network]
    ports: list[Port]
    table: str
    rules: list[str]
    hosts: list[str]
    dns: list[str]


class Life(TypedDict):
    """stop_signal: a number.  Times in seconds, timeout 0 for none."""

    remove: bool
    init: bool
    restart: Restart
    stop_signal: int
    stop_timeout: int
    timeout: int
    log: Log
    health: HealthCheck | None


class Explanation(TypedDict):
    """rootless: by a plain user's engine.  name: "" for one that is made up.  hostname: "" for the
    beginning of the id that it gets.  devices: nodes in /dev.  ineffective: what was asked for and
    cannot be had."""

    rootless: bool
    name: str
    hostname: str
    domainname: str
    image: Image | None
    root: Root
    process: Process
    capabilities: Capabilities
    namespaces: list[LinuxNamespace]
    ids: Ids
    mounts: list[Mount]
    masked: list[str]
    readonly: list[str]
    devices: list[LinuxDevice]
    sysctls: dict[str, str]
    cgroup: Cgroup
    network: Networking
    life: Life
    labels: dict[str, str]
    annotations: dict[str, str]
    secrets: list[SecretUse]
    links: list[Link]
    requires: list[str]
    pod: NotRequired[str]
    ineffective: dict[str, str]
