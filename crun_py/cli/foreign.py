"""Commands of docker and podman that are not here: what to do instead."""

from __future__ import annotations

_CLUSTER = "one machine is run from here; for several, Kubernetes"
_DESKTOP = "a service of Docker's, not of an engine"

FOREIGN: dict[str, tuple[str, str]] = {
    "machine": ("no virtual machine is needed on Linux", "run the commands here"),
    "farm": ("builds are made on one machine", "ssh HOST crunpy build"),
    "swarm": ("there are no clusters", _CLUSTER),
    "stack": ("there are no clusters", "crunpy compose"),
    "service": ("there are no clusters", "crunpy run --restart always"),
    "node": ("there are no clusters", _CLUSTER),
    "config": ("there are no clusters", "a bind mount, or crunpy secret"),
    "plugin": ("there are no plugins", "drivers of networks and volumes are built in"),
    "checkpoint": ("containers are not frozen to disk", "crunpy pause, or crunpy commit"),
    "container checkpoint": ("containers are not frozen to disk", "crunpy pause, crunpy commit"),
    "container restore": ("containers are not frozen to disk", "crunpy unpause, crunpy start"),
    "explain build": ("a build tells by itself", "crunpy build --dry-run"),
    "explain rm": ("it tells by itself", "crunpy rm --dry-run"),
    "explain rmi": ("it tells by itself", "crunpy rmi --dry-run"),
    "explain start": ("what is there is told by another command", "crunpy inspect"),
    "container clone": ("containers are not cloned", "crunpy commit, and crunpy run of the image"),
    "container runlabel": ("labels are not run", "crunpy inspect shows them"),
    "trust": ("signatures are not looked at", "cosign verify, or pull by digest"),
    "image trust": ("signatures are not looked at", "cosign verify, or pull by digest"),
    "image sign": ("signatures are not made", "cosign sign"),
    "image scp": ("images are not copied to other hosts", "crunpy save X | ssh HOST crunpy load"),
    "artifact": ("only images are kept", "oras, or FROM scratch and COPY"),
    "buildx bake": ("bake files are not read", "crunpy compose build, or crunpy build"),
    "buildx imagetools": ("images are looked at by other commands", "crunpy manifest inspect"),
    "scout": (_DESKTOP, "trivy, grype"),
    "sbom": (_DESKTOP, "syft"),
    "desktop": (_DESKTOP, ""),
    "model": (_DESKTOP, ""),
    "mcp": (_DESKTOP, ""),
    "ai": (_DESKTOP, ""),
    "offload": (_DESKTOP, ""),
}  # fmt: skip
"""command: (why it is not here, what to do instead)."""
