"""What a build shows: steps and the output of RUN as docker's classic builder has them."""

from __future__ import annotations

import os
import sys

from crun_py import jsonfile, outfile
from crun_py.cli.output import write
from crun_py.engine.build import Show
from crun_py.errors import CrunpyError, printable
from crun_py.record import fields_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.ignore import Ignore
    from crun_py.build.request import BuildEvent, BuildRequest
    from crun_py.build.stages import Stages
    from crun_py.build.syntax import Dockerfile
    from crun_py.oci.store.image import Image


_KEPT_BYTES = 1 << 20


class Quiet(Show):
    """Nothing but the image's id; what RUN said is shown when a build fails."""

    def __init__(self) -> None:
        self._said: dict[str, bytes] = {}  # by stage, of the step at work: its end

    def tell(self, event: BuildEvent) -> None:
        if event.kind in ("step", "done"):
            self._said.pop(event.stage, None)
        elif event.kind == "output":
            said = self._said.get(event.stage, b"") + event.data
            self._said[event.stage] = said if len(said) < 2 * _KEPT_BYTES else said[-_KEPT_BYTES:]

    def failed(self, error: CrunpyError) -> None:
        for said in self._said.values():
            _write_all(2, said[-_KEPT_BYTES:])
        show_place(error)

    def built(self, image: Image, request: BuildRequest) -> None:
        write("sha256:" + image.id)


class Plain(Show):
    """A line for each step."""

    def __init__(self, out: int = 1, err: int = 2) -> None:
        self._streams = {1: out, 2: err}
        self._open = False  # whether RUN left a line without an end
        self._containers: dict[str, str] = {}  # of the RUN at work, by stage

    def tell(self, event: BuildEvent) -> None:
        act = getattr(self, "_" + event.kind, None)
        if act:
            act(event)

    def _line(self, text: str) -> None:
        data = ("\n" if self._open else "") + text + "\n"
        self._open = False
        _write_all(self._streams[1], data.encode(errors="backslashreplace"))

    def _step(self, event: BuildEvent) -> None:
        self._line(f"Step {event.number}/{event.total} : {printable_lines(event.text)}")

    def _cached(self, event: BuildEvent) -> None:
        self._line(" ---> Using cache")

    def _would(self, event: BuildEvent) -> None:
        self._line(" ---> Would be carried out")

    def _container(self, event: BuildEvent) -> None:
        self._containers[event.stage] = event.text[:12]
        self._line(f" ---> Running in {event.text[:12]}")

    def _output(self, event: BuildEvent) -> None:
        data = event.data
        if len(self._containers) > 1:  # whose lines are these?
            name = event.stage.encode(errors="backslashreplace") + b": "
            data = b"".join(name + line for line in data.splitlines(keepends=True))
        self._open = not data.endswith(b"\n")
        _write_all(self._streams[event.stream], data)

    def _done(self, event: BuildEvent) -> None:
        if container := self._containers.pop(event.stage, ""):
            self._line(f" ---> Removed intermediate container {container}")
        self._line(f" ---> {event.text}")

    def _warning(self, event: BuildEvent) -> None:
        self._line(f"[Warning] {printable(event.text)}")

    def failed(self, error: CrunpyError) -> None:
        if self._open:
            os.write(1, b"\n")
        show_place(error)

    def built(self, image: Image, request: BuildRequest) -> None:
        self._line(f"Successfully built {image.id[:12]}")
        for name in request.names:
            from crun_py.oci.reference import parse

            self._line(f"Successfully tagged {parse(name).familiar}")


class Raw(Show):
    """An event a line, as JSON; the last one tells the image."""

    def tell(self, event: BuildEvent) -> None:
        fields = {**fields_of(event), "data": event.data.decode("utf-8", "replace")}
        write(jsonfile.dumps({key: value for key, value in fields.items() if value}))
        sys.stdout.flush()

    def failed(self, error: CrunpyError) -> None:
        write(jsonfile.dumps({"kind": "error", "text": error.message}))

    def built(self, image: Image, request: BuildRequest) -> None:
        write(jsonfile.dumps({"kind": "built", "text": "sha256:" + image.id}))


def printable_lines(text: str) -> str:
    """`text`, which may have several lines, as a terminal may show it."""
    return "\n".join(printable(line) for line in text.split("\n"))


def show_place(error: CrunpyError) -> None:
    """The lines of the Dockerfile around what failed."""
    shown = getattr(error, "shown", "")
    if shown:
        os.write(2, (shown + "\n").encode(errors="backslashreplace"))


def _write_all(fd: int, data: bytes) -> None:
    from crun_py.container.attach import write_all

    write_all(fd, memoryview(data))


class Logged(Plain):
    """The same, into a file."""

    def __init__(self, path: str) -> None:
        self._fd = outfile.create(path)
        super().__init__(self._fd, self._fd)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def warned(dockerfile: Dockerfile, stages: Stages, ignore: Ignore) -> int:
    """Print what docker's build checks say; how many warnings that are."""
    from crun_py.build import check as checks

    found = checks.warnings(dockerfile, stages, ignore=ignore)
    for warning in found:
        write(f"WARNING: {warning.rule} - {dockerfile.name}:{warning.line}")
        write(printable(warning.text))
        write(dockerfile.source.excerpt(warning.line))
        write("")
    return len(found)


def checked(count: int) -> int:
    """--check: what is said at the end, and the exit status."""
    number = f"{count} warning{'s' if count > 1 else ''}" if count else "no warnings"
    write(f"Check complete, {number} found.")
    return 1 if count else 0
