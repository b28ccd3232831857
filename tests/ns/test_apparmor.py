"""What is found of AppArmor on a host: its securityfs and parser are directories of the test."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from crun_py.errors import CrunpyError
from crun_py.ns import apparmor

PARSER = '#!/bin/sh\necho "$@" > {log}\ncat >> {log}\n{then}\n'


class Host:
    def __init__(self, top: Path) -> None:
        self.top, self.log = top, top / "log"

    def has(self, profiles: str) -> None:
        (self.top / "apparmor").mkdir()
        (self.top / "apparmor/profiles").write_text(profiles)

    def parser(self, then: str) -> None:
        path = self.top / "parser"
        path.write_text(PARSER.format(log=self.log, then=then))
        path.chmod(0o755)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(apparmor, "SECURITY_FS", str(tmp_path / "apparmor"))
    monkeypatch.setattr(apparmor, "_PARSERS", (str(tmp_path / "no"), str(tmp_path / "parser")))
    return Host(tmp_path)


def test_a_host_without_it(host: Host) -> None:
    host.parser("")
    assert not apparmor.enabled()
    assert apparmor.default() == ""


def test_without_a_parser_only_a_profile_that_is_loaded(host: Host) -> None:
    host.has("docker-default (enforce)\ncrunpy-default-2 (enforce)\n")
    assert apparmor.enabled() and apparmor.default() == ""
    (host.top / "apparmor/profiles").write_text("a (enforce)\ncrunpy-default (complain)\n")
    assert apparmor.default() == "crunpy-default"
    apparmor.load("crunpy-default")  # nothing to do


def test_ours_is_loaded_once_others_never(host: Host) -> None:
    host.has("")
    host.parser("")
    assert apparmor.default() == "crunpy-default"
    apparmor.load("docker-default")
    assert not host.log.exists()
    apparmor.load("crunpy-default")
    assert host.log.read_text() == "--replace --skip-cache\n" + apparmor.PROFILE


def test_a_plain_user_loads_none(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.has("")
    host.parser("echo not allowed >&2; exit 1")
    monkeypatch.setattr(apparmor, "in_user_namespace", lambda: True)
    apparmor.load("crunpy-default")
    assert not host.log.exists()


def test_a_parser_that_fails(host: Host) -> None:
    host.has("")
    host.parser("echo first >&2; echo 'syntax error' >&2; exit 1")
    with pytest.raises(CrunpyError, match="loading AppArmor profile crunpy-default: syntax error"):
        apparmor.load("crunpy-default")


def test_the_profile_is_one() -> None:
    """Debian's own parser takes it (without loading it)."""
    command = ["apparmor_parser", "--skip-kernel-load", "--skip-cache"]
    done = subprocess.run(command, input=apparmor.PROFILE, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
