"""Whose files are that a step makes: --chown, and USER for WORKDIR."""

from __future__ import annotations

from crun_py.errors import InvalidArgument
from crun_py.ns import users
from crun_py.overlay.view import LayeredView
from crun_py.quantity import is_number


def owner(text: str, trees: list[str]) -> tuple[int, int]:
    """The uid and gid that `text` (NAME|UID[:GROUP|GID]) means in the layers `trees`, base
    first.  A number without a group is the gid, too (Dockerfile reference, "COPY --chown").

    Raises InvalidArgument.
    """
    name, _, group = text.partition(":")
    users.check_text(text)
    if is_number(name) and not group:
        group = name
    if is_number(name) and is_number(group):
        return int(name), int(group)
    if not trees:
        raise InvalidArgument(f"owner {text}: there is no /etc/passwd to look it up in")
    user = users.resolve(LayeredView(trees[::-1]), f"{name}:{group}" if group else name)
    return user.uid, user.gid
