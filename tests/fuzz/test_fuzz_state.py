"""The JSON files of a store, damaged: the target `state` of tools/fuzz, briefly, and its finds."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from engine import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "tools" / "fuzz"))
from inputs import feed, replaced
from targets import exchange, state

FOUND: list[tuple[str, tuple[Any, ...], Any]] = [
    ("volume", (), None),
    ("volume", ("labels",), [1]),
    ("volume", ("labels", "a"), None),
    ("volume", ("options",), False),
    ("layer", (), {}),
    ("layer", ("size",), "7"),
    ("step", (), []),
    ("step", ("layer",), {"chain_id": []}),
    ("step", ("created",), "soon"),
    ("spec", ("process", "capabilities", "bounding"), [{}]),
    ("now", ("started_at",), "[None]"),
    ("now", ("pid",), float("nan")),
    ("now", ("signal",), float("nan")),
    ("record", ("network",), []),
    ("record", ("args",), []),
    ("record", ("config", "exposed"), [""]),
    ("record", ("network", "networks"), [5]),
    ("record", ("config", "labels"), None),
    ("record", ("created",), "soon"),
    ("record", ("host", "ulimit"), [{}]),
    ("record", ("mounts",), [True]),
    ("record", ("namespaces", "pid"), {}),
    ("image0", (), True),
    ("image0", ("manifests",), True),
    ("image0", ("manifests",), [{}, 5, {"digest": "sha256:x"}]),
    ("image0", ("manifests", 0, "digest"), None),
    ("image0", ("manifests", 0, "annotations"), [1]),
    ("image1", ("manifests", 0, "annotations", "io.crunpy.config"), {}),
    ("image1", ("manifests", 0, "annotations", "io.crunpy.created"), "soon"),
    ("image2", (), []),
    ("image2", (), {}),
    ("image2", ("layers",), None),
    ("image2", ("config", "digest"), [True]),
    ("image2", (), b"{"),
    ("image3", (), b""),
    ("image3", (), b"1" * 5000),
    ("log", (), b"[" * 5000),
    ("events", (), b"[" * 5000),
    ("image3", (), []),
    ("image3", ("rootfs", "diff_ids"), {}),
    ("image3", ("created",), "soon"),
    ("image3", ("history",), [[]]),
    ("image3", ("config",), [{}]),
    ("auth", ("auths",), []),
    ("seccomp", ("syscalls", 0, "names"), 5),
    ("seccomp", ("syscalls", 0, "names"), [{}]),
]


@pytest.mark.parametrize("name", sorted(state.FILES))
def test_all_is_well_at_first(name: str) -> None:
    """What reads the files can, or a damaged one would prove nothing."""
    state.FILES[name][2]()


@pytest.mark.parametrize(("name", "path", "value"), FOUND)
def test_found_before(name: str, path: tuple[Any, ...], value: Any) -> None:
    state.check(name, replaced(state.FILES[name][1], path, value))


@pytest.mark.parametrize("target", [state, exchange], ids=["state", "exchange"])
def test_damaged_files(target: Any) -> None:
    feed(target, 400)
