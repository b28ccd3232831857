"""crunpy doctor."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli.output import write
from crun_py.engine import doctor
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument, printable
from crun_py.paths import configuration
from crun_py.record import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.system import Finding
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("--json", "flag", "A list of objects: name, status, message, fix, outside", ""),
    ("--fix-commands", "flag", "Only the commands that mend things, as a shell script", ""),
    ("--online", "flag", "Ask registries and mirrors, too, and compare clocks with them", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Tell what works and what does not; 1 if something that is needed does not."""
    if values.flag("json") and values.flag("fix_commands"):
        raise InvalidArgument("--json: conflicts with --fix-commands")
    if not context.cgroup_manager and (files := configuration()):
        from crun_py.options import containers_conf

        tell = context.explain or (lambda line: None)
        context.cgroup_manager = containers_conf.cgroup_manager(files, tell)
    found = doctor.doctor(context, online=values.flag("online"))
    if values.flag("json"):
        write(jsonfile.dumps([to_json(one) for one in found]))
    elif values.flag("fix_commands"):
        write("\n".join(_script(found)))
    else:
        for one in found:
            write(printable(f"{one.status:<7}  {one.name}: {one.message}"))
            if one.fix:
                write(printable(f"{'':<9}{_who(one)}{one.fix}"))
    return 1 if any(one.status == "error" for one in found) else 0


def _who(finding: Finding) -> str:
    """All but our own commands and those of the shell are for root; in a container some are not for
    who is in it."""
    if finding.outside:
        return "outside of this container: "
    return "" if finding.fix.startswith(("crunpy ", "export ")) else "as root: "


def _script(found: tuple[Finding, ...]) -> list[str]:
    lines = ["#!/bin/sh", "# what `crunpy doctor` would do; read it, and run it as root"]
    said: set[str] = set()
    for one in found:
        if one.fix and one.fix not in said:
            said.add(one.fix)
            mark = "# outside of this container: " if one.outside else ""
            lines += [printable(f"# {one.name}: {one.message}"), mark + one.fix]
    return lines
