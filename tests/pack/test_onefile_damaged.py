"""The one file when what it has unpacked is damaged between two verifications: the next start mends
it, and says in one line what it cannot."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from images import busybox_tar
from onefile_host import PLACES, Host

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="other machines are emulated"),
]
NOTHING_YET = "CONTAINER ID"
"""What `ps` prints of an empty store, first."""


def listed(host: Host, *words: str, **how: str) -> subprocess.CompletedProcess[str]:
    """`crunpy ps` in a store of its own."""
    store = host.home / "store"
    return host.run("--root", f"{store}/root", "--runroot", f"{store}/run", *(words or ("ps",)),
                    **how)  # fmt: skip


def lists(host: Host) -> None:
    done = listed(host)
    assert (done.returncode, done.stdout[:12], done.stderr) == (0, NOTHING_YET, ""), done


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 125 and not done.stdout, done
    (line,) = done.stderr.splitlines()
    return line.removeprefix("crunpy: error: ")


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zero(path: Path) -> None:
    """What a power cut may leave."""
    path.write_bytes(bytes(path.stat().st_size))


def misspell(path: Path) -> None:
    path.write_text(path.read_text().replace("def ", "dfe "))


def break_header(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[1] ^= 0xFF  # elf(5), EI_MAG1
    path.write_bytes(data)


def place_segments_elsewhere(path: Path) -> None:
    """The loader says that it failed to map a segment, as where memory is short."""
    data = bytearray(path.read_bytes())
    at = int.from_bytes(data[32:40], "little")  # e_phoff
    for header in range(at, at + 56 * data[56], 56):
        if data[header] == 1:  # PT_LOAD
            data[header + 8 : header + 16] = (1 << 62).to_bytes(8, "little")  # p_offset
    path.write_bytes(data)


DAMAGES: list[tuple[str, Callable[[Path], None]]] = [
    ("_cffi_backend.*.so", break_header),
    ("_cffi_backend.*.so", place_segments_elsewhere),
    ("_cffi_backend.*.so", remove),
    ("crun_py/__init__.py", remove),
    ("crun_py/__main__.py", misspell),
    ("crun_py/startup.py", empty),
    ("crun_py/errors.py", zero),
    ("crun_py/cli/fast.py", empty),
    ("crun_py/cli/container/ps.py", misspell),
    ("crun_py/_native/_shim.abi3.so", empty),
]


@pytest.mark.parametrize(
    ("name", "damage"), DAMAGES, ids=lambda given: getattr(given, "__name__", given)
)
def test_a_start_that_fails_is_made_again(
    host: Host, name: str, damage: Callable[[Path], None]
) -> None:
    # without the first, Python takes the directory for a package all the same, which most can use
    works = host.starts if name == "crun_py/__init__.py" else functools.partial(lists, host)
    works()
    (path,) = host.tree().glob(name)
    whole = path.read_bytes()
    damage(path)
    works()
    assert path.read_bytes() == whole
    before = host.tree().stat().st_ino
    works()
    assert host.tree().stat().st_ino == before, "it is not unpacked at each start"
    assert not [*host.tree().glob("crun_py/**/*.new-*")] and len([*host.places[0].iterdir()]) == 2


def test_what_python_has_compiled(user_host: Host) -> None:
    """It is not in the archive: it is made anew."""
    host = user_host
    lists(host)
    compiled = [*host.tree().glob("crun_py/__pycache__/*.pyc")]
    assert compiled
    for path in compiled:
        path.write_bytes(path.read_bytes()[:16] + bytes(99))  # PEP 552: the source is as it was
    lists(host)
    assert all(bytes(99) not in path.read_bytes() for path in compiled if path.exists())


def test_the_words_are_the_same(user_host: Host) -> None:
    """The start that is made again has the command line of the first."""
    lists(user_host)
    (user_host.tree() / "crun_py/startup.py").unlink()
    strange = ["a b", "", "'", "é\udcff", "x"]
    told = listed(user_host, "inspect", *strange).stderr.splitlines()
    assert len(told) == 5 and "'docker.io/library/a b'" in told[0] and "object: x" in told[4]
    assert told == listed(user_host, "inspect", *strange).stderr.splitlines()


def test_a_command_is_not_carried_out_twice(user_host: Host) -> None:
    """What fails at its work is told of, and mended at the next start."""
    host = user_host
    lists(host)
    path = host.tree() / "crun_py/engine/libpod.py"
    whole = path.read_bytes()
    note = f"with open({str(host.notes)!r}, 'a') as f: f.write('ran\\n')\n"
    path.write_text(note + "raise ImportError('damaged')\n")
    told = one_line(listed(host, "ps", "--format", "json", CRUNPY_AS="podman"))
    assert told == "loading crunpy: damaged (start it again)"
    assert host.notes.read_text() == "ran\n"
    lists(host)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", [remove, empty, break_header])
def test_the_core(host: Host, damage: Callable[[Path], None]) -> None:
    """What a start of a container tells of a damaged one, the next one does not any more."""
    archive = host.directory / "busybox.tar"
    archive.write_bytes(busybox_tar())
    done = listed(host, "import", "-q", str(archive), "busybox")
    assert done.returncode == 0, done
    run = ("run", "--rm", "--network", "none", "busybox", "echo", "hi")
    damage(host.tree() / "crun_py/_native/crunpy-core")
    one_line(listed(host, *run))
    done = listed(host, *run)
    assert (done.returncode, done.stdout) == (0, "hi\n"), done


def test_what_tells_of_errors_is_damaged(user_host: Host) -> None:
    host = user_host
    wanted = listed(host, "logs", "x").stderr
    path = host.tree() / "crun_py/cli/explained.py"
    path.write_text("")
    told = one_line(listed(host, "logs", "x"))
    assert told.startswith("loading crunpy: AttributeError: module 'crun_py.cli.explained' has no")
    assert told.endswith("(start it again: then it is verified)")
    assert listed(host, "logs", "x").stderr == wanted


def other_contents(host: Host, path: str, text: str) -> None:
    """Another one file, whole by its digests, in which a file has this text."""
    content = host.file.read_bytes()
    size = re.split(rb'int\("(\d+)"\)', content, maxsplit=1)[1]
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content[-int(size) :])) as old:
        files = {name: old.read(name) for name in old.namelist()}
    files[f"common/{path}"] = text.encode()
    manifest = json.loads(files["manifest.json"])
    manifest["common"][path][0] = hashlib.sha256(text.encode()).hexdigest()
    files["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(data, "w") as new:
        for name, one in files.items():
            new.writestr(name, one)
    digest = hashlib.sha256(content[-int(size) :]).hexdigest().encode()
    script = content[: -int(size)].replace(
        digest, hashlib.sha256(data.getvalue()).hexdigest().encode()
    )
    host.file = host.directory / "crunpy"
    host.file.write_bytes(script.replace(size, str(data.tell()).encode()) + data.getvalue())
    host.file.chmod(0o755)


def test_one_that_cannot_be_mended(host: Host) -> None:
    """What fails though it is whole is started twice, not more, and the directory is named."""
    note = f"with open({str(host.notes)!r}, 'a') as f: f.write('ran\\n')\n"
    other_contents(host, "crun_py/startup.py", note + "raise ImportError('two\\nlines')\n")
    told = one_line(listed(host))
    assert told == (
        "loading crunpy: ImportError: two lines "
        f"(it was verified just now: remove {host.seen_as(host.tree())})"
    )
    assert host.notes.read_text() == "ran\n" * 2


def test_a_damaged_one_that_is_read_only(user_host: Host) -> None:
    """Then it is unpacked in the next place."""
    host = user_host
    lists(host)
    (host.tree() / "crun_py/startup.py").write_text("")
    home = host.home / ".cache"
    setup = f"mount --bind {home} {home}; mount -o remount,bind,ro {home}"
    for _ in range(2):
        done = listed(host, setup=setup)
        assert (done.returncode, done.stderr) == (0, ""), done
    assert host.tree(host.places[1]).is_dir()


# ---- what cannot be loaded, though it is whole ----


def test_mounted_noexec_afterwards(host: Host) -> None:
    """It goes to the next place, as a first start does, and comes back."""
    lists(host)
    place = host.seen_as(host.places[0].parent)
    setup = f"mount --bind {place} {place}; mount -o remount,bind,noexec {place}"
    for _ in range(2):
        done = listed(host, setup=setup)
        assert (done.returncode, done.stdout[:12], done.stderr) == (0, NOTHING_YET, ""), done
    (other,) = [p for p in host.places[1:] if p.exists()]
    shutil.rmtree(other)
    lists(host)
    assert not other.exists()
    everywhere = "\n".join(
        f"mount --bind {p} {p}; mount -o remount,bind,noexec {p}"
        for p in (place, *map(Path, PLACES))
    )
    told = one_line(listed(host, setup=everywhere))
    assert told.count("its file system is mounted noexec") == 3
