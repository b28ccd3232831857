"""The hub of a plain user's networks: a network namespace with bridges in it, as the host has them
for root, and slirp4netns as its way out and in.

No process is there for its sake: the monitors of the containers that are connected hold it, by a
descriptor each, and slirp4netns ends with the last of them.  It belongs to the user namespace in
which the first of these containers was made; whoever wants to connect one more makes that container
in the same one (engine/context.py), for nobody else may touch the hub.  To published ports of tcp a
container's monitor listens, and passes connections on into the hub (_native/relay.c): that is ten
times as fast.

    RUN/networks/hub.json       the hub's inode, and slirp4netns's pid
    RUN/networks/.hub.lock      held from before the user namespace is chosen until one is connected
"""

from __future__ import annotations

import os

from crun_py import jsonfile, notices, state
from crun_py._native import check, lib
from crun_py.errors import Conflict, CorruptState, CrunpyError, InvalidArgument
from crun_py.model.network import Attachment
from crun_py.net import attached, inside, ipam, netlink, rootless
from crun_py.net.ports import listen, reserve
from crun_py.net.sysctl import write as sysctl
from crun_py.paths import Paths, private_dir
from crun_py.record import from_json, replaced, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.model.network import PortMapping
    from crun_py.state import Container, Status

_held: jsonfile.Lock | None = None
"""The lock, while this process has it."""


def lock(paths: Paths) -> None:
    """Have the lock, until `unlock`; nothing, if this process has it."""
    global _held
    if _held is None:
        private_dir(ipam.directory(paths))
        taken = jsonfile.Lock(ipam.directory(paths) + "/.hub.lock")
        taken.__enter__()
        _held = taken


def unlock() -> None:
    """Give the lock back; nothing, if this process does not have it."""
    global _held
    if _held is not None:
        taken, _held = _held, None
        taken.__exit__(None, None, None)


class Locked:
    """Inside `with` this process has the lock; afterwards, if it had it before."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._had = _held is not None

    def __enter__(self) -> None:
        lock(self._paths)

    def __exit__(self, *_: object) -> None:
        if not self._had:
            unlock()


def holder(paths: Paths) -> Status | None:
    """The status of a running container whose monitor holds the hub."""
    return next((status for _, status in _holders(paths)), None)


def _holders(paths: Paths) -> list[tuple[Container, Status]]:
    """The containers that run on the hub, whose monitors hold it."""
    found = []
    for container in state.every(paths, among=state.begun(paths)):
        if any(attachment.hub for attachment in attached.of(container)):
            status = container.status()
            if status.alive and state.start_ticks(status.monitor_pid):
                found.append((container, status))
    return found


def obtain(paths: Paths) -> int:
    """A descriptor of the hub, which is made if there is none.  Under the lock.

    Raises Conflict when it belongs to another user namespace, Unsupported without slirp4netns.
    """
    found = find(paths)
    if found >= 0:
        try:
            repair(paths, found)
        except BaseException:
            os.close(found)
            raise
        return found
    if holder(paths):
        raise Conflict(
            "connecting to a user's networks: they belong to another user namespace",
            hint="they were made just now: try again",
        )
    _stop(paths)
    return _make(paths)


def find(paths: Paths) -> int:
    """A descriptor of the hub, -1 where there is none that this process may touch."""
    for container, status in _holders(paths):
        wanted = next(a.hub for a in attached.of(container) if a.hub)
        fd = open_held(status, wanted)
        if fd >= 0:
            return fd
    return -1


def open_held(status: Status, inode: int) -> int:
    """A descriptor of the hub of this inode, which the monitor of a container holds; -1 if it does
    not, or is of another user namespace."""
    directory = f"/proc/{status.monitor_pid}/fd"
    try:
        for name in os.listdir(directory):
            if os.readlink(f"{directory}/{name}") == f"net:[{inode}]":
                return os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        pass  # it ends just now
    return -1


def held_by(status: Status) -> int:
    """The inode of the hub that the monitor of a container holds, 0 for none."""
    directory = f"/proc/{status.monitor_pid}/fd"
    try:
        links = [os.readlink(f"{directory}/{name}") for name in os.listdir(directory)]
    except OSError:
        return 0
    return next((int(link[5:-1]) for link in links if link.startswith("net:[")), 0)


def _make(paths: Paths) -> int:
    fd = -1
    try:
        fd = check(lib.crunpy_new_netns())
        inside.run(fd, _prepare)
        _serve(paths, fd)
    except BaseException as e:
        if fd >= 0:
            os.close(fd)
        if isinstance(e, OSError):
            raise CrunpyError.from_os("making a network without root", e) from e
        raise
    return fd


def _serve(paths: Paths, fd: int) -> None:
    """Start the hub's slirp4netns."""
    made = rootless.slirp4netns(rootless.slirp_program(), fd, [], _directory(paths))
    try:
        jsonfile.write(_file(paths), to_json(made), durable=False)
    except BaseException:
        rootless.stop(made)
        raise


