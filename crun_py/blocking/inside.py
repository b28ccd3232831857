# Written by tools/blocking.py from crun_py/aio: change it there.

"""What is done inside of a container: commands, streams, files, and what is seen of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, overload

from crun_py.blocking.streams import Attached
from crun_py.errors import Conflict
from crun_py.library import options, values
from crun_py.library.create_options import Pathname, Variables, Words
from crun_py.library.values import OnOutput, Ran, expect
from crun_py.model.files import FileChange
from crun_py.model.running import ProcessTable
from crun_py.model.state import ContainerInfo, Finished, LogEntry
from crun_py.model.stats import Stats
from crun_py.worker.channel import Worker


class Inside:
    """Of `Container`: what is done inside of it."""

    def __init__(self, worker: Worker, info: ContainerInfo) -> None:
        self._worker = worker
        self.info = info

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return self.info.id

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
        on_output: OnOutput = None,
    ) -> Ran:
        """Run a command in it, and wait for its end.

        input: what it reads.  timeout: seconds until it is killed, with exit code 137.
        check: raise ContainerError for another exit code than 0.  on_output: is given what it
        writes as it comes, as ("stdout" or "stderr", bytes), which is not returned then.
        Raises Conflict when the container does not run, CommandError when there is no such command.
        """
        request = options.exec_request(
            command, environment=environment, user=user, working_dir=working_dir,
            privileged=privileged, tty=tty, stdin_open=input is not None,
        )  # fmt: skip
        done = self._worker.call(
            "execute.captured", self.id, request, stdin=input or b"", timeout_s=timeout,
            live=on_output is not None, on_event=values.listener(None, on_output),
        )  # fmt: skip
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

    def mount(self) -> str:
        """Show its files at a path of the host, which is returned.  Raises Unsupported for a plain
        user."""
        return expect(str, self._worker.call("files.mount", self.id))

    def unmount(self) -> None:
        """Undo `mount`."""
        self._worker.call("files.unmount", self.id)

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
            changes=options.texts(changes, "changes"), pause=pause, squash=squash,
        )  # fmt: skip
        return expect(str, made)

    # ---- looking at it ----

    def top(self, columns: Iterable[str] = ()) -> ProcessTable:
        """Its processes; columns: podman's words (user, pid, args …), or options of ps(1)."""
        found = self._worker.call(
            "inspection.processes", self.id, options.texts(columns, "columns")
        )
        return expect(ProcessTable, found)

    def stats(self) -> Stats:
        """What it uses now.  Raises Conflict when it does not run."""
        found = values.every(Stats, self._worker.call("usage.once", (self.id,)))
        if not found:
            raise Conflict(f"looking at {values.named(self.info)}: it does not run")
        return found[0]
