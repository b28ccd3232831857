"""A plain user whose ids of /etc/subuid nobody may map, as in containers of other engines: one
warning says why, and newuidmap's own lines are not seen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from engine import Engine, Result
from hiding import hidden
from images import busybox_tar

_MAP = ["unshare", "--mount", "--map-users=0,0,65537", "--map-groups=0,0,65537", "--setuid", "0"]
SMALL = ["small"]
"""As in a container of a plain user's engine: there are no ids above 65536."""
RANGE = "100000-165535 is not within 0-65536"
REASONS = {
    RANGE: SMALL,
    "no_new_privs is set": ["setpriv", "--no-new-privs"],
    "the bounding set lacks CAP_SYS_ADMIN": ["setpriv", "--bounding-set", "-sys_admin"],
}
IMPORT = ("import", "-q", "busybox.tar", "busybox")


class Outer(NamedTuple):
    """A user's engine, and files that are shown to it as /etc/subuid and /etc/subgid."""

    engine: Engine
    file: Path

    def has(self, ids: str) -> None:
        """The user's ranges."""
        self.file.write_text(f"{self.engine.user}:{ids}\n")

    def run(self, wrap: list[str], *args: object) -> Result:
        """wrap: what is run before the command, or SMALL."""
        before = hidden((str(self.file), "/etc/subuid"), (str(self.file), "/etc/subgid"))
        if wrap == SMALL:
            roots = self.file.with_name("roots")  # unshare(1) lets newuidmap(1) write the map
            roots.write_text("root:0:65537\n")
            own = hidden((str(roots), "/etc/subuid"), (str(roots), "/etc/subgid"))
            wrap, before = [], [*own, *_MAP, *before]
        return self.engine.run(*args, wrap=[*before, *wrap], cwd=self.engine.home)


@pytest.fixture
def outer(fresh: Callable[[str], Engine], tmp_path: Path) -> Outer:
    made = Outer(fresh("user"), tmp_path / "ids")
    made.has("100000:65536")
    (made.engine.home / "busybox.tar").write_bytes(busybox_tar())
    return made


@pytest.mark.parametrize("reason", REASONS)
def test_one_warning_says_why(outer: Outer, reason: str) -> None:
    done = outer.run(REASONS[reason], *IMPORT)
    assert done.code == 0 and done.err.count("\n") == 1, done
    assert done.err.startswith("crunpy: warning: entering a user namespace: newuidmap or newgidmap")
    assert "uid_map failed" in done.err and "setuid root" not in done.err
    assert [why for why in REASONS if why in done.err] == [reason]
    done = outer.run(REASONS[reason], "run", "--rm", "--network", "none", "busybox", "id", "-u")
    assert (done.code, done.out, done.err) == (0, "0\n", "")


def test_quiet(outer: Outer) -> None:
    assert outer.run(SMALL, "--quiet", *IMPORT).err == ""


def test_as_json(outer: Outer) -> None:
    (line,) = outer.run(SMALL, "--log-format", "json", *IMPORT).err.splitlines()
    assert RANGE in str(json.loads(line))


def findings(outer: Outer) -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in json.loads(outer.run(SMALL, "doctor", "--json").out)}


def test_a_range_that_would_do(outer: Outer) -> None:
    """The doctor says which, and with it there are more ids than one."""
    found = findings(outer)
    for kind in ("uid", "gid"):
        one = found[f"sub{kind}"]
        assert one["status"] == "warning" and RANGE in one["message"]
        assert one["fix"].startswith(f"usermod --del-sub{kind}s 100000-165535 --add-sub{kind}s ")
    entering = found["entering a user namespace"]
    assert entering["status"] == "warning" and "containers have one user" in entering["message"]
    said = re.search(r"(\d+:\d+) would do", found["subuid"]["message"])
    assert said
    outer.has(said[1])
    found = findings(outer)
    names = ("subuid", "subgid", "entering a user namespace")
    assert {found[name]["status"] for name in names} == {"ok"}, found
    assert outer.run(SMALL, *IMPORT).err == ""
    done = outer.run(SMALL, "run", "--rm", "--network", "none", "-u", "5", "busybox", "id", "-u")
    assert (done.code, done.out, done.err) == (0, "5\n", "")


def test_root_of_no_more_ids(outer: Outer) -> None:
    """Who has no range at all is told of one that is there."""
    outer.has("100000:0")
    (line,) = outer.run(SMALL, *IMPORT).err.splitlines()
    assert re.search(r"as root: usermod --add-subuids \d{1,5}-\d{1,5} ", line)
