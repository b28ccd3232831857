"""The config.json that `spec` writes: a shell in a root file system beside it."""

from __future__ import annotations

from crun_py import spec as engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import Capabilities, Spec

_SHM_BYTES = 64 << 20
_SHELL_CAPS = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]


def template(*, rootless: tuple[int, int] | None = None) -> Spec:
    """The document; rootless: the user and group id that are root inside, for a plain user."""
    sets: Capabilities = {
        "bounding": _SHELL_CAPS, "effective": _SHELL_CAPS, "permitted": _SHELL_CAPS,
        "inheritable": [], "ambient": [],
    }  # fmt: skip
    made: Spec = {
        "ociVersion": "1.2.0",
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "TERM=xterm"],
            "cwd": "/",
            "capabilities": sets,
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "crunpy",
        "mounts": engine.default_mounts(
            engine.Host(in_userns=bool(rootless), hard_nofile=1024, gid_tty=not rootless),
            _SHM_BYTES, host_network=bool(rootless), devices=True,
        ),
        "linux": {
            "namespaces": [{"type": kind} for kind in
                           ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "maskedPaths": [*engine.MASKED],
            "readonlyPaths": [*engine.READONLY],
        },
    }  # fmt: skip
    if rootless:
        linux = made["linux"]
        linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "network"]
        linux["namespaces"].append({"type": "user"})
        linux["uidMappings"] = [{"containerID": 0, "hostID": rootless[0], "size": 1}]
        linux["gidMappings"] = [{"containerID": 0, "hostID": rootless[1], "size": 1}]
    return made
