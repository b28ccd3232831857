"""Where things are on disk: the two roots and what lies below them.

ROOT holds what survives a reboot (images, layers, containers, networks); RUN holds what
does not (pids, sockets): that it is gone is how a reboot is seen.
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py import caller
from crun_py.errors import CrunpyError


def default_root() -> str:
    """Where the store is when nobody says where."""
    if os.geteuid() == 0 and not in_user_namespace():
        return "/var/lib/crunpy"
    base = caller.data_home()
    return os.path.join(base, "crunpy")


def default_run() -> str:
    """The same of what a reboot may forget."""
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


def has_one_id() -> bool:
    """Whether this process is root of a user namespace with no other id (ns/user.py).  There
    setgroups(2) is denied, as a rule, and no file can get another owner."""
    try:
        with open("/proc/self/uid_map", "rb") as f:
            return f.read().split()[2:] == [b"1"]
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
    """The directories of one store; nothing is created by naming it.

    looking: whoever decides something here only wants to know it, and makes nothing for it.
    """

    __slots__ = ("looking", "root", "run")

    def __init__(
        self, root: str | None = None, run: str | None = None, *, looking: bool = False
    ) -> None:
        self.looking = looking
        self.root = os.path.abspath(root or caller.variable("CRUNPY_ROOT") or default_root())
        self.run = os.path.abspath(run or caller.variable("CRUNPY_RUNROOT") or default_run())

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
    def pods(self) -> str:
        return self.root + "/pods"

    def pod(self, pod_id: str) -> str:
        """What there is of pod `pod_id`."""
        return f"{self.root}/pods/{pod_id}"

    @property
    def run_containers(self) -> str:
        return self.run + "/containers"

    def container(self, container_id: str) -> str:
        """What survives a reboot of container `container_id`."""
        return f"{self.root}/containers/{container_id}"

    def run_container(self, container_id: str) -> str:
        """What does not survive a reboot of container `container_id`."""
        return f"{self.run}/containers/{container_id}"


def refuse_foreign(path: str, variable: str) -> None:
    """Raises CrunpyError when `path`, the root or run directory, is somebody else's to write to; an
    empty one of ours (a tmpfs that was just mounted) becomes ours alone.

    Whoever can write there says what containers may do, to a root who starts them.  variable:
    the one that names another directory.
    """
    try:
        # in /tmp anybody may have put a link in our way
        found = os.lstat(path) if path.startswith("/tmp/") else os.stat(path)
    except OSError:
        return  # it is made, or what hinders that is told then
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    open_to_others = found.st_mode & 0o022
    if ours and open_to_others and not os.listdir(path):
        os.chmod(path, found.st_mode & 0o1755)
        open_to_others = len(os.listdir(path))  # somebody was faster
    if not ours or open_to_others:
        where = f"set {variable} to a directory of your own"
        if is_new_volume(path):
            ids = f"{os.geteuid()}:{os.getegid()}"
            where = (
                f"a new volume is root's: as root chown {ids} {path}; or mkdir and chown it in the "
                f"image, before the volume's first use; or, with --user {ids}, -v VOLUME:{path}:U "
                "(podman, crunpy)"
            )
        raise CrunpyError(
            f"using directory {path}: it belongs to another user, or others may write to it",
            hint=where,
        )


def is_new_volume(path: str) -> bool:
    """Whether `path` is a directory of another user in which nothing is, and on which something is
    mounted, as a container's engine does with a new volume."""
    try:
        if os.stat(path).st_uid == os.geteuid() or os.listdir(path):
            return False
    except OSError:
        return False
    # by mountinfo, as os.path.ismount does not see a bind of the same file system
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        points = [line.split()[4] for line in f]
    return os.path.realpath(path).replace(" ", "\\040") in points


def check_possible(path: str) -> None:
    """Raises CrunpyError, as `private_dir` would, when `path` is not there and cannot be made."""
    there = path
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if there != path and not os.access(there, os.W_OK | os.X_OK):
        raise _not_made(path, PermissionError(errno.EACCES, ""))


def _not_made(path: str, error: OSError) -> CrunpyError:
    home = caller.home()
    hint = "choose a store with --root and --runroot"
    if path.startswith(f"{home.rstrip('/')}/.") and not os.access(home, os.W_OK | os.X_OK):
        hint = (
            f"the home directory, {home}, is not yours to write to: set HOME, XDG_DATA_HOME or "
            "CRUNPY_ROOT (--root) to a directory that is"
        )
    return CrunpyError.from_os(f"creating directory {path}", error, hint=hint)


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
        raise _not_made(path, e) from e
    return path


def host_uid() -> int:
    """Our user on the host, whom we are root for in a user namespace of his own."""
    uid = os.geteuid()
    with open("/proc/self/uid_map", encoding="ascii") as f:
        for line in f:
            inside, outside, count = map(int, line.split())
            if inside <= uid < inside + count:
                return outside + uid - inside
    return uid
