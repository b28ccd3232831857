"""A store on the disk of a virtual machine whose power is cut: QEMU is killed, so that what the
guest had not written through is gone, and the machine is booted again on the same disk.

What a command has been told to be done before the cut must be there afterwards, the rest may be or
not; the store must be whole.
"""

from __future__ import annotations

import random
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path

from images import ARCHITECTURE, busybox_tar
from machine import COMMAND, VM_RUN
from oci_images import TestImage, entry, tar
from scripted import noise

DISK_MIB = 768
IMAGES = 4
BOOT_S = 240
"""A guest that has not come so far by then hangs."""
READY = "== ready"
_CHECK = """
echo '== check'; $crunpy system check | grep -v '^leftover '
echo '== empty'; find /disk/root -name '*.json' -size 0 | while read f; do
  [ -h "${f%/*}/transient" ] || echo "$f"; done  # of --rm: it is swept below
echo '== images'; $crunpy images --format '{{.Repository}}'
echo '== containers'; $crunpy ps -a --format '{{.Names}} {{.State}}'
$crunpy rm -f checked >/dev/null  # that of the last boot, whose removal may have been lost
echo '== run'; $crunpy run --name checked --network none busybox echo runs
echo '== swept'; $crunpy ps -a --format '{{.Names}} {{.State}}'
"""


class Machine:
    """One disk and what the store on it must have.

    work: where its files are, below the host's root file system.  cuts: how many there were.
    """

    def __init__(self, work: Path, chance: random.Random) -> None:
        self.work, self.chance = work, chance
        self.images: set[str] = set()
        self.containers: set[str] = set()
        self.cuts = self.done = self._made = 0
        self.disk = work / "disk"
        with self.disk.open("wb") as file:
            file.truncate(DISK_MIB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.disk], check=True)
        base = busybox_tar()
        TestImage(base, architecture=ARCHITECTURE).write_layout(work / "busybox")
        for n in range(IMAGES):
            layer = tar(*(entry(f"f{i}", noise(30_000, n * 100 + i)) for i in range(50)))
            TestImage(base, layer, architecture=ARCHITECTURE).write_layout(work / f"i{n}")

    def cut(self, longest_s: float) -> list[str]:
        """Boot, look at the store, change it, and cut the power at a moment within `longest_s`
        from then on.  What is wrong with the store."""
        begin = _CHECK if self.cuts else self._first()
        moment = self.chance.uniform(0.1, longest_s)
        lines = self._boot(f"{begin}echo '{READY}'\n{self._work()}", moment)
        at = lines.index(READY) if READY in lines else len(lines)
        faults = self._wrong(lines[:at]) if self.cuts else []
        if at == len(lines):
            faults.append(f"not ready: {lines[-5:]}")
        self._note(lines[at + 1 :])
        self.cuts += 1
        return faults

    def look(self) -> list[str]:
        """Boot and look alone."""
        return self._wrong(self._boot(f"{_CHECK}echo '{READY}'", 0))

    # ---- in the guest ----

    def _first(self) -> str:
        pull = f"$crunpy pull -q oci:{self.work}/busybox:latest"
        return f"{pull} >/id && $crunpy tag $(cat /id) busybox\n"

    def _work(self) -> str:
        """Commands in random order, each of which says when it is begun and done."""
        lines = []
        for _ in range(30):
            self._made += 1
            name, n = f"c{self._made}", self.chance.randrange(IMAGES)
            some = self.chance.choice(sorted(self.containers) or [name])
            run = f"--name {name} --network none busybox sh -c 'echo x > /file; sleep 1000'"
            pull = f"pull -q oci:{self.work}/i{n}:latest"
            lines.append(self.chance.choice([
                f"$crunpy create {run} >/id && echo container {name}",
                f"$crunpy run -d {run} >/id && echo container {name}",
                f"$crunpy run -d --rm --name gone-{name} --network none busybox sleep 1000",
                f"$crunpy create --rm --name gone-{name} --network none busybox true",
                f"$crunpy start {some} && echo started",
                f"$crunpy commit -q {some} made{self._made} && echo image made{self._made}",
                f"$crunpy {pull} >/id && $crunpy tag $(cat /id) pulled{n} && "
                f"echo image pulled{n}",
                f"echo removing {some}; $crunpy rm -f -t 0 {some}",
                f"echo unnamed pulled{n}; $crunpy rmi -f pulled{n}",
            ]))  # fmt: skip
        return "\n".join(lines) + "\nsleep 1000\n"

    def _boot(self, script: str, after_s: float) -> list[str]:
        """The lines that a script prints, the power being cut so long after READY."""
        begin = (
            "exec 2>&1; mkdir /disk; modprobe ext4; mount -t ext4 /dev/vdb /disk || exit 1\n"
            "export CRUNPY_ROOT=/disk/root CRUNPY_RUNROOT=/run/store\n"
            f"crunpy={shlex.quote(COMMAND)}\n"
        )
        command = [sys.executable, VM_RUN, "--second-disk", self.disk, "--timeout",
                   str(BOOT_S + 60), "--", "sh", "-c", begin + script]  # fmt: skip
        guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)  # fmt: skip
        lines: list[str] = []
        ready = threading.Event()

        def read() -> None:
            assert guest.stdout
            for line in guest.stdout:
                lines.append(line.rstrip("\n"))
                if lines[-1] == READY:
                    ready.set()
            ready.set()

        reader = threading.Thread(target=read)
        reader.start()
        ready.wait(BOOT_S)
        time.sleep(after_s)
        guest.terminate()  # it kills QEMU (SIGKILL)
        guest.wait()
        reader.join()
        return lines

    # ---- what must be so ----

    def _note(self, lines: list[str]) -> None:
        """What was done, or may have been undone, before the power was cut."""
        for line in lines:
            kind, _, name = line.partition(" ")
            self.done += kind in ("container", "image", "started", "removing", "unnamed")
            if kind == "container":
                self.containers.add(name)
            elif kind == "image":
                self.images.add(name)
            elif kind == "removing":
                self.containers.discard(name)
            elif kind == "unnamed":
                self.images.discard(name)

    def _wrong(self, lines: list[str]) -> list[str]:
        parts: dict[str, list[str]] = {"": []}
        part = ""
        for line in lines:
            if line.startswith("== "):
                part = line[3:]
            else:
                parts.setdefault(part, []).append(line)
        faults = [f"system check: {line}" for line in parts.get("check", [])]
        faults += [f"without content: {line}" for line in parts.get("empty", [])]
        faults += [line for line in lines if "Traceback" in line or "internal error" in line]
        images = {line.rpartition("/")[2] for line in parts.get("images", [])}
        faults += [f"image {name} is lost" for name in sorted(self.images - images)]
        states = dict(line.partition(" ")[::2] for line in parts.get("containers", []))
        faults += [f"container {name} is lost" for name in sorted(self.containers - states.keys())]
        swept = dict(line.partition(" ")[::2] for line in parts.get("swept", []))
        faults += [f"container {name} is {state}" for name, state in swept.items()
                   if state != "created" and (state != "exited" or "gone-" in name)]  # fmt: skip
        if parts.get("run") != ["runs"]:
            faults.append(f"run: {parts.get('run')} {lines[-3:]}")
        return faults
