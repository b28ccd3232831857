"""Variables in words (Dockerfile reference, "Environment replacement")."""

from __future__ import annotations

import pytest

from crun_py.options.expand import Malformed, Names, expand, split

ENV = {"a": "A", "b": "B", "empty": "", "PWD": "/home", "k": "한국어", "x": "xxyy", "p": "/a/foo/b",
       "file": "archive.tar.gz", "str": "foobarbaz", "_u": "U", "n1": "N", "url": "http://g.de",
       "star": "xx**", "glob": "*", "q": "???y"}  # fmt: skip

CASES = [
    ("", ""), ("abc", "abc"), ("$a", "A"), ("${a}", "A"), ("x$a", "xA"), ("$a$b", "AB"),
    ("$a/$b", "A/B"), ("$a.b", "A.b"), ("$none", ""), ("${none}", ""), ("$", "$"), ("a$", "a$"),
    ("$/", "$/"), ("$ a", "$ a"), ("${a}b", "Ab"), ("$ab", ""), ("$_u", "U"), ("$n1", "N"),
    ("$n1x", ""), ("$k", "한국어"), ("$1", ""), ("$1x", "x"), ("$12x", "x"), ("$$", ""),
    ("$*x", "x"),
    # quotes
    ("'$a'", "$a"), ('"$a"', "A"), ("'a b'", "a b"), ('"a b"', "a b"), ("a'b'c", "abc"),
    ("'\"'", '"'), ("\"'\"", "'"), ("\"'$a'\"", "'A'"), ("''", ""), ('""', ""), ("'a'\"b\"", "ab"),
    ("'\\'", "\\"), ('"\\""', '"'), ('"\\$a"', "$a"), ('"\\\\"', "\\"), ('"\\n"', "\\n"),
    # escapes
    ("\\$a", "$a"), ("\\${a}", "${a}"), ("\\\\$a", "\\A"), ("\\a", "a"), ("a\\ b", "a b"),
    ("\\'", "'"), ('\\"', '"'), ("a\\", "a"), ("\\\\", "\\"),
    # - + ?
    ("${none:-d}", "d"), ("${empty:-d}", "d"), ("${a:-d}", "A"), ("${none-d}", "d"),
    ("${empty-d}", ""), ("${a-d}", "A"), ("${none:+d}", ""), ("${empty:+d}", ""), ("${a:+d}", "d"),
    ("${none+d}", ""), ("${empty+d}", "d"), ("${a+d}", "d"), ("${a:?no}", "A"), ("${a?no}", "A"),
    ("${empty?no}", ""), ("${none:-}", ""), ("${none:-$a}", "A"), ("${none:-${a}}", "A"),
    ("${none:-${no2:-c}}", "c"), ("${a:+${b:+c}}", "c"), ("${none:-'a b'}", "a b"),
    ('${none:-"$a"}', "A"), ("${none:-\\}}", "}"), ("${none:-'}'}", "}"), ("${a:+-$b}", "-B"),
    ('"${none:-d}"', "d"), ("${none:-a:b}", "a:b"), ("${none:-a-b}", "a-b"),
    # patterns
    ("${x#x}", "xyy"), ("${x##x}", "xyy"), ("${x#*x}", "xyy"), ("${x##*x}", "yy"),
    ("${x%y}", "xxy"),
    ("${x%%y}", "xxy"), ("${x%y*}", "xxy"), ("${x%%y*}", "xx"), ("${x#}", "xxyy"),
    ("${x##}", "xxyy"),
    ("${x%}", "xxyy"), ("${x#z}", "xxyy"), ("${x#?}", "xyy"), ("${x#*}", "xxyy"), ("${x##*}", ""),
    ("${x%%*}", ""), ("${x#*x*y}", "y"), ("${x#$none}", "xxyy"), ("${none#x}", ""),
    ("${file%.*}", "archive.tar"), ("${file%%.*}", "archive"), ("${file#*.}", "tar.gz"),
    ("${file##*.}", "gz"), ("${str#f*b}", "arbaz"), ("${str##f*b}", "az"), ("${str%b*}", "foobar"),
    ("${str%%b*}", "foo"), ("${star%%\\**}", "xx"), ("${q#?\\?}", "?y"), ("${glob#\\*}", ""),
    ("${a#'A'}", ""), ("${x#\\}}", "xxyy"), ("${p##*/}", "b"), ("${p%/*}", "/a/foo"),
    # replacements
    ("${str/ba/x}", "fooxrbaz"), ("${str//ba/x}", "fooxrxz"), ("${str/ba/}", "foorbaz"),
    ("${str//ba/}", "foorz"), ("${str/z/x}", "foobarbax"), ("${str/b*/x}", "foox"),
    ("${str/?a?/x}", "foox" "baz"), ("${str//?a?/x}", "fooxx"), ("${str/none/x}", "foobarbaz"),
    ("${p/\\//-}", "-a/foo/b"), ("${p//\\//-}", "-a-foo-b"), ("${url/http:\\/\\//x}", "xg.de"),
    ("${str/$none/w}", "wfoobarbaz"), ("${x///}", "xxyy"), ("${none/a/b}", ""),
    ("${str/foo/$a}", "Abarbaz"), ("${str/$none/$a}", "Afoobarbaz"), ("${x//x/xx}", "xxxxyy"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, ENV) == expected


@pytest.mark.parametrize(
    "text",
    ["'", '"', "'a", '"a', "a'b", "${", "${}", "${a", "${a:", "${a:-", "${a:-b", "${:-b}", "${:}",
     "${a!x}", "${a=x}", "${a:=x}", "${a@}", "${a:}", "${a:x}", "${{a}}", "${a/b}", "${a//}",
     "${a#x",
     '"${a', "${a:-'}", "${a b}", "${a:-" * 200],
)  # fmt: skip
def test_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        expand(text, ENV)


@pytest.mark.parametrize(
    ("text", "message"),
    [("${none?}", "none: not set"), ("${none:?give $a}", "none: give A"),
     ("${empty:?}", "empty: empty"), ("${a#\\x}", "no escape"), ("${a/\\x/y}", "no escape")],
)  # fmt: skip
def test_values_that_are_missing(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("$", ".")) as raised:
        expand(text, ENV)
    assert not isinstance(raised.value, Malformed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("`$a", "$a"), ("\\$a", "\\A"), ("c:\\$a", "c:\\A"), ('"`$a"', "$a"), ("``", "`"),
     ("a` b", "a b")],
)  # fmt: skip
def test_backtick(text: str, expected: str) -> None:
    assert expand(text, ENV, escape="`") == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("\"$a\" '$a'", "\"A\" 'A'"), ("it's", "it's"), ("\\$a", "$a")]
)
def test_without_quotes(text: str, expected: str) -> None:
    assert expand(text, ENV, quotes=False) == expected


