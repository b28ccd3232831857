"""The network of a user's containers: pasta, else slirp4netns (before a pasta known as faulty).

Runs in a process that is root in a user namespace of its own but still in the host's
network namespace, for a network namespace that belongs to that user namespace.  Both
programs give it an interface (eth0, tap0), a default route, and published ports that
listen on the host as an ordinary process does.

pasta(1) copies the host's address and keeps clients' addresses; clients on the host itself
show up as 127.0.0.1.  It needs a default route on the host.  slirp4netns(1) gives 10.0.2.100
and shows every client of a published port as 10.0.2.2.  Neither lets the container reach
the host's 127.0.0.1.  Both run until `stop`: given a descriptor of the namespace they do not
notice its end.
"""

from __future__ import annotations

import _socket
import os
import select

from crun_py import caller, jsonfile
from crun_py._native import lib
from crun_py.errors import NO_PROCESS, Conflict, CrunpyError, Unsupported
from crun_py.model.network import Attachment, PortMapping
from crun_py.net import helper_options, inside, ip, netlink
from crun_py.net.ports import described, reserve
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.paths import Paths

_INSTALL = "install one of them: apt install passt (or slirp4netns)"
_ELSEWHERE = "198.51.100.1"
"""An address of nobody (RFC 5737), reached by the default route."""
_SIGTERM, _SIGKILL, _SIGPIPE = 15, 9, 13
_START_TIMEOUT_S = 10.0
_TUN = "/dev/net/tun"


def start(
    netns_fd: int,
    ports: list[PortMapping],
    run_dir: str,
    paths: Paths | None = None,
    *,
    mode: str = "",
) -> Attachment:
    """Connect the network namespace `netns_fd` and publish `ports`; ready on return.

    run_dir: an existing directory of the container's for a socket and a pid file.  paths: of the
    store whose containers an error names.  mode: pasta or slirp4netns, and not the other one, with
    options (helper_options.py).
    Returns what `stop` needs, with the ports as they really are, addresses and interface as seen
    inside, dns (addresses that answer inside whatever the host's resolv.conf says) and
    host_address (by which services of the host on all its addresses are reached, "" for none).
    Raises Conflict when a port is taken, Unsupported when the host lacks the programs or
    /dev/net/tun, CrunpyError.
    """
    check_protocols(ports)
    only = mode.partition(":")[0]
    pasta = "" if only == "slirp4netns" else _find("pasta")
    slirp = "" if only == "pasta" else _find("slirp4netns")
    if not pasta and not slirp:
        what = "no " + (only if only in ("pasta", "slirp4netns") else "pasta, no slirp4netns")
        raise Unsupported(f"making a network without root: {what}", hint=_INSTALL)
    _check_tun()
    # the programs bind the ports themselves: this tells beforehand, and in our words
    held, ports = reserve(ports, paths)
    for fd in held:
        os.close(fd)
    try:
        with inside.socket(netns_fd, ipv6=True) as sock:
            sock.do(netlink.link_up(1))
            made = _first_that_works(pasta, slirp, netns_fd, ports, run_dir, mode)
            try:
                return replaced(made, ports=tuple(ports), **_seen(sock))
            except BaseException:
                stop(made)
                raise
    except OSError as e:
        raise CrunpyError.from_os("making a network without root", e) from e


def check_protocols(ports: Sequence[PortMapping]) -> None:
    """Raises Unsupported for a port that the programs do not forward."""
    for port in ports:
        if port.protocol != "tcp" and (port.protocol == "sctp" or ":" in port.host_ip):
            what = "sctp" if port.protocol == "sctp" else "udp at addresses of IPv6"
            raise Unsupported(
                f"publishing port {described(port)}: users' networks do not forward {what}",
                hint="tcp, and udp of IPv4",
            )


def slirp_program() -> str:
    """The path of slirp4netns.  Raises Unsupported when the host lacks what it takes."""
    found = _find("slirp4netns")
    if not found:
        raise Unsupported("making a user's network: no slirp4netns", hint="apt install slirp4netns")
    _check_tun()
    return found


