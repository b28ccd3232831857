"""crunpy save."""

from __future__ import annotations

import sys

from crun_py import events
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.oci.store import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "IMAGE..."
OPTIONS = (
    ("-o --output", "value", "File or directory to write (standard output)", "PATH"),
    ("--format", "value", "docker-archive, oci-archive, oci-dir or docker-dir", "FORMAT"),
    ("-m --multi-image-archive", "flag", "Accepted; several images are always possible", ""),
    ("-q --quiet", "flag", "Accepted; nothing is printed", ""),
    ("--compress", "flag", "Compress layers that are not (docker-dir only)", ""),
    ("--uncompressed", "flag", "Write layers without compression (as they are kept)", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Write the images."""
    from crun_py.oci import gc, save, transport

    form = values["format"] or "docker-archive"
    if form not in save.FORMATS:
        raise InvalidArgument(f"saving as {form!r}: not known", hint=", ".join(save.FORMATS))
    output = values["output"]
    if not output and form not in save.ARCHIVES:
        raise InvalidArgument(f"saving as {form}: a directory is written", hint="-o DIRECTORY")
    if not output:
        transport.refuse_terminal(1, "saving", "-o")
    if values["compress"] and (form != "docker-dir" or values["uncompressed"]):
        raise InvalidArgument(
            "saving: --compress goes with --format docker-dir, without --uncompressed",
            hint="archives are compressed as a whole: crunpy save IMAGE | gzip",
        )
    compression = "gzip" if values["compress"] else "none" if values["uncompressed"] else ""
    with (
        gc.pulling(context.paths),
        save.gathered(context.paths, arguments, compression) as images,
    ):
        if output:
            save.save(images, form, output)
        else:
            sys.stdout.flush()
            save.to_descriptor(images, form, 1)
    gc.collect_if_wanted(context.paths)
    for name in arguments:
        events.image(context.paths, "save", ImageStore(context.paths).find(name).id, name)
    return 0
