"""The warnings of docker's build checks (docs.docker.com, "Build checks")."""

from __future__ import annotations

import pytest

from crun_py.build.check import RULES, warnings
from crun_py.build.check_steps import is_secret
from crun_py.build.ignore import Ignore
from crun_py.build.stages import stages
from crun_py.build.syntax import parse

NAMES = {"i": ("PATH", "JAVA_HOME")}


def found(text: str, *, ignore: str = "", **given: str) -> list[tuple[str, int]]:
    dockerfile = parse(text)
    made = stages(dockerfile, given, platforms={"TARGETPLATFORM": "linux/amd64",
                                                "BUILDPLATFORM": "linux/amd64"})  # fmt: skip
    hidden = Ignore(ignore) if ignore else None
    return [
        (w.rule, w.line)
        for w in warnings(dockerfile, made, ignore=hidden, base_names=NAMES, experimental=True)
    ]


# text, rule, lines where it is reported
CASES: list[tuple[str, str, list[int]]] = [
    ("FROM i AS Base", "StageNameCasing", [1]),
    ("FROM i AS base", "StageNameCasing", []),
    ("FROM i as b", "FromAsCasing", [1]),
    ("from i AS b", "FromAsCasing", [1]),
    ("FROM i As b", "FromAsCasing", [1]),
    ("from i as b", "FromAsCasing", []),
    ("FROM i AS b", "FromAsCasing", []),
    ("FROM i\nRUN a \\\n\n b", "NoEmptyContinuation", [3]),
    ("FROM i\nRUN a \\\n # x\n b", "NoEmptyContinuation", []),
    ("FROM i\nRUN a\nrun b", "ConsistentInstructionCasing", [3]),
    ("from i\nrun a\nRUN b", "ConsistentInstructionCasing", [3]),
    ("FROM i\nRun a", "ConsistentInstructionCasing", [2]),
    ("from i\nrun a", "ConsistentInstructionCasing", []),
    ("FROM i AS a\nFROM i AS a", "DuplicateStageName", [2]),
    ("FROM i AS a\nFROM i AS A", "DuplicateStageName", [2]),
    ("FROM i AS a\nFROM i AS b", "DuplicateStageName", []),
    ("FROM i AS scratch", "ReservedStageName", [1]),
    ("FROM i AS context", "ReservedStageName", [1]),
    ("FROM scratch AS x", "ReservedStageName", []),
    ("FROM i\nCMD a", "JSONArgsRecommended", [2]),
    ("FROM i\nENTRYPOINT a b", "JSONArgsRecommended", [2]),
    ('FROM i\nCMD ["a"]', "JSONArgsRecommended", []),
    ('FROM i\nSHELL ["/bin/bash", "-c"]\nCMD a', "JSONArgsRecommended", []),
    ('FROM i AS a\nSHELL ["/bin/bash", "-c"]\nFROM a\nCMD a', "JSONArgsRecommended", []),
    ("FROM i\nRUN a", "JSONArgsRecommended", []),
    ("FROM i\nCMD []", "JSONArgsRecommended", []),
    ("FROM i\nMAINTAINER x", "MaintainerDeprecated", [2]),
    ("FROM i${X}", "UndefinedArgInFrom", [1]),
    ("FROM i${X:-}", "UndefinedArgInFrom", []),
    ("ARG X=1\nFROM i:$X", "UndefinedArgInFrom", []),
    ("ARG X\nFROM i$X", "UndefinedArgInFrom", []),
    ("FROM i\nARG X=1\nFROM i$X", "UndefinedArgInFrom", [3]),
    ("FROM --platform=$BUILDPLATFORM i", "UndefinedArgInFrom", []),
    ("FROM --platform=linux/$ARCH i", "UndefinedArgInFrom", [1]),
    ("FROM i\nWORKDIR a", "WorkdirRelativePath", [2]),
    ("FROM i\nWORKDIR /a\nWORKDIR b", "WorkdirRelativePath", []),
    ("FROM i\nWORKDIR a\nWORKDIR b", "WorkdirRelativePath", [2]),
    ("FROM i AS x\nWORKDIR /a\nFROM x\nWORKDIR b", "WorkdirRelativePath", []),
    ("FROM i\nWORKDIR $x", "WorkdirRelativePath", []),
    ("FROM i\nCOPY $foo .", "UndefinedVar", [2]),
    ("FROM i\nARG foo\nCOPY $foo .", "UndefinedVar", []),
    ("FROM i\nENV foo=1\nCOPY $foo .", "UndefinedVar", []),
    ("FROM i\nENV a=1 b=$a", "UndefinedVar", [2]),
    ("FROM i\nARG a=1 b=$a", "UndefinedVar", [2]),
    ("ARG foo=1\nFROM i\nCOPY $foo .", "UndefinedVar", [3]),
    ("FROM i\nCOPY ${foo:-x} .", "UndefinedVar", []),
    ("FROM i\nENV PATH=$JAVA_HOME/bin:$PATH", "UndefinedVar", []),
    ("FROM unknown\nENV PATH=$JAVA_HOME/bin:$PATH", "UndefinedVar", []),
    ("FROM unknown\nARG version=1\nENV v=$versoin", "UndefinedVar", [3]),
    ("FROM scratch\nENV PATH=$JAVA_HOME/bin:$PATH", "UndefinedVar", [2]),
    ("FROM i AS x\nENV a=1\nFROM x\nLABEL b=$a", "UndefinedVar", []),
    ("FROM i AS x\nARG a=1\nFROM x\nLABEL b=$a", "UndefinedVar", []),
    ("FROM i\nRUN echo $foo", "UndefinedVar", []),
    ("FROM i\nLABEL a='$foo'", "UndefinedVar", []),
    ("FROM i\nUSER $TARGETARCH", "UndefinedVar", [2]),
    ("FROM i\nEXPOSE $port", "UndefinedVar", [2]),
    ("FROM i\nCMD a\nCMD b", "MultipleInstructionsDisallowed", [2]),
    ("FROM i\nENTRYPOINT a\nRUN x\nENTRYPOINT b", "MultipleInstructionsDisallowed", [2]),
    ("FROM i\nHEALTHCHECK NONE\nHEALTHCHECK CMD a", "MultipleInstructionsDisallowed", [2]),
    ("FROM i\nCMD a\nFROM i\nCMD b", "MultipleInstructionsDisallowed", []),
    ("FROM i\nUSER a\nUSER b", "MultipleInstructionsDisallowed", []),
    ("FROM i\nENV a b", "LegacyKeyValueFormat", [2]),
    ("FROM i\nLABEL a b", "LegacyKeyValueFormat", [2]),
    ("FROM i\nENV a=b", "LegacyKeyValueFormat", []),
    ("FROM --platform=$TARGETPLATFORM i", "RedundantTargetPlatform", [1]),
    ("FROM --platform=${TARGETPLATFORM} i", "RedundantTargetPlatform", [1]),
    ("FROM --platform=$BUILDPLATFORM i", "RedundantTargetPlatform", []),
    ("FROM i\nARG AWS_SECRET=1", "SecretsUsedInArgOrEnv", [2]),
    ("FROM i\nENV PASSWORD=1", "SecretsUsedInArgOrEnv", [2]),
    ("FROM i\nENV PUBLIC_KEY=1", "SecretsUsedInArgOrEnv", []),
    ("FROM i\nENV KEYBOARD=1", "SecretsUsedInArgOrEnv", []),
    ("ARG TAG\nFROM i:${TAG}", "InvalidDefaultArgInFrom", [2]),
    ("ARG TAG=1\nFROM i:${TAG}", "InvalidDefaultArgInFrom", []),
    ("ARG TAG\nFROM i:${TAG:-1}", "InvalidDefaultArgInFrom", []),
    ("ARG I\nFROM ${I}", "InvalidDefaultArgInFrom", [2]),
    ("FROM --platform=linux/amd64 i", "FromPlatformFlagConstDisallowed", [1]),
    ("FROM --platform=linux/amd64 i AS build_amd64", "FromPlatformFlagConstDisallowed", []),
    ("FROM --platform=$BUILDPLATFORM i", "FromPlatformFlagConstDisallowed", []),
    ("FROM i\nCOPY a.o /", "CopyIgnoredFile", [2]),
    ("FROM i\nADD a.o /", "CopyIgnoredFile", [2]),
    ("FROM i\nCOPY a.c /", "CopyIgnoredFile", []),
    ("FROM i\nCOPY . /", "CopyIgnoredFile", []),
    ("FROM i\nCOPY --from=x a.o /", "CopyIgnoredFile", []),
    ("FROM i\nADD https://x/a.o /", "CopyIgnoredFile", []),
    ("# x y\nFROM i AS a", "InvalidDefinitionDescription", [2]),
    ("# a is it\nFROM i AS a", "InvalidDefinitionDescription", []),
    ("# x y\n\nFROM i AS a", "InvalidDefinitionDescription", []),
    ("# x y\nFROM i", "InvalidDefinitionDescription", []),
    ("FROM i\n# x y\nARG a=1", "InvalidDefinitionDescription", [3]),
    ("FROM i\n# b y\nARG a=1 b", "InvalidDefinitionDescription", []),
    ("FROM i\nEXPOSE 80/TCP", "ExposeProtoCasing", [2]),
    ("FROM i\nEXPOSE 80/tcp 90/Udp", "ExposeProtoCasing", [2]),
    ("FROM i\nEXPOSE 80/tcp", "ExposeProtoCasing", []),
    ("FROM i\nEXPOSE 127.0.0.1:80:80", "ExposeInvalidFormat", [2]),
    ("FROM i\nEXPOSE 8080:80", "ExposeInvalidFormat", [2]),
    ("FROM i\nEXPOSE 80", "ExposeInvalidFormat", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rule", "lines"), CASES)
def test_rules(text: str, rule: str, lines: list[int]) -> None:
    assert rule in RULES
    reported = found(text, ignore="*.o", TAG="1", I="i", X="1")
    assert [line for name, line in reported if name == rule] == lines


def test_every_rule_has_a_case() -> None:
    assert {rule for _, rule, lines in CASES if lines} == set(RULES)


def test_a_clean_file() -> None:
    text = 'FROM i AS a\nARG v=1\nRUN x\nFROM i\nCOPY --from=a /x /$v\nCMD ["x"]\n'
    assert found(text.replace("/$v", "/v")) == []


SKIPS = [
    ("", ["JSONArgsRecommended", "MaintainerDeprecated"]),
    ("# check=skip=JSONArgsRecommended\n", ["MaintainerDeprecated"]),
    ("# check=skip=jsonargsrecommended, MaintainerDeprecated\n", []),
    ("# check=skip=all\n", []),
    ("# check=error=true\n", ["JSONArgsRecommended", "MaintainerDeprecated"]),
]  # fmt: skip


@pytest.mark.parametrize(("head", "rules"), SKIPS)
def test_skip(head: str, rules: list[str]) -> None:
    dockerfile = parse(f"{head}FROM i\nCMD a\nMAINTAINER x")
    reported = warnings(dockerfile, stages(dockerfile, {}))
    assert [w.rule for w in reported] == rules
    assert dockerfile.error is ("error=true" in head)


@pytest.mark.parametrize(
    ("head", "count"),
    [("", 0), ("# check=experimental=all\n", 1), ("# check=experimental=CopyIgnoredFile\n", 1)],
)
def test_experimental_rules(head: str, count: int) -> None:
    dockerfile = parse(f"{head}FROM i\nCOPY a /")
    assert len(warnings(dockerfile, stages(dockerfile, {}), ignore=Ignore("a"))) == count


def test_texts() -> None:
    dockerfile = parse("FROM i as Base\nENV name value\nENV a=$nmae\nEXPOSE 80/TCP")
    made = warnings(dockerfile, stages(dockerfile, {}))
    assert [w.text for w in made] == [
        "'as' and 'FROM' keywords' casing do not match",
        "Stage name 'Base' should be lowercase",
        '"ENV key=value" should be used instead of legacy "ENV key value" format',
        "Usage of undefined variable '$nmae' (did you mean $name?)",
        "Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
    ]
    assert all(w.description == RULES[w.rule] for w in made)


@pytest.mark.parametrize(
    ("name", "secret"),
    [("PASSWORD", True), ("DB_PASSWORD", True), ("password_file", True), ("API_KEY", True),
     ("apikey", True), ("TOKENIZER", False), ("MONKEY", False), ("AUTH", True), ("AUTHOR", False),
     ("GITHUB_TOKEN", True), ("public_token", False), ("SECRET_X", True), ("credentials", True)],
)  # fmt: skip
def test_secret_names(name: str, secret: bool) -> None:
    assert is_secret(name) is secret
