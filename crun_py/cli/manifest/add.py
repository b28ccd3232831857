"""crunpy manifest add."""

from __future__ import annotations

from crun_py.cli import reach
from crun_py.cli.output import write
from crun_py.engine import manifests
from crun_py.engine.context import Context
from crun_py.model.registry import EntryChange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

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


def change_of(values: Values) -> EntryChange:
    """What the options say of an entry."""
    return EntryChange(
        os=values.text("os"),
        architecture=values.text("arch"),
        variant=values.text("variant"),
        os_version=values.text("os_version"),
        os_features=tuple(values.texts("os_features")),
        features=tuple(values.texts("features")),
        annotations=tuple(values.texts("annotation")),
    )


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Add images; prints the list's digest."""
    name, *images = arguments
    change, how = change_of(values), reach.of(values)
    for image in images:
        digest = manifests.add(
            context, name, image, change, everything=values.flag("all"), reach=how
        )
    write(digest)
    return 0
