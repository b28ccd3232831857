"""Go templates for --format: the whole language of text/template, with docker's functions.

    lexer → parser → execute (functions, printf, values)

Values are those of JSON; what they are in Go says values.py.
"""

from __future__ import annotations

import re

from crun_py.errors import printable
from crun_py.show.gotemplate.execute import Run, label
from crun_py.show.gotemplate.functions import NAMES
from crun_py.show.gotemplate.parser import Templates, parse

__all__ = ["check", "harmless", "headings", "label", "render"]

_ACTION = re.compile(r"(?s)\{\{(?:- )?(/\*.*?\*/|.*?)(?: -)?\}\}")
_parsed: dict[str, Templates] = {}


def _templates(text: str) -> Templates:
    if text not in _parsed:
        _parsed[text] = parse(text, NAMES)
    return _parsed[text]


def check(template: str) -> None:
    """Raises InvalidArgument for a template that is malformed, whatever it is used for."""
    _templates(template)


def render(template: str, value: object) -> str:
    """The text of `template` for `value` (of dicts, lists and scalars).

    Raises InvalidArgument for a malformed template or a field that is not there.
    """
    return Run(template, _templates(template), value).text()


def harmless(value: object) -> object:
    """`value` for a terminal: control characters of its texts are escaped."""
    if isinstance(value, str):
        pairs = getattr(value, "pairs", None)
        return type(value)(harmless(pairs)) if isinstance(pairs, dict) else printable(value)
    if isinstance(value, dict):
        return {printable(str(key)): harmless(item) for key, item in value.items()}
    return [harmless(item) for item in value] if isinstance(value, list) else value


def headings(template: str, names: dict[str, str]) -> str:
    """The heading line of `table TEMPLATE`: each field's heading (names), else its name."""

    def heading(match: re.Match[str]) -> str:
        fields = re.findall(r"\.([A-Za-z0-9_]+)", match[0])
        return names.get(fields[-1], fields[-1].upper()) if fields else ""

    return _ACTION.sub(heading, template)
