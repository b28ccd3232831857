"""The known word that a mistyped one is nearest to.  Pure (difflib would import `re`)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The word of `known` that `word` was meant to be, case aside; "" if none is near enough.

    Near is one slip in a word of up to five letters, two in a longer one, where letters that
    changed places are one slip.
    """
    lower = word.lower()[:64]
    found, least = "", 1 + (1 if len(lower) <= 5 else 2)
    for candidate in known:
        far = _distance(lower, candidate.lower(), least)
        if far < least and far < max(len(lower), 2):
            found, least = candidate, far
    return found


def hint(word: str, known: Iterable[str]) -> str:
    """`did you mean X?`, or ""."""
    found = nearest(word, known)
    return f"did you mean {found}?" if found else ""


def _distance(a: str, b: str, most: int) -> int:
    """Slips between the two words (optimal string alignment); `most` when there are as many."""
    if abs(len(a) - len(b)) >= most:
        return most
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return min(row[-1], most)
