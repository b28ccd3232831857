"""References: docker's rules for what the user may leave out, and what no name may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crun_py.errors import InvalidArgument
from crun_py.oci.reference import Reference, parse, parse_digest

HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("nginx", "docker.io/library/nginx:latest", "nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25", "nginx:1.25"),
        ("user/app", "docker.io/user/app:latest", "user/app:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest"),
        ("index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("host:5000/x", "host:5000/x:latest", "host:5000/x:latest"),
        ("quay.io/a/b:t", "quay.io/a/b:t", "quay.io/a/b:t"),
        ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
        (
            f"nginx@sha256:{HEX}",
            f"docker.io/library/nginx@sha256:{HEX}",
            f"nginx@sha256:{HEX}",
        ),
        (
            f"nginx:1@sha256:{HEX}",
            f"docker.io/library/nginx:1@sha256:{HEX}",
            f"nginx:1@sha256:{HEX}",
        ),
        ("a__b/c--d.e", "docker.io/a__b/c--d.e:latest", "a__b/c--d.e:latest"),
        ("docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io/localhost/x:latest"),
        ("docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest"),
        (f"library/{HEX}", f"docker.io/library/{HEX}:latest", f"library/{HEX}:latest"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
    ],
)
def test_forms(text: str, full: str, familiar: str) -> None:
    reference = parse(text)
    assert str(reference) == full
    assert reference.familiar == familiar
    assert parse(full) == reference
    assert parse(familiar) == reference


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "@", "a:", "a@", "a/", "/a", "a//b", "-a", "a-", "a..b", "a___b", "a._b",
        "a:" + "t" * 129, "a:.t", "a:-t", "a b", "a\n", "a:t\n", "é", "a@sha256:" + "a" * 63,
        "a@sha256:../../../etc", "a@md5:" + "a" * 32, "x" * 256, HEX, "host:/x", "host:0x/x",
        "host:99999/x", "-host.de/x", "h..de/x", "[::1/x", "[]/x", "a:t:u", "../x", "./x",
        "localhost:5000", "host.de/" + "x" * 250, "http://x/y", "a@sha256:" + "A" * 64,
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    if text == "localhost:5000":  # a name with a tag, as for docker
        assert str(parse(text)) == "docker.io/library/localhost:5000"
        return
    with pytest.raises(InvalidArgument):
        parse(text)


def test_capitals_are_explained() -> None:
    with pytest.raises(InvalidArgument, match="must be lower case") as caught:
        parse("quay.io/Foo/bar")
    assert "foo/bar" in caught.value.hint


def test_immutable() -> None:
    with pytest.raises(AttributeError):
        parse("a").tag = "b"  # type: ignore[misc]


@given(st.text(max_size=80) | st.from_regex(r"\A[a-zA-Z0-9./:@_-]{1,80}\Z"))
def test_whatever_parses_is_safe_and_stable(text: str) -> None:
    try:
        reference = parse(text)
    except InvalidArgument:
        return
    assert parse(str(reference)) == reference
    assert parse(reference.familiar) == reference
    assert ".." not in reference.repository
    assert not set(str(reference)) & set("\0 \n\\%?#")
    assert len(reference.name) <= 255


_DIGITS = st.sampled_from((63, 64, 65, 96, 127, 128, 129)).flatmap(
    lambda size: (
        st.text("0123456789abcdef./F\n", min_size=size, max_size=size)
        | st.text("0123456789abcdef", min_size=size, max_size=size)
    )
)


@given(
    st.text(max_size=140)
    | st.builds("{}:{}".format, st.sampled_from(("sha256", "sha384", "sha512")), _DIGITS)
)
def test_a_digest_is_hex_digits_only(text: str) -> None:
    try:
        parse_digest(text)
    except InvalidArgument:
        return
    algorithm, digits = text.split(":")
    assert len(digits) == {"sha256": 64, "sha384": 96, "sha512": 128}[algorithm]
    assert set(digits) <= set("0123456789abcdef")


def test_parts_are_checked_by_the_constructor() -> None:
    for parts in (("host", "../x"), ("ho/st", "x"), ("host", "x", "a/b"), ("host", "x", "", "z")):
        with pytest.raises(InvalidArgument):
            Reference(*parts)
