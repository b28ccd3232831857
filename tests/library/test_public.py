"""What is public: every name is there, typed and documented, and the scenarios use it."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import CHECKOUT

import crun_py
from crun_py import aio
from crun_py.library.create_options import CreateOptions
from crun_py.record import is_record

HERE = Path(__file__).resolve().parent
sys.path.append(str(CHECKOUT / "tools"))
FACES = ("Attached", "Container", "Containers", "Engine", "Images", "Kube", "Manifests", "Networks",
         "Pod", "Pods", "Secrets", "Volumes")  # fmt: skip


def test_blocking_is_what_the_tool_writes() -> None:
    import blocking

    for source in blocking.SOURCE.glob("*.py"):
        if source.name != blocking.BY_HAND:
            there = (blocking.TARGET / source.name).read_text()
            assert there == blocking.written(source), f"run tools/blocking.py: {source.name}"
    names = [{p.name for p in where.glob("*.py")} for where in (blocking.SOURCE, blocking.TARGET)]
    assert names[0] == names[1]


def test_the_reference_is_what_the_tool_writes() -> None:
    import reference

    assert reference.FILE.read_text() == reference.written(), "run tools/reference.py"


def test_the_two_halves_of_the_names_agree() -> None:
    """What is loaded when it is asked for, and what a type checker sees."""
    tree = ast.parse(Path(crun_py.__file__).read_text())
    checked = next(n for n in tree.body if isinstance(n, ast.If) and "CHECKING" in ast.dump(n.test))
    seen = {
        (node.module, alias.asname) for node in checked.body
        if isinstance(node, ast.ImportFrom) for alias in node.names
    }  # fmt: skip
    told = {
        (f"crun_py.{module}", name)
        for module, names in crun_py._NAMES.items()
        for name in names.split()
    }
    assert seen == told
    for name in crun_py.__all__:
        assert getattr(crun_py, name) is not None
        assert name in dir(crun_py)
    with pytest.raises(AttributeError):
        crun_py.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert [*aio.__all__] == [*importlib.import_module("crun_py.blocking").__all__]


def test_everything_is_documented() -> None:
    for name in crun_py.__all__:
        value = getattr(crun_py, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name
    for face in FACES:
        for name, method in methods(face):
            assert method.__doc__, f"{face}.{name}"


def test_options_are_documented() -> None:
    """Each of CreateOptions and BuildOptions in its own text."""
    for options in (CreateOptions, crun_py.BuildOptions):
        assert options.__doc__
        words = options.__doc__.replace(",", " ").replace(":", " ").split()
        assert [name for name in options.__annotations__ if name not in words] == []


def methods(face: str) -> Iterator[tuple[str, object]]:
    """The public methods of a class of aio, with its constructor where users call it."""
    for name, value in inspect.getmembers(getattr(aio, face), inspect.isfunction):
        if not name.startswith("_"):
            yield name, value
    if face == "Engine":
        yield "Engine", aio.Engine.__init__


def _calls() -> dict[str, set[str | int]]:
    """By the name of what is called: the keywords that it is given, and how many values."""
    found: dict[str, set[str | int]] = {}
    for path in [*HERE.glob("*.py"), *(HERE / "scenarios").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                found.setdefault(node.attr, set())
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                given = found.setdefault(name, set())
                given.update(k.arg for k in node.keywords if k.arg)
                given.update(range(len(node.args)))
    # _says of settings.py passes on to `run`
    found["run"] |= found.get("_says", set())
    return found


def test_every_method_and_parameter_is_tested() -> None:
    calls = _calls()
    missing = []
    for face in FACES:
        for name, method in methods(face):
            given = calls.get(name, set())
            if name not in calls:
                missing.append(f"{face}.{name}")
            placed = 0
            for parameter in inspect.signature(method).parameters.values():  # type: ignore[arg-type]
                if parameter.name in ("self", "given") or parameter.kind in (
                    parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD,
                ):  # fmt: skip
                    continue
                by_place = parameter.kind is parameter.POSITIONAL_OR_KEYWORD and placed in given
                placed += 1
                if parameter.name not in given and not by_place:
                    missing.append(f"{face}.{name}({parameter.name}=)")
        for name, _ in inspect.getmembers(
            getattr(aio, face), lambda value: isinstance(value, property)
        ):
            if name not in calls:
                missing.append(f"{face}.{name}")
    known = calls["run"] | calls["create"]
    missing += [f"run({name}=)" for name in CreateOptions.__annotations__ if name not in known]
    assert missing == []


def test_every_public_name_is_tested() -> None:
    text = "".join(p.read_text() for p in (HERE / "scenarios").glob("*.py"))
    text += "".join(p.read_text() for p in HERE.glob("test_*.py") if p.name != Path(__file__).name)
    told = {"DiskUsage", "SystemPruned", "Pruned", "PrunedImages", "Pushed", "LoadedImage",
            "RemovedPart", "SearchResult", "HistoryStep", "HealthChecked", "ProcessTable",
            "PublishedPorts", "Ran", "Stats", "VolumeInfo", "ImageSummary", "ContainerInfo",
            "FileChange", "EngineInfo", "EngineVersion"}  # fmt: skip
    """Those that only come as answers, where the scenarios look at their fields."""
    missing = [n for n in crun_py.__all__ if n not in {*told, *FACES} and n not in text]
    assert missing == []
    for name in told - {"PublishedPorts"}:
        assert is_record(getattr(crun_py, name))


PROGRAM = """
import asyncio
from typing import Any

