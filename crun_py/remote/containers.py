"""Containers of a service: which there are, and what is done to them."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.errors import InvalidArgument, NotFound
from crun_py.fields import Fields
from crun_py.remote.client import filters
from crun_py.remote.http import Broken
from crun_py.remote.paths import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crun_py.remote.client import Answer, Remote

RUNNING = frozenset(("running", "paused", "stopping"))
"""The states of a container whose processes are there."""


def listed(
    remote: Remote,
    *,
    everything: bool = False,
    last: int = 0,
    wanted: Sequence[str] = (),
    sizes: bool = False,
) -> list[Fields]:
    """ContainerList, newest first: those that run, or `everything`, or the `last` so many.

    wanted: filters, which are the service's.  Raises InvalidArgument."""
    query = {
        "all": everything or bool(last),
        "limit": last or None,
        "size": sizes or None,
        "filters": filters(wanted),
    }
    return [Fields(one, "a container") for one in remote.every("/containers/json", query)]


def named(
    remote: Remote,
    names: Sequence[str],
    everything: bool = False,
    states: Collection[str] | None = None,
    *,
    latest: bool = False,
    wanted: Sequence[str] = (),
) -> list[str]:
    """The containers that a call is about, as engine.selection.named: those named, or the ids of
    `everything` (or of what filters want) in one of `states`, or the newest.

    Raises InvalidArgument, NotFound.
    """
    if latest:
        return [newest(remote)]
    if not everything and not wanted:
        if not names:
            raise InvalidArgument("no container given", hint="names, or --all")
        return [*names]
    found = listed(remote, everything=True, wanted=wanted)
    return [c.text("Id") for c in found if states is None or c.text("State") in states]


def newest(remote: Remote) -> str:
    """The id of the container created last.  Raises NotFound."""
    found = listed(remote, last=1)
    if not found:
        raise NotFound("no container has been created yet")
    return found[0].text("Id")


def inspect(remote: Remote, name: str, *, size: bool = False) -> Fields:
    """ContainerInspect.  Raises NotFound."""
    return Fields(remote.document(path("containers", name, "json"), {"size": size or None}))


def begin_wait(remote: Remote, name: str, condition: str) -> Answer:
    """A wait whose answer is still to come (`exit_code`); the service knows of it by now.

    condition: not-running, next-exit or removed (ContainerWait)."""
    return remote.ask("POST", path("containers", name, "wait"), {"condition": condition})


def exit_code(remote: Remote, answer: Answer) -> int:
    """The exit code that a wait tells when it is over.  Raises Broken when it ends before."""
    data = answer.data()
    remote.done(answer)
    try:
        found = Fields(jsonfile.loads(data))
    except ValueError as e:
        raise Broken("waiting for the container: the service has ended the connection") from e
    return found.number("StatusCode")


def wait(remote: Remote, name: str, condition: str = "not-running") -> int:
    """Wait for a container's end; its exit code."""
    return exit_code(remote, begin_wait(remote, name, condition))


def kill(remote: Remote, name: str, number: int) -> None:
    """Send a signal.  Raises NotFound, Conflict."""
    remote.call("POST", path("containers", name, "kill"), {"signal": number})


def remove(remote: Remote, name: str, *, force: bool = False, volumes: bool = False) -> None:
    """Raises NotFound, Conflict."""
    query = {"force": force, "v": volumes}
    remote.call("DELETE", path("containers", name), query)
