"""crunpy doctor, and the errors that point to it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from engine import Engine
from images import busybox_tar


def test_everything_needed_works_here(engine: Engine) -> None:
    found = json.loads(engine.ok("doctor", "--json"))
    by_name = {one["name"]: one for one in found}
    assert {one["status"] for one in found} <= {"ok", "warning"}
    assert all(set(one) == {"name", "status", "message", "fix", "outside"} for one in found)
    assert {"kernel", "overlay", "store", "nftables"} <= {
        one["name"] for one in found if one["status"] == "ok"
    }
    ids = {"subuid", "subgid", "newuidmap", "newgidmap", "entering a user namespace"}
    assert (ids <= set(by_name)) == engine.rootless
    shown = engine.ok("doctor").splitlines()
    assert any(line.startswith("ok       kernel: ") for line in shown)
    assert not list(engine.root.rglob(".crunpy-doctor-*"))
    script = engine.ok("doctor", "--fix-commands")
    assert script.startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0
    assert [one["fix"] for one in found if one["fix"]] == [
        line for line in script.splitlines()[2:] if not line.startswith("#")
    ]


def test_registries_are_asked_when_that_is_wanted(engine: Engine) -> None:
    done = engine.run("doctor", "--json", "--online")
    found = {one["name"]: one["status"] for one in json.loads(done.out)}
    assert found[f"mirror {engine.registry}"] == "ok"
    assert found["registry docker.io"] == "error" and done.code == 1  # nobody is there


def test_a_store_on_an_overlay(fresh: Callable[[str], Engine], tmp_path: Path) -> None:
    root = fresh("root")
    work = tmp_path / "overlay"
    for name in ("lower", "upper", "work", "merged"):
        (work / name).mkdir(parents=True)
    layers = f"lowerdir={work}/lower,upperdir={work}/upper,workdir={work}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", layers, "x", work / "merged"], check=True)
    try:
        done = root.run("--root", f"{work}/merged/store", "doctor")
    finally:
        subprocess.run(["umount", work / "merged"], check=True)
    (line, fix) = [s for s in done.out.splitlines() if "overlay" in s or "CRUNPY_ROOT" in s][:2]
    assert done.code == 0 and line.startswith("warning  overlay: none on overlay, where ")
    assert "export CRUNPY_ROOT=" in fix


def test_rules_of_others(root: Engine) -> None:
    """What is in the way is told; where we add to it ourselves is not."""
    rules = (
        "set -e; ip link set lo up; iptables-nft -P FORWARD DROP; nft add table inet mine; "
        "nft add chain inet mine passing '{ type filter hook forward priority 0; policy drop; }'; "
        "nft add chain inet mine coming '{ type filter hook input priority 0; policy drop; }'; "
        'exec "$@"'
    )
    done = root.run("doctor", "--json", wrap=["unshare", "--net", "sh", "-c", rules, "sh"])
    found = [one for one in json.loads(done.out) if one["name"] == "firewall"]
    assert [(one["status"], one["message"]) for one in found] == [
        ("ok", "table ip filter, chain FORWARD drops; our networks are let through there"),
        ("warning", "table inet mine, chain passing drops what no rule of it accepts"),
    ]
    assert found[1]["fix"].startswith("nft insert rule inet mine passing iifname 'crunpy*' accept")


def test_options(root: Engine) -> None:
    assert "conflicts" in root.fails("doctor", "--json", "--fix-commands")


def test_errors_point_to_it(user: Engine) -> None:
    """Without newuidmap no container of a plain user's runs who had it before."""
    hidden = ["unshare", "--mount", "sh", "-c",
              'mount --bind /dev/null /usr/bin/newuidmap; exec "$@"', "sh"]  # fmt: skip
    done = subprocess.run(
        [*hidden, *user.command("run", "--rm", "busybox", "true")], capture_output=True, text=True
    )
    assert done.returncode == 125
    assert done.stderr.startswith("crunpy: error: entering a user namespace: ")
    assert done.stderr.endswith("`crunpy doctor` tells more)\n") and done.stderr.count("\n") == 1
    told = subprocess.run(
        [*hidden, *user.command("doctor")], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0
    assert "warning  newuidmap: " in told.stdout


@pytest.mark.parametrize("new", [True, False])
def test_a_store_of_roots(fresh: Callable[[str], Engine], new: bool) -> None:
    """As a new volume in a container is: a finding, with the command that mends it."""
    user = fresh("user")
    before = f"mkdir -p {user.root}; mount -t tmpfs -o mode=755 none {user.root}; "
    before += "" if new else f"touch {user.root}/x; "

    def wrap(further: str = "") -> list[str]:
        return ["unshare", "--mount", "sh", "-ec", f'{before}{further} exec "$@"', "sh"]

    ids = f"{os.stat(user.home).st_uid}:{os.stat(user.home).st_gid}"
    wanted = f"as root chown {ids} {user.root}; or mkdir and chown" if new else "set CRUNPY_ROOT to"
    error = user.fails("images", wrap=wrap())
    assert "it belongs to another user" in error and wanted in error
    done = user.run("doctor", "--json", wrap=wrap())
    (found,) = [one for one in json.loads(done.out) if one["name"] == "store"]
    assert done.code == 1 and found["status"] == "error" and wanted in found["message"]
    if new:
        assert found["fix"] == f"chown {ids.partition(':')[0]} {user.root}"
        assert user.ok("images", "-q", wrap=wrap(found["fix"] + ";")) == ""
    else:
        assert found["fix"].startswith("export CRUNPY_ROOT=")


def test_no_home_of_ours(fresh: Callable[[str], Engine]) -> None:
    user = fresh("user")
    (user.home / "busybox.tar").write_bytes(busybox_tar())
    here: dict[str, str | None] = {"HOME": "/"}
    told = "the home directory, /, is not yours to write to: set HOME, XDG_DATA_HOME or CRUNPY_ROOT"
    assert told in user.fails("import", "-q", user.home / "busybox.tar", "b", env=here)
    done = user.run("doctor", env=here)
    assert done.code == 1 and "(--root)" in done.out and told in done.out
