"""crunpy volume mount."""

from __future__ import annotations

from crun_py import volumes
from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.container import mounts
from crun_py.engine.context import Context
from crun_py.show import volume_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "VOLUME..."
OPTIONS = ()


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print the directory where each volume's files are: it is there all the time."""
    mounts.require_namespace("volume mount")

    def act(text: str) -> None:
        name = volume_list.resolve(context.paths, text)
        write(volumes.data_directory(context.paths, name))

    return each(arguments, act, 1)
