"""The containers of an engine, and `run`."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterable
from typing import Literal, Unpack, overload

from crun_py.aio.container import Container
from crun_py.library import options, values
from crun_py.library.create_options import CreateOptions, Filters, Words
from crun_py.library.values import OnEvent, OnOutput, expect
from crun_py.model.container import CreateRequest
from crun_py.model.descriptor import Descriptor
from crun_py.model.pruned import Pruned
from crun_py.model.registry import PullRequest
from crun_py.model.state import ContainerInfo, Finished
from crun_py.model.stats import Stats
from crun_py.worker import wire
from crun_py.worker.channel_async import AsyncWorker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.explanation import Explanation


class Containers:
    """`engine.containers`: makes and finds them."""

    def __init__(self, worker: AsyncWorker) -> None:
        self._worker = worker

    @overload
    async def run(
        self, image: str, command: Words | None = ..., *, detach: Literal[False] = ...,
        input: bytes | None = ..., wait_timeout: float | None = ..., check: bool = ...,
        on_event: OnEvent = ..., on_output: OnOutput = ..., **given: Unpack[CreateOptions],
    ) -> bytes: ...  # fmt: skip

    @overload
    async def run(
        self, image: str, command: Words | None = ..., *, detach: Literal[True],
        on_event: OnEvent = ..., **given: Unpack[CreateOptions],
    ) -> Container: ...  # fmt: skip

    async def run(
        self,
        image: str,
        command: Words | None = None,
        *,
        detach: bool = False,
        input: bytes | None = None,
        wait_timeout: float | None = None,
        check: bool = True,
        on_event: OnEvent = None,
        on_output: OnOutput = None,
        **given: Unpack[CreateOptions],
    ) -> bytes | Container:
        """Run a command in a new container.

        Without `detach`: wait for its end, remove it (unless remove=False), and return what it
        wrote to its standard output.  input: what it reads; wait_timeout: seconds until it is
        killed; check: raise ContainerError, which has the exit code and both outputs, unless the
        code is 0.
        With `detach`: the container, which has begun to run.
        on_event: is given Progress records while the image is pulled.  on_output: is given what it
        writes as it comes, as ("stdout" or "stderr", bytes), which is not returned then.
        given: see CreateOptions.
        Raises InvalidArgument, NotFound, RegistryError, CommandError.
        """
        if detach:
            request, wanted = options.requests(image, command, given)
            return await self._handed_over("run.begin", request, wanted, on_event)
        usual: CreateOptions = {"remove": True}
        if input is not None:
            usual["stdin_open"] = True
        request, wanted = options.requests(image, command, {**usual, **given})
        done = await self._worker.call(
            "run.captured", request, wanted, stdin=input or b"", timeout_s=wait_timeout,
            live=on_output is not None, on_event=values.listener(on_event, on_output),
        )  # fmt: skip
        return values.checked(expect(Finished, done), f"running {image}", check).stdout

    async def create(
        self,
        image: str,
        command: Words | None = None,
        *,
        on_event: OnEvent = None,
        **given: Unpack[CreateOptions],
    ) -> Container:
        """A new container that nothing runs yet.  Otherwise as `run`."""
        request, wanted = options.requests(image, command, given)
        return await self._handed_over("handover.created", request, wanted, on_event)

    async def explain(
        self, image: str, command: Words | None = None, **given: Unpack[CreateOptions]
    ) -> Explanation:
        """What `create` with the same words would make, as `crunpy explain` tells it: layers,
        namespaces, mounts, limits, capabilities, addresses, firewall rules, command; nothing is
        made or pulled.  Raises as `create`, NotFound for an image that is not in the store.
        """
        request, wanted = options.requests(image, command, given)
        text = await self._worker.call("explain.told", request, wanted)
        found: Explanation = json.loads(expect(bytes, text))
        return found

    async def _handed_over(
        self, call: str, request: CreateRequest, wanted: PullRequest, on_event: OnEvent
    ) -> Container:
        """The container that a call makes.  It removes it again unless we say that we have it."""
        theirs, ours = wire.pipe()
        confirmation = Descriptor(theirs, owned=True)
        try:
            async with self._worker.stream(
                call, request, wanted, confirmation, on_event=on_event
            ) as found:
                info = expect(ContainerInfo, await found.__anext__())
                os.write(ours, b"+")
        finally:
            os.close(ours)
            confirmation.close()
        return Container(self._worker, info)

    async def get(self, name: str) -> Container:
        """The container of this name, id or beginning of an id.  Raises NotFound."""
        info = await self._worker.call("status.container", name)
        return Container(self._worker, expect(ContainerInfo, info))

    async def exists(self, name: str) -> bool:
        """Whether there is one."""
        return expect(bool, await self._worker.call("containers.exists", name))

    async def list(self, *, all: bool = False, filters: Filters = ()) -> list[Container]:
        """Those that run, or all; newest first.  filters: KEY=VALUE as of `ps --filter`."""
        if wanted := options.filters(filters):
            found = await self._worker.call("status.containers", everything=all, filters=wanted)
            infos = values.every(ContainerInfo, found)
        else:
            text = await self._worker.call("summaries.containers", everything=all)
            infos = values.container_infos(expect(bytes, text))
        return [Container(self._worker, info) for info in infos]

    async def prune(self, filters: Filters = (), *, dry_run: bool = False) -> Pruned:
        """Remove all that do not run.

        filters: until=, label=, label!=.  dry_run: nothing is removed, the answer is what would be.
        """
        done = await self._worker.call(
            "containers.prune", options.filters(filters), dry_run=dry_run
        )
        return expect(Pruned, done)

    async def stats(
        self, names: Iterable[str] = (), *, interval: float = 1
    ) -> AsyncIterator[tuple[Stats, ...]]:
        """What those that run use (or those named), each `interval` seconds."""
        async with self._worker.stream(
            "usage.stream", options.texts(names, "names"), interval_s=float(interval)
        ) as found:
            async for item in found:
                yield tuple(values.every(Stats, item))
