"""The columns of `ps`."""

from __future__ import annotations

from typing import Any

import pytest

from crun_py.show import listing


def published(host: int, inside: int, ip: str = "", protocol: str = "tcp") -> dict[str, Any]:
    return {"host_ip": ip, "host_port": host, "container_port": inside, "protocol": protocol}


@pytest.mark.parametrize(
    ("attached", "exposed", "shown"),
    [
        ([], [], ""),
        ([], ["80/tcp"], "80/tcp"),
        ([], ["81/tcp", "80/tcp", "443/tcp", "80/udp"], "80-81/tcp, 443/tcp, 80/udp"),
        ([], ["8000-8010/tcp", "1/tcp"], "1/tcp, 8000-8010/tcp"),
        ([published(8080, 80)], ["80/tcp", "443/tcp"], "0.0.0.0:8080->80/tcp, 443/tcp"),
        (
            [published(8000 + n, 80 + n) for n in (2, 0, 1)],
            ["80/tcp"],
            "0.0.0.0:8000-8002->80-82/tcp",
        ),
        (
            [published(8000, 80), published(8001, 80), published(8003, 82)],
            [],
            "0.0.0.0:8000->80/tcp, 0.0.0.0:8001->80/tcp, 0.0.0.0:8003->82/tcp",
        ),
        (
            [published(1, 1, "127.0.0.1"), published(2, 2), published(53, 53, "::1", "udp")],
            [],
            "0.0.0.0:2->2/tcp, 127.0.0.1:1->1/tcp, [::1]:53->53/udp",
        ),
    ],
)
def test_ports(attached: list[Any], exposed: list[str], shown: str) -> None:
    assert listing.ports_text(exposed, attached) == shown
