"""Do something for each of several names: an error of one does not stop the others."""

from __future__ import annotations

import os
import sys

from crun_py.cli.output import write_error
from crun_py.errors import CrunpyError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from crun_py.engine.context import Context


CHOICE = (
    ("-l --latest", "flag", "The one created last", ""),
    ("-f --filter", "list", "Those that `ps` would show with this filter", "KEY=VALUE"),
    ("--cidfile", "list", "Those whose ids are in these files", "FILE"),
)
"""Options that name containers, beside --all and their names."""


def chosen(
    context: Context,
    values: dict[str, Any],
    arguments: list[str],
    states: set[str] | None = None,
) -> list[str]:
    """As `named`, for a verb with --all and the options of CHOICE."""
    return named(
        context,
        arguments + ids_in(values["cidfile"]),
        values["all"],
        states,
        latest=values["latest"],
        filters=values["filter"],
    )


def named(
    context: Context,
    arguments: list[str],
    everything: bool,
    states: set[str] | None = None,
    *,
    latest: bool = False,
    filters: list[str] | None = None,
) -> list[str]:
    """The containers that a command is about: those named, or with --all (or filters) the ids
    of all in one of `states` (None: any), or with --latest the newest.

    Raises InvalidArgument when none is named.
    """
    from crun_py import state

    if latest:
        return [state.latest(context.paths).id]
    if not everything and not filters:
        if not arguments:
            raise InvalidArgument("no container given", hint="names, or --all")
        return arguments
    found = state.every(context.paths)
    if states is not None:
        found = [c for c in found if c.status().state in states]
    ids = [c.id for c in found]
    if filters:
        from crun_py.show import listing

        rows = listing.containers(context.paths, everything=True, filters=filters, whole=True)
        ids = [i for i in ids if i in {row["ID"] for row in rows}]
    return ids


def ids_in(files: list[str]) -> list[str]:
    """The ids that --cidfile wrote."""
    found = []
    for path in files:
        try:
            with open(path, encoding="ascii") as f:
                found.append(f.read().strip())
        except (OSError, ValueError) as e:
            raise InvalidArgument(f"reading cidfile {path}: {e}") from e
    return found


def each(names: Iterable[str], act: Callable[[str], None], status: int | None = None) -> int:
    """Call `act` with each name once; if any of them failed (each has been reported) `status`,
    by default that of the error, which is 125."""
    failed = 0
    for name in dict.fromkeys(names):
        try:
            act(name)
        except CrunpyError as e:
            write_error(f"crunpy: error: {e.line()}")
            failed = e.exit_code if status is None else status
    return failed


def each_apart(names: Iterable[str], act: Callable[[str], None], status: int | None = None) -> int:
    """As `each`, for an `act` that enters a container's user namespace: there is no way back
    from one, so a plain user's commands deal with each container in a child process."""
    from crun_py.ns import user

    unique = list(dict.fromkeys(names))
    if len(unique) < 2 or not user.needed():
        return each(unique, act, status)
    failed = 0
    for name in unique:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            code = each([name], act, status)
            sys.stdout.flush()
            os._exit(code)
        failed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or failed
    return failed