import crun_py
from crun_py import MiB, aio


def blocking(engine: crun_py.Engine) -> None:
    out: bytes = engine.containers.run("busybox", ["true"], memory=64 * MiB, ports={80: None})
    web: crun_py.Container = engine.containers.run("busybox", detach=True, volumes=["a:/b"])
    for line in web.logs(follow=True):
        text: str = line.decode()
    kept: bytes = web.logs(tail=5)
    port: int = web.ports[80].host_port
    with web.attach() as io:
        if io.stdin:
            io.stdin.write(b"x")
    mounts = [crun_py.Bind("/a", "/b", read_only=True), crun_py.Bind("/c", "/d")]
    engine.containers.create("busybox", mounts=[crun_py.Tmpfs("/t"), crun_py.Bind("/a", "/b")])
    engine.containers.create("busybox", mounts=mounts, user=0)
    options: crun_py.CreateOptions = {"tty": True, "cpus": 1.5}
    engine.containers.create("busybox", **options)


async def waiting(engine: aio.Engine) -> None:
    out: bytes = await engine.containers.run("busybox")
    async with await engine.containers.run("busybox", detach=True) as web:
        async for line in await web.logs(follow=True):
            line.decode()
"""
WRONG = {
    'crun_py.run("x", detach=True).decode()': "decode",
    'crun_py.Engine().containers.create("x", momery=1)': "momery",
    'crun_py.Engine().containers.create("x", memory=[])': '"memory"',
    'crun_py.Bind("/a", "/b", True)': "Too many positional",
    'crun_py.Bind("/a")': "target",
    'crun_py.Limits(1)': "Too many positional",
}  # fmt: skip


def _mypy(program: Path, *options: str) -> str:
    command = [sys.executable, "-m", "mypy", "--strict", *options, "--cache-dir",
               str(CHECKOUT / ".mypy_cache/library"), str(program)]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT).stdout


def test_a_program_is_checked(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("from typing import Any\n", ""))
    assert _mypy(program).startswith("Success")
    program.write_text("import crun_py\n" + "\n".join(WRONG) + "\n")
    said = _mypy(program).splitlines()
    for number, word in enumerate(WRONG.values(), 2):
        assert any(f":{number}: error" in line and word in line for line in said), (word, said)


def test_no_public_signature_has_any(tmp_path: Path) -> None:
    """Neither written nor by inference: mypy refuses expressions of type Any in a program that
    names everything."""
    lines = ["import crun_py", "from crun_py import aio"]
    for module in ("crun_py", "aio"):
        for face in (*FACES, "run"):
            lines.append(f"{module}.{face}")
            lines += [f"{module}.{face}.{name}" for name, _ in methods(face) if face != "run" and
                      name != face]  # fmt: skip
    lines += [f"crun_py.{name}" for name in crun_py.__all__]
    program = tmp_path / "names.py"
    program.write_text("\n".join(f"x{i} = {line}" if i > 1 else line
                                 for i, line in enumerate(lines)) + "\n")  # fmt: skip
    said = _mypy(program, "--disallow-any-expr")
    assert said.startswith("Success"), said
