"""The volumes of an engine."""

from __future__ import annotations

from collections.abc import Mapping

from crun_py.library import options, values
from crun_py.library.create_options import Filters, Pathname
from crun_py.library.options import by_key
from crun_py.library.values import expect
from crun_py.model.pruned import Pruned
from crun_py.model.volume import VolumeInfo
from crun_py.worker.channel_async import AsyncWorker


class Volumes:
    """`engine.volumes`: directories that outlive containers."""

    def __init__(self, worker: AsyncWorker) -> None:
        self._worker = worker

    async def create(
        self,
        name: str = "",
        *,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> VolumeInfo:
        """Make one, with a made-up name without `name`, unless it is there.

        options: type (bind or tmpfs), device, o, as of `volume create --opt`.
        """
        made = await self._worker.call(
            "volumes.create", name,
            labels=by_key(labels, "labels"), options=by_key(options, "options"),
        )  # fmt: skip
        return await self.get(expect(str, made))

    async def get(self, name: str) -> VolumeInfo:
        """What is known of one.  Raises NotFound."""
        return expect(VolumeInfo, await self._worker.call("volumes.inspect", name))

    async def exists(self, name: str) -> bool:
        """Whether there is one."""
        return expect(bool, await self._worker.call("volumes.exists", name))

    async def list(self, filters: Filters = ()) -> tuple[VolumeInfo, ...]:
        """All of them; filters: KEY=VALUE as of `volume ls --filter`."""
        found = await self._worker.call("volumes.infos", options.filters(filters))
        return tuple(values.every(VolumeInfo, found))

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Remove one with its content; force: the containers that have it too.

        Raises NotFound, Conflict when a container has it.
        """
        await self._worker.call("volumes.remove", name, force=force)

    async def prune(
        self, filters: Filters = (), *, all: bool = False, dry_run: bool = False
    ) -> Pruned:
        """Remove the anonymous ones, or all, that no container has.

        dry_run: nothing is removed, the answer is what would be.
        """
        done = await self._worker.call(
            "volumes.prune", options.filters(filters), everything=all, dry_run=dry_run
        )
        return expect(Pruned, done)

    async def export(self, name: str, target: Pathname) -> None:
        """Write what one holds as a tar archive."""
        await self._worker.call("volumes.export", name, options.absolute(target))

    async def fill(self, name: str, source: Pathname) -> None:
        """Put the files of a tar archive into one; what it holds stays."""
        await self._worker.call("volumes.fill", name, options.absolute(source))
