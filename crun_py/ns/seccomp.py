"""Seccomp: from an OCI `linux.seccomp` object to the BPF program that seccomp(2) loads.

    compiled_default   the default profile for a set of capabilities, from a cache on disk
    compiled           any profile
    load_profile       a profile file of the user's (docker's format or the OCI object)

Hot path: `compiled_default` reads one small file; the assembler (bpf), the profile
(seccomp_profile) and the table of numbers (syscalls) are imported only on a miss, which
takes some 20 ms once per set of capabilities.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import CrunpyError, InvalidArgument, Unsupported
from crun_py.ns import caps
from crun_py.paths import private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.documents.spec import LinuxSeccomp

    Filter = tuple[bytes, int]
    """A program (an array of struct sock_filter, linux/filter.h), and seccomp(2)'s flags."""

VERSION = 2
"""Part of the cache's file names: raise it when the program for the default profile changes
(a test holds its digest)."""

_NAMES = """
bpf dac_read_search perfmon syslog sys_admin sys_boot sys_chroot sys_module sys_nice sys_pacct
sys_ptrace sys_rawio sys_time sys_tty_config
"""
_RELEVANT = caps.mask(_NAMES.split())
"""The capabilities on which the default profile depends."""

_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def machine() -> str:
    """The architecture of this host, "x86_64" or "aarch64".  Raises Unsupported."""
    found = _ARCHITECTURES.get(os.uname().machine)
    if not found:
        raise Unsupported(
            f"compiling a seccomp filter: no table for machine {os.uname().machine}",
            hint="run with --security-opt seccomp=unconfined",
        )
    return found


def compiled_default(names: Iterable[str] | int, cache_dir: str) -> bytes:
    """The program of the default profile for a container with the capabilities `names`
    (or their mask).

    cache_dir: a directory of this user, made if absent; one file of some 5 kB for each set
    of capabilities that matters.  Raises CrunpyError.
    """
    bits = (names if isinstance(names, int) else caps.mask(names)) & _RELEVANT
    arch = machine()
    path = f"{cache_dir}/seccomp-{VERSION}-{arch}-{bits:x}.bpf"
    try:
        with open(path, "rb") as f:
            program = f.read()
        if program and len(program) % 8 == 0:
            return program
    except FileNotFoundError:
        private_dir(cache_dir)
    except OSError as e:
        raise CrunpyError.from_os(f"reading {path}", e) from e
    from crun_py.ns import bpf, seccomp_profile

    program = bpf.assemble(seccomp_profile.default_profile(caps.names(bits), arch), arch)
    jsonfile.write_bytes(path, program)
    return program


def nesting_profile(names: Iterable[str]) -> LinuxSeccomp:
    """The default profile for systemd, whose units ask for namespaces (PrivateUsers=)."""
    from crun_py.ns import seccomp_profile

    return seccomp_profile.default_profile(names, machine(), nesting=True)


def compiled(profile: LinuxSeccomp) -> Filter:
    """The filter for `profile` on this host.

    profile: an OCI `linux.seccomp` object.  Names that no table knows are skipped.  Rules
    for one system call are tried in the order of the profile and the first whose arguments
    all match decides; a rule that names an argument twice matches when any of its tests
    does (as runc reads it).  Raises InvalidArgument, Unsupported.
    """
    from crun_py.ns import bpf

    program, flags = bpf.assemble(profile, machine()), 0
    for name in profile.get("flags") or ():
        if name not in FLAGS:
            raise InvalidArgument(f"reading seccomp profile: unknown flag {name!r}")
        flags |= FLAGS[name]
    rules = profile.get("syscalls") or ()
    if any(rule.get("action") == "SCMP_ACT_NOTIFY" for rule in rules):
        flags |= _NEW_LISTENER
    return program, flags


FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 0,  # what loads it has one thread
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32,
}
_NEW_LISTENER = 8


def load_profile(path: str, names: Iterable[str] = caps.DEFAULT) -> LinuxSeccomp:
    """The OCI object for the profile file `path`, for a container with capabilities `names`.

    The file may have docker's additions (archMap, includes, excludes), which are resolved
    for this host.  Raises InvalidArgument naming the file.
    """
    from crun_py.ns import seccomp_profile

    try:
        with open(path, "rb") as f:
            value = jsonfile.loads(f.read())
    except OSError as e:
        raise InvalidArgument(
            f"reading seccomp profile {path}: {os.strerror(e.errno or 0).lower()}",
            hint="--security-opt seccomp=FILE takes a JSON file, or unconfined",
        ) from e
    except ValueError as e:
        raise InvalidArgument(f"reading seccomp profile {path}: not valid JSON: {e}") from e
    try:
        return seccomp_profile.resolve(value, caps.names(caps.mask(names)), machine())
    except KeyError as e:
        raise InvalidArgument(f"reading seccomp profile {path}: it lacks {e.args[0]}") from e
    except (TypeError, AttributeError) as e:
        raise InvalidArgument(
            f"reading seccomp profile {path}: a value in it is of another type than it must be"
        ) from e
