"""An image whose configuration has values of other types than the specification says: refused
with the field's name, never an internal error."""

from __future__ import annotations

import json
from typing import Any

import images
import pytest
from engine import Engine
from mirror import Registry

from crun_py.errors import ImageError
from crun_py.oci.manifest import parse_config

BAD: list[dict[str, Any]] = [
    {"Cmd": {"a": 1}}, {"Cmd": [1]}, {"Cmd": [None]}, {"Cmd": 5},
    {"Entrypoint": [["sh"]]}, {"Entrypoint": {"a": "b"}},
    {"Env": "A=1"}, {"Env": {"A": "1"}}, {"Env": [5]}, {"Labels": ["a=b"]}, {"Labels": {"a": 5}},
    {"User": 5}, {"User": ["root"]}, {"WorkingDir": 5}, {"WorkingDir": ["/"]},
    {"ExposedPorts": ["80/tcp"]}, {"ExposedPorts": {"x/tcp": {}}}, {"ExposedPorts": 80},
    {"Volumes": ["/v"]}, {"Volumes": "/v"}, {"StopSignal": 15}, {"StopSignal": "NOSUCH"},
    {"Healthcheck": "x"}, {"Healthcheck": {"Test": "x"}}, {"Healthcheck": {"Test": [5]}},
    {"Healthcheck": {"Test": ["CMD", "x"], "Interval": "x"}},
    {"Healthcheck": {"Test": ["CMD", "x"], "Retries": 1e99}},
]  # fmt: skip


@pytest.mark.parametrize("config", BAD, ids=str)
def test_refused_by_name(root: Engine, registry: Registry, config: dict[str, Any]) -> None:
    """By pull already, or when a container is made of it."""
    field = next(iter(config))
    name = registry.push("test/malformed", images.image(registry.busybox, **config))
    lines = []
    for words in (["create", "-q", "--pull", "always", "--network", "none", "-P", name],
                  ["images"], ["history", name], ["inspect", name], ["image", "inspect", name],
                  ["images", "--format", "{{json .}}"], ["ps", "-a"]):  # fmt: skip
        done = root.run(*words)
        assert "internal error" not in done.err and "Traceback" not in done.err, (words, done.err)
        lines.append(done)
    assert lines[0].code == 125 and field in lines[0].err, lines[0]
    assert root.ps("-a") == []
    root.run("rmi", "-f", name)


@pytest.mark.parametrize("field", ["Cmd", "Entrypoint"])
def test_a_text_for_a_list(root: Engine, registry: Registry, field: str) -> None:
    """One word, as Docker reads it, and not its letters; or refused."""
    name = registry.push("test/text", images.image(registry.busybox, **{field: "true"}))
    words = ("-q", "--pull", "always", "--network", "none", "--name", "c", name)
    done = root.run("run", *words)
    if done.code:
        assert done.code == 125 and field in done.err and "internal error" not in done.err, done
    else:
        assert root.inspect("c")["Config"][field] == ["true"]
    root.run("rm", "-f", "c")
    root.run("rmi", "-f", name)


NULLS: list[dict[str, Any]] = [
    {"Cmd": ["true"], "Entrypoint": None, "Env": None, "Labels": None, "User": None},
    {"Cmd": ["true"], "WorkingDir": None, "ExposedPorts": None, "Volumes": None},
    {"Cmd": ["true"], "StopSignal": None, "Healthcheck": None, "OnBuild": None},
    {"Cmd": ["true"], "WorkingDir": "", "User": "", "StopSignal": "", "Env": []},
]


@pytest.mark.parametrize("config", NULLS, ids=str)
def test_null_is_none(root: Engine, registry: Registry, config: dict[str, Any]) -> None:
    name = registry.push("test/nulls", images.image(registry.busybox, **config))
    root.ok("run", "-q", "--pull", "always", "--rm", "--network", "none", name)
    root.ok("rmi", name)


@pytest.mark.parametrize(
    "about",
    [{"history": 5}, {"history": ["x"]}, {"history": [{"created_by": 5}]}, {"created": 5},
     {"created": "soon"}, {"history": [{"created": "soon"}]},
     {"author": ["x"]}, {"comment": {}}, {"architecture": 64}, {"variant": []},
     {"os.version": 1}, {"os.features": "x"}, {"docker_version": 20}, {"config": "x"}],
    ids=str,
)  # fmt: skip
def test_what_stands_beside_it_is_refused_by_name(about: dict[str, Any]) -> None:
    document = {"os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    assert parse_config(json.dumps(document).encode(), 0) == document
    with pytest.raises(ImageError, match=f"its {next(iter(about))} is not"):
        parse_config(json.dumps({**document, **about}).encode(), 0)
    nothing = {**document, next(iter(about)): None}
    assert parse_config(json.dumps(nothing).encode(), 0) == nothing
