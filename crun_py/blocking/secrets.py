# Written by tools/blocking.py from crun_py/aio: change it there.

"""The secrets of an engine."""

from __future__ import annotations

from collections.abc import Mapping

from crun_py.library import options, values
from crun_py.library.create_options import Filters
from crun_py.library.values import expect
from crun_py.model.secret import SecretInfo
from crun_py.worker.channel import Worker


class Secrets:
    """`engine.secrets`: small texts for containers, in no image, record or log."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def create(
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
        made = self._worker.call(
            "secrets.create", name, held, labels=dict(labels or {}), replace=replace
        )
        return expect(SecretInfo, made)

    def get(self, name: str) -> SecretInfo:
        """What is known of one, but for what it holds.  Raises NotFound."""
        return expect(SecretInfo, self._worker.call("secrets.inspect", name))

    def exists(self, name: str) -> bool:
        """Whether there is one."""
        return expect(bool, self._worker.call("secrets.exists", name))

    def list(self, filters: Filters = ()) -> tuple[SecretInfo, ...]:
        """All of them; filters: name=, id=."""
        found = self._worker.call("secrets.infos", options.filters(filters))
        return tuple(values.every(SecretInfo, found))

    def read(self, name: str) -> bytes:
        """What one holds.  Raises NotFound."""
        return expect(bytes, self._worker.call("secrets.read", name))

    def remove(self, name: str) -> None:
        """Remove one; containers that run keep what they have.  Raises NotFound."""
        self._worker.call("secrets.remove", name)
