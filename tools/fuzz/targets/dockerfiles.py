"""Dockerfiles from text to stages and warnings, and .dockerignore (build/, pure).

An input is a Dockerfile; what follows a line of `%%` is a .dockerignore.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from crun_py.build import check, stages, syntax
from crun_py.build.errors import DockerfileError
from crun_py.build.expansion import expanded
from crun_py.build.ignore import Ignore
from crun_py.errors import CrunpyError

MOST = 4096
TESTS = Path(__file__).resolve().parents[3] / "tests"
TOKENS = [
    *(f"{word} " for word in syntax.KEYWORDS),
    *(
        "\n",
        "\\\n",
        "`\n",
        "# escape=`\n",
        "# syntax=x\n",
        "# check=skip=all\n",
        "<<EOF",
        "<<-'E'",
        "\nEOF\n",
    ),
    *(
        "--from=",
        "--mount=type=cache,target=/x",
        "--chown=$U",
        "--platform=",
        "--link",
        "--chmod=u+x,0",
    ),
    *("$A", "${A:-b}", "${A:+", "${A#*}", "${A//b/c}", '["a", "b"]', '["', "a=b", '"', "'", "AS b"),
    *(
        "\n%%\n",
        "!",
        "**/",
        "[a-z]",
        "*",
        "?",
        "\r\n",
        "\0",
        "\ufeff",
        "é",
        "80/tcp",
        "80-90",
        "5s",
    ),
]
_TEXTS = [
    "# syntax=docker/dockerfile:1\n# escape=`\nARG V=1\nFROM a:$V AS b\nRUN a `\n  b\n",
    'FROM a\nRUN <<EOF\necho $A\nEOF\nCOPY <<-\'A\' <<B /x/\n\ta\nA\nb\nB\nCMD ["a", "b"]\n',
    "FROM --platform=$BUILDPLATFORM a AS x\nARG A=b\nENV B=${A:-c} D='e f'\nFROM x\n"
    "COPY --from=x --chmod=0755 a b /c/\n",
    "FROM a\nRUN --mount=type=cache,target=/c,sharing=locked --mount=type=secret,id=s,env=S "
    "--network=none x\n",
    "FROM a\nHEALTHCHECK --interval=5s --retries=3 CMD x\nEXPOSE 80 90/udp 1-3\n"
    'ONBUILD ADD a b\nVOLUME ["/a"]\n'
    'STOPSIGNAL SIGINT\nUSER a:b\nWORKDIR x\nSHELL ["/bin/sh"]\nMAINTAINER me\nLABEL a=b "c d"=e\n',
    "FROM a\nADD --checksum=sha256:0 --keep-git-dir https://a/b.git#c:d /x\nENV A b c\n"
    "%%\n*.o\n!a/**/b\n[a-c]?\\*\n",
]


def seeds() -> Iterator[bytes]:
    for text in _TEXTS:
        yield text.encode()
    for path in sorted((TESTS / "build" / "contexts").rglob("*ockerfile*")):
        if path.is_file():
            yield path.read_bytes()[:MOST]
    corners = json.loads((TESTS / "data" / "build_corners.json").read_text())
    for text in sorted(set(_dockerfiles(corners))):
        yield text.encode()[:MOST]


def _dockerfiles(value: object) -> Iterator[str]:
    if isinstance(value, str) and "FROM " in value:
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _dockerfiles(inner)


def one(data: bytes) -> None:
    text, _, ignored = data.decode("utf-8", "replace").partition("\n%%\n")
    ignore = _ignore(ignored)
    try:
        found = syntax.parse(text)
        _check(found)
        made = stages.stages(found, {"A": "1", "V": "2"})
        for number, stage in enumerate(made.all):
            assert stage.index == number and all(0 <= n < number for n in stage.needs)
            for step in stage.steps:
                expanded(step, {"A": "1 2", "B": ""})
        assert list(made.order) == sorted(set(made.order)) and made.order[-1] == made.target
        for warning in check.warnings(found, made, ignore=ignore, experimental=True):
            assert 0 < warning.line <= len(found.lines) and warning.description
            assert "\n" not in warning.text
    except DockerfileError as e:
        lines = max(1, text.count("\n") + 1)
        if e.name == "Dockerfile":
            assert 0 < e.line_number <= lines and e.column > 0
        assert "\n" not in e.line()
    except CrunpyError as e:
        assert "\n" not in e.line()


def _check(found: syntax.Dockerfile) -> None:
    last = 0
    for instruction in found.instructions:
        assert last < instruction.first <= instruction.last <= len(found.lines)
        last = instruction.last
        assert instruction.keyword in syntax.KEYWORDS
    text = "".join(f"{line}\n" for line in found.lines)
    assert syntax.parse(text, found.name) == found, "lines mean what the text means"


def _ignore(text: str) -> Ignore | None:
    try:
        found = Ignore(text)
    except CrunpyError as e:
        assert "\n" not in e.line()
        return None
    for path in ("a", "a/b/c.o", "b", "*", "x" * 300, "\n"):
        hidden = found.hides(path)
        assert hidden == found.hides(path)
        if found.may_skip(path):
            assert found.hides(path + "/x"), "what is not entered is hidden"
    return found
