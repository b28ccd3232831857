"""crunpy ps."""

from __future__ import annotations

import sys

from crun_py import clock
from crun_py.cli import table
from crun_py.engine.context import Context
from crun_py.show import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-a --all", "flag", "Those that do not run, too", ""),
    ("-q --quiet", "flag", "Ids only", ""),
    ("-l --latest", "flag", "The one created last", ""),
    ("-n --last", "value", "The last so many created", "N"),
    ("--no-trunc", "flag", "Whole ids and commands", ""),
    (
        "-f --filter",
        "list",
        "Only some: status=, name=, label=, id=, ancestor=, pod= …",
        "KEY=VALUE",
    ),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
    ("-s --size", "flag", "Sizes of the writable layers", ""),
    ("--sort", "value", "command, created, id, image, names, runningfor, size, status", "KEY"),
    ("--noheading", "flag", "Without the heading line", ""),
    ("-w --watch", "value", "Again and again, every so many seconds", "SECONDS"),
    ("--ns --namespace", "flag", "The numbers of their namespaces", ""),
    ("-p --pod", "flag", "The columns of their pods, too", ""),
    ("--external", "flag", "", ""),
    ("--sync", "flag", "", ""),
)

COLUMNS = (
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("PORTS", "Ports"),
    ("NAMES", "Names"),
)

_NAMESPACES = (
    ("CONTAINER ID", "ID"),
    ("NAMES", "Names"),
    ("PID", "Pid"),
    *((name, name) for name in ("CGROUPNS", "IPC", "MNT", "NET", "PIDNS", "USERNS", "UTS")),
)


_LONGEST_S = 1e8
"""time.sleep takes no longer."""


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the table, with --watch until interrupted."""
    if not values.text("watch"):
        return show(values, context)
    import time

    pause_s = clock.parse_span_ms(values.text("watch"), "watch") / 1000
    while True:
        sys.stdout.write("\033[2J\033[H" if sys.stdout.isatty() else "")
        show(values, context)
        sys.stdout.flush()
        time.sleep(min(pause_s, _LONGEST_S))


def _asks_for_namespaces(form: str) -> bool:
    """Whether a template needs what takes reading /proc for each container."""
    words = ("json", "Cgroup", "CGROUPNS", "IPC", "MNT", "NET", "PIDNS", "USERNS", "UTS",
             "Namespaces")  # fmt: skip
    return any(word in form for word in words)


def show(values: Values, context: Context) -> int:
    """The table once."""
    if values.text("format") == "json":
        from crun_py.cli import as_podman

        if as_podman.wrote(lambda: _as_podman(values, context)):
            return 0
    last = values.text("last")
    rows = listing.containers(
        context.paths,
        everything=values.flag("all"),
        last=1 if values.flag("latest") else int(last) if last else 0,
        filters=values.texts("filter"),
        whole=values.flag("no_trunc"),
        sizes=values.flag("size") or values.text("sort") == "size",
        sort=values.text("sort"),
        details=bool(values.text("format")),
        namespaces=values.flag("ns") or _asks_for_namespaces(values.text("format")),
    )
    tabulate(values, rows)
    return 0


def tabulate(values: Values, rows: list[dict[str, object]]) -> None:
    """Print rows of `listing` as the options say."""
    columns = _NAMESPACES if values.flag("ns") else COLUMNS
    columns += (("POD ID", "Pod"), ("PODNAME", "PodName")) if values.flag("pod") else ()
    columns += (("SIZE", "Size"),) if values.flag("size") else ()
    quiet = "ID" if values.flag("quiet") else ""
    heading = not values.flag("noheading")
    table.show(rows, columns, values.maybe("format"), quiet=quiet, heading=heading)


def _as_podman(values: Values, context: Context) -> object:
    from crun_py.engine import libpod

    last = values.text("last")
    return libpod.containers(
        context, everything=values.flag("all"), filters=values.texts("filter"),
        sizes=values.flag("size"),
        last=1 if values.flag("latest") else int(last) if last else 0,
    )  # fmt: skip
