"""Pulls and pushes through the command that are killed, cut off, refused or lied to."""

from __future__ import annotations

import hashlib
import json
import os
import random
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from engine import Engine
from images import ARCHITECTURE
from oci_images import CONFIG as CONFIG_TYPE
from oci_images import INDEX, MANIFEST, TestImage, docker_registry, entry, tar
from oci_images import LAYER as LAYER_TYPE
from scripted import (
    Request,
    Rule,
    answer,
    cut,
    layered,
    noise,
    once,
    serving,
    slowly,
)

from crun_py.oci.registry import upload
from crun_py.oci.registry.access import Access
from crun_py.oci.registry.patience import Patience
from crun_py.oci.registry.registries import Endpoint


@pytest.fixture
def store(engine: Engine, fresh: Callable[[str], Engine]) -> Engine:
    return fresh("user" if engine.rootless else "root")


def content(engine: Engine) -> list[str]:
    """Everything of the images in the store but locks."""
    found = []
    for top in (engine.root / "images", engine.root / "layers"):
        for directory, _, names in os.walk(top):
            if "/diff" in directory:
                continue
            found += [f"{directory}/{n}" for n in names if not n.endswith(".lock")]
    return sorted(p for p in found if not p.endswith(("/.collect", "/.pulls", "/.reserve")))


def whole(engine: Engine) -> None:
    """Every blob is what it is called, and nothing half done is left."""
    for path in content(engine):
        name = os.path.basename(path)
        if len(name) == 64:
            assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == name
        assert ".part" not in name and "/.staging-" not in path, path


# ---- killed ----


def test_killed_pulls(store: Engine) -> None:
    """SIGKILL at random points: the next command works, the last pull brings the rest, and a
    layer that was finished is not asked for again."""
    image = layered(3_000_000, 1)
    with serving(image) as server:
        name = f"{server.host}/a:1"

        layers = [layer["digest"] for layer in image.value["layers"]]  # type: ignore[attr-defined]
        server.rules += [(digest, slowly(100_000, 0.004)) for digest in layers]
        points = random.Random(os.getpid())
        for _ in range(8):
            process = store.popen("pull", "-q", name)
            time.sleep(0.15 + points.random() * 0.5)
            process.kill()
            process.wait()
            assert store.run("images").code == 0
        done = {d for d in layers if (store.root / "images/blobs/sha256" / d[7:]).exists()}
        server.seen.clear()
        assert store.ok("pull", "-q", name) == "sha256:" + image.id
        asked = {d for d in layers if any(d in path for path, _ in server.seen)}
        assert not asked & done, "finished layers are not fetched again"
        whole(store)
        before = content(store)
        store.ok("images")
        assert content(store) == before


def test_several_pulls_at_once(store: Engine) -> None:
    image = layered(1_500_000, 20)
    with serving(image) as server:
        name = f"{server.host}/a:1"
        started = [store.popen("pull", "-q", name) for _ in range(4)]
        for process in started:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            assert out.decode().strip() == "sha256:" + image.id
        for layer in image.value["layers"]:  # type: ignore[attr-defined]
            count = sum(layer["digest"] in path for path, _ in server.seen)
            assert count == 1, "one of them fetches it, the others wait"
    whole(store)
    assert len(store.ok("images", "-q").split()) == 1


# ---- what can be recovered ----


def test_recovery(root: Engine) -> None:
    """429 with Retry-After, 503, dropped connections: one pull, and no byte twice."""
    image = layered(400_000, 30, count=1)
    layer = image.value["layers"][0]["digest"]  # type: ignore[index]
    with serving(image) as server:
        name = f"{server.host}/a:1"
        server.rules += [
            ("/manifests/", once(429, {"retry-after": "1"})),
            (image.id, once(503)),
            (layer, cut(150_000, 2)),
        ]
        began = time.monotonic()
        assert root.ok("pull", "-q", "--retry-delay", "1s", name) == "sha256:" + image.id
        assert time.monotonic() - began >= 1
        ranges = [h.get("range") for path, h in server.seen if layer in path]
        assert ranges == [None, "bytes=150000-", "bytes=300000-"]
        root.ok("rmi", name)
        server.rules[:] = [("/manifests/", lambda request, _: request.answer(500) or True)]
        server.seen.clear()
        assert "status 500" in root.fails("pull", "-q", "--retry", "1", "--retry-delay=1", name)
        assert len(server.seen) == 2
        assert "not a whole number" in root.fails("pull", "-q", "--retry", "often", name)