def _first_that_works(
    pasta: str, slirp: str, netns_fd: int, ports: list[PortMapping], run_dir: str, mode: str
) -> Attachment:
    drivers = [(_pasta, pasta), (slirp4netns, slirp)]
    if pasta and slirp and _is_unreliable(pasta):
        drivers.reverse()
    failed: list[CrunpyError] = []
    for driver, program in drivers:
        if program:
            try:
                return driver(program, netns_fd, ports, run_dir, mode)
            except Conflict:
                raise
            except CrunpyError as e:
                failed.append(e)
    raise CrunpyError(
        "; ".join(error.message for error in failed),
        hint=_hint(failed, slirp),
    )


def _hint(failed: list[CrunpyError], slirp: str | None) -> str:
    """What helps against the errors of the programs, which are in their own words."""
    if any("temporarily unavailable" in error.message for error in failed):
        return NO_PROCESS
    return "" if slirp else "apt install slirp4netns, which works without a default route, too"


def _is_unreliable(pasta: str) -> bool:
    """Whether this pasta is Debian 12's, of 2023-03 and without a version number.

    It was seen to die with SIGSEGV at a container's first TCP connection (Linux 6.18).
    """
    reader, writer = os.pipe()
    try:
        pid = _spawn(pasta, ["pasta", "--version"], [], stderr=writer, stdout=writer)
    finally:
        os.close(writer)
    try:
        said = _read_all(reader)
    finally:
        os.close(reader)
        os.waitpid(pid, 0)
    return "unknown version" in said


def _seen(sock: netlink.Socket) -> dict[str, str | int]:
    """The fields of an Attachment that are what the container sees."""
    names = {index: name for name, index in netlink.links(sock).items()}
    for index, address, prefix in netlink.addresses(sock):
        if names.get(index) not in (None, "lo"):
            number = int.from_bytes(address, "big")
            return {"ip": ip.text(number), "prefix": prefix, "interface": names[index]}
    return {}


def _pasta(
    program: str, netns_fd: int, ports: Sequence[PortMapping], run_dir: str, mode: str
) -> Attachment:
    """Start pasta, which goes into the background when all is set up."""
    pid_file = run_dir + "/pasta.pid"
    arguments = ["pasta", "--config-net", "--no-netns-quit", "--no-map-gw", "--quiet"]
    arguments += ["--ns-ifname", "eth0", "--pid", pid_file, "-T", "none", "-U", "none"]
    for option, protocol in (("-t", "tcp"), ("-u", "udp")):
        specs = [_pasta_port(port) for port in ports if port.protocol == protocol]
        for spec in specs or ["none"]:
            arguments += [option, spec]
    if mode.startswith("pasta:"):
        arguments += helper_options.parse(mode).arguments
    arguments += ["--netns", f"/proc/self/fd/{netns_fd}"]
    reader, writer = os.pipe()
    try:
        pid = _spawn(program, arguments, [netns_fd], stderr=writer)
        os.close(writer)
        writer = -1
        said = _read_all(reader)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        for fd in (reader, writer):
            if fd >= 0:
                os.close(fd)
    if status:
        if "Failed to bind" in said:
            raise Conflict(f"publishing ports: {said}", hint="`ss -lntup` tells who has them")
        raise CrunpyError(f"starting pasta: {said or f'it ended with status {status}'}")
    number = int(jsonfile.read_bytes(pid_file))
    return _attachment("pasta", number)


def _pasta_port(port: PortMapping) -> str:
    address = port.host_ip + "/" if port.host_ip else ""
    return f"{address}{port.host_port}:{port.container_port}"


def _read_all(reader: int) -> str:
    """What a program writes until it and its children close the pipe, in one line.

    An old pasta cannot log to a syslog that is not there, and says so for each line.
    """
    data = b""
    while part := os.read(reader, 4096):
        data += part
    lines = data.decode(errors="replace").splitlines()
    return "; ".join(text for text in lines if text and not text.startswith("Failed to send"))


