"""What explains `run` and `create`: the option of both, and the formats."""

from __future__ import annotations

import sys

from crun_py import jsonfile
from crun_py.cli.container import create
from crun_py.engine import explain as engine
from crun_py.show import explanation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

OPTIONS = (("--format", "value", "text, json, oci (config.json of a bundle) or shell", "FORMAT"),)


def show(values: Values, arguments: list[str], context: Context, *, ends: bool = False) -> int:
    """Print what would be made.  ends: the image goes, too, and so the container when it ends."""
    values, defaults = create.with_defaults(values, context)
    if ends:
        values = values.with_flag("rm", True)
    request, wanted = create.asked(values, arguments, context, defaults)
    found = engine.explain(context, request, wanted, subnet=defaults.subnet if defaults else "")
    form = values.text("format").lower()
    if form == "json":
        text = jsonfile.dumps(found.document, indent=4)
    elif form == "oci":
        from crun_py.engine import explain_bundle

        text = jsonfile.dumps(explain_bundle.config(found), indent=4)
    elif form == "shell":
        from crun_py.show import shell

        text = shell.script(found.document)
    else:
        text = "\n".join(explanation.lines(found.document))
    sys.stdout.write(text + "\n")
    return 0
