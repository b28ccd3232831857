"""What a container is, and what became of it."""

from __future__ import annotations

from crun_py.model.network import Attachment, PortMapping
from crun_py.record import record


@record
class MountPoint:
    """Something that is mounted in a container.

    type: bind, volume or image; name: of a volume or image; source: a path of the host.
    """

    type: str
    name: str
    source: str
    target: str
    read_only: bool


@record
class ContainerInfo:
    """A container.

    id: 64 hex digits.  image: the name it was made of; image_id: hex digits.
    created_at, started_at, finished_at: RFC 3339 in UTC, "" where there is none.
    state: created, initialized, running, paused, stopping, restarting or exited; unknown where it
    runs with another engine that has this store.
    pid: of its first process on the host, 0 where it has none.  exit_code: of its last end, 0
    before.  error: why it could not be started.  health: starting, healthy or unhealthy, ""
    without a check or where it does not run.
    ports: published ones, where they really are; ip_address, gateway, mac_address: of its first
    network while it runs; networks: how it is connected to each of them then.  network_mode: as
    CreateRequest's.  pod: the id of its pod, "" for none; infra: it holds what that shares.
    """

    id: str
    name: str
    image: str
    image_id: str
    command: tuple[str, ...]
    created_at: str
    state: str
    pid: int
    exit_code: int
    started_at: str
    finished_at: str
    oom_killed: bool
    error: str
    health: str
    restart_count: int
    ports: tuple[PortMapping, ...]
    ip_address: str
    gateway: str
    mac_address: str
    networks: tuple[Attachment, ...]
    network_mode: str
    labels: dict[str, str]
    mounts: tuple[MountPoint, ...]
    tty: bool
    open_stdin: bool
    stdin_once: bool
    auto_remove: bool
    pod: str
    infra: bool

    @property
    def running(self) -> bool:
        """Whether its processes are there (also when they are paused)."""
        return self.state in ("running", "paused", "stopping")


@record
class Finished:
    """A command that has ended.  container: the id of the container that it was, or was in."""

    container: str
    exit_code: int
    stdout: bytes
    stderr: bytes


@record
class Started:
    """A container runs now.  container: its id or name."""

    container: str


@record
class Output:
    """Told of a command while it runs: what it wrote.  stream: "stdout" or "stderr"."""

    stream: str
    data: bytes


@record
class LogEntry:
    """What a container wrote: a line, or the part of one.

    stream: stdout or stderr.  time: RFC 3339 in UTC.  text: with its newline, if it ended there.
    """

    stream: str
    time: str
    text: str
