"""What .dockerignore hides, as moby/patternmatcher decides it."""

from __future__ import annotations

import random

import pytest

from crun_py.build.ignore import Ignore
from crun_py.errors import InvalidArgument

# one pattern, path, whether it is hidden
SINGLE = [
    ("**", "file", True), ("**/", "file", True), ("**", "dir/file", True),
    ("**/", "dir/file", True),
    ("**/**", "dir/file", True), ("dir/**", "dir/file", True), ("dir/**", "dir/dir2/file", True),
    ("dir/**", "dir", False), ("**/dir", "dir", True), ("**/dir", "dir/file", True),
    ("**/dir2/*", "dir/dir2/file", True), ("**/dir2/**", "dir/dir2/dir3/file", True),
    ("**file", "file", True), ("**file", "dir/file", True), ("**/file", "dir/file", True),
    ("**file", "dir/myfile", True), ("**/file", "dir/myfile", False),
    ("**/file*", "dir/dir/file", True),
    ("**/file*", "dir/dir/file.txt", True), ("**/file*txt", "dir/dir/file.txt", True),
    ("**/file*.txt", "dir/dir/file.txt", True), ("**/file*.txt*", "dir/dir/file.txt", True),
    ("**/**/*.txt", "dir/dir/file.txt", True), ("**/**/*.txt2", "dir/dir/file.txt", False),
    ("**/*.txt", "file.txt", True), ("**/**/*.txt", "file.txt", True),
    ("a**/*.txt", "a/file.txt", True),
    ("a**/*.txt", "a/dir/file.txt", True), ("a**/*.txt", "a/dir/dir/file.txt", True),
    ("a/*.txt", "a/dir/file.txt", False), ("a/*.txt", "a/file.txt", True),
    ("a/*.txt**", "a/file.txt", True), ("a[b-d]e", "ae", False), ("a[b-d]e", "ace", True),
    ("a[b-d]e", "aae", False), ("a[^b-d]e", "aze", True), (".*", ".foo", True),
    (".*", "foo", False),
    ("abc.def", "abcdef", False), ("abc.def", "abc.def", True), ("abc.def", "abcZdef", False),
    ("abc?def", "abcZdef", True), ("abc?def", "abcdef", False), ("**/foo/bar", "foo/bar", True),
    ("**/foo/bar", "dir/foo/bar", True), ("**/foo/bar", "dir/dir2/foo/bar", True),
    ("abc/**", "abc", False), ("abc/**", "abc/def", True), ("abc/**", "abc/def/ghi", True),
    ("**/.foo", ".foo", True), ("**/.foo", "bar.foo", False), ("a(b)c/def", "a(b)c/def", True),
    ("a(b)c/def", "a(b)c/xyz", False), ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
    ("dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", True),
    ("a\\\\", "a\\", True), ("a\\*b", "a*b", True), ("a\\*b", "aab", False),
    # as docs.docker.com tells
    ("*/temp*", "somedir/temporary.txt", True), ("*/temp*", "somedir/temp/x", True),
    ("*/*/temp*", "somedir/subdir/temporary.txt", True), ("*/temp*", "a/b/temp", False),
    ("temp?", "tempa", True), ("temp?", "temp", False), ("**/*.go", "x.go", True),
    ("**/*.go", "a/b/x.go", True), ("/foo", "foo", True), ("foo/", "foo", True),
    ("foo/", "foo/x", True), ("./foo", "foo", True), ("a/../b", "b", True), ("a//b", "a/b", True),
    (" foo ", "foo", True), ("foo\r", "foo", True), ("\ufefffoo", "foo", True),
    ("# foo", "# foo", False),
    ("foo", "foobar", False), ("foo", "x/foo", False), (".", "x", False), ("/", "x", False),
    ("", "x", False), ("*", ".", False), ("..", "x", False), ("foo", "./foo/x", True),
    ("/foo/bar", "/foo/bar", True), (" #x", "#x", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "path", "expected"), SINGLE)
def test_one_pattern(pattern: str, path: str, expected: bool) -> None:
    assert Ignore(pattern).hides(path) is expected


