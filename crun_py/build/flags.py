"""The flags of instructions: `COPY --from=x`, `RUN --mount=…` (Dockerfile reference).  Pure."""

from __future__ import annotations

from crun_py.build.nearest import nearest
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.errors import Source

_SWITCHES = ("keep-git-dir", "link", "parents", "unpack")
_MANY = ("exclude", "mount")
KNOWN = {
    "ADD": ("checksum", "chmod", "chown", "exclude", "keep-git-dir", "link", "unpack"),
    "COPY": ("chmod", "chown", "exclude", "from", "link", "parents"),
    "FROM": ("platform",),
    "HEALTHCHECK": ("interval", "retries", "start-interval", "start-period", "timeout"),
    "RUN": ("mount", "network", "security"),
}
"""The flags that an instruction has; others have none."""

_SPACE = " \t\r\n\v\f"


@record
class Flag:
    """`--name=value`; value is None for `--name`."""

    name: str
    value: str | None = None


def taken(text: str) -> tuple[tuple[Flag, ...], str]:
    """(the flags that `text` begins with, what follows them).

    Quotes in them are removed and a backslash keeps the next character, whatever `# escape=`
    says; a `--` alone ends them.
    """
    flags: list[Flag] = []
    at = 0
    while True:
        while at < len(text) and text[at] in _SPACE:
            at += 1
        if not text.startswith("--", at):
            return tuple(flags), text[at:].strip()
        word, at = _word(text, at)
        if word == "--":
            return tuple(flags), text[at:].strip()
        name, sep, value = word[2:].partition("=")
        flags.append(Flag(name=name, value=value if sep else None))


def _word(text: str, at: int) -> tuple[str, int]:
    """(the word at `at` without its quotes, where it ends)."""
    found, quote = "", ""
    while at < len(text):
        c = text[at]
        at += 1
        if c == "\\":
            found += text[at : at + 1]
            at += 1
        elif quote:
            quote = "" if c == quote else quote
            found += c if quote else ""
        elif c in "'\"":
            quote = c
        elif c in _SPACE:
            break
        else:
            found += c
    return found, at


def check(keyword: str, flags: tuple[Flag, ...], source: Source, first: int, last: int) -> None:
    """Raises DockerfileError for a flag that the instruction lacks, that is given twice, or
    that has not the value it needs."""
    known = KNOWN.get(keyword, ())
    seen: set[str] = set()
    for flag in flags:
        name = f"--{flag.name}"
        cause = hint = ""
        if flag.name not in known:
            cause, hint = f"{keyword} has no flag {name}", _suggestion(flag.name, known)
        elif flag.name in seen and flag.name not in _MANY:
            cause = f"{keyword} {name} is given twice"
        elif flag.name in _SWITCHES:
            if flag.value is not None and flag.value.lower() not in ("true", "false"):
                cause = f"{keyword} {name}={flag.value} is neither true nor false"
        elif flag.value is None:
            cause, hint = f"{keyword} {name} needs a value", f"{name}=…"
        if cause:
            raise source.error(cause, first, last=last, word=name, hint=hint)
        seen.add(flag.name)


def _suggestion(name: str, known: tuple[str, ...]) -> str:
    near = nearest(name, known)
    if near:
        return f"did you mean --{near}?"
    return "known: " + ", ".join(f"--{k}" for k in known) if known else ""


def value(flags: tuple[Flag, ...], name: str) -> str:
    """The value of the flag `name`, "" where it is not given."""
    return next((flag.value or "" for flag in flags if flag.name == name), "")


def values(flags: tuple[Flag, ...], name: str) -> tuple[str, ...]:
    """The values of a flag that may be given more than once."""
    return tuple(flag.value or "" for flag in flags if flag.name == name)


def switch(flags: tuple[Flag, ...], name: str) -> bool | None:
    """Whether the flag `name` is on; None where it is not given."""
    for flag in flags:
        if flag.name == name:
            return flag.value is None or flag.value.lower() == "true"
    return None
