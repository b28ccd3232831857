"""pod.json: a pod that is there (made by container/pods.py)."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from crun_py.documents.container import Restart


class Pod(TypedDict):
    """shared: the namespaces that its containers share, of cgroup, ipc, net, pid and uts.  infra:
    the id of the container that holds them, "" for none.  exit_policy: continue or stop.
    cgroup_parent: above its own group; limits: of that, a model.container.Limits.  create_command:
    the command line, if it was one.  restart: the policy of containers that have none of their own.
    """

    version: int
    id: str
    name: str
    created: str
    labels: dict[str, str]
    shared: list[str]
    infra: str
    exit_policy: str
    hostname: str
    cgroup_parent: str
    limits: dict[str, object]
    create_command: list[str]
    restart: NotRequired[Restart]
