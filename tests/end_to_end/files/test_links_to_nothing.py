"""Links of an image that lead to what is not there yet, as systemd-resolved's resolv.conf: what is
mounted on them is where they lead to, within the container's root."""

from __future__ import annotations

import images
import pytest
from engine import Engine
from mirror import Registry
from oci_images import directory, symlink, tar

FILES = tar(
    directory("etc"),
    symlink("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
    symlink("etc/hosts", "/var/own/hosts"),
    symlink("data", "var/data/deep"),
    symlink("out", "../../../../../tmp/far/out"),
    symlink("first", "second/x"),
    symlink("second", "/third/y"),
    symlink("circle", "circle"),
    *(symlink(f"chain{n}", f"chain{n + 1}/x") for n in range(60)),
)


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    return registry.push("test/links", images.image(registry.busybox, FILES))


def test_the_engines_own_files(engine: Engine, image: str) -> None:
    for network in ("none", "bridge"):
        read = ("sh", "-c", "cat /etc/hosts; readlink /etc/resolv.conf && cat /etc/resolv.conf")
        said = engine.ok("run", "--rm", "-q", "--network", network, image, *read)
        assert "localhost" in said and "../run/systemd/resolve/stub-resolv.conf" in said
    assert "nameserver" in said
    engine.ok("rmi", image)


def test_volumes_on_them(engine: Engine, image: str) -> None:
    given = engine.home / "given-to-links"
    given.mkdir()
    given.chmod(0o777)
    (given / "here").touch()
    for target, found in (
        ("/data", "/var/data/deep"), ("/out", "/tmp/far/out"), ("/first", "/third/y/x"),
        ("/data/more", "/var/data/deep/more"),
    ):  # fmt: skip
        shown = engine.ok("run", "--rm", "-q", "--network", "none", "-v", f"{given}:{target}",
                          image, "ls", found)  # fmt: skip
        assert shown == "here", target
    for target in ("/circle", "/chain0"):
        told = engine.fails("run", "--rm", "-q", "--network", "none", "-v", f"{given}:{target}",
                            image, "true", code=125)  # fmt: skip
        assert "too many levels of symbolic links" in told
    assert sorted(p.name for p in given.iterdir()) == ["here"]
    assert engine.ps("-a") == []
    engine.ok("rmi", image)
