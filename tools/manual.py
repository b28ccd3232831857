#!/usr/bin/env python3
"""Write man/man1/*.1 and docs/reference/*.md from the tables of options that the parser has.

What is true of many commands comes from the tables of docs/exit-codes.md and docs/environment.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

from crun_py import __version__  # noqa: E402
from crun_py.cli import fast  # noqa: E402
from crun_py.cli.oci import command as oci  # noqa: E402
from crun_py.cli.verbs import ALIASES, GROUP_SUMMARIES, GROUPS, VERBS  # noqa: E402
from crun_py.values import FLAG, LIST, OPTIONAL, SWITCH  # noqa: E402

if TYPE_CHECKING:
    from crun_py.values import Table

DOCS, MAN = TOP / "docs", TOP / "man/man1"
REFERENCE = DOCS / "reference"
_DATE = "2026-11-27"
"""When the words below, and not the tables, were changed last."""
_FILES = (
    ("/var/lib/crunpy, ~/.local/share/crunpy", "Images, layers, containers and volumes"),
    ("/run/crunpy, $XDG_RUNTIME_DIR/crunpy", "What a reboot may forget"),
    ("/etc/containers, ~/.config/containers", "containers.conf, registries.conf, certs.d"),
    ("~/.docker/config.json", "Credentials, contexts and defaults that docker shares"),
)
_BY_KIND = {  # what each kind of option adds to its text
    LIST: "May be given several times.",
    SWITCH: "--OPTION=false turns it off.",
    OPTIONAL: "Takes a value as --OPTION=VALUE alone.",
}


class Page(NamedTuple):
    """A command.  name: as it is typed after crunpy;  also: other names of the same command."""

    name: str
    summary: str
    arguments: str
    options: Table
    mixed: bool
    also: tuple[str, ...]

    @property
    def usage(self) -> str:
        return " ".join(word for word in ("crunpy", self.name, "[OPTIONS]", self.arguments) if word)


def pages() -> list[Page]:
    """Of all commands that help lists."""
    return [_page(verb) for verb, (_, summary) in VERBS.items() if summary]


def _page(verb: str) -> Page:
    module = fast.load(verb)
    also = sorted(
        {f"{group} {word}" for group, words in GROUPS.items() for word, v in words.items()
         if v == verb and f"{group} {word}" != verb}
        | {alias for alias, v in ALIASES.items() if v == verb}
    )  # fmt: skip
    shown = tuple(option for option in module.OPTIONS if option[2])
    mixed = getattr(module, "MIXED", True)
    return Page(verb, VERBS[verb][1], module.ARGUMENTS, shown, mixed, tuple(also))


def rows(name: str) -> list[list[str]]:
    """The cells of the table in a file of docs/."""
    lines = [line for line in (DOCS / name).read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def exits(page: Page) -> list[tuple[str, str]]:
    """What the statuses of a command mean."""
    found = []
    for commands, status, meaning in rows("exit-codes.md"):
        if commands == "all" or page.name in re.findall("`([^`]+)`", commands):
            found.append((status, meaning))
    return found


def _option(option: tuple[str, str, str, str]) -> tuple[list[str], str, str]:
    """The names, the value's name, and the text of an option."""
    names, kind, text, metavar = option
    more = _BY_KIND.get(kind, "").replace("--OPTION", names.split()[-1])
    said = f"{text}. {more}" if more else text
    return names.split(), "" if kind in (FLAG, SWITCH, OPTIONAL) else metavar, said


# ---- roff: man-pages(7), man(7) ----


def escaped(text: str) -> str:
    """Text as roff prints it: dashes and quotes as themselves, no line a request."""
    for character, name in (("\\", "\\e"), ("-", "\\-"), ("'", "\\(aq"), ("`", "\\(ga"),
                            ("^", "\\(ha"), ("~", "\\(ti"), ("…", "..."),
                            ("→", "\\(->")):  # fmt: skip
        text = text.replace(character, name)
    return f"\\&{text}" if text.startswith(".") else text


def _plain(text: str) -> str:
    return text.replace("`", "")


