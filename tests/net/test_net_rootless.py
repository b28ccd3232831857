"""crun_py.net.rootless as a real unprivileged user, with pasta and with slirp4netns."""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import netns
import pytest
from engine import USER

from crun_py.errors import Conflict, CrunpyError, Unsupported
from crun_py.model.network import Attachment, PortMapping
from crun_py.net import netlink, ports, rootless
from crun_py.record import from_json, to_json

CLONE_NEWUSER, PR_SET_DUMPABLE = 0x10000000, 4
_libc = ctypes.CDLL(None, use_errno=True)


def _user() -> pwd.struct_passwd:
    return pwd.getpwnam(USER)


pytestmark = [netns.needs_root, pytest.mark.usefixtures("user_name")]


@pytest.fixture(autouse=True)
def tun() -> Iterator[None]:
    """/dev/net/tun open to all, as it is on a usual host."""
    device = Path("/dev/net/tun")
    mode = device.stat().st_mode & 0o777
    device.chmod(0o666)
    yield
    device.chmod(mode)


@pytest.fixture
def outside(tun: None) -> Iterator[int]:
    """The test's namespace has 192.0.2.1 and a default route over 192.0.2.2, a machine."""
    with netns.private_network():
        fd = netns.new_netns()
        with netlink.Socket() as sock:
            sock.do(netlink.veth_add("up0", "eth0", fd, 0, b"\x02\0\0\0\0\1"))
        netns.sh("ip addr add 192.0.2.1/24 dev up0; ip link set up0 up")
        with netns.inside(fd):
            netns.sh("ip link set lo up; ip link set eth0 up; ip addr add 192.0.2.2/24 dev eth0")
        netns.sh("ip route add default via 192.0.2.2")
        yield fd
        os.close(fd)


@pytest.fixture
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    user = _user()
    path = f"/tmp/crunpy-test-{os.getpid()}-{time.monotonic_ns()}"
    os.mkdir(path, 0o700)
    os.chown(path, user.pw_uid, user.pw_gid)
    yield path
    shutil.rmtree(path)


def start(fd: int, wanted: list[PortMapping], run_dir: str) -> dict[str, Any]:
    """As rootless.start, for JSON."""
    return dict(to_json(rootless.start(fd, wanted, run_dir)))


def stop(state: dict[str, Any]) -> None:
    rootless.stop(from_json(Attachment, state))


def as_user(work: Callable[[int], Any]) -> Any:
    """The JSON value of `work(netns_fd)`, run as root of a user namespace of the user's.

    An exception comes back as {"error": its class, "message": …, "hint": …}.
    """
    user = _user()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(_in_userns(user, work)).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as f:
        data = f.read()
    os.waitpid(pid, 0)
    return json.loads(data)


def _in_userns(user: pwd.struct_passwd, work: Callable[[int], Any]) -> Any:
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    _libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    pid, go = os.getpid(), os.pipe()
    helper = os.fork()
    if helper == 0:
        os.read(go[0], 1)
        subprocess.run(
            ["newuidmap", str(pid), "0", str(user.pw_uid), "1", *_range("uid")], check=True
        )
        subprocess.run(
            ["newgidmap", str(pid), "0", str(user.pw_gid), "1", *_range("gid")], check=True
        )
        os._exit(0)
    assert _libc.unshare(CLONE_NEWUSER) == 0
    os.write(go[1], b"x")
    assert os.waitpid(helper, 0)[1] == 0
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    fd = netns.new_netns()
    try:
        return work(fd)
    except CrunpyError as e:
        return {"error": type(e).__name__, "message": e.message, "hint": e.hint}


def _range(kind: str) -> list[str]:
    for line in Path(f"/etc/sub{kind}").read_text().splitlines():
        name, first, count = line.split(":")
        if name == USER:
            return ["1", first, count]
    raise AssertionError(kind)


