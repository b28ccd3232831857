"""COPY's wildcards, as Go's filepath.Match has them."""

from __future__ import annotations

import pytest

from crun_py.build.patterns import Pattern, has_magic, match
from crun_py.errors import InvalidArgument

CASES = [
    ("abc", "abc", True), ("*", "abc", True), ("*c", "abc", True), ("a*", "a", True),
    ("a*", "abc", True), ("a*", "ab/c", False), ("a*/b", "abc/b", True), ("a*/b", "a/c/b", False),
    ("a*b*c*d*e*/f", "axbxcxdxe/f", True), ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False), ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", False),
    ("a*b?c*x", "abxbbxdbxebxczzx", True), ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("ab[c]", "abc", True), ("ab[b-d]", "abc", True), ("ab[e-g]", "abc", False),
    ("ab[^c]", "abc", False), ("ab[^b-d]", "abc", False), ("ab[^e-g]", "abc", True),
    ("a\\*b", "a*b", True), ("a\\*b", "ab", False), ("a?b", "a☺b", True), ("a[^a]b", "a☺b", True),
    ("a???b", "a☺b", False), ("[a-ζ]*", "\u03b1", True), ("*[a-ζ]", "A", False),
    ("a?b", "a/b", False),
    ("a*b", "a/b", False), ("[\\]a]", "]", True), ("[\\-]", "-", True), ("[x\\-]", "x", True),
    ("[x\\-]", "-", True), ("[x\\-]", "z", False), ("[\\-x]", "x", True), ("[\\-x]", "a", False),
    ("*x", "xxx", True), ("*.go", "main.go", True), ("hom?.txt", "home.txt", True),
    ("hom?.txt", "hom.txt", False), ("**", "a", True), ("**", "a/b", False), ("", "", True),
    ("a", "", False), ("a*a", "a", False), ("a*a", "aa", True), ("[b-a]", "a", False),
    ("a[[]0].txt", "a[0].txt", True), ("*", "", True), ("*/*", "a/b", True), ("a]", "a]", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "path", "expected"), CASES)
def test_match(pattern: str, path: str, expected: bool) -> None:
    assert match(pattern, path) is expected


@pytest.mark.parametrize(
    "pattern",
    ["[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[^bc", "a[", "a[b", "[\\"],
)
def test_malformed(pattern: str) -> None:
    with pytest.raises(InvalidArgument, match="malformed"):
        match(pattern, "a")


@pytest.mark.parametrize(("text", "magic"), [("a/b.c", False), ("*", True), ("a\\b", True)])
def test_has_magic(text: str, magic: bool) -> None:
    assert has_magic(text) is magic


@pytest.mark.parametrize(
    ("pattern", "directory", "expected"),
    [("a/b", "a", True), ("a/b", "b", False), ("a/b", "a/b", False), ("*/b", "x", True),
     ("**/b", "x/y", True), ("a/**", "a", True), ("a/**", "b", False), ("a", "a", False),
     ("a*", "ab", False), ("*.go", "x", False), ("**", "x", True), ("a/*/c", "a/x", True),
     ("a/*/c", "a/x/c", False), ("a/**/c", "a/x/c", True), ("[ab]/c", "b", True)],
)  # fmt: skip
def test_may_match_below(pattern: str, directory: str, expected: bool) -> None:
    assert Pattern(pattern, deep=True).may_match_below(directory) is expected
