"""The library for asyncio: the names of `crun_py`, to be awaited."""

from __future__ import annotations

from typing import Literal, Unpack, overload

from crun_py.aio.container import Container
from crun_py.aio.containers import Containers
from crun_py.aio.engine import Engine
from crun_py.aio.images import Images
from crun_py.aio.kube import Kube
from crun_py.aio.manifests import Manifests
from crun_py.aio.networks import Networks
from crun_py.aio.pod import Pod
from crun_py.aio.pods import Pods
from crun_py.aio.secrets import Secrets
from crun_py.aio.streams import Attached
from crun_py.aio.volumes import Volumes
from crun_py.library import default
from crun_py.library.create_options import CreateOptions, Words
from crun_py.library.values import OnEvent, OnOutput

__all__ = [
    "Attached",
    "Container",
    "Containers",
    "Engine",
    "Images",
    "Kube",
    "Manifests",
    "Networks",
    "Pod",
    "Pods",
    "Secrets",
    "Volumes",
    "run",
]


@overload
async def run(
    image: str, command: Words | None = ..., *, detach: Literal[False] = ...,
    input: bytes | None = ..., wait_timeout: float | None = ..., check: bool = ...,
    on_event: OnEvent = ..., on_output: OnOutput = ..., **given: Unpack[CreateOptions],
) -> bytes: ...  # fmt: skip


@overload
async def run(
    image: str, command: Words | None = ..., *, detach: Literal[True],
    on_event: OnEvent = ..., **given: Unpack[CreateOptions],
) -> Container: ...  # fmt: skip


async def run(
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
    """Run a command in a new container of the user's own store; see Containers.run."""
    containers = default.engine(Engine).containers
    if detach:
        return await containers.run(image, command, detach=True, on_event=on_event, **given)
    return await containers.run(
        image, command, input=input, wait_timeout=wait_timeout, check=check, on_event=on_event,
        on_output=on_output, **given,
    )  # fmt: skip
