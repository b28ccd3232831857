"""The very pids of a container that was killed are now those of strangers: nobody is signalled.

In a pid namespace of its own the next pid can be chosen (ns_last_pid), so that each pid that the
store has noted, of the monitor, the first process and the network's programs, is given again.
"""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest
from engine import Engine
from pid_machine import machine, strangers_live


@pytest.mark.parametrize("network", ["none", ""])
def test_strangers_live(engine: Engine, network: str) -> None:
    options = ("--network", network) if network else ()
    assert strangers_live(engine, *options)


def test_pids_of_another_namespace(engine: Engine) -> None:
    """What was noted in a pid namespace means nothing outside: a process of that pid there is
    another one, and stays."""
    with machine() as where:
        container_id = engine.ok("run", "-d", "--name", "c", "--network", "none", "busybox",
                                 "sleep", "1000", wrap=where.wrap)  # fmt: skip
        file = engine.status_file(container_id)
        noted = json.loads(file.read_text())
        time.sleep(0.05)  # a process is known by its pid and the tick in which it began
        stranger = subprocess.Popen(["sleep", "7777"])
        try:
            changed = noted | {"pid": stranger.pid, "monitor_pid": stranger.pid}
            file.write_text(json.dumps(changed))
            for words in (("ps", "-a"), ("kill", "c"), ("stop", "-t0", "c")):
                assert "Traceback" not in engine.run(*words, timeout=20).err
            assert stranger.poll() is None and os.path.exists(f"/proc/{stranger.pid}")
            file.write_text(json.dumps(noted))
            engine.ok("rm", "-f", "-t0", "c", wrap=where.wrap)
        finally:
            stranger.kill()
            stranger.wait()
