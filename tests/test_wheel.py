"""What `pip install` installs: every module, the core helper, the shim and the type marker."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from engine import CHECKOUT


def test_the_wheel_is_whole(tmp_path: Path) -> None:
    source = tmp_path / "source"
    made = shutil.ignore_patterns("__pycache__", "*.so", "crunpy-core", "_shim.c")
    shutil.copytree(CHECKOUT / "crun_py", source / "crun_py", ignore=made)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(CHECKOUT / name, source)
    for name in ("bin", "man"):
        if (CHECKOUT / name).exists():
            shutil.copytree(CHECKOUT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", tmp_path, source], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {str(p.relative_to(source)) for p in (source / "crun_py").rglob("*.py")}
    missing = modules - names
    assert not missing, missing
    assert {"crun_py/_native/crunpy-core", "crun_py/py.typed"} <= names
    manual = "crunpy-0.1.0.data/data/share/man/man1/"
    pages = {Path(name).name for name in names if name.startswith(manual)}
    assert pages == {path.name for path in (CHECKOUT / "man/man1").iterdir()}
    assert any(name.startswith("crun_py/_native/_shim") for name in names)
