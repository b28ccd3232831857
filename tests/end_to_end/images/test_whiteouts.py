"""Whiteouts and opaque markers of layers, the whole kind, as a container and every copy sees them.

The OCI image specification (layer.md, "Whiteouts") decides: a marker hides what lower layers
have and nothing else; it never makes or replaces anything and is never seen itself.  Where it
is silent, what both podman and umoci do with the same layout decides.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from engine import Engine
from images import image
from mirror import Registry
from oci_images import TestImage, digest_of, directory, entry, hardlink, symlink, tar

Entry = tuple[tarfile.TarInfo, bytes]
BASE = tar(
    directory("d"), entry("d/x", b"1"), entry("d/y", b"1"), directory("d/s"), entry("d/s/z", b"1"),
    entry("f", b"1"), symlink("l", "d"), directory("opt"), directory("opt/d"),
    entry("opt/d/a", b"1"),
)  # fmt: skip
TREE = "d/ d/s/ d/s/z=1 d/x=1 d/y=1 f=1 l@ opt/ opt/d/ opt/d/a=1"


def null(name: str) -> Entry:
    return entry(name, type=tarfile.CHRTYPE, devmajor=0, devminor=0)


def without(*names: str, plus: str = "") -> str:
    kept = [n for n in TREE.split() if n.rstrip("/").split("=")[0].rstrip("@") not in names]
    return " ".join(sorted([*kept, *plus.split()]))


CASES: dict[str, tuple[list[Entry], str]] = {
    "opaque root": ([entry(".wh..wh..opq"), entry("new", b"2")], "new=2"),
    "opaque root, last": ([entry("new", b"2"), entry(".wh..wh..opq")], "new=2"),
    "a directory as marker": ([directory(".wh.opt")], without("opt", "opt/d", "opt/d/a")),
    "below a file of its own layer": (
        [entry("d", b"2"), entry("d/.wh.x")],
        without("d", "d/s", "d/s/z", "d/x", "d/y", plus="d=2"),
    ),
    "below what becomes a file": (
        [entry("d/.wh.x"), entry("d", b"2")],
        without("d", "d/s", "d/s/z", "d/x", "d/y", plus="d=2"),
    ),
    "below a file of a lower layer": ([entry("f/.wh.x")], TREE),
    "opaque below a file of a lower layer": ([entry("f/.wh..wh..opq")], TREE),
    "directory and below it": (
        [entry("opt/.wh.d"), entry("opt/d/.wh.a")], without("opt/d", "opt/d/a")
    ),
    "below it and directory": (
        [entry("opt/d/.wh.x"), entry("opt/.wh.d")], without("opt/d", "opt/d/a")
    ),
    "directory, made again, below it": (
        [entry("opt/.wh.d"), directory("opt/d"), entry("opt/d/.wh.x")], without("opt/d/a")
    ),
    "below it, made again, directory": (
        [entry("opt/d/.wh.x"), directory("opt/d"), entry("opt/.wh.d")], without("opt/d/a")
    ),
    "in an opaque directory": (
        [directory("d"), entry("d/.wh..wh..opq"), entry("d/.wh.x"), entry("d/new", b"2")],
        without("d/s", "d/s/z", "d/x", "d/y", plus="d/new=2"),
    ),
    "before its directory becomes opaque": (
        [entry("d/.wh.x"), entry("d/new", b"2"), entry("d/.wh..wh..opq")],
        without("d/s", "d/s/z", "d/x", "d/y", plus="d/new=2"),
    ),
    "in a new directory": (
        [directory("n"), entry("n/.wh.x"), entry("n/k", b"2")], without(plus="n/ n/k=2")
    ),
    "in a directory nobody has": ([entry("n/.wh.x"), entry("n/m/.wh.x")], TREE),
    "opaque directory nobody has": ([entry("n/.wh..wh..opq")], TREE),
    "of what is not there": ([entry("d/.wh.nothing"), entry(".wh.nothing")], TREE),
    "of what its own layer makes": ([entry(".wh.f"), entry("f", b"2")], without("f", plus="f=2")),
    "after its own layer made it": ([entry("f", b"2"), entry(".wh.f")], without("f", plus="f=2")),
    "a link as marker": ([symlink("d/.wh.x", "/f")], without("d/x")),
    "of the union file system's own": ([entry(".wh..wh.plnk"), entry("d/.wh..wh.aufs")], TREE),
    "with a leading slash": (
        [entry("/abs", b"2"), entry("/d/.wh.x")], without("d/x", plus="abs=2")
    ),
    "names with dots": ([entry("d/../opt/g", b"2")], without(plus="opt/g=2")),
    "a marker with dots": ([entry("opt/../d/.wh.x")], without("d/x")),
    "device 0:0": ([directory("d"), null("d/x")], without("d/x")),
    "device 0:0 of nothing": ([null("n"), directory("m"), null("m/x")], without(plus="m/")),
}  # fmt: skip


def named(case: str) -> str:
    return "test/w-" + "".join(c if c.isalnum() else "-" for c in case).strip("-")


def listed(
    data: bytes, tops: tuple[str, ...] = ("d", "f", "l", "opt", "n", "m", "new", "abs")
) -> str:
    """The tree in an archive as in TREE."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            name = member.name.removeprefix("./").rstrip("/")
            if name.split("/")[0] not in tops and ".wh." not in name:
                continue
            content = archive.extractfile(member).read().decode() if member.isreg() else ""  # type: ignore[union-attr]
            found.append(
                name + ("/" if member.isdir() else "@" if member.issym() else f"={content}")
            )
    return " ".join(sorted(found))


