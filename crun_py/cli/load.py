"""crunpy load."""

from __future__ import annotations

from crun_py.cli import progress
from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.oci.reference import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = ""
OPTIONS = (
    ("-i --input", "value", "Archive or directory to read (standard input)", "PATH"),
    ("-q --quiet", "flag", "No progress", ""),
    ("--platform", "value", "Which image of a multi-platform one", "PLATFORM"),
    progress.OPTION,
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Take in the images; a line for each."""
    from crun_py.oci import load, transport

    path = values["input"] or ""
    if not path:
        transport.refuse_terminal(0, "loading", "-i")
    context.enter()
    with progress.display(progress.kind_of(values), progress.PULLED) as report:
        found = load.load(context.paths, path, platform=values["platform"], progress=report)
        for image, names in found:
            for name in names:
                write(f"Loaded image: {parse(name).familiar}")
            if not names:
                write(f"Loaded image ID: sha256:{image.id}")
    return 0
