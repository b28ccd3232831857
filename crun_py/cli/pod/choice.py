"""Which pods a verb is about."""

from __future__ import annotations

from crun_py.engine import pods
from crun_py.engine.selection import ids_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

CHOICE = (
    ("-a --all", "flag", "All pods", ""),
    ("-l --latest", "flag", "The one created last", ""),
)
CHOICE_BY_FILE = (*CHOICE, ("--pod-id-file", "list", "Those whose ids are in these files", "FILE"))


def chosen(context: Context, values: Values, arguments: list[str]) -> list[str]:
    """The pods that the names and the options of CHOICE mean.  Raises InvalidArgument."""
    names = [*arguments, *ids_in(values.given("pod_id_file"), "pod ID file")]
    return pods.named(context, names, values.flag("all"), latest=values.flag("latest"))
