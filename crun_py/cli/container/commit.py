"""crunpy commit: make an image of a container."""

from __future__ import annotations

from crun_py import outfile
from crun_py.cli.output import write
from crun_py.engine import files
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

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


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Commit and print the image's id."""
    image_id = files.commit(
        context,
        arguments[0],
        image=arguments[1] if len(arguments) > 1 else "",
        author=values.text("author"),
        message=values.text("message"),
        changes=values.texts("change"),
        format=values.text("format") or "oci",
        pause=values.switch("pause"),
        squash=values.flag("squash"),
        include_volumes=values.flag("include_volumes"),
    )
    if values.text("iidfile"):
        outfile.write(values.text("iidfile"), f"sha256:{image_id}".encode())
    write(f"sha256:{image_id}")
    return 0
