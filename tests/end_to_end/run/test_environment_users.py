"""Variables that are taken away, and users that the image does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import images
import pytest
from engine import USER, Engine
from mirror import Registry

NONE = ("run", "--rm", "--network", "none")


@pytest.fixture(scope="module", params=["root", "user"])
def given(
    request: pytest.FixtureRequest, new_engine: Callable[[str, str], Engine], registry: Registry
) -> Iterator[Engine]:
    """An engine with the image e:1, which sets FOO, and a container c of it."""
    engine = new_engine(request.param, "u")
    env = [images.PATH, "FOO=image", "BAR=image"]
    engine.ok(
        "pull", "-q", registry.push("test/variables", images.image(registry.busybox, Env=env))
    )
    engine.ok("tag", "test/variables", "e:1")
    engine.detached("--name", "c", "e:1", "sleep", "1000")
    yield engine
    engine.clean()


def variables(engine: Engine, *words: object, **env: str) -> dict[str, str]:
    out = engine.ok(*words, env=dict(env))
    return dict(line.split("=", 1) for line in out.splitlines())


def test_a_name_alone_that_is_not_set_here(given: Engine) -> None:
    file = given.home / "env"
    file.write_text("FOO\n")
    for options in (["-e", "FOO"], ["--env", "FOO"], ["--env-file", str(file)],
                    ["-e", "FOO=x", "-e", "FOO"]):  # fmt: skip
        seen = variables(given, *NONE, *options, "e:1", "env")
        assert "FOO" not in seen and seen["BAR"] == "image", options
        assert "FOO" not in variables(given, "exec", *options, "c", "env"), options
    file.unlink()


def test_one_that_is_set_here(given: Engine) -> None:
    assert variables(given, *NONE, "-e", "FOO", "e:1", "env", FOO="mine")["FOO"] == "mine"
    assert variables(given, *NONE, "-e", "FOO", "e:1", "env", FOO="")["FOO"] == ""
    assert variables(given, *NONE, "-e", "FOO=", "e:1", "env")["FOO"] == ""


def test_inspect_does_not_list_it(given: Engine) -> None:
    given.ok("create", "--network", "none", "--name", "i", "-e", "FOO", "e:1")
    names = [text.partition("=")[0] for text in given.inspect("i")["Config"]["Env"]]
    given.ok("rm", "i")
    assert "FOO" not in names and "BAR" in names


def test_a_uid_that_the_image_lacks(given: Engine) -> None:
    script = "whoami; id -un; id -u; id -g; grep -c '^4000:' /etc/passwd; tail -n1 /etc/passwd"
    lines = given.ok(*NONE, "-u", "4000", "e:1", "sh", "-c", script).splitlines()
    assert lines[:5] == ["4000", "4000", "4000", "0", "1"]
    name, _, uid, gid, _, home, shell = lines[5].split(":")
    assert (name, uid, gid, home, shell) == ("4000", "4000", "0", "/", "/bin/sh")


def test_a_gid_that_the_image_lacks(given: Engine) -> None:
    script = "id -gn; tail -n1 /etc/group; head -n1 /etc/passwd"
    lines = given.ok(*NONE, "-u", "4000:5000", "e:1", "sh", "-c", script).splitlines()
    assert lines[0] == "5000" and lines[1].split(":")[2] == "5000"
    assert lines[2].startswith("root:")


def test_also_with_a_read_only_root_and_in_exec(given: Engine) -> None:
    assert given.ok(*NONE, "--read-only", "-u", "4000", "e:1", "whoami") == "4000"
    given.detached("--name", "u", "-u", "4000", "e:1", "sleep", "1000")
    assert given.ok("exec", "u", "whoami") == "4000"
    assert "passwd" not in given.ok("diff", "u")
    given.ok("rm", "-f", "u")


def test_users_that_it_has_are_left_alone(given: Engine) -> None:
    before = given.ok(*NONE, "e:1", "cat", "/etc/passwd")
    for user in ("tester", "1234", "1234:77"):
        assert given.ok(*NONE, "-u", user, "e:1", "cat", "/etc/passwd") == before
        assert given.ok(*NONE, "-u", user, "e:1", "whoami") == "tester"


def test_without_an_entry_when_asked(given: Engine) -> None:
    done = given.run(*NONE, "--passwd=false", "-u", "4000", "e:1", "whoami")
    assert done.code == 1 and "4000" in done.err


def test_keep_id(user: Engine) -> None:
    """The caller by name, with a home that is theirs."""
    script = "whoami; id -u; id -gn; grep -c . /etc/passwd; echo $HOME"
    lines = user.ok(*NONE, "--userns", "keep-id", "busybox", "sh", "-c", script).splitlines()
    assert lines[0] == USER and lines[2] == USER, lines
    assert int(lines[3]) == 5  # the image's four and this one