def _head(title: str, name: str, summary: str) -> list[str]:
    return [
        '.\\" Written by tools/manual.py',
        f'.TH {escaped(title.upper())} 1 "{_DATE}" "crunpy {__version__}" "crunpy"',
        ".ad l", ".nh",  # long words of arguments leave nothing to adjust
        ".SH NAME", f"{escaped(name)} \\- {escaped(_plain(summary))}",
    ]  # fmt: skip


def _item(term: str, text: str) -> list[str]:
    return [".TP", term, escaped(_plain(text))]


def _options(table: Table) -> list[str]:
    lines = []
    for option in table:
        names, value, text = _option(option)
        term = ", ".join(f"\\fB{escaped(name)}\\fR" for name in names)
        lines += _item(f"{term} \\fI{escaped(value)}\\fR" if value else term, text)
    return lines


def _see(*names: str) -> list[str]:
    return [".SH SEE ALSO", ",\n".join(f".BR {escaped(name)} (1)" for name in names)]


_OCI_EXITS = (
    ("0", "All was done"),
    ("N", "run, exec: the command's own status; 128+N when it was ended by signal N"),
    ("1", "It could not be done: the line, or the log, says what and why"),
    ("3", "There is no such command"),
    ("255", "exec: the process did not begin"),
)
"""Those of runc."""


def roff(page: Page) -> str:
    """The manual page of a command."""
    name = file_of(page.name)
    lines = [*_head(name, name, page.summary), ".SH SYNOPSIS"]
    rest = " ".join(escaped(w) for w in ("[OPTIONS]", *page.arguments.split()))
    lines += [f"\\fBcrunpy {escaped(page.name)}\\fR {rest}", ".SH DESCRIPTION"]
    lines += [escaped(_plain(page.summary)) + "."]
    if page.also:
        others = ", ".join(f"\\fBcrunpy {escaped(other)}\\fR" for other in page.also)
        lines += [".PP", f"The same command: {others}."]
    if not page.mixed:
        lines += [".PP", "Options stand before the first argument: what follows it is passed on."]
    if page.options:
        lines += [".SH OPTIONS", *_options(page.options)]
    if page.name == "oci":
        lines += _oci()
    else:
        lines += _exit_status(exits(page))
    group = page.name.rpartition(" ")[0]
    return "\n".join([*lines, *_see("crunpy", *([file_of(group)] if group else []))]) + "\n"


def _oci() -> list[str]:
    lines = [".SH GENERAL OPTIONS", *_options(oci.GLOBAL_OPTIONS)]
    for verb, (module, summary) in oci._VERBS.items():
        found = import_module(f"crun_py.cli.oci.{module}")
        lines += [f".SH CRUNPY\\-OCI {escaped(verb.upper())}", escaped(summary) + "."]
        lines += _options(found.OPTIONS)
    return [*lines, *_exit_status(_OCI_EXITS)]


def _exit_status(known: Iterable[tuple[str, str]]) -> list[str]:
    lines = [".SH EXIT STATUS"]
    for status, meaning in known:
        lines += _item(f"\\fB{escaped(status)}\\fR", meaning)
    return lines


def roff_of_group(group: str) -> str:
    """The manual page that lists a group's commands."""
    name = file_of(group)
    lines = [*_head(name, name, GROUP_SUMMARIES[group]), ".SH SYNOPSIS"]
    lines += [f"\\fBcrunpy {escaped(group)}\\fR COMMAND [ARGUMENT...]", ".SH COMMANDS"]
    for word, verb in GROUPS[group].items():
        term = f"\\fB{escaped(word)}\\fR (see \\fB{escaped(file_of(verb))}\\fR(1))"
        lines += _item(term, VERBS[verb][1])
    return "\n".join([*lines, *_see("crunpy")]) + "\n"


