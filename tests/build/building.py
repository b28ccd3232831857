"""Contexts for `build`, and what a build may not leave behind."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from engine import Engine, Result

MARK = "canary-of-the-host"
_count = itertools.count()


def context(engine: Engine, files: dict[str, str | bytes], *, name: str = "") -> Path:
    """A new directory with `files`, which the engine's user owns; "Dockerfile" is one of them."""
    where = engine.home / "contexts" / (name or f"c{next(_count)}")
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    for path, content in files.items():
        file = where / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    own(engine, engine.home / "contexts")
    return where


def own(engine: Engine, path: Path) -> None:
    """Give `path` and all below it to the engine's user."""
    if engine.user:
        subprocess.run(["chown", "-hR", f"{engine.user}:", path], check=True)


def words(text: str | Path, *options: object, network: str = "none") -> tuple[object, ...]:
    """The command line of a build."""
    return ("build", *(("--network", network) if network else ()), *options, text)


def build(engine: Engine, where: Path, *options: object, **kwargs: Any) -> Result:
    """Build the context `where`; it may fail."""
    network = kwargs.pop("network", "none")
    done = engine.run(*words(where, *options, network=network), **kwargs)
    assert "Traceback" not in done.err and "internal error" not in done.err, done.err
    return done


def built(
    engine: Engine, files: dict[str, str | bytes] | str, *options: object, **kwargs: Any
) -> Result:
    """Build a Dockerfile, or a context, that must succeed."""
    files = {"Dockerfile": files} if isinstance(files, str) else files
    done = build(engine, context(engine, files), *options, **kwargs)
    assert done.code == 0, f"exit {done.code}: {done.out[-2000:]}{done.err}"
    return done


def failed(
    engine: Engine, files: dict[str, str | bytes] | str, *options: object, code: int = 1,
    **kwargs: Any,
) -> str:  # fmt: skip
    """The standard error of a build that must fail; its last line is the error."""
    files = {"Dockerfile": files} if isinstance(files, str) else files
    done = build(engine, context(engine, files), *options, **kwargs)
    assert done.code == code, f"exit {done.code}: {done.out[-2000:]}{done.err}"
    assert done.err.splitlines()[-1].startswith("crunpy: error: "), done.err
    return done.err


def image_id(engine: Engine, name: str) -> str:
    return str(engine.inspect(name)["Id"]).removeprefix("sha256:")


def said(engine: Engine, image: str, *command: object) -> str:
    """What a container of `image` prints."""
    return engine.ok("run", "--rm", "--network", "none", image, *command)


def cached(done: Result) -> list[bool]:
    """For each step of a plain output, whether it was found in the cache."""
    steps = done.out.split("Step ")[1:]
    return ["---> Using cache" in step for step in steps]


def workspaces(engine: Engine) -> list[str]:
    """What a build that has ended must have removed: its place, and unfinished layers."""
    found = [str(p) for p in (engine.root / "build").glob("work-*")]
    found += [str(p) for p in (engine.root / "layers").glob(".staging-*")]
    for top in ("build/cache", "build", "layers/*"):
        found += [str(p) for p in engine.root.glob(top + "/.*.tmp")]
    return found


def left(engine: Engine, timeout_s: float = 2) -> list[str]:
    """All that is left of builds: processes, mounts, containers, places."""
    return engine.left(timeout_s) + workspaces(engine)


def wipe(engine: Engine) -> None:
    """Remove that, so that what one test finds is not the next one's."""
    for path in workspaces(engine):
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)


def holding(engine: Engine, marker: bytes) -> list[str]:
    """The files of the store, of the run directory and of saved layers that contain `marker`."""
    found = []
    for top in (engine.root, engine.run_root):
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        if marker in file.read():
                            found.append(path)
    return found


def unpacked(archive: Path) -> dict[str, bytes]:
    """The regular files of the layers in what `save` or skopeo wrote, by name."""
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as outer:
        for member in outer:
            reader = outer.extractfile(member) if member.isreg() else None
            if reader is None:
                continue
            try:
                with tarfile.open(fileobj=reader, mode="r:*") as inner:
                    for entry in inner:
                        content = inner.extractfile(entry) if entry.isreg() else None
                        found[entry.name] = content.read() if content else b""
            except tarfile.ReadError:
                continue
    return found


class Canary:
    """A directory of the host, which nothing of a build may read or change."""

    def __init__(self, engine: Engine) -> None:
        self.path = engine.home / "host-canary"
        shutil.rmtree(self.path, ignore_errors=True)
        (self.path / "sub").mkdir(parents=True)
        (self.path / "file").write_text(MARK)
        (self.path / "sub/file").write_text(MARK)
        own(engine, self.path)
        self.path.chmod(0o755)
        self._before = self._state()

    def _state(self) -> list[tuple[str, int, int, int, str]]:
        found = []
        for path in sorted([self.path, *self.path.rglob("*")]):
            at = path.lstat()
            text = path.read_text() if path.is_file() else ""
            found.append((str(path), at.st_mode, at.st_uid, at.st_gid, text))
        return found

    @property
    def untouched(self) -> bool:
        return self._state() == self._before
