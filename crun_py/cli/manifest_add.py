"""crunpy manifest add."""

from __future__ import annotations

from crun_py.cli import reach
from crun_py.cli.output import write
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.oci.lists import Changes

ARGUMENTS = "LIST IMAGE..."
ABOUT = (
    ("--arch", "value", "Architecture, whatever the image says", "ARCH"),
    ("--os", "value", "Operating system", "OS"),
    ("--variant", "value", "Variant of the architecture", "VARIANT"),
    ("--os-version", "value", "Version of the operating system", "VERSION"),
    ("--os-features", "list", "Feature of the operating system", "FEATURE"),
    ("--features", "list", "Feature of the processor", "FEATURE"),
    ("--annotation", "list", "Annotation of the entry", "KEY=VALUE"),
)
OPTIONS = (
    ("--all", "flag", "All images of one that is a list itself", ""),
    *ABOUT,
    *reach.OPTIONS,
)


def changes_of(values: dict[str, Any]) -> Changes:
    """What the options say of an entry.  Raises InvalidArgument."""
    from crun_py.oci.lists import Changes

    platform = {
        "os": values["os"],
        "architecture": values["arch"],
        "variant": values["variant"],
        "os.version": values["os_version"],
        "os.features": values["os_features"],
        "features": values["features"],
    }
    return Changes(platform, values["annotation"])


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Add images; prints the list's digest."""
    from crun_py.oci.lists import Lists

    lists = Lists(context.paths, reach.access(values))
    changes = changes_of(values)
    for image in arguments[1:]:
        digest = lists.add(arguments[0], image, changes, everything=values["all"])
    write(digest)
    return 0
