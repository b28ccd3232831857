"""A machine as the one file sees it, for its tests."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

VERSION = "crunpy version 0.1.0\n"
KIND = f"cpython-{sys.version_info[0]}{sys.version_info[1]}-x86_64-linux-gnu"
PLACES = ("/var/cache", "/var/tmp", "/tmp")


def login(user: str) -> list[str]:
    return ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]


class Host:
    """A machine as the file sees it: directories of its own for all places where it unpacks.

    user: who starts it, "" for root.  home: of a plain user.
    """

    def __init__(self, directory: Path, user: str, file: Path) -> None:
        self.directory, self.user, self.file = directory, user, file
        self.uid = pwd.getpwnam(user or "root").pw_uid
        self.home = directory / "home"
        self.notes = directory / "notes"  # where planted code tells that it was run
        for name in ("home", *(self._name(place) for place in PLACES)):
            (directory / name).mkdir()
        for name in ("tmp", "var-tmp"):
            (directory / name).chmod(0o1777)
        self.notes.touch(0o666)
        self.notes.chmod(0o666)
        os.chown(self.home, self.uid, -1)
        directory.chmod(0o755)

    @staticmethod
    def _name(place: str) -> str:
        return place.strip("/").replace("/", "-")

    def inside(self, place: str) -> Path:
        """Where a directory of PLACES is for us."""
        return self.directory / self._name(place)

    def seen_as(self, path: Path) -> Path:
        """What the started file takes `path` of ours for."""
        for place in PLACES:
            if path.is_relative_to(inside := self.inside(place)):
                return Path(place) / path.relative_to(inside)
        return path

    @property
    def places(self) -> list[Path]:
        """Where it is to be unpacked, the best first."""
        best = self.home / ".cache/crunpy" if self.user else self.inside("/var/cache") / "crunpy"
        return [best, *(self.inside(p) / f"crunpy-{self.uid}" for p in ("/var/tmp", "/tmp"))]

    def command(self, *words: str, setup: str = "", **env: str) -> list[str]:
        binds = [f"mount --bind {self.inside(place)} {place}" for place in PLACES]
        become = login(self.user) if self.user else []
        variables = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), **env}
        given = [f"{key}={value}" for key, value in variables.items()]
        script = "\n".join(["set -e", *binds, setup, 'exec "$@"'])
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *become,
                "env", "-i", *given, str(self.file), *words]  # fmt: skip

    def run(self, *words: str, **how: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*(words or ("--version",)), **how), capture_output=True, text=True
        )

    def starts(self, **how: str) -> None:
        done = self.run(**how)
        assert (done.returncode, done.stdout, done.stderr) == (0, VERSION, ""), done

    def refused(self, **how: str) -> str:
        done = self.run(**how)
        assert done.returncode == 125 and not done.stdout, done
        (line,) = done.stderr.splitlines()
        return line.removeprefix("crunpy: error: ")

    def tree(self, place: Path | None = None) -> Path:
        """What is unpacked in `place`, by default the best."""
        (found,) = (place or self.places[0]).glob(f"*.{KIND}")
        return found

    def poison(self, tree: Path) -> None:
        """Have the tree note that it was run."""
        code = f"open({str(self.notes)!r}, 'a').write('ran\\n')\n"
        main = tree / "crun_py/__main__.py"
        main.write_text(code + main.read_text().replace("from __future__ import annotations\n", ""))
        for compiled in (tree / "crun_py").glob("__pycache__/*"):
            compiled.unlink()
