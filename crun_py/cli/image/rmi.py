"""crunpy rmi."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.cli.output import write_error
from crun_py.engine import image_removal
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[IMAGE...]"
OPTIONS = (
    ("-a --all", "flag", "All images", ""),
    ("-f --force", "flag", "Also one with several names; stopped containers go with it", ""),
    ("-i --ignore", "flag", "What is not there is no error", ""),
    ("--dry-run", "flag", "Only say what would be removed", ""),
    ("--no-prune", "flag", "Accepted; layers in use always stay", ""),
    ("--platform", "list", "Of manifest lists the images for these alone", "PLATFORM"),
)


_DONE = {"untagged": "Untagged", "deleted": "Deleted"}
_WOULD = {"untagged": "Would untag", "deleted": "Would delete"}


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print Docker's Untagged: and Deleted: lines."""
    names = arguments
    wanted = platforms(values)
    if values.flag("all"):
        names = [*image_removal.everything(context)]
    elif not names:
        raise InvalidArgument("removing: no image given", hint="names, or --all")

    pretence = image_removal.Pretence(context) if values.flag("dry_run") else None

    def act(name: str) -> str | None:
        try:
            if values.flag("force"):
                text = "sha256:" + name if values.flag("all") else name
                parts = image_removal.remove(
                    context, text, force=True, removed=_tell if not pretence else _tell_before,
                    platforms=wanted, pretence=pretence,
                )  # fmt: skip
            elif values.flag("all"):
                parts = image_removal.remove_unused(context, name, pretence=pretence)
            else:
                parts = image_removal.remove(context, name, platforms=wanted, pretence=pretence)
        except NotFound:
            # with --all, what went with something else
            if values.flag("ignore") or values.flag("all") or values.flag("force"):
                return None
            raise
        said = _WOULD if pretence else _DONE
        return "\n".join(f"{said[part.action]}: {part.what}" for part in parts) or None

    return each(names, act, 1)  # docker's and podman's exit status


def platforms(values: Values) -> list[str]:
    """Those of --platform.  Raises InvalidArgument."""
    found = [one for text in values.texts("platform") for one in text.split(",")]
    if found and values.flag("all"):
        raise InvalidArgument("removing: --platform excludes --all")
    return found


def _tell_before(container: str) -> None:
    write_error(f"crunpy: container {container}, which uses the image, would be removed")


def _tell(container: str) -> None:
    """A stopped container was in the way of --force, as podman has it."""
    write_error(f"crunpy: container {container}, which used the image, is removed")
