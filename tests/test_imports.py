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
    "httpx": {"oci/registry/client.py", "oci/registry/connect.py"},
    "httpcore": {"oci/registry/connect.py"},
    "h11": {"api/http.py", "remote/http.py"},
    "wsproto": {"api/sockets.py"},
    "typer": {"cli/app.py"},
    "rich": {"cli/*"},
    "pyroute2": "at most one",
    "isal": "at most one",
    "zstandard": "at most one",
    "yaml": {"kube/text.py"},
}

LEVELS = {
    0: ("errors", "paths", "jsonfile", "clock", "names", "tree", "filters", "quantity", "outfile",
        "signals", "record", "startup", "notices", "apart", "caller", "documents", "values",
        "hints", "shapes", "fields"),
    1: ("_native", "model", "staging", "workspace", "quota"),
    2: ("oci", "overlay", "cgroup", "ns", "net", "spec", "state", "volumes", "logs", "archive",
        "events", "upgrade", "monitor", "secrets", "pods"),
    3: ("options", "runtime", "quadlet", "kube"),
    4: ("container", "show", "build", "doctor", "oci_runtime"),
    5: ("engine",),
    6: ("worker", "library", "remote"),
    7: ("aio", "blocking", "pytest_plugin"),
    8: ("api",),
    9: ("cli", "__main__"),
}  # fmt: skip
LEVEL = {name: level for level, names in LEVELS.items() for name in names}


def modules() -> list[Path]:
    return [p for p in PACKAGE.rglob("*.py") if p.name != "build_shim.py"]


def imported(path: Path) -> set[str]:
    """Dotted names of the modules that `path` imports, also inside functions; not those for type
    checking only."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
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


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    short = relative(path).removesuffix(".py").removesuffix("/__init__")
    return "crun_py." + short.replace("/", ".")


def arrows() -> dict[str, set[str]]:
    """Which modules import which, also inside functions."""
    names = {name_of(path): path for path in modules()}
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        wanted = imported(path)
        deeper = {w.rpartition(".")[0] for w in wanted if w in names}
        # `from crun_py.ns import user` is no import of all that crun_py/ns/__init__ holds
        found[name] = {w for w in wanted if w in names and w not in deeper} - {name, "crun_py"}
    return found


def part(name: str) -> str:
    """The folder or module below crun_py that `name` belongs to."""
    return name.split(".")[1] if "." in name else "__init__"


def test_modules_import_from_their_level_or_below() -> None:
    """Inside functions, too."""
    wrong = [
        f"{name} imports {other}"
        for name, others in arrows().items()
        for other in others
        if LEVEL.get(part(other), 9) > LEVEL.get(part(name), 9)
    ]
    assert wrong == []


def test_folders_do_not_import_each_other() -> None:
    """Within a level all arrows between two folders point the same way."""
    pairs: dict[tuple[str, str], str] = {}
    for name, others in arrows().items():
        for other in others:
            if part(name) != part(other):
                pairs[part(name), part(other)] = f"{name} imports {other}"
    both = {a: (pairs[a], pairs[a[::-1]]) for a in pairs if a[::-1] in pairs and a[0] < a[1]}
    assert both == {}


def test_rooms_do_not_import_each_other() -> None:
    """The same for the rooms of wide folders."""
    pairs: dict[tuple[str, str], str] = {}
    for name, others in arrows().items():
        for other in others:
            a, b = room(name), room(other)
            if part(name) == part(other) and a != b and name.count(".") == other.count(".") == 3:
                pairs[a, b] = f"{name} imports {other}"
    both = {a: (pairs[a], pairs[a[::-1]]) for a in pairs if a[::-1] in pairs and a[0] < a[1]}
    assert both == {}


def room(name: str) -> str:
    """The folder that a module lies in."""
    return name.rpartition(".")[0]


def test_types_of_documents_cost_nothing() -> None:
    """They are imported for type checking only."""
    users = {
        name for name, others in arrows().items() if any(part(o) == "documents" for o in others)
    }
    assert {part(name) for name in users} <= {"documents"}


def test_there_are_no_circles() -> None:
    """Whoever is left after modules that import nothing more are taken away is in a circle."""
    left = arrows()
    while done := [name for name, others in left.items() if not others & left.keys()]:
        for name in done:
            del left[name]
    assert sorted(left) == []


OURS = {"argv", "stdin", "stdout", "stderr", "exit", "environ", "getenv", "expanduser"}
"""What belongs to the process, and so to its entry."""


def test_only_the_command_line_has_streams_and_arguments() -> None:
    wrong = []
    for path in modules():
        name = relative(path)
        if name.startswith(("cli/", "worker/")) or name in ("__main__.py", "__init__.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in ("sys", "os"):
                wrong += [f"{name}: {node.value.id}.{node.attr}"] if node.attr in OURS else []
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("print", "input"):
                wrong.append(f"{name}: {ast.unparse(node)}")
    assert wrong == ["apart.py: sys.stdout"]  # flushed before a fork


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
    known = STANDARD | set(HEAVY) | {"crun_py", "cffi", "setuptools", "pytest"}
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
    assert len(found) < 137, sorted(found)  # some are loaded only where a rule must be made anew


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
                named |= set(re.findall(r"crunpy ([a-z]+(?:-[a-z]+)*)", node.value))
    prose = {"monitor", "version", "warning", "raises", "may", "crunpy", "found", "in", "for"}
    assert named - prose <= set(VERBS) | set(GROUPS)


MOST_ANY = {
    "record": 12, "cli": 12, "show": 6, "upgrade": 6, "jsonfile": 5, "oci": 3, "container": 3,
    "ns": 2, "apart": 1, "worker": 1,
}  # fmt: skip
"""How often the type Any may stand in a folder or module.  record, jsonfile, apart, worker, oci,
ns, upgrade: where JSON comes in or goes out.  cli: what typer reads and is told.  show and
container: verbs' modules for completion, values of filters, and what termios and signal give.  It
is only to become less."""


def test_any_is_where_json_is() -> None:
    found: dict[str, int] = {}
    for path in modules():
        names = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name))
        count = sum(node.id == "Any" for node in names)
        where = part(name_of(path))
        found[where] = found.get(where, 0) + count
    more = {k: n for k, n in found.items() if n > MOST_ANY.get(k, 0)}
    assert more == {}
    public = {"model", "library", "aio", "blocking", "notices", "caller"}
    assert not public & {k for k, n in found.items() if n}
