"""Two mounts at one destination: refused with both named, the very same -v twice counts once."""

from __future__ import annotations

import pytest
from engine import Engine

CREATE = ("create", "--network", "none")
BIND = "/usr"
"""A directory of the host that is there for everybody."""

CONFLICTS = [
    (f"-v {BIND}:/a --tmpfs /a", (BIND, "tmpfs")),
    (f"--tmpfs /a -v {BIND}:/a", (BIND, "tmpfs")),
    ("-v one:/a --tmpfs /a", ("one", "tmpfs")),
    ("-v one:/a --tmpfs /a:size=1m", ("one", "tmpfs")),
    ("-v one:/a -v two:/a", ("one", "two")),
    (f"-v one:/a -v {BIND}:/a", ("one", BIND)),
    (f"-v {BIND}:/a -v /bin:/a", (BIND, "/bin")),
    (f"-v {BIND}:/a/ -v one:/a", (BIND, "one")),
    ("--mount type=volume,src=one,dst=/a -v two:/a", ("one", "two")),
    (f"--mount type=bind,src={BIND},dst=/a -v two:/a", (BIND, "two")),
    ("--mount type=tmpfs,dst=/a -v two:/a", ("tmpfs", "two")),
    ("--mount type=tmpfs,dst=/a --tmpfs /a", ("tmpfs",)),
    ("--mount type=image,src=busybox,dst=/a -v two:/a", ("busybox", "two")),
    ("-v one:/a -v one:/a:ro", ("one",)),
]


@pytest.mark.parametrize("options,named", CONFLICTS, ids=[line for line, _ in CONFLICTS])
def test_both_are_named(root: Engine, options: str, named: tuple[str, ...]) -> None:
    message = root.fails(*CREATE, *options.split(), "busybox", "true")
    assert "/a" in message, message
    for name in named:
        assert name in message.replace("mounting /a", ""), message
    assert root.ps("-a") == [] and root.volumes() == []


def test_nothing_is_pulled_for_them(root: Engine) -> None:
    message = root.fails("run", "-v", "one:/a", "--tmpfs", "/a", "nosuchimage")
    assert "nosuchimage" not in message


SAME = [
    f"-v {BIND}:/a -v {BIND}:/a",
    "-v one:/a -v one:/a",
    "-v one:/a:ro -v one:/a:ro",
    "--tmpfs /a --tmpfs /a",
]


@pytest.mark.parametrize("options", SAME)
def test_the_same_twice_counts_once(engine: Engine, options: str) -> None:
    seen = engine.ok("run", "--rm", "--network", "none", *options.split(), "busybox", "grep", "-c",
                     " /a ", "/proc/mounts")  # fmt: skip
    assert seen == "1"
    if "one" in options:
        engine.ok("volume", "rm", "one")


def test_below_each_other_is_no_conflict(engine: Engine) -> None:
    options = f"-v one:/a --tmpfs /a/b -v {BIND}:/a/b/c:ro".split()
    seen = engine.ok("run", "--rm", "--network", "none", *options, "busybox", "grep", "-c", " /a",
                     "/proc/mounts")  # fmt: skip
    assert seen == "3"
    engine.ok("volume", "rm", "one")
