"""--chmod: a mode in digits, or as chmod(1) has it in letters (`u=rwX,go=rX`, `+x`)."""

from __future__ import annotations

from crun_py.errors import InvalidArgument

_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111}


class Mode:
    """What --chmod makes of a mode.  Raises InvalidArgument for a text that means none."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._octal = -1
        self._clauses: list[tuple[int, str, str]] = []
        if text.isascii() and text.isdigit():
            self._octal = self._number(text)
            return
        for clause in text.split(","):
            self._clauses += self._parsed(clause)

    def _number(self, text: str) -> int:
        try:
            found = int(text, 8)
        except ValueError:
            raise self._wrong() from None
        if found > 0o7777:
            raise self._wrong()
        return found

    def _wrong(self) -> InvalidArgument:
        return InvalidArgument(f"chmod {self._text!r}: not a mode", hint="like 755 or u=rwX,go=rX")

    def _parsed(self, clause: str) -> list[tuple[int, str, str]]:
        """(bits of whom, operation, permissions) of each operation in `clause`."""
        at = 0
        while clause[at : at + 1] in ("u", "g", "o", "a"):
            at += 1
        who = 0
        for letter in clause[:at] or "a":
            who |= _WHO[letter]
        found = []
        while at < len(clause):
            operation = clause[at]
            end = at + 1
            while end < len(clause) and clause[end] not in "+-=":
                end += 1
            letters = clause[at + 1 : end]
            if operation not in "+-=" or letters.strip("rwxXstugo"):
                raise self._wrong()
            found.append((who, operation, letters))
            at = end
        if not found:
            raise self._wrong()
        return found

    def apply(self, mode: int, *, directory: bool) -> int:
        """The mode of a file that had `mode`."""
        if self._octal >= 0:
            return self._octal
        for who, operation, letters in self._clauses:
            bits = self._bits(who, letters, mode, directory) & who
            if operation == "+":
                mode |= bits
            elif operation == "-":
                mode &= ~bits
            else:
                mode = (mode & ~(who & 0o777)) | bits
        return mode

    def _bits(self, who: int, letters: str, mode: int, directory: bool) -> int:
        bits = 0
        for letter in letters:
            if letter in _BITS:
                bits |= _BITS[letter]
            elif letter == "X":
                bits |= 0o111 if directory or mode & 0o111 else 0
            elif letter == "s":
                bits |= 0o6000
            elif letter == "t":
                bits |= 0o1000
            else:
                shift = {"u": 6, "g": 3, "o": 0}[letter]
                three = mode >> shift & 7
                bits |= three << 6 | three << 3 | three
        return bits
