"""Where things are on disk: the two roots and what lies below them.

ROOT holds what survives a reboot (images, layers, containers, networks); RUN holds what
does not (pids, sockets): that it is gone is how a reboot is seen.
"""

from __future__ import annotations

import os
import stat

from crun_py import caller
from crun_py.errors import CrunpyError


def _default_root() -> str:
    if os.geteuid() == 0 and not in_user_namespace():
        return "/var/lib/crunpy"
    base = caller.data_home()
    return os.path.join(base, "crunpy")


def _default_run() -> str:
    if os.geteuid() == 0 and not in_user_namespace():
        return "/run/crunpy"
    base = caller.variable("XDG_RUNTIME_DIR")
    if base and os.access(base, os.W_OK):
        return os.path.join(base, "crunpy")
    # a session without a user manager (su, cron, CI) has no XDG_RUNTIME_DIR
    return f"/tmp/crunpy-run-{os.getuid()}"


def in_user_namespace() -> bool:
    """Whether this process is in a user namespace other than the initial one."""
    try:
        with open("/proc/self/uid_map", "rb") as f:
            return f.read().split() != [b"0", b"0", b"4294967295"]
    except OSError:
        return False


def configuration() -> list[str]:
    """The files of containers.conf(5) that count here, the most important last.

    A plain user's own ones come after the machine's; CONTAINERS_CONF names one instead of all,
    CONTAINERS_CONF_OVERRIDE one after all.
    """
    found = []
    if only := caller.variable("CONTAINERS_CONF"):
        found = [] if only == os.devnull else [only]
    else:
        tops = ["/etc/containers"]
        if os.geteuid() != 0 or in_user_namespace():
            base = caller.config_home()
            tops.append(base + "/containers")
        for top in tops:
            if os.path.exists(top + "/containers.conf"):
                found.append(top + "/containers.conf")
            try:
                names = sorted(os.listdir(top + "/containers.conf.d"))
            except OSError:
                continue
            found += [f"{top}/containers.conf.d/{n}" for n in names if n.endswith(".conf")]
    last = caller.variable("CONTAINERS_CONF_OVERRIDE")
    return [*found, last] if last else found


class Paths:
    """The directories of one store; nothing is created by naming it."""

    __slots__ = ("root", "run")

    def __init__(self, root: str | None = None, run: str | None = None) -> None:
        self.root = os.path.abspath(root or caller.variable("CRUNPY_ROOT") or _default_root())
        self.run = os.path.abspath(run or caller.variable("CRUNPY_RUNROOT") or _default_run())

    @property
    def images(self) -> str:
        """The OCI image layout."""
        return self.root + "/images"

    @property
    def layers(self) -> str:
        """Unpacked layers, one directory per chain id."""
        return self.root + "/layers"

    @property
    def networks(self) -> str:
        return self.root + "/networks"

    @property
    def volumes(self) -> str:
        return self.root + "/volumes"

    @property
    def containers(self) -> str:
        return self.root + "/containers"

    @property
    def run_containers(self) -> str:
        return self.run + "/containers"

    def container(self, container_id: str) -> str:
        """What survives a reboot of container `container_id`."""
        return f"{self.root}/containers/{container_id}"

    def run_container(self, container_id: str) -> str:
        """What does not survive a reboot of container `container_id`."""
        return f"{self.run}/containers/{container_id}"


def refuse_foreign(path: str) -> None:
    """Raises CrunpyError when `path`, a run directory in /tmp, was made by somebody else.

    Whoever owns it could put files of his own there, or read ours.
    """
    if not path.startswith("/tmp/"):
        return
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise CrunpyError(
            f"using directory {path}: it belongs to another user, or others may write to it",
            hint="set CRUNPY_RUNROOT to a directory of your own",
        )


def private_dir(path: str) -> str:
    """Create `path` and its parents with mode 0700 unless they exist; return `path`.

    The umask of the caller does not matter (CVE-2021-41091: others must not reach setuid
    files in the store).  Raises CrunpyError.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return path
    except FileNotFoundError:
        private_dir(os.path.dirname(path))
        return private_dir(path)
    except OSError as e:
        raise CrunpyError.from_os(
            f"creating directory {path}", e, hint="choose a store with --root and --runroot"
        ) from e
    return path
