"""What a registry says never makes us connect to a link-local address, where clouds keep
their metadata, however the address is spelled.

Everything happens in a network namespace of the test's own, where such addresses exist and
something listens there: a connection to it is the fault, whatever the message says.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import netns
import pytest
from engine import Engine
from images import image
from oci_images import directory, tar
from scripted import Request, Rule, Server

METADATA = "169.254.169.254"
ADDRESSES = (f"{METADATA}/32", "169.254.7.7/32", "fe80::1/64", "fd00:ec2::254/128")

HOSTS = f"""\
127.0.0.1 localhost
{METADATA} metadata.test metadata.google.internal evil.localhost
fd00:ec2::254 six.test
127.0.0.9 two.test
{METADATA} two.test
"""
"""The private /etc/hosts; nothing listens at the first address of two.test."""

SPELLINGS = {
    "plain": METADATA,
    "one number": "2852039166",
    "hexadecimal": "0xa9fea9fe",
    "two parts": "169.16689662",
    "three parts": "169.254.43518",
    "octal": "0251.0376.0251.0376",
    "mixed": "0xA9.254.0251.0xfe",
    "a dot at the end": f"{METADATA}.",
    "wide digits": "\uff11\uff16\uff19.254.169.254",
    "wide dots": "169\u3002254\u3002169\u3002254",
    "mapped": f"[::ffff:{METADATA}]",
    "mapped in hexadecimal": "[::ffff:a9fe:a9fe]",
    "another of the block": "169.254.7.7",
    "with a zone": "[fe80::1%25lo]",
    "with a bare zone": "[fe80::1%lo]",
    "metadata by IPv6": "[fd00:ec2::254]",
    "unspecified": "0",
    "unspecified by IPv6": "[::]",
    "a name": "metadata.test",
    "a name for IPv6": "six.test",
    "a name with a dot at the end": "metadata.test.",
    "a name that is known": "METADATA.google.internal",
    "a name below localhost": "evil.localhost",
    "a name with two addresses": "two.test",
    "a name that is another at the second look": "rebound.test",
}
SHARPEST = ["one number", "octal", "a name", "a name with two addresses"]
"""Enough where the way to the connection is one that others take too."""


class Trap:
    """The namespace: `wrap` runs a command in it, `caught` are addresses connected to."""

    def __init__(self, work: Path) -> None:
        self.fd = netns.new_netns()
        self.caught: list[str] = []
        self._sockets: list[socket.socket] = []
        with netns.inside(self.fd):
            netns.sh("ip link set lo up")
            for address in ADDRESSES:
                netns.sh(f"ip addr add {address} dev lo")
        (work / "hosts").write_text(HOSTS)
        (work / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        script = "".join(f"mount --bind {work}/{n} /etc/{n}\n" for n in ("hosts", "resolv.conf"))
        net = f"--net=/proc/{os.getpid()}/fd/{self.fd}"
        self.wrap = ["nsenter", net, "unshare", "--mount", "--propagation", "private", "sh", "-c",
                     f'set -e\n{script}exec "$@"', "sh"]  # fmt: skip
        scope = netns.in_thread(self.fd, lambda: socket.if_nametoindex("lo"))
        for port in (80, 443):
            for address in (METADATA, "169.254.7.7", "127.0.0.1"):
                self._listen(socket.AF_INET, (address, port))
            for place in (("fe80::1", port, 0, scope), ("fd00:ec2::254", port), ("::1", port)):
                self._listen(socket.AF_INET6, place)
        self._names()

    def _listen(self, family: int, place: tuple[str | int, ...]) -> None:
        def make() -> socket.socket:
            made = socket.socket(family)
            made.bind(place)
            made.listen()
            return made

        listener = netns.in_thread(self.fd, make)
        self._sockets.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        body = b'{"token":"stolen"}'
        answer = b"HTTP/1.0 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                self.caught.append(str(peer.getsockname()[:2]))
                try:
                    peer.settimeout(2)
                    if peer.getsockname()[1] == 80 and peer.recv(4096):
                        peer.sendall(answer)
                except OSError:
                    continue

    def _names(self) -> None:
        """A name server that says loopback first, and link-local to whoever looks again."""

        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind(("127.0.0.1", 53))
            return made

        def serve() -> None:
            asked = 0
            while True:
                try:
                    query, peer = server.recvfrom(512)
                except OSError:
                    return
                question = query[12:]
                end = question.index(b"\0") + 5
                kind = struct.unpack("!H", question[end - 4 : end - 2])[0]
                known = question.lower().startswith(b"\x07rebound\x04test")
                answers, record = 0, b""
                if known and kind == 1:
                    address = METADATA if asked % 2 else "127.0.0.9"
                    asked += 1
                    answers, record = 1, b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04"
                    record += socket.inet_aton(address)
                flags = 0x8180 if known else 0x8183
                head = query[:2] + struct.pack("!5H", flags, 1, answers, 0, 0)
                server.sendto(head + question[:end] + record, peer)

        server = netns.in_thread(self.fd, make)
        self._sockets.append(server)
        threading.Thread(target=serve, daemon=True).start()

    def registry(self) -> Server:
        """A registry on loopback in the namespace."""
        made = image(tar(directory("etc")))
        return netns.in_thread(self.fd, lambda: Server(made))

    def close(self) -> None:
        for each in self._sockets:
            each.shutdown(socket.SHUT_RDWR) if each.type == socket.SOCK_STREAM else None
            each.close()
        os.close(self.fd)


@pytest.fixture(scope="module")
def made_trap(base: Path) -> Iterator[Trap]:
    work = base / "link-local"
    work.mkdir()
    trap = Trap(work)
    yield trap
    trap.close()


@pytest.fixture
def trap(made_trap: Trap) -> Iterator[Trap]:
    """Nothing has been connected to yet."""
    made_trap.caught.clear()
    yield made_trap


@pytest.fixture
def server(trap: Trap) -> Iterator[Server]:
    server = trap.registry()
    yield server
    server.shutdown()
    server.server_close()


def answer(status: int, body: bytes = b"", **headers: str) -> Rule:
    def rule(request: Request, count: int) -> bool:
        request.rfile.read(int(request.headers.get("content-length") or 0))
        # http.server writes Latin-1, and what we mean is UTF-8
        said = {k.replace("_", "-"): v.encode().decode("latin-1") for k, v in headers.items()}
        request.answer(status, body, said)
        return True

    return rule


def refused(engine: Engine, trap: Trap, *words: str, input: str | None = None) -> str:
    """The message of a command that must fail without a connection to the trap."""
    done = engine.run(*words, wrap=trap.wrap, input=input)
    assert not trap.caught, f"connected to {trap.caught}; {done.out}{done.err}"
    assert done.code in (1, 125), done
    lines = done.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("crunpy: error: "), done.err
    assert "internal error" not in done.err
    return lines[0]


def pull(server: Server) -> tuple[str, ...]:
    return ("pull", "-q", "--retry", "0", f"{server.host}/a:1")


def test_the_trap_catches(trap: Trap) -> None:
    """The other tests prove something: what is spelled like that does arrive there."""
    for host in SPELLINGS.values():
        place = host.strip("[]")
        if not (host.isascii() and place.replace("x", "").replace(":", "")[:1].isalnum()):
            continue
        trap.caught.clear()

        def connect(place: str = place) -> bool:
            try:
                found = socket.getaddrinfo(place, 80, flags=socket.AI_NUMERICHOST)
            except socket.gaierror:
                return False
            with socket.socket(found[0][0]) as made:
                made.connect(found[0][4])
            return True

        if netns.in_thread(trap.fd, connect):
            netns.wait_for(lambda: trap.caught)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_redirects(root: Engine, trap: Trap, server: Server, spelling: str) -> None:
    target = f"http://{SPELLINGS[spelling]}/latest/meta-data"
    server.rules.append(("/manifests/", answer(307, location=target)))
    refused(root, trap, *pull(server))
    server.rules[:] = [("/blobs/", answer(302, location=target))]
    refused(root, trap, *pull(server))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_token_servers(root: Engine, trap: Trap, server: Server, spelling: str) -> None:
    """Plain http is for loopback alone, so https, where it is the connection that counts."""
    for scheme in ("http", "https"):
        realm = f'Bearer realm="{scheme}://{SPELLINGS[spelling]}/token",service="x"'
        server.rules[:] = [("/v2/", answer(401, www_authenticate=realm))]
        message = refused(root, trap, *pull(server))
        assert "token server" in message
        file = str(root.home / "auth.json")
        words = ("login", "-u", "me", "--password-stdin", "--authfile", file, server.host)
        refused(root, trap, *words, input="secret")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_where_uploads_go(root: Engine, trap: Trap, server: Server, spelling: str) -> None:
    there = f"http://{SPELLINGS[spelling]}/upload"

    def method(which: str, evil: str) -> Rule:
        """Takes uploads like a registry; the answer to `which` leads to `evil`."""
        here = "/v2/a/blobs/uploads/1"
        said = {
            "HEAD": answer(404),
            "POST": answer(202, location=evil if which == "POST" else here),
            "PATCH": answer(202, location=evil if which == "PATCH" else here),
            "PUT": answer(201),
        }
        return lambda request, count: said[request.command](request, count)

    for which in ("POST", "PATCH"):
        server.rules[:] = [("/v2/a/", method(which, there))]
        refused(root, trap, "push", "-q", "--retry", "0", "busybox", f"{server.host}/a:1")


@pytest.mark.parametrize("spelling", SHARPEST)
def test_further_pages(root: Engine, trap: Trap, server: Server, spelling: str) -> None:
    link = f'<http://{SPELLINGS[spelling]}/next>; rel="next"'
    server.rules.append(("/tags/", answer(200, b'{"name":"a","tags":["1"]}', link=link)))
    refused(root, trap, "pull", "-q", "-a", f"{server.host}/a")
    server.rules[:] = [
        ("/v1/search", answer(404)),
        ("/_catalog", answer(200, b'{"repositories":["a"]}', link=link)),
    ]
    refused(root, trap, "search", f"{server.host}/a")


@pytest.mark.parametrize("spelling", SHARPEST)
def test_a_mirror_that_leads_there(root: Engine, trap: Trap, server: Server, spelling: str) -> None:
    """It is passed over: the next one, or the registry itself, is asked."""
    bad = trap.registry()
    target = f"http://{SPELLINGS[spelling]}/x"
    conf = root.home / "mirrors.conf"
    conf.write_text(
        f'[[registry]]\nlocation = "{server.host}"\ninsecure = true\n'
        f'[[registry.mirror]]\nlocation = "{bad.host}"\ninsecure = true\n'
    )
    realm = f'Bearer realm="https://{SPELLINGS[spelling]}/token",service="x"'
    for rule in (answer(307, location=target), answer(401, www_authenticate=realm)):
        bad.rules[:] = [("/v2/", rule)]
        done = root.run(
            *pull(server), wrap=trap.wrap, env={"CONTAINERS_REGISTRIES_CONF": str(conf)}
        )
        assert not trap.caught, f"connected to {trap.caught}"
        assert done.code == 0 and bad.seen, done.err
        bad.seen.clear()
        root.ok("rmi", f"{server.host}/a:1")
    conf.unlink()
    bad.shutdown()
    bad.server_close()


@pytest.mark.parametrize("spelling", ["plain", *SHARPEST])
@pytest.mark.parametrize("verb", ["import", "load"])
def test_archives_from_servers(
    root: Engine, trap: Trap, server: Server, verb: str, spelling: str
) -> None:
    """The server that the user named may not send us there."""
    target = f"http://{SPELLINGS[spelling]}/archive.tar"
    server.rules.append(("/archive", answer(302, location=target)))
    words = ("load", "-i") if verb == "load" else ("import",)
    refused(root, trap, *words, f"http://{server.host}/archive.tar")


@pytest.mark.parametrize("who", ["root", "user"])
def test_a_user_is_kept_from_it_too(
    request: pytest.FixtureRequest, trap: Trap, server: Server, who: str
) -> None:
    engine: Engine = request.getfixturevalue(who)
    target = f"http://{SPELLINGS['one number']}/x"
    server.rules.append(("/manifests/", answer(307, location=target)))
    refused(engine, trap, *pull(server))


def test_redirects_to_other_places_are_followed(root: Engine, trap: Trap, server: Server) -> None:
    """Loopback by number, by name and by IPv6, as blobs of registries lie elsewhere."""
    other = trap.registry()
    port = other.host.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "2130706433"):
        where: Callable[[Request], str] = lambda r, h=host: f"http://{h}:{port}{r.path}"  # noqa: E731
        server.rules[:] = [
            ("/blobs/", lambda r, n, w=where: r.answer(307, b"", {"location": w(r)}) or True)
        ]
        root.ok(*pull(server), wrap=trap.wrap)
        root.ok("rmi", f"{server.host}/a:1")
    other.shutdown()
    other.server_close()


def test_what_the_user_names_is_asked(root: Engine, trap: Trap) -> None:
    """A registry at a link-local address, as on a cable between two machines."""
    message = root.fails("pull", "-q", "--retry", "0", "--tls-verify=false", "169.254.7.7:80/a:1",
                         wrap=trap.wrap)  # fmt: skip
    assert "169.254.7.7:80" in message
    assert trap.caught
