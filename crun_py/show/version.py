"""What `version` says, and `info` of the client: docker's fields and podman's."""

from __future__ import annotations

import os
import sys

from crun_py import __version__, _native, clock, jsonfile
from crun_py.errors import CorruptState

API_VERSION, MIN_API_VERSION = "1.52", "1.24"
PODMAN_VERSION = "5.0.0"
"""Whose API and options podman's clients find here."""


def part() -> dict[str, object]:
    """The client's part, which without a daemon is the server's as well."""
    built = build()
    machine = os.uname().machine
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    commit, time = built.get("commit") or "unknown", built.get("built") or ""
    return {
        "Version": __version__,
        "ApiVersion": API_VERSION,
        "APIVersion": API_VERSION,
        "DefaultAPIVersion": API_VERSION,
        "MinAPIVersion": MIN_API_VERSION,
        "PythonVersion": sys.version.split()[0],
        "GoVersion": "",
        "GitCommit": commit,
        "BuildTime": time or "unknown",
        "BuiltTime": time or "unknown",
        "Built": clock.parse_rfc3339(time) // 10**9 if time else 0,
        "Os": "linux",
        "Arch": arch,
        "OsArch": f"linux/{arch}",
        "KernelVersion": os.uname().release,
        "Platform": {"Name": "crunpy"},
        "Components": [
            {"Name": "crunpy", "Version": __version__, "Details": {"GitCommit": commit}}
        ],
        "Context": "default",
        "Experimental": False,
    }


def brief() -> dict[str, str]:
    """The fields of a model.system.EngineVersion."""
    built, whole = build(), part()
    return {
        "version": __version__,
        "api_version": API_VERSION,
        "commit": built.get("commit") or "",
        "built": built.get("built") or "",
        "python": str(whole["PythonVersion"]),
        "kernel": os.uname().release,
        "architecture": str(whole["Arch"]),
    }


def build() -> dict[str, str]:
    """What setup.py noted of the build; {} where it did not."""
    path = os.path.join(os.path.dirname(_native.CORE), "build.json")
    try:
        found = jsonfile.read(path)
    except (FileNotFoundError, CorruptState):
        return {}
    return found if isinstance(found, dict) else {}
