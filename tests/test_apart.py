"""Tests leave each other alone: a process runs many modules, two processes share a network."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parent
MODULES = [path for path in TESTS.rglob("*.py") if path != Path(__file__)]


def users(pattern: str) -> dict[str, set[str]]:
    """The modules in which a pattern's group is found, by what it found."""
    found = defaultdict(set)
    for path in MODULES:
        for name in re.findall(pattern, path.read_text()):
            found[name].add(str(path.relative_to(TESTS)))
    return found


def test_modules_have_names_of_their_own() -> None:
    """pytest imports them by their base names."""
    found = defaultdict(list)
    for path in TESTS.rglob("test_*.py"):
        found[path.name].append(path)
    assert len(found) > 100
    assert [paths for paths in found.values() if len(paths) > 1] == []


def test_modules_have_directories_of_their_own() -> None:
    """Below the one that all tests of a process share."""
    found = users(r'\bbase / "([^"/]+)"')
    assert len(found) > 20
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}


def test_nobody_flushes_the_rules_of_others() -> None:
    """The whole ruleset is flushed in private networks alone."""
    modules = set().union(*users(r"(flush.{1,4}ruleset)").values())
    assert modules
    assert [m for m in modules if "private_network" not in (TESTS / m).read_text()] == []