class Proxy:
    """Passes connections on to a registry; the first that send so much are cut off."""

    def __init__(self, target: str, after: int, times: int) -> None:
        self._target, self._after, self._times = target, after, times
        self.sent = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            host, port = self._target.split(":")
            server = socket.create_connection((host, int(port)))
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        mine = 0
        with suppress(OSError):
            while data := client.recv(65536):
                mine += len(data)
                self.sent += len(data)
                server.sendall(data)
                if mine > self._after and self._times:
                    self._times -= 1
                    time.sleep(0.1)  # the registry has what was sent
                    break
        hang_up(client, server)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        hang_up(client, server)


def hang_up(*ends: socket.socket) -> None:
    """End both directions at once; one whose peer has hung up already is closed as well."""
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def test_broken_uploads(root: Engine, base: Path) -> None:
    """A registry that cannot resume gets the blob again from its beginning."""
    image = layered(8_000_000, 40, count=1)
    image.write_layout(root.home / "up", "up:1")
    root.ok("load", "-q", "-i", root.home / "up")
    with docker_registry(base / "cut") as host:
        proxy = Proxy(host, 3_000_000, 2)
        try:
            told = root.run("push", "-q", "up:1", f"{proxy.host}/big:1", "--retry-delay", "1")
            assert told.code == 0, told.err
        finally:
            proxy.close()
        assert root.run("pull", "-q", f"{host}/big:1").code == 0
        assert root.inspect(f"{host}/big:1")["Digest"] == image.digest
    root.ok("rmi", "-f", "sha256:" + image.id)


