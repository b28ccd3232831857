"""The manual pages and docs/reference: current, without a warning, for each command; what the
tables of docs/environment.md and docs/exit-codes.md name."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import yaml
from engine import CHECKOUT

from crun_py.cli import fast
from crun_py.cli.verbs import GROUPS, VERBS

sys.path.append(str(CHECKOUT / "tools"))
import manual

_PREFIXES = re.compile(
    r"(CRUNPY|DOCKER|CONTAINERS?|PODMAN|REGISTRY|QUADLET|LISTEN|XDG|NOTIFY|DBUS|SOURCE_DATE)_[A-Z_]+"
)
_OF_FILES = {"DOCKER_OPTS", "DOCKER_NETWORK_OPTIONS", "DOCKER_STORAGE_OPTIONS"}
"""Keys of /etc/default/docker and its like."""
_PASSED_ON = {"TERM"}
"""What a container gets or a completion knows, not read."""


def test_the_pages_are_what_the_tool_writes() -> None:
    wanted = manual.written()
    assert manual.there() == set(wanted), "run tools/manual.py"
    for path, text in wanted.items():
        assert path.read_text() == text, f"run tools/manual.py: {path.name}"


def test_each_command_has_a_page_with_each_of_its_options() -> None:
    names = {verb for verb, (_, summary) in VERBS.items() if summary}
    names |= {f"{group} {word}" for group, words in GROUPS.items() for word in words}
    assert len(names) > 200
    for name in names:
        text = (manual.MAN / f"{manual.file_of(name)}.1").read_text()
        if text.startswith(".so "):
            text = (manual.MAN.parent / text.split()[1]).read_text()
        verb = name if name in VERBS else GROUPS[name.rpartition(" ")[0]][name.rpartition(" ")[2]]
        for option, _, told, _ in fast.load(verb).OPTIONS:
            for word in option.split():
                there = f"\\fB{manual.escaped(word)}\\fR" in text
                assert there == bool(told), (name, word)


def test_groff_has_nothing_to_say() -> None:
    pages = [p for p in sorted(manual.MAN.iterdir()) if not p.read_text().startswith(".so ")]
    done = subprocess.run(
        ["groff", "-man", "-ww", "-b", "-Kutf8", "-Tutf8", *pages],
        capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "crunpy-run - Create and start a container from an image" in done.stdout


def test_what_roff_gives_a_meaning_is_escaped() -> None:
    """A text that begins like a request comes out as it is, too."""
    options = (("-x --long", "value", ".TH 'a' `b` -c ^~", "V"),)
    page = manual.Page("x", "A .thing", "[\\A]", options, False, ("y",))
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-P-cbou"], input=manual.roff(page),
        capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.stderr == "" and ".TH 'a' b -c ^~" in done.stdout and "[\\A]" in done.stdout


def test_markdown_leads_to_what_is_there() -> None:
    found = manual.markdown()
    for file, text in found.items():
        for target, anchor in re.findall(r"\]\(([\w./-]+\.md)(?:#([\w-]+))?\)", text):
            path = (manual.REFERENCE / target).resolve()
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            assert not anchor or anchor in [h.replace(" ", "-") for h in headings], (file, target)


def test_the_site_has_each_page() -> None:
    def files(found: object) -> list[str]:
        values = found.values() if isinstance(found, dict) else found
        return [found] if isinstance(found, str) else [f for v in values for f in files(v)]

    told = files(yaml.safe_load((CHECKOUT / "mkdocs.yml").read_text())["nav"])
    assert sorted(told) == sorted(
        str(p.relative_to(manual.DOCS)) for p in manual.DOCS.rglob("*.md")
    )


def _read_variables() -> set[str]:
    """The names of variables that the source reads of its own environment."""
    found: set[str] = set()
    for path in (CHECKOUT / "crun_py").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if _PREFIXES.fullmatch(node.value):
                    found.add(node.value)
            elif isinstance(node, ast.Call) and node.args:
                called, name = ast.unparse(node.func), node.args[0]
                reads = called == "caller.variable" or called.endswith("environ.get")
                if reads and isinstance(name, ast.Constant):
                    found.add(name.value)
    return found - _OF_FILES - _PASSED_ON


def test_the_table_of_variables_is_what_the_source_reads() -> None:
    told = [name.strip("`") for name, _ in manual.rows("environment.md")]
    assert len(told) == len(set(told))
    assert set(told) == _read_variables()


def test_the_table_of_statuses_names_commands() -> None:
    for commands, status, _ in manual.rows("exit-codes.md"):
        names = re.findall("`([^`]+)`", commands)
        assert commands == "all" or set(names) <= set(VERBS), commands
        assert re.fullmatch(r"\d+|N|128\+N", status)
