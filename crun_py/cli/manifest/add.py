"""crunpy manifest add."""

from __future__ import annotations

from crun_py.cli import reach
from crun_py.cli.output import write
from crun_py.engine import manifests
from crun_py.engine.context import Context
from crun_py.model.registry import EntryChange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


def change_of(values: dict[str, Any]) -> EntryChange:
    """What the options say of an entry."""
    return EntryChange(
        os=values["os"] or "",
        architecture=values["arch"] or "",
        variant=values["variant"] or "",
        os_version=values["os_version"] or "",
        os_features=tuple(values["os_features"]),
        features=tuple(values["features"]),
        annotations=tuple(values["annotation"]),
    )


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Add images; prints the list's digest."""
    name, *images = arguments
    change, how = change_of(values), reach.of(values)
    for image in images:
        digest = manifests.add(context, name, image, change, everything=values["all"], reach=how)
    write(digest)
    return 0
