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
"""(uid_t)-1 means "leave as it is" to chown(2) and setresuid(2)."""


class User:
    """uid, gid, supplementary gids (the primary one among them) and home directory."""

    __slots__ = ("gid", "gids", "home", "uid")

    def __init__(self, uid: int, gid: int, gids: list[int], home: str) -> None:
        self.uid, self.gid, self.gids, self.home = uid, gid, gids, home


def _value(digits: str) -> int:
    """A number that may be too large, whatever its length is."""
    plain = digits.lstrip("0")
    return int(plain or "0") if len(plain) <= 10 else _MAX_ID + 1


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _number(text: str) -> int | None:
    if not _is_digits(text):
        return None
    if _value(text) > _MAX_ID:
        raise InvalidArgument(f"user or group id {text[:40]}: larger than {_MAX_ID}")
    return _value(text)


def check_text(text: str) -> None:
    """Raises InvalidArgument for a user that no container can have."""
    name, _, group = text.partition(":")
    for part in (name, group):
        _number(part)
        if part and (part[0] in "-+" or not part.isprintable() or "/" in part or ":" in part):
            raise InvalidArgument(f"user {text[:40]!r}: not NAME|UID[:GROUP|GID]")
        if part.isdigit() and not part.isascii():
            raise InvalidArgument(f"user {text[:40]!r}: not a number")


def _lines(data: bytes | None, fields: int) -> list[list[str]]:
    text = (data or b"").decode("utf-8", "surrogateescape")
    rows = (line.split(":") for line in text.split("\n") if line and line[0] != "#")
    return [row for row in rows if len(row) >= fields and _is_digits(row[2])]


def _id(text: str, file: str, name: str) -> int:
    """A number of a line of `file` that is used.  Raises InvalidArgument."""
    if not _is_digits(text) or _value(text) > _MAX_ID:
        raise InvalidArgument(
            f"user {name}: the container's {file} has an id that is none: {text[:40]!r}",
            hint=f"ids are 0 to {_MAX_ID}",
        )
    return _value(text)


def resolve(view: LayeredView, text: str, extra_groups: list[str] | None = None) -> User:
    """The user that `text` ("", "name", "uid", "user:group") means in the container `view`.

    extra_groups: names or numbers of --group-add.  Raises InvalidArgument for names that
    the container does not have, and for what is none, though its files have such a line.
    """
    check_text(text)
    name, _, group = text.partition(":")
    passwd = _lines(view.read("/etc/passwd"), 6)
    groups: list[list[str]] = []
    if group or extra_groups or (name and name not in ("0", "root")):
        groups = _lines(view.read("/etc/group"), 4)
    uid = _number(name) if name else 0
    row = next(
        (r for r in passwd if (r[0] == name if uid is None else _value(r[2]) == uid)),
        None,
    )
    if uid is None:
        if row is None:
            raise InvalidArgument(
                f"user {name}: no such user in the image's /etc/passwd", hint="give a numeric id"
            )
        uid = _id(row[2], "/etc/passwd", name)
    gid = _id(row[3], "/etc/passwd", row[0]) if row else 0
    gids: list[int] = []
    if group:
        gid = _group(groups, group)
    elif row:
        gids = [_id(g[2], "/etc/group", g[0]) for g in groups if row[0] in g[3].split(",")]
    gids += [_group(groups, extra) for extra in extra_groups or []]
    return User(uid, gid, sorted({gid, *gids}), (row[5] if row else "") or "/")


def entries(
    view: LayeredView, user: User, name: str, lines: tuple[str, str] = ("", "")
) -> dict[str, bytes]:
    """passwd and group of the container with entries for `user`, where it lacks them: then
    programs like ssh, git and whoami find a name.  By file name; empty: there is nothing to add.

    name: "" for the number.  lines: others for the two files, with $USERNAME, $UID, $GID,
    $NAME, $HOME and $GROUPNAME, podman-run(1), --passwd-entry and --group-entry.
    """
    if user.uid == 0 and user.gid == 0:
        return {}
    passwd, group = view.read("/etc/passwd"), view.read("/etc/group")
    words = {
        "$USERNAME": name or str(user.uid),
        "$GROUPNAME": name or str(user.gid),
        "$NAME": "container user",
        "$HOME": user.home,
        "$UID": str(user.uid),
        "$GID": str(user.gid),
    }
    usual = ("$USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh", "$GROUPNAME:x:$GID:$USERNAME")
    found = {}
    for file, data, fields, number, line, own in (
        ("passwd", passwd, 6, user.uid, usual[0], lines[0]),
        ("group", group, 4, user.gid, usual[1], lines[1]),
    ):
        there = any(_value(row[2]) == number for row in _lines(data, fields))
        if data is None or number == 0 or there:
            continue
        text = own or line
        for word, value in words.items():
            text = text.replace(word, value)
        end = b"" if data.endswith(b"\n") or not data else b"\n"
        found[file] = data + end + text.encode("utf-8", "surrogateescape") + b"\n"
    return found


def _group(rows: list[list[str]], name: str) -> int:
    number = _number(name)
    if number is not None:
        return number
    for row in rows:
        if row[0] == name:
            return _id(row[2], "/etc/group", name)
    raise InvalidArgument(
        f"group {name}: no such group in the image's /etc/group", hint="give a numeric id"
    )
