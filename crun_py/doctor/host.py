"""The machine that is looked at: its files, below a directory that a test can make."""

from __future__ import annotations

import os

from crun_py import caller
from crun_py.doctor import outer
from crun_py.model.system import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

OK, WARNING, ERROR = "ok", "warning", "error"

_PACKAGERS = (
    ("/usr/bin/apt-get", "apt-get install -y", 0),
    ("/usr/bin/dnf", "dnf install -y", 1),
    ("/usr/bin/yum", "yum install -y", 1),
    ("/usr/bin/zypper", "zypper install -y", 1),
    ("/usr/bin/pacman", "pacman -S --noconfirm", 1),
    ("/sbin/apk", "apk add", 2),
)
"""Program, its words for installing, and which of the names of a package it knows."""


class Host:
    """A machine, and who asks.

    top: the directory that is its root, "" for this machine.  uid: of the user that containers are
    to be run as; name: that one's.  store: the directory of images and containers.
    """

    def __init__(
        self, top: str = "", *, uid: int = 0, name: str = "root", store: str = "/var/lib/crunpy"
    ) -> None:
        self.top, self.uid, self.name, self.store = top, uid, name, store

    @property
    def rootless(self) -> bool:
        """Whether containers are a plain user's."""
        return self.uid != 0

    def path(self, path: str) -> str:
        """Where an absolute path of the machine is."""
        return self.top + path

    def text(self, path: str) -> str:
        """What a file says, without white space around; "" when it is not there or not for us."""
        try:
            with open(self.path(path), encoding="utf-8", errors="replace") as f:
                return f.read().strip()
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        return os.path.exists(self.path(path))

    def lines(self, path: str) -> Iterator[str]:
        """The lines of a settings file that are neither empty nor comments."""
        for line in self.text(path).splitlines():
            if (found := line.strip()) and found[0] not in "#;":
                yield found

    def program(self, name: str) -> str:
        """The path of a program, "" when it is not installed."""
        own = caller.variable("PATH").split(":") if not self.top else []
        for directory in (*own, "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"):
            if directory and os.access(self.path(f"{directory}/{name}"), os.X_OK):
                return f"{directory}/{name}"
        return ""

    def install(self, debian: str, fedora: str = "", alpine: str = "") -> str:
        """The command that installs a package, by the names that it has; "" on a machine whose
        way of installing is not known."""
        names = (debian, fedora or debian, alpine or fedora or debian)
        for program, words, which in _PACKAGERS:
            if self.exists(program):
                return f"{words} {names[which]}"
        return ""

    def mounts(self) -> Iterator[tuple[str, list[str]]]:
        """Where something is mounted, and its options (proc_pid_mountinfo(5))."""
        for line in self.lines("/proc/self/mountinfo"):
            _, _, _, _, point, options, *_ = line.split()
            yield point, options.split(",")

    @property
    def outer(self) -> str:
        """The engine of the container that this is, as `outer.name` knows it."""
        return outer.name([point for point, _ in self.mounts()], self.exists)

    def outside(self, *options: str) -> str:
        """What the engine of the container that this is must be told, by these options of run."""
        found = outer.command(self.outer, options)
        return found if self.outer == outer.KUBERNETES else f"{found} …"

    def ok(self, name: str, message: str) -> Finding:
        """It works."""
        return Finding(name=name, status=OK, message=message)

    def warning(self, name: str, message: str, fix: str = "", *, machine: bool = False) -> Finding:
        """Something that not everybody needs does not work.

        machine: the command is for the machine, not for a container that this may be."""
        return self._wrong(WARNING, name, message, fix, machine=machine)

    def error(self, name: str, message: str, fix: str = "", *, machine: bool = False) -> Finding:
        """Containers do not run, or not as they should.  machine: as of `warning`."""
        return self._wrong(ERROR, name, message, fix, machine=machine)

    def _wrong(self, status: str, name: str, message: str, fix: str, *, machine: bool) -> Finding:
        outside = bool(fix) and machine and bool(self.outer)
        return Finding(name=name, status=status, message=message, fix=fix, outside=outside)


def setting(name: str, value: str) -> str:
    """The command that sets a sysctl now and for all boots to come."""
    return (
        f"sysctl -w {name}={value} && echo '{name} = {value}' >> /etc/sysctl.d/90-containers.conf"
    )


def module(*names: str) -> str:
    """The command that loads kernel modules now and at all boots to come."""
    lines = "\\n".join(names)
    file = f"/etc/modules-load.d/{names[0]}.conf"
    return f"modprobe -a {' '.join(names)} && printf '{lines}\\n' > {file}"
