"""--entrypoint does without the image's command, in what runs and in what is kept."""

from __future__ import annotations

import json
from typing import Any

import images
import pytest
from engine import Engine
from mirror import Registry

NONE = ("--network", "none")


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    """An image with both an entry point and a command."""
    both = images.image(registry.busybox, Entrypoint=["echo", "E"], Cmd=["C"])
    return registry.push("test/both", both)


CASES: list[tuple[list[str], list[str], Any, Any, list[str]]] = [
    ([], [], ["echo", "E"], ["C"], ["echo", "E", "C"]),
    ([], ["x", "y"], ["echo", "E"], ["x", "y"], ["echo", "E", "x", "y"]),
    (["--entrypoint", "printf"], [], ["printf"], None, ["printf"]),
    (["--entrypoint", "printf"], ["x"], ["printf"], ["x"], ["printf", "x"]),
    (["--entrypoint", '["echo", "a b"]'], [], ["echo", "a b"], None, ["echo", "a b"]),
    (["--entrypoint", ""], ["ls"], None, ["ls"], ["ls"]),
]
"""options, words behind the image, Config.Entrypoint, Config.Cmd, Path and Args"""


@pytest.mark.parametrize("options,words,entrypoint,cmd,whole", CASES)
def test_what_is_kept(
    root: Engine,
    image: str,
    options: list[str],
    words: list[str],
    entrypoint: list[str] | None,
    cmd: list[str] | None,
    whole: list[str],
) -> None:
    root.ok("create", "-q", *NONE, "--name", "c", *options, image, *words)
    found = root.inspect("c")
    assert found["Config"]["Entrypoint"] == entrypoint
    assert found["Config"]["Cmd"] == cmd
    assert [found["Path"], *found["Args"]] == whole
    root.ok("commit", "c", "made:1")
    config = json.loads(root.ok("image", "inspect", "made:1"))[0]["Config"]
    assert (config["Entrypoint"] or None, config["Cmd"] or None) == (entrypoint, cmd)
    root.ok("rmi", "made:1")


def test_nothing_to_run(root: Engine, image: str) -> None:
    assert "command" in root.fails("create", "-q", *NONE, "--entrypoint", "", image)


def test_a_committed_image_runs_its_entry_point_alone(engine: Engine, image: str) -> None:
    engine.ok("run", "-q", *NONE, "--name", "c", "--entrypoint", "echo", image)
    engine.ok("commit", "c", "made:1")
    assert engine.ok("run", "--rm", *NONE, "made:1") == ""
    engine.ok("rm", "c")
    engine.ok("rmi", "made:1", image)
