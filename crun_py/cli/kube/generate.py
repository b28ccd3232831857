"""crunpy kube generate."""

from __future__ import annotations

import os

from crun_py import outfile
from crun_py.cli.output import write
from crun_py.engine import kube
from crun_py.engine.context import Context
from crun_py.errors import Conflict, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "NAME..."
OPTIONS = (
    ("-t --type", "value", "pod or deployment", "KIND"),
    ("-s --service", "flag", "With a Service for the pod's ports", ""),
    ("-f --filename", "value", "Write to this file, which must be new", "FILE"),
    ("-r --replicas", "value", "Accepted: a deployment has one replica", "N"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the manifest of containers, of a pod, or of volumes."""
    kind = (values.text("type") or "pod").lower()
    if kind not in ("pod", "deployment"):
        raise InvalidArgument(f"type {kind!r}: not known", hint="pod or deployment")
    file = values.text("filename")
    if file and os.path.lexists(file):
        raise Conflict(f"writing {file}: it is there already", hint="remove it, or another name")
    text = kube.generate(
        context, arguments, deployment=kind == "deployment", service=values.flag("service")
    )
    if file:
        outfile.write(file, text.encode(), 0o644)
    else:
        write(text.rstrip("\n"))
    return 0
