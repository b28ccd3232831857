"""crunpy import: make an image of an archive of files: a file, a URL or - (standard input)."""

from __future__ import annotations

import sys

from crun_py.cli.output import write
from crun_py.cli.reach import platform_of
from crun_py.engine import exchange
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "ARCHIVE [IMAGE]"
OPTIONS = (
    ("-c --change", "list", "A Dockerfile instruction, like 'CMD [\"sh\"]'", "INSTRUCTION"),
    ("-m --message", "value", "A comment for the image's history", "TEXT"),
    ("--platform", "value", "OS/ARCH of the image", "PLATFORM"),
    ("--os", "value", "Operating system of the image", "OS"),
    ("--arch", "value", "Architecture of the image", "ARCH"),
    ("--variant", "value", "Variant of the architecture", "VARIANT"),
    ("-q --quiet", "flag", "Say nothing but the id", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Import and print the image's id."""
    if arguments[0] == "-" and sys.stdin.isatty():
        raise InvalidArgument("importing: no archive on standard input, which is a terminal")
    image_id = exchange.import_image(
        context,
        *arguments,
        message=values.text("message"),
        changes=values.texts("change"),
        platform=platform_of(values) or "",
        stream=sys.stdin.buffer,
    )
    write(f"sha256:{image_id}")
    return 0
