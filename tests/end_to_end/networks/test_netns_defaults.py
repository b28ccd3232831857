"""A container's own network namespace has Docker's settings: anybody binds port 80 and pings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from engine import Engine

PORTS = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
PING = "/proc/sys/net/ipv4/ping_group_range"


def settings(engine: Engine, *options: str) -> list[str]:
    return engine.ok("run", "--rm", *options, "busybox", "cat", PORTS, PING).split()


@pytest.mark.parametrize("network", ["none", "bridge"])
def test_defaults(engine: Engine, network: str) -> None:
    first, *groups = settings(engine, "--network", network)
    assert first == "0"
    # a user's namespace has no more groups than are mapped into it
    assert groups == ["0", "2147483647"] or (engine.rootless and groups[0] == "0"
                                             and int(groups[1]) >= 65535)  # fmt: skip


def test_a_user_binds_port_80(engine: Engine) -> None:
    for user in ("tester", "4000:4000"):
        done = engine.run("run", "--rm", "--network", "none", "-u", user, "busybox", "sh", "-c",
                          "timeout 1 nc -l -p 80; exit $?")  # fmt: skip
        assert "denied" not in done.err and done.code in (124, 143), done


def test_a_user_pings_without_capabilities(engine: Engine, base: Path) -> None:
    """busybox's ping knows raw sockets only, so it is asked for what others use."""
    source, program = base / "icmp.c", base / "icmp"
    source.write_text(
        "#include <netinet/in.h>\n#include <sys/socket.h>\n"
        "int main(void) { return socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) < 0; }\n"
    )
    subprocess.run(["gcc", "-static", "-o", program, source], check=True)
    done = engine.run("run", "--rm", "--network", "none", "--cap-drop", "all", "-u", "tester",
                      "-v", f"{program}:/icmp:ro", "busybox", "/icmp")  # fmt: skip
    assert done.code == 0, done


def test_what_the_user_says_holds(engine: Engine) -> None:
    words = ("--network", "none", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1000",
             "--sysctl", "net.ipv4.ping_group_range=5 6")  # fmt: skip
    assert settings(engine, *words) == ["1000", "5", "6"]


def test_the_hosts_network_is_left_alone(engine: Engine) -> None:
    before = [Path(path).read_text() for path in (PORTS, PING)]
    seen = settings(engine, "--network", "host")
    assert seen[0] == before[0].strip()
    assert [Path(path).read_text() for path in (PORTS, PING)] == before


def test_who_shares_a_network_shares_them(engine: Engine) -> None:
    engine.detached("--name", "a", "--sysctl", "net.ipv4.ip_unprivileged_port_start=77", "busybox",
                    "sleep", "1000")  # fmt: skip
    assert settings(engine, "--network", "container:a")[0] == "77"


def test_inspect_tells_only_what_was_asked_for(root: Engine) -> None:
    root.ok("create", "--network", "none", "--name", "c", "busybox")
    assert not root.inspect("c")["HostConfig"].get("Sysctls")


def test_sysctls_of_a_network_that_is_anothers(engine: Engine) -> None:
    """They would be set for the other container."""
    engine.detached("--name", "a", "busybox", "sleep", "100")
    said = engine.fails("run", "--rm", "--network", "container:a", "--sysctl",
                        "net.ipv4.ip_forward=1", "busybox", "true")  # fmt: skip
    assert "not in a namespace of the container's own" in said