@pytest.mark.parametrize(
    ("text", "found", "missing", "covered"),
    [("$a", "a", "", ""), ("$c", "", "c", ""), ("$a $c ${d}", "a", "c d", ""), ("'$a'", "", "", ""),
     ("${c:-$d}", "", "c d", "c"), ("${a:+$b}", "a b", "", ""), ("${c+x}", "", "c", "c"),
     ("${a/$b/$c}", "a b", "c", ""), ("${empty:-x}", "empty", "", "")],
)  # fmt: skip
def test_names(text: str, found: str, missing: str, covered: str) -> None:
    names = Names()
    expand(text, ENV, names=names)
    assert names.found == {*found.split()}
    assert names.missing == {*missing.split()}
    assert names.covered == {*covered.split()}


@pytest.mark.parametrize(
    ("text", "expected"), [("$c", "$c"), ("${c}", "${c}"), ("'x'$c", "x$c"), ("$a", "A")]
)
def test_keep_unset(text: str, expected: str) -> None:
    assert expand(text, ENV, keep_unset=True) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [("", []), ("a b", ["a", "b"]), (" a  b ", ["a", "b"]), ("a='b c' d", ["a='b c'", "d"]),
     ('a="b c"', ['a="b c"']), ("a\\ b c", ["a\\ b", "c"]), ("a\tb", ["a", "b"]),
     ("'a", ["'a"]), ("''", ["''"]), ('"a\\" b" c', ['"a\\" b"', "c"])],
)  # fmt: skip
def test_split(text: str, words: list[str]) -> None:
    assert split(text) == words
