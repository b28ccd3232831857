"""Files of the host that a command is to see otherwise."""

from __future__ import annotations


def hidden(*pairs: tuple[str, str]) -> list[str]:
    """A wrapper in which other files lie over some: (file shown, path)."""
    script = "".join(f"mount --bind {shown} {path};" for shown, path in pairs)
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", script + 'exec "$@"', "sh"]
