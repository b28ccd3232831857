"""The secrets of an engine."""

from __future__ import annotations

from collections.abc import Mapping

from crun_py.library import options, values
from crun_py.library.create_options import Filters
from crun_py.library.values import expect
from crun_py.model.secret import SecretInfo
from crun_py.worker.channel_async import AsyncWorker


class Secrets:
    """`engine.secrets`: small texts for containers, in no image, record or log."""

    def __init__(self, worker: AsyncWorker) -> None:
        self._worker = worker

    async def create(
        self,
        name: str,
        data: bytes | str,
        *,
        labels: Mapping[str, str] | None = None,
        replace: bool = False,
    ) -> SecretInfo:
        """Keep `data`; replace: in the place of what one of this name holds.

        Raises Conflict when there is one, InvalidArgument.
        """
        held = data.encode() if isinstance(data, str) else data
        made = await self._worker.call(
            "secrets.create", name, held, labels=dict(labels or {}), replace=replace
        )
        return expect(SecretInfo, made)

    async def get(self, name: str) -> SecretInfo:
        """What is known of one, but for what it holds.  Raises NotFound."""
        return expect(SecretInfo, await self._worker.call("secrets.inspect", name))

    async def exists(self, name: str) -> bool:
        """Whether there is one."""
        return expect(bool, await self._worker.call("secrets.exists", name))

    async def list(self, filters: Filters = ()) -> tuple[SecretInfo, ...]:
        """All of them; filters: name=, id=."""
        found = await self._worker.call("secrets.infos", options.filters(filters))
        return tuple(values.every(SecretInfo, found))

    async def read(self, name: str) -> bytes:
        """What one holds.  Raises NotFound."""
        return expect(bytes, await self._worker.call("secrets.read", name))

    async def remove(self, name: str) -> None:
        """Remove one; containers that run keep what they have.  Raises NotFound."""
        await self._worker.call("secrets.remove", name)
