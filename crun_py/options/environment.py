"""--env, --env-file and their like: texts and the caller's variables as what a container gets."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PROXIES = [
    word
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
    for word in (name, name.upper())
]


def proxies(own: Mapping[str, str]) -> dict[str, str]:
    """The variables of `own` that tell how to reach the network."""
    return {name: own[name] for name in _PROXIES if name in own}


def variables(texts: Iterable[str], own: Mapping[str, str]) -> dict[str, str | None]:
    """KEY=VALUE texts, the later ones winning; KEY alone copies that of `own` (None: it has none,
    and then the container has none), KEY* all that begin so.  Raises InvalidArgument."""
    found: dict[str, str | None] = {}
    for entry in texts:
        key, sep, value = entry.partition("=")
        if not key or "\0" in entry:
            raise InvalidArgument(f"environment {entry!r}: not KEY=VALUE")
        if sep:
            found[key] = value
        elif key.endswith("*"):
            found |= {k: v for k, v in own.items() if k.startswith(key[:-1])}
        else:
            found[key] = own.get(key)
    return found


def chosen(
    files: Iterable[str], texts: Iterable[str], own: Mapping[str, str]
) -> dict[str, str | None]:
    """As `variables`, of the lines of `files` (a pipe is read once) and then of `texts`."""
    lines = [line for path in files for line in lines_of(path, "environment")]
    return variables([*lines, *texts], own)


def pairs(texts: Iterable[str], what: str) -> dict[str, str]:
    """KEY=VALUE texts by key; `what` names the option.  Raises InvalidArgument."""
    found = {}
    for text in texts:
        key, sep, value = text.partition("=")
        if not key or not sep:
            raise InvalidArgument(f"{what} {text!r}: not KEY=VALUE")
        found[key] = value
    return found


def labels(texts: Iterable[str], what: str) -> dict[str, str]:
    """As `pairs`, but KEY alone has an empty value."""
    found = {}
    for text in texts:
        key, _, value = text.partition("=")
        if not key:
            raise InvalidArgument(f"{what} {text!r}: not KEY=VALUE")
        found[key] = value
    return found


def lines_of(path: str, what: str) -> list[str]:
    """The KEY=VALUE lines of a file; those that begin with # are comments.

    what: "environment" or "label".  Raises InvalidArgument.
    """
    try:
        text = jsonfile.read_bytes(path).decode("utf-8-sig")
    except OSError as e:
        raise InvalidArgument.from_os(f"reading {what} file {path}", e) from e
    except UnicodeDecodeError:
        raise InvalidArgument(f"reading {what} file {path}: not UTF-8") from None
    lines = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.removesuffix("\r").lstrip()
        if not line or line.startswith("#"):
            continue
        key = line.partition("=")[0]
        if not key or any(c.isspace() for c in key):
            raise InvalidArgument(f"{what} file {path}, line {number}: {key!r} is no name")
        lines.append(line)
    return lines
