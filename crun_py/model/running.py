"""What can be seen of a container that runs."""

from __future__ import annotations

from crun_py.record import record


@record
class PublishedPort:
    """A port of a container, and where it is reached on the host.

    host_ip: "0.0.0.0" for all addresses; protocol: "tcp", "udp" or "sctp".
    """

    container_port: int
    protocol: str
    host_ip: str
    host_port: int


@record
class ProcessTable:
    """Processes as ps(1) shows them: titles of the columns, and a row for each process."""

    titles: tuple[str, ...]
    processes: tuple[tuple[str, ...], ...]


@record
class HealthChecked:
    """One check of a container's health.

    passed: whether this one was good; status: what the container is called since, "starting",
    "healthy" or "unhealthy".
    """

    passed: bool
    status: str
