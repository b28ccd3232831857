"""Containers on disk: what was asked, what runs, and which name means which.

    ROOT/containers/ID/container.json   what was asked; written by create (and rename)
    ROOT/containers/ID/config.json      the OCI spec
    ROOT/containers/ID/status.json      the end, for after a reboot; written by the monitor
    ROOT/containers/.names/NAME         symlink to ID: making it is taking the name
    RUN/containers/ID/status.json       what runs now; written by the monitor
    RUN/containers/ID/network.json      how the network was set up, for taking it down
    RUN/containers/ID/cgroup            symlink to its cgroup

Running is never believed but derived: the pid must have the start time that was noted,
in this boot (signals go through a pidfd that was checked in between).
"""

from __future__ import annotations

import os
import time

from crun_py import clock, jsonfile
from crun_py._native import check, lib, pidfd_open
from crun_py.errors import Conflict, CorruptState, CrunpyError, Gone, InvalidArgument, NotFound
from crun_py.paths import Paths, private_dir
from crun_py.shapes import RECORD, SPEC, fits
from crun_py.staging import Staging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from crun_py.documents.container import Record
    from crun_py.documents.spec import Spec
    from crun_py.documents.status import StatusNote

VERSION = 3
UNKNOWN_EXIT = 255
"""The exit code of a container whose end nobody saw: its monitor was killed, or a reboot."""
_RUNNING = ("running", "paused", "stopping")
_NOTING_S = 5
"""How long a monitor may take to note an end: it reads what was printed last, and reaps."""


_boot_id = ""


def boot_id() -> str:
    """The kernel's id of this boot (random(4))."""
    global _boot_id
    if not _boot_id:
        _boot_id = jsonfile.read_bytes("/proc/sys/kernel/random/boot_id").decode().strip()
    return _boot_id


