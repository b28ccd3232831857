"""What the library gives its callers, beside the records of model/."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TypeVar

from crun_py.errors import ContainerError, CrunpyError
from crun_py.library.create_options import Port
from crun_py.library.options import port
from crun_py.model.network import Attachment, PortMapping
from crun_py.model.state import ContainerInfo, Finished, LogEntry, MountPoint, Output
from crun_py.record import from_json, record

T = TypeVar("T")
OnEvent = Callable[[object], object] | None
"""Is given records of what goes on, in the thread or task of the call."""
OnOutput = Callable[[str, bytes], object] | None
"""Is given what a command writes, as it comes, after "stdout" or "stderr"."""


class CrunpyWarning(UserWarning):
    """Something went on in another way than was asked for, but is no error."""


def warn(line: str) -> None:
    """What is done with a warning where the caller does not say: it is of his line that called."""
    frame: FrameType | None = sys._getframe()
    level = 0
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] == "crun_py":
        frame = frame.f_back
        level += 1
    warnings.warn(line, CrunpyWarning, stacklevel=level + 1)


@record
class Ran:
    """A command that has ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class PublishedPorts(dict[Port, PortMapping]):
    """Where the ports of a container are reached on the host: `ports[80].host_port`; ports of
    another protocol than TCP by their full names, `ports["53/udp"]`."""

    def __init__(self, mappings: Iterable[PortMapping]) -> None:
        super().__init__()
        for one in mappings:
            key = one.container_port if one.protocol == "tcp" else _name(one)
            self.setdefault(key, one)

    def __missing__(self, key: Port) -> PortMapping:
        number, protocol = port(key)
        for one in self.values():
            if (one.container_port, one.protocol) == (number, protocol):
                return one
        raise KeyError(f"port {key} is not published")


def _name(mapping: PortMapping) -> str:
    return f"{mapping.container_port}/{mapping.protocol}"


def listener(on_event: OnEvent, on_output: OnOutput) -> OnEvent:
    """One listener for both."""
    if on_output is None:
        return on_event

    def listen(event: object) -> None:
        if isinstance(event, Output):
            on_output(event.stream, event.data)
        elif on_event:
            on_event(event)

    return listen


def expect(kind: type[T], value: object) -> T:
    """`value`, which the engine answered with, if it is what it must be.  Raises CrunpyError."""
    if not isinstance(value, kind):
        raise CrunpyError(f"the engine answered with {type(value).__name__}, not {kind.__name__}")
    return value


def every(kind: type[T], values: object) -> list[T]:
    """As `expect`, for a list of them."""
    return [expect(kind, value) for value in expect(tuple, values)]


def container_infos(text: bytes) -> list[ContainerInfo]:
    """What engine.summaries tells."""
    found = []
    for fields in json.loads(text):
        fields["command"] = tuple(fields["command"])
        fields["ports"] = tuple([PortMapping(**port) for port in fields["ports"]])
        fields["mounts"] = tuple([MountPoint(**mount) for mount in fields["mounts"]])
        fields["networks"] = tuple([from_json(Attachment, one) for one in fields["networks"]])
        found.append(ContainerInfo(**fields))
    return found


def checked(done: Finished, what: str, check: bool) -> Ran:
    """What a command came to.  Raises ContainerError for another exit code than 0, if `check`."""
    if check and done.exit_code:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ContainerError(
            f"{what}: exit code {done.exit_code}", exit_code=done.exit_code, stdout=done.stdout,
            stderr=done.stderr, container=done.container, hint=said,
        )  # fmt: skip
    return Ran(exit_code=done.exit_code, stdout=done.stdout, stderr=done.stderr)


def line(entry: LogEntry, timestamps: bool) -> bytes:
    """An entry of a log as `logs` shows it."""
    text = f"{entry.time} {entry.text}" if timestamps else entry.text
    return text.encode("utf-8", "surrogatepass")


def named(info: ContainerInfo) -> str:
    """A container in an error."""
    return f"container {info.name}"


def path_in(container_id: str, path: str | os.PathLike[str]) -> str:
    """A path in a container, for the engine's copy."""
    return f"{container_id}:{os.fspath(path)}"


PRELOAD = (
    "crun_py.engine.run", "crun_py.engine.create", "crun_py.engine.execute",
    "crun_py.engine.status", "crun_py.engine.summaries", "crun_py.engine.containers",
    "crun_py.engine.logs", "crun_py.engine.waiting", "crun_py.ns.user", "crun_py.net.attach",
    "crun_py.net.connection", "crun_py.ns.seccomp", "crun_py.engine.images", "crun_py.engine.ready",
    "crun_py.container.inside", "crun_py.container.userns", "crun_py.oci.store.images",
    "crun_py.engine.streams", "crun_py.engine.handover",
)  # fmt: skip
"""What the worker loads before the first request, so that no child has to."""
