"""`${NAME#pattern}`, `${NAME%pattern}` and `${NAME/pattern/word}` (Dockerfile reference,
"Environment replacement"): in a pattern `*` is any characters, `?` is one, and a backslash
takes their meaning from them and from itself.  There are no classes.  Pure."""

from __future__ import annotations

_ANY = None
"""The token of `*`; that of `?` is "", that of a character itself."""


def cut(value: str, side: str, pattern: str) -> str:
    """`value` without the shortest part that `pattern` matches at its start (side "#") or end
    ("%"); without the longest one where the pattern begins with another `#` or `%`.

    Raises ValueError for an escape that is none.
    """
    longest = pattern.startswith(side)
    tokens = _tokens(pattern.removeprefix(side))
    if side == "%":
        tokens, value = tokens[::-1], value[::-1]
    ends = _ends(tokens, value, 0)
    if ends:
        value = value[max(ends) if longest else min(ends) :]
    return value[::-1] if side == "%" else value


def replace(value: str, pattern: str, word: str, *, every: bool) -> str:
    """`value` with `word` for the first, or for `every`, longest part that `pattern` matches.

    Raises ValueError for an escape that is none.
    """
    tokens = _tokens(pattern)
    done, kept, start, ended = [], 0, 0, -1
    while start <= len(value):
        ends = _ends(tokens, value, start)
        end = max(ends) if ends else -1
        if end < 0 or end == start == ended:
            start += 1
            continue
        done += [value[kept:start], word]
        kept = ended = end
        start = end if end > start else start + 1
        if not every:
            break
    return "".join(done) + value[kept:]


def _tokens(pattern: str) -> list[str | None]:
    found: list[str | None] = []
    at = 0
    while at < len(pattern):
        c = pattern[at]
        at += 1
        if c != "\\":
            found.append(_ANY if c == "*" else "" if c == "?" else c)
            continue
        escaped = pattern[at : at + 1]
        if not escaped or escaped not in "*?\\}/":
            raise ValueError(f"pattern {pattern!r}: \\{escaped} is no escape")
        found.append(escaped)
        at += 1
    return found


def _ends(tokens: list[str | None], value: str, start: int) -> set[int]:
    """Where parts of `value` end that begin at `start` and are matched."""
    ends = {start}
    for token in tokens:
        if token is None:
            ends = _reached(value, min(ends))
        else:
            ends = {e + 1 for e in ends if e < len(value) and _is(token, value[e])}
        if not ends:
            break
    return ends


def _reached(value: str, start: int) -> set[int]:
    line_end = value.find("\n", start)  # which no wildcard matches
    return set(range(start, (len(value) if line_end < 0 else line_end) + 1))


def _is(token: str, c: str) -> bool:
    return token == c or (not token and c != "\n")
