"""Words of a Dockerfile: quotes, escapes and variables (Dockerfile reference, "Environment
replacement").  Pure."""

from __future__ import annotations

from crun_py.options import affixes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SPACE = " \t\r\n\v\f"
_DEEPEST = 100
_SPECIAL = "@*#?-$!"


class Malformed(ValueError):
    """A quote or a `${` that does not end, or a `${` of no known form."""


class Names:
    """The variables that were looked up: `found`, and `missing` where they were not set; of
    these `covered` are those that say what holds then, like ${NAME:-word}."""

    __slots__ = ("covered", "found", "missing")

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.covered: set[str] = set()
        self.missing: set[str] = set()


def split(text: str, escape: str = "\\") -> list[str]:
    """The words of `text`, as they stand: quotes and escapes only keep a word together."""
    words: list[str] = []
    word: list[str] = []
    quote, at = "", 0
    while at < len(text):
        c = text[at]
        if c == escape and quote != "'":
            word.append(text[at : at + 2])
            at += 2
            continue
        if c in _SPACE and not quote:
            words += ["".join(word)] if word else []
            word = []
        else:
            if c in "'\"" and quote in ("", c):
                quote = "" if quote else c
            word.append(c)
        at += 1
    return words + (["".join(word)] if word else [])


def expand(
    text: str,
    variables: Mapping[str, str],
    *,
    escape: str = "\\",
    names: Names | None = None,
    quotes: bool = True,
    keep_unset: bool = False,
) -> str:
    """`text` without its quotes and escapes, variables replaced by their values.

    escape: what `# escape=` says.  names: is told which variables were looked up.  quotes:
    False where quotes are characters like others (here-documents).  keep_unset: a variable
    that is not set stays as it stands.

    Raises Malformed, and ValueError where `${NAME:?word}` asks for a value that is not there
    or where a pattern is none.
    """
    expander = _Expander(text, variables, escape, names or Names())
    expander.quotes, expander.keep_unset = quotes, keep_unset
    return expander.until("")


class _Expander:
    """Reads `text` from `at` on."""

    def __init__(self, text: str, variables: Mapping[str, str], escape: str, names: Names) -> None:
        self.text, self.variables, self.at = text, variables, 0
        self.escape, self.names, self.depth = escape, names, 0
        self.quotes, self.keep_unset = True, False

    def until(self, end: str, *, raw: bool = False) -> str:
        """What there is up to the unquoted character `end`, which is passed over.

        raw: escapes stay, for a pattern to be made of it.
        """
        found: list[str] = []
        while self.at < len(self.text):
            c = self.text[self.at]
            self.at += 1
            if end and c == end:
                return "".join(found)
            if c == "'" and self.quotes:
                found.append(self._single())
            elif c == '"' and self.quotes:
                found.append(self._double(raw))
            elif c == self.escape:
                found.append((c if raw else "") + self._take())
            else:
                found.append(self._variable() if c == "$" else c)
        if end:
            raise Malformed(f"no {end} in {self.text!r}")
        return "".join(found)

    def _take(self) -> str:
        c = self.text[self.at : self.at + 1]
        self.at += len(c)
        return c

    def _single(self) -> str:
        end = self.text.find("'", self.at)
        if end < 0:
            raise Malformed("a quote does not end")
        found, self.at = self.text[self.at : end], end + 1
        return found

    def _double(self, raw: bool) -> str:
        found: list[str] = []
        while (c := self._take()) != '"':
            if not c:
                raise Malformed("a quote does not end")
            if c == self.escape:
                escaped = self.text[self.at : self.at + 1] in ('"', "$", self.escape)
                found.append((c if raw else "") + (self._take() if escaped else c))
            else:
                found.append(self._variable() if c == "$" else c)
        return "".join(found)

    def _variable(self) -> str:
        """Behind a $."""
        start = self.at - 1
        if self.text[self.at : self.at + 1] != "{":
            name = self._name()
            value = self._value(name) if name else "$"
            return self.text[start : self.at] if value is None and self.keep_unset else value or ""
        self.at += 1
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Malformed("${ within ${ within …: too deep")
        value, replaced = self._braced()
        self.depth -= 1
        return self.text[start : self.at] if value is None and self.keep_unset else replaced

    def _braced(self) -> tuple[str | None, str]:
        """(the variable's value, what stands for it) behind a ${."""
        name = self._name()
        operator = self._take()
        if operator == ":":
            operator += self._take()
        if not name or operator not in _OPERATORS:
            raise Malformed("${ begins no variable: ${NAME}, ${NAME:-word}, ${NAME:+word}")
        value = self._value(name)
        if operator == "}":
            return value, value or ""
        if operator in ("#", "%"):
            return value, affixes.cut(value or "", operator, self.until("}", raw=True))
        if operator == "/":
            every = self.text[self.at : self.at + 1] == "/"
            self.at += every
            pattern = self.until("/", raw=True)
            word = self.until("}", raw=True)
            return value, affixes.replace(value or "", pattern, word, every=every)
        return value, self._chosen(name, operator, value, self.until("}"))

    def _chosen(self, name: str, operator: str, value: str | None, word: str) -> str:
        """Of the operators - + ? and, where an empty value is as none, :- :+ :?."""
        there = bool(value) if operator[0] == ":" else value is not None
        if value is None:
            self.names.covered.add(name)
        if operator[-1] == "+":
            return word if there else ""
        if not there and operator[-1] == "?" and not self.keep_unset:
            raise ValueError(f"{name}: {word or ('not set' if value is None else 'empty')}")
        return value or "" if there else word

    def _value(self, name: str) -> str | None:
        value = self.variables.get(name)
        (self.names.missing if value is None else self.names.found).add(name)
        return value

    def _name(self) -> str:
        start, text = self.at, self.text
        first = text[start : start + 1]
        if first and first in _SPECIAL:
            self.at += 1
        elif first.isdigit():
            while text[self.at : self.at + 1].isdigit():
                self.at += 1
        else:
            while (c := text[self.at : self.at + 1]) and (c.isalnum() or c == "_"):
                self.at += 1
        return text[start : self.at]


_OPERATORS = ("}", "-", "+", "?", ":-", ":+", ":?", "#", "%", "/")
