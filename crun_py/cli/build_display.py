"""What a build shows: steps and the output of RUN as docker's classic builder has them."""

from __future__ import annotations

import os
from contextlib import contextmanager

from crun_py.build.request import BuildError
from crun_py.cli.context import write
from crun_py.errors import CrunpyError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from crun_py.build.ignore import Ignore
    from crun_py.build.request import BuildRequest, Event
    from crun_py.build.stages import Stages
    from crun_py.build.syntax import Dockerfile
    from crun_py.oci.image import Image


class Quiet:
    """Nothing but the image's id; what RUN said is shown when a build fails."""

    def __init__(self) -> None:
        self._said: list[Event] = []

    def tell(self, event: Event) -> None:
        if event.kind == "step":
            self._said = []
        elif event.kind == "output":
            self._said.append(event)

    def failed(self, error: CrunpyError) -> None:
        for event in self._said:
            os.write(2, event.data)
        show_place(error)

    def built(self, image: Image, request: BuildRequest) -> None:
        write("sha256:" + image.id)


class Plain:
    """A line for each step."""

    def __init__(self) -> None:
        self._stage = ""
        self._open = False  # whether RUN left a line without an end

    def tell(self, event: Event) -> None:
        act = getattr(self, "_" + event.kind, None)
        if act:
            act(event)

    def _line(self, text: str) -> None:
        data = ("\n" if self._open else "") + text + "\n"
        self._open = False
        os.write(1, data.encode(errors="backslashreplace"))

    def _step(self, event: Event) -> None:
        self._line(f"Step {event.number}/{event.total} : {printable_lines(event.text)}")

    def _cached(self, event: Event) -> None:
        self._line(" ---> Using cache")

    def _container(self, event: Event) -> None:
        self._line(f" ---> Running in {event.text[:12]}")

    def _output(self, event: Event) -> None:
        self._open = not event.data.endswith(b"\n")
        _write_all(event.stream, event.data)

    def _done(self, event: Event) -> None:
        self._line(f" ---> {event.text}")

    def _warning(self, event: Event) -> None:
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


@contextmanager
def display(
    values: dict[str, Any], stages: Stages, request: BuildRequest
) -> Iterator[Quiet | Plain]:
    """What shows the build, by --progress and --quiet."""
    if values["quiet"] or values["progress"] in ("quiet", "none"):
        yield Quiet()
        return
    yield Plain()


def check(dockerfile: Dockerfile, stages: Stages, ignore: Ignore) -> int:
    """--check: print the warnings; 1 if there are some."""
    from crun_py.build import check as checks

    found = checks.warnings(dockerfile, stages, ignore=ignore)
    for warning in found:
        write(f"WARNING: {warning.rule} - {dockerfile.name}:{warning.line}")
        write(printable(warning.text))
        write(dockerfile.source.excerpt(warning.line))
        write("")
    if not found:
        write("Check complete, no warnings found.")
        return 0
    write(f"Check complete, {len(found)} warning{'s' if len(found) > 1 else ''} found.")
    return 1


__all__ = ["BuildError", "Plain", "Quiet", "check", "display", "show_place"]
