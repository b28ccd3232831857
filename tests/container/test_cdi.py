"""Devices that files of their vendors describe (CDI), from description to container."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crun_py.container import cdi
from crun_py.errors import InvalidArgument, NotFound
from crun_py.model.container import Bind, CreateRequest, Device
from crun_py.options import parts

SPEC = {
    "cdiVersion": "0.6.0",
    "kind": "vendor.com/net",
    "devices": [
        {"name": "a", "containerEdits": {
            "deviceNodes": [{"path": "/dev/card0", "hostPath": "/dev/null"},
                            {"path": "/dev/zero", "permissions": "r"}],
            "env": ["CARD=a", "KEPT=theirs"], "additionalGids": [44, 0]}},
        {"name": "all", "containerEdits": {}},
    ],
    "containerEdits": {
        "mounts": [{"hostPath": "/etc/hostname", "containerPath": "/card/name",
                    "options": ["ro", "nosuid", "rbind"]}],
        "hooks": [{"hookName": "createContainer", "path": "/bin/x"}],
    },
}  # fmt: skip


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one directory where descriptions are."""
    monkeypatch.setattr(cdi, "DIRECTORIES", (str(tmp_path / "first"), str(tmp_path)))
    (tmp_path / "vendor.json").write_text(json.dumps(SPEC))
    return tmp_path


def applied(*names: str) -> CreateRequest:
    return cdi.applied(CreateRequest(image="x", cdi=names, devices=(Device("/dev/fuse"),)))


def test_what_a_description_adds(described: Path) -> None:
    request = applied("vendor.com/net=a")
    assert request.devices == (Device("/dev/fuse"), Device("/dev/null", "/dev/card0", "rwm"),
                               Device("/dev/zero", "/dev/zero", "r"))  # fmt: skip
    bind = Bind("/etc/hostname", "/card/name", read_only=True, create=False, flags=("nosuid",))
    assert request.mounts == (bind,) and request.groups == ("44",) and request.cdi == ()
    assert request.environment.variables == {"CARD": "a", "KEPT": "theirs"}


def test_the_first_directory_counts(described: Path) -> None:
    other = {**SPEC, "containerEdits": {"env": ["FROM=first"]}}
    (described / "first").mkdir()
    (described / "first/x.json").write_text(json.dumps(other))
    assert applied("vendor.com/net=all").environment.variables == {"FROM": "first"}


def test_nobody_describes_it(described: Path) -> None:
    for name in ("vendor.com/net=b", "other.com/net=a"):
        with pytest.raises(NotFound, match=name):
            applied(name)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"kind": "vendor.com/net", "devices": [5]}', "\0" * 100]
)
def test_a_bad_file_hides_no_others(described: Path, text: str) -> None:
    (described / "a.json").write_text(text)
    (described / "b.txt").write_text(text)
    try:
        assert applied("vendor.com/net=a").groups == ("44",)
    except InvalidArgument as e:
        assert "a.json" in e.message


def test_names_of_devices() -> None:
    own, named = parts.devices(["/dev/a=b/c=d", "vendor.com/net=a:0", "/dev/fuse:/dev/x:r"])
    assert named == ("vendor.com/net=a:0",)
    assert [d.source for d in own] == ["/dev/a=b/c=d", "/dev/fuse"]
    assert parts.devices([], "all")[1] == ("nvidia.com/gpu=all",)
    assert parts.devices([], "device=0,1")[1] == ("nvidia.com/gpu=0", "nvidia.com/gpu=1")
    for bad in (("v/c=",), ("v/c=a/b",)):
        with pytest.raises(InvalidArgument):
            parts.devices(bad)
    for gpus in ("2", "device=", "none"):
        with pytest.raises(InvalidArgument):
            parts.devices([], gpus)
