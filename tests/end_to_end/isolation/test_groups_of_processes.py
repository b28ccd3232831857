"""Which groups a process has: its primary one always among them, those that the container's own
/etc/group gives its user, those of --group-add, and never one of the caller's.

A file that its group may not read, but everybody else may, is the probe: a process that has lost
its primary group from the list passes for everybody else once a setgid program has changed its
group id (CVE-2022-36109, CVE-2022-2995, CVE-2023-25173).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from engine import Engine
from images import image
from mirror import Registry
from oci_images import entry, tar

NONE = ("run", "--rm", "--network", "none")
SETGID = r"""
#include <stdio.h>
#include <unistd.h>

/* As a setgid program of group 4242 it is in its caller's groups only by the list. */
int main(int argc, char **argv)
{
	char text[64] = "";
	FILE *f = fopen(argv[1], "r");
	printf("%d %s\n", getegid(), f && fgets(text, sizeof(text), f) ? text : "refused");
	return 0;
}
"""
GROUP_OF = {"tester": 1234, "1234": 1234, "tester:extra": 77, "0:1234": 1234, "5000:1234": 1234}
"""The primary group of each --user, of images.PASSWD and images.GROUP."""


@pytest.fixture(scope="module")
def guarded(registry: Registry, base: Path) -> str:
    """An image with files that one group each may not read, and the setgid program."""
    source, program = base / "setgid.c", base / "setgid"
    source.write_text(SETGID)
    subprocess.run(["gcc", "-static", "-O1", "-o", program, source], check=True)
    files = [
        entry(f"not-{gid}", b"open to others", mode=0o604, uid=9, gid=gid) for gid in (77, 1234)
    ]
    other = entry("sgid", program.read_bytes(), mode=0o2755, gid=4242)
    return registry.push("test/groups", image(registry.busybox, tar(*files, other)))


def ids(text: str) -> list[int]:
    return sorted(map(int, text.split()))


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_the_primary_group_is_among_them(engine: Engine, guarded: str, verb: str) -> None:
    """Without CAP_DAC_OVERRIDE, which root's processes would pass with."""
    engine.ok("pull", "-q", guarded)
    engine.detached("--name", "c", "--cap-drop", "dac_override", guarded, "sleep", "1000")
    for user, gid in GROUP_OF.items():
        words = (*NONE, "--cap-drop", "dac_override", "-u", user, guarded)
        words = ("exec", "-u", user, "c") if verb == "exec" else words
        script = f"id -G; cat /not-{gid}; /sgid /not-{gid}; /sgid /not-{1311 - gid}"
        done = engine.run(*words, "sh", "-c", script)
        groups, own, other = done.out.splitlines()
        assert gid in ids(groups), (user, done)
        # as a member it is refused, before and after its group id has changed
        assert "Permission denied" in done.err and own == "4242 refused", (user, done)
        in_both = user in ("tester", "1234")
        assert other == ("4242 refused" if in_both else "4242 open to others"), (user, done)


def test_the_primary_group_in_a_build(engine: Engine, guarded: str) -> None:
    text = f"""FROM {guarded}
RUN mkdir -m 777 /seen
USER tester
RUN id -G > /seen/tester; /sgid /not-1234 > /seen/tester-read 2>&1; true
USER 5000:1234
RUN id -G > /seen/number; /sgid /not-1234 > /seen/number-read 2>&1; true
USER root
RUN id -G > /seen/root
"""
    options = ("-f", "-", "-t", "groups", "--network", "none", "--cap-drop", "dac_override")
    engine.ok("build", *options, engine.home, input=text)
    found = engine.ok(*NONE, "groups", "sh", "-c", "cd /seen; grep . *").splitlines()
    rows = {name: rest for name, _, rest in (line.partition(":") for line in found)}
    assert ids(rows["tester"]) == [77, 1234] and ids(rows["number"]) == [1234]
    assert ids(rows["root"]) == [0]
    for name in ("tester-read", "number-read"):
        assert rows[name] == "4242 refused", rows


def test_a_setgid_program_would_read_it(engine: Engine, guarded: str) -> None:
    """The probe tells: a process that is in another group reads the file."""
    words = (*NONE, "-q", "-u", "5000:5001", guarded)
    assert engine.ok(*words, "/sgid", "/not-1234") == "4242 open to others"


@pytest.mark.parametrize("user", ["", "tester", "1234", "5000", "5000:78"])
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_none_of_the_callers(root: Engine, verb: str, user: str) -> None:
    """Root's own groups, or those of a login session, do not come along (CVE-2022-2989)."""
    wrap = ["setpriv", "--groups", "0,6,27,4444,1111"]
    root.detached("--name", "c", "busybox", "sleep", "1000", wrap=wrap)
    words = ("exec", "-u", user or "0", "c") if verb == "exec" else (*NONE, "-u", user, "busybox")
    line = root.ok(*words, "grep", "^Groups:", "/proc/self/status", wrap=wrap)
    found = ids(line.removeprefix("Groups:"))
    expected = {"tester": [77, 1234], "1234": [77, 1234], "5000:78": [78]}.get(user, [0])
    assert found == expected


def test_none_of_a_users(user: Engine) -> None:
    """A plain user's groups stay outside, but for keep-groups, which asks for them."""
    command = user.command(*NONE, "busybox", "cat", "/proc/self/status")
    at = command.index("--clear-groups")
    command[at : at + 1] = ["--groups", "27,4444"]
    status = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert ids(status.split("Groups:")[1].split("\n")[0]) == [0]
    kept = [*command[: command.index("busybox")], "--group-add", "keep-groups",
            *command[command.index("busybox") :]]  # fmt: skip
    status = subprocess.run(kept, capture_output=True, text=True, check=True).stdout
    assert ids(status.split("Groups:")[1].split("\n")[0]) == [65534, 65534], "seen as nobody's"


def test_a_group_that_is_not_mapped(engine: Engine) -> None:
    """It is refused in words; nothing is run without it."""
    options = (*NONE, "--uidmap", "0:0:1", "--gidmap", "0:0:1")
    assert ids(engine.ok(*options, "busybox", "id", "-G")) == [0]
    engine.fails(*options, "--group-add", "77", "busybox", "id", "-G")
    engine.fails(*options, "-u", "0:77", "busybox", "id", "-G")
