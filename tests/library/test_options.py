"""What a Python user says, as what the engine is asked for."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import cast

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


@pytest.mark.parametrize(
    "name,value,wanted",
    [
        ("memory", [1], "int | str"), ("memory", True, "int | str"), ("cpus", "x", "float"),
        ("name", 5, "str"), ("tty", 1, "bool"), ("labels", {"a": 1}, "Mapping[str, str]"),
        ("ports", 80, "Mapping[int | str, int | str | tuple[str, int] | None]"
                      " | Iterable[int | str | PortMapping]"),
        ("volumes", {"a": 5}, "Mapping[str, str | Mapping[str, str]] | Iterable[str]"),
        ("mounts", ["/a"], "Iterable[Bind | VolumeMount | Tmpfs | KernelMount | ImageMount]"),
        ("dns", [1], "Iterable[str]"), ("restart", 5, "str | RestartPolicy"),
        ("stop_timeout", 1.5, "int"), ("rootfs", 5, "str | PathLike[str]"),
        ("limits", {"pids": 5}, "Limits"), ("environment", [5], "Iterable[str]"),
        ("environment", 5, "Iterable[str]"),
    ],
)  # fmt: skip
def test_values_of_another_type_are_named(name: str, value: object, wanted: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        options.requests("image", None, cast(CreateOptions, {name: value}))
    assert caught.value.message == f"{name} {value!r}: not {wanted}"


def test_other_arguments_of_another_type_are_named() -> None:
    wrong: list[tuple[Callable[[], object], str]] = [
        (lambda: options.words(cast(str, 5)), "command 5: not str | Sequence[str]"),
        (lambda: options.filters(cast(str, 5)),
         "filters 5: not Mapping[str, str | Iterable[str]] | Iterable[str]"),
        (lambda: options.absolute(cast(str, 5)), "path 5: not str | PathLike[str]"),
        (lambda: options.by_key(cast("dict[str, str]", {"a": 1}), "labels"),
         "labels {'a': 1}: not Mapping[str, str] | None"),
        (lambda: options.exec_request("true", working_dir=cast(str, 5)), "working_dir 5: not str"),
        (lambda: options.exec_request("true", tty=cast(bool, "no")), "tty 'no': not bool"),
    ]  # fmt: skip
    for call, message in wrong:
        with pytest.raises(InvalidArgument) as caught:
            call()
        assert caught.value.message == message
