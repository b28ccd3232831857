"""--filter KEY=VALUE: the same key twice means either value, different keys mean both."""

from __future__ import annotations

from crun_py.errors import InvalidArgument


def parse(texts: list[str], known: list[str]) -> dict[str, list[str]]:
    """Values by key of `--filter KEY=VALUE`.  Raises InvalidArgument for an unknown key."""
    wanted: dict[str, list[str]] = {}
    for text in texts:
        key, sep, value = text.partition("=")
        if not sep or key not in known:
            raise InvalidArgument(
                f"filter {text!r}: not known", hint="KEY=VALUE with " + ", ".join(known)
            )
        wanted.setdefault(key, []).append(value)
    return wanted


def label_matches(labels: dict[str, str], wanted: str) -> bool:
    """Whether `labels` have KEY, or KEY=VALUE, as a label filter asks."""
    key, sep, value = wanted.partition("=")
    return key in labels and (not sep or labels[key] == value)
