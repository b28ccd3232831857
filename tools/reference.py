#!/usr/bin/env python3
"""Write the reference of docs/python.md, what follows MARK, from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import is_typeddict

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import crun_py  # noqa: E402
from crun_py.record import is_record  # noqa: E402

FILE = TOP / "docs/python.md"
MARK = "<!-- what follows is written by tools/reference.py -->\n"


def text_of(value: object) -> str:
    return inspect.getdoc(value) or ""


def signature(name: str, value: object) -> str:
    """As in the code, without the types' modules."""
    assert callable(value)
    made = inspect.signature(value)
    kept = [p for p in made.parameters.values() if p.name != "self"]
    text = f"{name}{made.replace(parameters=kept)}".replace("'", "")
    return re.sub(r"<function (\w+) at \w+>", r"\1", text)


def block(heading: str, said: str) -> list[str]:
    return [heading, "", "```text", said, "```", ""]


def described(name: str) -> list[str]:
    value = getattr(crun_py, name)
    if isinstance(value, int):
        return [f"### {name}", "", f"The number {value}.", ""]
    if inspect.isfunction(value):
        return block(f"### {name}", f"{signature(name, value)}\n\n{text_of(value)}")
    lines = block(f"### {name}", text_of(value))
    if is_record(value) or (is_typeddict(value) and value.__total__):
        fields = [f"{k}: {v}" for k, v in value.__annotations__.items() if k != "_"]
        return [*lines, "Fields: " + ", ".join(f"`{field}`" for field in fields) + ".", ""]
    if value.__module__.startswith("crun_py.blocking"):
        if name == "Engine":
            said = f"{signature(name, value)}\n\n{text_of(value.__init__)}"
            lines += block("#### Engine()", said)
        for word, member in inspect.getmembers(value):
            if word.startswith("_"):
                continue
            if isinstance(member, property):
                lines += [f"- `{name}.{word}`: {text_of(member)}", ""]
            elif inspect.isfunction(member):
                said = f"{signature(word, member)}\n\n{text_of(member)}"
                lines += block(f"#### {name}.{word}", said)
    return lines


def written() -> str:
    """The whole file."""
    head = FILE.read_text().partition(MARK)[0]
    lines = [line for name in crun_py.__all__ for line in described(name)]
    return head + MARK + "\n" + "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    FILE.write_text(written())
