"""What is known of all containers, for stores that hold thousands.

Most of them do not run, and then a container is what its directory says: whatever becomes of it
is a file that appears there by a rename, which changes the directory's times.  What was found is
kept, by those times, in RUN/summaries, and not read again:

    HEADING                   the format, and whose fields
    ID STAMP CREATED JSON     a line for each

What is missing or not true there is found anew; the file may be removed at any time.
"""

from __future__ import annotations

import os
import time

from crun_py import jsonfile, state
from crun_py.engine import status
from crun_py.errors import CorruptState, CrunpyError, NotFound
from crun_py.model.state import ContainerInfo
from crun_py.record import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.paths import Paths

    Known = dict[bytes, tuple[bytes, bytes, bytes]]
    """Stamp, time of creation and JSON by id."""

CALLS = ("containers",)
_HEADING = b"crunpy summaries 1 " + ",".join(ContainerInfo._fields).encode()  # type: ignore[attr-defined]
_UNSURE_NS = 2_000_000_000
"""A directory that was changed within this time may change again with the same time."""
_WORTH_IT = 32
"""With so many that were not known the file is written."""


def containers(context: Context, *, everything: bool = False) -> bytes:
    """The containers that run, or `everything`, newest first: a JSON array of ContainerInfo."""
    paths = context.paths
    known = _read(paths)
    alive = _alive(paths)
    kept: Known = {}
    shown: list[tuple[bytes, bytes]] = []
    new = 0
    now = time.time_ns()
    for container_id in state.ids(paths):
        key = container_id.encode()
        stamp = b""
        if container_id not in alive:
            changed = _changed(paths, container_id)
            if changed < now - _UNSURE_NS:
                stamp = b"%d" % changed
            entry = known.get(key)
            if entry and entry[0] == stamp:
                kept[key] = entry
                if everything:
                    shown.append(entry[1:])
                continue
        try:
            found = status.info(state.load(paths, container_id))
        except (NotFound, CorruptState):
            continue
        text = jsonfile.dumps(to_json(found)).encode()
        created = found.created_at.encode() or b"-"
        if stamp and not found.running and found.state != "restarting":
            kept[key] = (stamp, created, text)
            new += 1
        if everything or found.running or found.state == "restarting":
            shown.append((created, text))
    if new > _WORTH_IT or len(known) > 2 * len(kept) + _WORTH_IT:
        _write(paths, kept)
    shown.sort(reverse=True)
    return b"[" + b",".join([text for _, text in shown]) + b"]"


def _alive(paths: Paths) -> set[str]:
    """Ids of the containers that something may be known of beside their directory."""
    try:
        return {*os.listdir(paths.run + "/containers")}
    except FileNotFoundError:
        return set()


def _changed(paths: Paths, container_id: str) -> int:
    """When something appeared in its directory or went, in nanoseconds."""
    try:
        return os.stat(paths.container(container_id)).st_ctime_ns
    except FileNotFoundError:
        return 0


def _file(paths: Paths) -> str:
    return paths.run + "/summaries"


def _read(paths: Paths) -> Known:
    try:
        heading, *lines = jsonfile.read_bytes(_file(paths)).split(b"\n")
    except FileNotFoundError:
        return {}
    if heading != _HEADING:
        return {}
    parts = [line.split(b" ", 3) for line in lines]
    return {part[0]: (part[1], part[2], part[3]) for part in parts if len(part) == 4}


def _write(paths: Paths, kept: Known) -> None:
    """Without it the next call takes longer, no more."""
    lines = [b" ".join((key, *entry)) for key, entry in kept.items()]
    try:
        jsonfile.write_bytes(_file(paths), b"\n".join((_HEADING, *lines)), durable=False)
    except CrunpyError:
        return
