"""crunpy rmi."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.cli.output import write, write_error
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument, NotFound
from crun_py.oci.store import ImageStore
from crun_py.show import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.state import Container

ARGUMENTS = "[IMAGE...]"
OPTIONS = (
    ("-a --all", "flag", "All images", ""),
    ("-f --force", "flag", "Also one with several names; stopped containers go with it", ""),
    ("-i --ignore", "flag", "What is not there is no error", ""),
    ("--no-prune", "flag", "Accepted; layers in use always stay", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print Docker's Untagged: and Deleted: lines."""
    store = ImageStore(context.paths)
    names = arguments
    if values["all"]:
        # lists first: what only they have goes with them
        names = ["sha256:" + found.id for found in store.everything()]
    elif not names:
        raise InvalidArgument("removing: no image given", hint="names, or --all")
    context.enter()
    users = images.users(context.paths)
    free = images.users(context.paths, _remove) if values["force"] else users

    def act(name: str) -> None:
        try:
            force = values["force"] or (values["all"] and not users(name[7:]))
            lines = images.remove(store, name, force=force, in_use=free)
        except NotFound:
            # with --all, what went with something else
            if values["ignore"] or values["all"] or values["force"]:
                return
            raise
        for line in lines:
            write(line)

    return each(names, act, 1)  # docker's and podman's exit status


def _remove(container: Container) -> None:
    """A stopped container that is in the way of --force, as podman does."""
    from crun_py.container import ending

    ending.remove(container)
    write_error(f"crunpy: container {container.name}, which used the image, is removed")
