"""A build on a terminal: what has been done above, what runs below, with its last lines."""

from __future__ import annotations

import time

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from crun_py.cli.build.display import show_place
from crun_py.engine.build import Show
from crun_py.errors import CrunpyError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.build.request import BuildEvent, BuildRequest
    from crun_py.oci.store.image import Image

_LINES = 6
_KEPT_LINES = 10_000
_EVERY_S = 0.1


class _Running:
    """A step at work."""

    def __init__(self, event: BuildEvent) -> None:
        self.event = event
        self.begun = time.monotonic()
        self.cached = False
        self.lines: list[str] = []
        self._rest = ""

    @property
    def title(self) -> str:
        text = printable(self.event.text.partition("\n")[0])
        return f"[{self.event.number}/{self.event.total}] {text}"

    @property
    def seconds(self) -> str:
        return f"{time.monotonic() - self.begun:.1f}s"

    def said(self, data: bytes) -> None:
        """Output of RUN: whole lines, and of a line that is written anew the last state."""
        text = self._rest + data.decode("utf-8", "replace")
        *whole, self._rest = text.split("\n")
        self.lines += [printable(line.rpartition("\r")[2]) for line in whole]
        if len(self.lines) > 2 * _KEPT_LINES:
            self.lines = self.lines[-_KEPT_LINES:]

    def everything(self) -> list[str]:
        return [*self.lines, *([printable(self._rest)] if self._rest else [])]


class Terminal(Show):
    """The display; to be used in a `with`."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(
            console=self._console, refresh_per_second=1 / _EVERY_S, transient=True,
            get_renderable=self._picture,
        )  # fmt: skip

    def __enter__(self) -> Terminal:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def _picture(self) -> Group:
        return Group(*self._rows())

    def _rows(self) -> Iterator[Text]:
        for running in list(self._running.values()):
            row = Text(f" ⠿ {running.title} ", style="cyan", no_wrap=True, overflow="ellipsis")
            row.append(running.seconds, style="bold")
            yield row
            for line in running.everything()[-_LINES:]:
                yield Text(f"   {line}", style="dim", no_wrap=True, overflow="ellipsis")

    def tell(self, event: BuildEvent) -> None:
        """Show what happened."""
        running = self._running.get(event.stage)
        if event.kind == "step":
            self._running[event.stage] = _Running(event)
        elif event.kind == "warning":
            self._console.print(Text(f" ! {printable(event.text)}", style="yellow"))
        elif running is None:
            return
        elif event.kind == "cached":
            running.cached = True
        elif event.kind == "output":
            running.said(event.data)
        elif event.kind == "done":
            del self._running[event.stage]
            self._finished(running)

    def _finished(self, running: _Running) -> None:
        row = Text(f" ✔ {running.title} ", style="green", no_wrap=True, overflow="ellipsis")
        row.append("CACHED" if running.cached else running.seconds, style="bold")
        self._console.print(row)

    def failed(self, error: CrunpyError) -> None:
        """The steps that did not end, with all that they said."""
        self._live.stop()
        for running in self._running.values():
            self._console.print(Text(f" ✘ {running.title}", style="red"))
            for line in running.everything():
                self._console.print(Text(f"   {line}"), soft_wrap=True)
        self._running = {}
        show_place(error)

    def built(self, image: Image, request: BuildRequest) -> None:
        """The end."""
        from crun_py.oci.reference import parse
        from crun_py.show.listing import human_size

        self._live.stop()
        names = ", ".join(parse(name).familiar for name in request.names)
        text = f" ✔ built {image.id[:12]} ({human_size(image.size)})"
        self._console.print(Text(text + (f" {names}" if names else ""), style="bold green"))
