"""crunpy volume update."""

from __future__ import annotations

from crun_py.engine.context import Context
from crun_py.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[VOLUME]"
OPTIONS = (("--availability", "value", "Of a cluster's volume: refused in words", "WORD"),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Docker changes the availability of volumes of a cluster by it, which are not here."""
    raise Unsupported(
        "volume update: there are no volumes of a cluster here",
        hint="crunpy volume create makes another one; export and import move what it holds",
    )
