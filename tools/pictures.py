#!/usr/bin/env python3
"""Draw docs/pictures/*.svg: what commands print, in an engine of its own, as a terminal shows it.

Run by tools/in-test-namespace, as root.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

TOP = Path(__file__).resolve().parent.parent
sys.path.append(str(TOP / "tests"))
from engine import Engine  # noqa: E402
from mirror import mirror, short_directory  # noqa: E402

PICTURES = TOP / "docs/pictures"
_DOCKERFILE = 'FROM busybox\nRUN echo hello > /greeting\nCMD ["cat", "/greeting"]\n'


def draw(name: str, engine: Engine, *commands: tuple[str, ...]) -> None:
    """The picture NAME of these commands and what they print."""
    lines = []
    for command in commands:
        lines.append(Text("$ ", "bold green") + Text(" ".join(["crunpy", *command]), "bold"))
        done = engine.run(*command, cwd=engine.home)
        said = (done.out + done.err).replace(str(engine.root), "/var/lib/crunpy")
        said = re.sub(r"(kernel: [\d.]+)-\S+", r"\1", said)
        lines += [Text.from_ansi(line) for line in said.splitlines()]
    width = max(80, *(line.cell_len for line in lines))
    console = Console(record=True, width=width, file=io.StringIO())
    for line in lines:
        console.print(line)
    drawn = console.export_svg(title="crunpy", unique_id=name)
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)  # readers fetch nothing
    drawn = re.sub(r"<!-- .*? -->\n?| +$", "", drawn, flags=re.MULTILINE)
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.svg").write_text(drawn)


def main() -> None:
    base = short_directory("/tmp")
    with mirror(base) as registry:
        engine = Engine(base / "e", "", registry.conf, registry.host)
        (engine.home / "Dockerfile").write_text(_DOCKERFILE)
        try:
            engine.ok("run", "-d", "--name", "web", "-p", "8080:80", "nginx")
            engine.ok("run", "--name", "once", "busybox", "true")
            draw("ps", engine, ("ps", "-a"))
            draw("build", engine, ("build", "-t", "hello", "."), ("run", "--rm", "hello"))
            draw("images", engine, ("images",))
            draw("doctor", engine, ("doctor",))
        finally:
            engine.clean()
    shutil.rmtree(base)


if __name__ == "__main__":
    main()
