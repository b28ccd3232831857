"""Restart policies: when a container that has ended is started again.

Nobody waits for that but the container's own monitor: it sleeps out the delay and becomes
`crunpy cleanup`, which asks `due`.  What a policy must remember lies beside the record:

    ROOT/containers/ID/restart.json   how often the policy has restarted it, the next delay

A user's stop removes that file, which needs no new bytes on a full disk: without it no policy
starts the container again.
"""

from __future__ import annotations

import os

from crun_py import clock, jsonfile
from crun_py.errors import CorruptState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import Restart
    from crun_py.state import Container, Status

FIRST_DELAY_MS, LAST_DELAY_MS = 100, 60_000
RAN_NS = 10 * 10**9
"""A container that ran so long did not fail at once: it is restarted without delay."""

_NO, _ON_FAILURE, _ALWAYS = 0, 1, 2  # enum restart in _native/core.h


def policy(container: Container) -> Restart:
    """The policy of a container."""
    return container.record["restart"]


def _file(container: Container) -> str:
    return container.directory + "/restart.json"


def _notes(container: Container) -> dict[str, int]:
    """Its numbers; a damaged file counts as one that says nothing."""
    try:
        found = jsonfile.read(_file(container))
    except (FileNotFoundError, CorruptState):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, int)}


def count(container: Container) -> int:
    """How often the policy has restarted it since a user started it."""
    return _notes(container).get("count", 0) if policy(container)["name"] != "no" else 0


def in_force(container: Container) -> bool:
    """Whether a user started it, and has not stopped it since."""
    return os.path.exists(_file(container))


def suspend(container: Container) -> None:
    """A user wants it stopped.  To be called before the signal that stops it."""
    try:
        os.unlink(_file(container))
    except FileNotFoundError:
        return


def due(container: Container, exit_code: int) -> bool:
    """Whether the policy starts a container again that has ended with `exit_code`."""
    wanted = policy(container)
    if wanted["name"] == "no" or not in_force(container):
        return False
    if wanted["name"] == "on-failure":
        return exit_code != 0 and (not wanted["max"] or count(container) < wanted["max"])
    return True


def for_monitor(container: Container) -> tuple[int, int]:
    """What SET_RESTART tells the monitor: enum restart, and the delay in ms."""
    wanted, notes = policy(container), _notes(container)
    how = {"no": _NO, "on-failure": _ON_FAILURE}.get(wanted["name"], _ALWAYS)
    if how == _ON_FAILURE and wanted["max"] and notes.get("count", 0) >= wanted["max"]:
        how = _NO
    return how, notes.get("delay_ms", FIRST_DELAY_MS)


def begin(container: Container) -> None:
    """A user starts it: the policy begins anew."""
    if policy(container)["name"] != "no":
        _note(container, 0, FIRST_DELAY_MS)


def _note(container: Container, times: int, delay_ms: int) -> None:
    value = {"version": 1, "count": times, "delay_ms": delay_ms}
    jsonfile.write(_file(container), value, durable=False)


def begin_again(container: Container, last: Status) -> None:
    """The policy starts it, after the run that `last` tells of."""
    notes = _notes(container)
    delay_ms = min(notes.get("delay_ms", FIRST_DELAY_MS) * 2, LAST_DELAY_MS)
    if last.started_at and last.finished_at:
        ran_ns = clock.parse_rfc3339(last.finished_at) - clock.parse_rfc3339(last.started_at)
        delay_ms = FIRST_DELAY_MS if ran_ns >= RAN_NS else delay_ms
    _note(container, notes.get("count", 0) + 1, delay_ms)


def due_at_shutdown(container: Container) -> bool:
    """Whether `crunpy system resume --stop` stops it: it runs, and is started after the boot."""
    status = container.status()
    wanted = policy(container)["name"] in ("always", "unless-stopped")
    return wanted and (status.running or status.state == "restarting")


def due_after_boot(container: Container) -> bool:
    """Whether `crunpy system resume` starts it: what the policy would have kept running."""
    wanted, status = policy(container)["name"], container.status()
    if status.running or status.state == "created":
        return False
    if wanted == "unless-stopped":
        return in_force(container)
    if wanted == "on-failure":
        return in_force(container) and (status.unseen or status.exit_code != 0)
    return wanted == "always"
