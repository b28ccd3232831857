"""Mounts that are the engine's own: files under /etc of a read-only container, tmpfs over the
image's directories."""

from __future__ import annotations

import pytest
from engine import Engine
from images import image
from mirror import Registry
from oci_images import directory, entry, tar

RUN = ("run", "--rm", "--network", "none")
FILES = ("/etc/hosts", "/etc/resolv.conf", "/etc/hostname")


@pytest.mark.parametrize("network", ["none", "bridge", "host"])
def test_read_only_holds_for_files_of_the_engine(engine: Engine, network: str) -> None:
    """A writable hole in a read-only container is where a program could leave things."""
    if engine.rootless and network == "bridge":
        network = "private"
    script = "; ".join(
        f"echo evil > {f} && echo WROTE {f}; chmod 777 {f} && echo MODE {f}; "
        f"touch {f} && echo TOUCHED {f}; rm -f {f} && echo GONE {f}" for f in FILES
    )  # fmt: skip
    done = engine.run("run", "--rm", "--network", network, "--read-only", "busybox",
                      "sh", "-c", f"{script}; cat {' '.join(FILES)}")  # fmt: skip
    assert "WROTE" not in done.out and "MODE" not in done.out and "TOUCHED" not in done.out, (
        done.out
    )
    assert "evil" not in done.out and "localhost" in done.out


def test_read_only_holds_for_other_processes_too(engine: Engine) -> None:
    engine.detached("--name", "c", "--read-only", "busybox", "sleep", "1000")
    before = engine.ok("exec", "c", "cat", *FILES)
    for options in ([], ["-u", "0"], ["--privileged"]):
        done = engine.run(
            "exec", *options, "c", "sh", "-c", "; ".join(f"echo x >> {f}" for f in FILES)
        )
        assert done.code != 0
    assert engine.ok("exec", "c", "cat", *FILES) == before


def test_without_read_only_they_are_the_containers(engine: Engine) -> None:
    """As docker's: they can be written, and the change is the container's alone."""
    script = "; ".join(f"echo '# mine' >> {f} && tail -n 1 {f}" for f in FILES)
    out = engine.ok(*RUN, "busybox", "sh", "-c", script)
    assert out.split("\n") == ["# mine"] * 3
    assert "# mine" not in engine.ok(*RUN, "busybox", "cat", *FILES)


def test_other_mounts_of_a_read_only_container_can_be_written(engine: Engine) -> None:
    script = "echo x > /v/f && echo x > /t/f && echo x > /dev/shm/f && echo ok"
    options = ("--read-only", "-v", "/v", "--tmpfs", "/t")
    assert engine.ok(*RUN, *options, "busybox", "sh", "-c", script) == "ok"


# ---- tmpfs ----


@pytest.fixture(scope="module")
def modes(registry: Registry) -> str:
    """An image with directories of all kinds of modes and owners."""
    layer = tar(
        directory("private", mode=0o700, uid=1234, gid=77),
        directory("sticky", mode=0o1777),
        directory("group", mode=0o2750, gid=77),
        directory("plain", mode=0o755),
        entry("plain/file", b"hidden"),
        directory("nobody", mode=0o711, uid=65534, gid=65534),
    )
    return registry.push("test/modes", image(registry.busybox, layer))


COVERED = {
    "/private": "700 1234 77",
    "/sticky": "1777 0 0",
    "/group": "2750 0 77",
    "/plain": "755 0 0",
    "/nobody": "711 65534 65534",
}


def seen(engine: Engine, image: str, *options: str) -> list[str]:
    out = engine.ok(*RUN, "-q", *options, image, "stat", "-c", "%n %a %u %g", *COVERED)
    return out.split("\n")


def test_a_tmpfs_is_like_the_directory_that_it_covers(engine: Engine, modes: str) -> None:
    """A database's directory of mode 700 does not become one for everybody."""
    options = [word for path in COVERED for word in ("--tmpfs", path)]
    wanted = [f"{path} {about}" for path, about in COVERED.items()]
    assert seen(engine, modes, *options) == wanted
    out = engine.ok(
        *RUN, "-q", *options, modes, "sh", "-c", "grep -c '^tmpfs /[gnps]' /proc/mounts; ls /plain"
    )
    assert int(out.split()[0]) >= len(COVERED) and "file" not in out


def test_by_mount_as_well(engine: Engine, modes: str) -> None:
    options = [word for path in COVERED for word in ("--mount", f"type=tmpfs,destination={path}")]
    assert seen(engine, modes, *options) == [f"{path} {about}" for path, about in COVERED.items()]


def test_a_mode_that_is_given_holds(engine: Engine, modes: str) -> None:
    options = ("--tmpfs", "/private:mode=750", "--tmpfs", "/plain:size=1m,mode=1770",
               "--mount", "type=tmpfs,dst=/group,tmpfs-mode=0701")  # fmt: skip
    found = {line.split()[0]: line.split()[1] for line in seen(engine, modes, *options)}
    assert (found["/private"], found["/plain"], found["/group"]) == ("750", "1770", "701")


def test_other_options_leave_mode_and_owner(engine: Engine, modes: str) -> None:
    options = ("--tmpfs", "/private:size=1m,exec", "--tmpfs", "/nobody:ro")
    found = seen(engine, modes, *options)
    assert "/private 700 1234 77" in found and "/nobody 711 65534 65534" in found


def test_a_directory_that_is_not_there(engine: Engine) -> None:
    """Nothing is covered: everybody may write, as docker has it."""
    out = engine.ok(*RUN, "--tmpfs", "/new/one", "busybox", "stat", "-c", "%a %u %g", "/new/one")
    assert out == "1777 0 0"


def test_the_owner_can_use_it(engine: Engine, modes: str) -> None:
    command = ("sh", "-c", "echo x > /private/f && cat /private/f")
    assert engine.ok(*RUN, "-q", "-u", "1234:77", "--tmpfs", "/private", modes, *command) == "x"
    done = engine.run(*RUN, "-q", "-u", "4321", "--tmpfs", "/private", modes, *command)
    assert done.code != 0 and "ermission denied" in done.err
