"""Work in a child process: where there is no way back from a namespace that is entered, or
where something must not take the caller down with it."""

from __future__ import annotations

import os
import sys

from crun_py import jsonfile
from crun_py.errors import CrunpyError, from_json, internal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")


class Apart:
    """A function at work in a child process; `result` waits for what it returns."""

    def __init__(
        self,
        act: Callable[[], object],
        closed: tuple[int, ...] = (),
        doing: str = "working on the container's files",
    ) -> None:
        """act: returns what JSON can say.  closed: descriptors that the child must not keep.
        doing: what errors say that have no words of their own."""
        self._doing = doing
        heard, told = os.pipe()
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            for fd in (heard, *closed):
                os.close(fd)
            _answer(told, act, doing)
        os.close(told)
        self._heard = heard

    def result(self) -> Any:
        """What the function returned; raises the CrunpyError that it raised."""
        with open(self._heard, "rb") as f:
            answer = f.read()
        os.waitpid(self._pid, 0)
        if not answer:
            raise CrunpyError(f"{self._doing}: the child process was killed")
        found = jsonfile.loads(answer)
        if "error" in found:
            raise from_json(found["error"])
        return found["value"]


def _answer(told: int, act: Callable[[], object], doing: str) -> None:
    """Runs in the child; never returns, whatever happens: it must not go on as its parent."""
    try:
        try:
            answer = {"value": act()}
        except CrunpyError as e:
            answer = {"error": e.to_json()}
        except OSError as e:
            named = f"{doing}: {e.filename}" if e.filename else doing
            answer = {"error": CrunpyError.from_os(named, e).to_json()}
        except KeyboardInterrupt:
            answer = {"error": CrunpyError("interrupted").to_json()}
        except Exception as e:
            answer = {"error": internal(e).to_json()}
        with open(told, "wb") as f:
            f.write(jsonfile.dumps(answer).encode())
    finally:
        os._exit(0)


def apart(act: Callable[[], T], doing: str = "working on the container's files") -> T:
    """What `act` returns, or raises, having run in a child process.  doing: as for Apart."""
    found: T = Apart(act, doing=doing).result()
    return found
