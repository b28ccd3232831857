# Written by tools/blocking.py from crun_py/aio: change it there.

"""The pods of an engine."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import Unpack

from crun_py.blocking.pod import Pod
from crun_py.library import options, values
from crun_py.library.create_options import CreateOptions, Filters
from crun_py.library.values import expect
from crun_py.model.pod import PodInfo
from crun_py.model.pruned import Pruned
from crun_py.worker.channel import Worker


class Pods:
    """`engine.pods`: containers that share namespaces, and are started, stopped and removed
    together."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def create(
        self,
        name: str = "",
        /,
        *,
        share: Iterable[str] | None = None,
        infra: bool = True,
        infra_name: str = "",
        exit_policy: str = "continue",
        **given: Unpack[CreateOptions],
    ) -> Pod:
        """Make one, with a made-up name without `name`; nothing runs in it yet.

        share: what its containers share, of cgroup, ipc, net, pid and uts; None for ipc, net and
        uts.  infra: a container of that name holds it; without, they share nothing.  exit_policy:
        what becomes of it when the last container has ended, continue or stop.
        given: what its containers get of it, as for `run`: labels, ports, network and all that is
        about it, hostname, volumes, mounts, volumes_from, devices, security, sysctls, shm_size,
        namespaces, restart (where they have no policy of their own); cgroup_parent and limits
        (memory, cpus …) are of all its containers together; replace.

        Raises InvalidArgument, Conflict when the name is taken, Unsupported, and TypeError for an
        option that a pod has not.
        """
        request = options.pod(
            name, None if share is None else options.texts(share, "share"), infra, infra_name,
            exit_policy, given,
        )  # fmt: skip
        return Pod(self._worker, expect(PodInfo, self._worker.call("pods.create", request)))

    def get(self, name: str) -> Pod:
        """The pod of this name, id or beginning of an id.  Raises NotFound."""
        return Pod(self._worker, expect(PodInfo, self._worker.call("pods.inspect", name)))

    def exists(self, name: str) -> bool:
        """Whether there is one."""
        return expect(bool, self._worker.call("pods.exists", name))

    def list(self, filters: Filters = ()) -> builtins.list[Pod]:
        """All of them, newest first; filters: KEY=VALUE as of `pod ps --filter`."""
        found = self._worker.call("pods.infos", options.filters(filters))
        return [Pod(self._worker, info) for info in values.every(PodInfo, found)]

    def prune(self, filters: Filters = (), *, dry_run: bool = False) -> Pruned:
        """Remove those that have ended, with their containers; their ids.

        dry_run: nothing is removed, the answer is what would be.
        """
        done = self._worker.call("pods.prune", options.filters(filters), dry_run=dry_run)
        return expect(Pruned, done)