def loads(engine: Engine, base: Path, case: str, *below: bytes) -> str:
    """The image of `case`, in the engine's store; its id."""
    layout = base / f"{named(case)[5:]}-{len(below)}"
    if not layout.exists():
        image(*below, BASE, tar(*CASES[case][0])).write_layout(layout)
    return engine.ok("load", "-q", "-i", layout).split()[-1]


@pytest.mark.parametrize("case", CASES)
def test_what_is_left(engine: Engine, base: Path, case: str) -> None:
    """Exported without running: also where nothing is left to be run."""
    name = loads(engine, base, case)
    try:
        engine.ok("create", "--network", "none", "--name", "c", name, "/x")
        assert listed(engine.run("export", "c", check=True).raw) == CASES[case][1]
    finally:
        engine.ok("rm", "-f", "c")
        engine.ok("rmi", "-f", name)


@pytest.mark.parametrize("case", [c for c in CASES if not c.startswith("opaque root")])
def test_what_is_listed_is_there(engine: Engine, registry: Registry, base: Path, case: str) -> None:
    """`ls`, `tar` and `cp` of every directory, from inside and by the verbs that copy."""
    name = loads(engine, base, case, registry.busybox)
    script = (
        "cd /; for p in d f l n m opt; do [ -e $p ] && find $p -exec stat -c %n {} + ; done; true"
    )
    try:
        done = engine.run("run", "--network", "none", "--name", "c", name, "sh", "-c", script)
        assert (done.code, done.err) == (0, "")
        wanted = {n.rstrip("/@").split("=")[0] for n in CASES[case][1].split()} - {"abs"}
        assert set(done.out.split()) == wanted
        for top in sorted({n.split("/")[0] for n in wanted if "/" in n}):
            copied = engine.run("cp", f"c:/{top}", "-")
            assert (copied.code, copied.err) == (0, "")
            engine.ok("create", "--network", "none", "-v", f"v{top}:/{top}", name, "true")
            files = {str(p.relative_to(engine.root / f"volumes/v{top}/_data"))
                     for p in (engine.root / f"volumes/v{top}/_data").rglob("*")}  # fmt: skip
            assert files == {n[len(top) + 1 :] for n in wanted if n.startswith(f"{top}/")}
        assert engine.ok("diff", "c") == ""
    finally:
        engine.ok("rm", "-f", "-a", "-v")
        engine.ok("rmi", "-f", name)


REFUSED = [".wh..", "d/.wh...", "d/.wh.", "../x", "d/../../x", "d/../../.wh.x"]


