# Written by tools/blocking.py from crun_py/aio: change it there.

"""One container."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Literal, overload

from crun_py.blocking.streams import Attached
from crun_py.errors import Conflict
from crun_py.library import options, values
from crun_py.library.options import Pathname, Variables, Words
from crun_py.library.values import PublishedPorts, Ran, expect
from crun_py.model.container import Limits, RestartPolicy
from crun_py.model.files import FileChange
from crun_py.model.running import ProcessTable
from crun_py.model.state import ContainerInfo, Finished, LogEntry
from crun_py.model.stats import Stats
from crun_py.options.parts import restart_policy
from crun_py.worker.channel import Worker


class Container:
    """A container.  As a context manager it is removed at the end of the block, with its anonymous
    volumes, whatever became of it.

    info: what was known of it when it was last looked at, by `reload` or by what was done to it
    here; the other attributes are taken from there.
    """

    def __init__(self, worker: Worker, info: ContainerInfo) -> None:
        self._worker = worker
        self.info = info

    def __repr__(self) -> str:
        return f"<Container {self.info.name} {self.id[:12]} {self.info.state}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Container) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return self.info.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.info.name

    @property
    def state(self) -> str:
        """created, initialized, running, paused, stopping, restarting or exited."""
        return self.info.state

    @property
    def running(self) -> bool:
        """Whether its processes are there."""
        return self.info.running

    @property
    def exit_code(self) -> int:
        """Of its last end; 0 before."""
        return self.info.exit_code

    @property
    def labels(self) -> dict[str, str]:
        """Its labels and its image's."""
        return dict(self.info.labels)

    @property
    def ports(self) -> PublishedPorts:
        """Where its published ports are on the host: `ports[80].host_port`."""
        return PublishedPorts(self.info.ports)

    @property
    def ip_address(self) -> str:
        """On its network, "" while it does not run or where it has none of its own."""
        return self.info.ip_address

    def reload(self) -> ContainerInfo:
        """What is true now.  Raises NotFound when it has been removed."""
        self.info = expect(ContainerInfo, self._worker.call("status.container", self.id))
        return self.info

    # ---- its life ----

    def start(self) -> None:
        """Start it; nothing if it runs.  Raises CommandError when its command cannot be run."""
        self._worker.call("run.start", self.id)
        self.reload()

    def stop(self, timeout: int | None = None, *, signal: int | None = None) -> None:
        """Stop it; nothing if it does not run.

        timeout: seconds until SIGKILL, -1 for never; signal: what asks it to end.  None for what
        it was created with.
        """
        self._worker.call("containers.stop", self.id, timeout_s=timeout, signal=signal)
        if not self.info.auto_remove:
            self.reload()

    def restart(self, timeout: int | None = None) -> None:
        """Stop it if it runs, and start it."""
        self._worker.call("containers.restart", self.id, timeout_s=timeout)
        self.reload()

    def kill(self, signal: int = 9) -> None:
        """Send a signal to its first process.  Raises Conflict when it does not run."""
        self._worker.call("containers.kill", self.id, signal)

    def pause(self) -> None:
        """Let its processes stand still.  Raises Unsupported without a cgroup v2."""
        self._worker.call("containers.pause", self.id)
        self.reload()

    def unpause(self) -> None:
        """Let them go on."""
        self._worker.call("containers.unpause", self.id)
        self.reload()

    def rename(self, name: str) -> None:
        """Give it another name.  Raises Conflict when that is taken."""
        self._worker.call("containers.rename", self.id, name)
        self.reload()

    def update(
        self, limits: Limits | None = None, *, restart: str | RestartPolicy | None = None
    ) -> None:
        """Change its limits and restart policy, now and for later starts."""
        policy = restart_policy(restart) if isinstance(restart, str) else restart
        self._worker.call("containers.update", self.id, limits or Limits(), policy)

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it.

        force: kill it first if it runs; volumes: with its anonymous volumes.  Raises Conflict when
        it runs.
        """
        self._worker.call("containers.remove", self.id, force=force, volumes=volumes)

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        code = values.exit_code(self._worker.call("waiting.wait", self.id))
        if not self.info.auto_remove:
            self.reload()
        return code

    def wait_until(
        self,
        *,
        healthy: bool = False,
        port: int | None = None,
        log: str | None = None,
        timeout: float = 60,
    ) -> None:
        """Return when all that is asked for is true.

        healthy: its health check has passed.  port: something in it listens there (TCP).  log: a
        regular expression that a line of its output matches.  timeout: seconds.
        Raises TimedOut, Conflict when it has ended meanwhile.
        """
        self._worker.call(
            "ready.wait_until", self.id, healthy=healthy, port=port or 0, log=log or "",
            timeout_s=float(timeout),
        )  # fmt: skip
        self.reload()

    # ---- commands and streams ----

    def exec(
        self,
        command: Words,
        *,
        input: bytes | None = None,
        environment: Variables = (),
        user: str | int = "",
        working_dir: str = "",
        privileged: bool = False,
        tty: bool = False,
        timeout: float | None = None,
        check: bool = False,
    ) -> Ran:
        """Run a command in it, and wait for its end.

        input: what it reads.  timeout: seconds until it is killed, with exit code 137.
        check: raise ContainerError for another exit code than 0.
        Raises Conflict when the container does not run, CommandError when there is no such command.
        """
        request = options.exec_request(
            command, environment=environment, user=user, working_dir=working_dir,
            privileged=privileged, tty=tty, stdin_open=input is not None,
        )  # fmt: skip
        done = self._worker.call(
            "execute.captured", self.id, request, stdin=input or b"", timeout_s=timeout
        )
        what = f"{request.command[0]} in {values.named(self.info)}"
        return values.checked(expect(Finished, done), what, check)

    def exec_detached(
        self,
        command: Words,
        *,
        environment: Variables = (),
        user: str | int = "",
        working_dir: str = "",
        privileged: bool = False,
    ) -> None:
        """Start a command in it, for which nobody waits."""
        request = options.exec_request(
            command, environment=environment, user=user, working_dir=working_dir,
            privileged=privileged, detach=True,
        )  # fmt: skip
        self._worker.call("execute.detached", self.id, request)

    def exec_attached(
        self,
        command: Words,
        *,
        stdin: bool = True,
        environment: Variables = (),
        user: str | int = "",
        working_dir: str = "",
        privileged: bool = False,
        tty: bool = False,
    ) -> Attached:
        """A context manager: a command runs in it, with its streams as files."""
        request = options.exec_request(
            command, environment=environment, user=user, working_dir=working_dir,
            privileged=privileged, tty=tty, stdin_open=stdin,
        )  # fmt: skip
        return Attached(self._worker, "execute.streamed", (self.id, request), reads=stdin)

    def attach(self, *, start: bool = False) -> Attached:
        """A context manager: its streams as files, from now on.

        start: it is started then, so that nothing is missed.
        """
        call = "run.started_streamed" if start else "run.streamed"
        return Attached(self._worker, call, (self.id,), reads=self.info.open_stdin)

    @overload
    def logs(
        self, *, follow: Literal[False] = ..., tail: int | None = ..., timestamps: bool = ...,
        since: float | str | None = ..., until: float | str | None = ...,
        stdout: bool = ..., stderr: bool = ...,
    ) -> bytes: ...  # fmt: skip

    @overload
    def logs(
        self, *, follow: Literal[True], tail: int | None = ..., timestamps: bool = ...,
        since: float | str | None = ..., until: float | str | None = ...,
        stdout: bool = ..., stderr: bool = ...,
    ) -> Iterator[bytes]: ...  # fmt: skip

    def logs(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since: float | str | None = None,
        until: float | str | None = None,
        stdout: bool = True,
        stderr: bool = True,
    ) -> bytes | Iterator[bytes]:
        """What it wrote.

        follow: an iterator of lines, which goes on until the container has ended; otherwise all
        that is there.  tail: only so many of the last lines.  since, until: seconds since 1970, RFC
        3339, or a span ago like 5m.  timestamps: each line begins with its time.
        Raises Unsupported for a container whose log is not kept.
        """
        wanted = {name for name, asked in (("stdout", stdout), ("stderr", stderr)) if asked}
        found = self._entries(
            wanted, timestamps, follow, tail, options.point_ns(since), options.point_ns(until)
        )
        if follow:
            return found
        kept = []
        for line in found:
            kept.append(line)
        return b"".join(kept)

    def _entries(
        self,
        wanted: set[str],
        timestamps: bool,
        follow: bool,
        tail: int | None,
        since_ns: int | None,
        until_ns: int | None,
    ) -> Iterator[bytes]:
        with self._worker.stream(
            "logs.read", self.id, follow=follow, tail=tail, since_ns=since_ns, until_ns=until_ns
        ) as found:
            for item in found:
                entry = expect(LogEntry, item)
                if entry.stream in wanted:
                    yield values.line(entry, timestamps)

    # ---- files ----

    def copy_in(self, source: Pathname, target: Pathname) -> None:
        """Copy a file or directory of the host into it; target as `cp` has it."""
        self._worker.call("files.copy", options.host_path(source), values.path_in(self.id, target))

    def copy_out(self, source: Pathname, target: Pathname) -> None:
        """Copy a file or directory out of it; `target` is the caller's path."""
        self._worker.call("files.copy", values.path_in(self.id, source), options.host_path(target))

    def export(self, target: Pathname) -> None:
        """Write all its files, without its volumes, as a tar archive."""
        self._worker.call("files.export", self.id, options.absolute(target))

    def changes(self) -> list[FileChange]:
        """What it has changed in its files since it was created."""
        return values.every(FileChange, self._worker.call("inspection.changes", self.id))

    def commit(
        self,
        image: str = "",
        *,
        author: str = "",
        message: str = "",
        changes: Iterable[str] = (),
        pause: bool | None = None,
        squash: bool = False,
    ) -> str:
        """Make an image of it as it is now; the image's id.

        changes: Dockerfile instructions.  pause: its processes stand still meanwhile; None: where
        the host can do that.  squash: one layer with everything.
        """
        made = self._worker.call(
            "files.commit", self.id, image=image, author=author, message=message,
            changes=tuple(changes), pause=pause, squash=squash,
        )  # fmt: skip
        return expect(str, made)

    # ---- looking at it ----

    def top(self, columns: Iterable[str] = ()) -> ProcessTable:
        """Its processes; columns: podman's words (user, pid, args …), or options of ps(1)."""
        found = self._worker.call("inspection.processes", self.id, tuple(columns))
        return expect(ProcessTable, found)

    def stats(self) -> Stats:
        """What it uses now.  Raises Conflict when it does not run."""
        found = values.every(Stats, self._worker.call("usage.once", (self.id,)))
        if not found:
            raise Conflict(f"looking at {values.named(self.info)}: it does not run")
        return found[0]

    # ---- with ----

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._worker.call("containers.remove", self.id, force=True, volumes=True, missing_ok=True)
