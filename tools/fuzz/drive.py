"""One Python target under atheris: drive.py TARGET SEEDS [libFuzzer's arguments]."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import atheris
import native_targets

with atheris.instrument_imports(include=["crun_py"]):
    target = importlib.import_module(f"targets.{sys.argv[1]}")

native_targets.write_seeds(target.seeds(), Path(sys.argv[2]))
words = Path(sys.argv[2]).parent / "words"
words.write_text(
    "".join(
        '"' + "".join(f"\\x{byte:02x}" for byte in token.encode("utf-8", "surrogateescape")) + '"\n'
        for token in target.TOKENS
    )
)
more = [f"-max_len={target.MOST}", *([f"-dict={words}"] if target.TOKENS else [])]
atheris.Setup([sys.argv[0], *more, *sys.argv[3:]], target.one)
atheris.Fuzz()