class Upload(BaseHTTPRequestHandler):
    """Takes one blob by the distribution specification; breaks off where it is told to."""

    protocol_version = "HTTP/1.1"
    got, asked, cuts = bytearray(), [""], [300_000, 200_000]

    def reply(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def do_HEAD(self) -> None:
        self.reply(404)

    def do_POST(self) -> None:
        self.reply(202, location="/v2/up/blobs/uploads/1?state=a")

    def do_GET(self) -> None:
        self.reply(204, location="/v2/up/blobs/uploads/1", range=f"0-{len(self.got) - 1}")

    def do_PATCH(self) -> None:
        self.asked.append(self.headers.get("content-range", ""))
        size = int(self.headers["content-length"])
        if self.cuts:
            self.got.extend(self.rfile.read(self.cuts.pop()))
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.got.extend(self.rfile.read(size))
        self.reply(202, location="/v2/up/blobs/uploads/1")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.reply(201)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Stalling(Upload):
    """Takes a little of the blob and no more, as long as the client waits; then all of it."""

    got, asked, cuts = bytearray(), [""], [100_000]
    client_gave_up = threading.Event()

    def do_PATCH(self) -> None:
        if self.cuts:
            self.got.extend(self.rfile.read(self.cuts.pop()))
            self.asked.append("")
            self.client_gave_up.wait(20)
            self.close_connection = True
        else:
            super().do_PATCH()

    def do_GET(self) -> None:
        self.client_gave_up.set()
        super().do_GET()


def uploaded(handler: type[Upload], data: bytes, patience: Patience) -> list[str]:
    """Send `data` to a server of this kind; the ranges it was sent."""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    endpoint = Endpoint(f"127.0.0.1:{server.server_address[1]}", "up")
    sent: list[int] = []
    try:
        with Access(patience=patience).open(endpoint, write=True) as registry:
            assert not upload.has(registry, digest)
            upload.send(registry, digest, len(data), lambda at: iter([data[at:]]), sent.append)
    finally:
        server.shutdown()
        server.server_close()
    assert bytes(handler.got) == data
    return handler.asked[1:]


def test_uploads_are_resumed() -> None:
    ranges = uploaded(Upload, noise(1_500_000, 41), Patience(sleep=lambda _: None))
    assert ranges == ["", "200000-1499999", "500000-1499999"]


def test_an_upload_that_stalls_is_resumed() -> None:
    data = noise(30_000_000, 42)  # more than the sockets of both sides hold
    ranges = uploaded(Stalling, data, Patience(read_s=1, sleep=lambda _: None))
    assert ranges == ["", "100000-29999999"]


# ---- what cannot ----


IMAGE = layered(50_000, 50, count=2)
LAYER = IMAGE.value["layers"][0]["digest"]  # type: ignore[index]
BLOB = IMAGE.blobs[LAYER]
CONFIG = "sha256:" + IMAGE.id
MANIFESTS = "/manifests/"


def document(**changes: Any) -> bytes:
    return json.dumps({**IMAGE.value, **changes}).encode()


def foreign() -> bytes:
    layers = [dict(layer) for layer in IMAGE.value["layers"]]  # type: ignore[attr-defined]
    layers[0]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    layers[0]["urls"] = ["http://169.254.169.254/x"]
    return document(layers=layers)


ARTIFACT = document(config={**IMAGE.value["config"], "mediaType": "application/vnd.cncf.helm+json"})  # type: ignore[dict-item]
BEARER = 'Bearer realm="http://{host}/token",service="x"'
ILL: dict[str, tuple[str, Rule, str]] = {
    "wrong digest": (LAYER, answer(200, BLOB[:-1] + b"x"), "digest"),
    "other bytes": (LAYER, answer(200, bytes(len(BLOB))), "digest"),
    "config of another digest": (CONFIG, answer(200, IMAGE.blobs[CONFIG] + b" "), "digest"),
    "truncated": (LAYER, answer(200, BLOB[:1000]), "1000 of"),
    "too long": (LAYER, answer(200, BLOB + b"x"), "longer"),
    "unknown manifest type": (
        MANIFESTS,
        answer(200, document(mediaType="application/x"), content_type="application/x"),
        "'application/x' is not an image",
    ),
    "unknown layer type": (
        MANIFESTS,
        answer(200, document(layers=[{**IMAGE.value["layers"][0], "mediaType": "x/y"}])),  # type: ignore[index]
        "unknown layer type 'x/y'",
    ),
    "foreign layer": (MANIFESTS, answer(200, foreign(), content_type=MANIFEST), "foreign"),
    "artifact": (MANIFESTS, answer(200, ARTIFACT, content_type=MANIFEST), "an artifact of type"),
    "HTML": (MANIFESTS, answer(200, b"<html>", content_type="text/html"), "not valid JSON"),
    "401": (MANIFESTS, answer(401), "authentication required for a"),
    "403": (MANIFESTS, answer(403), "access to a is denied"),
    "404": (MANIFESTS, answer(404), "no such image"),
    "404 of a blob": (LAYER, answer(404), "no such image or part of it"),
    "schema 1": (MANIFESTS, answer(200, b'{"schemaVersion":1,"fsLayers":[]}'), "schema 1"),
    "redirect to metadata": (
        LAYER,
        answer(307, location="http://169.254.169.254/latest"),
        "address of this network only",
    ),
}


@pytest.mark.parametrize("case", ILL)
def test_ill_registries(root: Engine, case: str) -> None:
    """One line with the registry, the repository and the cause; the store is as it was."""
    part, rule, cause = ILL[case]
    before = content(root)
    with serving(IMAGE) as server:
        server.rules.append((part, rule))
        message = root.fails(
            "pull", "-q", "--retry", "1", "--retry-delay", "1", f"{server.host}/a:1"
        )
        assert message.startswith(f"pulling {server.host}/a:1: ") and cause in message
        if "registry" not in message:
            assert case not in ("401", "403", "404")
    if case != "404 of a blob":
        # what has come whole before a registry fails stays for the next try
        left = [p for p in content(root) if p not in before]
        assert not [p for p in left if "/layers/" in p and case in ("wrong digest", "other bytes")]
    whole(root)
    root.ok("image", "prune", "-f")


NO_ROOM = b'{"errors":[{"code":"DENIED","message":"quota exceeded"}]}'
UPLOADS = "/blobs/uploads/"
REFUSED: dict[str, tuple[str, str, Rule, str]] = {
    "401": ("POST", UPLOADS, answer(401), "authentication required for a (crunpy login "),
    "403": ("POST", UPLOADS, answer(403, NO_ROOM), "access to a is denied (quota exceeded)"),
    "404": ("POST", UPLOADS, answer(404), "it has no repository a and makes none"),
    "413": ("PATCH", UPLOADS, answer(413), "status 413 for a (request entity too large)"),
    "507": ("PUT", UPLOADS, answer(507), "status 507 for a (insufficient storage)"),
    "nowhere to send": ("POST", UPLOADS, answer(202), "did not say where to send the blob"),
    "manifest": ("PUT", MANIFESTS, answer(400, b"<html>"), "status 400 for a (bad request)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_pushes(root: Engine, case: str) -> None:
    """One line with the registry, the repository and the cause."""
    method, part, refusal, cause = REFUSED[case]
    there = {"location": f"/v2/a{UPLOADS}1"}
    said = {"HEAD": answer(404), "POST": answer(202, **there), "PATCH": answer(202, **there),
            "PUT": answer(201)}  # fmt: skip

    def rule(request: Request, count: int) -> bool:
        request.rfile.read(int(request.headers.get("content-length") or 0))
        bad = request.command == method and part in request.path
        return (refusal if bad else said[request.command])(request, count)

    with serving(IMAGE) as server:
        server.rules.append(("/v2/a/", rule))
        message = root.fails("push", "-q", "--retry", "0", "busybox", f"{server.host}/a:1")
    assert message.startswith(f"pushing {server.host}/a:1: registry {server.host}: ")
    assert cause in message


def test_repositories_without_tags_and_ill_token_servers(root: Engine) -> None:
    with serving(IMAGE) as server:
        server.rules.append(("/tags/", answer(200, b'{"name":"a","tags":null}')))
        assert root.fails("pull", "-q", "-a", f"{server.host}/a").endswith(": there are none")
        bearer = BEARER.replace("{host}", server.host)
        server.rules += [("/token", answer(503)), ("/v2/", answer(401, www_authenticate=bearer))]
        message = root.fails("pull", "-q", "--retry", "0", f"{server.host}/a:1")
        assert message.endswith("/token answered with status 503"), "to log in would not help"


def test_the_store_is_as_it_was(store: Engine) -> None:
    with serving(IMAGE) as server:
        server.rules.append((LAYER, answer(200, BLOB[:-1] + b"x")))
        store.fails("pull", "-q", f"{server.host}/a:1")
        assert [p for p in content(store) if len(os.path.basename(p)) == 64] == []


def test_expired_token(root: Engine) -> None:
    """A token that is not accepted any more is renewed once; one that never is, is an error."""
    with serving(IMAGE) as server:
        tokens = iter(f"t{n}" for n in range(100))
        good: set[str] = set()

        def token(request: Request, count: int) -> bool:
            good.clear()
            good.add(name := next(tokens))
            request.answer(200, json.dumps({"token": name}).encode())
            return True

        def guarded(request: Request, count: int) -> bool:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if given in good:
                return False
            request.answer(401, b"", {"www-authenticate": BEARER.format(host=server.host)})
            return True

        def expiring(request: Request, count: int) -> bool:
            if count == 1:
                good.clear()
            return guarded(request, count)

        server.rules += [("/token", token), (LAYER, expiring), ("/v2/", guarded)]
        assert root.ok("pull", "-q", f"{server.host}/a:1") == "sha256:" + IMAGE.id
        root.ok("rmi", f"{server.host}/a:1")
        server.rules.insert(0, ("/v2/", lambda r, n: good.clear() or guarded(r, n)))
        message = root.fails("pull", "-q", f"{server.host}/a:1")
        assert f"registry {server.host}: authentication required for a" in message


def test_tls(root: Engine, tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key",
         "-out", tmp_path / "ca.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.crt", tmp_path / "key")
    with serving(IMAGE, context) as server:
        name = f"{server.host}/a:1"
        message = root.fails("pull", "-q", "--tls-verify", name)
        assert f"registry {server.host}: its certificate is not trusted" in message
        assert root.run("pull", "-q", "--tls-verify", "--cert-dir", tmp_path, name).code == 0
        root.ok("rmi", name)
        assert root.run("pull", "-q", "--tls-verify=false", name).code == 0
        root.ok("rmi", name)
    with serving(IMAGE) as server:
        message = root.fails("pull", "-q", "--tls-verify=true", f"{server.host}/a:1")
        assert "does not speak TLS" in message and not server.seen


def test_full_disk(engine: Engine, fresh: Callable[[str], Engine]) -> None:
    """Pull and load fail with the cause; listing and removing go on working."""
    store = fresh("user" if engine.rootless else "root")
    store.root.mkdir(parents=True)
    owner = os.stat(store.home)
    subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", store.home], check=True)
    subprocess.run(
        ["mount", "-t", "tmpfs",
         "-o", f"size=12m,mode=700,uid={owner.st_uid},gid={owner.st_gid}", "none", store.root],
        check=True,
    )  # fmt: skip
    image = layered(6_000_000, 60)
    try:
        store.ok("pull", "-q", "busybox")
        with serving(image) as server:
            before = content(store)
            message = store.fails("pull", "-q", f"{server.host}/a:1")
            assert message.startswith(f"pulling {server.host}/a:1: no space left on device")
            assert content(store) == before
        image.write_layout(store.home / "layout")
        message = store.fails("load", "-q", "-i", store.home / "layout")
        assert "no space left on device" in message
        (store.home / "tree.tar").write_bytes(tar(entry("x", noise(20_000_000, 1))))
        path = store.home / "tree.tar"
        os.chown(path, owner.st_uid, owner.st_gid)
        message = store.fails("import", path, "x:1")
        assert message.startswith(f"importing {path}: no space left on device (free some space")
        assert content(store) == before
        with (store.root / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                assert filler.tell()
        assert store.ok("images", "--format", "{{.Repository}}") == "busybox"
        assert store.run("system", "df").code == 0
        assert "Deleted: sha256:" in store.ok("rmi", "busybox")
        assert store.ok("images", "-q") == ""
        assert store.ok("image", "prune", "-af").startswith("Total")
    finally:
        subprocess.run(["umount", store.root], check=True)


# ---- kinds of images ----


def test_indexes_in_indexes_and_attestations(root: Engine, base: Path) -> None:
    """The image is found through an index in an index; attestations are passed over."""
    image = layered(1000, 70, count=1)
    descriptor = {"mediaType": MANIFEST, "digest": image.digest, "size": len(image.manifest)}
    unknown = {"os": "unknown", "architecture": "unknown"}
    kind = {"vnd.docker.reference.type": "attestation-manifest"}
    attestation = {**descriptor, "platform": unknown, "annotations": kind}
    own = {**descriptor, "platform": {"os": "linux", "architecture": ARCHITECTURE}}
    inner = json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                        "manifests": [attestation, own]}).encode()  # fmt: skip
    blobs = {"sha256:" + hashlib.sha256(inner).hexdigest(): inner, image.digest: image.manifest}
    below = {"mediaType": INDEX, "digest": next(iter(blobs)), "size": len(inner)}
    outer = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [below]}).encode()
    with serving(image) as server:

        def manifests(request: Request, count: int) -> bool:
            data = blobs.get(request.path.rpartition("/")[2], outer)
            kind = MANIFEST if data == image.manifest else INDEX
            request.answer(200, data, {"content-type": kind})
            return True

        server.rules.append((MANIFESTS, manifests))
        assert root.ok("pull", "-q", f"{server.host}/a:1") == "sha256:" + image.id
        digest = "sha256:" + hashlib.sha256(outer).hexdigest()
        assert root.inspect(f"{server.host}/a:1")["RepoDigests"] == [f"{server.host}/a@{digest}"]
        root.ok("rmi", f"{server.host}/a:1")


