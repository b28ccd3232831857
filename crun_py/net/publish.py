"""Published ports of a container that runs: more of them, or fewer, without a restart."""

from __future__ import annotations

import os

from crun_py import monitor
from crun_py.errors import Conflict, InvalidArgument, NotFound, Unsupported
from crun_py.net import attach, attached, config, connection, ports, reconnect
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.model.network import Attachment, PortMapping
    from crun_py.state import Container


def add(container: Container, wanted: Sequence[PortMapping]) -> list[PortMapping]:
    """Publish more ports of a running container; with the numbers that were chosen.

    All or none: raises Conflict when one is taken or there is no network to publish on,
    Unsupported.
    """
    found = _outward(container)
    if not found.helper:
        network = config.load(container.paths, found.network)
        wanted = connection.asked_on(network, wanted)
        if network.only_routed:
            attach.publish(container.paths, replaced(found, ports=tuple(wanted)))
            _note(container, found, (*found.ports, *wanted))
            return [*wanted]
    if found.helper == "pasta" and not all(map(ports.is_relayed, wanted)):
        raise Unsupported(
            f"publishing ports of {container.name}: pasta takes them at the start only",
            hint="crunpy network create NAME, and run it with --network NAME",
        )
    if found.helper or found.hub:
        chosen = _add_for_user(container, found, wanted)
    else:
        chosen = _add(container, found, wanted)
    _note(container, found, (*found.ports, *chosen))
    return chosen


def _add(
    container: Container, found: Attachment, wanted: Sequence[PortMapping]
) -> list[PortMapping]:
    held, chosen = ports.reserve(wanted, container.paths)
    try:
        done: list[PortMapping] = []
        try:
            for fd, port in zip(held, chosen, strict=True):
                target = connection.target(found, port) if ports.is_relayed(port) else ""
                monitor.keep(container.run_directory, fd, ports.key(port), target)
                done.append(port)
            more = replaced(found, ports=tuple(chosen))
            attach.publish(container.paths, more)
            _relay(container, more)
        except BaseException:
            for port in done:
                monitor.drop(container.run_directory, ports.key(port))
            raise
    finally:
        for fd in held:
            os.close(fd)
    return chosen


def _relay(container: Container, more: Attachment) -> None:
    _hand_over(container, more, ports.relayed(more.ports))


def _add_for_user(
    container: Container, found: Attachment, wanted: Sequence[PortMapping]
) -> list[PortMapping]:
    from crun_py.net import hub

    if found.helper:
        return _add_beside_helper(container, found, wanted)
    with hub.Locked(container.paths):
        own, chosen = hub.forward(container.paths, wanted)
        more = replaced(found, ports=tuple(chosen))
        try:
            _hand_over(container, more, own)
            reconnect.on_host(found.hub, container, lambda: attach.publish(container.paths, more))
            _relay(container, more)
        except BaseException:
            _drop(container, [*own.values()])
            hub.unforward(container.paths, chosen)
            raise
        return chosen


def _add_beside_helper(
    container: Container, found: Attachment, wanted: Sequence[PortMapping]
) -> list[PortMapping]:
    from crun_py.net import rootless

    ours = connection.passed_on(container.record["network"]["mode"], wanted)
    held, own = ports.reserve(ours, container.paths)
    more = replaced(found, ports=tuple(own))
    try:
        for fd in held:
            ports.listen(fd)
        _hand_over(container, more, dict(zip(held, own, strict=True)))
        others = [port for port in wanted if port not in ours]
        chosen = rootless.publish(container.run_directory, others, container.paths)
    except BaseException:
        _drop(container, own)
        raise
    if found.helper == "slirp4netns":
        _relay(container, replaced(found, ports=(*chosen, *own)))
    return [*chosen, *own]


def _hand_over(container: Container, more: Attachment, held: dict[int, PortMapping]) -> None:
    """Sockets that listen go to the monitor, which passes connections on."""
    try:
        for fd, port in held.items():
            target = connection.target(more, port)
            monitor.keep(container.run_directory, fd, ports.key(port), target)
    finally:
        for fd in held:
            os.close(fd)


def remove(container: Container, gone: Sequence[PortMapping]) -> list[PortMapping]:
    """Publish ports of a running container no more: those with the container's port and protocol,
    and the host's port and address where `gone` has them; these.

    Raises NotFound for one that is not published.
    """
    found = _outward(container)
    chosen: list[PortMapping] = []
    for port in gone:
        same = [one for one in found.ports if _is(one, port)]
        if not same:
            raise NotFound(f"port {ports.described(port)} of {container.name} is not published")
        chosen += [one for one in same if one not in chosen]
    less = replaced(found, ports=tuple(chosen))
    if found.helper == "pasta" and not all(map(ports.is_relayed, chosen)):
        raise Unsupported(f"ports of {container.name}: pasta keeps them to the end")
    if found.helper:
        from crun_py.net import rootless

        if found.helper == "slirp4netns":
            rootless.unforward(container.run_directory, chosen)
        _drop(container, chosen)
    elif found.hub:
        from crun_py.net import hub

        with hub.Locked(container.paths):
            hub.unforward(container.paths, chosen)
            reconnect.on_host(found.hub, container, lambda: _unpublish(container, less))
        _drop(container, chosen)
    else:
        _unpublish(container, less)
        _drop(container, chosen)
    _note(container, found, tuple(port for port in found.ports if port not in chosen))
    return chosen


def _drop(container: Container, chosen: Sequence[PortMapping]) -> None:
    for port in chosen:
        monitor.drop(container.run_directory, ports.key(port))


def _unpublish(container: Container, less: Attachment) -> None:
    attach.driver_of(less.driver).unpublish(container.paths, less)


def _is(one: PortMapping, asked: PortMapping) -> bool:
    return (
        (one.container_port, one.protocol) == (asked.container_port, asked.protocol)
        and asked.host_port in (0, one.host_port)
        and asked.host_ip in ("", one.host_ip)
    )


def _outward(container: Container) -> Attachment:
    """The attachment that ports are published on."""
    for attachment in attached.of(container):
        if attachment.helper:
            return attachment
        network = config.load(container.paths, attachment.network)
        if network.publishes:
            return attachment
    mode = container.record["network"]["mode"]
    if connection.is_alone(mode):
        raise InvalidArgument(
            f"publishing ports of {container.name}: network mode {mode!r} publishes none"
        )
    raise Conflict(f"publishing ports of {container.name}: it is on no network that goes out")


def _note(container: Container, found: Attachment, now: tuple[PortMapping, ...]) -> None:
    attached.write(
        container.run_directory,
        [replaced(a, ports=now) if a == found else a for a in attached.of(container)],
    )
