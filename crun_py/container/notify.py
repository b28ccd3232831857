"""Telling a service manager that a container runs (sd_notify(3); podman-run(1), --sdnotify).

    container  its command tells it itself: it has a socket, whose messages the monitor passes on
    conmon     we do, when the command has been executed
    healthy    `healthcheck run` does, when a check was good for the first time
    ignore     nobody does

The service's main process is the monitor in all but the last: it ends with the container's exit
code.  What is told to which socket is that of the command which starts the container; a restart by
a policy tells nothing.
"""

from __future__ import annotations

import _socket
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import Spec
    from crun_py.state import Container

CONTAINER, CONMON, HEALTHY, IGNORE = "container", "conmon", "healthy", "ignore"
MODES = (CONTAINER, CONMON, HEALTHY, IGNORE)
INSIDE = "/run/notify"
"""The directory of the socket in a container, as podman's."""
_LATER = "notify-socket"
_BARRIER_S = 5.0


def mode_of(container: Container) -> str:
    """One of MODES."""
    return container.record["host"].get("sdnotify") or CONTAINER


def offer(container: Container, spec: Spec, service: str) -> int:
    """Give the container a socket if it is to tell `service`, the address in NOTIFY_SOCKET,
    itself; the monitor's descriptor of it, -1 for none."""
    if not service or mode_of(container) != CONTAINER:
        return -1
    from crun_py.spec import mount

    directory = container.run_directory + "/notify"
    os.mkdir(directory)
    os.chmod(directory, 0o755)
    fd = _bound(directory)
    # whoever the command runs as; nobody else gets as far as to this directory
    os.chmod(directory + "/notify.sock", 0o666)
    own = mount("bind", directory, INSIDE, "bind", "rro", "nosuid", "nodev", "noexec")
    spec["mounts"] = [*spec["mounts"], own]
    process = spec["process"]
    process["env"] = [*process["env"], f"NOTIFY_SOCKET={INSIDE}/notify.sock"]
    return fd


def _bound(directory: str) -> int:
    """A socket there, by descriptor: a socket's name is short (108 bytes)."""
    above = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    try:
        sock.bind(f"/proc/self/fd/{above}/notify.sock")
        return sock.detach()
    finally:
        os.close(above)
        sock.close()


def started(container: Container, service: str) -> None:
    """The command runs: tell `service` which process is the main one, and what is known now."""
    mode = mode_of(container)
    if not service or mode == IGNORE:
        return
    lines = [f"MAINPID={container.status().monitor_pid}"]
    if mode == CONMON:
        lines.append("READY=1")
    if mode == HEALTHY:
        os.symlink(service, f"{container.run_directory}/{_LATER}")
    _tell(service, "\n".join(lines))


def healthy(container: Container) -> None:
    """A check was good: tell it to whoever waits for that."""
    link = f"{container.run_directory}/{_LATER}"
    try:
        service = os.readlink(link)
        os.unlink(link)
    except FileNotFoundError:
        return
    _tell(service, "READY=1")


def _tell(service: str, text: str) -> None:
    """Send `text`, and wait until it has been read: of a process that has ended nobody knows in
    which unit it was (sd_notify_barrier(3)).  Raises OSError."""
    import array

    address: str | bytes = service
    if service.startswith("@"):
        address = b"\0" + os.fsencode(service[1:])
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    seen, barrier = os.pipe()
    try:
        sock.connect(address)
        sock.send(text.encode())
        with_it = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [barrier]))]
        sock.sendmsg([b"BARRIER=1"], with_it)
        os.close(barrier)
        barrier = -1
        select.select([seen], [], [], _BARRIER_S)
    finally:
        sock.close()
        for fd in (seen, barrier):
            if fd >= 0:
                os.close(fd)
