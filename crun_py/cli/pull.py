"""crunpy pull, and the pull that run and create may begin with."""

from __future__ import annotations

import os

from crun_py.cli import reach
from crun_py.cli.context import Context, write, write_error
from crun_py.oci.reference import parse
from crun_py.oci.store import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.oci.access import Access
    from crun_py.oci.store import Image

ARGUMENTS = "IMAGE..."
OPTIONS = (
    ("-q --quiet", "flag", "No progress", ""),
    ("--platform", "value", "OS/ARCH[/VARIANT] to choose", "PLATFORM"),
    *reach.OPTIONS,
)


def shown(text: str) -> str:
    """A reference as messages show it: docker's short form with its tag."""
    return parse(text).familiar


def fetch(
    context: Context,
    text: str,
    *,
    quiet: bool,
    platform: str | None = None,
    access: Access | None = None,
) -> Image:
    """Pull with a progress display on a terminal, plain lines elsewhere."""
    from crun_py.cli import progress
    from crun_py.oci import pull

    with progress.display(quiet=quiet, terminal=os.isatty(2)) as report:
        return pull.pull(
            context.paths,
            text,
            platform=platform,
            access=access,
            progress=report,
        )


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Pull each image; prints docker's last line, or the id with -q."""
    access = reach.access(values)
    context.enter()
    for text in arguments:
        reference = parse(text)
        if not values["quiet"]:
            write_error(f"{reference.tag or reference.digest}: Pulling from {reference.repository}")
        before = ImageStore(context.paths).lookup(text)
        image = fetch(
            context,
            text,
            quiet=values["quiet"],
            platform=values["platform"],
            access=access,
        )
        if values["quiet"]:
            write("sha256:" + image.id)
            continue
        write(f"Digest: {image.source or image.digest}")
        same = before is not None and before.digest == image.digest
        what = "Image is up to date for" if same else "Downloaded newer image for"
        write(f"Status: {what} {reference.familiar}")
        write(str(reference))
    return 0
