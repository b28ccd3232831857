"""Instructions as typed steps, checked as far as they can be before variables have values
(Dockerfile reference).  Pure.

`expanded` is the second half: the same step once the variables are known.
"""

from __future__ import annotations

from crun_py.build import flags, heredoc
from crun_py.build.chmod import Mode
from crun_py.build.errors import DockerfileError
from crun_py.build.expansion import expanded
from crun_py.build.mounts import Mount, mount
from crun_py.build.nearest import hint
from crun_py.build.records import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Placed,
    Run,
    Shell,
    Step,
    StopSignal,
    User,
    Volume,
    Workdir,
)  # fmt: skip
from crun_py.build.syntax import parse
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.options import instructions
from crun_py.options.expand import expand, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypedDict, TypeVar

    from crun_py.build.errors import Source
    from crun_py.build.heredoc import Heredoc
    from crun_py.build.syntax import Dockerfile, Instruction

    T = TypeVar("T")

    class _Place(TypedDict):
        line: int
        last: int
        text: str
        source: Source


NETWORKS = ("default", "host", "none")
SECURITY = ("insecure", "sandbox")


class _Wrong(InvalidArgument):
    """What is wrong, a hint, and the word where."""

    def __init__(self, cause: str, hint: str = "", word: str = "") -> None:
        super().__init__(cause, hint=hint)
        self.word = word


def step(instruction: Instruction, source: Source) -> Step:
    """What the instruction of the file `source` asks for.  Raises DockerfileError."""
    place: _Place = {"line": instruction.first, "last": instruction.last,
                     "text": instruction.text, "source": source}  # fmt: skip
    try:
        return _MAKERS[instruction.keyword](instruction, place)
    except DockerfileError:
        raise
    except (ValueError, CrunpyError) as e:
        raise error(instruction.keyword, e, source, instruction.first, instruction.last) from None


def error(keyword: str, e: Exception, source: Source, line: int, last: int) -> DockerfileError:
    """`e`, met in an instruction, as an error that points there."""
    cause, found = (e.message, e.hint) if isinstance(e, CrunpyError) else (str(e), "")
    word = getattr(e, "word", "")
    return source.error(f"{keyword}: {cause}", line, last=last, word=word, hint=found)


def steps(dockerfile: Dockerfile) -> tuple[Step, ...]:
    """All steps of the file.  Raises DockerfileError."""
    return tuple(step(instruction, dockerfile.source) for instruction in dockerfile.instructions)


def triggers(texts: Iterable[str], image: str) -> tuple[Step, ...]:
    """The steps that an image's ONBUILD triggers are; `image` names it in errors.

    Raises DockerfileError, also for what cannot be a trigger.
    """
    found: list[Step] = []
    for text in texts:
        dockerfile = parse(text, f"ONBUILD of {image}", whole=False)
        for instruction in dockerfile.instructions:
            try:
                instructions.check_trigger(instruction.text)
            except ValueError as e:
                raise error("ONBUILD", e, dockerfile.source, instruction.first, 0) from None
        found += steps(dockerfile)
    return tuple(found)


def _from(i: Instruction, place: _Place) -> From:
    words = i.rest.split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        remark = next((w for w in words if w.startswith(("//", "#"))), "")
        note = f"{remark} begins no comment: # does, at the start of a line" if remark else ""
        raise _Wrong("takes one or three arguments: image, or image AS name",
                     note or "FROM image AS name", remark or "FROM")  # fmt: skip
    alias = words[2].lower() if len(words) == 3 else ""
    if alias and not is_name(alias):
        raise _Wrong(f"{words[2]} cannot name a stage",
                     "a letter, then letters, digits, - _ and .", words[2])  # fmt: skip
    return From(image=words[0], alias=alias, platform=flags.value(i.flags, "platform"), **place)


def is_name(name: str) -> bool:
    """Whether `name`, in small letters, can be that of a stage."""
    rest = name.replace("-", "a").replace("_", "a").replace(".", "a")
    return name.isascii() and name[:1].isalpha() and rest.isalnum()


def _arg(i: Instruction, place: _Place) -> Arg:
    pairs: list[tuple[str, str | None]] = []
    for word in split(i.rest, place["source"].escape):
        name, sep, value = word.partition("=")
        if not name:
            raise _Wrong("a name is missing", "ARG name or ARG name=value", word)
        pairs.append((name, value if sep else None))
    _need(pairs, "a name")
    return Arg(pairs=tuple(pairs), **place)


def _env(i: Instruction, place: _Place) -> Env:
    pairs, legacy = _pairs(i, place)
    return Env(pairs=pairs, legacy=legacy, **place)


def _label(i: Instruction, place: _Place) -> Label:
    pairs, legacy = _pairs(i, place)
    return Label(pairs=pairs, legacy=legacy, **place)


def _pairs(i: Instruction, place: _Place) -> tuple[tuple[tuple[str, str], ...], bool]:
    escape = place["source"].escape
    found = instructions.pairs(i.rest, escape)
    return tuple(found), "=" not in split(i.rest, escape)[0]


