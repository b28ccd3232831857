"""Tokens as a tree.  What Go finds wrong when it parses is found here, before anything is
printed: unknown functions, undefined variables, unclosed blocks."""

from __future__ import annotations

from typing import NamedTuple

from crun_py.show.gotemplate import lexer
from crun_py.show.gotemplate.lexer import Token, error


class Operand(NamedTuple):
    """One word of a command.

    kind:  "nil", "dot", "constant" (value), "variable" (name), "field", "call" (name of a
           function), "pipe" (value: Pipe).
    names: the fields that follow.
    """

    kind: str
    value: object = None
    names: tuple[str, ...] = ()


class Pipe(NamedTuple):
    """Commands, each given the value of the one before; and the variables that get the last."""

    commands: list[list[Operand]]
    variables: list[str]
    assigns: bool


class Node(NamedTuple):
    """kind: "text" (value), "print", "if", "with", "range", "template" (value: its name),
    "break", "continue"."""

    kind: str
    value: str = ""
    pipe: Pipe | None = None
    body: tuple[Node, ...] = ()
    other: tuple[Node, ...] = ()


Templates = dict[str, tuple[Node, ...]]
"""The named ones; "" is the template itself."""


def parse(text: str, functions: frozenset[str]) -> Templates:
    """Raises InvalidArgument."""
    parser = _Parser(text, functions)
    parser.whole()
    return parser.templates


_CONSTANTS = ("nil", "dot", "constant")


