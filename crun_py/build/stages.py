"""The stages of a Dockerfile, and which of them a target needs (Dockerfile reference, "FROM",
"Scope of ARG"; "Multi-stage builds").  Pure.

Every step is made here, so that an error in any stage is found before anything runs.
"""

from __future__ import annotations

from crun_py.build.expansion import expanded
from crun_py.build.nearest import hint
from crun_py.build.records import Arg, Copy, From, Onbuild, Run, Step
from crun_py.build.steps import error, step, triggers
from crun_py.build.syntax import Dockerfile, Instruction
from crun_py.errors import InvalidArgument
from crun_py.options.expand import Names
from crun_py.record import record, replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

PLATFORM_NAMES = (
    "TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT",
    "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT", "TARGETSTAGE",
)  # fmt: skip
"""What is set before any ARG; within a stage an ARG of that name must ask for it."""
PROXY_NAMES = tuple(
    name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)  # fmt: skip
"""Build arguments that RUN sees without any ARG."""
SCRATCH = "scratch"


@record
class Stage:
    """index: from 0.  name: in small letters, "" for none.  base: its FROM, variables
    replaced.  written: the same before that.  parent: the stage it begins with, None for an
    image or context.  needs: the stages it uses, the parent among them.  first: of its
    instructions.  instructions: those behind FROM, one for each step."""

    index: int
    name: str
    base: From
    written: From
    parent: int | None
    steps: tuple[Step, ...]
    needs: frozenset[int]
    instructions: tuple[Instruction, ...]
    first: Instruction

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.name or f"stage-{self.index}"


@record
class Stages:
    """all: every stage.  target: the index of the one to build.  order: the indices of what it
    needs, each behind what it needs itself.  arguments: names and values that hold before the
    first FROM, for an ARG without a value in a stage.  globals_: the ARGs there.  build_args:
    as given.  unused: those of them that no ARG declares.  contexts: names of other contexts."""

    dockerfile: Dockerfile
    all: tuple[Stage, ...]
    target: int
    order: tuple[int, ...]
    arguments: tuple[tuple[str, str], ...]
    globals_: tuple[Arg, ...] = ()
    build_args: tuple[tuple[str, str], ...] = ()
    unused: tuple[str, ...] = ()
    contexts: frozenset[str] = frozenset()

    def find(self, name: str, before: int) -> int | None:
        """The stage that `--from=name` means in the stage `before`: a number, or a name, where
        the last of a name holds; None for an image or context.  Raises InvalidArgument."""
        return _found(self.all, name, before, self.contexts, numbers=True)


def stages(
    dockerfile: Dockerfile,
    build_args: Mapping[str, str],
    target: str = "",
    *,
    platforms: Mapping[str, str] | None = None,
    contexts: Collection[str] = (),
) -> Stages:
    """The stages of the file.

    build_args: of --build-arg, those without a value left out.  target: of --target, "" for the
    last stage.  platforms: values of PLATFORM_NAMES.  contexts: names of --build-context, which
    win over stages and images.  Raises DockerfileError, and InvalidArgument for the target.
    """
    hidden = frozenset(name.lower() for name in contexts)
    globals_, groups = _grouped(dockerfile)
    given = {"TARGETSTAGE": target or _last_name(groups), **(platforms or {})}
    known = _global_values(globals_, build_args, given)
    found: list[Stage] = []
    for first, instructions in groups:
        found.append(_stage(found, first, instructions, known, hidden, dockerfile))
    index = _target(found, target)
    declared = {name for arg in globals_ for name, _ in arg.pairs}
    declared |= {name for s in found for arg in s.steps if isinstance(arg, Arg)
                 for name, _ in arg.pairs}  # fmt: skip
    unused = [n for n in build_args if n not in declared and n not in (*given, *PROXY_NAMES)]
    return Stages(
        dockerfile=dockerfile, all=tuple(found), target=index, order=_order(found, index),
        arguments=tuple(known.items()), globals_=tuple(globals_), contexts=hidden,
        build_args=tuple(build_args.items()), unused=tuple(unused),
    )  # fmt: skip


def used(stages: Stages, target: str = "", all: bool = False) -> tuple[Stage, ...]:
    """The stages that must be built for `target` ("" for that of `stages`), or all of them, each
    behind what it needs.  Raises InvalidArgument for a target that there is not."""
    if all:
        return stages.all
    order = _order(stages.all, _target(stages.all, target)) if target else stages.order
    return tuple(stages.all[index] for index in order)


def arguments(
    arg: Arg, variables: Mapping[str, str], stages: Stages, names: Names | None = None
) -> dict[str, str | None]:
    """What the ARG of a stage sets: the value of --build-arg, else its default with `variables`
    replaced, else what holds before the first FROM, else None.  Raises DockerfileError."""
    given, outer = dict(stages.build_args), dict(stages.arguments)
    return _values(arg, variables, given, outer, names)


def defaults(stages: Stages) -> dict[str, str]:
    """What would hold before the first FROM without any --build-arg."""
    given = {n: v for n, v in stages.arguments if n in PLATFORM_NAMES}
    return _global_values(stages.globals_, {}, given)


def _values(
    arg: Arg, variables: Mapping[str, str], given: Mapping[str, str],
    outer: Mapping[str, str], names: Names | None = None,
) -> dict[str, str | None]:  # fmt: skip
    found: dict[str, str | None] = {}
    for name, default in arg.pairs:
        value = given.get(name)
        if value is None and default is None:
            value = outer.get(name)
        elif value is None:
            one = expanded(replaced(arg, pairs=((name, default),)), variables, names)
            value = one.pairs[0][1] if isinstance(one, Arg) else None
        found[name] = value
    return found