def start_ticks(pid: int) -> int:
    """When process `pid` started, in clock ticks after boot; 0 when there is none (proc(5))."""
    try:
        line = jsonfile.read_bytes(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = line[line.rindex(b")") + 2 :].split()
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def _number(found: Mapping[str, object], key: str, default: int = 0) -> int:
    """A field of a file that somebody may have edited."""
    value = found.get(key)
    return value if isinstance(value, int) else default


def _time(found: Mapping[str, object], key: str) -> str:
    value = found.get(key)
    return clock.valid(value) if isinstance(value, str) else ""


class Status:
    """What became of a container.

    state:  "created", "initialized" (made, but its command waits: `crunpy init`), "running",
            "paused", "stopping" (`crunpy stop` waits for its end), "restarting" (it ended, and
            its monitor waits to start it again) or "exited".
    pid:    of its first process on the host while it has one, else 0.
    signal: that ended it, 0 when it exited.
    log_lost: entries that a full disk did not take, so that they lack at the end of its log.
    Times are RFC 3339 in UTC, "" when there is none.
    """

    __slots__ = (
        "exit_code",
        "finished_at",
        "log_lost",
        "monitor_pid",
        "oom_killed",
        "pid",
        "signal",
        "start_ticks",
        "started_at",
        "state",
        "unseen",
    )

    def __init__(self, state: str, found: StatusNote, *, unseen: bool = False) -> None:
        running = state in _RUNNING
        self.state = state
        self.pid = _number(found, "pid") if running or state == "initialized" else 0
        self.start_ticks = _number(found, "start_ticks")
        self.monitor_pid = _number(found, "monitor_pid")
        self.started_at = _time(found, "started_at")
        self.finished_at = "" if running else _time(found, "finished_at")
        self.exit_code = _number(found, "exit_code", UNKNOWN_EXIT if unseen else 0)
        self.signal = 0 if running else _number(found, "signal")
        self.oom_killed = found.get("oom_killed") is True
        self.log_lost = _number(found, "log_lost")
        self.unseen = unseen

    @property
    def running(self) -> bool:
        return self.state in _RUNNING

    @property
    def active(self) -> bool:
        """Whether its processes run, and are not frozen."""
        return self.state in ("running", "stopping")

    @property
    def alive(self) -> bool:
        """Whether it has a process: it runs, or is initialized."""
        return self.pid > 0


class Container:
    """One container: its record (container.json) and where its files are.

    document: the OCI spec, where this process has just written it."""

    __slots__ = ("_document", "id", "paths", "record")

    def __init__(self, paths: Paths, record: Record, document: Spec | None = None) -> None:
        self.paths = paths
        self.record = record
        self._document = document
        self.id = record["id"]

    @property
    def name(self) -> str:
        return self.record["name"]

    def reload(self) -> None:
        """Read the record again: under the lock it is what counts.  Raises as `load`."""
        self.record = load(self.paths, self.id).record

    @property
    def directory(self) -> str:
        return self.paths.container(self.id)

    @property
    def run_directory(self) -> str:
        return self.paths.run_container(self.id)

    @property
    def own_root(self) -> str:
        """The directory that is its root as it is, "" where an overlay is mounted for it."""
        if self.record.get("copied"):
            return self.directory + "/upper"
        return self.record.get("rootfs") or ""

    @property
    def cgroup(self) -> str | None:
        """The directory of its cgroup while it runs, None when it has none."""
        try:
            return os.readlink(self.run_directory + "/cgroup")
        except OSError:
            return None

    @property
    def modes(self) -> tuple[str, ...]:
        """The words for its network and its other namespaces; container:ID shares another's,
        network:NAME is one that it joins."""
        record = self.record
        shared, own_ids = record["namespaces"], record["userns"]
        words = shared["pid"], shared["ipc"], shared["uts"], shared["cgroup"]
        own = [f"network:{name}" for name in self.networks]
        return (record["network"]["mode"], *own, *words, own_ids["mode"] if own_ids else "")

    @property
    def mount_context(self) -> str:
        """mount(8)'s option that gives all of a file system the label of the container's files;
        "" without SELinux, also where the container was made under it."""
        found = self.record.get("selinux")
        if not found:
            return ""
        from crun_py.ns import selinux

        if not selinux.enabled():
            return ""
        return selinux.context(found["mount"], nested=found["nested"])

    @property
    def networks(self) -> list[str]:
        """The names of the networks that it is to be connected to."""
        return [join["network"] for join in self.record["network"]["networks"]]

    @property
    def volumes(self) -> set[str]:
        """The names of the volumes it has, its own and others'."""
        return {m["name"] for m in self.record["mounts"] if m["type"] == "volume"}

    @property
    def log_path(self) -> str:
        return self.directory + "/container.log"

    def spec(self) -> Spec:
        """The OCI spec that `create` wrote, for the caller to change.  Raises CorruptState."""
        if self._document is not None:
            document, self._document = self._document, None
            return document
        path = self.directory + "/config.json"
        try:
            spec: Spec = jsonfile.read(path, SPEC)
        except FileNotFoundError:
            raise CorruptState(f"reading {path}: it is gone") from None
        return spec

    def lock(self, timeout_s: float | None = None) -> jsonfile.Lock:
        """Held while the container is started, cleaned up or removed; see jsonfile.Lock.

        Entering it raises Gone when the container has been removed."""
        return jsonfile.Lock(self.directory + "/lock", timeout_s=timeout_s, gone=self.gone)

    def gone(self) -> Gone:
        """The error for a container that another command has removed."""
        return Gone(f"no such container: {self.name}: it was removed just now")

    def status(self) -> Status:
        """What is true now."""
        return status(self.paths, self.id)


def begun(paths: Paths) -> set[str]:
    """The ids of all containers that run, wait for a restart, or ended and are not cleaned up."""
    try:
        return set(os.listdir(paths.run_containers))
    except FileNotFoundError:
        return set()


def status(paths: Paths, container_id: str, *, begun: bool = True) -> Status:
    """The status of a container, from the monitor's files and the kernel.

    begun: False when it is known that it has no run directory.  A status that cannot be read
    counts as an end that nobody saw.
    """
    starter = 0
    try:
        if not begun:
            raise FileNotFoundError
        directory = paths.run_container(container_id)
        found: StatusNote = jsonfile.read(directory + "/status.json")
        said = found.get("state")
        monitored = said in ("starting", "restarting") and _lives(found, "monitor_")
        if said in ("running", "initialized") or (said == "starting" and not monitored):
            return _living(found, directory) or _told(paths, container_id, found)
        if said != "starting":
            return Status("restarting" if monitored else "exited", found)
        starter = _number(found, "monitor_pid")
    except FileNotFoundError:
        pass
    except (CorruptState, AttributeError):
        return Status("exited", {}, unseen=True)
    try:
        found = jsonfile.read(paths.container(container_id) + "/status.json")
        if starter and found.get("state") == "restarting":  # and it still is, until it runs
            return Status("restarting", {**found, "monitor_pid": starter})
        seen = found.get("state") in ("exited", "restarting")
        return Status("exited", found, unseen=not seen)
    except FileNotFoundError:
        return Status("created", {})
    except (CorruptState, AttributeError):
        return Status("exited", {}, unseen=True)


def left(paths: Paths, container_id: str) -> bool:
    """Whether a container that has a run directory has neither a process nor a monitor, which
    would still be at it."""
    try:
        found = jsonfile.read(paths.run_container(container_id) + "/status.json")
        if _lives(found, "monitor_"):
            return False  # the usual case, known by two files
    except (FileNotFoundError, CorruptState, AttributeError):
        pass
    now = status(paths, container_id)
    return not now.alive and not start_ticks(now.monitor_pid)


def left_by_start(container: Container) -> Status:
    """As `status`, of a start that did not come to its end: what counts is the process that was
    noted, for its monitor may just be dying."""
    try:
        found = jsonfile.read(container.run_directory + "/status.json")
        return Status("running" if _lives(found) else "exited", found)
    except (FileNotFoundError, CorruptState, AttributeError):
        return Status("created", {})


def _lives(found: StatusNote, whose: str = "") -> bool:
    """Whether the process that a status notes (whose: "" or "monitor_") is still that one."""
    pid, ticks = _number(found, whose + "pid"), _number(found, whose + "start_ticks")
    return pid > 0 and ticks > 0 and start_ticks(pid) == ticks and found.get("boot_id") == boot_id()


def _told(paths: Paths, container_id: str, found: StatusNote) -> Status:
    """The end of a container whose process is gone, though status.json says that it lives:
    the monitor is about to note it, or will never, for it was killed too."""
    path = paths.run_container(container_id) + "/status.json"
    deadline = time.monotonic() + _NOTING_S
    while True:
        noting = _noting(found) and time.monotonic() < deadline
        try:
            now = jsonfile.read(path)  # also where it is gone: it may just have noted the end
        except (FileNotFoundError, CorruptState):
            now = {}
        if now != found and (told := status(paths, container_id)).state != "created":
            return told
        if not noting:
            return Status("exited", found, unseen=True)
        time.sleep(0.002)


def _noting(found: StatusNote) -> bool:
    """Whether somebody else is there who will note the end in status.json."""
    return found.get("monitor_pid") != os.getpid() and _lives(found, "monitor_")


def _living(found: StatusNote, directory: str) -> Status | None:
    if not _lives(found):
        return None
    try:
        frozen = jsonfile.read_bytes(directory + "/cgroup/cgroup.freeze").strip() == b"1"
    except OSError:
        frozen = False
    state = "initialized" if found["state"] == "initialized" else "running"
    if state == "running" and _being_stopped(directory):
        state = "stopping"
    return Status("paused" if frozen else state, found)


def _stop_note(run_directory: str) -> str:
    return run_directory + "/stopping"


def _being_stopped(run_directory: str) -> bool:
    """Whether the process that noted that it waits for the end is still there."""
    try:
        pid, _, ticks = os.readlink(_stop_note(run_directory)).partition(":")
        return start_ticks(int(pid)) == int(ticks)
    except (OSError, ValueError):
        return False


class Stopping:
    """Inside `with` the state of `container` is "stopping", as long as we live."""

    def __init__(self, container: Container) -> None:
        self._container, self._note = container, _stop_note(container.run_directory)
        self._noted = False

    def __enter__(self) -> None:
        try:
            os.symlink(f"{os.getpid()}:{start_ticks(os.getpid())}", self._note)
            self._noted = True
        except FileExistsError:
            if not _being_stopped(self._container.run_directory):
                self._take()  # left by a command that was killed
        except FileNotFoundError:
            return  # it has ended
        except OSError as e:
            raise CrunpyError.from_os(f"stopping container {self._container.name}", e) from e

    def __exit__(self, *_: object) -> None:
        if self._noted:
            self._take()

    def _take(self) -> None:
        try:
            os.unlink(self._note)
        except FileNotFoundError:
            return


def open_pid(status: Status) -> int:
    """A pidfd of the container's first process.  Raises NotFound when it has ended."""
    if status.pid <= 0:
        raise NotFound("looking for the container's process: it has just ended")
    try:
        fd = pidfd_open(status.pid)
    except ProcessLookupError:
        raise NotFound("looking for the container's process: it has just ended") from None
    # the pid may have been reused before we held it: then the start time differs
    if start_ticks(status.pid) != status.start_ticks:
        os.close(fd)
        raise NotFound("looking for the container's process: it has just ended")
    return fd


def send_signal(status: Status, number: int) -> bool:
    """Signal the container's first process; False when it has ended already."""
    try:
        fd = open_pid(status)
    except NotFound:
        return False
    try:
        check(lib.crunpy_pidfd_send_signal(fd, number), "pidfd_send_signal")
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)


