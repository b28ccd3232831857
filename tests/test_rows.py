"""Command lines of docker's and podman's documents, each with what its reader expects to see."""

from __future__ import annotations

from engine import Engine

NONE = ("--network", "none")


def test_an_anonymous_volume_goes_with_the_last_that_has_it(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "a", "-v", "/data", "busybox")
    engine.ok("create", *NONE, "--name", "b", "--volumes-from", "a", "busybox")
    engine.ok("run", "--rm", *NONE, "--volumes-from", "a", "busybox", "touch", "/data/f")
    engine.ok("rm", "-v", "a")
    assert len(engine.volumes()) == 1
    assert engine.ok("run", "--rm", *NONE, "--volumes-from", "b", "busybox", "ls", "/data") == "f"
    engine.ok("rm", "-v", "b")
    assert engine.volumes() == []


def test_an_image_that_is_mounted_is_in_use(engine: Engine) -> None:
    engine.ok("import", "-", "tools", input=bytes(10240))
    engine.ok("create", *NONE, "--name", "c", "--mount", "type=image,src=tools,dst=/t", "busybox")
    assert "container" in engine.fails("rmi", "tools", code=125)
    engine.ok("image", "prune", "-a", "-f")
    assert engine.run("image", "exists", "tools").code == 0
    engine.ok("rm", "c")
    engine.ok("rmi", "tools")


def test_filter_by_isolation(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "c", "busybox")
    assert engine.ps("-a", "--filter", "isolation=default") == ["c"]
    assert engine.ps("-a", "--filter", "isolation=hyperv") == []
