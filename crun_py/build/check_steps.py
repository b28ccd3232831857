"""The warnings of `build --check` about the steps of stages (docs.docker.com, "Build checks").
Pure."""

from __future__ import annotations

from crun_py.build.errors import DockerfileError
from crun_py.build.expansion import expanded
from crun_py.build.nearest import hint
from crun_py.build.patterns import has_magic
from crun_py.build.records import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Label,
    Shell,
    Step,
    Workdir,
)
from crun_py.build.stages import SCRATCH, Stage, Stages, arguments
from crun_py.options.expand import Names, expand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from crun_py.build.ignore import Ignore

    Found = Iterator[tuple[str, str, int]]

_ONCE = (Cmd, Entrypoint, Healthcheck)
_SECRET = ("apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd",
           "secret", "token")  # fmt: skip


class _State:
    """What a stage knows at one of its steps, to begin with what its parent knew at the end.

    complete: whether the variables of the base image are known.  absolute: a WORKDIR was
    set.  shell: SHELL chose one, on purpose.
    """

    def __init__(self, parent: _State | None, names: Collection[str] | None) -> None:
        self.variables: dict[str, str] = dict(parent.variables) if parent else {"PATH": "/bin"}
        self.variables.update(dict.fromkeys(names or (), "x"))
        self.complete: bool = parent.complete if parent else names is not None
        self.absolute: bool = parent.absolute if parent else False
        self.shell: bool = parent.shell if parent else False


def found(
    stages: Stages, ignore: Ignore | None, base_names: Mapping[str, Collection[str]]
) -> Found:
    """(rule, text, line) of what is doubtful in the steps."""
    states: dict[int, _State] = {}
    for stage in stages.all:
        parent = states[stage.parent] if stage.parent is not None else None
        names = () if stage.base.image == SCRATCH else base_names.get(stage.base.image)
        state = states[stage.index] = _State(parent, names)
        yield from _repeated(stage)
        for step in stage.steps:
            yield from _of_step(step, state, ignore)
            yield from _undefined(step, state, stages)
            state.shell = state.shell or isinstance(step, Shell)
            state.absolute = state.absolute or isinstance(step, Workdir)


def _repeated(stage: Stage) -> Found:
    last: dict[type[Step], Step] = {}
    for step in stage.steps:
        before = last.get(type(step))
        if before and isinstance(step, _ONCE):
            text = f"Multiple {_keyword(step)} instructions should not be used in the same stage"
            why = "because only the last one will be used"
            yield "MultipleInstructionsDisallowed", f"{text} {why}", before.line
        last[type(step)] = step


def _of_step(step: Step, state: _State, ignore: Ignore | None) -> Found:
    if isinstance(step, Cmd | Entrypoint) and step.shell and not state.shell:
        text = f"JSON arguments recommended for {_keyword(step)}"
        why = "to prevent unintended behavior related to OS signals"
        yield "JSONArgsRecommended", f"{text} {why}", step.line
    elif isinstance(step, Env | Label) and step.legacy:
        word = _keyword(step)
        text = f'"{word} key=value" should be used instead of legacy "{word} key value" format'
        yield "LegacyKeyValueFormat", text, step.line
    if isinstance(step, Arg | Env):
        for name, _ in step.pairs:
            if is_secret(name):
                text = "Do not use ARG or ENV instructions for sensitive data"
                yield "SecretsUsedInArgOrEnv", f'{text} ({_keyword(step)} "{name}")', step.line
    elif isinstance(step, Workdir):
        if not state.absolute and not step.path.startswith(("/", "$", '"', "'")):
            text = f'Relative workdir "{step.path}" can have unexpected results'
            yield "WorkdirRelativePath", f"{text} if the base image changes", step.line
    elif isinstance(step, Expose):
        yield from _ports(step)
    elif isinstance(step, Copy) and ignore and not step.from_:
        for source in step.sources:
            if _is_hidden(source, ignore):
                text = f'Attempting to {_keyword(step)} file "{source}" that is excluded by'
                yield "CopyIgnoredFile", f"{text} {ignore.name}", step.line


def _ports(step: Expose) -> Found:
    for word in step.ports:
        protocol = word.partition("/")[2]
        if "$" not in word and protocol != protocol.lower():
            text = f"Defined protocol '{word}' in EXPOSE instruction should be lowercase"
            yield "ExposeProtoCasing", text, step.line
        if "${" not in word and ":" in word:
            text = "EXPOSE instruction should not define an IP address or host-port mapping"
            yield "ExposeInvalidFormat", f"{text}, found '{word}'", step.line


def _is_hidden(source: str, ignore: Ignore) -> bool:
    if "$" in source or has_magic(source) or "://" in source or source.startswith("git@"):
        return False
    return ignore.hides(source)


def is_secret(name: str) -> bool:
    """Whether a variable of that name seems to hold a secret: API_KEY, but not PUBLIC_KEY."""
    parts = name.lower().split("_")
    return any(part in _SECRET for part in parts) and "public" not in parts


def _undefined(step: Step, state: _State, stages: Stages) -> Found:
    """Variables that nothing sets, and what the step sets itself."""
    names = Names()
    try:
        if isinstance(step, Arg):
            made = arguments(step, state.variables, stages, names)
            state.variables.update({k: v for k, v in made.items() if v is not None})
            # one that is declared is known, with or without a value
            declared = {k for k, v in made.items() if v is None}
        else:
            declared = set()
            done = expanded(step, state.variables, names)
            if isinstance(done, Env):
                state.variables.update(done.pairs)
    except DockerfileError:
        declared = set()
        if isinstance(step, Env):
            state.variables.update(step.pairs)
    for name in sorted(names.missing - names.covered):
        near = hint(name, state.variables)
        if near or state.complete:
            note = f" ({near.replace('did you mean ', 'did you mean $')})" if near else ""
            yield "UndefinedVar", f"Usage of undefined variable '${name}'{note}", step.line
    state.variables.update(dict.fromkeys(declared, ""))


def is_image(written: str, values: Mapping[str, str], escape: str) -> bool:
    """Whether `written`, with `values`, is the name of an image."""
    from crun_py.errors import InvalidArgument
    from crun_py.oci import reference

    try:
        return bool(reference.parse(expand(written, values, escape=escape)))
    except (InvalidArgument, ValueError):
        return False


def _keyword(step: Step) -> str:
    if isinstance(step, Copy):
        return "ADD" if step.add else "COPY"
    return type(step).__name__.upper()
