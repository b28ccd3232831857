"""Who the command runs as: docker's USER strings against the image's passwd and group.

A name of digits only is always a number, never looked up (CVE-2026-46680); lines that do
not parse are passed over.  passwd(5), group(5).
"""

from __future__ import annotations

from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.overlay.view import LayeredView

_MAX_ID = (1 << 32) - 2


class User:
    """uid, gid, supplementary gids (the primary one among them) and home directory."""

    __slots__ = ("gid", "gids", "home", "uid")

    def __init__(self, uid: int, gid: int, gids: list[int], home: str) -> None:
        self.uid, self.gid, self.gids, self.home = uid, gid, gids, home


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    value = int(text) if len(text) <= 10 else _MAX_ID + 1
    if value > _MAX_ID:
        raise InvalidArgument(f"user or group id {text}: larger than {_MAX_ID}")
    return value


def _lines(data: bytes | None, fields: int) -> list[list[str]]:
    text = (data or b"").decode("utf-8", "surrogateescape")
    rows = (line.split(":") for line in text.split("\n") if line and line[0] != "#")
    return [row for row in rows if len(row) >= fields and row[2].isascii() and row[2].isdigit()]


def resolve(view: LayeredView, text: str, extra_groups: list[str] | None = None) -> User:
    """The user that `text` ("", "name", "uid", "user:group") means in the container `view`.

    extra_groups: names or numbers of --group-add.  Raises InvalidArgument for names that
    the container does not have.
    """
    name, _, group = text.partition(":")
    passwd = _lines(view.read("/etc/passwd"), 6)
    groups: list[list[str]] = []
    if group or extra_groups or (name and name not in ("0", "root")):
        groups = _lines(view.read("/etc/group"), 4)
    uid = _number(name) if name else 0
    row = next(
        (r for r in passwd if (r[0] == name if uid is None else int(r[2]) == uid)),
        None,
    )
    if uid is None:
        if row is None:
            raise InvalidArgument(
                f"user {name}: no such user in the image's /etc/passwd", hint="give a numeric id"
            )
        uid = int(row[2])
    gid = int(row[3]) if row and row[3].isdigit() else 0
    gids: list[int] = []
    if group:
        gid = _group(groups, group)
    elif row:
        gids = [int(g[2]) for g in groups if row[0] in g[3].split(",")]
    gids += [_group(groups, extra) for extra in extra_groups or []]
    return User(uid, gid, sorted({gid, *gids}), (row[5] if row else "") or "/")


def _group(rows: list[list[str]], name: str) -> int:
    number = _number(name)
    if number is not None:
        return number
    for row in rows:
        if row[0] == name:
            return int(row[2])
    raise InvalidArgument(
        f"group {name}: no such group in the image's /etc/group", hint="give a numeric id"
    )
