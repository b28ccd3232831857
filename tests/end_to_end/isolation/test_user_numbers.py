"""Ids of users and groups are 0 to 2^32-2 wherever they come from, else it is an error.

The kernel has 32 bits, and -1 means "leave it": a larger number that is cut, or -1 itself, is
root all at once (CVE-2024-40635).
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from engine import Engine
from images import image
from mirror import Registry
from oci_images import directory, entry, tar

LARGEST = (1 << 32) - 2
BAD = ["4294967295", "4294967296", "4294968530", "8589934592", "18446744073709551615",
       "18446744073709551616", "9" * 40, "-1", "+0", "0x0", "1_0",
       "\u0660", "\u00b2", " 0", "0 ", "", "0.0"]  # fmt: skip
"""None of these is a user or group: those of digits are too large, the others no numbers."""
NONE = ("run", "--rm", "--network", "none")
TELL = ("sh", "-c", "grep -E '^(Uid|Gid|Groups):' /proc/self/status | tr -s '\\t ' ' '")


def passwd_with(numbers: list[str]) -> bytes:
    """Users u0, u1 … with these uids, and g0, g1 … with these gids; s0 … are in groups of them."""
    lines = ["root:x:0:0:root:/root:/bin/sh"]
    for n, number in enumerate(numbers):
        lines += [f"u{n}:x:{number}:5::/:/bin/sh", f"g{n}:x:7:{number}::/:/bin/sh",
                  f"s{n}:x:8:8::/:/bin/sh"]  # fmt: skip
    return "\n".join([*lines, ""]).encode()


def group_with(numbers: list[str]) -> bytes:
    lines = ["root:x:0:"] + [f"n{n}:x:{number}:s{n}" for n, number in enumerate(numbers)]
    return "\n".join([*lines, ""]).encode()


def names(n: int) -> dict[str, tuple[str, ...]]:
    """Every way in which number `n` of the table becomes the id of a process."""
    return {
        "uid of passwd": ("-u", f"u{n}"),
        "uid of passwd, group given": ("-u", f"u{n}:0"),
        "gid of passwd": ("-u", f"g{n}"),
        "group given by name": ("-u", f"0:n{n}"),
        "groups of a user": ("-u", f"s{n}"),
    }


@pytest.fixture(scope="module")
def many(registry: Registry) -> str:
    layer = tar(entry("etc/passwd", passwd_with(BAD)), entry("etc/group", group_with(BAD)))
    return registry.push("test/numbers", image(registry.busybox, layer))


def harmless(way: str, code: int, out: str) -> bool:
    """Refused; or what makes no sense is passed over: a user's groups that are no numbers."""
    ids = dict(line.split(": ", 1) for line in out.strip().split("\n") if ": " in line)
    return code == 125 or (
        way == "groups of a user" and code == 0 and ids["Uid"].split() == ["8"] * 4
        and ids["Gid"].split() == ["8"] * 4 and ids["Groups"].split() in ([], ["8"])
    )  # fmt: skip


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_numbers_in_the_images_passwd_and_group(engine: Engine, many: str, verb: str) -> None:
    engine.ok("pull", "-q", many)
    engine.detached("--name", "c", many, "sleep", "1000")
    wrong = []
    for n, number in enumerate(BAD):
        for way, options in names(n).items():
            target = (*NONE, *options, many) if verb == "run" else ("exec", *options, "c")
            done = engine.run(*target, *TELL)
            passed_over = not (number.isascii() and number.isdigit())
            allowed = harmless(way, done.code, done.out) if passed_over else done.code == 125
            if not allowed or "internal" in done.err:
                wrong.append((number, way, done.code, done.out, done.err))
    assert wrong == []


@pytest.mark.parametrize("verb", ["run", "exec", "create", "--group-add", "USER"])
def test_numbers_that_are_given(engine: Engine, registry: Registry, verb: str) -> None:
    """On the command line, and as USER of an image."""
    if verb == "exec":
        engine.detached("--name", "c", "busybox", "sleep", "1000")
    wrong = []
    for number in BAD:
        for text in (number, f"{number}:0", f"0:{number}", f"{number}:{number}"):
            if text == "":
                continue
            if verb == "--group-add":
                done = engine.run(*NONE, "--group-add", number, "busybox", *TELL)
            elif verb == "USER":
                if text not in ("4294967295", "4294967296:0", "0:4294967296", "9" * 40):
                    continue
                made = image(registry.busybox, User=text)
                name = registry.push(f"test/user{text.replace(':', '-')}", made)
                done = engine.run(*NONE, "-q", name, *TELL)
                engine.run("rmi", "-f", name)
            else:
                target = ("c",) if verb == "exec" else ("busybox",)
                words = ("exec",) if verb == "exec" else (*NONE[:1], *NONE[2:])
                words = ("create", "--network", "none") if verb == "create" else words
                done = engine.run(*words, "-u", text, *target, *TELL)
            if text in ("0:", ":0", ":"):
                continue  # nothing given: root's own
            if done.code != 125 or "internal" in done.err:
                wrong.append((text, done.code, done.out, done.err))
    assert wrong == []