@pytest.mark.parametrize("name", REFUSED)
def test_names_that_mean_nothing(engine: Engine, base: Path, name: str) -> None:
    """podman and umoci fail on these too, or make them harmless."""
    layout = base / f"refused-{REFUSED.index(name)}"
    if not layout.exists():
        image(BASE, tar(entry(name, b"2"))).write_layout(layout)
    done = engine.run("load", "-q", "-i", layout)
    if done.code == 0:
        loaded_id = done.out.split()[-1]
        engine.ok("create", "--network", "none", "--name", "c", loaded_id, "/x")
        found = listed(engine.run("export", "c", check=True).raw, ("d", "f", "l", "opt", "x"))
        assert found in (TREE, TREE + " x=2")
        engine.ok("rm", "c")
        engine.ok("rmi", "-f", loaded_id)
    else:
        assert done.err.count("\n") == 1 and "internal" not in done.err


@pytest.mark.parametrize(
    "entries",
    [[directory("d/.wh.s"), entry("d/.wh.s/kid", b"2")], [entry("d/.wh.s/kid", b"2")],
     [entry("d/.wh.x"), hardlink("d/h", "d/.wh.x")], [entry("d/.wh..wh..opq/kid", b"2")]],
    ids=["marker with a child", "child alone", "hard link to a marker", "opaque with a child"],
)  # fmt: skip
def test_a_marker_is_never_seen(engine: Engine, base: Path, entries: list[Entry]) -> None:
    """Refused, or loaded without the child: a name that begins with .wh. is no file's."""
    layer = tar(*entries)
    layout = base / f"seen-{digest_of(layer)[7:19]}"
    if not layout.exists():
        image(BASE, layer).write_layout(layout)
    done = engine.run("load", "-q", "-i", layout)
    if done.code:
        assert done.err.count("\n") == 1 and "internal" not in done.err
        return
    loaded_id = done.out.split()[-1]
    engine.ok("create", "--network", "none", "--name", "c", loaded_id, "/x")
    assert ".wh." not in listed(engine.run("export", "c", check=True).raw)
    engine.ok("rm", "c")
    engine.ok("rmi", "-f", loaded_id)


def test_a_through_link_marker_keeps_the_link(engine: Engine, base: Path) -> None:
    """`l/.wh.x` where a lower layer has l -> d: the link is not replaced by a directory."""
    layout = base / "through-link"
    if not layout.exists():
        image(BASE, tar(entry("l/.wh.x"))).write_layout(layout)
    name = engine.ok("load", "-q", "-i", layout).split()[-1]
    engine.ok("create", "--network", "none", "--name", "c", name, "/x")
    assert listed(engine.run("export", "c", check=True).raw) in (TREE, without("d/x"))
    engine.ok("rm", "c")
    engine.ok("rmi", "-f", name)


def docker_archive(made: TestImage, name: str, prefix: str) -> bytes:
    """What `docker save` writes, every entry's name behind `prefix`."""
    config = json.dumps(made.config).encode()
    layer: Any = next(data for data in made.blobs.values() if data[:2] == b"\x1f\x8b")
    manifest = [{"Config": "c.json", "RepoTags": [name], "Layers": ["l/layer.tar"]}]
    return tar(entry(f"{prefix}c.json", config), directory(f"{prefix}l"),
               entry(f"{prefix}l/layer.tar", layer),
               entry(f"{prefix}manifest.json", json.dumps(manifest).encode()))  # fmt: skip


@pytest.mark.parametrize("prefix", ["/", "./", "//", "/./"])
def test_docker_archives_whose_names_begin_with_a_slash(engine: Engine, prefix: str) -> None:
    data = docker_archive(image(BASE), "test/slash:1", prefix)
    engine.ok("load", "-q", input=data)
    try:
        engine.ok("create", "--network", "none", "--name", "c", "test/slash:1", "/x")
        assert listed(engine.run("export", "c", check=True).raw) == TREE
    finally:
        engine.run("rm", "-f", "c")
        engine.run("rmi", "-f", "test/slash:1")
