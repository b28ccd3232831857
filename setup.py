"""Builds the two C parts: the cffi shim and the core helper."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
NATIVE = HERE / "crun_py" / "_native"
sys.path.insert(0, str(HERE))

CORE_SOURCES = [
    "main.c",
    "plan.c",
    "health.c",
    "monitor.c",
    "starting.c",
    "alone.c",
    "streams.c",
    "streams_jail.c",
    "streams_keeper.c",
    "jail.c",
    "passing.c",
    "orders.c",
    "log_files.c",
    "log.c",
    "client.c",
    "held.c",
    "relay.c",
    "relay_keeper.c",
    "group.c",
    "notify.c",
    "status.c",
    "dns_keeper.c",
    "init.c",
    "steps.c",
    "exec.c",
    "mounts.c",
    "devices.c",
    "resolve.c",
    "dns.c",
    "dns_jail.c",
    "dns_tcp.c",
    "dns_forward.c",
    "dns_packet.c",
    "dns_names.c",
    "dns_servers.c",
]
CORE_FLAGS = [
    *("-Os", "-std=gnu11", "-Wall", "-Wextra", "-Werror"),
    *("-ffunction-sections", "-Wl,--gc-sections", "-s"),
]


def compilers() -> list[list[str]]:
    """Ways to link the core helper, best first.  With musl a monitor and its streams take
    0.25 MB, with glibc 0.95; dynamically linked it works only where the host's libc is in reach.
    CRUNPY_CORE_CC is the one for wheels of other machines, with its options."""
    if given := os.environ.get("CRUNPY_CORE_CC"):
        return [[*shlex.split(given), "-static"]]
    kernel_headers = ["/usr/include", f"/usr/include/{sysconfig.get_config_var('MULTIARCH')}"]
    musl = shutil.which("musl-gcc")
    ways = [[musl, "-static", *(f"-idirafter{d}" for d in kernel_headers)]] if musl else []
    compiler = os.environ.get("CC", "cc")
    return [*ways, [compiler, "-static"], [compiler]]


def build_core(target: Path) -> None:
    """Compile the core helper in the best way that works."""
    sources = [str(NATIVE / name) for name in CORE_SOURCES]
    target.parent.mkdir(parents=True, exist_ok=True)
    ways = compilers()
    for number, way in enumerate(ways, 1):
        command = [*way, *CORE_FLAGS, "-o", str(target), *sources]
        if subprocess.run(command, check=number == len(ways)).returncode == 0:
            return


def note_build(target: Path) -> None:
    """Write which commit this is and when it was built, for `crunpy version`."""
    done = subprocess.run(
        ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ) if shutil.which("git") else None  # fmt: skip
    commit = done.stdout.strip() if done and done.returncode == 0 else ""
    moment = os.environ.get("SOURCE_DATE_EPOCH")  # reproducible-builds.org
    built = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(float(moment) if moment else None))
    target.write_text(json.dumps({"commit": commit, "built": built}) + "\n")


class BuildExt(build_ext):
    """build_ext that also compiles the core helper beside the shim."""

    def run(self) -> None:
        super().run()
        package = NATIVE if self.inplace else Path(self.build_lib) / "crun_py" / "_native"
        build_core(package / "crunpy-core")
        note_build(package / "build.json")


# a wheel for this Python and all later ones; those without the lock have another interface
OPTIONS = (
    {}
    if sysconfig.get_config_var("Py_GIL_DISABLED")
    else {"bdist_wheel": {"py_limited_api": "cp311"}}
)

setup(
    cffi_modules=["crun_py/_native/build_shim.py:ffibuilder"],
    cmdclass={"build_ext": BuildExt},
    options=OPTIONS,
    data_files=[("share/man/man1", sorted(map(str, Path("man/man1").glob("*.1"))))],
    scripts=["bin/crunpy", "bin/crunpy-oci", "bin/crunpy-python"],
)
