#!/usr/bin/env python3
"""Write the tables of docs/troubleshooting.md: each message of the source that has a hint.

What varies in a text stands there as `…`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PAGE = TOP / "docs/troubleshooting.md"
MARK = "<!-- what follows is written by tools/hints.py -->\n"
_GROUPS = {
    "Commands and options": "cli options show library pytest_plugin quantity clock filters "
    "signals api",
    "Images, registries and logins": "oci",
    "Building": "build",
    "Networks and ports": "net",
    "Containers, volumes, secrets and pods": "container engine state volumes secrets pods logs "
    "archive kube spec quota",
    "Services elsewhere": "remote",
    "The host: ids, limits, the kernel": "ns cgroup runtime overlay worker paths errors doctor",
    "The OCI runtime": "oci_runtime",
}


def found() -> dict[str, set[tuple[str, str]]]:
    """Messages and hints by the module or package they are in."""
    groups: dict[str, set[tuple[str, str]]] = {}
    for path in sorted((TOP / "crun_py").rglob("*.py")):
        where = path.relative_to(TOP / "crun_py").parts[0].removesuffix(".py")
        tree = ast.parse(path.read_text())
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call):
                continue
            message = " ".join(_text(a) for a in call.args if _is_text(a)) or "…"
            given = [k.value for k in call.keywords if k.arg == "hint"]
            for hint in (text for node in given for text in _texts(node, tree)):
                if re.search(r"\w", hint.replace("…", "")):
                    groups.setdefault(where, set()).add((message, hint))
    return groups


def _texts(node: ast.expr, tree: ast.Module) -> list[str]:
    """What a hint may be: of a variable or constant, each text that the module gives it."""
    if not isinstance(node, ast.Name):
        return [_text(node)]
    given = [(a.targets[0], a.value) for a in ast.walk(tree) if isinstance(a, ast.Assign)]
    return [_text(v) for t, v in given if isinstance(t, ast.Name) and t.id == node.id]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr | ast.BinOp) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _text(node: ast.expr) -> str:
    """The constant words of an expression, with … for what varies."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.IfExp):
        return " / ".join(filter(None, (_text(node.body), _text(node.orelse))))
    return "…"


def _cell(text: str) -> str:
    fence = "``" if "`" in text else "`"
    shown = re.sub(r"\s+", " ", text).replace("|", "\\|")
    return f"{fence} {shown} {fence}" if len(fence) > 1 else f"`{shown}`"


def written() -> str:
    """The tables."""
    groups = found()
    lines: list[str] = []
    for title, places in _GROUPS.items():
        rows = sorted({row for place in places.split() for row in groups.pop(place, ())})
        lines += [f"### {title}", "", "| message | what to do |", "|---|---|"]
        lines += [f"| {_cell(message)} | {_cell(hint)} |" for message, hint in rows]
        lines.append("")
    assert not groups, f"in no group of _GROUPS: {', '.join(groups)}"
    return MARK + "\n" + "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    head = PAGE.read_text().partition(MARK)[0]
    PAGE.write_text(head + written())