class _Parser:
    def __init__(self, text: str, functions: frozenset[str]) -> None:
        self._text, self._functions = text, functions
        self._tokens = lexer.tokens(text)
        self._at = 0
        self._variables = ["$"]
        self._ranges = 0
        self.templates: Templates = {}

    # ---- tokens ----

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += token.kind != lexer.END
        return token

    def _skip_space(self) -> Token:
        while self._peek().kind == lexer.SPACE:
            self._at += 1
        return self._peek()

    def _next_word(self) -> Token:
        self._skip_space()
        return self._next()

    def _fail(self, why: str) -> Exception:
        return error(self._text, why)

    def _expect_right(self, where: str) -> None:
        token = self._next_word()
        if token.kind != lexer.RIGHT:
            raise self._fail(f"unexpected {token.text!r} in {where}")

    # ---- blocks ----

    def whole(self) -> None:
        nodes: list[Node] = []
        while self._peek().kind != lexer.END:
            if self._is_action("define"):
                self._define()
                continue
            node = self._text_or_action()
            if isinstance(node, str):
                raise self._fail(f"unexpected {{{{{node}}}}}")
            nodes.append(node)
        self.templates[""] = tuple(nodes)

    def _is_action(self, word: str) -> bool:
        if self._peek().kind != lexer.LEFT:
            return False
        at = self._at + 1
        while self._tokens[at].kind == lexer.SPACE:
            at += 1
        return self._tokens[at] == Token(lexer.KEYWORD, word)

    def _text_or_action(self) -> Node | str:
        """A node, or "end" or "else"."""
        token = self._next()
        if token.kind == lexer.TEXT:
            return Node("text", token.text)
        if token.kind != lexer.LEFT:
            raise self._fail(f"unexpected {token.text!r}")
        token = self._skip_space()
        if token.kind == lexer.KEYWORD and token.text != "nil":
            self._at += 1
            return self._keyword(token.text)
        return Node("print", pipe=self._pipe("command"))

    def _keyword(self, word: str) -> Node | str:
        if word == "end":
            self._expect_right(word)
            return word
        if word == "else":
            token = self._skip_space()
            if token != Token(lexer.KEYWORD, "if") and token != Token(lexer.KEYWORD, "with"):
                self._expect_right(word)
            return word
        if word in ("break", "continue"):
            self._expect_right(word)
            if not self._ranges:
                raise self._fail(f"{{{{{word}}}}} outside {{{{range}}}}")
            return Node(word)
        if word == "template":
            name = self._string("template")
            if self._skip_space().kind == lexer.RIGHT:
                self._at += 1
                return Node("template", name)
            return Node("template", name, self._pipe("template clause"))
        if word == "block":
            return self._block()
        if word in ("if", "with", "range"):
            return self._control(word)
        raise self._fail(f"unexpected {{{{{word}}}}}")

    def _list(self) -> tuple[tuple[Node, ...], str]:
        """Nodes up to "end" or "else", and which of both."""
        nodes: list[Node] = []
        while self._peek().kind != lexer.END:
            node = self._text_or_action()
            if isinstance(node, str):
                return tuple(nodes), node
            nodes.append(node)
        raise self._fail("unexpected end: {{end}} is missing")

    def _control(self, word: str) -> Node:
        known = len(self._variables)
        pipe = self._pipe(word)
        self._ranges += word == "range"
        body, last = self._list()
        self._ranges -= word == "range"
        other: tuple[Node, ...] = ()
        if last == "else":
            following = self._peek()
            if word != "range" and following == Token(lexer.KEYWORD, word):
                self._at += 1
                other = (self._control(word),)
            else:
                other, last = self._list()
                if last != "end":
                    raise self._fail("expected {{end}}, found {{else}}")
        del self._variables[known:]
        return Node(word, pipe=pipe, body=body, other=other)

    def _string(self, where: str) -> str:
        token = self._next_word()
        if token.kind != lexer.STRING:
            raise self._fail(f"unexpected {token.text!r} in {where} clause")
        return lexer.unquoted(self._text, token.text)

    def _apart(self, name: str) -> None:
        """The body of a named template, which knows nothing of what is around it."""
        variables, ranges = self._variables, self._ranges
        self._variables, self._ranges = ["$"], 0
        body, last = self._list()
        if last != "end":
            raise self._fail("unexpected {{else}} in a template")
        self._variables, self._ranges = variables, ranges
        if not _is_empty(self.templates.get(name, ())) and not _is_empty(body):
            raise self._fail(f"multiple definition of template {name!r}")
        if name not in self.templates or not _is_empty(body):
            self.templates[name] = body

    def _define(self) -> None:
        self._at += 1
        self._next_word()
        name = self._string("define")
        self._expect_right("define clause")
        self._apart(name)

    def _block(self) -> Node:
        name = self._string("block")
        pipe = self._pipe("block clause")
        self._apart(name)
        return Node("template", name, pipe)

    # ---- pipelines ----

    def _pipe(self, where: str, end: str = lexer.RIGHT) -> Pipe:
        variables, assigns = self._declarations(where)
        commands: list[list[Operand]] = []
        while True:
            token = self._skip_space()
            if token.kind == end and (end == lexer.RIGHT or token.text == ")"):
                self._at += 1
                break
            if token.kind in (lexer.MARK, lexer.RIGHT) and token.text != "(":
                raise self._fail(f"unexpected {token.text!r} in {where}")
            if token.kind == lexer.KEYWORD and token.text != "nil":
                raise self._fail(f"unexpected {token.text!r} in {where}")
            commands.append(self._command())
        if not commands:
            raise self._fail(f"missing value for {where}")
        for command in commands[1:]:
            if command[0].kind in _CONSTANTS and not command[0].names:
                raise self._fail("non executable command in pipeline")
        return Pipe(commands, variables, assigns)

    def _declarations(self, where: str) -> tuple[list[str], bool]:
        """`$x :=`, `$x =`, and in a range `$i, $x :=`."""
        variables: list[str] = []
        while self._skip_space().kind == lexer.VARIABLE:
            before = self._at
            name = self._next().text
            mark = self._skip_space()
            if mark.kind == lexer.MARK and mark.text in (":=", "="):
                self._at += 1
                self._variables.append(name)
                return [*variables, name], mark.text == "="
            if mark != Token(lexer.MARK, ","):
                self._at = before
                break
            self._at += 1
            variables.append(name)
            self._variables.append(name)
            if where != "range" or len(variables) > 1:
                raise self._fail(f"too many declarations in {where}")
            if self._skip_space().kind != lexer.VARIABLE:
                raise self._fail("range can only initialize variables")
        if variables:
            raise self._fail(f"missing value for {where}")
        return [], False

    def _command(self) -> list[Operand]:
        operands: list[Operand] = []
        while True:
            self._skip_space()
            operand = self._operand()
            if operand is not None:
                operands.append(operand)
            token = self._peek()
            if token.kind == lexer.SPACE:
                continue
            if token == Token(lexer.MARK, "|"):
                self._at += 1
                break
            if token.kind == lexer.RIGHT or token == Token(lexer.MARK, ")"):
                break
            raise self._fail(f"unexpected {token.text!r} in operand")
        if not operands:
            raise self._fail("empty command")
        return operands

    def _operand(self) -> Operand | None:
        token = self._peek()
        found = self._term(token)
        if found is None:
            return None
        names = list(found.names)
        while self._peek().kind == lexer.FIELD:
            if found.kind in _CONSTANTS:
                raise self._fail(f"unexpected . after term {token.text!r}")
            names.append(self._next().text[1:])
        return found._replace(names=tuple(names))

    def _term(self, token: Token) -> Operand | None:
        kind, text = token
        if kind == lexer.MARK and text == "(":
            self._at += 1
            return Operand("pipe", self._pipe("parenthesized pipeline", lexer.MARK))
        found = self._simple(kind, text)
        self._at += found is not None
        return found

    def _simple(self, kind: str, text: str) -> Operand | None:
        if kind == lexer.WORD:
            if text not in self._functions:
                raise self._fail(f"function {text!r} not defined")
            return Operand("call", text)
        if kind == lexer.DOT:
            return Operand("dot")
        if kind == lexer.KEYWORD and text == "nil":
            return Operand("nil")
        if kind == lexer.VARIABLE:
            if text not in self._variables:
                raise self._fail(f"undefined variable {text!r}")
            return Operand("variable", text)
        if kind == lexer.FIELD:
            return Operand("field", names=(text[1:],))
        if kind == lexer.BOOL:
            return Operand("constant", text == "true")
        if kind == lexer.STRING:
            return Operand("constant", lexer.unquoted(self._text, text))
        if kind == lexer.CHAR:
            value = lexer.unquoted(self._text, text)
            if len(value) != 1:
                raise self._fail(f"malformed character constant: {text}")
            return Operand("constant", ord(value))
        if kind == lexer.NUMBER:
            return Operand("constant", self._number(text))
        return None

    def _number(self, text: str) -> int | float | Overflow:
        digits = text.lstrip("+-")
        try:
            if not any(c in digits for c in ".eE") or digits[:2].lower() == "0x":
                old = digits[:1] == "0" and digits.isdecimal() and len(digits) > 1
                number = int(digits, 8 if old else 0) * (-1 if text[0] == "-" else 1)
                if number >= 1 << 64 or number < -(1 << 63):
                    raise ValueError
                return number if number < 1 << 63 else Overflow(text)
            if "_" in digits:
                raise ValueError
            return float(text)
        except ValueError:
            raise self._fail(f"bad number syntax: {text!r}") from None


class Overflow(str):
    """A number that fits into 64 bits without a sign only: an error once it is used."""


def _is_empty(nodes: tuple[Node, ...]) -> bool:
    return all(node.kind == "text" and not node.value.strip() for node in nodes)
