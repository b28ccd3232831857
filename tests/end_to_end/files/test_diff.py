"""`diff`: what a container changed, as docker lists it."""

from __future__ import annotations

import json

from engine import Engine


def diff(engine: Engine, name: str) -> list[str]:
    return engine.ok("diff", name).splitlines()


def test_a_new_container_has_no_changes(engine: Engine) -> None:
    engine.ok("create", "--network", "none", "--name", "c", "-v", "/data/deep", "busybox")
    assert diff(engine, "c") == []
    engine.ok("start", "c")
    engine.ok("wait", "c")
    assert diff(engine, "c") == ["A /data", "A /data/deep"]  # the place of the volume, as docker's


def test_added_changed_deleted(engine: Engine) -> None:
    script = """
        echo x >> /etc/passwd; rm /etc/group; mkdir -p /new/dir; echo 1 > /new/dir/f
        ln -s f /new/link; echo v > /vol/f; echo t > /mem/f; rm -r /home; mkdir /home
        touch /home/mine; chmod 700 /usr; echo done; sleep 1000
    """
    engine.detached(
        "--name", "c", "-v", "/vol", "--tmpfs", "/mem", "busybox", "sh", "-c", script
    )  # fmt: skip
    engine.logs_until("c", "done")
    expected = [
        "C /etc", "D /etc/group", "C /etc/passwd", "C /home", "A /home/mine", "D /home/tester",
        "A /mem", "A /new", "A /new/dir", "A /new/dir/f", "A /new/link", "C /usr", "A /vol",
    ]  # fmt: skip
    assert diff(engine, "c") == expected
    engine.ok("kill", "c")
    assert diff(engine, "c") == expected
    assert engine.ok("container", "diff", "c").splitlines() == expected
    found = json.loads(engine.ok("diff", "--format", "json", "c"))
    assert found["deleted"] == ["/etc/group", "/home/tester"]
    assert found["changed"] == ["/etc", "/etc/passwd", "/home", "/usr"]


def test_a_link_in_the_way_shows_nothing_of_the_host(root: Engine) -> None:
    """The writable layer is walked while its container changes it."""
    script = (
        "mkdir /d /e; ln -s /usr/share /l; echo up; "
        "while :; do mv /d /x; mv /l /d; mv /d /l; mv /x /d; done"
    )
    root.detached("--name", "c", "busybox", "sh", "-c", script)
    root.logs_until("c", "up")
    for _ in range(60):
        for line in diff(root, "c"):
            assert line in ("A /d", "A /e", "A /l", "A /x"), line


def test_diff_of_nothing(engine: Engine) -> None:
    assert "no such container: nosuch" in engine.fails("diff", "nosuch")
