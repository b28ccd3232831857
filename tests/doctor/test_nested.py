"""What the doctor, and an error's line, say in a container of another engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from crun_py.cli import explained
from crun_py.doctor import nested
from crun_py.doctor.host import Host
from crun_py.errors import CrunpyError, Unsupported

ALL, DEFAULT = "000001ffffffffff", "00000000a80425fb"
SYS_ADMIN_TOO = f"{int(DEFAULT, 16) | 1 << 21:016x}"
COVERED = "40 39 0:50 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw\n"
MASKED = "41 39 0:51 / /proc/acpi ro,relatime - tmpfs tmpfs ro\n"
FREE = """\
50 38 8:1 /hosts /etc/hosts rw,relatime - ext4 /dev/sda rw
39 38 0:50 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
"""
MARKS = {
    "crunpy": ("/.dockerenv", "/run/.containerenv"),
    "docker": ("/.dockerenv",),
    "podman": ("/run/.containerenv",),
    "": (),
}


def machine(
    top: Path, outer: str, bounding: str = ALL, mounts: str = FREE, label: str = "", uid: int = 0
) -> Host:
    for name, text in {
        **dict.fromkeys(MARKS[outer], ""),
        "/proc/self/status": f"Name:\tx\nCapEff:\t0\nCapBnd:\t{bounding}\n",
        "/proc/self/mountinfo": mounts,
        "/proc/self/attr/current": label,
    }.items():
        file = Path(f"{top}{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Host(str(top), uid=uid, store="/store")


@pytest.mark.parametrize("outer", MARKS)
def test_the_engine(tmp_path: Path, outer: str) -> None:
    assert nested.engine(machine(tmp_path, outer)) == outer


def test_a_machine_made_of_an_image(tmp_path: Path) -> None:
    """It has docker's mark."""
    host = machine(tmp_path, "docker", mounts="22 1 8:1 / / rw - ext4 /dev/sda rw\n")
    assert nested.engine(host) == "" and nested.flags(host) == []


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, ""),
        ({"bounding": DEFAULT}, "--cap-add SYS_ADMIN --cap-add NET_ADMIN"),
        ({"bounding": SYS_ADMIN_TOO}, "--cap-add NET_ADMIN"),
        ({"bounding": DEFAULT, "uid": 1000}, "--cap-add SYS_ADMIN"),
        ({"mounts": FREE + COVERED}, "--security-opt unmask=/proc/sys"),
        ({"mounts": FREE + MASKED}, ""),
        ({"mounts": FREE + MASKED, "uid": 1000}, "--security-opt unmask=ALL"),
        ({"label": "containers-default (enforce)"}, "--security-opt apparmor=unconfined"),
        ({"label": "unconfined"}, ""),
    ],
)
def test_what_is_lacking(tmp_path: Path, given: dict[str, str | int], wanted: str) -> None:
    host = machine(tmp_path, "podman", **given)  # type: ignore[arg-type]
    assert " ".join(nested.flags(host)) == wanted


def test_within_a_user_namespace_of_our_own(tmp_path: Path) -> None:
    """There a process has all capabilities: those of the first one count."""
    host = machine(tmp_path, "podman", uid=1000)
    (tmp_path / "proc/1").mkdir()
    (tmp_path / "proc/1/status").write_text(f"CapBnd:\t{DEFAULT}\n")
    assert nested.flags(host) == ["--cap-add SYS_ADMIN"]


def test_dockers_filter(tmp_path: Path) -> None:
    host = machine(tmp_path, "docker")
    status = tmp_path / "proc/self/status"
    status.write_text(f"CapBnd:\t{ALL}\nSeccomp:\t2\n")
    assert nested.flags(host) == ["--security-opt seccomp=unconfined"]
    status.write_text(f"CapBnd:\t{ALL}\nSeccomp:\t0\n")
    assert nested.flags(host) == []


def test_docker_has_another_word(tmp_path: Path) -> None:
    host = machine(tmp_path, "docker", mounts=FREE + COVERED)
    assert nested.flags(host) == ["--security-opt systempaths=unconfined"]


def test_nothing_is_said_in_no_container(tmp_path: Path) -> None:
    host = machine(tmp_path, "", bounding=DEFAULT, mounts=COVERED)
    assert nested.flags(host) == []
    assert [*nested.check(host)] == []


def test_the_finding(tmp_path: Path) -> None:
    (found,) = nested.check(machine(tmp_path, "podman"))
    assert (found.status, found.name) == ("ok", "container")
    (found,) = nested.check(machine(tmp_path, "podman", bounding=DEFAULT))
    assert found.status == "error"
    assert found.fix == "podman run --cap-add SYS_ADMIN --cap-add NET_ADMIN …"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unsupported("starting the container: there is no clone3", hint="old"), True),
        (CrunpyError("starting the container's processes: operation not permitted", errno=1), True),
        (CrunpyError("carrying out run: operation not permitted", errno=1), True),
        (CrunpyError("-:2: RUN x: writing 1 to /proc/sys/net/x: read-only", errno=30), True),
        (CrunpyError("starting the container: step 2 (overlay 1 layers, upper "
                     "/s/containers/1/upper at /x): operation not permitted", errno=1), True),
        (CrunpyError("starting the container: step 9 (bind /x): no such file", errno=2), False),
        (CrunpyError("copying x: permission denied", errno=13), False),
    ],
)  # fmt: skip
def test_an_errors_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: CrunpyError, told: bool
) -> None:
    """The outer engine's options, in the place of a hint that would mislead; of nothing else."""
    top = machine(tmp_path, "podman", bounding=DEFAULT).top
    monkeypatch.setattr(Host, "path", lambda _, path: top + path)
    hint = explained.hint(error, 0)
    wanted = "start it with podman run --cap-add SYS_ADMIN --cap-add NET_ADMIN"
    assert (wanted in hint) is told
    assert "old" not in hint