def test_the_largest(root: Engine, registry: Registry) -> None:
    """2^32-2 is a user like any other, and so is 2147483648."""
    good = [str(LARGEST), "2147483648", "65536", "0"]
    layer = tar(entry("etc/passwd", passwd_with(good)), entry("etc/group", group_with(good)))
    name = registry.push("test/largest", image(registry.busybox, layer))
    root.ok("pull", "-q", name)
    root.detached("--name", "c", name, "sleep", "1000")
    for n, number in enumerate(good):
        for target in ((*NONE,), ("exec",)):
            last = name if target[0] == "run" else "c"
            assert f"Uid: {number} {number}" in root.ok(*target, "-u", number, last, *TELL)
            assert f"Gid: {number} {number}" in root.ok(*target, "-u", f"0:{number}", last, *TELL)
            for way, options in names(n).items():
                assert number in root.ok(*target, *options, last, *TELL).split(), (way, number)


def archive_with(field: str, number: int, format: int) -> bytes | None:
    """A layer with one file of that owner; None where the format cannot say it."""
    try:
        return tar(directory("x"), entry("x/f", b"x", **{field: number}), format=format)
    except (ValueError, OverflowError):
        return None


NUMBERS = [
    LARGEST + 1,
    LARGEST + 2,
    LARGEST + 2 + 1234,
    1 << 33,
    1 << 63,
    (1 << 64) - 1,
    1 << 64,
    -1,
]


@pytest.mark.parametrize("field", ["uid", "gid"])
@pytest.mark.parametrize("way", ["pull", "import", "load", "cp", "cp -a"])
def test_owners_in_archives(
    engine: Engine, registry: Registry, base: Path, way: str, field: str
) -> None:
    """Of a layer, of a root file system, of what is copied: refused, with nothing left."""
    wrong = []
    if way.startswith("cp"):
        engine.ok("create", "--network", "none", "--name", "c", "busybox")
    for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        for number in NUMBERS:
            data = archive_with(field, number, format)
            if data is None:
                continue
            if way == "pull":
                name = f"test/owner-{field}-{number}-{format}".replace("--", "-m")
                done = engine.run("pull", "-q", registry.push(name, image(registry.busybox, data)))
                engine.run("rmi", "-f", name)
            elif way == "import":
                done = engine.run("import", "-q", "-", "test/imported", input=data)
                engine.run("rmi", "-f", "test/imported")
            elif way == "load":
                layout = base / f"layout-{field}-{number}-{format}-{engine.rootless:d}"
                image(registry.busybox, data).write_layout(layout)
                done = engine.run("load", "-q", "-i", layout)
                engine.run("rmi", "-f", "-a")
                engine.ok("pull", "-q", "busybox")
            else:
                done = engine.run(*way.split(), "-", "c:/tmp", input=data)
            if done.code == 0 or "internal" in done.err or "Traceback" in done.err:
                wrong.append((number, format, done.code, done.err))
    assert wrong == []


def test_the_largest_owner(root: Engine, registry: Registry) -> None:
    layer = tar(entry("f", b"x", uid=LARGEST, gid=LARGEST))
    name = registry.push("test/large-owner", image(registry.busybox, layer))
    assert root.ok(*NONE, "-q", name, "stat", "-c", "%u %g", "/f") == f"{LARGEST} {LARGEST}"
    root.ok("create", "--network", "none", "--name", "c", "busybox")
    root.ok("cp", "-a", "-", "c:/tmp", input=layer)
    with tarfile.open(fileobj=io.BytesIO(root.run("cp", "c:/tmp/f", "-").raw)) as archive:
        assert archive.next().uid == LARGEST  # type: ignore[union-attr]


MAPS = """0:0:4294967296 0:0:4294967295 0:4294967295:1 0:4294967294:2 0:1:18446744073709551617
0:-1:1 -1:0:1 0:0:-1 0:0:0 4294967295:1:1 4294967296:0:1 0:4294967296:1 0:0:1_0 0:0:+5
0:\u0660:5""".split()


@pytest.mark.parametrize("option", ["--uidmap", "--gidmap"])
def test_maps(engine: Engine, option: str) -> None:
    """The first id may be 4294967294; 0:0:4294967295 ends with it, and is all there is."""
    wrong = []
    for text in MAPS:
        whole = text == "0:0:4294967295" and not engine.rootless
        done = engine.run(*NONE, option, text, "busybox", "true")
        lines = done.err.count("\n")
        if (done.code == 0) != whole or lines != (not whole) or "internal" in done.err:
            wrong.append((text, done.code, done.err))
        elif not whole and "starting the container: step" in done.err:
            wrong.append((text, "only the kernel noticed", done.err))
    assert wrong == []


@pytest.mark.parametrize(
    "mode",
    ["auto:size=4294967296", "auto:size=-1", "auto:size=0", "keep-id:uid=4294967295",
     "keep-id:uid=4294967296", "keep-id:gid=4294967295", "keep-id:uid=-1"],
)  # fmt: skip
def test_user_namespaces(engine: Engine, mode: str) -> None:
    done = engine.run(*NONE, "--userns", mode, "busybox", "true")
    assert done.code == 125 and done.err.count("\n") == 1 and "internal" not in done.err, done
