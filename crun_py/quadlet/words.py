"""Words of settings, as systemd splits and quotes them (systemd.syntax(7), systemd.service(5),
"Command lines").  Specifiers (%) and variables ($) are systemd's to expand: they pass as they are.
"""

from __future__ import annotations

from crun_py.errors import InvalidArgument

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
            "s": " ", "\\": "\\", '"': '"', "'": "'"}  # fmt: skip
_BLANK = " \t\n\r"
_WRITTEN = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}


def split(text: str) -> list[str]:
    """The words of `text`; quotes ('…' and "…") begin and end at a word's edges or within.

    Raises InvalidArgument for a quote without end and an escape that there is not.
    """
    found: list[str] = []
    word: list[str] | None = None
    quote = ""
    i = 0
    while i < len(text):
        c = text[i]
        i += 1
        if c == "\\":
            value, i = _escaped(text, i)
            word = [*(word or []), value]
        elif quote:
            if c == quote:
                quote = ""
            else:
                word = [*(word or []), c]
        elif c in "\"'":
            quote, word = c, word or []
        elif c in _BLANK:
            if word is not None:
                found.append("".join(word))
            word = None
        else:
            word = [*(word or []), c]
    if quote:
        raise InvalidArgument(f"{text!r}: a quote without an end")
    return found if word is None else [*found, "".join(word)]


def _escaped(text: str, i: int) -> tuple[str, int]:
    """What the escape means whose letter is at `i`, and where the text goes on."""
    letter = text[i : i + 1]
    digits = {"x": 2, "u": 4, "U": 8}.get(letter, 0)
    code = text[i + 1 : i + 1 + digits]
    if letter in _ESCAPES and letter:
        return _ESCAPES[letter], i + 1
    if digits and len(code) == digits and all(c in "0123456789abcdefABCDEF" for c in code):
        return chr(int(code, 16)), i + 1 + digits
    raise InvalidArgument(f"{text!r}: \\{letter} is no escape")


def quoted(word: str) -> str:
    """A word of an ExecStart= line."""
    if word and not any(c in word for c in " \t\n\r\"';\\"):
        return word
    return '"' + "".join(_WRITTEN.get(c, c) for c in word) + '"'


def line(words: list[str]) -> str:
    """A command line."""
    return " ".join(map(quoted, words))


def truth(text: str) -> bool:
    """A boolean (systemd.syntax(7)).  Raises InvalidArgument."""
    word = text.strip().lower()
    if word in ("1", "yes", "true", "on"):
        return True
    if word in ("0", "no", "false", "off"):
        return False
    raise InvalidArgument(f"{text!r}: neither true nor false")
