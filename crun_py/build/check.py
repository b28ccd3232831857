"""The warnings of `build --check` (docs.docker.com, "Build checks").  Pure."""

from __future__ import annotations

from crun_py.build import check_steps
from crun_py.build.nearest import hint
from crun_py.build.stages import defaults
from crun_py.options.expand import Malformed, Names, expand
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from crun_py.build.ignore import Ignore
    from crun_py.build.stages import Stage, Stages
    from crun_py.build.syntax import Dockerfile, Instruction

    Found = Iterator[tuple[str, str, int]]
    """(rule, text, line) each."""

RULES = {
    "ConsistentInstructionCasing": "all instructions in capitals, or all in small letters",
    "CopyIgnoredFile": "a file that .dockerignore hides cannot be copied",
    "DuplicateStageName": "two stages should not have one name",
    "ExposeInvalidFormat": "EXPOSE names ports of the container only",
    "ExposeProtoCasing": "the protocol of a port in small letters",
    "FromAsCasing": "AS written as FROM is",
    "FromPlatformFlagConstDisallowed": "a constant platform keeps the file from other platforms",
    "InvalidDefaultArgInFrom": "the defaults of the ARGs should make a valid image name",
    "InvalidDefinitionDescription": "a comment above ARG or FROM begins with the name it describes",
    "JSONArgsRecommended": "in the JSON form the command gets signals itself, without a shell",
    "LegacyKeyValueFormat": "name=value instead of name value",
    "MaintainerDeprecated": "a label names the author instead",
    "MultipleInstructionsDisallowed": "of several only the last counts",
    "NoEmptyContinuation": "no empty line within an instruction",
    "RedundantTargetPlatform": "the target's platform is what FROM takes anyway",
    "ReservedStageName": "scratch and context mean something else",
    "SecretsUsedInArgOrEnv": "values of ARG and ENV stay in the image: RUN --mount=type=secret",
    "StageNameCasing": "names of stages in small letters",
    "UndefinedArgInFrom": "FROM sees only ARGs that stand before the first FROM",
    "UndefinedVar": "a variable that nothing sets is empty",
    "WorkdirRelativePath": "a relative path depends on the image below",
}
EXPERIMENTAL = ("CopyIgnoredFile", "InvalidDefinitionDescription")
"""Looked for only where `# check=experimental=…` asks for them."""
_RESERVED = ("context", "scratch")


@record
class Warning_:
    """rule: its name.  text: what is found.  line: where.  description: what would be better."""

    rule: str
    text: str
    line: int
    description: str


def warnings(
    dockerfile: Dockerfile,
    stages: Stages,
    *,
    ignore: Ignore | None = None,
    base_names: Mapping[str, Collection[str]] | None = None,
    experimental: bool = False,
) -> tuple[Warning_, ...]:
    """What is doubtful in the file, by lines.

    ignore: what .dockerignore hides.  base_names: by image, as FROM of a stage names it, the
    variables that the image sets; without them only slips of known names are found.
    experimental: those checks too, whatever the file says.
    """
    found = [
        *_of_file(dockerfile),
        *_of_names(stages),
        *_of_bases(stages),
        *check_steps.found(stages, ignore, base_names or {}),
    ]
    rules = _wanted(dockerfile, experimental)
    made = (Warning_(rule=rule, text=text, line=line, description=RULES[rule])
            for rule, text, line in dict.fromkeys(found) if rule in rules)  # fmt: skip
    return tuple(sorted(made, key=lambda warning: (warning.line, warning.rule)))


def _wanted(dockerfile: Dockerfile, experimental: bool) -> set[str]:
    chosen = dockerfile.experimental
    return {
        rule
        for rule in RULES
        if not {"all", rule.lower()} & {*dockerfile.skip}
        and (experimental or rule not in EXPERIMENTAL or {"all", rule.lower()} & {*chosen})
    }


