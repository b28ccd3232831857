"""Words of a Dockerfile: quotes, escapes and variables (Dockerfile reference, "Environment
replacement").  Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SPACE = " \t\r\n"


def split(text: str) -> list[str]:
    """The words of `text`, as they stand: quotes and escapes only keep a word together."""
    words, word, quote, at = [], "", "", 0
    while at < len(text):
        c = text[at]
        if c == "\\" and quote != "'":
            word += text[at : at + 2]
            at += 2
            continue
        if c in _SPACE and not quote:
            words += [word] if word else []
            word = ""
        else:
            if c in "'\"" and quote in ("", c):
                quote = "" if quote else c
            word += c
        at += 1
    return words + ([word] if word else [])


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` without its quotes and escapes, variables replaced by their values.

    Raises ValueError for a `${` that is none of the forms that Dockerfiles have.
    """
    return _Expander(text, variables).until("")


class _Expander:
    """Reads `text` from `at` on."""

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self.text, self.variables, self.at = text, variables, 0

    def until(self, end: str) -> str:
        """What there is up to the unquoted character `end`, which is passed over."""
        found = ""
        while self.at < len(self.text):
            c = self.text[self.at]
            if end and c == end:
                self.at += 1
                return found
            self.at += 1
            if c == "'":
                found += self._single()
            elif c == '"':
                found += self._double()
            elif c == "\\":
                found += self._take() or c
            else:
                found += self._variable() if c == "$" else c
        if end:
            raise ValueError(f"no {end} in {self.text!r}")
        return found

    def _take(self) -> str:
        c = self.text[self.at : self.at + 1]
        self.at += len(c)
        return c

    def _single(self) -> str:
        end = self.text.find("'", self.at)
        if end < 0:
            raise ValueError("a quote does not end")
        found, self.at = self.text[self.at : end], end + 1
        return found

    def _double(self) -> str:
        found = ""
        while (c := self._take()) != '"':
            if not c:
                raise ValueError("a quote does not end")
            if c == "\\" and self.text[self.at : self.at + 1] in ('"', "$", "\\"):
                found += self._take()
            else:
                found += self._variable() if c == "$" else c
        return found

    def _variable(self) -> str:
        """Behind a $."""
        if self.text[self.at : self.at + 1] != "{":
            name = self._name()
            return self.variables.get(name, "") if name else "$"
        self.at += 1
        name = self._name()
        operator = self._take()
        if operator == ":":
            operator += self._take()
        if not name or operator.lstrip(":") not in ("}", "-", "+", "?") or operator == ":}":
            raise ValueError("${ begins no variable: ${NAME}, ${NAME:-word}, ${NAME:+word}")
        value = self.variables.get(name)
        if operator == "}":
            return value or ""
        word = self.until("}")
        there = bool(value) if operator[0] == ":" else value is not None
        if operator[-1] == "+":
            return word if there else ""
        if not there and operator[-1] == "?":
            raise ValueError(f"{name}: {word or 'not set'}")
        return value or "" if there else word

    def _name(self) -> str:
        start = self.at
        while (c := self.text[self.at : self.at + 1]) and c.isascii() and (c.isalnum() or c == "_"):
            self.at += 1
            if self.at == start + 1 and c.isdigit():
                break  # $1x is $1 and x
        return self.text[start : self.at]
