"""What engines under test need of the machine: a registry as docker.io's mirror, and a user."""

from __future__ import annotations

import fcntl
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import images
from engine import USER
from oci_images import TestImage, docker_registry, push


class Registry:
    """A docker-registry of this worker."""

    def __init__(self, host: str, conf: Path, work: Path) -> None:
        self.host, self.conf, self._work = host, conf, work
        self._layer: bytes = b""

    @property
    def busybox(self) -> bytes:
        """The layer of library/busybox, for images on top of it."""
        self._layer = self._layer or images.busybox_tar()
        return self._layer

    def push(self, name: str, image: TestImage) -> str:
        """Make `image` known as docker.io/NAME:latest; returns NAME."""
        push(image, f"{self.host}/{name}:latest", self._work)
        return name


def short_directory(top: str) -> Path:
    """A new directory below `top` that all users can enter."""
    while True:
        path = Path(tempfile.mkdtemp(prefix="cp", dir=top))
        if path.name.isalnum():
            break
        path.rmdir()  # some peers take a path with _ before a / for no path
    path.chmod(0o755)
    return path


@contextmanager
def mirror(base: Path) -> Iterator[Registry]:
    """A registry with library/busybox and library/nginx, and a registries.conf that makes it
    docker.io's mirror; its files are below `base`."""
    work = base / "registry"
    work.mkdir()
    data = images.registry_data()
    linked = os.stat(data).st_dev == os.stat(work).st_dev  # not so in a VM
    subprocess.run(["cp", "-al" if linked else "-a", data, work / "data"], check=True)
    with docker_registry(work) as host:
        conf = base / "registries.conf"
        conf.write_text(
            '[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n'
            f'[[registry.mirror]]\nlocation = "{host}"\ninsecure = true\n'
        )
        yield Registry(host, conf, base)


def test_user() -> str:
    """The name of the unprivileged user, with subordinate ids, made if absent."""
    images.CACHE.mkdir(exist_ok=True)
    with (images.CACHE / "user.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            pwd.getpwnam(USER)
        except KeyError:
            subprocess.run(["useradd", "--no-create-home", USER], check=True)
        for file, option in (("uid", "--add-subuids"), ("gid", "--add-subgids")):
            if f"{USER}:" not in Path(f"/etc/sub{file}").read_text():
                subprocess.run(["usermod", option, "600000-665535", USER], check=True)
    return USER


test_user.__test__ = False  # type: ignore[attr-defined]
