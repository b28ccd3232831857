"""A template as tokens: Go's text/template/parse, from its language definition."""

from __future__ import annotations

import re
from typing import NamedTuple

from crun_py.errors import InvalidArgument

TEXT, FIELD, VARIABLE, WORD, KEYWORD, NUMBER, CHAR, STRING = (
    "text", "field", "variable", "word", "keyword", "number", "char", "string",
)  # fmt: skip
SPACE, MARK, DOT, BOOL, LEFT, RIGHT, END = "space", "mark", "dot", "bool", "left", "right", "end"
KEYWORDS = frozenset("block break continue define else end if nil range template with".split())

_SPACES = " \t\r\n"
_NUMBER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F_]*|0[bB][01_]*|0[oO][0-7_]*|[0-9_]*)"
                     r"(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?")  # fmt: skip
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_CHAR = re.compile(r"'(?:[^'\\\n]|\\.)+'")
_CHAR_START = re.compile(r"'(?:[^'\\\n]|\\.[^'\n]*)'")
_NAME = re.compile(r"\w*")


class Token(NamedTuple):
    """kind: one of the constants above; text: as it stands in the template."""

    kind: str
    text: str


def error(template: str, why: str) -> InvalidArgument:
    """The error for a template."""
    return InvalidArgument(f"template {template!r}: {why}", hint="Go's text/template: {{.Name}}")


