"""Go templates for --format, as Docker's users write them (text/template).

Fields (`{{.State.Pid}}`), variables, pipelines, `range`, `if`, `with`, `else`, `index`,
`len`, `printf`, `println`, comparisons, `and`, `or`, `not`, and Docker's own `json`,
`join`, `split`, `lower`, `upper`, `title`, `pad`, `truncate`.  Values are those of JSON.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from crun_py import jsonfile
from crun_py.errors import InvalidArgument

_ACTION = re.compile(r"(?s)\{\{(?P<left>- )?(?P<code>/\*.*?\*/|.*?)(?P<right> -)?\}\}")
_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)'
    r"|(?P<field>\$?[A-Za-z_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+|\$[A-Za-z_]*|\.)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>:=|[|(),=]))"
)


class _Node:
    """A piece of a template: text, an expression, or a block with bodies."""

    __slots__ = ("body", "code", "kind", "other")

    def __init__(self, kind: str, code: str = "") -> None:
        self.kind, self.code = kind, code
        self.body: list[_Node] = []
        self.other: list[_Node] = []


def _error(text: str, why: str) -> InvalidArgument:
    return InvalidArgument(f"template {text!r}: {why}", hint="Go's text/template: {{.Name}}")


def _pieces(text: str) -> list[tuple[str, str]]:
    """("text", …) and ("code", …) in turn, with `{{-` and `-}}` trimming."""
    result = []
    at = 0
    trim = False
    for match in _ACTION.finditer(text):
        plain = text[at : match.start()]
        plain = plain.lstrip() if trim else plain
        result.append(("text", plain.rstrip() if match["left"] else plain))
        trim = bool(match["right"])
        at = match.end()
        if not match["code"].startswith("/*"):
            result.append(("code", match["code"].strip()))
    rest = text[at:]
    if "{{" in rest:
        raise _error(text, "unclosed action")
    result.append(("text", rest.lstrip() if trim else rest))
    return result


def _parse(text: str) -> list[_Node]:
    root = _Node("root")
    stack: list[tuple[_Node, list[_Node]]] = [(root, root.body)]
    for kind, code in _pieces(text):
        into = stack[-1][1]
        if kind == "text":
            into.append(_Node("text", code))
            continue
        word, _, rest = code.partition(" ")
        if word in ("range", "if", "with"):
            node = _Node(word, rest)
            into.append(node)
            stack.append((node, node.body))
        elif word == "else":
            if len(stack) == 1:
                raise _error(text, "unexpected {{else}}")
            node = stack[-1][0]
            stack[-1] = (node, node.other)
            if rest.startswith("if"):
                inner = _Node("if", rest[3:])
                inner.kind = "elseif"
                node.other.append(inner)
                stack.append((inner, inner.body))
        elif word == "end":
            while len(stack) > 1 and stack[-1][0].kind == "elseif":
                stack.pop()
            if len(stack) == 1:
                raise _error(text, "unexpected {{end}}")
            stack.pop()
        else:
            into.append(_Node("expression", code))
    if len(stack) > 1:
        raise _error(text, f"{{{{{stack[-1][0].kind}}}}} without {{{{end}}}}")
    return root.body


class _NilSlice(list[Any]):
    """A list that JSON has as null: Go prints it `[]`."""


class _NilMap(dict[str, Any]):
    """A map that JSON has as null: Go prints it `map[]`."""


class _NilPointer:
    """Something else that JSON has as null: Go prints it `<nil>`."""

    def __bool__(self) -> bool:
        return False


_NULL_MAPS = frozenset(
    "Annotations DriverOpts ExposedPorts Labels Options Sysctls Tmpfs Volumes".split()
)
_NULL_POINTERS = frozenset(
    "Health Healthcheck IPAMConfig Init MemorySwappiness OomKillDisable PidsLimit".split()
)
"""Fields whose null is no list (Engine API)."""
_OMITTED = frozenset({"Health", "Healthcheck"})
"""Fields that a document has not when there is no such thing, which templates may ask for."""


def _null(name: str) -> Any:
    if name in _NULL_MAPS:
        return _NilMap()
    return _NilPointer() if name in _NULL_POINTERS else _NilSlice()


def _json(value: Any) -> str:
    nil = isinstance(value, _NilSlice | _NilMap | _NilPointer)
    return jsonfile.dumps(None if nil else value)


def _show(value: Any) -> str:
    """A value as fmt.Print writes it."""
    if value is None:
        return "<no value>"
    if isinstance(value, _NilPointer):
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{_show(v)}" for k, v in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_show, value)) + "]"
    return str(value)


def _printf(form: str, *values: Any) -> str:
    left = list(values)

    def one(match: re.Match[str]) -> str:
        verb = match[0][-1]
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        value = left.pop(0)
        if verb == "q":
            return '"' + str(value).replace('"', '\\"') + '"'
        if verb in "vs":
            return f"{match[0][:-1]}s" % _show(value)
        return str(match[0] % value)

    return re.sub(r"%[-+ 0#]*\d*(?:\.\d+)?[vsdqtfxX%]", one, form)


def _absent(among: dict[str, Any]) -> Any:
    """What `index` gives for a key that a map has not: the zero value of its others' type."""
    first = next(iter(among.values()), "")
    return _NilSlice() if first is None else type(first)()


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value[key] if key in value else _absent(value)
            value = _NilSlice() if value is None else value
        elif isinstance(value, list | str) and isinstance(key, int) and -1 < key < len(value):
            value = value[key]
        elif value is not None:
            raise InvalidArgument(f"template: index out of range: {key}")
    return value