def test_images_of_buildah_and_umoci_run(root: Engine, base: Path, tmp_path: Path) -> None:
    """What other builders make, by way of a registry and of a layout."""
    root.ok("push", "-q", "busybox", f"oci:{tmp_path}/umoci:base")
    layout = f"{tmp_path}/umoci"
    subprocess.run(["umoci", "config", "--image", f"{layout}:base", "--tag", "new",
                    "--config.env", "BY=umoci"], check=True)  # fmt: skip
    name = root.ok("pull", "-q", f"oci:{layout}:new")
    assert root.ok("run", "--rm", "--network", "none", name, "sh", "-c", "echo $BY") == "umoci"
    root.ok("rmi", "-f", name)
    buildah = ["buildah", "--root", base / "buildah", "--runroot", base / "buildah-run",
               "--storage-driver", "vfs"]  # fmt: skip

    def run(*words: object) -> str:
        done = subprocess.run([*buildah, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    working = run("from", "--tls-verify=false", f"docker://{root.registry}/library/busybox")
    (tmp_path / "file").write_text("by buildah")
    run("copy", working, tmp_path / "file", "/made/file")
    run("config", "--env", "BY=buildah", "--cmd", "cat /made/file", working)
    for kind in ("gzip", "zstd", "uncompressed"):
        target = f"{root.registry}/test/buildah-{kind}"
        run("commit", "-q", "--disable-compression", working, "localhost/made")
        words = ["--disable-compression"] if kind == "uncompressed" else [
            "--compression-format", kind]  # fmt: skip
        run("push", "-q", "--tls-verify=false", *words, "localhost/made", target)
        root.ok("pull", "-q", target)
        assert root.ok("run", "--rm", "--network", "none", target) == "by buildah", kind
    root.ok("rmi", "-f", root.inspect(target)["Id"])


# ---- memory ----


def peak_megabytes(engine: Engine, *args: object) -> float:
    """The largest resident size of a command that must succeed, as /proc tells it."""
    process = subprocess.Popen(engine.command(*args), stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = [int(w.split()[1]) for w in status.splitlines() if w.startswith("VmHWM:")]
        # before its execve(2) it is we ourselves
        if "__main__" in Path(f"/proc/{process.pid}/cmdline").read_text():
            peak = max([peak, *found])
        time.sleep(0.01)
    assert process.returncode == 0 and peak, args
    return peak / 1024


def test_memory_does_not_grow_with_the_layer(fresh: Callable[[str], Engine], base: Path) -> None:
    """A layer of 300 MB through pull, push, save and load."""
    store = fresh("root")
    layer = tar(entry("big", os.urandom(1 << 20) * 300))
    stored = zlib.compressobj(0, zlib.DEFLATED, 31)
    image = TestImage(layer[:0], architecture=ARCHITECTURE)
    diff_ids = ["sha256:" + hashlib.sha256(layer).hexdigest()]
    config = {**image.config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    value = {
        **image.value,
        "layers": [image.put(stored.compress(layer) + stored.flush(), LAYER_TYPE)],
        "config": image.put(json.dumps(config).encode(), CONFIG_TYPE),
    }
    image.manifest = json.dumps(value).encode()
    image.digest = image.put(image.manifest, MANIFEST)["digest"]
    image.write_layout(store.home / "big", "big:1")
    with docker_registry(base / "memory") as host:
        peaks = {
            "load": peak_megabytes(store, "load", "-q", "-i", store.home / "big"),
            "push": peak_megabytes(store, "push", "-q", "big:1", f"{host}/big:1"),
            "save": peak_megabytes(store, "save", "-o", store.home / "big.tar", "big:1"),
        }
        store.ok("rmi", "big:1")
        peaks["pull"] = peak_megabytes(store, "pull", "-q", f"{host}/big:1")
    assert max(peaks.values()) < 100, peaks