def roff_of_all() -> str:
    """crunpy.1."""
    about = "run, build and share containers without a daemon"
    lines = [*_head("crunpy", "crunpy", about), ".SH SYNOPSIS"]
    lines += ["\\fBcrunpy\\fR [OPTIONS] COMMAND [ARGUMENT...]", ".SH OPTIONS"]
    lines += _options(tuple(option for option in fast.GLOBAL_OPTIONS if option[2]))
    lines += [".SH COMMANDS"]
    for page in pages():
        if " " not in page.name:
            lines += _item(f"\\fB{escaped(file_of(page.name))}\\fR(1)", page.summary)
    for group in GROUPS:
        lines += _item(f"\\fB{escaped(file_of(group))}\\fR(1)", GROUP_SUMMARIES[group])
    lines += [".SH EXIT STATUS"]
    for commands, status, meaning in rows("exit-codes.md"):
        which = "" if commands == "all" else f" ({escaped(_plain(commands))})"
        lines += _item(f"\\fB{escaped(status)}\\fR{which}", meaning)
    lines += [".SH ENVIRONMENT"]
    for variable, meaning in rows("environment.md"):
        lines += _item(f"\\fB{escaped(_plain(variable))}\\fR", meaning)
    lines += [".SH FILES"]
    for path, meaning in _FILES:
        lines += _item(f"\\fI{escaped(path)}\\fR", meaning)
    return "\n".join([*lines, *_see("crunpy-run", "crunpy-build")]) + "\n"


def file_of(name: str) -> str:
    """`image ls` as crunpy-image-ls."""
    return "crunpy-" + name.replace(" ", "-")


# ---- Markdown ----


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _table(table: Table) -> list[str]:
    lines = ["| option | |", "|---|---|"]
    for option in table:
        names, value, text = _option(option)
        shown = ", ".join(f"`{name}`" for name in names) + (f" *{_cell(value)}*" if value else "")
        lines.append(f"| {shown} | {_cell(text)} |")
    return [*lines, ""]


def _section(page: Page) -> list[str]:
    lines = [f"## {page.name}", "", page.summary + ".", "", f"    {page.usage}", ""]
    if page.also:
        lines += ["Also: " + ", ".join(f"`{name}`" for name in page.also) + ".", ""]
    if page.options:
        lines += _table(page.options)
    own = [e for e in exits(page) if e not in exits(page._replace(name=""))]
    if own:
        said = "; ".join(f"{status}: {meaning}" for status, meaning in own)
        lines += [f"Exit status: {said}.", ""]
    return lines


def place(name: str) -> str:
    """The file below docs/reference, without its suffix, in which a command is."""
    if " " in name:
        return name.rpartition(" ")[0].replace(" ", "-")
    return next((g for g in ("container", "image") if name in GROUPS[g].values()), "engine")


def markdown() -> dict[str, str]:
    """The files of docs/reference by their names."""
    found: dict[str, list[str]] = {}
    index = ["# Commands", "", "Options before the command:", ""]
    index += _table(tuple(option for option in fast.GLOBAL_OPTIONS if option[2]))
    index += ["All commands ([exit status](../exit-codes.md), [variables](../environment.md)):", ""]
    index += ["| command | |", "|---|---|"]
    for page in pages():
        where = place(page.name)
        title = GROUP_SUMMARIES.get(where.replace("-", " "), "The engine").partition(":")[0]
        found.setdefault(f"{where}.md", [f"# {title}", ""]).extend(_section(page))
        anchor = page.name.replace(" ", "-")
        index.append(f"| [{page.name}]({where}.md#{anchor}) | {_cell(page.summary)} |")
    found["index.md"] = index
    return {name: "\n".join(lines).rstrip() + "\n" for name, lines in found.items()}


def written() -> dict[Path, str]:
    """All files and what is in them."""
    found = {REFERENCE / name: text for name, text in markdown().items()}
    manual = {"crunpy": roff_of_all()}
    for group in GROUPS:
        manual[file_of(group)] = roff_of_group(group)
    for page in pages():
        manual[file_of(page.name)] = roff(page)
        for other in page.also:
            manual[file_of(other)] = f".so man1/{file_of(page.name)}.1\n"
    return found | {MAN / f"{name}.1": text for name, text in manual.items()}


def there() -> set[Path]:
    """The files that are there now."""
    return {*MAN.glob("*"), *REFERENCE.glob("*")}


if __name__ == "__main__":
    wanted = written()
    for stale in there() - set(wanted):
        stale.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
