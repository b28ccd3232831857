"""crunpy volume reload."""

from __future__ import annotations

from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Nothing: there are no volume plugins that could have other volumes by now
    (podman-volume-reload(1))."""
    return 0