def slirp4netns(
    program: str, netns_fd: int, ports: Sequence[PortMapping], run_dir: str, mode: str = ""
) -> Attachment:
    """Start slirp4netns and wait until it has configured the interface and the ports."""
    log = run_dir + "/slirp4netns.log"
    options = helper_options.parse(mode)
    arguments = ["slirp4netns", "--configure", "--enable-sandbox", "--enable-seccomp"]
    arguments += ["--netns-type=path", *options.arguments]
    ready, writer = os.pipe()
    # a socket's name is short (108 bytes), so it gets one below a descriptor
    directory = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    api = f"/proc/self/fd/{directory}/{_API}"
    arguments += [f"--api-socket={api}", f"--ready-fd={writer}"]
    arguments += [f"/proc/self/fd/{netns_fd}", "tap0"]
    try:
        try:
            # it writes there for life, so not to a pipe that nobody would read
            errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                pid = _spawn(program, arguments, [netns_fd, writer, directory], stderr=errors)
            finally:
                os.close(errors)
        finally:
            os.close(writer)
        made = _attachment("slirp4netns", pid)
        try:
            readable, _, _ = select.select([ready], [], [], _START_TIMEOUT_S)
            if not readable or os.read(ready, 1) != b"1":
                said = jsonfile.read_bytes(log).decode(errors="replace").split("\n")
                raise CrunpyError(f"starting slirp4netns: {'; '.join(filter(None, said))}")
            for port in ports:
                _add_forward(api, port)
        except BaseException:
            stop(made)
            raise
    finally:
        os.close(ready)
        os.close(directory)
    return replaced(made, dns=(options.dns,), host_address=outward_address())


def outward_address() -> str:
    """The host's own address towards its default route, "" without one: slirp4netns connects
    as a process of the host, so that its services on all addresses answer there."""
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        probe.connect((_ELSEWHERE, 9))  # a UDP socket sends nothing by this
        return str(probe.getsockname()[0])
    except OSError:
        return ""
    finally:
        probe.close()


_API = "slirp4netns.sock"


def forward(run_dir: str, port: PortMapping) -> None:
    """Publish one more port by the slirp4netns whose directory is `run_dir`.

    Raises Conflict when it is taken.
    """
    directory = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _add_forward(f"/proc/self/fd/{directory}/{_API}", port)
    finally:
        os.close(directory)


def publish(
    run_dir: str, ports: Sequence[PortMapping], paths: Paths, *, same: bool = False
) -> list[PortMapping]:
    """Publish more ports by the slirp4netns whose directory is `run_dir`; with the numbers that
    were chosen.  same: it gets them as the host's ports, else as the container's.

    All or none: raises Conflict, InvalidArgument, Unsupported.
    """
    check_protocols(ports)
    held, chosen = reserve(ports, paths)  # tells beforehand, and in our words
    for fd in held:
        os.close(fd)
    done: list[PortMapping] = []
    try:
        for port in chosen:
            to = port.host_port if same else port.container_port
            forward(run_dir, replaced(port, container_port=to))
            done.append(port)
    except BaseException:
        unforward(run_dir, done)
        raise
    return chosen


def unforward(run_dir: str, ports: Sequence[PortMapping]) -> None:
    """Take ports back; that they, or the program, are gone is no error."""
    wanted = {(port.protocol, port.host_ip or "0.0.0.0", port.host_port) for port in ports}
    if not wanted:
        return
    directory = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        path = f"/proc/self/fd/{directory}/{_API}"
        answer = jsonfile.loads(_asked(path, {"execute": "list_hostfwd"}))
        # it lies within "return", or, with older ones, at the top
        for entry in answer.get("return", answer).get("entries", []):
            if (entry["proto"], entry["host_addr"], entry["host_port"]) in wanted:
                _asked(path, {"execute": "remove_hostfwd", "arguments": {"id": entry["id"]}})
    except (FileNotFoundError, ConnectionRefusedError):
        return
    finally:
        os.close(directory)


def answers(run_dir: str) -> bool:
    """Whether a slirp4netns with its socket in this directory lives: one that is being killed may
    have the socket still, but says nothing."""
    try:
        directory = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return bool(_asked(f"/proc/self/fd/{directory}/{_API}", {"execute": "list_hostfwd"}))
    except OSError:
        return False
    finally:
        os.close(directory)


