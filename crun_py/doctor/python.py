"""The Python that runs crunpy: what one that was built where libraries lacked is without."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding

_MODULES = (
    ("_ctypes", "root's networks, and those of `network create`", ("libffi-dev", "libffi-devel")),
    ("_ssl", "registries", ("libssl-dev", "openssl-devel", "openssl-dev")),
)
"""Module, what takes it, the packages with which it is built."""


def modules(host: Host, load: Callable[[str], object]) -> Iterator[Finding]:
    """Whether modules of the standard library are there that are left out where a library's headers
    are missing.  load: imports one; raises ImportError."""
    lacking = False
    for name, purpose, packages in _MODULES:
        try:
            load(name)
        except ImportError:
            lacking = True
            message = (
                f"{sys.executable} was built without {name}: {purpose} will not work; build it "
                "again where the headers are, or install crunpy for the system's python3"
            )
            yield host.error("python", message, host.install(*packages))
    if not lacking:
        yield host.ok("python", f"{sys.version.split()[0]}, with all that networks and TLS take")
