"""What a Python user says, as what the engine is asked for."""

from __future__ import annotations

import pickle
import traceback

import pytest

from crun_py.errors import (
    BuildError,
    CommandError,
    ContainerError,
    CrunpyError,
    InvalidArgument,
    NotFound,
)
from crun_py.library import options
from crun_py.library.create_options import CreateOptions, Filters, Volumes
from crun_py.model.container import Tmpfs
from crun_py.model.network import PortMapping


def test_a_text_is_a_list_of_one_item() -> None:
    given: CreateOptions = {
        "environment": "A=b", "groups": "wheel", "ports": "8080:80", "tmpfs": "/run",
        "devices": "/dev/null", "ulimits": "core=0", "volumes_from": "other", "requires": "first",
        "cap_add": "NET_ADMIN", "dns": "192.0.2.1",
    }  # fmt: skip
    asked, _ = options.requests("image", None, given)
    assert asked.environment.variables == {"A": "b"}
    assert asked.groups == ("wheel",)
    assert asked.network.ports == (PortMapping(container_port=80, host_port=8080),)
    assert asked.mounts == (Tmpfs("/run"),)
    assert [device.source for device in asked.devices] == ["/dev/null"]
    assert [limit.name for limit in asked.ulimits] == ["core"]
    assert (asked.volumes_from, asked.requires) == (("other",), ("first",))
    assert asked.security.cap_add == ("NET_ADMIN",)
    assert asked.network.dns == ("192.0.2.1",)


@pytest.mark.parametrize(
    "volumes",
    [
        "data:/d:ro",
        ["data:/d:ro"],
        {"data": "/d:ro"},
        {"data": {"bind": "/d", "mode": "ro"}},
    ],
)
def test_volumes(volumes: Volumes) -> None:
    asked, _ = options.requests("image", None, {"volumes": volumes})
    assert asked.binds == ("data:/d:ro",)
    assert [mount.target for mount in asked.mounts] == ["/d"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("label=a", ("label=a",)),
        (["label=a", "status=exited"], ("label=a", "status=exited")),
        ({"label": ["a", "b=c"], "status": "exited"}, ("label=a", "label=b=c", "status=exited")),
        ((), ()),
    ],
)
def test_filters(given: Filters, wanted: tuple[str, ...]) -> None:
    assert options.filters(given) == wanted


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no such thing: x", hint="look", errno=2),
        CommandError("running x: not found", 127),
        ContainerError("x: exit code 3", exit_code=3, stdout=b"\xff", stderr=b"e", container="c"),
        BuildError("step", shown="> RUN", code=4),
    ],
)
def test_an_error_goes_to_another_process_and_back(error: CrunpyError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert back.to_json() == error.to_json()
    assert str(back) == str(error)


def test_less_than_nothing_is_no_size() -> None:
    assert options.size(-1, "memory") == options.size("-1", "memory") == -1
    with pytest.raises(InvalidArgument, match="memory -5"):
        options.requests("image", None, {"memory": -5})


def test_a_traceback_shows_what_to_do_about_it() -> None:
    with pytest.raises(ContainerError) as raised:
        raise ContainerError("x: exit code 3", exit_code=3, hint="no space")
    assert "no space" in "".join(traceback.format_exception(raised.value))
