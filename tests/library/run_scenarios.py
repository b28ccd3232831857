"""Run the scenarios of a module, `run_scenarios.py async|plain MODULE [NAME …]`, in this process.

plain: of what tools/blocking.py makes of the module.  Prints the name of each as it begins; the
first that fails ends the program with its traceback.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import linecache
import os
import sys
import types
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "tools"), str(HERE.parent.parent)]

import blocking as translation  # noqa: E402
from _pytest.assertion.rewrite import rewrite_asserts  # noqa: E402

import crun_py  # noqa: E402
from crun_py import aio  # noqa: E402


def scenarios(name: str, how: str) -> dict[str, types.FunctionType]:
    """The public functions of a module, in its order."""
    path = HERE / "scenarios" / f"{name}.py"
    text = path.read_text()
    if how == "plain":
        text = translation.blocking(text)
    title = f"<{how} {path.name}>"
    linecache.cache[title] = (len(text), None, text.splitlines(keepends=True), title)
    module = types.ModuleType(name)
    tree = ast.parse(text)
    rewrite_asserts(tree, text.encode())  # a failure says what the values were
    exec(compile(tree, title, "exec"), module.__dict__)
    return {
        word: value
        for word, value in vars(module).items()
        if isinstance(value, types.FunctionType)
        and value.__module__ == name
        and not word.startswith("_")
    }


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def in_turn(found: dict[str, types.FunctionType]) -> None:
    async with aio.Engine() as engine:
        await engine.containers.list()
        for name, scenario in found.items():
            print(name, flush=True)
            before = descriptors()
            await scenario(engine)
            await asyncio.sleep(0)
            assert (left := await engine.containers.list(all=True)) == [], f"it left {left}"
            assert descriptors() <= before, "it left descriptors"


def one_by_one(found: dict[str, types.FunctionType]) -> None:
    with crun_py.Engine() as engine:
        engine.containers.list()
        for name, scenario in found.items():
            print(name, flush=True)
            before = descriptors()
            scenario(engine)
            assert (left := engine.containers.list(all=True)) == [], f"it left {left}"
            assert descriptors() <= before, "it left descriptors"


def main() -> None:
    how, module, *names = sys.argv[1:]
    warnings.simplefilter("error")
    warnings.simplefilter("always", crun_py.CrunpyWarning)
    found = scenarios(module, how)
    if names:
        found = {name: found[name] for name in names}
    assert all(inspect.iscoroutinefunction(one) == (how == "async") for one in found.values())
    if how == "async":
        asyncio.run(in_turn(found))
    else:
        one_by_one(found)


if __name__ == "__main__":
    main()
