"""Who may import what: the layers, one module per heavy library, and a light hot path."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from engine import CHECKOUT, Engine

PACKAGE = CHECKOUT / "crun_py"
STANDARD = set(sys.stdlib_module_names)

HEAVY = {
    "httpx": {"oci/registry.py", "oci/connect.py"},
    "httpcore": {"oci/connect.py"},
    "typer": {"cli/app.py"},
    "rich": {"cli/*"},
    "pyroute2": "at most one",
    "isal": "at most one",
    "zstandard": "at most one",
}

LEVELS = {
    0: ("errors", "paths", "jsonfile", "clock", "names", "tree", "filters", "quantity", "outfile",
        "signals", "record", "startup", "notices", "apart"),
    1: ("_native", "model", "staging", "workspace"),
    2: ("oci", "overlay", "cgroup", "ns", "net", "spec", "state", "volumes", "logs",
        "archive", "upgrade",
        "events"),
    3: ("options", "container", "show", "build"),
    4: ("engine",),
    5: ("worker",),
    6: ("library", "aio", "blocking"),
    7: ("cli", "__main__"),
}  # fmt: skip
LEVEL = {name: level for level, names in LEVELS.items() for name in names}


def modules() -> list[Path]:
    return [p for p in PACKAGE.rglob("*.py") if p.name != "build_shim.py"]


def imported(path: Path, *, lazily: bool = True) -> set[str]:
    """Dotted names of the modules that `path` imports; not those for type checking only."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not lazily:
            return
        if isinstance(node, ast.Import):
            found.update(a.name for a in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found.update(f"{node.module}.{a.name}" for a in node.names)
            found.add(node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def relative(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_every_module_has_a_level() -> None:
    names = {p.stem if p.is_file() else p.name for p in PACKAGE.iterdir()
             if p.suffix == ".py" or (p / "__init__.py").exists()} - {"__init__"}  # fmt: skip
    assert names == set(LEVEL)


def test_modules_import_from_their_level_or_below() -> None:
    wrong = []
    for path in modules():
        own = LEVEL.get(relative(path).split("/")[0].removesuffix(".py"), 9)
        for name in imported(path, lazily=False):
            parts = name.split(".")
            if parts[0] == "crun_py" and len(parts) > 1 and LEVEL.get(parts[1], 0) > own:
                wrong.append(f"{relative(path)} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("library", HEAVY)
def test_heavy_libraries_are_behind_one_module(library: str) -> None:
    users = {relative(p) for p in modules() if any(n.split(".")[0] == library for n in imported(p))}
    allowed = HEAVY[library]
    if isinstance(allowed, str):
        assert len(users) <= 1
    elif allowed == {"cli/*"}:
        assert all(u.startswith("cli/") for u in users)
    else:
        assert users == allowed


def test_nothing_else_is_imported() -> None:
    known = STANDARD | set(HEAVY) | {"crun_py", "cffi", "setuptools"}
    found = {n.split(".")[0] for p in modules() for n in imported(p)}
    assert found - known == set()


FORBIDDEN = """json re typing socket subprocess pathlib dataclasses logging asyncio typer rich httpx
pyroute2 enum click ssl email urllib.request tempfile random inspect ctypes
importlib.metadata argparse threading selectors datetime"""


def loaded(engine: Engine, *args: str) -> set[str]:
    """The modules that a command has loaded when it ends, beyond those of bare Python."""
    main = next(w for w in engine.command() if w.endswith("__main__.py"))
    code = (
        "import os, sys\nbare = set(sys.modules)\nexit = os._exit\n"
        "def tell(status):\n"
        "    import sys\n"
        "    os.write(2, ('MODULES ' + ' '.join(set(sys.modules) - bare)).encode())\n"
        "    exit(status)\n"
        "os._exit = tell\n"
        f"sys.argv = [{main!r}, *sys.argv[1:]]\n"
        f"sys.path.insert(0, {str(Path(main).parent.parent)!r})\n"
        "import crun_py.__main__\ncrun_py.__main__.entry()\n"
    )
    command = engine.command(*args)
    at = command.index(main)
    command[at : at + 1] = ["-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "MODULES " in done.stderr, done.stderr
    return set(done.stderr.partition("MODULES ")[2].split())


@pytest.mark.parametrize(
    "line",
    ["run --rm --network none busybox true", "run --rm busybox true", "ps -a", "exec c true",
     "stop -t0 c", "rm -f c", "inspect c", "logs c", "images", "start c"],
)  # fmt: skip
def test_hot_commands_load_little(engine: Engine, line: str) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    if line == "start c":
        engine.ok("kill", "c")
    if line.startswith("run"):
        engine.ok(*line.split())  # the first of all makes the bridge
    found = loaded(engine, *line.split())
    heavy = {m for m in FORBIDDEN.split() if m in found}
    assert not heavy
    assert not {m for m in found if m.startswith("crun_py.worker")}
    assert len(found) < 112


def test_import_of_the_package_is_free() -> None:
    code = "import sys; a = len(sys.modules); import crun_py; print(len(sys.modules) - a)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT
    )
    assert int(done.stdout) <= 2


def test_no_module_is_too_long() -> None:
    for path in modules():
        assert len(path.read_text().splitlines()) < 600, relative(path)


def test_errors_name_only_commands_that_exist() -> None:
    from crun_py.cli.verbs import GROUPS, VERBS

    named = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named |= set(re.findall(r"crunpy ([a-z]+)", node.value))
    prose = {"monitor", "version", "warning", "raises", "may", "crunpy", "found", "in"}
    assert named - prose <= set(VERBS) | set(GROUPS)
