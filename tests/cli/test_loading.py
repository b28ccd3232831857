"""Libraries and modules that cannot be loaded: one line says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from engine import CHECKOUT

from crun_py.cli import loading

_NOT_MAPPED = "libx.so: failed to map segment from shared object"
_CODE = """
import resource, sys
sys.path.insert(0, {checkout!r})
from crun_py.__main__ import main
from crun_py.cli import fast
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
def parse(words):
    raise ImportError({text!r}, path={path!r})
fast.parse = parse
sys.exit(main(["ps"], lambda error, begun: print("broken", begun)))
"""


def told(text: str, path: Path, limit: int) -> tuple[list[str], str]:
    """What the command asks for (to be started anew) and says of an error of loading `path`."""
    code = _CODE.format(checkout=str(CHECKOUT), text=text, path=str(path), limit=limit)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 125, done
    (line,) = done.stderr.splitlines()
    return done.stdout.splitlines(), line.removeprefix("crunpy: error: loading crunpy: ")


def test_a_library_that_is_not_mapped(tmp_path: Path) -> None:
    """For lack of memory only where that is limited; and no damage then."""
    library = tmp_path / "x.so"
    assert told(_NOT_MAPPED, library, 8 << 30) == ([], "out of memory (ulimit -v)")
    asked, line = told(_NOT_MAPPED, library, -1)
    assert asked == ["broken False"] and line == f"{_NOT_MAPPED} (start it again)"


def test_a_file_system_without_exec(tmp_path: Path) -> None:
    place = tmp_path / "mounted"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "t", place], check=True)
    try:
        asked, line = told(_NOT_MAPPED, place / "x.so", -1)
    finally:
        subprocess.run(["umount", place], check=True)
    assert (asked, line) == ([], f"{place} is on a file system that is mounted noexec")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (ModuleNotFoundError("no _ssl", name="_ssl"), "this Python was built without _ssl"),
        (ImportError("no x", name="crun_py.x"), "install it again"),
        (ImportError("no name"), "install it again"),
    ],
)
def test_a_module_that_is_lacking(error: ImportError, hint: str) -> None:
    found = loading.not_loaded(error, "install it again")
    assert found.message == f"loading crunpy: {error}" and found.hint.startswith(hint)
