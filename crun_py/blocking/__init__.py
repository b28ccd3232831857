# Written by tools/blocking.py from crun_py/aio: change it there.

"""The library for threads, or none."""

from __future__ import annotations

from typing import Literal, Unpack, overload

from crun_py.blocking.container import Container
from crun_py.blocking.containers import Containers
from crun_py.blocking.engine import Engine
from crun_py.blocking.images import Images
from crun_py.blocking.kube import Kube
from crun_py.blocking.manifests import Manifests
from crun_py.blocking.networks import Networks
from crun_py.blocking.pod import Pod
from crun_py.blocking.pods import Pods
from crun_py.blocking.secrets import Secrets
from crun_py.blocking.streams import Attached
from crun_py.blocking.volumes import Volumes
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
def run(
    image: str, command: Words | None = ..., *, detach: Literal[False] = ...,
    input: bytes | None = ..., wait_timeout: float | None = ..., check: bool = ...,
    on_event: OnEvent = ..., on_output: OnOutput = ..., **given: Unpack[CreateOptions],
) -> bytes: ...  # fmt: skip


@overload
def run(
    image: str, command: Words | None = ..., *, detach: Literal[True],
    on_event: OnEvent = ..., **given: Unpack[CreateOptions],
) -> Container: ...  # fmt: skip


def run(
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
        return containers.run(image, command, detach=True, on_event=on_event, **given)
    return containers.run(
        image, command, input=input, wait_timeout=wait_timeout, check=check, on_event=on_event,
        on_output=on_output, **given,
    )  # fmt: skip
