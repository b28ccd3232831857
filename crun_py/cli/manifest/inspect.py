"""crunpy manifest inspect."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli import reach
from crun_py.cli.output import write
from crun_py.engine import manifests
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "LIST"
OPTIONS = (
    ("-v --verbose", "flag", "Accepted; the whole manifest is always shown", ""),
    ("--insecure", "flag", "The same as --tls-verify=false", ""),
    *reach.OPTIONS,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the list of this store, or the manifest that a registry has."""
    found = manifests.inspect(context, arguments[0], reach=reach.of(values))
    write(jsonfile.dumps(found, indent=4))
    return 0