def _of_file(dockerfile: Dockerfile) -> Found:
    """How it is written."""
    words = [i.written for i in dockerfile.instructions]
    upper = sum(w.isupper() for w in words) >= sum(w.islower() for w in words)
    majority = "uppercase" if upper else "lowercase"
    for i in dockerfile.instructions:
        if i.written != (i.written.upper() if upper else i.written.lower()):
            text = f"Command '{i.written}' should match the case of the command majority"
            yield "ConsistentInstructionCasing", f"{text} ({majority})", i.first
        for line in i.empty:
            yield "NoEmptyContinuation", "Empty continuation line", line
        if i.keyword == "MAINTAINER":
            text = "Maintainer instruction is deprecated in favor of using label"
            yield "MaintainerDeprecated", text, i.first
        if i.keyword in ("ARG", "FROM"):
            yield from _description(i)


def _description(i: Instruction) -> Found:
    names = [word.partition("=")[0] for word in i.rest.split()]
    if i.keyword == "FROM":
        names = names[2:]
    if not names or not i.comments or i.comments[-1].split(maxsplit=1)[0] in names:
        return
    name = names[0] if len(names) == 1 else "<arg_key>"
    text = f"Comment for {i.keyword} should follow the format: `# {name} <description>`"
    if i.keyword == "FROM":
        text = text.replace("FROM", "build stage")
    yield "InvalidDefinitionDescription", text, i.first


def _of_names(stages: Stages) -> Found:
    """How stages are called."""
    seen: set[str] = set()
    for stage in stages.all:
        line = stage.base.line
        _, *rest = stage.first.rest.split()
        if not rest:
            continue
        as_, name = rest
        from_ = stage.first.written
        if (from_.isupper(), from_.islower()) != (as_.isupper(), as_.islower()):
            yield "FromAsCasing", f"'{as_}' and '{from_}' keywords' casing do not match", line
        if name != name.lower():
            yield "StageNameCasing", f"Stage name '{name}' should be lowercase", line
        if stage.name in _RESERVED:
            text = f'Stage name should not use the same name as reserved stage "{stage.name}"'
            yield "ReservedStageName", text, line
        if stage.name in seen:
            text = f'Duplicate stage name "{stage.name}", stage names should be unique'
            yield "DuplicateStageName", text, line
        seen.add(stage.name)


def _of_bases(stages: Stages) -> Found:
    """What they begin with."""
    known, escape = _declared(stages), stages.dockerfile.escape
    values = defaults(stages)
    for stage in stages.all:
        written, line = stage.written, stage.base.line
        for text in (written.image, written.platform):
            for name in sorted(_missing(text, known, escape)):
                near = hint(name, known)
                cause = f"FROM argument '{name}' is not declared" + (f" ({near})" if near else "")
                yield "UndefinedArgInFrom", cause, line
        if "$" in written.image and not check_steps.is_image(written.image, values, escape):
            text = f"Default value for ARG {written.image} results in empty or invalid base image"
            yield "InvalidDefaultArgInFrom", f"{text} name", line
        yield from _of_platform(stage)


def _declared(stages: Stages) -> set[str]:
    """An ARG without a value is declared all the same."""
    return {name for name, _ in stages.arguments} | {
        name for arg in stages.globals_ for name, _ in arg.pairs
    }


def _of_platform(stage: Stage) -> Found:
    platform, line = stage.written.platform, stage.base.line
    if platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
        text = f"Setting platform to predefined {platform} in FROM is redundant"
        yield "RedundantTargetPlatform", f"{text} as this is the default behavior", line
        return
    # a stage that is called after its platform is meant for it alone
    named = any(part and part in stage.name for part in platform.split("/")[:2])
    if platform and "$" not in platform and not named:
        text = f'FROM --platform flag should not use constant value "{platform}"'
        yield "FromPlatformFlagConstDisallowed", text, line


def _missing(text: str, known: Iterable[str], escape: str) -> set[str]:
    names = Names()
    try:
        expand(text, dict.fromkeys(known, "x"), escape=escape, names=names)
    except Malformed:
        return set()
    except ValueError:
        pass
    return names.missing - names.covered
