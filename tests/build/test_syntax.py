"""The text of a Dockerfile as instructions (Dockerfile reference, "Format")."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crun_py.build.errors import DockerfileError
from crun_py.build.flags import Flag
from crun_py.build.nearest import nearest
from crun_py.build.stages import stages
from crun_py.build.syntax import Instruction, parse


def second(text: str | bytes) -> Instruction:
    """The instruction behind FROM."""
    prefix = "FROM a\n" if isinstance(text, str) else b"FROM a\n"
    return parse(prefix + text).instructions[1]  # type: ignore[operator]


# what follows FROM, keyword, rest
RESTS = [
    ("RUN echo hi", "RUN", "echo hi"),
    ("run echo hi", "RUN", "echo hi"),
    ("Run\techo hi", "RUN", "echo hi"),
    ("  RUN   echo  hi  ", "RUN", "echo  hi"),
    ("\tRUN echo hi", "RUN", "echo hi"),
    ("RUN a \\\n b", "RUN", "a  b"),
    ("RUN a\\\nb", "RUN", "ab"),
    ("RUN a \\   \n b", "RUN", "a  b"),
    ("RUN a \\\t\n b", "RUN", "a  b"),
    ("RUN \\\n a", "RUN", "a"),
    ("RUN a \\\n# remark\n b", "RUN", "a  b"),
    ("RUN a \\\n   # remark\n b", "RUN", "a  b"),
    ("RUN a \\\n# remark \\\n b", "RUN", "a  b"),
    ("RUN a \\\n\n b", "RUN", "a  b"),
    ("RUN a \\\n   \n b", "RUN", "a  b"),
    ("RUN a # no remark", "RUN", "a # no remark"),
    ("RUN a \\\\", "RUN", "a \\\\"),
    ("RUN a \\", "RUN", "a"),
    ("RUN a \\\n", "RUN", "a"),
    ("RUN a && \\\n b && \\\n c", "RUN", "a &&  b &&  c"),
    ("RUN echo '\\\n'", "RUN", "echo ''"),
    ("# x\n\n# y\nRUN a", "RUN", "a"),
    ("   # x\nRUN a", "RUN", "a"),
    ("RUN a\r\nCMD b\r\n", "RUN", "a"),
    ("RUN a \\\r\n b\r\n", "RUN", "a  b"),
    ("\\\nRUN a", "RUN", "a"),
    ("R\\\nUN a", "RUN", "a"),
    ("MAINTAINER \"Jane", "MAINTAINER", '"Jane'),
    ("CMD", "CMD", ""),
    ("ENV a=b", "ENV", "a=b"),
    ("LABEL a=\"b c\"", "LABEL", 'a="b c"'),
    ("RUN [ -f x ] && y", "RUN", "[ -f x ] && y"),
    ("RUN a\vb", "RUN", "a\vb"),
    ("RUN é", "RUN", "é"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "keyword", "rest"), RESTS)
def test_keyword_and_rest(text: str, keyword: str, rest: str) -> None:
    found = second(text)
    assert (found.keyword, found.rest) == (keyword, rest)
    assert second(text.encode()) == found


def test_bytes() -> None:
    assert parse(b"\xef\xbb\xbfFROM a").instructions[0].rest == "a"
    found = parse(b"\xef\xbb\xbf# escape=`\r\nFROM a\r\nRUN x `\r\n y")
    assert found.instructions[1].rest == "x  y"
    assert second(b"RUN \xff").rest == "\ufffd"


LINES = [
    ("RUN a", 2, 2), ("RUN a \\\n b", 2, 3), ("\n\nRUN a", 4, 4), ("RUN a \\\n\n#\n b", 2, 5),
    ("RUN <<E\nx\nE\n", 2, 4), ("COPY <<A <<B /\nx\nA\ny\nB", 2, 6), ("RUN a \\", 2, 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "first", "last"), LINES)
def test_lines(text: str, first: int, last: int) -> None:
    found = second(text)
    assert (found.first, found.last) == (first, last)


# keyword and text, words of the JSON form
WORDS = [
    ('RUN ["a", "b c"]', ("a", "b c")),
    ('RUN ["a"]  ', ("a",)),
    ('CMD []', ()),
    ('CMD ["a\\tb", "\\u00e9"]', ("a\tb", "é")),
    ('ENTRYPOINT ["\\\\x"]', ("\\x",)),
    ('COPY ["a b", "/c d/"]', ("a b", "/c d/")),
    ('ADD --chown=1 ["a b", "/c"]', ("a b", "/c")),
    ('VOLUME ["/a"]', ("/a",)),
    ('SHELL ["/bin/bash", "-c"]', ("/bin/bash", "-c")),
    ("RUN ['a']", None),
    ('RUN ["a",]', None),
    ('RUN ["a"', None),
    ('RUN ["a"] x', ("a",)),
    ('RUN "a"', None),
    ('RUN {"a": 1}', None),
    ('ENV ["a"]=1', None),
    ('RUN [ "a", \\\n "b" ]', ("a", "b")),
    ('CMD ["\\ud800"]', ("\ufffd",)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_words(text: str, words: tuple[str, ...] | None) -> None:
    assert second(text).words == words


FLAGS = [
    ("COPY --from=x a b", [("from", "x")], "a b"),
    ("COPY --link a b", [("link", None)], "a b"),
    ("COPY --link=false a b", [("link", "false")], "a b"),
    ("COPY --from=x --chown=1:2 a b", [("from", "x"), ("chown", "1:2")], "a b"),
    ("COPY --exclude=*.a --exclude=*.b a b", [("exclude", "*.a"), ("exclude", "*.b")], "a b"),
    ('RUN --mount="type=tmpfs,target=/a b" x', [("mount", "type=tmpfs,target=/a b")], "x"),
    ("RUN --mount='type=tmpfs,target=/a' x", [("mount", "type=tmpfs,target=/a")], "x"),
    ("RUN --mount=type=tmpfs,target=/a\\ b x", [("mount", "type=tmpfs,target=/a b")], "x"),
    ("RUN --network=none \\\n --security=sandbox x",
     [("network", "none"), ("security", "sandbox")], "x"),
    ("RUN -- --x", [], "--x"),
    ("RUN -x --y", [], "-x --y"),
    ("COPY a --from=x", [], "a --from=x"),
    ("COPY --chown= a b", [("chown", "")], "a b"),
    ("HEALTHCHECK --interval=5s --retries=3 CMD x", [("interval", "5s"), ("retries", "3")],
     "CMD x"),
    ("ADD --keep-git-dir=true --checksum=sha256:0 a b",
     [("keep-git-dir", "true"), ("checksum", "sha256:0")], "a b"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "flags", "rest"), FLAGS)
def test_flags(text: str, flags: list[tuple[str, str | None]], rest: str) -> None:
    found = second(text)
    assert found.flags == tuple(Flag(name=name, value=value) for name, value in flags)
    assert found.rest == rest


# name, text, expand, chomp of each here-document
HEREDOCS = [
    ("RUN <<EOF\na\nb\nEOF", [("EOF", "a\nb\n", True, False)]),
    ("RUN <<EOF\nEOF", [("EOF", "", True, False)]),
    ("RUN <<'EOF'\na\nEOF", [("EOF", "a\n", False, False)]),
    ('RUN <<"EOF"\na\nEOF', [("EOF", "a\n", False, False)]),
    ("RUN <<E'O'F\na\nEOF", [("EOF", "a\n", False, False)]),
    ("RUN <<-EOF\n\ta\n\tEOF", [("EOF", "\ta\n", True, True)]),
    ("RUN <<-'EOF'\n\ta\nEOF", [("EOF", "\ta\n", False, True)]),
    ("RUN python3 <<EOF\nprint(1)\nEOF", [("EOF", "print(1)\n", True, False)]),
    ("RUN 3<<EOF cat\na\nEOF", [("EOF", "a\n", True, False)]),
    ("COPY <<a <<b /\n1\na\n2\nb", [("a", "1\n", True, False), ("b", "2\n", True, False)]),
    ("ADD <<a /\n1\na", [("a", "1\n", True, False)]),
    ("COPY --chown=1 <<a /\n1\na", [("a", "1\n", True, False)]),
    ("RUN <<EOF\n# x\n\nFROM y\\\nEOF", [("EOF", "# x\n\nFROM y\\\n", True, False)]),
    ("RUN <<EOF\n EOF\nEOF", [("EOF", " EOF\n", True, False)]),
    ("ONBUILD RUN <<EOF\na\nEOF", [("EOF", "a\n", True, False)]),
    ("RUN a \\\n <<EOF\nb\nEOF", [("EOF", "b\n", True, False)]),
    ("RUN cat <<< x", []),
    ("RUN echo $((1 << 2))", []),
    ("RUN echo '<<EOF'", []),
    ('RUN ["a", "<<EOF"]', []),
    ("CMD cat <<EOF", []),
    ("RUN a << b", []),
    ("RUN <<EOF\r\na\r\nEOF\r\n", [("EOF", "a\n", True, False)]),
    ("COPY <<$x /\na\n$x", [("$x", "a\n", True, False)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "heredocs"), HEREDOCS)
def test_heredocs(text: str, heredocs: list[tuple[str, str, bool, bool]]) -> None:
    found = second(text + "\nCMD x\n" if "CMD cat" not in text else text).heredocs
    assert [(h.name, h.text, h.expand, h.chomp) for h in found] == heredocs


def test_chomped_content() -> None:
    found = second("RUN <<-E\n\t\ta\n b\n\t\n\tE").heredocs[0]
    assert found.content == "a\n b\n\n"


DIRECTIVES = [
    ("# escape=`\nFROM a\nRUN b `\n c", "`", "", ()),
    ("#escape=`\nFROM a", "`", "", ()),
    ("#  EsCaPe = ` \nFROM a", "`", "", ()),
    ("# escape=\\\nFROM a", "\\", "", ()),
    ("# syntax=docker/dockerfile:1\n# escape=`\nFROM a", "`", "docker/dockerfile:1", ()),
    ("# remark\n# escape=`\nFROM a", "\\", "", ()),
    ("\n# escape=`\nFROM a", "\\", "", ()),
    ("# unknown=1\n# escape=`\nFROM a", "\\", "", ()),
    ("FROM a\n# escape=`", "\\", "", ()),
    ("# check=skip=JSONArgsRecommended,StageNameCasing\nFROM a", "\\", "",
     ("jsonargsrecommended", "stagenamecasing")),
    ("# check=skip=all;error=true\nFROM a", "\\", "", ("all",)),
    ("#!/usr/bin/x\n# escape=`\nFROM a", "`", "", ()),
]  # fmt: skip


@pytest.mark.parametrize(("text", "escape", "syntax", "skip"), DIRECTIVES)
def test_directives(text: str, escape: str, syntax: str, skip: tuple[str, ...]) -> None:
    found = parse(text)
    assert (found.escape, found.syntax, found.skip) == (escape, syntax, skip)


def test_check_directive() -> None:
    assert parse("# check=skip=all;error=true\nFROM a").error
    assert not parse("# check=error=false\nFROM a").error
    assert parse("# check=experimental=all\nFROM a").experimental == ("all",)


def test_the_backtick_continues_and_the_backslash_does_not() -> None:
    found = parse("# escape=`\nFROM a\nCOPY x c:\\\nRUN b `\n c").instructions
    assert [i.rest for i in found] == ["a", "x c:\\", "b  c"]


def test_empty_lines_and_comments_are_told() -> None:
    assert second("RUN a \\\n\n b").empty == (3,)
    assert parse("# x\n# y z\nFROM a").instructions[0].comments == ("x", "y z")
    assert parse("# x\n\nFROM a").instructions[0].comments == ()
    assert parse("# x\n#\n# y\nFROM a").instructions[0].comments == ("y",)


# text, line and column, message, hint
ERRORS = [
    ("", "1:1", "no instruction in it", "FROM"),
    ("\n# x\n", "2:1", "no instruction in it", "FROM"),
    ("RUN x", "1:1", "RUN before FROM", "FROM image must come first"),
    ("ARG a\nCOPY a b\nFROM x", "2:1", "COPY before FROM", "only ARG"),
    ("ARG a", "1:1", "no FROM in it", "FROM image must come first"),
    ("FROM a\nRNU x", "2:1", "unknown instruction RNU", "did you mean RUN?"),
    ("FROM a\n  FRMO x", "2:3", "unknown instruction FRMO", "did you mean FROM?"),
    ("FROM a\nworkdri x", "2:1", "unknown instruction workdri", "did you mean WORKDIR?"),
    ("FROM a\nENTRYPONT x", "2:1", "unknown instruction ENTRYPONT", "did you mean ENTRYPOINT?"),
    ("FROM a\n// remark", "2:1", "unknown instruction //", ""),
    ("FROM a\nXYZZY", "2:1", "unknown instruction XYZZY", ""),
    ("FROM a\napt-get install x", "2:1", "unknown instruction apt-get", ""),
    ("FROM a\nRUN a \\\n b\nRNU", "4:1", "unknown instruction RNU", "RUN"),
    ("FROM a\nCOPY --form=x a b", "2:6", "COPY has no flag --form", "did you mean --from?"),
    ("FROM a\nCOPY \\\n  --chwon=x a b", "3:3", "COPY has no flag --chwon", "--chown"),
    ("FROM a\nADD --from=x a b", "2:5", "ADD has no flag --from", "known: --checksum"),
    ("FROM a\nRUN --mont=type=cache x", "2:5", "RUN has no flag --mont", "--mount"),
    ("FROM a\nENV --x=1 a=b", "2:5", "ENV has no flag --x", ""),
    ("FROM a\nCMD --x", "2:5", "CMD has no flag --x", ""),
    ("FROM --platfrom=x a", "1:6", "FROM has no flag --platfrom", "--platform"),
    ("FROM a\nCOPY --from=x --from=y a b", "2:6", "COPY --from is given twice", ""),
    ("FROM a\nCOPY --from a b", "2:6", "COPY --from needs a value", "--from=…"),
    ("FROM a\nCOPY --link=maybe a b", "2:6", "neither true nor false", ""),
    ("FROM a\nRUN <<EOF\nx", "2:5", "here-document EOF does not end", "EOF alone"),
    ("FROM a\nRUN <<-EOF\n EOF", "2:5", "here-document EOF does not end", ""),
    ("FROM a\nCMD [1]", "2:5", "must be strings", ""),
    ('FROM a\nRUN ["a", null]', "2:5", "must be strings", ""),
    ("# escape=x\nFROM a", "1:1", "x cannot be the escape character", ""),
    ("# escape=`\n# escape=`\nFROM a", "2:3", "escape is given twice", ""),
    ("# syntax=a\n# syntax=b\nFROM a", "2:3", "syntax is given twice", ""),
    ("FROM a\0", "1:7", "NUL", ""),
    ("FROM a\nONBUILD RNU x", "2:9", "unknown instruction RNU", "RUN"),
    ("FROM a\nONBUILD FROM x", "2:9", "FROM cannot come after ONBUILD", ""),
    ("FROM a\nONBUILD ONBUILD RUN x", "2:1", "ONBUILD cannot come after ONBUILD", ""),
    ("FROM a\nONBUILD MAINTAINER x", "2:9", "MAINTAINER cannot come after", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "message", "hint"), ERRORS)
def test_errors(text: str, place: str, message: str, hint: str) -> None:
    with pytest.raises(DockerfileError) as raised:
        parse(text, "Containerfile")
    assert raised.value.message.startswith(f"Containerfile:{place}: ")
    assert message in raised.value.message and hint in raised.value.hint
    assert "\n" not in raised.value.line()


def test_an_error_shows_its_line() -> None:
    with pytest.raises(DockerfileError) as raised:
        parse("FROM a\n" + "# x\n" * 10 + "\tRNU y\x1b[31m\nCMD z")
    assert raised.value.line() == "Dockerfile:12:2: unknown instruction RNU (did you mean RUN?)"
    assert raised.value.shown.split("\n") == [
        "    10 | # x",
        "    11 | # x",
        ">>> 12 |     RNU y\\x1b[31m",
        "    13 | CMD z",
    ]
    assert (raised.value.line_number, raised.value.column) == (12, 2)


NEAREST = [
    ("RNU", "RUN"), ("CPOY", "COPY"), ("COPPY", "COPY"), ("evn", "ENV"), ("EXPOSED", "EXPOSE"),
    ("HELTHCHECK", "HEALTHCHECK"), ("LABLE", "LABEL"), ("ENTRPOINT", "ENTRYPOINT"), ("x", ""),
    ("FOO", ""), ("STOPSIGNALL", "STOPSIGNAL"), ("", ""), ("RUN" * 100, ""),
]  # fmt: skip


@pytest.mark.parametrize(("word", "found"), NEAREST)
def test_nearest(word: str, found: str) -> None:
    from crun_py.build.syntax import KEYWORDS

    assert nearest(word, KEYWORDS) == found


PARTS = st.sampled_from(
    "FROM a AS b|RUN |COPY |ADD |ARG |ENV |ONBUILD |HEALTHCHECK CMD |LABEL |EXPOSE |VOLUME |\n|\\\n"
    "|<<EOF|<<-'X'|EOF\n|--mount=type=cache,target=/|--from=0|$|${|}|:-|#|##|%|/|'|\"|[|]|,|=|`|"
    "# escape=`\n|\r\n|\0|\ufeff|a|1|é|\\| |\t".split("|")
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(PARTS, max_size=30).map(lambda p: "".join(p).encode()), st.binary()))
def test_nothing_but_dockerfile_errors(text: bytes) -> None:
    """Whatever the bytes are, behind FROM or not."""
    for whole in (text, b"FROM a\n" + text):
        try:
            stages(parse(whole), {"V": "x"})
        except DockerfileError as e:
            assert e.line() and 1 <= e.line_number <= whole.count(b"\n") + 1


def test_it_loads_nothing() -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import crun_py.build.stages, crun_py.build.ignore, crun_py.build.check\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "crun_py.build.check" in loaded
    assert not {"typing", "re", "dataclasses", "enum", "pathlib", "json", "difflib"} & {*loaded}