# ---- names and ids ----


def new_id() -> str:
    """A container id: 64 hexadecimal digits from the kernel's random source."""
    return os.urandom(32).hex()


def check_name(name: str, kind: str = "container") -> str:
    """`name` if a container, or a pod (kind), may have it.  Raises InvalidArgument."""
    good = name.isascii() and all(c.isalnum() or c in "_.-" for c in name)
    if not good or not 0 < len(name) <= 253 or not name[0].isalnum():
        raise InvalidArgument(
            f"{kind} name {name!r}: not allowed",
            hint="a-z A-Z 0-9 _ . -, beginning with a letter or digit",
        )
    return name


def _names(paths: Paths) -> str:
    return paths.containers + "/.names"


POD = "pod:"
"""What a pod's name leads to, before its id: pods and containers share their names."""


def take_name(paths: Paths, name: str, container_id: str) -> None:
    """Reserve `name`, for a container or (POD and its id) a pod.  Raises Conflict naming the
    container or pod that has it."""
    private_dir(_names(paths))
    link = f"{_names(paths)}/{name}"
    for _ in range(3):
        try:
            os.symlink(container_id, link)
            return
        except FileExistsError:
            if refuse_taken(paths, name, container_id) is not None:
                os.unlink(link)  # left by a create or rm that was killed
        except OSError as e:
            raise CrunpyError.from_os(f"taking name {name!r}", e) from e
    raise Conflict(f"name {name!r}: taken by another command just now")