def tokens(template: str) -> list[Token]:
    """All tokens, an END last.  Raises InvalidArgument."""
    return _Lexer(template).all()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._found: list[Token] = []

    def all(self) -> list[Token]:
        trim = False
        while True:
            start = self._text.find("{{", self._at)
            plain = self._text[self._at : start if start >= 0 else len(self._text)]
            plain = plain.lstrip(_SPACES) if trim else plain
            if start < 0:
                self._add(TEXT, plain)
                return [*self._found, Token(END, "")]
            self._at = start + 2
            if self._dash():
                plain = plain.rstrip(_SPACES)
                self._at += 1
                self._at += len(self._spaces())
            self._add(TEXT, plain)
            trim = self._comment() if self._text.startswith("/*", self._at) else self._action()

    def _add(self, kind: str, text: str) -> None:
        if text or kind != TEXT:
            self._found.append(Token(kind, text))

    def _dash(self) -> bool:
        """Whether a trim marker, `- `, is here."""
        return self._text[self._at : self._at + 1] == "-" and (
            self._text[self._at + 1 : self._at + 2] in tuple(_SPACES)
        )

    def _spaces(self) -> str:
        end = self._at
        while end < len(self._text) and self._text[end] in _SPACES:
            end += 1
        return self._text[self._at : end]

    def _right(self) -> int:
        """The length of the closing delimiter that is here, 0 when there is none."""
        if self._text.startswith("}}", self._at):
            return 2
        space = self._text[self._at : self._at + 1]
        return 4 if space and space in _SPACES and self._text.startswith("-}}", self._at + 1) else 0

    def _comment(self) -> bool:
        end = self._text.find("*/", self._at)
        if end < 0:
            raise error(self._text, "unclosed comment")
        self._at = end + 2
        length = self._right() or self._wide_right()
        if not length:
            raise error(self._text, "comment ends before closing delimiter")
        self._at += length
        return length > 2

    def _wide_right(self) -> int:
        """A trim marker behind more than one space."""
        spaces = len(self._spaces())
        return spaces + 3 if spaces and self._text.startswith("-}}", self._at + spaces) else 0

    def _action(self) -> bool:
        """The tokens of one action; whether what follows it is trimmed."""
        self._found.append(Token(LEFT, "{{"))
        depth = 0
        while True:
            wide = self._wide_right()
            if wide or self._text.startswith("}}", self._at):
                if depth:
                    raise error(self._text, "unclosed left paren")
                self._found.append(Token(RIGHT, "}}"))
                self._at += wide or 2
                return bool(wide)
            if self._at == len(self._text):
                raise error(self._text, "unclosed action")
            depth += self._token(self._text[self._at])
            if depth < 0:
                raise error(self._text, "unexpected right paren")

    def _token(self, c: str) -> int:
        """The next token in an action; how many parentheses it opens."""
        following = self._text[self._at + 1 : self._at + 2]
        if c in _SPACES:
            self._take(SPACE, len(self._spaces()))
        elif c == '"':
            self._match(STRING, _STRING, "unterminated quoted string")
        elif c == "`":
            end = self._text.find("`", self._at + 1)
            if end < 0:
                raise error(self._text, "unterminated raw quoted string")
            self._take(STRING, end + 1 - self._at)
        elif c == "'":
            self._match(CHAR, _CHAR, "unterminated character constant")
        elif c == ":" or c == "=":
            mark = ":=" if c == ":" else "="
            if not self._text.startswith(mark, self._at):
                raise error(self._text, "expected :=")
            self._take(MARK, len(mark))
        elif c in "|(),":
            self._take(MARK, 1)
            return {"(": 1, ")": -1}.get(c, 0)
        elif c == "$" or (c == "." and not following.isdecimal()):
            self._name(VARIABLE if c == "$" else FIELD)
        elif c in "+-." or (c.isascii() and c.isdecimal()):
            self._match(NUMBER, _NUMBER, "bad number syntax")
            if self._at < len(self._text) and _is_name(self._text[self._at]):
                raise error(self._text, "bad number syntax")
        elif _is_name(c):
            self._name(WORD)
        else:
            raise error(self._text, f"unexpected {c!r} in action")
        return 0

    def _take(self, kind: str, length: int) -> None:
        self._found.append(Token(kind, self._text[self._at : self._at + length]))
        self._at += length

    def _match(self, kind: str, pattern: re.Pattern[str], why: str) -> None:
        found = pattern.match(self._text, self._at)
        if not found or not found[0]:
            raise error(self._text, why)
        self._take(kind, len(found[0]))

    def _name(self, kind: str) -> None:
        """A word, or one behind "." or "$"."""
        first = self._at + (kind != WORD)
        name = _NAME.match(self._text, first)
        end = name.end() if name else first
        text = self._text[self._at : end]
        if end < len(self._text) and not self._ends(end):
            raise error(self._text, f"bad character {self._text[end]!r}")
        if kind == FIELD and end == first:
            kind = DOT
        elif kind == WORD and text in ("true", "false"):
            kind = BOOL
        elif kind == WORD and text in KEYWORDS:
            kind = KEYWORD
        self._take(kind, len(text))

    def _ends(self, at: int) -> bool:
        """Whether a name may end before what is here."""
        return self._text[at] in _SPACES + ".,|:)(" or self._text.startswith("}}", at)


def _is_name(c: str) -> bool:
    return c == "_" or c.isalnum()


_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_LONG = {"x": 2, "u": 4, "U": 8}


def unquoted(template: str, text: str) -> str:
    """The value of a string or character constant.  Raises InvalidArgument."""
    quote, body = text[0], text[1:-1]
    if quote == "`":
        return body
    made = []
    at = 0
    while at < len(body):
        c = body[at]
        at += 1
        if c != "\\":
            made.append(c)
            continue
        kind = body[at : at + 1]
        at += 1
        if kind in _ESCAPES or (kind == quote and kind):
            made.append(_ESCAPES.get(kind, kind))
            continue
        length, base = (_LONG[kind], 16) if kind in _LONG else (3, 8)
        if kind not in _LONG:
            at -= 1
        digits = body[at : at + length]
        at += length
        try:
            if len(digits) < length or not digits.isalnum() or not digits.isascii():
                raise ValueError
            number = int(digits, base)
            if number > (255 if length < 4 else 0x10FFFF) or 0xD800 <= number < 0xE000:
                raise ValueError
            # a byte, which need not be a character of its own
            made.append(chr(number) if length > 3 or number < 128 else chr(0xDC00 + number))
        except ValueError:
            raise error(template, f"invalid syntax in {text}") from None
    return "".join(made).encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
