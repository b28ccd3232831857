"""crunpy rmi."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.context import Context, write
from crun_py.cli.each import each
from crun_py.oci.store import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "IMAGE..."
OPTIONS = (
    ("-f --force", "flag", "Remove it though it has several names or a stopped container", ""),
    ("--no-prune", "flag", "Accepted; layers in use always stay", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print Docker's Untagged: and Deleted: lines."""
    context.enter()
    store = ImageStore(context.paths)
    users: dict[str, list[str]] = {}
    for container in state.every(context.paths):
        users.setdefault(container.record["image_id"], []).append(container.id[:12])

    def act(name: str) -> None:
        lines = store.remove(name, force=values["force"], in_use=lambda i: users.get(i, []))
        for line in lines:
            write(line)

    return each(arguments, act)
