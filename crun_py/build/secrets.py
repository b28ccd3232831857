"""--secret: what RUN --mount=type=secret shows."""

from __future__ import annotations

from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@record
class Secret:
    """source: a file; env: a variable; neither: the variable or else the file called `id`."""

    id: str
    source: str = ""
    env: str = ""


def parse(text: str) -> Secret:
    """The secret that `--secret=text` gives."""
    raise NotImplementedError


def content(secret: Secret, environment: Mapping[str, str]) -> bytes:
    """What is secret."""
    raise NotImplementedError
