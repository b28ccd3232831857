"""--secret: what is meant, and what is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from crun_py.build.secrets import LIMIT_BYTES, Secret, content, parse
from crun_py.errors import CrunpyError, InvalidArgument, NotFound

PARSED = [
    ("id=x,src=f", Secret(id="x", source="/d/f")),
    ("id=x,source=/f", Secret(id="x", source="/f")),
    ("src=f,id=x", Secret(id="x", source="/d/f")),
    ('id=x,"src=a,b"', Secret(id="x", source="/d/a,b")),
    ("id=x,env=V", Secret(id="x", env="V")),
    ("id=x,type=env", Secret(id="x", env="x")),
    ("id=x,type=env,src=V", Secret(id="x", env="V")),
    ("id=x,type=env,env=V", Secret(id="x", env="V")),
    ("id=x,type=file", Secret(id="x", source="/d/x")),
    ("id=x,type=file,src=f", Secret(id="x", source="/d/f")),
    ("id=x", Secret(id="x", source="/d/x", env="x")),
]


@pytest.mark.parametrize(("text", "expected"), PARSED)
def test_what_a_secret_means(text: str, expected: Secret) -> None:
    assert parse(text, "/d") == expected


@pytest.mark.parametrize(
    "text", ["", "x", "id=", "src=f", "id=x,src", "id=x,file=f", "id=x,type=blob",
             "id=x,src=f,env=V", "id=x,type=env,src=f,env=V", 'id=x,"src=f'],
)  # fmt: skip
def test_what_is_no_secret(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text, "/d")


def test_an_unknown_key_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse("id=x,srcc=f", "/")
    assert caught.value.hint == "did you mean src?"


def test_a_file_is_read_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\0\xffpass\n")
    assert content(parse("id=x,src=f", str(tmp_path)), {"x": "no"}) == b"\0\xffpass\n"


def test_a_variable_comes_before_a_file_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("file")
    secret = parse("id=x", str(tmp_path))
    assert content(secret, {"x": "variable"}) == b"variable"
    assert content(secret, {}) == b"file"


def test_an_empty_variable_is_a_secret(tmp_path: Path) -> None:
    assert content(parse("id=x,env=V", "/"), {"V": ""}) == b""


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="secret x: the variable TOKEN is not set") as caught:
        content(parse("id=x,env=TOKEN", "/"), {"TOKNE": "1"})
    assert caught.value.hint == "did you mean TOKNE?"
    with pytest.raises(NotFound, match="no file /nowhere/f"):
        content(parse("id=x,src=f", "/nowhere"), {})
    with pytest.raises(NotFound, match="no variable x, and no file"):
        content(parse("id=x", str(tmp_path)), {})


def test_a_directory_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(CrunpyError, match="is a directory"):
        content(parse(f"id=x,src={tmp_path}", "/"), {})


@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_is_that_of_buildkit(tmp_path: Path, more: int) -> None:
    (tmp_path / "f").write_bytes(bytes(LIMIT_BYTES + more))
    secret = parse("id=x,src=f", str(tmp_path))
    if not more:
        assert len(content(secret, {})) == LIMIT_BYTES == 500 * 1024
        return
    with pytest.raises(InvalidArgument, match="larger than 500 KiB"):
        content(secret, {})


def test_a_file_without_an_end_is_too_large() -> None:
    with pytest.raises(InvalidArgument, match="larger"):
        content(parse("id=x,src=/dev/zero", "/"), {})
