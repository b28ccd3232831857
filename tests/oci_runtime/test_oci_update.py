"""Changes of limits that are refused, with words, before anything is touched; what holds is tested
on machines with cgroup v2 (test_limits_vm.py).  And a further process in a container that ends."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from oci_bundles import Bundle, Runtime

from crun_py.cgroup import group
from crun_py.errors import Conflict
from crun_py.oci_runtime import execute
from crun_py.oci_runtime.state import Container


@pytest.fixture
def created(oci: Runtime, bundle: Bundle) -> Runtime:
    bundle.write("sleep", "1000")
    oci.create("c", bundle)
    return oci


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "no limit is given"), ("--cpu-rt-runtime 5", "cgroup v2 has no such thing"),
        ("--cpu-rt-period 5", "cgroup v2 has no such thing"), ("--cpu-idle 2", "2 is not 0 to 1"),
        ("--memory-swap 1048576", "needs one of memory"), ("--blkio-weight 5", "5 is not 10 to"),
        ("--memory 2097152 --memory-swap 1048576", "is below the limit"),
        ("--l3-cache-schema L3:0=1", "no resctrl file system is mounted"),
        ("--pids-limit x", "not a number"), ("-r /nothing/there", "there is no such file"),
    ],
)  # fmt: skip
def test_what_is_refused(created: Runtime, options: str, said: str) -> None:
    assert said in created.fails("update", *options.split(), "c")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("5", "not an object"), ("{", "reading -"), ('{"memory": 5}', "memory: not an object"),
        ('{"cpu": {"quota": "x"}}', "cpu.quota: not a number"),
        ('{"unified": {"../x": "5"}}', "is not CONTROLLER.PARAMETER"),
        ('{"blockIO": {"weightDevice": [{}]}}', "blockIO.weightDevice[0].major: missing"),
        ('{"pids": {"limit": 1' + "0" * 30 + "}}", "is out of range"),
    ],
)  # fmt: skip
def test_files_that_are_refused(created: Runtime, tmp_path: Path, given: str, said: str) -> None:
    done = subprocess.run(created.command("update", "-r", "-", "c"), input=given, text=True,
                          capture_output=True, timeout=30)  # fmt: skip
    assert done.returncode == 1 and said in done.stderr, done.stderr
    file = tmp_path / "resources"
    file.write_text(given)
    assert said.replace(" -", f" {file}") in created.fails("update", "-r", file, "c")


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ({"cpu": {"shares": 1}}, {"cpu.weight": "1"}),
        ({"cpu": {"shares": 1 << 20}}, {"cpu.weight": "10000"}),
        ({"cpu": {"shares": 512, "idle": 1}}, {"cpu.idle": "1"}),
        ({"cpu": {"quota": 5000, "period": 0, "burst": 7}},
         {"cpu.max": "5000 100000", "cpu.max.burst": "7"}),
        ({"memory": {"swap": -1}}, {"memory.swap.max": "max"}),
        ({"memory": {"reservation": -1}}, {"memory.low": "max"}),
        ({"blockIO": {"weightDevice": [{"major": 8, "minor": 0}]}}, {}),
    ],
)  # fmt: skip
def test_values(resources: Any, wanted: dict[str, str]) -> None:
    assert group.values(resources) == wanted


def test_what_has_no_effect_is_told(oci: Runtime, bundle: Bundle) -> None:
    bundle.config["linux"]["resources"] = {"memory": {"swappiness": 60, "disableOOMKiller": True},
                                           "cpu": {"idle": 0, "burst": 0}}  # fmt: skip
    bundle.write("true")
    done = oci.run("run", "-b", bundle.path, "c")
    assert done.returncode == 0
    assert done.stderr.count("it has no effect") == 2 and "swappiness" in done.stderr


def test_exec_in_one_that_has_just_ended(created: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at its state and its process."""

    def gone(_: int) -> int:
        raise ProcessLookupError

    monkeypatch.setattr(execute, "pidfd_open", gone)
    container = Container(str(created.root), "c")
    with pytest.raises(Conflict, match="it has just ended"):
        execute.execute(container, execute.Request(command=("true",)))
