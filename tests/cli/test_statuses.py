"""Each line of docs/exit-codes.md, by commands that end so."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest
from engine import CHECKOUT, Engine

from crun_py.cli import fast
from crun_py.cli.verbs import VERBS

sys.path.append(str(CHECKOUT / "tools"))
import manual


def test_what_crunpy_itself_says(engine: Engine) -> None:
    assert engine.run("version").code == 0
    for words in (["inspect", "nobody"], ["run", "--nothing"], ["nothing"], ["rm", "nobody"]):
        assert engine.run(*words).err.startswith("crunpy: error: "), words
    for words in (["run", "--nothing", "busybox"], ["nothing"], ["exec", "nobody", "true"]):
        assert engine.run(*words).code == 125, words


def test_a_command_that_is_interrupted(engine: Engine) -> None:
    engine.ok("create", "--name", "seen", "busybox")
    watching = engine.popen("events", "--since", "10m", stdout=subprocess.PIPE)
    assert any(b"seen" in line for line in watching.stdout)  # it is at it
    watching.send_signal(signal.SIGINT)
    assert watching.wait(20) == 130


@pytest.mark.parametrize("how", ["run", "exec"])
def test_a_container_s_command(engine: Engine, how: str) -> None:
    words = ["run", "--rm", "--init", "--network", "none", "busybox"]
    if how == "exec":
        engine.detached("--name", "box", "busybox", "sleep", "100")
        words = ["exec", "box"]
    assert engine.run(*words, "sh", "-c", "exit 7").code == 7
    assert engine.run(*words, "nothing").code == 127
    assert engine.run(*words, "/etc").code == 126
    assert engine.run(*words, "sh", "-c", "kill -9 $$").code == 137
    assert engine.run(*words, "sh", "-c", "kill -15 $$").code == 143


def test_a_client_that_attaches(engine: Engine) -> None:
    reads = ["-i", "--network", "none", "busybox", "sh", "-c", "read code; exit $code"]
    engine.ok("run", "-d", "--name", "one", *reads)
    assert engine.run("attach", "one", input="5\n").code == 5
    engine.ok("create", "--name", "two", *reads)
    assert engine.run("start", "-a", "-i", "two", input="4\n").code == 4


def test_nobody_reads(engine: Engine) -> None:
    done = engine.popen("info", stdout=subprocess.PIPE)
    done.stdout.close()
    assert done.wait(20) == 141


def test_waiting_prints_and_is_well(engine: Engine) -> None:
    engine.detached("--name", "box", "busybox", "sh", "-c", "exit 9")
    done = engine.run("wait", "box")
    assert (done.code, done.out) == (0, "9\n")


def test_a_build(engine: Engine) -> None:
    def build(text: str) -> int:
        file = engine.home / "Dockerfile"
        file.write_text(text)
        code: int = engine.run("build", "--network", "none", "-f", file, engine.home).code
        return code

    assert build("FROM busybox\nRUN exit 6\n") == 6
    assert build("FROM busybox\nCOPY nothing /\n") == 1
    assert build("FROM busybox\nNOTHING\n") == 1


@pytest.mark.parametrize(
    "kind", ["container", "image", "manifest", "network", "pod", "secret", "volume"]
)
def test_what_is_not_there(engine: Engine, kind: str) -> None:
    done = engine.run(kind, "exists", "nobody")
    assert (done.code, done.out, done.err) == (1, "", "")


def test_a_health_check(engine: Engine) -> None:
    for name, check, status in (("well", "true", 0), ("bad", "false", 1)):
        given = ["--health-interval", "disable", "--health-cmd", check]
        engine.detached("--name", name, *given, "busybox", "sleep", "100")
        assert engine.run("healthcheck", "run", name).code == status


OF_NAMES = [
    verb for verb in VERBS
    if re.fullmatch(r"\[?(CONTAINER|IMAGE|NAME|VOLUME|NETWORK|SECRET|CONTEXT|POD)(\.\.\.)?\]?",
                    fast.load(verb).ARGUMENTS)
    and "create" not in verb and "buildx" not in verb and "cleanup" not in verb
    and "connection" not in verb
]  # fmt: skip


@pytest.mark.parametrize("verb", OF_NAMES)
def test_a_name_that_nobody_has(root: Engine, verb: str) -> None:
    """1 where the table says so of names, else 125."""
    told = [status for names, status, meaning in manual.rows("exit-codes.md")
            if f"`{verb}`" in names and "name" in meaning]  # fmt: skip
    assert root.run(*verb.split(), "nobody").code == (1 if "1" in told else 125)


def test_the_rest_of_the_table(engine: Engine) -> None:
    engine.ok("create", "--network", "none", "--name", "taken", "busybox")
    assert engine.run("create", "--name", "taken", "busybox").code == 1
    assert engine.run("run", "--rm", "-it", "--network", "none", "busybox").code == 1
    assert engine.run("unshare", "nothing").code == (127 if engine.user else 125)
    assert engine.run("rm", "nobody", "taken").code == 1 and engine.ps() == []
    assert engine.run("system", "check").code == 0
