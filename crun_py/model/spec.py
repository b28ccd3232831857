"""Words in the OCI runtime spec (config.json): annotations of our own, names of limits."""

from __future__ import annotations

DEFAULT_SECCOMP = "io.crunpy.seccomp"
"""Annotation: "default" stands for the built-in profile, which depends on the capabilities."""

OPTIONAL_SYSCTLS = "io.crunpy.sysctl.optional"
"""Annotation: keys of linux.sysctl, with commas between, that a host need not have."""

MOUNT_CONTEXT = "run.oci.mount_context_type"
"""Annotation, crun's: the option of mount(8) for linux.mountLabel, context or rootcontext."""

RLIMIT_NAMES = """
cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime
""".split()
"""The names of the resources of getrlimit(2); the index is the kernel's number."""

RLIMITS = {name: number for number, name in enumerate(RLIMIT_NAMES)}
"""The kernel's numbers by name."""
