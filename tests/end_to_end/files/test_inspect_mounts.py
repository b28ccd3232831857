"""What inspect says of mounts, and which places of a container nobody may cover."""

from __future__ import annotations

from typing import Any

import images
import pytest
from engine import Engine
from mirror import Registry

CREATE = ("create", "--network", "none")
KEYS = ("Type", "Mode", "RW", "Propagation")


def test_fields_as_docker_shows_them(root: Engine) -> None:
    d = root.home
    options = (
        f"-v {d}:/b1 -v {d}:/b2:ro -v {d}:/b3:rshared -v {d}:/b4:ro,rslave -v {d}:/b5:z "
        f"--mount type=bind,src={d},dst=/b6,readonly -v vol:/v1 -v vol:/v2:ro "
        f"--mount type=bind,src={d},dst=/b7,bind-propagation=rslave "
        "--mount type=volume,src=vol,dst=/v3"
    )
    root.ok(*CREATE, "--name", "c", *options.split(), "busybox")
    found: dict[str, Any] = {
        m["Destination"]: tuple(m[key] for key in KEYS) for m in root.inspect("c")["Mounts"]
    }
    assert found == {
        "/b1": ("bind", "", True, "rprivate"),
        "/b2": ("bind", "ro", False, "rprivate"),
        "/b3": ("bind", "rshared", True, "rshared"),
        "/b4": ("bind", "ro,rslave", False, "rslave"),
        "/b5": ("bind", "z", True, "rprivate"),
        "/b6": ("bind", "", False, "rprivate"),
        "/b7": ("bind", "", True, "rslave"),
        "/v1": ("volume", "z", True, ""),
        "/v2": ("volume", "ro", False, ""),
        "/v3": ("volume", "z", True, ""),
    }


def test_binds_as_they_were_asked_for(root: Engine) -> None:
    root.ok(*CREATE, "--name", "c", "-v", "/usr:/data:ro", "-v", "vol:/v", "busybox")
    assert sorted(root.inspect("c")["HostConfig"]["Binds"]) == ["/usr:/data:ro", "vol:/v"]


REFUSED = ["-v /usr:/proc", "-v /usr:/proc/x", "-v vol:/proc", "-v /proc", "--tmpfs /proc",
           "--tmpfs /proc/sys", "-v /sys/kernel", "-v vol:/sys/kernel", "-v /usr:/proc/self/../sys",
           "--mount type=volume,src=vol,dst=/proc/x", "--mount type=tmpfs,dst=/proc"]  # fmt: skip


@pytest.mark.parametrize("options", REFUSED)
def test_proc_and_sys_are_not_covered(root: Engine, options: str) -> None:
    message = root.fails(*CREATE, *options.split(), "busybox", "true")
    assert "/proc" in message or "/sys" in message
    assert root.ps("-a") == [] and root.volumes() == []


@pytest.mark.parametrize("place", ["/proc", "/proc/acpi", "/sys/fs", "/sys"])
def test_nor_by_a_volume_of_the_image(root: Engine, registry: Registry, place: str) -> None:
    name = registry.push("test/covers", images.image(registry.busybox, Volumes={place: {}}))
    assert place in root.fails("create", "-q", "--pull", "always", "--network", "none", name)
    assert root.volumes() == []
    root.ok("rmi", name)


def test_what_people_do_mount_there(engine: Engine) -> None:
    """A file of lxcfs, the host's /sys and /proc at other places or read-only in its own."""
    file = engine.home / "meminfo"
    file.write_text("MemTotal: 5 kB\n")
    file.chmod(0o644)
    engine.home.chmod(0o755)
    run = ("run", "--rm", "--network", "none")
    assert engine.ok(*run, "-v", f"{file}:/proc/meminfo:ro", "busybox", "cat",
                     "/proc/meminfo") == "MemTotal: 5 kB"  # fmt: skip
    engine.ok(*run, "-v", "/sys:/sys:ro", "busybox", "true")
    engine.ok(*run, "-v", "/proc:/host/proc:ro", "-v", "/sys:/host/sys:ro", "busybox", "true")
    file.unlink()


def test_ports_without_a_network(engine: Engine) -> None:
    engine.ok("run", "--rm", "--network", "none", "-p", "8080:80", "busybox", "true")


def test_limits_of_the_host(engine: Engine) -> None:
    """--ulimit host: every limit is the caller's."""
    words = ("run", "--rm", "--network", "none", "--ulimit", "host", "busybox", "cat",
             "/proc/self/limits")  # fmt: skip
    limits = ["prlimit", "--nofile=321:654", "--core=7:8"]
    out = engine.ok(*words, wrap=limits)
    found = {line[:26].strip(): line[26:].split()[:2] for line in out.splitlines()}
    assert found["Max open files"] == ["321", "654"] and found["Max core file size"] == ["7", "8"]


def test_a_local_image_in_a_manifest_list(root: Engine) -> None:
    root.ok("manifest", "create", "list:1")
    root.ok("tag", "busybox", "mine:1")
    root.ok("manifest", "add", "list:1", "mine:1")
    root.ok("manifest", "add", "list:1", "containers-storage:localhost/mine:1", "--variant", "v2")
    assert root.ok("manifest", "inspect", "list:1").count("sha256:") >= 1
    root.ok("manifest", "rm", "list:1")
    root.ok("rmi", "mine:1")
