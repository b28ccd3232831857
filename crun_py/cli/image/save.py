"""crunpy save."""

from __future__ import annotations

import sys

from crun_py.cli.streams import refuse_terminal
from crun_py.engine import exchange
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "IMAGE..."
OPTIONS = (
    ("-o --output", "value", "File or directory to write (standard output)", "PATH"),
    ("--format", "value", "docker-archive, oci-archive, oci-dir or docker-dir", "FORMAT"),
    ("-m --multi-image-archive", "flag", "Accepted; several images are always possible", ""),
    ("-q --quiet", "flag", "Accepted; nothing is printed", ""),
    ("--compress", "flag", "Compress layers that are not (docker-dir only)", ""),
    ("--uncompressed", "flag", "Write layers without compression (as they are kept)", ""),
    ("--platform", "value", "Of manifest lists the image for that", "PLATFORM"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Write the images."""
    form = values.text("format") or "docker-archive"
    output = values.maybe("output")
    if not output:
        refuse_terminal(1, "saving", "-o")
    if values.flag("compress") and (form != "docker-dir" or values.flag("uncompressed")):
        raise InvalidArgument(
            "saving: --compress goes with --format docker-dir, without --uncompressed",
            hint="archives are compressed as a whole: crunpy save IMAGE | gzip",
        )
    compression = (
        "gzip" if values.flag("compress") else "none" if values.flag("uncompressed") else ""
    )
    sys.stdout.flush()
    exchange.save(
        context, arguments, output or 1, format=form, compression=compression,
        platform=values.text("platform"),
    )  # fmt: skip
    return 0
