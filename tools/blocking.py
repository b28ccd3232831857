#!/usr/bin/env python3
"""Write crun_py/blocking: crun_py/aio without its async and await.

The library has two faces and one code, that of crun_py/aio; what waits for itself is in the two
modules called _io, which are written by hand.  tests/library/test_public.py looks whether what
lies there is what this writes.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SOURCE, TARGET = TOP / "crun_py" / "aio", TOP / "crun_py" / "blocking"
BY_HAND = "_io.py"
NOTE = "# Written by tools/blocking.py from crun_py/aio: change it there.\n\n"
WORDS = {
    "for asyncio: the names of `crun_py`, to be awaited.": "for threads, or none.",
    "crun_py.aio": "crun_py.blocking",
    "channel_async": "channel",
    "AsyncWorker": "Worker",
    "AsyncStream": "Stream",
    "AsyncIterator": "Iterator",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__anext__": "__next__",
    "StopAsyncIteration": "StopIteration",
    "aclose": "close",
}


def blocking(text: str) -> str:
    """The same without waiting for anything."""
    for word, other in WORDS.items():
        text = text.replace(word, other)
    text = re.sub(r"\basync (def|with|for)\b", r"\1", text)
    return re.sub(r"\bawait ", "", text)


def written(source: Path) -> str:
    """What belongs into TARGET for a module of SOURCE, formatted."""
    text = NOTE + blocking(source.read_text())
    for words in (["check", "--select", "I", "--fix-only"], ["format"]):
        name = f"--stdin-filename={TARGET / source.name}"
        command = [sys.executable, "-m", "ruff", *words, "-q", name, "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        text = done.stdout
    return text


def main() -> None:
    for source in sorted(SOURCE.glob("*.py")):
        if source.name != BY_HAND:
            (TARGET / source.name).write_text(written(source))


if __name__ == "__main__":
    main()
