"""Secrets: in the container, and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine

NONE = ("--network", "none")
TEXT = "s3cr3t-0f-th1s-t3st"


@pytest.fixture
def secrets(engine: Engine) -> Iterator[Engine]:
    yield engine
    engine.run("rm", "-f", "-a", "-t", "0")
    engine.ok("secret", "rm", "-a")


def test_a_file_and_a_variable(secrets: Engine) -> None:
    engine = secrets
    made = engine.ok("secret", "create", "--label", "a=b", "pw", "-", input=TEXT)
    assert len(made) == 25
    look = (
        "cat /run/secrets/pw; stat -c '%a %u %g' /run/secrets/pw; grep /run/secrets/pw /proc/mounts"
    )
    out = engine.ok(
        "run", "--rm", *NONE, "--secret", "pw", "busybox", "sh", "-c", look
    ).splitlines()
    assert out[0].startswith(TEXT + "444 0 0") and " tmpfs ro," in out[1]
    words = "--secret", "pw,target=/etc/my/word,uid=5,gid=6,mode=0400"
    look = "cat /etc/my/word; stat -c '%a %u %g' /etc/my/word"
    assert engine.ok("run", "--rm", *NONE, *words, "busybox", "sh", "-c", look) == TEXT + "400 5 6"
    for words, name in ((("--secret", "pw,type=env,target=WORD"), "WORD"),
                        (("--secret", "source=pw,type=env"), "pw")):  # fmt: skip
        assert (
            engine.ok("run", "--rm", *NONE, *words, "busybox", "sh", "-c", f"echo ${name}") == TEXT
        )
    done = engine.run("run", "--rm", *NONE, "--secret", "pw", "busybox", "sh", "-c",
                      "echo x >/run/secrets/pw")  # fmt: skip
    assert done.code == 1 and "ead-only" in done.err


def test_it_is_nowhere_else(secrets: Engine) -> None:
    engine = secrets
    engine.ok("secret", "create", "pw", "-", input=TEXT)
    engine.detached("--name", "c", "--secret", "pw", "--secret", "pw,type=env,target=W", "busybox",
                    "sleep", "1000")  # fmt: skip
    assert engine.ok("exec", "c", "cat", "/run/secrets/pw") == TEXT
    for words in (("inspect", "c"), ("logs", "c"), ("secret", "inspect", "pw"), ("ps", "-a")):
        assert TEXT not in engine.ok(*words), words
    assert engine.inspect("c")["Config"]["Secrets"][0]["Name"] == "pw"
    image = engine.ok("commit", "-q", "c", "with-secret")
    for top in (engine.root, engine.run_root):
        found = subprocess.run(["grep", "-rl", TEXT, top], capture_output=True, text=True).stdout
        assert found.split() in ([], [f"{engine.root}/secrets/pw/data"]), found
    assert image
    engine.ok("rmi", "with-secret")
    data = Path(f"{engine.root}/secrets/pw/data")
    assert data.stat().st_mode & 0o777 == 0o600
    engine.ok("secret", "rm", "pw")
    assert engine.ok("exec", "c", "cat", "/run/secrets/pw") == TEXT, "what runs keeps it"
    engine.ok("stop", "-t0", "c")
    assert "no such secret: pw" in engine.fails("start", "c", code=1)


def test_its_mount_point_is_no_change(secrets: Engine) -> None:
    """Nothing of it is in an image, not even a name."""
    secrets.ok("secret", "create", "pw", "-", input=TEXT)
    secrets.ok("run", "--name", "c", "--network", "none", "--secret", "pw", "--secret",
               "pw,target=/etc/deep/pw", "busybox", "touch", "/own")  # fmt: skip
    assert secrets.ok("diff", "c") == "A /own"
    secrets.ok("commit", "-q", "c", "test/committed")
    out = secrets.run("run", "--rm", "--network", "none", "test/committed", "ls", "/run/secrets",
                      "/etc/deep").out  # fmt: skip
    assert out == ""
    secrets.ok("rmi", "-f", "test/committed")


def test_listing(secrets: Engine) -> None:
    engine = secrets
    made = engine.ok("secret", "create", "--env", "one", "MINE", env={"MINE": TEXT})
    file = engine.home / "two"
    file.write_bytes(b"\0\xff" * 5)
    os.chmod(file, 0o644)
    engine.home.chmod(0o755)
    engine.ok("secret", "create", "two", file)
    header, *rows = engine.ok("secret", "ls").splitlines()
    assert header.split() == ["ID", "NAME", "DRIVER", "CREATED", "UPDATED"]
    assert [row.split()[1] for row in rows] == ["one", "two"]
    assert engine.ok("secret", "ls", "-q", "--filter", "name=one") == made
    found = json.loads(engine.ok("secret", "inspect", "--showsecret", made[:8]))[0]
    assert (found["Spec"]["Name"], found["SecretData"]) == ("one", TEXT)
    assert engine.run("secret", "exists", "one").code == 0
    assert engine.run("secret", "exists", "three").code == 1
    assert "exists already" in engine.fails("secret", "create", "one", file)
    assert engine.ok("secret", "create", "--replace", "one", file) == made
    assert engine.ok("run", "--rm", *NONE, "--secret", "one", "busybox", "sh", "-c",
                     "wc -c </run/secrets/one") == "10"  # fmt: skip
    for words, cause in (
        (("secret", "create", "a/b", file), "not valid"),
        (("secret", "create", "e", "/dev/null"), "0 bytes"),
        (("create", "--secret", "nosuch", "busybox"), "no such secret"),
        (("create", "--secret", "one,mode=9", "busybox"), "octal"),
        (("create", "--secret", "one,type=x", "busybox"), "mount or env"),
        (("create", "--secret", "one,nosuch=1", "busybox"), "nosuch"),
    ):
        assert cause in engine.fails(*words), words


def test_ids_of_a_user_namespace(user: Engine) -> None:
    user.ok("secret", "create", "pw", "-", input=TEXT)
    look = "cat /run/secrets/pw; stat -c ' %u' /run/secrets/pw"
    words = "--userns=auto:size=3000", "--secret", "pw,uid=7"
    out = user.ok("run", "--rm", *NONE, *words, "busybox", "sh", "-c", look)
    assert out == TEXT + " 7"
    user.ok("secret", "rm", "pw")