def _compare(name: str, a: Any, *others: Any) -> bool:
    if name == "eq":
        return any(a == b for b in others)
    b = others[0]
    if name == "ne":
        return bool(a != b)
    return bool(
        a < b if name == "lt" else a <= b if name == "le" else a > b if name == "gt" else a >= b
    )


_FUNCTIONS: dict[str, Any] = {
    "json": _json,
    "join": lambda v, sep="": sep.join(map(_show, v)) if isinstance(v, list) else v.join(sep),
    "split": lambda v, sep: v.split(sep),
    "lower": lambda v: _show(v).lower(),
    "upper": lambda v: _show(v).upper(),
    "title": lambda v: _show(v).title(),
    "pad": lambda v, before, after: " " * before + v + " " * after if v else v,
    "truncate": lambda v, n: v[:n],
    "println": lambda *v: " ".join(map(_show, v)) + "\n",
    "print": lambda *v: "".join(map(_show, v)),
    "printf": _printf,
    "html": lambda v: _escaped(_show(v)),
    "len": lambda v: len(v or ()),
    "index": _index,
    "not": lambda v: not v,
    "and": lambda *v: next((x for x in v if not x), v[-1]),
    "or": lambda *v: next((x for x in v if x), v[-1]),
    "slice": lambda v, *at: v[slice(*at)],
    **{name: partial(_compare, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
}


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)


def label(labels: Any, key: str) -> str:
    """The value of one label, "" when it is not there: Docker's method Label."""
    pairs = getattr(labels, "pairs", labels)
    return str(pairs.get(key, "")) if isinstance(pairs, dict) else ""


class _Run:
    """One rendering: the template's text (for errors), the root value, the variables."""

    def __init__(self, text: str, root: Any) -> None:
        self._text = text
        self._variables: dict[str, Any] = {"$": root}

    def nodes(self, nodes: list[_Node], dot: Any) -> str:
        return "".join(self._node(node, dot) for node in nodes)

    def _node(self, node: _Node, dot: Any) -> str:
        if node.kind == "text":
            return node.code
        if node.kind == "expression":
            names, code = self._assignment(node.code)
            value = self._value(code, dot)
            if names:
                self._variables[names[-1]] = value
                return ""
            return _show(value)
        names, code = self._assignment(node.code)
        value = self._value(code, dot)
        if node.kind == "range":
            return self._range(node, names, value, dot)
        if names:
            self._variables[names[-1]] = value
        if value:
            return self.nodes(node.body, value if node.kind == "with" else dot)
        return self.nodes(node.other, dot)

    def _range(self, node: _Node, names: list[str], value: Any, dot: Any) -> str:
        if not value:
            return self.nodes(node.other, dot)
        pairs = sorted(value.items()) if isinstance(value, dict) else list(enumerate(value))
        parts = []
        for key, item in pairs:
            if names:
                self._variables[names[-1]] = item
                if len(names) == 2:
                    self._variables[names[0]] = key
            parts.append(self.nodes(node.body, item))
        return "".join(parts)

    def _assignment(self, code: str) -> tuple[list[str], str]:
        match = re.match(r"(\$\w+)(?:\s*,\s*(\$\w+))?\s*:?=\s*(.*)", code, re.S)
        if not match:
            return [], code
        return [n for n in (match[1], match[2]) if n], match[3]

    def _tokens(self, code: str) -> list[tuple[str, str]]:
        tokens = []
        at = 0
        code = code.rstrip()
        while at < len(code):
            match = _TOKEN.match(code, at)
            if not match:
                raise _error(self._text, f"unexpected {code[at:].strip()[:10]!r}")
            at = match.end()
            tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
        return tokens

    def _value(self, code: str, dot: Any) -> Any:
        tokens = self._tokens(code)
        value, at = self._pipeline(tokens, 0, dot)
        if at != len(tokens):
            raise _error(self._text, f"unexpected {tokens[at][1]!r}")
        return value

    def _pipeline(self, tokens: list[tuple[str, str]], at: int, dot: Any) -> tuple[Any, int]:
        value, at = self._call(tokens, at, dot, [])
        while at < len(tokens) and tokens[at][1] == "|":
            value, at = self._call(tokens, at + 1, dot, [value])
        return value, at

    def _call(
        self, tokens: list[tuple[str, str]], at: int, dot: Any, piped: list[Any]
    ) -> tuple[Any, int]:
        if at >= len(tokens):
            raise _error(self._text, "missing value")
        kind, text = tokens[at]
        if kind == "name" and text not in ("true", "false", "nil"):
            if text not in _FUNCTIONS:
                raise _error(self._text, f"function {text!r} is not defined")
            arguments = []
            at += 1
            while at < len(tokens) and tokens[at][1] not in ("|", ")"):
                argument, at = self._operand(tokens, at, dot)
                arguments.append(argument)
            try:
                return _FUNCTIONS[text](*arguments, *piped), at
            except (TypeError, AttributeError, IndexError, ValueError) as e:
                raise _error(self._text, f"{text}: {e}") from e
        if piped:
            raise _error(self._text, f"{text!r} is not a function")
        if kind == "field" and text.endswith(".Label") and tokens[at + 1 : at + 2]:
            key, at = self._operand(tokens, at + 1, dot)
            return label(self._field(text + "s", dot), key), at
        return self._operand(tokens, at, dot)

    def _operand(self, tokens: list[tuple[str, str]], at: int, dot: Any) -> tuple[Any, int]:
        kind, text = tokens[at]
        if kind == "string":
            body = text[1:-1]
            if text[0] == '"':
                body = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), body)
            return body, at + 1
        if kind == "number":
            return (float(text) if "." in text else int(text)), at + 1
        if kind == "name":
            return {"true": True, "false": False, "nil": None}.get(text), at + 1
        if kind == "field":
            return self._field(text, dot), at + 1
        if text == "(":
            value, at = self._pipeline(tokens, at + 1, dot)
            if at >= len(tokens) or tokens[at][1] != ")":
                raise _error(self._text, "unclosed parenthesis")
            at += 1
            if at < len(tokens) and tokens[at][0] == "field" and tokens[at][1][0] == ".":
                return self._field(tokens[at][1], value), at + 1
            return value, at
        raise _error(self._text, f"unexpected {text!r}")

    def _field(self, text: str, dot: Any) -> Any:
        first, *names = text.split(".")
        value = dot
        if first.startswith("$"):
            if first not in self._variables:
                raise _error(self._text, f"undefined variable {first}")
            value = self._variables[first]
        elif first:
            raise _error(self._text, f"function {first!r} is not defined")
        for name in filter(None, names):
            if not isinstance(value, dict):
                if value is None or isinstance(value, _NilPointer):
                    return None
                raise _error(self._text, f"no field {name!r} in {_show(value)[:40]!r}")
            if name not in value:
                known = {key.lower(): key for key in value}
                if name.lower() in known:
                    name = known[name.lower()]
                elif name in _OMITTED:
                    value = _NilPointer()
                    continue
                elif value and all(key[:1].isupper() for key in value):
                    raise _error(self._text, f"no field {name!r}")
            value = _null(name) if name in value and value[name] is None else value.get(name)
        return value


def render(template: str, value: Any) -> str:
    """The text of `template` for `value` (of dicts, lists and scalars).

    Raises InvalidArgument for a malformed template or a field that is not there.
    """
    return _Run(template, value).nodes(_parse(template), value)


def check(template: str) -> None:
    """Raises InvalidArgument for a template that is malformed, whatever it is used for."""
    _parse(template.removeprefix("table "))


def headings(template: str, names: dict[str, str]) -> str:
    """The heading line of `table TEMPLATE`: each field's heading (names), else its name."""

    def heading(match: re.Match[str]) -> str:
        fields = re.findall(r"\.([A-Za-z0-9_]+)", match[0])
        return names.get(fields[-1], fields[-1].upper()) if fields else ""

    return _ACTION.sub(heading, template)
