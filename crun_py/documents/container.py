"""container.json: what a container was asked to be (made by container/record.py)."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class UserNamespace(TypedDict):
    """A user namespace of the container's own.

    mode: keep-id, nomap, auto, private (mapped by hand) or container:ID.  uids, gids: rows of
    first id inside, first id outside, count.  idmapped: the layers are shown through it, else the
    container has copies with shifted owners.
    """

    mode: str
    uids: list[list[int]]
    gids: list[list[int]]
    idmapped: bool


class Namespaces(TypedDict):
    """private, host or container:ID; ipc also shareable and none."""

    pid: str
    ipc: str
    uts: str
    cgroup: str


class Selinux(TypedDict):
    """process: "" where nothing confines it.  mount: the label of its files.  nested: it may give
    them others."""

    process: str
    mount: str
    nested: bool


class Link(TypedDict):
    id: str
    alias: str


class HealthCheck(TypedDict):
    """test: as in Docker's Healthcheck.  on_failure: none, kill, restart, stop."""

    test: list[str]
    interval_ms: int
    timeout_ms: int
    start_ms: int
    start_interval_ms: int
    retries: int
    on_failure: str


class Config(TypedDict):
    """What came of the image's config and the options.  exposed: ports as 80/tcp.  volumes: the
    image's.  env_chosen: env without what the engine sets."""

    user: str
    workdir: str
    entrypoint: list[str]
    cmd: list[str]
    env: list[str]
    env_chosen: list[str]
    labels: dict[str, str]
    tty: bool
    open_stdin: bool
    stdin_once: bool
    stop_signal: int
    stop_timeout: int
    exposed: list[str]
    volumes: list[str]
    healthcheck: HealthCheck | None


class Port(TypedDict):
    """A model.container.PortMapping."""

    container_port: int
    host_port: int
    host_ip: str
    protocol: str
    host_last: int


class Join(TypedDict):
    """A model.network.Join."""

    network: str
    ip: str
    ip6: str
    mac: str
    aliases: list[str]
    interface: str
    link_local: list[str]


class Network(TypedDict):
    """mode: bridge, host, none, container:ID or a network's name."""

    mode: str
    ports: list[Port]
    add_host: list[str]
    dns: list[str]
    dns_search: list[str]
    dns_option: list[str]
    networks: list[Join]


class Log(TypedDict):
    """A model.container.LogConfig."""

    driver: str
    max_bytes: int
    max_files: int
    labels: list[str]
    env: list[str]
    tag: str


class Restart(TypedDict):
    """max: of on-failure, 0 for any number."""

    name: str
    max: int


class Device(TypedDict):
    source: str
    target: str
    access: str


class DeviceRule(TypedDict):
    """A model.container.DeviceRule."""

    type: str
    major: int
    minor: int
    access: str


class Ulimit(TypedDict):
    name: str
    soft: int
    hard: int


class Host(TypedDict, total=False):
    """What the container gets of the host; what is empty or false is left out, but for passwd.

    limits: a model.container.Limits.  ineffective: what was asked for and cannot be had.
    The others are as they were written, for `inspect`.
    """

    cap_add: list[str]
    cap_drop: list[str]
    privileged: bool
    security_opt: list[str]
    ulimit: list[Ulimit]
    read_only: bool
    tmpfs: dict[str, str]
    volume: list[str]
    mount: list[str]
    volumes_from: list[str]
    link: list[str]
    init: bool
    limits: dict[str, object]
    shm_size: int
    storage_bytes: int
    device: list[Device]
    device_rules: list[DeviceRule]
    sysctl: dict[str, str]
    oom_score_adj: int
    group_add: list[str]
    publish_all: bool
    umask: int
    userns: str
    systemd: str
    sdnotify: str
    tz: str
    passwd: bool
    pidfile: str
    conmon_pidfile: str
    cidfile: str
    pids_optional: bool
    ineffective: dict[str, str]


class MountEntry(TypedDict):
    """A volume, a bind of the host or an image.

    type: bind, volume, image (tmpfs only on the way here).  name: of the volume or image.
    mode: the options as they were written.  copy: a new volume gets what the image has there.
    create: a bind's source is made; of a volume, its part is.
    layer: the directory of the container that its changes go to.
    image_id: hex digits.  subpath: the part of a volume or image that is mounted.
    mounted: a volume that is a file system of its own, which root mounts on the host.
    id_map: rows of uids and gids: as stored, as shown (as the engine sees them), count.
    relabel: shared or private: what label its files get (SELinux).
    """

    type: str
    name: str
    source: str
    destination: str
    rw: bool
    options: list[str]
    mode: NotRequired[str]
    copy: NotRequired[bool]
    create: NotRequired[bool]
    anonymous: NotRequired[bool]
    subpath: NotRequired[str]
    chown: NotRequired[bool]
    idmap: NotRequired[bool]
    mounted: NotRequired[bool]
    id_map: NotRequired[dict[str, list[list[int]]]]
    overlay: NotRequired[bool]
    relabel: NotRequired[str]
    layer: NotRequired[str]
    image_id: NotRequired[str]


class SecretUse(TypedDict):
    """A model.container.SecretUse."""

    name: str
    variable: str
    target: str
    uid: int
    gid: int
    mode: int


class Record(TypedDict):
    """The whole of container.json.

    image_id: hex digits, "" with rootfs.  layers: paths below ROOT, base first; without any
    rootfs is there, a directory of the host.  copied: its root is a copy of them, no overlay.
    links, requires: ids of other containers.
    timeout: in seconds, 0 for none.  timezone: a file of the host.  cgroup_parent: "-" for no
    cgroup.  cgroup_manager: who makes it, "" for systemd where it is there.  create_command: the
    command line, if it was one.  pod: the id of its pod.  infra: it has no command: its first
    process holds the pod's namespaces.
    """

    version: int
    id: str
    name: str
    created: str
    image: str
    image_id: str
    args: list[str]
    hostname: str
    domainname: str
    namespaces: Namespaces
    userns: UserNamespace | None
    links: list[Link]
    requires: list[str]
    timeout: int
    timezone: str
    annotations: dict[str, str]
    cgroup_parent: str
    cgroup_manager: NotRequired[str]
    auto_remove: bool
    config: Config
    network: Network
    log: Log
    restart: Restart
    create_command: list[str]
    host: Host
    mounts: list[MountEntry]
    layers: list[str]
    rootfs: NotRequired[str]
    copied: NotRequired[bool]
    selinux: NotRequired[Selinux]
    pod: NotRequired[str]
    infra: NotRequired[bool]
    secrets: NotRequired[list[SecretUse]]
