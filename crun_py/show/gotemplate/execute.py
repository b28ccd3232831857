"""A parsed template, carried out for a value."""

from __future__ import annotations

from collections.abc import Iterator

from crun_py.show.gotemplate import values
from crun_py.show.gotemplate.functions import FUNCTIONS, LAZY, Refused
from crun_py.show.gotemplate.lexer import error
from crun_py.show.gotemplate.parser import Node, Operand, Overflow, Pipe, Templates
from crun_py.show.gotemplate.values import NIL, NO_VALUE, NilPointer, NilSlice, is_struct, show

_OMITTED = frozenset({"Health", "Healthcheck", "SizeRw", "SizeRootFs"})
"""Fields that a document has not when there is no such thing, which templates may ask for."""
_NOTHING = object()


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


def label(labels: object, key: str) -> str:
    """The value of one label, "" when it is not there: Docker's method Label."""
    pairs = getattr(labels, "pairs", labels)
    return str(pairs.get(key, "")) if isinstance(pairs, dict) else ""


class Run:
    """One rendering: the template's text (for errors), its parts, the root value."""

    def __init__(self, text: str, templates: Templates, root: object) -> None:
        self._text, self._templates = text, templates
        self._variables: list[list[object]] = [["$", root]]
        self._root = root
        self._out: list[str] = []

    def text(self) -> str:
        """What it prints."""
        self._nodes(self._templates[""], self._root)
        return "".join(self._out)

    def _fail(self, why: str) -> Exception:
        return error(self._text, why)

    # ---- nodes ----

    def _nodes(self, nodes: tuple[Node, ...], dot: object) -> None:
        for node in nodes:
            self._node(node, dot)

    def _node(self, node: Node, dot: object) -> None:
        if node.kind == "text":
            self._out.append(node.value)
        elif node.kind == "print":
            assert node.pipe
            value = self._pipe(node.pipe, dot)
            if not node.pipe.variables:
                self._out.append(show(value))
        elif node.kind == "break":
            raise _Break
        elif node.kind == "continue":
            raise _Continue
        elif node.kind == "template":
            self._template(node, dot)
        else:
            known = len(self._variables)
            try:
                (self._range if node.kind == "range" else self._choose)(node, dot)
            finally:
                del self._variables[known:]

    def _choose(self, node: Node, dot: object) -> None:
        assert node.pipe
        value = self._pipe(node.pipe, dot)
        if values.truth(value):
            self._nodes(node.body, value if node.kind == "with" else dot)
        else:
            self._nodes(node.other, dot)

    def _template(self, node: Node, dot: object) -> None:
        if node.value not in self._templates:
            raise self._fail(f"template {node.value!r} not defined")
        value = self._pipe(node.pipe, dot) if node.pipe else NO_VALUE
        before, self._variables = self._variables, [["$", value]]
        try:
            self._nodes(self._templates[node.value], value)
        except RecursionError:
            raise self._fail("templates call each other too deeply") from None
        finally:
            self._variables = before

    def _range(self, node: Node, dot: object) -> None:
        assert node.pipe
        value = self._pipe(node.pipe._replace(variables=[]), dot)
        names = node.pipe.variables
        known = len(self._variables)
        for name in () if node.pipe.assigns else names:
            self._variables.append([name, NIL])
        some = False
        for key, item in self._items(value, two=len(names) == 2):
            some = True
            for name, new in zip(names, (key, item) if len(names) == 2 else (item,), strict=False):
                self._set(name, new)
            inner = len(self._variables)
            try:
                self._nodes(node.body, item)
            except _Break:
                break
            except _Continue:
                continue
            finally:
                del self._variables[inner:]
        del self._variables[known:]
        if not some:
            self._nodes(node.other, dot)

    def _items(self, value: object, *, two: bool) -> Iterator[tuple[object, object]]:
        if isinstance(value, dict) and not is_struct(value):
            yield from ((k, NilSlice() if v is None else v) for k, v in sorted(value.items()))
        elif isinstance(value, list):
            yield from enumerate(value)
        elif isinstance(value, int) and not isinstance(value, bool) and not two:
            yield from ((n, n) for n in range(value))
        elif value is not NO_VALUE:
            raise self._fail(f"range can't iterate over {show(value)[:40]}")

    # ---- variables ----

    def _set(self, name: str, value: object) -> None:
        for variable in reversed(self._variables):
            if variable[0] == name:
                variable[1] = value
                return
        raise self._fail(f"undefined variable: {name}")

    def _get(self, name: str) -> object:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise self._fail(f"undefined variable: {name}")

    # ---- pipelines ----

    def _pipe(self, pipe: Pipe, dot: object) -> object:
        value: object = _NOTHING
        for command in pipe.commands:
            value = self._command(command, dot, value)
        for name in pipe.variables:
            if pipe.assigns:
                self._set(name, value)
            else:
                self._variables.append([name, value])
        return value

    def _command(self, command: list[Operand], dot: object, piped: object) -> object:
        first, *rest = command
        if first.kind == "call":
            if first.names:
                raise self._fail(f"can't evaluate field {first.names[0]} of a function")
            return self._call(str(first.value), rest, dot, piped)
        if first.kind == "field" and first.names[-1] == "Label" and len(rest) == 1:
            owner = self._fields(dot, (*first.names[:-1], "Labels"), "")
            return label(owner, str(self._operand(rest[0], dot)))
        if rest or piped is not _NOTHING:
            what = ".".join(["", *first.names]) or first.kind
            raise self._fail(f"can't give argument to non-function {what}")
        if first.kind == "nil":
            raise self._fail("nil is not a command")
        return self._operand(first, dot)

    def _operand(self, operand: Operand, dot: object) -> object:
        kind, value, names = operand
        if kind == "call":
            if names:
                raise self._fail(f"can't evaluate field {names[0]} of a function")
            return self._call(str(value), [], dot, _NOTHING)
        if kind == "constant" and isinstance(value, Overflow):
            raise self._fail(f"{value} overflows int")
        found = NIL
        if kind in ("dot", "field"):
            found = dot
        elif kind == "constant":
            found = value
        elif kind == "variable":
            found = self._get(str(value))
        elif isinstance(value, Pipe):
            found = self._scoped(value, dot)
        return self._fields(found, names, ".".join(["", *names]))

    def _scoped(self, pipe: Pipe, dot: object) -> object:
        known = len(self._variables)
        value = self._pipe(pipe, dot)
        del self._variables[known:]
        return value

    def _call(self, name: str, operands: list[Operand], dot: object, piped: object) -> object:
        last = [] if piped is _NOTHING else [piped]
        if name in LAZY:
            return self._until(name, operands, dot, last)
        arguments = [self._operand(operand, dot) for operand in operands] + last
        function, least, most = FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise self._fail(f"wrong number of args for {name}: got {len(arguments)}")
        try:
            return function(*arguments)
        except Refused as e:
            raise self._fail(f"error calling {name}: {e}") from e

    def _until(self, name: str, operands: list[Operand], dot: object, last: list[object]) -> object:
        """`and` and `or`: up to the argument that decides."""
        if not operands and not last:
            raise self._fail(f"wrong number of args for {name}: want at least 1 got 0")
        value: object = NIL
        for operand in operands:
            value = self._operand(operand, dot)
            if values.truth(value) == (name == "or"):
                return value
        return last[0] if last else value

    # ---- fields ----

    def _fields(self, value: object, names: tuple[str, ...], whole: str) -> object:
        for name in names:
            value = self._field(value, name, whole)
        return value

    def _field(self, value: object, name: str, whole: str) -> object:
        if value is NO_VALUE or (isinstance(value, NilPointer) and value.absent):
            return NO_VALUE
        if isinstance(value, NilPointer) or value is NIL:
            raise self._fail(f"nil pointer evaluating {whole}")
        if not isinstance(value, dict):
            raise self._fail(f"can't evaluate field {name} in {show(value)[:40]!r}")
        found = name if name in value else self._otherwise_spelt(value, name)
        if found:
            return values.of_null(found) if value[found] is None else value[found]
        if name in _OMITTED:
            return NilPointer(absent=True)
        if is_struct(value):
            raise self._fail(f"can't evaluate field {name}")
        return NO_VALUE

    @staticmethod
    def _otherwise_spelt(value: dict[str, object], name: str) -> str:
        """A field of a struct whose name differs in its capitals: ID and Id."""
        if not is_struct(value):
            return ""
        return next((key for key in value if key.lower() == name.lower()), "")
