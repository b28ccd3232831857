"""What was given of a verb's options, by their keys and kinds.

A key that the verb's table lacks, and one of another kind, are mistakes of ours: a KeyError, which
`tests/cli/test_option_keys.py` finds before anybody meets it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Option = tuple[str, str, str, str]
    Table = tuple[Option, ...]
    """Options as a verb's module has them: (names, kind, help, metavar)."""

FLAG, SWITCH, VALUE, LIST, OPTIONAL = "flag", "switch", "value", "list", "optional"
"""Kinds of options: a flag (--x, --x=false), one that is None when not given, one value, a value
each time it is given, a value that only --x=value gives ("true" without)."""


def destination(names: str) -> str:
    """The key of an option's value: its first long name, with underscores.  Called for every option
    of every command."""
    return names[names.find("--") + 1 :].partition(" ")[0].lstrip("-").replace("-", "_")


class Values:
    """The values of the options of a table; none is given at first.

    Only the parser gives some to an instance; whoever wants others makes a new one (`with_…`).
    """

    __slots__ = ("_flags", "_lists", "_switches", "_texts")

    def __init__(self, table: Table = ()) -> None:
        self._flags: dict[str, bool] = {}
        self._switches: dict[str, bool | None] = {}
        self._texts: dict[str, str | None] = {}
        self._lists: dict[str, list[str]] = {}
        for names, kind, _, _ in table:
            key = destination(names)
            if kind == FLAG:
                self._flags[key] = False
            elif kind == SWITCH:
                self._switches[key] = None
            elif kind == LIST:
                self._lists[key] = []
            else:
                self._texts[key] = None

    # ---- the parsers' side ----

    def turn(self, key: str, on: bool) -> None:
        """Give a flag or switch."""
        if key in self._flags:
            self._flags[key] = on
        else:
            self._switches[key] = on

    def give(self, key: str, text: str) -> None:
        """Give a value; lists get one more."""
        if key in self._lists:
            self._lists[key].append(text)
        else:
            self._texts[key] = text

    # ---- what the verbs ask ----

    def flag(self, key: str) -> bool:
        """Whether a flag is set."""
        return self._flags[key]

    def switch(self, key: str) -> bool | None:
        """How a switch is set, None when it is not given."""
        return self._switches[key]

    def text(self, key: str) -> str:
        """The value of an option, "" when it is not given."""
        return self._texts[key] or ""

    def maybe(self, key: str) -> str | None:
        """The value of an option of which "" means something, None when it is not given."""
        return self._texts[key]

    def texts(self, key: str) -> list[str]:
        """The values of an option that may be given often."""
        return self._lists[key]

    # ---- for functions that serve several verbs ----

    def has(self, key: str) -> bool:
        """Whether the verb has the option."""
        return any(key in d for d in (self._flags, self._switches, self._texts, self._lists))

    def given(self, key: str) -> list[str]:
        """What was given of an option of any kind, as texts; nothing for one that is off, empty, or
        that the verb lacks."""
        if key in self._lists:
            return self._lists[key]
        if text := self._texts.get(key):
            return [text]
        return ["true"] if self._flags.get(key) or self._switches.get(key) else []

    # ---- others ----

    def with_flag(self, key: str, on: bool) -> Values:
        """These values with another one of a flag."""
        made = self._copy()
        made._flags[key] = on
        return made

    def with_switch(self, key: str, on: bool | None) -> Values:
        """These values with another one of a switch."""
        made = self._copy()
        made._switches[key] = on
        return made

    def with_text(self, key: str, text: str | None) -> Values:
        """These values with another one of an option."""
        made = self._copy()
        made._texts[key] = text
        return made

    def with_texts(self, key: str, texts: Iterable[str]) -> Values:
        """These values with others of an option that may be given often."""
        made = self._copy()
        made._lists[key] = [*texts]
        return made

    def with_those_of(self, other: Values, keys: Iterable[str]) -> Values:
        """These values, with those that `other` has of the options `keys`."""
        made = self._copy()
        for key in keys:
            if key in other._flags:
                made._flags[key] = other._flags[key]
            elif key in other._switches:
                made._switches[key] = other._switches[key]
            elif key in other._lists:
                made._lists[key] = [*other._lists[key]]
            elif key in other._texts:
                made._texts[key] = other._texts[key]
        return made

    def _copy(self) -> Values:
        made = Values()
        made._flags, made._switches = {**self._flags}, {**self._switches}
        made._texts = {**self._texts}
        made._lists = {key: [*texts] for key, texts in self._lists.items()}
        return made
