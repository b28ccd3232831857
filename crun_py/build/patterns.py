"""Patterns of paths: those of COPY's sources (Go's filepath.Match) and those of .dockerignore
(moby/patternmatcher), which also have `**`.  Pure.

    *  any characters but /      [a-z] [^x]  one of them, or none of them
    ?  any character but /       \\x          x itself
    ** any characters, and after a slash or at the start also no directory at all
"""

from __future__ import annotations

from crun_py.errors import InvalidArgument

_ANY, _STAR, _ALL, _DIRECTORIES = "any", "star", "all", "directories"
_MAGIC = "*?[\\"

TYPE_CHECKING = False
if TYPE_CHECKING:
    Class = tuple[bool, tuple[tuple[str, str], ...]]
    Token = str | Class  # a character, one of the four above, or (negated, ranges)


class Pattern:
    """A pattern, ready to match.  deep: it may hold `**`.  Raises InvalidArgument."""

    def __init__(self, text: str, *, deep: bool = False) -> None:
        self.text = text
        self.tokens = _tokens(text, deep)
        chars = [t if isinstance(t, str) and len(t) == 1 else "" for t in self.tokens]
        plain = next((i for i, c in enumerate(chars) if not c), len(chars))
        self.literal = plain == len(chars)
        """Whether it matches one path only, which is `prefix`."""
        self.prefix = "".join(chars[:plain])
        tail = next((i for i, c in enumerate(reversed(chars)) if not c), len(chars))
        self._suffix = "".join(chars[len(chars) - tail :])
        # between prefix and suffix: one * or ** needs no more than a comparison of both
        self._simple = (*self.tokens[plain : len(chars) - tail],)
        self._slashes = _slashes(self.tokens)
        rest = text[3:] if deep and text.startswith("**/") and "**" not in text[3:] else ""
        self._last = Pattern(rest) if rest else None

    def matches(self, path: str) -> bool:
        """Whether the whole of `path` is matched."""
        if self.literal:
            return path == self.prefix
        if self._last and self._last._slashes is not None:  # then only the last names matter
            return self._last.matches(_last_names(path, self._last._slashes))
        if not path.startswith(self.prefix) or not path.endswith(self._suffix):
            return False
        if len(path) < len(self.prefix) + len(self._suffix):
            return False
        if self._slashes is not None and path.count("/") != self._slashes:
            return False
        if self._simple in ((_ALL,), (_STAR,)):
            middle = path[len(self.prefix) : len(path) - len(self._suffix)]
            return self._simple == (_ALL,) or "/" not in middle
        return 2 * len(self.tokens) in self._states(path)

    def may_match_below(self, directory: str) -> bool:
        """Whether there can be a path below `directory` that is matched."""
        return bool(self._states(f"{directory}/") - {2 * len(self.tokens)})

    def _states(self, path: str) -> set[int]:
        """Where in the tokens one can be behind `path`: 2·i before the token i, 2·i + 1 within
        `_DIRECTORIES`, which ends behind a slash only."""
        states = self._closed({0})
        for c in path:
            after: set[int] = set()
            for state in states:
                self._step(state, c, after)
            if not after:
                return after
            states = self._closed(after)
        return states

    def _step(self, state: int, c: str, after: set[int]) -> None:
        at = state // 2
        if at == len(self.tokens):
            return
        token = self.tokens[at]
        if token == _DIRECTORIES:
            after.add(2 * at + 1)
            if c == "/":
                after.add(2 * at + 2)
        elif token == _ALL or (token == _STAR and c != "/"):
            after.add(state)
        elif token != _STAR and _is(token, c):
            after.add(state + 2)

    def _closed(self, states: set[int]) -> set[int]:
        """With those that are reached without a character."""
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            at = state // 2
            optional = at < len(self.tokens) and self.tokens[at] in (_STAR, _ALL, _DIRECTORIES)
            if optional and not state % 2 and state + 2 not in states:
                states.add(state + 2)
                waiting.append(state + 2)
        return states


def _slashes(tokens: tuple[Token, ...]) -> int | None:
    """How many slashes a path must have; None if that is not certain."""
    if _ALL in tokens or _DIRECTORIES in tokens:
        return None
    if any(not isinstance(token, str) and _is(token, "/") for token in tokens):
        return None
    return tokens.count("/")


def _last_names(path: str, slashes: int) -> str:
    """The end of `path` with that many slashes, all of it if it has no more."""
    cut = len(path)
    for _ in range(slashes + 1):
        cut = path.rfind("/", 0, cut)
        if cut < 0:
            return path
    return path[cut + 1 :]


def has_magic(text: str) -> bool:
    """Whether `text` is more than a path: it holds a wildcard or an escape."""
    return any(c in _MAGIC for c in text)


def match(pattern: str, path: str) -> bool:
    """Go's filepath.Match.  Raises InvalidArgument for a pattern that is none."""
    return Pattern(pattern).matches(path)


def _is(token: Token, c: str) -> bool:
    if isinstance(token, str):
        return c != "/" if token == _ANY else c == token
    negated, ranges = token
    return any(low <= c <= high for low, high in ranges) != negated


def _tokens(text: str, deep: bool) -> tuple[Token, ...]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        c = text[at]
        if deep and text.startswith("**", at):
            token, at = _deep(text, at)
            found.append(token)
        elif c == "[":
            token, at = _class(text, at + 1)
            found.append(token)
        elif c == "\\":
            found.append(_escaped(text, at))
            at += 2
        else:
            found.append({"*": _STAR, "?": _ANY}.get(c, c))
            at += 1
    return tuple(found)


def _deep(text: str, at: int) -> tuple[Token, int]:
    """(what the `**` at `at` means, where it ends).  At the start, and before plain characters
    without a slash, it is any characters: **file matches dir/myfile."""
    behind = at + 2
    rest = text[behind:]
    if rest.startswith("/"):
        behind += 1
    elif at == 0 and not any(c in "*?[]\\" for c in rest):
        return _ALL, behind
    return (_ALL if behind == len(text) else _DIRECTORIES), behind


def _class(text: str, at: int) -> tuple[Class, int]:
    """(the class that begins behind a [, where it ends)."""
    negated = text.startswith("^", at)
    at += negated
    ranges: list[tuple[str, str]] = []
    while not ranges or not text.startswith("]", at):
        low, at = _member(text, at)
        high = low
        if text.startswith("-", at):
            high, at = _member(text, at + 1)
        ranges.append((low, high))
    return (negated, tuple(ranges)), at + 1


def _member(text: str, at: int) -> tuple[str, int]:
    c = text[at : at + 1]
    if not c or c in "-]":
        raise _malformed(text)
    if c == "\\":
        c, at = _escaped(text, at), at + 1
    if at + 1 >= len(text):
        raise _malformed(text)  # no ] can follow
    return c, at + 1


def _escaped(text: str, at: int) -> str:
    if at + 1 >= len(text):
        raise _malformed(text)
    return text[at + 1]


def _malformed(text: str) -> InvalidArgument:
    return InvalidArgument(
        f"pattern {text!r}: malformed", hint="* ? [a-z] and [^a-z] are wildcards, \\ escapes one"
    )
