"""A step once its variables have values (Dockerfile reference, "Environment replacement").  Pure.

Replaced are the arguments of ADD, ARG, COPY, ENV, EXPOSE, FROM, LABEL, STOPSIGNAL, USER, VOLUME
and WORKDIR, the mounts of RUN, and here-documents of ADD and COPY whose word is not quoted.
What a shell reads, it expands itself.
"""

from __future__ import annotations

from crun_py import signals
from crun_py.build.heredoc import Heredoc
from crun_py.build.mounts import mount
from crun_py.build.records import (
    Arg,
    Copy,
    Env,
    Expose,
    From,
    Label,
    Run,
    Step,
    StopSignal,
    User,
    Volume,
    Workdir,
)  # fmt: skip
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.options.expand import Malformed, Names, expand
from crun_py.options.instructions import ports
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOCOLS = ("sctp", "tcp", "udp")


def expanded(step: Step, variables: Mapping[str, str], names: Names | None = None) -> Step:
    """`step` with `variables` in it replaced; `names` is told which were looked up.

    Raises DockerfileError, which names the line.
    """
    words = _Words(variables, step.source.escape, names)
    try:
        return _expanded(step, words)
    except Malformed as e:
        hint = "a $ or quote that is meant is written \\$, \\'"
        if isinstance(step, Copy):
            hint = 'names with spaces need the JSON form: ["a b", "c"]'
        raise _error(step, str(e), hint) from None
    except CrunpyError as e:
        raise _error(step, e.message, e.hint) from None
    except ValueError as e:
        raise _error(step, str(e), "") from None


def _error(step: Step, cause: str, hint: str) -> CrunpyError:
    keyword = step.text.partition(" ")[0] or type(step).__name__.upper()
    return step.source.error(f"{keyword}: {cause}", step.line, last=step.last, hint=hint)


class _Words:
    """Replaces variables in words."""

    def __init__(self, variables: Mapping[str, str], escape: str, names: Names | None) -> None:
        self.variables, self.escape = variables, escape
        self.names = Names() if names is None else names

    def one(self, text: str) -> str:
        return expand(text, self.variables, escape=self.escape, names=self.names)

    def all(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.one(text) for text in texts)

    def pairs(self, pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple((self.one(key), self.one(value)) for key, value in pairs)

    def heredoc(self, found: Heredoc) -> Heredoc:
        """A backslash escapes in them whatever `# escape=` says, and quotes are text."""
        if not found.expand:
            return found
        text = expand(found.content, self.variables, names=self.names, quotes=False)
        return Heredoc(name=found.name, text=text, expand=False)


def _expanded(step: Step, words: _Words) -> Step:
    match step:
        case Env() | Label():
            return replaced(step, pairs=words.pairs(step.pairs))
        case Arg():
            return replaced(step, pairs=_defaults(step, words))
        case Copy():
            return replaced(
                step, sources=words.all(step.sources), destination=words.one(step.destination),
                chown=words.one(step.chown), chmod=words.one(step.chmod),
                checksum=words.one(step.checksum), exclude=words.all(step.exclude),
                heredocs=tuple(words.heredoc(found) for found in step.heredocs),
            )  # fmt: skip
        case Run():
            return replaced(step, mounts=tuple(mount(m.text, words.one) for m in step.mounts))
        case From():
            return replaced(step, image=words.one(step.image), platform=words.one(step.platform))
        case Expose():
            return replaced(step, ports=_ports(" ".join(words.all(step.ports))))
        case Volume():
            return replaced(step, paths=_all_there(words.all(step.paths)))
        case User():
            return replaced(step, user=words.one(step.user))
        case Workdir():
            return replaced(step, path=words.one(step.path))
        case StopSignal():
            signal = words.one(step.signal)
            signals.number(signal)
            return replaced(step, signal=signal)
    return step


def _defaults(step: Arg, words: _Words) -> tuple[tuple[str, str | None], ...]:
    """A later one sees those before it."""
    variables = dict(words.variables)
    within = _Words(variables, words.escape, words.names)
    found: list[tuple[str, str | None]] = []
    for key, default in step.pairs:
        name = within.one(key)
        value = None if default is None else within.one(default)
        if value is not None:
            variables[name] = value
        found.append((name, value))
    return tuple(found)


def _ports(text: str) -> tuple[str, ...]:
    """Addresses and ports of the host before a port mean nothing in an image."""
    found = ports(" ".join(word.rpartition(":")[2] for word in text.split()))
    for port in found:
        protocol = port.partition("/")[2]
        if protocol not in PROTOCOLS:
            raise InvalidArgument(f"protocol {protocol} is not known", hint="known: tcp, udp, sctp")
    return tuple(dict.fromkeys(found))


def _all_there(paths: tuple[str, ...]) -> tuple[str, ...]:
    if not all(paths):
        raise InvalidArgument("a path is empty", hint="a variable in it has no value")
    return paths
