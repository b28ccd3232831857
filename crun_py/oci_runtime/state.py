"""The containers of a runtime: a directory for each below its root.

ROOT/ID/state.json  what is known of it, for people to read as well
ROOT/ID/start       a FIFO, for as long as it has only been created: a byte lets it go on
ROOT/ID/lock        held by whoever changes something
"""

from __future__ import annotations

import errno
import os

from crun_py import jsonfile, state
from crun_py.errors import Conflict, CorruptState, InvalidArgument, NotFound
from crun_py.record import fields_of, from_json, record
from crun_py.tree import remove_tree

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-")
_SCHEMA = 1


def is_id(text: str) -> bool:
    """Whether a container may be called so."""
    return bool(text) and _LETTERS.issuperset(text) and text not in (".", "..")


@record
class State:
    """What state.json says.

    pid, start_ticks: of the first process; 0 while it is being made.  cgroup: a directory, "" for
    none.  resctrl: the directories of its group of RDT; resctrl_made: those that go with it.
    created: RFC 3339.  owner: who made it, a user's name.
    """

    id: str
    bundle: str
    rootfs: str
    oci_version: str
    created: str
    owner: str
    schema: int = _SCHEMA
    pid: int = 0
    start_ticks: int = 0
    cgroup: str = ""
    resctrl: tuple[str, ...] = ()
    resctrl_made: tuple[str, ...] = ()
    annotations: dict[str, str] = {}  # noqa: RUF012  (records are never changed)


def is_there(known: State) -> bool:
    """Whether its first process is still that one.  One that ended before it was looked at has no
    start_ticks."""
    return known.start_ticks > 0 and state.start_ticks(known.pid) == known.start_ticks


class Container:
    """One of them."""

    def __init__(self, root: str, container_id: str) -> None:
        """Raises InvalidArgument for what is no id."""
        if not is_id(container_id):
            raise InvalidArgument(f"container id {container_id!r}: not letters, digits and _+-.")
        self.id = container_id
        self.directory = f"{root}/{container_id}"

    @property
    def fifo(self) -> str:
        """What a byte is written to for the start."""
        return self.directory + "/start"

    def lock(self) -> jsonfile.Lock:
        """Held while it is changed.  Raises NotFound inside a `with` when it is gone."""
        return jsonfile.Lock(self.directory + "/lock", gone=self._missing)

    def _missing(self) -> NotFound:
        return NotFound(f"container {self.id} does not exist")

    def make(self) -> None:
        """Its directory.  Raises Conflict when there is one with this id."""
        os.makedirs(os.path.dirname(self.directory), mode=0o700, exist_ok=True)
        try:
            os.mkdir(self.directory, 0o711)
        except FileExistsError:
            raise Conflict(f"container with id {self.id} already exists") from None

    def write(self, value: State) -> None:
        """Replace what is known of it."""
        jsonfile.write(self.directory + "/state.json", fields_of(value), durable=False)

    def read(self) -> State:
        """Raises NotFound, CorruptState."""
        path = self.directory + "/state.json"
        try:
            found: State = from_json(State, jsonfile.read(path))
        except FileNotFoundError:
            if os.path.isdir(self.directory):  # killed in its first moment
                return State(id=self.id, bundle="", rootfs="", oci_version="", created="", owner="")
            raise self._missing() from None
        except (ValueError, TypeError, KeyError, AttributeError) as e:
            raise CorruptState(f"reading {path}: {e}", hint="delete --force") from e
        return found

    def status(self, known: State) -> str:
        """creating, created, running, paused or stopped (runtime.md, "State")."""
        if not known.pid:
            return "creating"
        if not is_there(known):
            return "stopped"
        if os.path.exists(self.fifo):
            return "created"
        return "paused" if _is_frozen(known.cgroup) else "running"

    def remove(self) -> None:
        """Its directory."""
        remove_tree(self.directory)


def _is_frozen(cgroup: str) -> bool:
    if not cgroup:
        return False
    try:
        return b"frozen 1" in jsonfile.read_bytes(cgroup + "/cgroup.events")
    except OSError as e:
        if e.errno not in (errno.ENOENT, errno.ENODEV, errno.ENOTDIR):
            raise
        return False


def every(root: str) -> list[Container]:
    """All of them, by their ids."""
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return []
    return [Container(root, n) for n in names if is_id(n) and os.path.isdir(f"{root}/{n}")]


def document(container: Container, known: State) -> dict[str, object]:
    """The state as the specification has it, with runc's further fields."""
    status = container.status(known)
    made: dict[str, object] = {
        "ociVersion": known.oci_version,
        "id": known.id,
        "pid": 0 if status == "stopped" else known.pid,
        "status": status,
        "bundle": known.bundle,
        "rootfs": known.rootfs,
        "created": known.created,
        "owner": known.owner,
    }
    if known.annotations:
        made["annotations"] = known.annotations
    return made
