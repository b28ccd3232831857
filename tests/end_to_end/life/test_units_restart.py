"""generate systemd: the unit restarts as the container's own policy would."""

from __future__ import annotations

import pytest
from engine import Engine

POLICIES = [
    ([], "on-failure"),  # both peers' default for a unit
    (["--restart", "always"], "always"),
    (["--restart", "unless-stopped"], "always"),
    (["--restart", "on-failure"], "on-failure"),
    (["--restart", "on-failure:3"], "on-failure"),
]


def unit(engine: Engine, *options: str) -> dict[str, str]:
    lines = engine.ok("generate", "systemd", *options, "c").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")


@pytest.mark.parametrize("new", [["--new"], []], ids=["new", "existing"])
@pytest.mark.parametrize("options,policy", POLICIES)
def test_the_containers_policy(
    root: Engine, new: list[str], options: list[str], policy: str
) -> None:
    root.ok("create", "--network", "none", "--name", "c", *options, "busybox", "sleep", "1000")
    assert unit(root, *new)["Restart"] == policy
    assert unit(root, *new, "--restart-policy", "on-abort")["Restart"] == "on-abort"


def test_only_one_of_both_restarts_it(root: Engine) -> None:
    """The command of a --new unit has no policy of its own: the unit has it."""
    for options in (["--restart", "always"], ["--restart=on-failure:3"]):
        root.ok("create", "--network", "none", "--name", "c", *options, "busybox", "sleep", "1000")
        command = unit(root, "--new")["ExecStart"]
        assert "--restart" not in command and " busybox sleep 1000" in command, command
        root.ok("rm", "c")
