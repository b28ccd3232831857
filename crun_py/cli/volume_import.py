"""crunpy volume import: put the files of a tar archive into a volume."""

from __future__ import annotations

import os
import sys

from crun_py.cli.each import each
from crun_py.container import volume_archive
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.show import volume_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "VOLUME FILE"
OPTIONS = ()


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Extract; what the volume holds already stays."""
    text, source = arguments

    def act(text: str) -> None:
        name = volume_list.resolve(context.paths, text)
        if source == "-":
            fd = os.dup(sys.stdin.fileno())
        else:
            try:
                fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as e:
                raise InvalidArgument.from_os(f"importing {source}", e) from e
        context.enter()
        with os.fdopen(fd, "rb") as archive:
            volume_archive.import_(context.paths, name, archive.read, f"importing {source}")

    return each([text], act, 1)
