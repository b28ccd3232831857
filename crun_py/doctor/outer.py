"""The engine of a container that this machine is: its name, and how it is told what to allow.

What is to be allowed is said in the options of docker and podman; Kubernetes' words for them are
fields of a container in a manifest.
"""

from __future__ import annotations

from crun_py import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

KUBERNETES = "Kubernetes"

_MOUNTED = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""What each engine puts over the image's in a container."""
_OF_KUBELET = ("/dev/termination-log", "/run/secrets/kubernetes.io/serviceaccount",
               "/var/run/secrets/kubernetes.io/serviceaccount")  # fmt: skip


def name(points: Collection[str], exists: Callable[[str], bool]) -> str:
    """crunpy, docker, podman, Kubernetes, or "" where it is none that is known.

    points: where something is mounted.  A machine whose disk was made of an image has the engine's
    mark, too, but not its mounts.
    """
    if not any(point in points for point in _MOUNTED):
        return ""
    if caller.variable("KUBERNETES_SERVICE_HOST") or any(p in points for p in _OF_KUBELET):
        return KUBERNETES
    docker, podman = exists("/.dockerenv"), exists("/run/.containerenv")
    if docker and podman:
        return "crunpy"
    return "docker" if docker else "podman" if podman else ""


def command(engine: str, options: Iterable[str]) -> str:
    """How a container is made with further options."""
    if engine == KUBERNETES:
        return _fields(options)
    return f"{engine} run {' '.join(options)}"


def advice(engine: str, options: Iterable[str]) -> str:
    """The same in a sentence."""
    if engine == KUBERNETES:
        return f"this is a container of Kubernetes: its manifest wants {_fields(options)}"
    return f"this is a container: start it with {command(engine, options)}"


def _fields(options: Iterable[str]) -> str:
    """The fields of a container (core/v1 Container) that mean these options."""
    added, security, mounts = [], [], []
    for option in options:
        word, _, value = option.partition(" ")
        if word == "--cap-add":
            added.append(value)
        elif value == "seccomp=unconfined":
            security.append("seccompProfile: {type: Unconfined}")
        elif value == "apparmor=unconfined":
            security.append("appArmorProfile: {type: Unconfined}")
        elif value.startswith("unmask="):
            security.append("procMount: Unmasked")
        elif word == "-v":
            volume, _, path = value.partition(":")
            mounts.append(f"{{name: {volume}, mountPath: {path}}}")
        else:  # a device is for those alone who may all
            security.append("privileged: true")
    if added:
        security.insert(0, f"capabilities: {{add: [{', '.join(added)}]}}")
    if "privileged: true" in security:
        security = ["privileged: true"]
    found = [f"securityContext: {{{', '.join(security)}}}"] if security else []
    found += [f"volumeMounts: [{', '.join(mounts)}]"] if mounts else []
    return ", ".join(found)
