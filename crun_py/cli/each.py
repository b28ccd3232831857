"""Do something for each of several names: an error of one does not stop the others."""

from __future__ import annotations

import sys

from crun_py.cli.output import report, write
from crun_py.engine.selection import ids_in, named
from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crun_py.engine.context import Context
    from crun_py.values import Values


CHOICE = (
    ("-l --latest", "flag", "The one created last", ""),
    ("-f --filter", "list", "Those that `ps` would show with this filter", "KEY=VALUE"),
    ("--cidfile", "list", "Those whose ids are in these files", "FILE"),
)
"""Options that name containers, beside --all and their names."""


def chosen(
    context: Context,
    values: Values,
    arguments: Sequence[str],
    states: Iterable[str] | None = None,
) -> list[str]:
    """The containers that the names, --all and the options of CHOICE mean, those with --all in
    one of `states`.  Raises InvalidArgument."""
    return named(
        context,
        [*arguments, *ids_in(values.texts("cidfile"))],
        values.flag("all"),
        states if states is None else frozenset(states),
        latest=values.flag("latest"),
        filters=values.given("filter"),
    )


def each(names: Iterable[str], act: Callable[[str], str | None], status: int | None = None) -> int:
    """Call `act` with each name once and print the line that it returns, if any; if any of them
    failed (each has been reported) `status`, by default that of the error, which is 125."""
    failed = 0
    for name in dict.fromkeys(names):
        try:
            line = act(name)
        except CrunpyError as e:
            report(e, e.all_hints())
            failed = e.exit_code if status is None else status
        else:
            if line is not None:
                write(line)
    return failed


def each_apart(
    names: Iterable[str], act: Callable[[str], str | None], status: int | None = None
) -> int:
    """As `each`, for an `act` that enters a container's user namespace: there is no way back
    from one, so a plain user's commands deal with each container in a child process."""
    from crun_py.ns import user

    unique = list(dict.fromkeys(names))
    if len(unique) < 2 or not user.needed():
        return each(unique, act, status)
    from crun_py.apart import apart

    def in_child(name: str) -> str | None:
        line: str | None = apart(lambda: _flushed(act(name)), f"container {name}")
        return line

    return each(unique, in_child, status)


def _flushed(line: str | None) -> str | None:
    """`line`; what was printed on the way is out: a child process leaves without a look back."""
    sys.stdout.flush()
    return line
