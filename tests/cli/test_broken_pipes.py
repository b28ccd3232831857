"""A broken pipe is our reader's end, or an error that is told."""

from __future__ import annotations

import os
import subprocess
import sys

from engine import CHECKOUT

CODE = """
import crun_py.__main__ as m, sys
from crun_py.cli import fast
def parse(words):
    raise BrokenPipeError(32, 'Broken pipe')
fast.parse = parse
sys.exit(m.main(['stop', 'x']))
"""


def test_that_of_a_monitor_is_an_error_in_words() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, cwd=CHECKOUT, timeout=60
    )
    assert done.returncode == 125
    assert done.stderr == "crunpy: error: carrying out stop: broken pipe\n"


def test_that_of_our_output_ends_us_in_silence() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", CODE], stdout=write, stderr=subprocess.PIPE, cwd=CHECKOUT, timeout=60
    )
    os.close(write)
    assert done.returncode == 141 and done.stderr == b""
