"""crunpy images."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.container.uses import ImageUsers
from crun_py.engine.context import Context
from crun_py.oci.store.images import ImageStore
from crun_py.show import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.rows import ImageRow
    from crun_py.values import Values

ARGUMENTS = "[REPOSITORY[:TAG]]"
OPTIONS = (
    ("-a --all", "flag", "All images", ""),
    ("-q --quiet", "flag", "Ids only", ""),
    ("--no-trunc", "flag", "Whole ids", ""),
    ("--digests", "flag", "Digests too", ""),
    (
        "-f --filter",
        "list",
        "Only some: dangling=, reference=, label=, before=, since=, until=",
        "KEY=VALUE",
    ),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
    ("--sort", "value", "By created, id, repository, size or tag (created)", "KEY"),
    ("--history", "flag", "A column of all names of the image", ""),
    ("-n --noheading", "flag", "Without the heading line", ""),
    ("--tree", "flag", "Below each image its platforms", ""),
)

COLUMNS = (
    ("REPOSITORY", "Repository"),
    ("TAG", "Tag"),
    ("IMAGE ID", "ID"),
    ("CREATED", "CreatedSince"),
    ("SIZE", "Size"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the table."""
    if values.text("format") == "json":
        from crun_py.cli import as_podman
        from crun_py.engine import libpod

        if as_podman.wrote(lambda: libpod.images(context, filters=values.texts("filter"))):
            return 0
    if values.flag("tree"):
        return _tree(values, arguments, context)
    used = any(text.startswith("containers=") for text in values.texts("filter"))
    rows = images.rows(
        ImageStore(context.paths),
        filters=values.texts("filter"),
        reference=arguments[0] if arguments else None,
        everything=values.flag("all"),
        whole=values.flag("no_trunc"),
        labels=any(w in values.text("format") for w in ("Labels", "json")),
        sort=values.text("sort") or "created",
        **({"in_use": ImageUsers(context.paths)} if used else {}),
    )
    tabulate(values, rows)
    return 0


def tabulate(values: Values, rows: list[ImageRow]) -> None:
    """Print rows of `show.images` as the options say."""
    columns: tuple[tuple[str, str], ...] = COLUMNS
    if values.flag("digests"):
        columns = (*COLUMNS[:2], ("DIGEST", "Digest"), *COLUMNS[2:])
    if values.flag("history"):
        columns = (*columns, ("HISTORY", "History"))
    if values.flag("quiet"):
        unique = {row["ID"]: row for row in rows}
        rows = list(unique.values())
    table.show(
        rows,
        columns,
        values.maybe("format"),
        quiet="ID" if values.flag("quiet") else "",
        heading=not values.flag("noheading"),
    )


def _tree(values: Values, arguments: list[str], context: Context) -> int:
    """Print the tree; docker refuses the same options beside it."""
    from crun_py.errors import InvalidArgument
    from crun_py.show import image_tree

    for name in ("quiet", "no_trunc", "digests", "format"):
        if values.given(name):
            raise InvalidArgument(f"images: --tree excludes --{name.replace('_', '-')}")
    store, users = ImageStore(context.paths), ImageUsers(context.paths)
    found = images.named(
        store, filters=values.texts("filter"), reference=arguments[0] if arguments else None,
        everything=values.flag("all"), in_use=users,
    )  # fmt: skip
    heading = [] if values.flag("noheading") else [[*image_tree.HEADING]]
    table.lay_out(heading + [[*row] for row in image_tree.rows(store, found, users)])
    return 0