def _grouped(
    dockerfile: Dockerfile,
) -> tuple[list[Arg], list[tuple[Instruction, list[Instruction]]]]:
    """(the ARGs before any FROM, each FROM and what follows it)."""
    globals_: list[Arg] = []
    groups: list[tuple[Instruction, list[Instruction]]] = []
    for instruction in dockerfile.instructions:
        if instruction.keyword == "FROM":
            groups.append((instruction, []))
        elif groups:
            groups[-1][1].append(instruction)
        else:
            made = step(instruction, dockerfile.source)
            assert isinstance(made, Arg), "syntax.parse lets nothing else stand before FROM"
            globals_.append(made)
    return globals_, groups


def _last_name(groups: list[tuple[Instruction, list[Instruction]]]) -> str:
    words = groups[-1][0].rest.split()
    return words[2].lower() if len(words) == 3 else "default"


def _global_values(
    args: Iterable[Arg], build_args: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    known = {**given, **{n: v for n, v in build_args.items() if n in given}}
    for arg in args:
        values = _values(arg, known, build_args, known)
        known.update({name: value for name, value in values.items() if value is not None})
    return known


def _stage(
    before: list[Stage], first: Instruction, instructions: list[Instruction],
    known: Mapping[str, str], contexts: frozenset[str], dockerfile: Dockerfile,
) -> Stage:  # fmt: skip
    source = dockerfile.source
    written = step(first, source)
    assert isinstance(written, From)
    base = _base(written, known)
    made = tuple(step(instruction, source) for instruction in instructions)
    for each in made:
        if "$" not in each.text:
            expanded(each, {})  # what is wrong whatever the variables are is told at once
    parent = _found(before, base.image, len(before), contexts, numbers=False)
    needs = {parent} - {None}
    for each in (*_inherited(before, parent), *made):
        try:
            for name in uses(each):
                if name.lower() == base.alias and base.alias not in contexts:
                    raise InvalidArgument(f"{name} is this stage itself")
                needs |= {_found(before, name, len(before), contexts, numbers=True)}
        except InvalidArgument as e:
            keyword = each.text.partition(" ")[0]
            raise error(keyword, e, source, each.line, each.last) from None
    if base.alias in contexts:  # another context stands for the whole stage
        base, parent, needs = replaced(base, image=base.alias), None, set()
        made, instructions = (), []
    return Stage(
        index=len(before), name=base.alias, base=base, written=written, parent=parent, steps=made,
        needs=frozenset(index for index in needs if index is not None), first=first,
        instructions=tuple(instructions),
    )  # fmt: skip


def _base(written: From, known: Mapping[str, str]) -> From:
    names = Names()
    base = expanded(written, known, names)
    assert isinstance(base, From)
    unset = sorted(names.missing)
    note = f"ARG {unset[0]} stands before no FROM, or has no value" if unset else ""
    if unset and hint(unset[0], known):
        note = hint(unset[0], known)
    source = written.source
    if not base.image.strip():
        cause = f"FROM {written.image}: this is no image, but nothing"
        raise source.error(cause, base.line, last=base.last, word=written.image, hint=note)
    if written.platform and not base.platform:
        cause = f"FROM --platform={written.platform}: this is no platform, but nothing"
        raise source.error(cause, base.line, last=base.last, word=written.platform, hint=note)
    return base


def _inherited(before: list[Stage], parent: int | None) -> tuple[Step, ...]:
    """The steps that a stage begins with because its parent says ONBUILD."""
    waiting = before[parent].steps if parent is not None else ()
    texts = [each.trigger for each in waiting if isinstance(each, Onbuild)]
    return triggers(texts, before[parent].title) if texts and parent is not None else ()


def uses(step: Step) -> tuple[str, ...]:
    """The stages, images and contexts that the step takes files from, as it names them."""
    if isinstance(step, Copy):
        return (step.from_,) if step.from_ else ()
    if isinstance(step, Run):
        return tuple(mount.from_ for mount in step.mounts if mount.from_)
    return ()


def _found(stages: Collection[Stage], name: str, before: int, contexts: frozenset[str],
           *, numbers: bool) -> int | None:  # fmt: skip
    """The stage `name` among those with an index below `before`."""
    lower = name.lower()
    if lower in contexts:
        return None
    if numbers and name.isascii() and name.isdecimal():
        number = int(name[:9])
        if number >= before:
            earlier = f"stages before this one: {before}, counted from 0" if before else ""
            raise InvalidArgument(f"there is no stage {name} before this one", hint=earlier)
        return number
    wanted = lower if numbers else name  # FROM takes a name as it is: an image's may not differ
    found = [s.index for s in stages if s.name == wanted and s.index < before]
    return found[-1] if found and lower else None


def _target(stages: Collection[Stage], target: str) -> int:
    """The index of the stage that --target names."""
    if not target:
        return len(stages) - 1
    found = [s.index for s in stages if s.name == target.lower()]
    if found:
        return found[-1]
    names = [s.name for s in stages if s.name]
    known = "stages: " + ", ".join(names) if names else "no stage has a name"
    raise InvalidArgument(f"target {target!r}: no such stage", hint=hint(target, names) or known)


def _order(stages: Collection[Stage], target: int) -> tuple[int, ...]:
    """A stage only needs those before it, so their order is that of the file."""
    by_index = {s.index: s for s in stages}
    needed, waiting = {target}, [target]
    while waiting:
        more = by_index[waiting.pop()].needs - needed
        needed |= more
        waiting += more
    return tuple(sorted(needed))
