"""A pid namespace in which the next pid can be chosen (ns_last_pid), to give pids again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import Engine, wait_for


class Machine:
    """A pid namespace.  wrap: what runs a command in it."""

    def __init__(self, holder: int) -> None:
        self.wrap = ["nsenter", f"--pid=/proc/{holder}/ns/pid", f"--mount=/proc/{holder}/ns/mnt"]

    def sh(self, script: str) -> str:
        command = [*self.wrap, "sh", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def commands(self) -> dict[int, str]:
        """Every process but the first and the one that looks, by its pid."""
        rows = self.sh("ps -eo pid=,ppid=,args=").splitlines()
        found = {int(row.split()[0]): row.split(None, 2)[2] for row in rows}
        return {pid: args for pid, args in found.items() if pid > 1 and "ps -eo" not in args}

    def give(self, pid: int) -> None:
        """Make `pid` that of a new process."""
        script = (
            f"echo {pid - 1} > /proc/sys/kernel/ns_last_pid; sleep 7777 >/dev/null 2>&1 & echo $!; "
            f"[ $! = {pid} ] || kill $!"  # it may be the next one's
        )
        wait_for(lambda: int(self.sh(script)) == pid, timeout_s=5)


_FIRST = """import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps then
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""


@contextmanager
def machine() -> Iterator[Machine]:
    holder = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "slave",
         "--mount-proc", sys.executable, "-c", _FIRST],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout and holder.stdout.readline() == b"1\n"
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text()
        yield Machine(int(children))
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout:
            holder.stdout.close()


def strangers_live(engine: Engine, *options: str) -> int:
    """Kill a container (`run` with `options`) and all that it has, give its pids to strangers and
    let each command see it: nobody is signalled.  The number of pids given again."""
    given = 0
    with machine() as where:
        for verb in (("rm", "-f", "-t0", "c"), ("stop", "-t0", "c"), ("start", "c")):
            engine.ok("run", "-d", "--name", "c", *options, "busybox", "sleep", "1000",
                      wrap=where.wrap)  # fmt: skip
            [container_id] = [p.name for p in (engine.run_root / "containers").iterdir()]
            noted = json.loads(engine.status_file(container_id).read_text())
            ours = where.commands()
            assert {noted["pid"], noted["monitor_pid"]} <= ours.keys()
            for pid in ours:
                where.sh(f"kill -9 {pid} || true")
            wait_for(lambda ours=ours: not ours.keys() & where.commands().keys())
            for pid in ours:
                where.give(pid)
            given += len(ours)
            strangers = where.commands()
            assert strangers.keys() >= ours.keys() and {*strangers.values()} == {"sleep 7777"}
            assert json.loads(engine.status_file(container_id).read_text()) == noted
            for words in (("ps", "-a"), ("inspect", "c"), ("kill", "c"), ("pause", "c"),
                          ("exec", "c", "true"), ("top", "c"), ("wait", "c"), verb,
                          ("rm", "-f", "-t0", "c")):  # fmt: skip
                done = engine.run(*words, wrap=where.wrap, timeout=20)
                assert "Traceback" not in done.err and "internal" not in done.err, done
                if words[:1] == ("ps",):
                    assert "Exited" in done.out, done
                seen = where.commands()
                assert {p: a for p, a in seen.items() if p in strangers} == strangers, words
            where.sh("kill -9 " + " ".join(map(str, strangers)))
            wait_for(lambda strangers=strangers: not strangers.keys() & where.commands().keys())
            assert engine.run("ps", "-aq", wrap=where.wrap).out == ""
    return given
