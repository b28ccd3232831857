"""Options of docker and podman that cannot hold here, and those that need no doing.

Each is known, so that a command line for another engine is answered in words: with the
reason why not (REFUSED), with a warning (WARNED), or not at all where nothing is lost
(ACCEPTED).
"""

from __future__ import annotations

from crun_py.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

_WINDOWS = "it is for containers on Windows"
_RT = "cgroup v2 has no such controller"
_LSM = "the container is confined as whoever starts it; no profile or label is set"

REFUSED: dict[str, tuple[str, str, str]] = {
    "chrootdirs": ("list", "the hosts, hostname and resolv.conf are in the root alone", ""),
    "cpu-count": ("value", _WINDOWS, "--cpus"),
    "cpu-percent": ("value", _WINDOWS, "--cpus"),
    "cpu-rt-period": ("value", _RT, ""),
    "cpu-rt-runtime": ("value", _RT, ""),
    "hostuser": ("list", "the host's users are not copied into the image's", "--passwd-entry"),
    "io-maxbandwidth": ("value", _WINDOWS, "--device-read-bps"),
    "io-maxiops": ("value", _WINDOWS, "--device-read-iops"),
    "personality": ("value", "the execution domain stays Linux", ""),
    "use-api-socket": ("flag", "there is no API socket to hand in", ""),
}
"""option: (kind, why not, what does instead)."""

WARNED: dict[str, tuple[str, str]] = {
    "kernel-memory": ("value", "the kernel has no such limit any more"),
    "memory-swappiness": ("value", "cgroup v2 has no swappiness of its own"),
    "oom-kill-disable": ("flag", "cgroup v2 cannot switch its OOM killer off"),
}
"""option: (kind, why it has no effect)."""

ACCEPTED: dict[str, str] = {
    "disable-content-trust": "switch",
    "init-path": "value",
    "rdt-class": "value",
    "runtime": "value",
    "seccomp-policy": "value",
}

_RUNTIMES = ("", "crunpy", "crunpy-oci", "runc", "crun", "io.containerd.runc.v2")
"""Names of runtimes that make containers as we do ourselves."""
_DEFAULTS = {"isolation": ("", "default"), "volume-driver": ("", "local")}
"""Options of which one value alone is possible."""

OPTIONS = tuple(
    (f"--{name}", kind, "", "" if kind in ("flag", "switch") else "VALUE")
    for name, kind in (
        *((name, entry[0]) for name, entry in REFUSED.items()),
        *((name, entry[0]) for name, entry in WARNED.items()),
        *ACCEPTED.items(),
        *((name, "value") for name in _DEFAULTS),
    )
)
"""They have no text, so that help does not advertise them."""


OF_UPDATE = ("cpu-rt-period", "cpu-rt-runtime", "kernel-memory", "memory-swappiness")
"""What `update` of docker and podman knows of them."""


def for_update(values: Values) -> list[str]:
    """As `refuse` and `warnings`, for `update`."""
    found = []
    for name in OF_UPDATE:
        if values.given(_key(name)):
            if name in REFUSED:
                raise Unsupported(f"option --{name}: {REFUSED[name][1]}")
            found.append(f"--{name} has no effect: {WARNED[name][1]}")
    return found


def _key(name: str) -> str:
    return name.replace("-", "_")


def refuse(values: Values) -> None:
    """Raises Unsupported for the first option that cannot hold, with the reason."""
    for name, (_, why, instead) in REFUSED.items():
        if values.given(_key(name)):
            raise Unsupported(f"option --{name}: {why}", hint=instead)
    runtime = values.text("runtime")
    if runtime.rpartition("/")[2] not in _RUNTIMES:
        raise Unsupported(
            f"option --runtime {runtime}: nobody else makes containers here",
            hint="an engine that has runtimes can have crunpy-oci as one",
        )
    for name, possible in _DEFAULTS.items():
        if values.text(_key(name)) not in possible:
            raise Unsupported(f"option --{name}: only {possible[1]} is possible")


def ineffective(values: Values) -> dict[str, str]:
    """What was given of the options that have no effect, by their names."""
    found = {_key(name): values.given(_key(name)) for name in (*WARNED, *ACCEPTED)}
    return {name: ",".join(texts) for name, texts in found.items() if texts}


def warnings(values: Values) -> list[str]:
    """A line for each option that will have no effect."""
    found = [
        f"--{name} has no effect: {why}"
        for name, (_, why) in WARNED.items()
        if values.given(_key(name))
    ]
    # who names a profile counts on its confinement; who wants none loses nothing
    for text in values.texts("security_opt"):
        key, _, value = text.replace(":", "=", 1).partition("=")
        named = value not in ("unconfined", "disable", "nested")
        if named and key in ("label", "apparmor") and not _is_on(key):
            found.append(f"--security-opt {text} has no effect: {_LSM}")
    return found


def _is_on(key: str) -> bool:
    """Whether the kernel has the module of which --security-opt says something, and a policy for
    containers."""
    from crun_py.ns import apparmor, selinux

    return apparmor.enabled() if key == "apparmor" else selinux.labels_containers()
