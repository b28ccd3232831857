"""Lists as podman's JSON, for programs that run podman: where a link to us is called podman, or
CRUNPY_AS=podman."""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.cli.output import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def wrote(found: Callable[[], object]) -> bool:
    """Whether `--format json` means podman's document here, which `found` makes and which is
    written then."""
    if os.environ.get("CRUNPY_AS") != "podman":
        return False
    write(jsonfile.dumps(found(), indent=4))
    return True
