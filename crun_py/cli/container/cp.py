"""crunpy cp: copy files between a container and the host, or between containers."""

from __future__ import annotations

import os
import sys

from crun_py.cli.output import write_error
from crun_py.engine import files
from crun_py.engine.context import Context
from crun_py.errors import printable
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "SOURCE TARGET"
OPTIONS = (
    ("-a --archive", "flag", "Keep the ids of owners and groups", ""),
    ("-L --follow-link", "flag", "Follow a symbolic link named as SOURCE", ""),
    ("-q --quiet", "flag", "Do not say what was copied", ""),
    ("--pause", "switch", "Stop the container's processes meanwhile, where the host can", ""),
    ("--overwrite", "flag", "Let directories and other files replace each other", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Copy; what was copied is told on a terminal only."""
    source, target = arguments
    copied = files.copy(
        context,
        source,
        target,
        archive=values.flag("archive"),
        follow=values.flag("follow_link"),
        overwrite=values.flag("overwrite"),
        pause=bool(values.switch("pause")),
        stream=sys.stdin.buffer if source == "-" else sys.stdout.buffer,
    )
    if not values.flag("quiet") and not copied.to_stream and os.isatty(2):
        target = printable(copied.target)
        write_error(f"Successfully copied {human_size(copied.size_bytes)} to {target}")
    return 0
