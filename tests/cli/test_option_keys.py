"""Every lookup of an option's value fits the table of each verb from which it is reached."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from engine import CHECKOUT

from crun_py.cli import docker_config, fast
from crun_py.cli.build import build, request
from crun_py.cli.container import create, exec, run
from crun_py.cli.image import push
from crun_py.cli.oci import command
from crun_py.cli.remote import verbs as remote
from crun_py.cli.verbs import VERBS
from crun_py.options import containers_conf
from crun_py.values import FLAG, LIST, OPTIONAL, SWITCH, VALUE, Values, destination

PACKAGE = CHECKOUT / "crun_py"
TEXT = {VALUE, OPTIONAL}
KINDS = {"flag": {FLAG}, "switch": {SWITCH}, "text": TEXT, "maybe": TEXT, "texts": {LIST},
         "with_flag": {FLAG}, "with_switch": {SWITCH}, "with_text": TEXT,
         "with_texts": {LIST}}  # fmt: skip
ANY = {"given", "has"}
"""Lookups that say nothing of a kind, and that a verb's table may lack."""

Lookup = tuple[str, str, str, int]
"""(method, key, file, line); the key is "" when it is not a constant."""
KNOWN_BY_TABLE = {"cli/checks.py", "cli/image/push.py", "options/foreign.py",
                  "options/containers_conf.py", "cli/docker_config.py",
                  "cli/dispatch.py"}  # fmt: skip
"""Where keys come from the tables themselves."""


class Module:
    """A module's functions and classes by name, and what its imported names mean."""

    def __init__(self, path: Path) -> None:
        self.name = str(path.relative_to(PACKAGE))
        tree = ast.parse(path.read_text())
        self.defined = {
            n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)
        }
        self.imported: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crun_py"):
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"


@functools.cache
def module(dotted: str) -> Module | None:
    path = CHECKOUT / (dotted.replace(".", "/") + ".py")
    return Module(path) if path.is_file() else None


def is_values(node: ast.AST) -> bool:
    """`values`, `self._values`, `made.values`, also of a call that makes others of them."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr.startswith("with_") and is_values(node.func.value)
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return name in ("values", "_values")


def lookups(tree: ast.AST, file: str) -> Iterator[Lookup]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {*KINDS, *ANY}
            and is_values(node.func.value)
        ):
            key = node.args[0]
            text = key.value if isinstance(key, ast.Constant) else ""
            yield node.func.attr, str(text), file, node.lineno


def called(here: Module, tree: ast.AST) -> Iterator[tuple[Module, ast.AST]]:
    """Functions and classes that are given the values."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not any(is_values(a) for a in node.args):
            continue
        func = node.func
        if isinstance(func, ast.Name) and func.id in here.defined:
            yield here, here.defined[func.id]
            continue
        if isinstance(func, ast.Name):
            place, _, name = here.imported.get(func.id, "").rpartition(".")
        elif isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            place, name = here.imported.get(func.value.id, ""), func.attr
        else:
            continue
        there = module(place)
        if there and name in there.defined:
            yield there, there.defined[name]


def reached(verb: str) -> list[Lookup]:
    """All lookups on the way of a verb's values, here and by a service."""
    starts = [(f"crun_py.cli.{VERBS[verb][0]}", "main")]
    if verb in remote.VERBS:
        place, _, name = remote.VERBS[verb].partition(".")
        starts.append((f"crun_py.cli.remote.{place}", name))
    return reached_from(starts)


def reached_from(starts: list[tuple[str, str]]) -> list[Lookup]:
    """The same of functions, (module, name)."""
    todo: list[tuple[Module, ast.AST]] = []
    for dotted, name in starts:
        start = module(dotted)
        assert start
        todo.append((start, start.defined[name]))
    seen: set[int] = set()
    found: list[Lookup] = []
    while todo:
        here, tree = todo.pop()
        if id(tree) not in seen:
            seen.add(id(tree))
            found += lookups(tree, here.name)
            todo += called(here, tree)
    return found


def kinds(verb: str) -> dict[str, str]:
    return {destination(names): kind for names, kind, *_ in fast.load(verb).OPTIONS}


@pytest.mark.parametrize("verb", VERBS)
def test_lookups_fit_the_table(verb: str) -> None:
    table = kinds(verb)
    found = reached(verb)
    asked = {(file, key) for method, key, file, _ in found if method == "has"}
    wrong = [
        f"{file}:{line}: {method}({key!r}): {table.get(key, 'no such option')}"
        for method, key, file, line in found
        if key and method in KINDS and table.get(key) not in KINDS[method]
        and not (key not in table and (file, key) in asked)
    ]  # fmt: skip
    assert wrong == []


OCI = sorted({f"crun_py.cli.oci.{name}" for name, _ in command._VERBS.values()})


