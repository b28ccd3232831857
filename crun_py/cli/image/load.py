"""crunpy load."""

from __future__ import annotations

from crun_py.cli import progress
from crun_py.cli.output import write
from crun_py.cli.streams import refuse_terminal
from crun_py.engine import exchange
from crun_py.engine.context import Context
from crun_py.oci.reference import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-i --input", "value", "Archive or directory to read (standard input)", "PATH"),
    ("-q --quiet", "flag", "No progress", ""),
    ("--platform", "value", "Which image of a multi-platform one", "PLATFORM"),
    progress.OPTION,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Take in the images; a line for each."""
    if not values.text("input"):
        refuse_terminal(0, "loading", "-i")
    progress.show(context, progress.kind_of(values), progress.PULLED)
    for image in exchange.load(
        context, values.text("input") or 0, platform=values.maybe("platform")
    ):
        for name in image.names:
            write(f"Loaded image: {parse(name).familiar}")
        if not image.names:
            write(f"Loaded image ID: sha256:{image.id}")
    return 0
