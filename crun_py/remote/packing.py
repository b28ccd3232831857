"""An archive that is sent while it is made."""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIECE = 256 << 10


def packed(pack: Callable[[Callable[[bytes], object]], None]) -> Iterator[bytes]:
    """What `pack` writes with the function that it is given, piece by piece; it runs in a thread.
    Raises what it raises, instead of an end: so nobody takes a part for the whole."""
    read, write = os.pipe()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with open(write, "wb", buffering=_PIECE) as out:
                pack(out.write)
        except BrokenPipeError:
            return  # whoever reads has seen enough
        except BaseException as e:
            failed.append(e)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while data := os.read(read, _PIECE):
            yield data
    finally:
        os.close(read)
        thread.join()
    if failed:
        raise failed[0]
