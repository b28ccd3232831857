"""Builds `_shim`, the cffi module: the declarations are the C headers themselves.

A header given to cffi holds plain prototypes; its preprocessor lines are dropped.
Functions return a negated errno on failure, so that no call depends on cffi's errno.
"""

from __future__ import annotations

import os

from cffi import FFI

HERE = os.path.dirname(os.path.abspath(__file__))
HEADERS = ["shim.h", "untar.h"]
SOURCES = ["shim.c", "untar.c", "untar_tree.c", "worker.c", "quota.c", "later.c",
           "device_filter.c"]  # fmt: skip
CFLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-fvisibility=hidden"]


def declarations(header: str) -> str:
    """The text of `header` without preprocessor lines."""
    with open(os.path.join(HERE, header), encoding="utf-8") as f:
        return "".join(line for line in f if not line.startswith("#"))


ffibuilder = FFI()
ffibuilder.cdef("".join(map(declarations, HEADERS)))
ffibuilder.set_source(
    "crun_py._native._shim",
    "\n".join(f'#include "{name}"' for name in HEADERS),
    sources=[f"crun_py/_native/{name}" for name in SOURCES],
    include_dirs=["crun_py/_native"],
    extra_compile_args=CFLAGS,
)
