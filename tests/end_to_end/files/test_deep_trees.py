"""Directories in directories, thousands deep: whatever a container made can be removed again.

Paths of these are longer than the kernel takes, a call per level is deeper than Python goes,
and a descriptor per level is more than a process may have.
"""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine
from images import image
from mirror import Registry
from oci_images import directory, entry, tar

DIGGER = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* dig WHERE DEPTH [NAME]: NAME/NAME/… below WHERE, a file and a second directory in each. */
int main(int argc, char **argv)
{
	const char *name = argc > 3 ? argv[3] : "d";
	if (chdir(argv[1]))
		return 1;
	for (int n = atoi(argv[2]); n > 0; n--) {
		if (mkdir(name, 0755) || chdir(name))
			return 2;
		if (n % 50 == 0) {
			close(open("file", O_CREAT | O_WRONLY, 0644));
			mkdir("other", 0700);
		}
	}
	return 0;
}
"""
DEPTHS = [100, 140, 4000]


@pytest.fixture(scope="module")
def digger(base: Path) -> Path:
    source, program = base / "dig.c", base / "dig"
    source.write_text(DIGGER)
    subprocess.run(["gcc", "-static", "-O1", "-w", "-o", program, source], check=True)
    return program


@pytest.fixture
def dug(engine: Engine, digger: Path) -> Iterator[tuple[Engine, tuple[object, ...]]]:
    """The engine, and options of `run` with which a container can dig by /dig."""
    yield engine, ("--network", "none", "-v", f"{digger}:/dig:ro")
    for path in (*engine.volumes(), *engine.root.glob("containers/*/upper"),
                 *engine.root.glob("containers/.gone-*")):  # fmt: skip
        subprocess.run(["rm", "-rf", path], check=True)


Dug = tuple[Engine, tuple[object, ...]]


@pytest.mark.parametrize("depth", DEPTHS)
def test_rm(dug: Dug, depth: int) -> None:
    engine, options = dug
    script = f"mkdir /deep && /dig /deep {depth}"
    engine.ok("run", "--name", "c", *options, "busybox", "sh", "-c", script)
    done = engine.run("rm", "c")
    assert (done.code, done.err) == (0, "")
    assert engine.left() == [] and not list(engine.root.glob("containers/*/upper"))


def test_run_that_removes_itself(dug: Dug) -> None:
    """--rm, and what the next command sweeps: no warning, now or later."""
    engine, options = dug
    script = "mkdir /deep && /dig /deep 300"
    done = engine.run("run", "--rm", *options, "busybox", "sh", "-c", script)
    assert (done.code, done.err) == (0, "")
    done = engine.run("run", "--rm", *options, "busybox", "true")
    assert (done.code, done.err) == (0, "") and engine.left() == []


@pytest.mark.parametrize(
    ("verb", "depth"),
    [("volume rm", 4000), *((v, 200) for v in ("volume rm", "volume prune", "rm -v",
                                               "system prune"))],
)  # fmt: skip
def test_volumes(dug: Dug, verb: str, depth: int) -> None:
    engine, options = dug
    name = "v:" if verb == "volume rm" else ""
    engine.ok(
        "run", "--name", "c", *options, "-v", f"{name}/deep", "busybox", "/dig", "/deep", depth
    )
    if verb != "rm -v":
        engine.ok("rm", "c")
    command = {
        "volume rm": ["volume", "rm", "v"],
        "volume prune": ["volume", "prune", "-f"],
        "rm -v": ["rm", "-v", "c"],
        "system prune": ["system", "prune", "-f", "--volumes"],
    }[verb]
    done = engine.run(*command)
    assert (done.code, done.err) == (0, "")
    assert engine.volumes() == []


def test_rmi(engine: Engine, registry: Registry) -> None:
    """As deep as a layer may be, in two places."""
    paths = ["/".join(["deep", *"d" * (n + 1)]) for n in range(180)]
    layer = tar(directory("deep"), *map(directory, paths), entry(paths[-1] + "/file", b"x"))
    name = registry.push("test/deep", image(registry.busybox, layer))
    before = set(engine.root.glob("layers/*/diff/deep"))
    engine.ok("pull", "-q", name)
    done = engine.run("rmi", name)
    left = [*{*engine.root.glob("layers/*/diff/deep")} - before]
    for path in left:
        subprocess.run(["rm", "-rf", path], check=True)
    assert (done.code, done.err, left) == (0, "", [])


def test_names_that_removal_itself_could_use(dug: Dug) -> None:
    """Many wide and deep trees side by side, with names like those of a helper directory."""
    engine, options = dug
    script = """
        mkdir /deep && cd /deep && touch .deep-0 .deep-1 && mkdir .deep-2 .deep-3 && touch .deep-3/x
        for n in 0 1 2 3 4 5; do
            mkdir .deep-2/$n $n && /dig $n 150 && /dig .deep-2/$n 150 .deep-0
        done
    """
    engine.ok("run", "--name", "c", *options, "busybox", "sh", "-c", script)
    done = engine.run("rm", "c")
    assert (done.code, done.err) == (0, "") and engine.left() == []


def test_a_few_descriptors_are_enough(dug: Dug) -> None:
    engine, options = dug
    engine.ok("run", "--name", "c", *options, "-v", "v:/deep", "busybox", "/dig", "/deep", 3000)
    engine.ok("rm", "c")
    limit = (128, 128)
    done = engine.run(
        "volume", "rm", "v", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    )
    assert (done.code, done.err) == (0, "") and engine.volumes() == []


READERS = ["diff c", "ps -a -s", "system df -v", "export -o HOME/out c", "cp c:/deep HOME/out"]


@pytest.mark.parametrize("verb", [*READERS, "commit -q c test/deep-commit"])
def test_what_reads_them_ends_in_a_word(dug: Dug, verb: str) -> None:
    """Whoever only looks at such a tree says that it is too deep, or looks at it."""
    engine, options = dug
    script = "mkdir /deep && /dig /deep 2500"
    engine.ok("run", "--name", "c", *options, "busybox", "sh", "-c", script)
    out = engine.home / "out"
    try:
        done = engine.run(*verb.replace("HOME", str(engine.home)).split())
        assert done.code in (0, 125) and "internal" not in done.err.lower(), done.err[-300:]
        assert "Traceback" not in done.err and done.err.count("\n") <= 1, done.err[-300:]
    finally:
        subprocess.run(["rm", "-rf", out], check=True)
        engine.run("rmi", "-f", "test/deep-commit")


def test_owners_of_a_deep_volume(dug: Dug) -> None:
    """`U` gives all of it to the container's user."""
    engine, options = dug
    engine.ok("run", "--rm", *options, "-v", "v:/deep", "busybox", "/dig", "/deep", 600,
              "longer-name")  # fmt: skip
    script = (
        "cd /deep; while [ -d longer-name ]; do cd -P longer-name || exit 9; done; stat -c %u ."
    )
    done = engine.run("run", "--rm", *options, "-u", "1234", "-v", "v:/deep:U", "busybox",
                      "sh", "-c", script)  # fmt: skip
    assert (done.code, done.out.strip()) == (0, "1234"), done.err[-300:]