# patterns, path, whether it is hidden, the pattern that decides
SEVERAL = [
    ("*.md\n!README.md", "README.md", False, "!README.md"),
    ("*.md\n!README.md", "x.md", True, "*.md"),
    ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True, "README-secret.md"),
    ("*.md\n!README*.md\nREADME-secret.md", "README-x.md", False, "!README*.md"),
    ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False, "!README*.md"),
    ("!README.md\n*.md", "README.md", True, "*.md"),
    ("docs\n!docs/README.md", "docs/README.md", False, "!docs/README.md"),
    ("docs/\n!docs/README.md", "docs/README.md", False, "!docs/README.md"),
    ("docs/*\n!docs/README.md", "docs/README.md", False, "!docs/README.md"),
    ("docs\n!docs/README.md", "docs/x", True, "docs"),
    ("**\n!util/docker/web", "util/docker/web/foo", False, "!util/docker/web"),
    ("**\n!util/docker/web\nutil/docker/web/foo",
    "util/docker/web/foo", True, "util/docker/web/foo"),
    ("**\n!dist/*.whl", "dist/a+b.whl", False, "!dist/*.whl"),
    ("*\n!src", "src/a/b", False, "!src"), ("*\n!src", "other/a", True, "*"),
    ("*\n!/src/", "src/a", False, "!/src/"), ("*\n! src", "src/a", False, "! src"),
    ("# *\n*.o", "a.o", True, "*.o"), ("*.o\r\n!a.o\r\n", "a.o", False, "!a.o"),
    ("a\nb", "c", False, ""), ("!a", "a", False, ""), ("a\na", "a", True, "a"),
    ("node_modules\n!node_modules/x", "node_modules/x/y", False, "!node_modules/x"),
    ("a/b\n!a", "a/b", False, "!a"),
]  # fmt: skip


@pytest.mark.parametrize(("patterns", "path", "expected", "by"), SEVERAL)
def test_several_patterns(patterns: str, path: str, expected: bool, by: str) -> None:
    ignore = Ignore(patterns.encode())
    assert ignore.hides(path, is_directory=False) is expected
    assert ignore.hides(path, is_directory=True) is expected
    assert ignore.matched_by(path) == by


SKIPPED = [
    ("a", "a", True), ("a", "b", False), ("a", "a/b", True), ("a\n!a/b", "a", False),
    ("a\n!a/b", "a/b", False), ("a\n!a/b", "a/c", True), ("*\n!b", "a", True),
    ("*\n!**/*.md", "a", False), ("*\n!*.md", "a", True), ("a\n!a", "a", False),
    ("*\n!a/*/c", "a", False), ("*\n!a/*/c", "a/x", False), ("*\n!a/*/c", "a/x/y", True),
    ("*\n!a\na", "a", True), ("**/node_modules", "x/node_modules", True), ("a/*", "a", False),
    ("", "a", False), ("*", ".", False),
]  # fmt: skip


@pytest.mark.parametrize(("patterns", "directory", "expected"), SKIPPED)
def test_may_skip(patterns: str, directory: str, expected: bool) -> None:
    assert Ignore(patterns).may_skip(directory) is expected


def test_what_is_skipped_is_hidden() -> None:
    dice = random.Random(7)
    words = ["a", "b", "*", "**", "?", "a*", "[ab]"]
    paths = [f"{x}/{y}/{z}" for x in "ab" for y in "ab" for z in ("a", "b", "ab")]
    for _ in range(300):
        lines = ["".join(["!" if dice.random() < 0.4 else "",
                          "/".join(dice.choices(words, k=dice.randint(1, 3)))])
                 for _ in range(dice.randint(1, 5))]  # fmt: skip
        ignore = Ignore("\n".join(lines))
        for path in paths:
            for directory in (path.split("/")[0], path.rpartition("/")[0]):
                assert not ignore.may_skip(directory) or ignore.hides(path), (lines, path)


@pytest.mark.parametrize("text", ["!", "a\n!", "[", "a/[", "! ", "\\"])
def test_malformed(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^\.dockerignore:\d: "):
        Ignore(text)


def test_of_single_patterns() -> None:
    ignore = Ignore.of(["*.txt", "!a.txt", "#x"])
    assert ignore.hides("b.txt") and not ignore.hides("a.txt") and ignore.hides("#x")
    assert not Ignore() and not Ignore("# x\n") and ignore
