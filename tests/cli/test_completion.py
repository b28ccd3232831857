"""Completion: what is offered, and the scripts in the shells that are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from engine import CHECKOUT, Engine

from crun_py.show import completion


def offered(engine: Engine, *words: str) -> list[str]:
    return [s.partition("\t")[0] for s in engine.ok("__complete", "--", *words).splitlines()]


@pytest.fixture
def store(root: Engine) -> Engine:
    root.detached("--name", "webserver", "--stop-timeout", "0", "busybox", "sleep", "1000")
    root.ok("create", "--network", "none", "--name", "shop", "busybox")
    return root


def test_verbs_groups_and_options(store: Engine) -> None:
    assert offered(store, "pa") == ["pause"]
    assert {"run", "container", "system"} <= set(offered(store, ""))
    assert "__complete" not in offered(store, "")
    assert offered(store, "container", "pru") == ["prune"]
    assert offered(store, "--root", "/x", "renam") == ["rename"]
    assert offered(store, "run", "--health-re") == ["--health-retries"]
    assert offered(store, "run", "--restart", "un") == ["unless-stopped"]
    assert offered(store, "container", "logs", "--fol") == ["--follow"]
    assert offered(store, "-H", "unix:///x", "system", "conn") == ["connection"]
    assert offered(store, "system", "connection", "re") == ["remove", "rename"]
    assert offered(store, "system", "connection", "add", "--id") == ["--identity"]
    assert "system connection" not in offered(store, "sys")


def test_names(store: Engine) -> None:
    assert offered(store, "logs", "") == ["shop", "webserver"]
    assert offered(store, "stop", "") == ["webserver"]
    assert offered(store, "start", "") == ["shop"]
    assert offered(store, "stop", "-t", "3", "web") == ["webserver"]
    assert "busybox" in offered(store, "run", "--rm", "busy")
    assert offered(store, "run", "busybox", "") == [completion.FILES]
    assert offered(store, "run", "--env-file", "") == [completion.FILES]
    assert "container:webserver" in offered(store, "run", "--network", "cont")
    assert offered(store, "version", "") == []
    store.ok("pod", "create", "--network", "none", "--name", "group")
    assert offered(store, "pod", "stop", "") == ["group"] == offered(store, "run", "--pod", "")


def test_no_store_is_no_error(tmp_path: Path, root: Engine) -> None:
    empty = {"CRUNPY_ROOT": str(tmp_path / "a"), "CRUNPY_RUNROOT": str(tmp_path / "b")}
    assert root.run("__complete", "--", "logs", "", env=dict(empty)) == (0, "", "", b"")
    assert not (tmp_path / "a").exists()


def test_bash(store: Engine, tmp_path: Path) -> None:
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    (bin_directory / "crunpy").write_text(
        "#!/bin/sh\nexec " + " ".join(store.command()) + ' "$@"\n'
    )
    (bin_directory / "crunpy").chmod(0o755)
    script = """
        set -u
        source <(crunpy completion bash)
        COMP_WORDS=(crunpy stop web) COMP_CWORD=2
        _crunpy 2>/dev/null
        echo "${COMPREPLY[@]}"
        complete -p crunpy
    """
    path = f"{bin_directory}:/usr/bin:/bin"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True,
                          env={"PATH": path}, cwd=CHECKOUT)  # fmt: skip
    assert done.stdout.splitlines() == ["webserver", "complete -F _crunpy crunpy"], done


@pytest.mark.parametrize("shell", sorted(completion.SCRIPTS))
def test_scripts_parse(root: Engine, shell: str, tmp_path: Path) -> None:
    text = root.ok("completion", shell)
    assert "__complete" in text and completion.FILES in text
    file = tmp_path / "script"
    file.write_text(text)
    if shell in ("bash", "zsh", "fish") and shutil.which(shell):
        subprocess.run([shell, "-n", str(file)], check=True)


def test_an_unknown_shell(root: Engine) -> None:
    assert "bash, zsh, fish, powershell" in root.fails("completion", "tcsh")
