"""Bundles, and the runtimes that carry them out: ours, and runc as the oracle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from engine import CHECKOUT, wait_for

BUSYBOX = "/bin/busybox"
APPLETS = """sh ls id cat sleep echo mount hostname env true false grep stat wc head kill tty touch
dd ps umask readlink chmod mkdir""".split()
OURS = CHECKOUT / ".venv/bin/crunpy-oci"


class Bundle:
    """A directory with a root file system of busybox, and what our own `spec` writes."""

    def __init__(self, path: Path) -> None:
        self.path, self.rootfs = path, path / "rootfs"
        for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
            (self.rootfs / name).mkdir(parents=True)
        shutil.copy(BUSYBOX, self.rootfs / "bin/busybox")
        for name in APPLETS:
            (self.rootfs / "bin" / name).symlink_to("busybox")
        subprocess.run([OURS, "spec", "--bundle", path], check=True)
        self.config: Any = json.loads((path / "config.json").read_text())
        self.config["process"]["terminal"] = False
        self.config["root"]["readonly"] = False
        self.config["process"]["rlimits"] = []
        self.config["ociVersion"] = "1.0.2"  # what runc 1.1 takes
        del self.config["linux"]["namespaces"][-1]  # cgroup: of v2 alone

    def write(self, *args: str, **process: Any) -> Bundle:
        """config.json with this command, and other fields of the process."""
        self.config["process"].update(args=list(args), **process)
        (self.path / "config.json").write_text(json.dumps(self.config))
        return self


class Runtime:
    """An OCI runtime with a root directory of its own."""

    def __init__(self, program: str | Path, root: Path) -> None:
        self.program, self.root = program, root
        self.ours = str(program) == str(OURS)

    def command(self, *words: object) -> list[str]:
        return [str(self.program), "--root", str(self.root), *map(str, words)]

    def run(self, *words: object, **more: Any) -> subprocess.CompletedProcess[str]:
        more = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60, **more}
        return subprocess.run(self.command(*words), text=True, **more)

    def ok(self, *words: object, **more: Any) -> str:
        done = self.run(*words, **more)
        assert done.returncode == 0, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
        return str(done.stdout).strip()

    def fails(self, *words: object) -> str:
        """What is said of an error; it is status 1."""
        done = self.run(*words)
        assert done.returncode == 1, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr and done.stderr.strip()
        return str(done.stderr)

    def state(self, name: str) -> Any:
        return json.loads(self.ok("state", name))

    def create(self, name: str, bundle: Bundle, *options: object) -> None:
        """Its output goes nowhere: a pipe would stay open as long as the container."""
        self.ok("create", "--bundle", bundle.path, *options, name,
                stdout=subprocess.DEVNULL, stderr=None, capture_output=False)  # fmt: skip

    def until(self, name: str, status: str) -> None:
        def reached() -> bool:
            done = self.run("state", name)
            return done.returncode == 0 and json.loads(done.stdout)["status"] == status

        wait_for(reached)

    def clean(self) -> None:
        for name in os.listdir(self.root) if self.root.exists() else []:
            self.run("delete", "--force", name)
        left = os.listdir(self.root) if self.root.exists() else []
        assert left == [], left
