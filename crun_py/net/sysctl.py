"""/proc/sys/net of the current network namespace."""

from __future__ import annotations

from crun_py.errors import Unsupported

_TOP = "/proc/sys/net/"


def read(name: str) -> str:
    """The setting NAME, "" where there is none.  Raises OSError."""
    try:
        with open(_TOP + name, encoding="ascii") as f:
            return f.read().strip()
    except FileNotFoundError:
        return ""


def write(name: str, value: str, *, absent_ok: bool = False) -> None:
    """Set NAME, unless it has the value.  Raises Unsupported."""
    path = _TOP + name
    try:
        with open(path, encoding="ascii") as f:
            if f.read().strip() == value:
                return
        with open(path, "w", encoding="ascii") as f:
            f.write(value)
    except FileNotFoundError:
        if not absent_ok:
            raise
    except OSError as e:
        raise Unsupported.from_os(
            f"writing {value} to {path}",
            e,
            hint=f"set it from outside: sysctl -w net.{name.replace('/', '.')}={value}",
        ) from e