@pytest.fixture(params=["pasta", "slirp4netns"])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One of the two programs, the other hidden."""
    name: str = request.param
    if not shutil.which(name):
        pytest.skip(f"no {name} here")
    find = rootless._find
    monkeypatch.setattr(rootless, "_find", lambda wanted: find(wanted) if wanted == name else "")
    return name


def gone(state: dict[str, Any]) -> bool:
    """Ended, though init may not have reaped it yet."""
    try:
        stat = Path(f"/proc/{state['pid']}/stat").read_text()
    except FileNotFoundError:
        return True
    return rootless._start_time(state["pid"]) != state["start_time"] or ") Z" in stat


def faulty_pasta() -> bool:
    """Whether pasta here is one that dies at the first connection over its tap."""
    path = shutil.which("pasta")
    return path is not None and rootless._is_unreliable(path)


def test_connected_and_published(outside: int, run_dir: str, program: str) -> None:
    faulty = program == "pasta" and faulty_pasta()

    def work(fd: int) -> dict[str, Any]:
        wanted = [
            p
            for spec in ("8080:80", "5353:53/udp", "127.0.0.1:8081:81", "82")
            for p in ports.parse(spec)
        ]
        begin = time.perf_counter()
        state = start(fd, wanted, run_dir)
        found: dict[str, Any] = {"seconds": time.perf_counter() - begin, "state": state}
        chosen = state["ports"][3]["host_port"]
        udp = socket.SOCK_DGRAM

        def look() -> None:
            found["route"] = netns.sh("ip -4 route")
            found["lo"] = netns.sh("ip link show lo")
            if faulty:
                return
            found["out"] = netns.ask("192.0.2.2", 7)
            for address in ("192.0.2.1", "192.0.2.2", "10.0.2.2"):
                try:
                    netns.ask(address, 9, timeout_s=0.5)
                    found["host loopback"] = True
                except OSError:
                    found.setdefault("host loopback", False)

        netns.in_thread(fd, look)
        with netns.echo_server(fd, 80), netns.echo_server(fd, 81), netns.echo_server(fd, 82):
            found["local"] = netns.ask("127.0.0.1", 8080)
            found["bound"] = netns.ask("127.0.0.1", 8081)
            found["chosen"] = netns.ask("127.0.0.1", chosen)
            try:
                netns.ask("192.0.2.1", 8081)
                found["wide"] = True
            except OSError:
                found["wide"] = False
        if not faulty:
            with netns.echo_server(fd, 53, udp):
                found["udp"] = netns.ask("192.0.2.1", 5353, udp)
        try:
            ports.reserve(ports.parse("8080:1"))
            found["held"] = False
        except Conflict:
            found["held"] = True
        stop(state)
        stop(state)
        found["gone"] = gone(state)
        for fd_ in ports.reserve(ports.parse("8080:1"))[0]:
            os.close(fd_)
        return found

    with netns.echo_server(outside, 7):
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        server = socket.socket()
        server.bind(("127.0.0.1", 9))
        server.listen()
        found = as_user(work)
        server.close()
        os.close(own)
    assert "error" not in found, found
    state = found["state"]
    assert state["helper"] == program
    assert state["interface"] == {"pasta": "eth0", "slirp4netns": "tap0"}[program]
    assert state["ip"] == {"pasta": "192.0.2.1", "slirp4netns": "10.0.2.100"}[program]
    assert "default via" in found["route"] and "UP" in found["lo"]
    assert found["local"] and found["bound"] and found["chosen"] and not found["wide"]
    if not faulty:
        assert found["out"] == "192.0.2.1", "the host's address, as for any process of the user"
        assert not found["host loopback"] and found["udp"]
    assert found["held"] and found["gone"]
    assert found["seconds"] < 2


def test_clients_address_is_kept_by_pasta(outside: int, run_dir: str) -> None:
    if not shutil.which("pasta") or faulty_pasta():
        pytest.skip("no pasta here that keeps it")

    def work(fd: int) -> Any:
        state = start(fd, ports.parse("8080:80"), run_dir)
        with netns.echo_server(fd, 80):
            Path(run_dir, "up").touch()
            netns.wait_for(Path(run_dir, "done").exists)
        stop(state)
        return state

    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with netns.inside(outside):
            netns.wait_for(Path(run_dir, "up").exists)
            try:
                os.write(writer, netns.ask("192.0.2.1", 8080).encode())
            finally:
                Path(run_dir, "done").touch()
                os._exit(0)
    os.close(writer)
    assert as_user(work)["helper"] == "pasta"
    assert os.read(reader, 100) == b"192.0.2.2"
    os.waitpid(pid, 0)
    os.close(reader)


def test_port_that_is_taken(outside: int, run_dir: str, program: str) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 8080))
        server.listen()
        found = as_user(lambda fd: start(fd, ports.parse("8080:80"), run_dir))
    assert found["error"] == "Conflict"
    assert "port 8080/tcp is already in use" in found["message"]
    low = as_user(lambda fd: start(fd, ports.parse("80:80"), run_dir))
    assert "ip_unprivileged_port_start" in low["hint"]


def test_without_default_route_slirp4netns_takes_over(outside: int, run_dir: str) -> None:
    if not shutil.which("pasta") or not shutil.which("slirp4netns"):
        pytest.skip("needs both programs")
    netns.sh("ip route del default")

    def work(fd: int) -> Any:
        state = start(fd, ports.parse("8080:80"), run_dir)
        with netns.echo_server(fd, 80):
            state["answer"] = netns.ask("127.0.0.1", 8080)
        stop(state)
        return state

    found = as_user(work)
    assert found.get("helper") == "slirp4netns", found
    assert found["answer"] == "10.0.2.2"


def test_a_faulty_pasta_comes_second(
    outside: int, run_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("pasta") or not shutil.which("slirp4netns"):
        pytest.skip("needs both programs")

    def work(fd: int) -> Any:
        state = start(fd, [], run_dir)
        stop(state)
        return state

    for faulty, driver in ((True, "slirp4netns"), (False, "pasta")):
        monkeypatch.setattr(rootless, "_is_unreliable", lambda path, found=faulty: found)
        assert as_user(work)["helper"] == driver


def test_stop_leaves_a_reused_pid_alone() -> None:
    child = subprocess.Popen(["sleep", "60"])
    state = {"driver": "rootless", "network": "bridge", "helper": "pasta", "pid": child.pid,
             "start_time": 1}  # fmt: skip
    stop(state)
    assert child.poll() is None
    state["start_time"] = rootless._start_time(child.pid)
    stop(state)
    assert child.wait() in (-signal.SIGTERM, 0)
    stop(state)


def test_what_is_missing_is_named(
    outside: int, run_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as m:
        m.setattr(rootless, "_find", lambda name: "")
        with pytest.raises(Unsupported) as e:
            start(0, [], run_dir)
        assert "passt" in e.value.hint and "slirp4netns" in e.value.hint
    with pytest.raises(Unsupported, match="sctp"):
        start(0, ports.parse("80:80/sctp"), run_dir)
    # not the device itself, which other tests need now
    closed = Path(run_dir, "dev/net/tun")
    closed.parent.mkdir(parents=True)
    closed.touch(0o600)
    monkeypatch.setattr(rootless, "_TUN", str(closed))
    found = as_user(lambda fd: start(fd, [], run_dir))
    assert found["error"] == "Unsupported" and "/dev/net/tun" in found["message"]
    assert "chmod 666 /dev/net/tun" in found["hint"]
