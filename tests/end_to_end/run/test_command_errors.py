"""A command that cannot be executed: the message says what is missing, 127 or 126 what kind."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import images
import pytest
from engine import Engine
from mirror import Registry
from oci_images import directory, entry, symlink, tar

FILES = tar(
    directory("opt"),
    directory("opt/bin"),
    directory("opt/bin/adir"),
    entry("opt/plain", b"echo\n", mode=0o644),
    entry("opt/bin/plain", b"echo\n", mode=0o644),
    entry("opt/script", b"#!/no/interpreter -x\necho\n", mode=0o755),
    entry("opt/bin/onpath", b"#!/no/interpreter\n", mode=0o755),
    entry("opt/windows", b"#!/bin/sh\r\necho\r\n", mode=0o755),
    entry("opt/env", b"#!/bin/env nosuchprogram\n", mode=0o755),
    entry("opt/text", b"echo without a first line\n", mode=0o755),
    entry("opt/empty", b"", mode=0o755),
    entry("opt/plaininterp", b"#!/opt/plain\n", mode=0o755),
    entry("opt/dirinterp", b"#!/etc\n", mode=0o755),
    symlink("opt/dangling", "/no/target"),
    symlink("opt/loop", "loop"),
)


def _dynamic(interpreter: bytes) -> bytes:
    """The least of a dynamic ELF program: one header that names its loader (elf(5))."""
    machine = {"amd64": 62, "arm64": 183}[images.ARCHITECTURE]
    name = interpreter + b"\0"
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    program = struct.pack("<IIQQQQQQ", 3, 4, 120, 120, 120, len(name), len(name), 1)
    return ident + head + program + name


LOADER = b"/lib/ld-none.so.9"
PROGRAMS = tar(entry("opt/dynamic", _dynamic(LOADER), mode=0o755))

CASES = [
    ("/no/such", 127, ['"/no/such"', "no such file or directory"]),
    ("/opt/dangling", 127, ['"/opt/dangling"', "no such file or directory"]),
    ("./nosuch", 127, ["no such file or directory"]),
    ("nosuch", 127, ['"nosuch"', "not found in $PATH"]),
    ("/opt", 126, ['"/opt"', "is a directory"]),
    ("opt", 127, ["not found in $PATH"]),
    ("adir", 127, ["not found in $PATH"]),
    ("/opt/plain", 126, ['"/opt/plain"', "permission denied", "not executable"]),
    ("plain", 126, ["plain", "permission denied"]),
    ("/opt/script", 127, ['"/opt/script"', "/no/interpreter", "no such file or directory"]),
    ("onpath", 127, ["onpath", "/no/interpreter"]),
    ("/opt/windows", 127, ['"/opt/windows"', "/bin/sh\\r"]),
    ("/opt/dynamic", 127, ['"/opt/dynamic"', LOADER.decode()]),
    ("/opt/text", 126, ['"/opt/text"', "exec format error"]),
    ("/opt/empty", 126, ['"/opt/empty"', "exec format error"]),
    ("/opt/plaininterp", 126, ["/opt/plain", "permission denied"]),
    ("/opt/dirinterp", 126, ["/etc", "permission denied"]),
    ("/opt/loop", 126, ['"/opt/loop"', "too many levels of symbolic links"]),
    ("/etc/passwd/x", 126, ["not a directory"]),
    ("", 127, ['""', "not found in $PATH"]),
]


@pytest.fixture(scope="module", params=["root", "user"])
def prepared(
    request: pytest.FixtureRequest, new_engine: Callable[[str, str], Engine], registry: Registry
) -> Iterator[Engine]:
    """An engine with the image e:1 and a running container c of it."""
    engine = new_engine(request.param, "x")
    path = [images.PATH + ":/opt/bin"]
    name = registry.push("test/bad", images.image(registry.busybox, FILES, PROGRAMS, Env=path))
    engine.ok("pull", "-q", name)
    engine.ok("tag", name, "e:1")
    engine.detached("--name", "c", "e:1", "sleep", "1000")
    yield engine
    engine.clean()


def expect(message: str, words: list[str]) -> None:
    for word in words:
        assert word in message, message
    if "not found in $PATH" not in words:
        assert "not found" not in message, message


@pytest.mark.parametrize("command,code,words", CASES, ids=[c for c, *_ in CASES])
def test_run(prepared: Engine, command: str, code: int, words: list[str]) -> None:
    message = prepared.fails("run", "--rm", "--network", "none", "e:1", command, code=code)
    expect(message, words)
    assert prepared.ps("-a") == ["c"]


@pytest.mark.parametrize("command,code,words", CASES, ids=[c for c, *_ in CASES])
def test_exec(prepared: Engine, command: str, code: int, words: list[str]) -> None:
    expect(prepared.fails("exec", "c", command, code=code), words)


def test_start_and_its_record(prepared: Engine) -> None:
    """The container keeps what went wrong, as docker's."""
    prepared.ok("create", "--network", "none", "--name", "s", "e:1", "/opt/script")
    expect(prepared.fails("start", "s", code=1), CASES[9][2])
    expect(prepared.fails("start", "-a", "s", code=1), CASES[9][2])
    state = prepared.state("s")
    assert state["ExitCode"] == 127 and "/no/interpreter" in state["Error"]
    assert state["Status"] == "created"
    prepared.ok("rm", "s")


def test_env_says_it_itself(prepared: Engine) -> None:
    done = prepared.run("run", "--rm", "--network", "none", "e:1", "/opt/env")
    assert done.code == 127 and "nosuchprogram" in done.err


def test_with_init(prepared: Engine) -> None:
    message = prepared.fails("run", "--rm", "--init", "--network", "none", "e:1", "/no/such",
                             code=127)  # fmt: skip
    expect(message, CASES[0][2])


def test_working_directory(prepared: Engine) -> None:
    """It is told apart from the command."""
    message = prepared.fails("exec", "-w", "/opt/plain", "c", "true", code=126)
    assert "/opt/plain" in message and "not a directory" in message