def refuse_taken(paths: Paths, name: str, container_id: str) -> str | None:
    """Raises Conflict when `name`, wanted for container_id, is taken; returns a dead holder."""
    holder = name_holder(paths, name)
    if not holder or not _is_or_becomes(paths, holder):
        return holder
    own, word = ("pod" if i.startswith(POD) else "container" for i in (container_id, holder))
    raise Conflict(
        f"{own} name {name!r}: already in use by {word} {holder.removeprefix(POD)[:12]}",
        hint=f"remove it (crunpy {'pod ' * (word == 'pod')}rm {name}) or choose another name",
    )


def _is_or_becomes(paths: Paths, container_id: str) -> bool:
    if container_id.startswith(POD):
        return os.path.isdir(paths.pod(container_id.removeprefix(POD)))
    being_made = Staging(paths, container_id)
    # in this order: a commit in between is seen by the second look
    return being_made.owned() or being_made.committed


def name_holder(paths: Paths, name: str) -> str | None:
    """The id behind a name, None when nobody has it."""
    try:
        return os.readlink(f"{_names(paths)}/{name}")
    except OSError:
        return None


def release_names(paths: Paths, container_id: str) -> None:
    """Give all names of a container back whose record cannot tell them."""
    try:
        for name in os.listdir(_names(paths)):
            release_name(paths, name, container_id)
    except FileNotFoundError:
        return