def repair(paths: Paths, fd: int) -> None:
    """Start slirp4netns again, if it has ended, and forward what the containers on the hub `fd`
    publish.  Under the lock."""
    # not by its pid: a process that was killed is there for a while after its sockets are not
    if rootless.answers(_directory(paths)):
        return
    _serve(paths, fd)
    for container, _ in _holders(paths):
        for attachment in attached.of(container):
            for port in attachment.ports:
                if port.protocol == "tcp":
                    continue  # a monitor's
                try:
                    rootless.forward(
                        _directory(paths), replaced(port, container_port=port.host_port)
                    )
                except CrunpyError as e:  # somebody else has it by now
                    notices.warn(f"container {container.name}: {e.line()}")


def _prepare() -> None:
    """In the new namespace."""
    with netlink.Socket() as sock:
        sock.do(netlink.link_up(1))
    sysctl("ipv4/ip_forward", "1")


def _directory(paths: Paths) -> str:
    path = ipam.directory(paths) + "/hub"
    private_dir(path)
    return path


def _file(paths: Paths) -> str:
    return ipam.directory(paths) + "/hub.json"


def leave(paths: Paths, container_id: str, ports: Sequence[PortMapping]) -> None:
    """A container has ended or goes: its ports are taken back, and slirp4netns ends if it was the
    last one.  May be called again.  Under the lock."""
    if any(container.id != container_id for container, _ in _holders(paths)):
        unforward(paths, ports)
    else:
        _stop(paths)


def _stop(paths: Paths) -> None:
    """End the slirp4netns of a hub that nobody holds."""
    made = _noted(paths)
    if made:
        rootless.stop(made)
        os.unlink(_file(paths))


def _noted(paths: Paths) -> Attachment | None:
    """The slirp4netns that hub.json tells of."""
    try:
        return from_json(Attachment, jsonfile.read(_file(paths)))
    except (FileNotFoundError, CorruptState, InvalidArgument):
        return None


def forward(
    paths: Paths, ports: Sequence[PortMapping]
) -> tuple[dict[int, PortMapping], list[PortMapping]]:
    """Let the host answer on `ports`: descriptors of sockets that listen there for the container's
    monitor (tcp), the others by slirp4netns, which leads to the hub; all with the numbers that
    were chosen, in their order.

    All or none: raises Conflict, InvalidArgument, Unsupported.
    """
    rootless.check_protocols(ports)
    stream = [port for port in ports if port.protocol == "tcp"]
    held, taken = reserve(stream, paths)
    try:
        for fd in held:
            listen(fd)
        others = [port for port in ports if port.protocol != "tcp"]
        forwarded = rootless.publish(_directory(paths), others, paths, same=True)
    except BaseException:
        for fd in held:
            os.close(fd)
        raise
    streams, rest = iter(taken), iter(forwarded)
    chosen = [next(streams if port.protocol == "tcp" else rest) for port in ports]
    return dict(zip(held, taken, strict=True)), chosen


def unforward(paths: Paths, ports: Sequence[PortMapping]) -> None:
    """Undo `forward` in slirp4netns."""
    rootless.unforward(_directory(paths), [port for port in ports if port.protocol != "tcp"])