def _asked(path: str, request: dict[str, object]) -> bytes:
    """What the program at its socket `path` answers.  Raises OSError."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        sock.connect(path)
        sock.send(jsonfile.dumps(request).encode())
        sock.shutdown(_socket.SHUT_WR)
        answer = b""
        while part := sock.recv(4096):
            answer += part
    finally:
        sock.close()
    return answer


def _add_forward(path: str, port: PortMapping) -> None:
    request: dict[str, object] = {
        "execute": "add_hostfwd",
        "arguments": {
            "proto": port.protocol,
            "host_addr": port.host_ip or "0.0.0.0",
            "host_port": port.host_port,
            "guest_port": port.container_port,
        },
    }
    answer = _asked(path, request)
    if b'"error"' in answer:
        raise Conflict(
            f"publishing port {described(port)}: port {port.host_port}/{port.protocol} is already "
            "in use",
            hint=f"slirp4netns said {answer.decode(errors='replace').strip()}",
        )


def stop(made: Attachment) -> None:
    """End what `start` started; that it has ended is no error.  May be called again.

    The process is known by its pid and start time, so a pid that was reused is left alone.
    """
    try:
        pidfd = os.pidfd_open(made.pid)
    except ProcessLookupError:
        return
    except OSError as e:
        raise CrunpyError.from_os(f"ending {made.helper}", e) from e
    try:
        if _start_time(made.pid) == made.start_time:
            for signal, patience_s in ((_SIGTERM, 2.0), (_SIGKILL, 2.0)):
                lib.crunpy_pidfd_send_signal(pidfd, signal)
                if select.select([pidfd], [], [], patience_s)[0]:
                    break
            _reap(made.pid)
    finally:
        os.close(pidfd)


def _reap(pid: int) -> None:
    """Take the exit status of `pid` where it is a child of ours."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _attachment(helper: str, pid: int) -> Attachment:
    return Attachment(
        driver="rootless", network="bridge", helper=helper, pid=pid, start_time=_start_time(pid)
    )


def _start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat, in clock ticks since boot (proc_pid_stat(5)); 0 if gone."""
    try:
        stat = jsonfile.read_bytes(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def _spawn(
    program: str, arguments: list[str], keep: list[int], stderr: int, stdout: int = -1
) -> int:
    """Start `program` with the descriptors `keep`; its pid.  stdout: -1 for /dev/null."""
    inheritable = {fd: os.get_inheritable(fd) for fd in keep}
    try:
        for fd in keep:
            os.set_inheritable(fd, True)
        actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)
            if stdout < 0
            else (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_DUP2, stderr, 2),
        ]
        # Python ignores SIGPIPE; pasta of 2023 takes it for an error to find it ignored
        return os.posix_spawn(
            program, arguments, caller.variables(), file_actions=actions, setsigdef=[_SIGPIPE]
        )
    finally:
        for fd, was in inheritable.items():
            os.set_inheritable(fd, was)


def _find(name: str) -> str:
    """The path of the program `name`, "" when there is none."""
    search = caller.variable("PATH") + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    for directory in search.split(":"):
        if directory and os.access(f"{directory}/{name}", os.X_OK):
            return f"{directory}/{name}"
    return ""


def lacking() -> str:
    """What a plain user's container cannot have a network of its own for, "" when it can."""
    if not _find("pasta") and not _find("slirp4netns"):
        return "no pasta, no slirp4netns"
    try:
        _check_tun()
    except Unsupported as e:
        return e.message
    return ""


def _check_tun() -> None:
    """Raises Unsupported unless /dev/net/tun can be opened: both programs need it."""
    try:
        os.close(os.open(_TUN, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError as e:
        raise Unsupported.from_os(
            f"opening {_TUN}", e, hint="as root: modprobe tun; or use --network none or host"
        ) from e
    except OSError as e:
        raise Unsupported.from_os(
            f"opening {_TUN}",
            e,
            hint="as root: chmod 666 /dev/net/tun (every user may open it on a usual host)",
        ) from e
