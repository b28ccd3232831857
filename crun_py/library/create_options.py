"""What a Python user may say of a container."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from crun_py.model.container import (
    Bind,
    Device,
    DeviceRule,
    HealthCheck,
    ImageMount,
    KernelMount,
    Limits,
    LogConfig,
    Namespaces,
    Networking,
    RestartPolicy,
    SecretUse,
    Security,
    Tmpfs,
    Ulimit,
    VolumeMount,
)
from crun_py.model.network import Join, PortMapping
from crun_py.model.pod import PodInfo
from crun_py.model.registry import RegistryAccess


class AnyPod:
    """A Pod, for asyncio or not.  info: what is known of it."""

    info: PodInfo


Pathname = str | os.PathLike[str]
Words = str | Sequence[str]
"""A command: its words, or one text for the image's shell-less exec, split at white space as a
shell does."""
Port = int | str
HostPort = int | str | tuple[str, int] | None
Ports = Mapping[Port, HostPort] | Iterable[int | str | PortMapping]
AnyMount = Bind | VolumeMount | Tmpfs | KernelMount | ImageMount
Variables = Mapping[str, str] | Iterable[str]
Volumes = Mapping[str, str | Mapping[str, str]] | Iterable[str]
Filters = Mapping[str, str | Iterable[str]] | Iterable[str]
"""KEY=VALUE, or what each key must be: `{"label": ["a", "b=c"]}`."""


class CreateOptions(TypedDict, total=False):
    """Keyword arguments of `run` and `containers.create`.

    Sizes are bytes or texts like 64m; times are seconds.  A list of one item may be the item's
    text.  A relative path of the host begins in the caller's working directory.

    name               a name; a made-up one is given otherwise
    environment        variables: a mapping, or texts KEY=VALUE; none of the caller's own
    labels             KEY: VALUE
    annotations        of the OCI spec
    ports              container's port (80 or "53/udp") to host port: None for one that is free, a
                       number, or (address, number); or texts as `-p` takes, "127.0.0.1:8080:80"
    publish_all_ports  all that the image exposes, on free ports
    volumes            texts as `-v` takes: "data:/d:ro", "/host:/c", "./here:/there"; or source to
                       mount point, or to {"bind": MOUNT POINT, "mode": "ro"}
    mounts             Bind, VolumeMount, Tmpfs, KernelMount and ImageMount
    tmpfs              mount point to options ("size=64m"), or mount points
    entrypoint         instead of the image's
    user, groups       NAME|UID[:GROUP|GID], and further groups
    working_dir        instead of the image's
    hostname, domainname
    network            bridge, host, none, container:NAME, or a network's name; or a Networking
    networks           several, by name or as Join; the first that is not internal leads out
    ip_address, ip6_address, mac_address, network_aliases: on `network`
    extra_hosts        name to address, for /etc/hosts
    dns, dns_search, dns_options
    links              containers and what they are called inside
    memory, memory_swap, cpus, cpu_shares, cpuset_cpus, pids_limit     or all of them: limits
    shm_size           of /dev/shm; storage_size: what the writable layer may hold
    privileged, cap_add, cap_drop, no_new_privileges, seccomp          or all of them: security
    read_only          the root file system
    devices            of the host: "/dev/fuse", or Device; of CDI: "vendor.com/class=name"
    device_rules       what may be opened beside them: "c 42:* rmw", or DeviceRule
    ulimits            Ulimit, or texts NAME=SOFT:HARD
    sysctls            KEY: VALUE
    pid, ipc, uts, cgroupns, userns: private, host, container:NAME …   or all of them: namespaces
    tty, stdin_open    a terminal; input that stays open
    init               a small init is process 1
    restart            a policy: "always", "on-failure:3", or RestartPolicy
    health             HealthCheck
    log                LogConfig
    stop_signal        a number, or a name like SIGINT
    stop_timeout       until SIGKILL
    timeout            it is killed then
    remove             it is removed when it has ended
    replace            a container of this name is removed first
    secrets            by name, for a file in /run/secrets; or SecretUse
    systemd            "true" (if it is the command), "false" or "always"
    timezone           local, or a name like Europe/Berlin
    umask              of its processes
    oom_score_adj      preference of the OOM killer
    volumes_from       containers whose mounts it gets, NAME or NAME:ro
    requires           containers that are started before
    pod                a Pod that it joins, or its name or id; new:NAME: one that is made for it
    cgroup_parent      the cgroup or slice above its own
    cgroup_manager     who makes it: systemd or cgroupfs
    rootfs             a directory of the host instead of an image
    platform, pull     of the image: OS/ARCH; missing, always, newer or never
    registry           RegistryAccess: how its registry is reached
    """

    name: str
    environment: Variables
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    ports: Ports
    publish_all_ports: bool
    volumes: Volumes
    mounts: Iterable[AnyMount]
    tmpfs: Mapping[str, str] | Iterable[str]
    entrypoint: Words
    user: str | int
    groups: Iterable[str]
    working_dir: str
    hostname: str
    domainname: str
    network: str | Networking
    networks: Iterable[str | Join]
    ip_address: str
    ip6_address: str
    mac_address: str
    network_aliases: Iterable[str]
    extra_hosts: Mapping[str, str]
    dns: Iterable[str]
    dns_search: Iterable[str]
    dns_options: Iterable[str]
    links: Mapping[str, str]
    memory: int | str
    memory_swap: int | str
    cpus: float
    cpu_shares: int
    cpuset_cpus: str
    pids_limit: int
    limits: Limits
    shm_size: int | str
    storage_size: int | str
    privileged: bool
    cap_add: Iterable[str]
    cap_drop: Iterable[str]
    no_new_privileges: bool
    seccomp: Pathname
    security: Security
    read_only: bool
    devices: Iterable[str | Device]
    device_rules: Iterable[str | DeviceRule]
    ulimits: Iterable[str | Ulimit]
    sysctls: Mapping[str, str]
    pid: str
    ipc: str
    uts: str
    cgroupns: str
    userns: str
    namespaces: Namespaces
    tty: bool
    stdin_open: bool
    init: bool
    restart: str | RestartPolicy
    health: HealthCheck
    log: LogConfig
    stop_signal: int | str
    stop_timeout: int
    timeout: int
    remove: bool
    replace: bool
    secrets: Iterable[str | SecretUse]
    systemd: str
    timezone: str
    umask: int
    oom_score_adj: int
    volumes_from: Iterable[str]
    requires: Iterable[str]
    pod: str | AnyPod
    cgroup_parent: str
    cgroup_manager: str
    rootfs: Pathname
    platform: str
    pull: str
    registry: RegistryAccess