def release_name(paths: Paths, name: str, container_id: str) -> None:
    """Give `name` back if it is still this container's."""
    if name_holder(paths, name) == container_id:
        os.unlink(f"{_names(paths)}/{name}")


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 64 and not text.strip("0123456789abcdef")


def ids(paths: Paths) -> list[str]:
    """The ids of all containers, in no order."""
    try:
        return [name for name in os.listdir(paths.containers) if len(name) == 64 and _is_id(name)]
    except FileNotFoundError:
        return []


def _damaged(container_id: str) -> CorruptState:
    return CorruptState(
        f"reading container {container_id[:12]}: its container.json is damaged",
        hint=f"remove it: crunpy rm -f {container_id[:12]}",
    )


def load(paths: Paths, container_id: str) -> Container:
    """The container with this full id.  Raises NotFound, CorruptState."""
    try:
        record = jsonfile.read(paths.container(container_id) + "/container.json")
    except FileNotFoundError:
        if os.path.isdir(paths.container(container_id)):
            raise _damaged(container_id) from None
        raise NotFound(f"no such container: {container_id}") from None
    except CorruptState as e:
        raise _damaged(container_id) from e
    if not isinstance(record, dict) or record.get("id") != container_id:
        raise _damaged(container_id)
    if record.get("version") in (1, 2):
        from crun_py.upgrade import upgraded

        try:
            record = upgraded(record)
        except (LookupError, ValueError, TypeError, AttributeError, InvalidArgument):
            raise _damaged(container_id) from None
    if not fits(record, RECORD) or not record["args"]:
        raise _damaged(container_id)
    return Container(paths, record)


def resolve(paths: Paths, text: str) -> str:
    """The full id that a name, an id or a unique prefix of an id means.

    Raises NotFound, or InvalidArgument when several ids begin so.
    """
    if "/" in text or text in ("", ".", ".."):
        raise NotFound(f"no such container: {text}")
    holder = name_holder(paths, text)
    if holder and os.path.isdir(paths.container(holder)):
        return holder
    if _is_id(text):
        if len(text) == 64 and os.path.isdir(paths.container(text)):
            return text
        matches = [i for i in ids(paths) if i.startswith(text)]
        if len(matches) > 1:
            raise InvalidArgument(f"container id {text}: {len(matches)} containers begin so")
        if matches:
            return matches[0]
    raise NotFound(f"no such container: {text}", hint="crunpy ps -a lists them")


def find(paths: Paths, text: str) -> Container:
    """The container that `text` means.  Raises NotFound, InvalidArgument, CorruptState."""
    return load(paths, resolve(paths, text))


def latest(paths: Paths) -> Container:
    """The container created last.  Raises NotFound when there is none."""
    found = every(paths)
    if not found:
        raise NotFound("there is no container")
    return found[0]


def every(
    paths: Paths, broken: list[str] | None = None, among: set[str] | None = None
) -> list[Container]:
    """All containers, newest first.  Unreadable ones are left out; their ids go to `broken`.

    among: only those with these ids."""
    found = []
    for container_id in ids(paths) if among is None else among:
        try:
            found.append(load(paths, container_id))
        except NotFound:
            continue  # removed just now
        except CorruptState:
            if broken is not None:
                broken.append(container_id)
    found.sort(key=lambda c: str(c.record["created"]), reverse=True)
    return found
