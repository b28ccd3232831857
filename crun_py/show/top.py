"""`top`: the processes of a container, as ps(1) shows them or with podman's descriptors."""

from __future__ import annotations

import os
import time

from crun_py.container import names
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.ns import caps
from crun_py.overlay.view import LayeredView
from crun_py.show import processes
from crun_py.show.processes import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.state import Container, Status


def _elapsed(seconds: float) -> str:
    """As podman has it: 1h2m3.5s."""
    total = int(seconds)
    hours, minutes, rest = total // 3600, total // 60 % 60, seconds % 60
    text = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + text


def _started(process: Process) -> str:
    began = time.localtime(time.time() - process.age_s)
    today = began[:3] == time.localtime()[:3]
    return time.strftime("%H:%M" if today else "%b%d", began)


def _terminal(process: Process) -> str:
    """The name of the controlling terminal from its device number."""
    number = process.number(7)
    major, minor = os.major(number), os.minor(number)
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    return f"tty{minor}" if major == 4 else "?"


def _percent(process: Process) -> str:
    return f"{100 * process.cpu_s / process.age_s if process.age_s > 0.01 else 0:.3f}"


def _caps(name: str) -> Callable[[Process, _Names], str]:
    def words(process: Process, _: _Names) -> str:
        mask = int(process.status.get(name, "0"), 16)
        found = [cap.removeprefix("CAP_") for cap in caps.names(mask)]
        full = len(found) == len(caps.names(-1))
        return "full" if full else ",".join(found) or "none"

    return words


class _Names:
    """User and group names of the container's own passwd(5) and group(5)."""

    def __init__(self, container: Container) -> None:
        view = names.view(container)
        self._users = self._read(view, "/etc/passwd")
        self._groups = self._read(view, "/etc/group")

    @staticmethod
    def _read(view: LayeredView, path: str) -> dict[str, str]:
        text = (view.read(path) or b"").decode("utf-8", "replace")
        rows = [line.split(":") for line in text.splitlines()]
        return {row[2]: row[0] for row in rows[::-1] if len(row) > 2}

    def user(self, uid: str) -> str:
        return self._users.get(uid, uid)

    def group(self, gid: str) -> str:
        return self._groups.get(gid, gid)


_DESCRIPTORS: dict[str, tuple[str, Callable[[Process, _Names], str]]] = {
    "args": ("COMMAND", lambda p, _: p.command),
    "comm": ("COMMAND", lambda p, _: p.name),
    "user": ("USER", lambda p, n: n.user(p.status["Uid"].split()[1])),
    "ruser": ("RUSER", lambda p, n: n.user(p.status["Uid"].split()[0])),
    "group": ("GROUP", lambda p, n: n.group(p.status["Gid"].split()[1])),
    "rgroup": ("RGROUP", lambda p, n: n.group(p.status["Gid"].split()[0])),
    "groups": ("GROUPS", lambda p, n: ",".join(map(n.group, p.status["Groups"].split()))),
    "huser": ("HUSER", lambda p, _: p.status["Uid"].split()[1]),
    "hgroup": ("HGROUP", lambda p, _: p.status["Gid"].split()[1]),
    "hgroups": ("HGROUPS", lambda p, _: ",".join(p.status["Groups"].split())),
    "pid": ("PID", lambda p, _: p.status.get("NSpid", str(p.pid)).split()[-1]),
    "hpid": ("HPID", lambda p, _: str(p.pid)),
    "ppid": ("PPID", lambda p, _: _inner_parent(p)),
    "pgid": ("PGID", lambda p, _: p.status.get("NSpgid", "?").split()[-1]),
    "pcpu": ("%CPU", lambda p, _: _percent(p)),
    "etime": ("ELAPSED", lambda p, _: _elapsed(p.age_s)),
    "time": ("TIME", lambda p, _: f"{p.cpu_s:g}s"),
    "tty": ("TTY", lambda p, _: _terminal(p)),
    "stime": ("STIME", lambda p, _: _started(p)),
    "nice": ("NI", lambda p, _: str(p.number(19))),
    "rss": ("RSS", lambda p, _: p.status.get("VmRSS", "0 kB").split()[0]),
    "vsz": ("VSZ", lambda p, _: p.status.get("VmSize", "0 kB").split()[0]),
    "state": ("STATE", lambda p, _: p.stat[0]),
    "seccomp": ("SECCOMP", lambda p, _: ("disabled", "strict", "filter")[int(p.status["Seccomp"])]),
    "label": (
        "LABEL",
        lambda p, _: processes.text(f"/proc/{p.pid}/attr/current").strip("\0\n") or "?",
    ),
    "capeff": ("EFFECTIVE CAPS", _caps("CapEff")),
    "capbnd": ("BOUNDING CAPS", _caps("CapBnd")),
    "capinh": ("INHERITED CAPS", _caps("CapInh")),
    "capprm": ("PERMITTED CAPS", _caps("CapPrm")),
    "capamb": ("AMBIENT CAPS", _caps("CapAmb")),
}
_CODES = {"%a": "args", "%c": "comm", "%C": "pcpu", "%G": "group", "%g": "rgroup", "%n": "nice",
          "%P": "ppid", "%p": "pid", "%r": "pgid", "%t": "etime", "%U": "user", "%u": "ruser",
          "%x": "time", "%y": "tty", "%z": "vsz"}  # fmt: skip


def _inner_parent(process: Process) -> str:
    """The parent's pid as the container sees it: 0 when that is outside."""
    inner = process.status.get("NSpid", "").split()
    parent = Process(process.number(4))
    ids = parent.status.get("NSpid", "").split()
    return ids[-1] if len(ids) == len(inner) and len(ids) > 1 else "0"


def descriptors(words: list[str]) -> list[str] | None:
    """Podman's format descriptors that `words` name, None when they are options of ps(1)."""
    names = [part for word in words for part in word.split(",") if part]
    found = [_CODES.get(name, name) for name in names]
    return found if all(name in _DESCRIPTORS for name in found) else None


def table(container: Container, status: Status, fields: list[str]) -> list[list[str]]:
    """`top` in podman's form: a heading and a row per process, from inside the container.

    The caller has entered the container's user namespace.
    """
    names = _Names(container)
    rows = [[_DESCRIPTORS[name][0] for name in fields]]
    for process in processes.every(container, status):
        rows.append([_DESCRIPTORS[name][1](process, names) for name in fields])
    return rows


def by_ps(container: Container, status: Status, options: list[str]) -> list[list[str]]:
    """`top` in Docker's form: the rows of the host's ps(1) that are the container's.

    Raises InvalidArgument when ps refuses the options or leaves out the pids, CrunpyError
    when it is not installed.
    """
    import subprocess

    try:
        done = subprocess.run(["ps", *options], capture_output=True, text=True, check=False)
    except FileNotFoundError as e:
        raise CrunpyError(
            "listing processes: the program ps is missing",
            hint="install procps, or name columns: crunpy top NAME user pid args",
        ) from e
    if done.returncode:
        reason = (done.stderr.strip() or "it failed").splitlines()[0]
        raise InvalidArgument(f"ps {' '.join(options)}: {reason}")
    lines = done.stdout.splitlines()
    heading = lines[0].split() if lines else []
    if "PID" not in heading:
        raise InvalidArgument(f"ps {' '.join(options)}: no PID among its columns")
    at, wanted = heading.index("PID"), set(map(str, processes.pids(container, status)))
    rows = [line.split(None, len(heading) - 1) for line in lines[1:]]
    return [heading, *(row for row in rows if len(row) > at and row[at] in wanted)]
