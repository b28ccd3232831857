"""auto-update, with a systemctl of ours that is first in PATH; test_units_vm.py has systemd's."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from engine import Engine

RUN = ("run", "-d", "--network", "none", "--stop-timeout", "0", "--name")
LABEL = "io.containers.autoupdate"


class Units:
    """A systemctl that knows one unit, `web.service`, and keeps what it was asked."""

    def __init__(self, engine: Engine, image: str, policy: str) -> None:
        self.engine, self.image = engine, image
        self.directory = engine.home / "bin"
        self.directory.mkdir()
        self.log = engine.home / "asked"
        words = (*RUN, "web", "--replace", "--label", f"{LABEL}={policy}", image, "sleep", "1000")
        self.env = {
            "PATH": f"{self.directory}:{engine.env['PATH']}",
            "PODMAN_SYSTEMD_UNIT": "web.service",
        }
        self.start = engine.command(*words, env=self.env)
        self.restarts_when("true")
        engine.ok(*words, env=self.env)

    def restarts_when(self, condition: str) -> None:
        """The unit fails unless this shell command, of the image that runs then, succeeds."""
        run = shlex.join(self.start[self.start.index("env") :])
        script = self.directory / "systemctl"
        script.write_text(
            f"#!/bin/sh\necho \"$@\" >> {self.log}\n{run} > /dev/null || exit 1\n"
            f"if {condition}; then exit 0; fi\necho Job for web.service failed.\nexit 1\n"
        )  # fmt: skip
        script.chmod(0o755)

    def asked(self) -> list[str]:
        found = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return found

    def update(self, *options: str, code: int = 0) -> str:
        done = self.engine.run("auto-update", *options, env=self.env)
        assert done.code == code, done.err
        return done.out + done.err

    def status(self, *options: str, code: int = 0) -> str:
        return self.update("--format", "{{.Unit}} {{.Policy}} {{.Updated}}", *options, code=code)

    def runs(self) -> str:
        return self.engine.ok("inspect", "-f", "{{.Image}}", "web")

    def make_newer(self) -> str:
        """Another image with the name; its id."""
        e = self.engine
        e.ok("create", "--network", "none", "--name", "tmp", self.image, "true")
        e.ok("commit", "--change", "LABEL newer=yes", "tmp", self.image)
        e.ok("rm", "tmp")
        return e.ok("image", "inspect", "-f", "{{.Id}}", self.image)


def expected_words(engine: Engine) -> str:
    return "--user restart -- web.service" if engine.rootless else "restart -- web.service"


@pytest.fixture
def store(fresh: Callable[[str], Engine]) -> Callable[[str], Engine]:
    def make(who: str) -> Engine:
        engine = fresh(who)
        engine.ok("pull", "-q", "busybox")
        return engine

    return make


@pytest.mark.parametrize("who", ["root", "user"])
def test_from_a_registry(store: Callable[[str], Engine], who: str) -> None:
    engine = store(who)
    image = f"{engine.registry}/updated-{who}:1"
    engine.ok("tag", "busybox", image)
    engine.ok("push", "-q", image)
    units = Units(engine, image, "registry")
    first = units.runs()
    assert units.status() == "web.service registry false\n" and units.asked() == []
    second = units.make_newer()
    engine.ok("push", "-q", image)
    engine.ok("untag", image)
    assert units.status("--dry-run") == "web.service registry pending\n"
    assert units.asked() == [] and units.runs() == first != second
    lines = units.update().splitlines()
    assert lines[0].split() == ["UNIT", "CONTAINER", "IMAGE", "POLICY", "UPDATED"]
    assert lines[1].startswith("web.service") and "(web)" in lines[1] and lines[1].endswith("true")
    assert units.asked() == [expected_words(engine)] and units.runs() == second
    found = json.loads(units.update("--format", "json"))
    assert [(one["ContainerName"], one["Image"], one["Updated"]) for one in found] == [
        ("web", image, "false")]  # fmt: skip


@pytest.mark.parametrize("who", ["root", "user"])
def test_a_unit_that_fails_goes_back(store: Callable[[str], Engine], who: str) -> None:
    engine = store(who)
    engine.ok("tag", "busybox", "localhost/app:1")
    units = Units(engine, "localhost/app:1", "local")
    first, second = units.runs(), units.make_newer()
    assert units.status("--dry-run") == "web.service local pending\n"
    label = "{{.Config.Labels}}"
    words = engine.command("inspect", "-f", label, "web")
    look = shlex.join(words[words.index("env") :])
    units.restarts_when(f"! {look} | grep -q newer")
    said = units.status(code=125)
    assert said.startswith("web.service local rolled back\n")
    assert "crunpy: error: restarting web.service: Job for web.service failed." in said
    assert units.asked() == [expected_words(engine)] * 2 and units.runs() == first
    engine.ok("tag", second, "localhost/app:1")
    assert units.status("--rollback=false", code=125).startswith("web.service local failed\n")
    assert units.asked() == [expected_words(engine)] and units.runs() == second


def test_what_is_wrong_is_told(store: Callable[[str], Engine], tmp_path: Path) -> None:
    root = store("root")
    own = {"PODMAN_SYSTEMD_UNIT": "u.service"}
    for name, policy, env in (("a", "often", own), ("b", "local", {}), ("c", "registry", own),
                              ("d", "disabled", own)):  # fmt: skip
        root.ok(*RUN, name, "--label", f"{LABEL}={policy}", "busybox", "sleep", "1000", env=env)
    done = root.run("auto-update")
    assert done.code == 125 and done.out.split() == "UNIT CONTAINER IMAGE POLICY UPDATED".split()
    causes = [line.partition(": ")[2] for line in done.err.splitlines()]
    assert causes == [
        "error: updating container a: label io.containers.autoupdate=often is not known "
        "(registry or local)",
        "error: updating container b: it has no label PODMAN_SYSTEMD_UNIT "
        "(crunpy generate systemd --new, or Quadlet)",
        "error: updating container c: image busybox is not a whole name (docker.io/library/NAME)",
    ]
    root.ok("rm", "-f", "a", "b", "c", "d")
    root.ok("tag", "busybox", "localhost/x")
    root.ok(*RUN, "e", "--label", f"{LABEL}=local", "localhost/x", "sleep", "1000", env=own)
    root.ok("untag", "localhost/x")
    done = root.run("auto-update")
    assert done.code == 125 and done.out.rstrip().endswith("failed") and "localhost/x" in done.err


def test_without_systemd(store: Callable[[str], Engine], tmp_path: Path) -> None:
    root = store("root")
    root.ok("tag", "busybox", "localhost/app:1")
    units = Units(root, "localhost/app:1", "local")
    units.make_newer()
    done = root.run("auto-update", env={"PATH": str(tmp_path)})
    assert done.code == 125 and "systemctl is not there" in done.err
    assert done.out.rstrip().endswith("failed")