@pytest.mark.parametrize("name", OCI)
def test_lookups_of_the_oci_runtime_fit_its_tables(name: str) -> None:
    found = reached_from([(name, "main")])
    table = {destination(names): kind for names, kind, *_ in import_module(name).OPTIONS}
    assert [look for look in found if look[0] in KINDS and table.get(look[1]) not in
            KINDS[look[0]]] == []  # fmt: skip


def test_every_lookup_is_on_the_way_of_a_verb() -> None:
    """So that none is missed above."""
    on_the_way = {look for verb in VERBS for look in reached(verb)}
    on_the_way |= {look for name in OCI for look in reached_from([(name, "main")])}
    on_the_way |= {*reached_from([("crun_py.cli.oci.command", "main")])}
    everywhere = {
        look
        for path in [*PACKAGE.glob("cli/**/*.py"), *PACKAGE.glob("options/*.py")]
        for look in lookups(ast.parse(path.read_text()), str(path.relative_to(PACKAGE)))
    }
    missed = {look for look in everywhere - on_the_way if look[2] not in KNOWN_BY_TABLE}
    assert missed == set()


def test_what_a_configuration_gives_is_an_option_of_the_verb() -> None:
    for verb in docker_config._FORMATS:
        assert kinds(verb)["format"] in TEXT
    for verb in docker_config._ATTACHED:
        assert kinds(verb)["detach_keys"] in TEXT


def test_keys_are_constants() -> None:
    wrong = {
        (file, line)
        for verb in VERBS
        for method, key, file, line in reached(verb)
        if not key and method in KINDS and file not in KNOWN_BY_TABLE
    }
    assert wrong == set()


def test_options_that_one_verb_hands_to_another_are_of_one_kind() -> None:
    def of(table: tuple[tuple[str, str, str, str], ...]) -> dict[str, str]:
        return {destination(names): kind for names, kind, *_ in table}

    ours, limits, reach = of(build.OPTIONS), of(create.OPTIONS), of(push.OPTIONS)
    assert {k: ours[k] for k in request._LIMITS} == {k: limits[k] for k in request._LIMITS}
    assert {k: ours[k] for k in build._REACH} == {k: reach[k] for k in build._REACH}


def test_containers_conf_gives_options_of_their_kinds() -> None:
    known = {"bool": {SWITCH}, "list": {LIST}, "text": TEXT, "number": TEXT}
    table = {destination(names): kind for names, kind, *_ in (*run.OPTIONS, *exec.OPTIONS)}
    for section, keys in containers_conf._KEYS.items():
        for key, (kind, option) in keys.items():
            if option and f"{section}.{key}" not in containers_conf._SPECIAL:
                assert table[option] in known[kind], (section, key)
    file = ast.parse((PACKAGE / "options/containers_conf.py").read_text())
    for method, key, _, line in lookups(file, ""):
        assert not key or method in ANY or table[key] in KINDS[method], line


TABLE = (
    ("-f --force", FLAG, "", ""),
    ("--init", SWITCH, "", ""),
    ("-n --name", VALUE, "", "NAME"),
    ("--sbom", OPTIONAL, "", ""),
    ("-e --env-file", LIST, "", "FILE"),
)


def test_values() -> None:
    none = Values(TABLE)
    assert (none.flag("force"), none.switch("init"), none.maybe("name"), none.text("name"),
            none.texts("env_file")) == (False, None, None, "", [])  # fmt: skip
    assert [none.given(key) for key in ("force", "init", "name", "env_file", "x")] == [[]] * 5
    assert none.has("sbom") and not none.has("x")
    some = (
        none.with_flag("force", True).with_switch("init", False)
        .with_text("name", "").with_texts("env_file", ["a", "b"])
    )  # fmt: skip
    assert (some.flag("force"), some.switch("init"), some.maybe("name"), some.text("name"),
            some.texts("env_file")) == (True, False, "", "", ["a", "b"])  # fmt: skip
    assert [some.given(key) for key in ("force", "init", "name", "env_file")] == [
        ["true"], [], [], ["a", "b"]]  # fmt: skip
    assert not none.flag("force") and none.texts("env_file") == []
    taken = none.with_those_of(some, ["force", "env_file", "x"])
    assert taken.flag("force") and taken.texts("env_file") == ["a", "b"] and not taken.has("x")
    assert taken.switch("init") is None


@pytest.mark.parametrize("method,key", [("flag", "init"), ("switch", "force"), ("text", "force"),
                                        ("maybe", "env_file"), ("texts", "name"),
                                        ("text", "x")])  # fmt: skip
def test_a_key_of_another_kind_is_a_mistake(method: str, key: str) -> None:
    with pytest.raises(KeyError):
        getattr(Values(TABLE), method)(key)
