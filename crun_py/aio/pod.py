"""One pod."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from crun_py.library import options, values
from crun_py.library.create_options import AnyPod
from crun_py.library.values import PublishedPorts, expect
from crun_py.model.pod import PodContainer, PodInfo, PodLine
from crun_py.model.running import ProcessTable
from crun_py.model.stats import Stats
from crun_py.worker.channel_async import AsyncWorker


class Pod(AnyPod):
    """A pod: containers that share namespaces and a life.  Containers join it by `pod=` of `run`
    and `containers.create`.  As a context manager it is removed at the end of the block with its
    containers, whatever became of them.

    info: what was known of it when it was last looked at, by `reload` or by what was done to it
    here; the other attributes are taken from there.
    """

    def __init__(self, worker: AsyncWorker, info: PodInfo) -> None:
        self._worker = worker
        self.info = info

    def __repr__(self) -> str:
        return f"<Pod {self.info.name} {self.id[:12]} {self.info.state}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pod) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return self.info.id

    @property
    def name(self) -> str:
        """Its name, which is its containers' host name, too."""
        return self.info.name

    @property
    def state(self) -> str:
        """Created, Running, Degraded, Paused, Stopped or Exited."""
        return self.info.state

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.info.labels)

    @property
    def containers(self) -> tuple[PodContainer, ...]:
        """Its containers, without the one that holds what they share."""
        return tuple(one for one in self.info.containers if not one.infra)

    @property
    def ports(self) -> PublishedPorts:
        """The ports that it was asked to publish: `ports[80].host_port`, 0 for one that is free."""
        return PublishedPorts(self.info.infra.ports if self.info.infra else ())

    async def reload(self) -> PodInfo:
        """What is true now.  Raises NotFound when it has been removed."""
        self.info = expect(PodInfo, await self._worker.call("pods.inspect", self.id))
        return self.info

    async def start(self) -> None:
        """Start all its containers; those that run stay as they are.  Raises CommandError."""
        await self._worker.call("pods.start", self.id)
        await self.reload()

    async def stop(self, timeout: int | None = None) -> None:
        """Stop all its containers.  timeout: seconds until SIGKILL, -1 for never; None for what
        each was created with."""
        await self._worker.call("pods.stop", self.id, timeout_s=timeout)
        await self.reload()

    async def restart(self, timeout: int | None = None) -> None:
        """Stop its containers and start them all.  timeout: as of `stop`."""
        await self._worker.call("pods.restart", self.id, timeout_s=timeout)
        await self.reload()

    async def kill(self, signal: int = 9) -> None:
        """Send a signal to the first process of each of its containers that run."""
        await self._worker.call("pods.kill", self.id, signal)
        await self.reload()

    async def pause(self) -> None:
        """Let the processes of its containers stand still.  Raises Unsupported without a cgroup
        v2."""
        await self._worker.call("pods.pause", self.id)
        await self.reload()

    async def unpause(self) -> None:
        """Let them go on."""
        await self._worker.call("pods.unpause", self.id)
        await self.reload()

    async def top(self, columns: Iterable[str] = ()) -> ProcessTable:
        """The processes of its containers that run; columns: podman's descriptors (pid, args …).

        Raises Conflict when none runs.
        """
        wanted = options.texts(columns, "columns")
        return expect(ProcessTable, await self._worker.call("pods.processes", self.id, wanted))

    async def logs(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | str | None = None,
        until: float | str | None = None,
    ) -> AsyncIterator[PodLine]:
        """What its containers wrote, oldest first.

        follow: go on until they have ended, with what comes as it comes.  tail: only so many of the
        last lines of each.  since, until: seconds since 1970, RFC 3339, or a span ago like 5m.
        """
        async with self._worker.stream(
            "pods.lines", self.id, follow=follow, tail=tail, since_ns=options.point_ns(since),
            until_ns=options.point_ns(until),
        ) as found:  # fmt: skip
            async for item in found:
                yield expect(PodLine, item)

    async def stats(self, *, interval: float = 1) -> AsyncIterator[tuple[Stats, ...]]:
        """What its containers that run use, each `interval` seconds."""
        async with self._worker.stream("pods.usage", self.id, interval_s=float(interval)) as found:
            async for item in found:
                yield tuple(values.every(Stats, item))

    async def clone(self, name: str = "", *, start: bool = False, destroy: bool = False) -> Pod:
        """Make a pod like it, with containers like its own, of the name NAME-clone without `name`.

        start: let the new one run.  destroy: remove this one before, as by force.
        Raises Conflict when the name is taken, and as `start`.
        """
        made = await self._worker.call(
            "pod_clone.clone", self.id, name, start=start, destroy=destroy
        )
        found = await self._worker.call("pods.inspect", expect(str, made))
        return Pod(self._worker, expect(PodInfo, found))

    async def remove(self, *, force: bool = False) -> None:
        """Remove it with its containers; force: those that run are killed first.

        Raises Conflict when one of them runs.
        """
        await self._worker.call("pods.remove", self.id, force=force)

    # ---- with ----

    async def __aenter__(self) -> Pod:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._worker.call("pods.remove", self.id, force=True, missing_ok=True)