def _run(i: Instruction, place: _Place) -> Run:
    command = i.rest if i.words is None else _need(i.words, "a command")
    network = flags.value(i.flags, "network") or "default"
    security = flags.value(i.flags, "security") or "sandbox"
    for name, value, known in (("network", network, NETWORKS), ("security", security, SECURITY)):
        if value not in known:
            raise _Wrong(f"--{name}={value} is not known",
                         hint(value, known) or "known: " + ", ".join(known), value)  # fmt: skip
    mounts = tuple(_mount(text) for text in flags.values(i.flags, "mount"))
    return Run(command=command, shell=i.words is None, heredocs=i.heredocs, mounts=mounts,
               network=network, security=security, **place)  # fmt: skip


def _mount(text: str) -> Mount:
    try:
        return mount(text)
    except InvalidArgument as e:
        raise _Wrong(f"--mount={text}: {e.message}", e.hint, "--mount") from None


def _copy(i: Instruction, place: _Place) -> Copy:
    words = list(i.words) if i.words is not None else i.rest.split()
    if len(words) < 2:
        raise _Wrong("it needs sources and a destination", f"{i.keyword} source… destination")
    named = {found.name: found for found in i.heredocs}
    heredocs: list[Heredoc] = []
    sources = []
    *before, destination = words
    if i.words is None and heredoc.begun(destination):
        raise _Wrong("a here-document cannot be the destination", "", destination)
    for word in before:
        begun = heredoc.begun(word) if i.words is None else None
        if begun and begun.name in named:
            heredocs.append(named[begun.name])
        else:
            sources.append(word)
    from_ = flags.value(i.flags, "from")
    if "$" in from_ and expand(from_, {}) != from_:
        raise _Wrong("--from cannot hold a variable",
                     "name a stage: FROM …$NAME… AS x, then --from=x", from_)  # fmt: skip
    chmod = flags.value(i.flags, "chmod")
    if chmod and "$" not in chmod:
        Mode(chmod)
    return Copy(
        add=i.keyword == "ADD", sources=tuple(sources), destination=destination, from_=from_,
        chown=flags.value(i.flags, "chown"), chmod=chmod,
        link=bool(flags.switch(i.flags, "link")), parents=bool(flags.switch(i.flags, "parents")),
        exclude=flags.values(i.flags, "exclude"), checksum=flags.value(i.flags, "checksum"),
        keep_git_dir=bool(flags.switch(i.flags, "keep-git-dir")),
        unpack=flags.switch(i.flags, "unpack"), heredocs=tuple(heredocs), **place,
    )  # fmt: skip


def _cmd(i: Instruction, place: _Place) -> Cmd:
    return Cmd(command=i.rest if i.words is None else i.words, shell=i.words is None, **place)


def _entrypoint(i: Instruction, place: _Place) -> Entrypoint:
    return Entrypoint(command=i.words if i.words is not None else i.rest or (),
                      shell=i.words is None and bool(i.rest), **place)  # fmt: skip


def _expose(i: Instruction, place: _Place) -> Expose:
    found = Expose(ports=tuple(_need(i.rest.split(), "a port")), **place)
    if "$" not in i.rest:
        expanded(found, {})
    return found


def _volume(i: Instruction, place: _Place) -> Volume:
    paths = i.words if i.words is not None else split(i.rest, place["source"].escape)
    _need(paths, "a path")
    if not all(path.strip() for path in paths):
        raise _Wrong("a path is empty")
    return Volume(paths=tuple(path.strip() for path in paths), **place)


def _stop_signal(i: Instruction, place: _Place) -> StopSignal:
    found = StopSignal(signal=_need(i.rest, "a signal"), **place)
    if "$" not in i.rest:
        expanded(found, {})
    return found


def _onbuild(i: Instruction, place: _Place) -> Onbuild:
    text = _need(i.rest, "an instruction")
    for found in i.heredocs:
        text += f"\n{found.text}{found.name}"
    if i.trigger:
        step(i.trigger, place["source"])
    return Onbuild(trigger=text, **place)


def _healthcheck(i: Instruction, place: _Place) -> Healthcheck:
    given = [(f"--{flag.name}", flag.value or "") for flag in i.flags]
    found = instructions.healthcheck(given, i.rest)
    options = tuple((key, value) for key, value in found.items() if isinstance(value, int))
    return Healthcheck(test=tuple(found.get("Test") or ()), options=options, **place)


def _shell(i: Instruction, place: _Place) -> Shell:
    if not i.words:
        raise _Wrong("it needs words in the JSON form", 'like SHELL ["/bin/bash", "-c"]')
    return Shell(words=i.words, **place)


def _need(value: T, what: str) -> T:
    """`value`, where there is one."""
    if not value:
        raise _Wrong(f"it needs {what}")
    return value


_MAKERS: dict[str, Callable[[Instruction, _Place], Step]] = {
    "ADD": _copy,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": lambda i, place: Maintainer(name=_need(i.rest, "a name"), **place),
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": lambda i, place: User(user=_need(i.rest, "a user"), **place),
    "VOLUME": _volume,
    "WORKDIR": lambda i, place: Workdir(path=_need(i.rest, "a path"), **place),
}

__all__ = [
    "NETWORKS", "SECURITY", "Arg", "Cmd", "Copy", "Entrypoint", "Env", "Expose", "From",
    "Healthcheck", "Label", "Maintainer", "Mount", "Onbuild", "Placed", "Run", "Shell", "Step",
    "StopSignal", "User", "Volume", "Workdir", "expanded", "is_name", "step", "steps", "triggers",
]  # fmt: skip
