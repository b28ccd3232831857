"""The one file with the code of the modules that commands load."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from engine import CHECKOUT

SITE = next(path for path in sys.path if path.endswith("site-packages"))
CODE = """
import sys; sys.path[:0] = [{package!r}, {site!r}]
from crun_py.__main__ import main
status = main(sys.argv[1:])
from crun_py.startup import bundle
bundle.keep()
ours = [m for n, m in sys.modules.items() if n.startswith("crun_py.")]
files = [(m, getattr(m, "__file__", "") or "") for m in ours]
print(sorted({{type(m.__loader__).__name__ for m, file in files if file.endswith(".py")}}))
sys.exit(status)
"""


class Copy:
    """The package in a folder of its own."""

    def __init__(self, directory: Path) -> None:
        self.package = directory / "crun_py"
        shutil.copytree(
            CHECKOUT / "crun_py", self.package, ignore=shutil.ignore_patterns("*.bin", "*.c")
        )
        self.code = CODE.format(package=str(directory), site=SITE)

    @property
    def file(self) -> Path:
        return next(self.package.glob("__pycache__/startup.*.bin"))

    def run(self, *words: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", "-c", self.code, *(words or ("version",))]
        return subprocess.run(command, capture_output=True, text=True, check=False, user=user)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def loaders(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_the_second_command_loads_one_file(copy: Copy) -> None:
    assert "Bundle" not in loaders(copy.run())
    assert loaders(copy.run()) == "['Bundle', 'SourceFileLoader']"  # startup itself is not in it
    before = copy.file.stat()
    copy.run()
    assert (before.st_ino, before.st_mtime_ns) == (copy.file.stat().st_ino, before.st_mtime_ns)


def test_other_verbs_are_added(copy: Copy) -> None:
    loaders(copy.run())
    before = copy.file.stat().st_size
    loaders(copy.run("info"))
    assert copy.file.stat().st_size > before
    assert "Bundle" in loaders(copy.run())


def test_what_a_verb_brings_is_made_at_once(copy: Copy) -> None:
    """importlib is asked for a few modules only, and in the same order each time."""
    asked = "import sys; asked = []; from crun_py.startup import Bundle; find = Bundle.find_spec\n"
    asked += (
        "Bundle.find_spec = lambda self, name, *a: asked.append(name) or find(self, name, *a)\n"
    )
    usual = copy.code
    copy.code = usual.replace("from crun_py.__main__", asked + "from crun_py.__main__", 1)
    copy.code = copy.code.replace("sys.exit(status)", "print(len([*filter(ours_of, asked)]))")
    copy.code = copy.code.replace(
        "ours = ", "ours_of = lambda n: n.startswith('crun_py.'); ours = "
    )
    first, *later = (int(copy.run("images").stdout.split()[-1]) for _ in range(3))
    assert first > 25
    assert max(later) < 10


@pytest.mark.parametrize("name", ["cli/system/version.py", "show/version.py", "errors.py"])
def test_a_changed_source_is_loaded(copy: Copy, name: str) -> None:
    for _ in range(2):
        loaders(copy.run())
    source = copy.package / name
    source.write_text(source.read_text() + "\nprint('changed')\n")
    assert "changed\n" in copy.run().stdout
    assert "changed\n" in copy.run().stdout


def test_a_module_that_was_removed(copy: Copy) -> None:
    for _ in range(2):
        loaders(copy.run())
    (copy.package / "cli/system/version.py").unlink()
    assert copy.run().returncode != 0


@pytest.mark.parametrize("damage", ["", "short", "garbage", "version"])
def test_a_damaged_file_is_made_anew(copy: Copy, damage: str) -> None:
    loaders(copy.run())
    whole = copy.file.read_bytes()
    content = {
        "": b"", "short": whole[:1000], "garbage": b"\xff" * 5000,
        "version": whole.replace(sys.version.encode()[:4], b"9.99", 1),
    }[damage]  # fmt: skip
    copy.file.write_bytes(content)
    assert "Bundle" not in loaders(copy.run())
    assert "Bundle" in loaders(copy.run())


def test_who_may_not_write_does_without(copy: Copy) -> None:
    for folder in (copy.package, *copy.package.parents):
        if folder != Path("/tmp") and folder != Path("/"):
            os.chmod(folder, folder.stat().st_mode | 0o055)
    assert "Bundle" not in loaders(copy.run(user=65534))
    assert "Bundle" not in loaders(copy.run(user=65534))
    assert not list(copy.package.glob("__pycache__/startup.*.bin"))


def test_who_may_not_write_makes_nothing(copy: Copy) -> None:
    """It would take longer than the rest of a plain user's command."""
    copy.run()
    made = "type(bundle)._batches = lambda *_: sys.exit('made'); bundle.keep()"
    copy.code = copy.code.replace("bundle.keep()", made)
    assert "made" in copy.run("completion", "bash").stderr
    for folder in (copy.package, *copy.package.parents):
        if folder != Path("/tmp") and folder != Path("/"):
            os.chmod(folder, folder.stat().st_mode | 0o055)
    done = copy.run("completion", "bash", user=65534)
    assert "made" not in done.stderr and done.returncode == 0, done.stderr


def test_a_file_that_another_took_the_place_of(copy: Copy) -> None:
    """Also when it has the inode number of the one whose index was read, as ext4 gives it."""
    loaders(copy.run())
    old = copy.file.read_bytes()
    loaders(copy.run("info"))
    new = copy.package / "new"
    new.write_bytes(copy.file.read_bytes())
    assert new.stat().st_size > len(old)
    copy.file.write_bytes(old)
    usual = copy.code
    copy.code = usual.replace(
        "from crun_py.__main__",
        "import crun_py.startup; "
        f"open({str(copy.file)!r}, 'wb').write(open({str(new)!r}, 'rb').read())\n"
        "from crun_py.__main__", 1,
    )  # fmt: skip
    assert "Bundle" not in loaders(copy.run())
    copy.code = usual
    assert loaders(copy.run()) == "['Bundle', 'SourceFileLoader']"


@pytest.mark.parametrize("damage", [b"\0", b"\xff"])
def test_damaged_code_is_loaded_from_its_source(copy: Copy, damage: bytes) -> None:
    loaders(copy.run())
    whole = copy.file.read_bytes()
    index = 4 + int.from_bytes(whole[:4], "little")
    mark = whole[index : index + 16]
    codes = [mark + damage * len(code) for code in whole[index:].split(mark)[1:]]
    copy.file.write_bytes(whole[:index] + b"".join(codes))
    assert "Bundle" not in loaders(copy.run())
    assert loaders(copy.run()) == "['Bundle', 'SourceFileLoader']"
