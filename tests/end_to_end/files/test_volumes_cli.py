"""volume create, ls, inspect, rm, prune, exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from engine import Engine

NONE = ("--network", "none")


def test_a_volumes_life(engine: Engine) -> None:
    assert engine.ok("volume", "create", "-l", "a=b", "data") == "data"
    assert engine.ok("volume", "create", "data") == "data", "again is no error"
    heading, *rows = engine.ok("volume", "ls").splitlines()
    assert re.split(" {2,}", heading) == ["DRIVER", "VOLUME NAME"]
    assert "local    data" in [re.sub(" +", "    ", row) for row in rows]
    found = json.loads(engine.ok("volume", "inspect", "data"))[0]
    assert found["Labels"] == {"a": "b"} and found["Driver"] == "local"
    engine.ok("run", "--rm", *NONE, "-v", "data:/d", "busybox", "sh", "-c", "echo hi > /d/f")
    assert engine.ok("run", "--rm", *NONE, "-v", "data:/d", "busybox", "cat", "/d/f") == "hi"
    assert engine.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "dat").endswith("/data/_data")
    assert engine.run("volume", "exists", "data").code == 0
    assert engine.ok("volume", "rm", "data") == "data"
    assert engine.run("volume", "exists", "data").code == 1
    assert "no such volume" in engine.fails("volume", "rm", "data", code=1)
    assert engine.ok("volume", "rm", "-f", "data") == ""


def test_one_in_use_is_kept(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "web", "-v", "data:/d", "busybox")
    assert "web has it" in engine.fails("volume", "rm", "data", code=1)
    assert engine.ok("volume", "ls", "-q", "-f", "dangling=true") == ""
    assert engine.ok("volume", "rm", "--force", "data") == "data"
    assert engine.ps("-a") == []


def test_filters_and_prune(engine: Engine) -> None:
    anonymous = engine.ok("volume", "create")
    assert re.fullmatch("[0-9a-f]{64}", anonymous)
    engine.ok("volume", "create", "-l", "keep=1", "kept")
    engine.ok("volume", "create", "named")
    look = ("volume", "ls", "--format", "{{.Name}}", "-f")
    assert engine.ok(*look, "label=keep") == "kept"
    assert engine.ok(*look, "name=ame") == "named"
    assert engine.ok(*look, "anonymous=true") == anonymous
    assert engine.run("volume", "prune", input="n\n").out.startswith("WARNING!")
    assert engine.ok("volume", "prune", "-f").splitlines()[:2] == ["Deleted Volumes:", anonymous]
    assert engine.ok("volume", "ls", "-q").split() == ["kept", "named"]
    assert "named" in engine.ok("volume", "prune", "-f", "-a", "--filter", "label!=keep")
    assert engine.ok("volume", "ls", "-q") == "kept"
    assert "all=perhaps" in engine.fails("volume", "prune", "-f", "--filter", "all=perhaps")
    assert "kept" not in engine.ok("volume", "prune", "-f", "--filter", "all=false")
    assert "kept" in engine.ok("volume", "prune", "-f", "--filter", "all=1")


def test_who_has_it_and_what_it_holds(engine: Engine) -> None:
    for name in ("b", "a"):
        script = "head -c 5000 /dev/zero > /d/f; chown 1234 /d/f; chmod 600 /d/f"
        words = ("--name", name, "-v", "data:/d", "busybox", "sh", "-c", script)
        engine.ok("create", *NONE, *words)
    engine.ok("start", "-a", "a")
    found = json.loads(engine.ok("volume", "inspect", "data"))[0]
    assert found["UsedBy"] == ["a", "b"] and found["UsageData"] is None
    found = json.loads(engine.ok("volume", "inspect", "--size", "data"))[0]
    assert found["UsageData"] == {"Size": 5000, "RefCount": 2} and found["MountCount"] == 0
    assert json.loads(engine.ok("inspect", "--type", "volume", "data"))[0]["UsedBy"] == ["a", "b"]


def test_what_is_refused(root: Engine) -> None:
    assert "not known" in root.fails("volume", "create", "-d", "nfs", "x")
    assert "not allowed" in root.fails("volume", "create", "a/b")
    assert "no volume given" in root.fails("volume", "rm")
    assert "of a cluster" in root.fails("volume", "update", "--availability", "drain", "x")
    assert root.ok("volume", "reload") == ""


def test_options_of_a_volume_that_mount_makes(root: Engine, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("from the host\n")
    spec = f"type=volume,src=bv,dst=/t,volume-opt=type=none,volume-opt=device={tmp_path}"
    spec += ',"volume-opt=o=bind,ro",volume-label=a=1,volume-label=b=2'
    run = ("run", "--rm", "--network", "none", "--mount", spec, "busybox")
    assert root.ok(*run, "cat", "/t/f") == "from the host"
    assert root.run(*run, "touch", "/t/g").code != 0
    about = json.loads(root.ok("volume", "inspect", "bv"))[0]
    assert about["Labels"] == {"a": "1", "b": "2"}
    assert about["Options"] == {"type": "none", "device": str(tmp_path), "o": "bind,ro"}
    # the volume that is there keeps its own
    other = "type=volume,src=bv,dst=/t,volume-opt=type=tmpfs,volume-opt=device=tmpfs"
    assert root.ok("run", "--rm", "--mount", other, "busybox", "cat", "/t/f") == "from the host"


def test_options_of_an_anonymous_volume(root: Engine) -> None:
    spec = "type=volume,dst=/t,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m"
    done = root.ok("run", "--rm", "--mount", spec, "busybox", "df", "-k", "/t")
    assert " 1024 " in done


@pytest.mark.parametrize(
    ("option", "word"), [("volume-opt=type=nfs", "nfs"), ("volume-opt=x=1", "x=1")]
)
def test_bad_options_of_a_volume_that_mount_makes(root: Engine, option: str, word: str) -> None:
    done = root.run("run", "--rm", "--mount", f"type=volume,src=nv,dst=/t,{option}", "busybox")
    assert done.code == 125 and word in done.err
    assert root.run("volume", "inspect", "nv").code != 0
