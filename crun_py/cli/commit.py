"""crunpy commit: make an image of a container."""

from __future__ import annotations

from crun_py import jsonfile, outfile, state
from crun_py.cli.output import write
from crun_py.container import commit, inside
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER [IMAGE]"
OPTIONS = (
    ("-a --author", "value", "Who made the image", "NAME"),
    ("-c --change", "list", "A Dockerfile instruction, like 'CMD [\"sh\"]'", "INSTRUCTION"),
    ("-m --message", "value", "A comment for the image's history", "TEXT"),
    ("-p --pause", "switch", "Pause the container meanwhile (default: where the host can)", ""),
    ("-f --format", "value", "oci or docker", "FORMAT"),
    ("-s --squash", "flag", "One layer with everything in it", ""),
    ("--include-volumes", "flag", "The container's volumes become the image's", ""),
    ("--iidfile", "value", "Write the image's id to a file", "FILE"),
    ("-q --quiet", "flag", "Say nothing but the id", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Commit and print the image's id."""
    about = commit.About(
        name=arguments[1] if len(arguments) > 1 else "",
        author=values["author"] or "",
        message=values["message"] or "",
        changes=values["change"],
        form=values["format"] or "oci",
    )
    container = state.find(context.paths, arguments[0])
    if values["include_volumes"]:
        mounts = container.record["mounts"]
        about.changes += [
            f"VOLUME {jsonfile.dumps([m['destination']])}" for m in mounts if m["type"] == "volume"
        ]
    inside.become_root(container)
    image = commit.commit(container, about, pause=values["pause"], squash=values["squash"])
    if values["iidfile"]:
        outfile.write(values["iidfile"], f"sha256:{image.id}".encode())
    write(f"sha256:{image.id}")
    return 0
