"""Pods as they are asked for, and as the engine tells of them."""

from __future__ import annotations

from crun_py.model.container import CreateRequest, Limits, RestartPolicy
from crun_py.model.network import PortMapping
from crun_py.record import record


@record
class PodRequest:
    """A pod that is to be made.

    name: "" for a made-up one.  shared: the namespaces that its containers share, of cgroup, ipc,
    net, pid and uts; None for ipc, net and uts, with infra.  infra: whether a container holds them;
    container: what that is asked for: network, host name, namespaces, volumes, devices, security,
    restart policy, which the others get from it; its image and command do not matter.
    exit_policy: what becomes of it when the last of the others has ended: continue or stop.
    cgroup_parent: of the pod's own group, and limits: of all its containers together.
    id_file: where its id is written to.  replace: a pod of this name is removed first.
    created_by: the command line.
    """

    name: str = ""
    labels: dict[str, str] = {}  # noqa: RUF012
    shared: tuple[str, ...] | None = None
    infra: bool = True
    container: CreateRequest = CreateRequest()
    exit_policy: str = "continue"
    cgroup_parent: str = ""
    limits: Limits = Limits()
    id_file: str = ""
    replace: bool = False
    created_by: tuple[str, ...] = ()


@record
class PodContainer:
    """A container of a pod.  status: as `ps` has it (Up 2 minutes)."""

    id: str
    name: str
    state: str
    status: str
    infra: bool


@record
class PodInfra:
    """What the containers of a pod have in common by its infra container.

    network: its mode: bridge, host, none or a network's name; networks: all that it is on; ip, mac:
    asked for on the first.  pid, uts, user: its namespaces: private or host, and user: keep-id …
    """

    id: str
    network: str
    networks: tuple[str, ...]
    ports: tuple[PortMapping, ...]
    ip: str
    mac: str
    dns: tuple[str, ...]
    dns_search: tuple[str, ...]
    dns_options: tuple[str, ...]
    hosts: tuple[str, ...]
    pid: str
    uts: str
    user: str


@record
class PodLine:
    """What a container of a pod wrote: a line, or the part of one.

    container: its name.  stream: stdout or stderr.  time: RFC 3339 in UTC.  text: with its newline,
    if it ended there.
    """

    container: str
    stream: str
    time: str
    text: str


@record
class PodInfo:
    """A pod.

    state: Created, Running, Degraded (some of its containers run), Paused, Stopped (some have
    ended) or Exited.  created_at: RFC 3339.  infra: None where no container holds its namespaces.
    cgroup_parent: above its containers' groups; limits: of them together.  containers: the infra
    container first.  restart: the policy of containers that have none of their own.
    """

    id: str
    name: str
    state: str
    created_at: str
    labels: dict[str, str]
    shared: tuple[str, ...]
    infra: PodInfra | None
    exit_policy: str
    hostname: str
    cgroup_parent: str
    limits: Limits
    containers: tuple[PodContainer, ...]
    created_by: tuple[str, ...]
    restart: RestartPolicy | None = None
