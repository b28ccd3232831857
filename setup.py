"""Builds the two C parts: the cffi shim and the core helper."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
NATIVE = HERE / "crun_py" / "_native"
sys.path.insert(0, str(HERE))

CORE_SOURCES = [
    "main.c",
    "plan.c",
    "monitor.c",
    "log.c",
    "client.c",
    "status.c",
    "init.c",
    "steps.c",
    "mounts.c",
    "resolve.c",
]
CORE_FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-ffunction-sections", "-Wl,--gc-sections", "-s"]


def build_core(target: Path) -> None:
    """Compile the core helper: static where a static libc is there, otherwise dynamic."""
    sources = [str(NATIVE / name) for name in CORE_SOURCES]
    compiler = os.environ.get("CC", "cc")
    target.parent.mkdir(parents=True, exist_ok=True)
    for how in (["-static"], []):
        command = [compiler, *CORE_FLAGS, *how, "-o", str(target), *sources]
        if subprocess.run(command, check=not how).returncode == 0:
            return


class BuildExt(build_ext):
    """build_ext that also compiles the core helper beside the shim."""

    def run(self) -> None:
        super().run()
        package = NATIVE if self.inplace else Path(self.build_lib) / "crun_py" / "_native"
        build_core(package / "crunpy-core")


setup(
    cffi_modules=["crun_py/_native/build_shim.py:ffibuilder"],
    cmdclass={"build_ext": BuildExt},
    scripts=["bin/crunpy"],
)
