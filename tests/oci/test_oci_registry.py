"""Registries that are ill or hostile: scripted servers on loopback, no byte leaves the host."""

from __future__ import annotations

import base64
import gzip
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oci_images import CONFIG, INDEX, LAYER, MANIFEST, TestImage, digest_of, entry, tar
from scripted import Request, Rule, Server, once

from crun_py import caller
from crun_py.errors import CrunpyError, ImageError, InvalidArgument, RegistryError
from crun_py.oci.manifest import DOCKER_LIST, DOCKER_MANIFEST, parse
from crun_py.oci.reference import parse as parse_reference
from crun_py.oci.registry import auth, challenge
from crun_py.oci.registry.access import Access
from crun_py.oci.registry.patience import Patience
from crun_py.oci.registry.registries import Registries, is_loopback
from crun_py.oci.store.images import ImageStore
from crun_py.oci.transfer.pull import pull
from crun_py.paths import Paths

IMAGE = TestImage(tar(entry("f", os.urandom(1_500_000))))
BLOB = IMAGE.value["layers"][0]["digest"]  # type: ignore[index]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(IMAGE)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def other() -> Iterator[Server]:
    made = Server(IMAGE)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    """A store, and a caller who has his files beside it."""
    before = caller.variables()
    caller.has({"HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    yield Paths(str(tmp_path / "store"), str(tmp_path / "run"))
    caller.has(before)


def get(paths: Paths, server: Server, *, sleeps: list[float] | None = None, **how: Any) -> str:
    slept = sleeps if sleeps is not None else []
    patience = Patience(read_s=1, connect_s=1, tries=5, sleep=slept.append, window_s=0.5)
    return pull(paths, f"{server.host}/a:1", access=Access(patience=patience, **how)).id


def stored(paths: Paths) -> list[str]:
    try:
        return os.listdir(paths.images + "/blobs/sha256")
    except FileNotFoundError:
        return []


def cut(after: int) -> Rule:
    """The connection breaks off after so many bytes, every time but the fourth."""

    def rule(request: Request, count: int) -> bool:
        if count >= 4:
            return False
        data = IMAGE.blobs[BLOB]
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        request.send_response(206 if start else 200)
        request.send_header("content-length", str(len(data) - start))
        request.send_header("content-range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.end_headers()
        request.wfile.write(data[start : start + after])
        request.wfile.flush()
        request.close_connection = True
        return True

    return rule


# ---- what can be recovered ----


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("part", ["/manifests/", "/blobs/" + BLOB], ids=["manifest", "blob"])
def test_busy(paths: Paths, server: Server, status: int, part: str) -> None:
    server.rules.append((part, once(status, {"retry-after": "7"})))
    sleeps: list[float] = []
    assert get(paths, server, sleeps=sleeps) == IMAGE.id
    assert sleeps == [7]


def test_broken_download_is_resumed(paths: Paths, server: Server) -> None:
    server.rules.append((BLOB, cut(300_000)))
    assert get(paths, server) == IMAGE.id
    ranges = [h.get("range") for path, h in server.seen if BLOB in path]
    assert ranges == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_range_ignored(paths: Paths, server: Server) -> None:
    def whole(request: Request, count: int) -> bool:
        if count == 1:
            return False
        request.answer(200, IMAGE.blobs[BLOB])
        return True

    server.rules += [(BLOB, whole), (BLOB, cut(100_000))]
    assert get(paths, server) == IMAGE.id


def test_token_expires_in_mid_pull(paths: Paths, server: Server) -> None:
    def guarded(request: Request, count: int) -> bool:
        if "/token" in request.path:
            tokens.append(f"t{len(tokens)}")
            request.answer(200, json.dumps({"token": tokens[-1]}).encode())
            return True
        wanted = "Bearer t0" if "/manifests/" in request.path else "Bearer t1"
        if request.headers.get("authorization") == wanted:
            return False
        realm = f'Bearer realm="http://{server.host}/token",service="s"'
        request.answer(401, b"", {"www-authenticate": realm})
        return True

    tokens: list[str] = []
    server.rules.append(("", guarded))
    assert get(paths, server) == IMAGE.id
    assert tokens == ["t0", "t1"]
    asked = next(path for path, _ in server.seen if path.startswith("/token"))
    assert "service=s" in asked and "scope=repository%3Aa%3Apull" in asked


# ---- what cannot ----


def flip(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


@pytest.mark.parametrize("damage", ["flip", "add", "cut"])
@pytest.mark.parametrize("which", ["layer", "config", "manifest"])
def test_wrong_bytes(paths: Paths, server: Server, damage: str, which: str) -> None:
    how = {"flip": flip, "add": lambda d: d + b"x", "cut": lambda d: d[:-1]}[damage]

    def rule(request: Request, count: int) -> bool:
        name = request.path.rpartition("/")[2]
        data = IMAGE.manifest if which == "manifest" else IMAGE.blobs[name]
        request.answer(200, how(data), {"content-type": MANIFEST if which == "manifest" else "x"})
        return True

    config = IMAGE.value["config"]["digest"]  # type: ignore[index]
    part = {"layer": BLOB, "config": config, "manifest": IMAGE.digest}[which]
    server.rules.append((part, rule))
    text = f"{server.host}/a@{IMAGE.digest}"
    with pytest.raises((ImageError, RegistryError), match="pulling " + server.host):
        pull(paths, text, access=Access(patience=Patience(read_s=1, tries=2, sleep=lambda _: None)))
    assert BLOB[7:] not in stored(paths)
    assert ImageStore(paths).list() == []
    assert (
        not [n for n in os.listdir(paths.layers) if n != ".lock"]
        if os.path.isdir(paths.layers)
        else True
    )


def test_wrong_diff_id(paths: Paths, server: Server) -> None:
    server.image = TestImage(tar(entry("f")), rootfs={"diff_ids": ["sha256:" + "0" * 64]})
    with pytest.raises(ImageError, match="the config says"):
        get(paths, server)
    assert not stored(paths)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500])
def test_refusals_name_everything(paths: Paths, server: Server, status: int) -> None:
    body = b'{"errors":[{"code":"X","message":"because\\u001b[31m"}]}'

    def rule(request: Request, count: int) -> bool:
        request.answer(status, body)
        return True

    server.rules.append(("/manifests/", rule))
    with pytest.raises(RegistryError) as caught:
        get(paths, server)
    assert f"pulling {server.host}/a:1: registry {server.host}: " in caught.value.message
    assert "because" in caught.value.message and "\x1b" not in caught.value.message


def test_html_with_status_200(paths: Paths, server: Server) -> None:
    def rule(request: Request, count: int) -> bool:
        request.answer(200, b"<html>log in</html>", {"content-type": "text/html"})
        return True

    server.rules.append(("/manifests/", rule))
    with pytest.raises(ImageError, match="not valid JSON"):
        get(paths, server)


def test_endless_manifest(paths: Paths, server: Server) -> None:
    def rule(request: Request, count: int) -> bool:
        request.answer(200, b" " * (5 << 20))
        return True

    server.rules.append(("/manifests/", rule))
    with pytest.raises(RegistryError, match="more than 4194304 bytes"):
        get(paths, server)


def test_drip(paths: Paths, server: Server) -> None:
    def rule(request: Request, count: int) -> bool:
        request.send_response(200)
        request.send_header("content-length", "1500000")
        request.end_headers()
        for _ in range(100):
            try:
                request.wfile.write(b"x")
                request.wfile.flush()
            except OSError:
                break
            threading.Event().wait(0.05)
        request.close_connection = True
        return True

    server.rules.append((BLOB, rule))
    with pytest.raises((RegistryError, ImageError)):
        get(paths, server)
    assert BLOB[7:] not in stored(paths)


def test_redirect_loop(paths: Paths, server: Server) -> None:
    server.rules.append((BLOB, lambda r, n: r.answer(307, b"", {"location": r.path}) or True))
    with pytest.raises(RegistryError, match="more than 10 redirects"):
        get(paths, server)


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "http://169.254.169.254/x", "ftp://x/", "", "http://[fe80::1]/"],
)
def test_redirects_that_are_not_followed(paths: Paths, server: Server, target: str) -> None:
    server.rules.append((BLOB, lambda r, n: r.answer(307, b"", {"location": target}) or True))
    with pytest.raises(RegistryError):
        get(paths, server)


def test_mirror_falls_through(paths: Paths, server: Server, other: Server, tmp_path: Path) -> None:
    other.rules.append(("", lambda r, n: r.answer(404) or True))
    conf = tmp_path / "registries.conf"
    conf.write_text(
        f'[[registry]]\nlocation = "{server.host}"\n'
        f'[[registry.mirror]]\nlocation = "{other.host}"\ninsecure = true\n'
    )
    assert get(paths, server, registries=Registries([str(conf)], "/nonexistent")) == IMAGE.id
    assert other.seen


# ---- credentials ----

SECRET = base64.b64encode(b"me:secret").decode()


def test_credentials_do_not_follow_a_redirect(paths: Paths, server: Server, other: Server) -> None:
    def guarded(request: Request, count: int) -> bool:
        if request.headers.get("authorization") != "Basic " + SECRET:
            request.answer(401, b"", {"www-authenticate": 'Basic realm="x"'})
            return True
        if BLOB not in request.path:
            return False
        request.answer(307, b"", {"location": f"http://{other.host}{request.path}"})
        return True

    server.rules.append(("", guarded))
    assert get(paths, server, creds="me:secret") == IMAGE.id
    assert other.seen
    assert not any("authorization" in {k.lower() for k in h} for _, h in other.seen)


def test_credentials_are_not_for_a_foreign_token_server(
    paths: Paths, server: Server, other: Server
) -> None:
    realm = f'Bearer realm="http://{other.host}/token"'
    server.rules.append(("", lambda r, n: r.answer(401, b"", {"www-authenticate": realm}) or True))
    other.rules.append(("/token", lambda r, n: r.answer(401) or True))
    with pytest.raises(RegistryError, match="credentials were not sent"):
        get(paths, server, creds="me:secret")
    assert other.seen
    assert SECRET not in str(other.seen) and "secret" not in str(other.seen)


@pytest.mark.parametrize(
    "realm",
    ["file:///etc/passwd", "http://169.254.169.254/token", "http://example.test/t", "", "x:y",
     "https://u:p@example.test/", "http://[::ffff:169.254.169.254]/"],
)  # fmt: skip
def test_realms_that_are_not_asked(paths: Paths, server: Server, realm: str) -> None:
    value = f'Bearer realm="{realm}"'
    server.rules.append(("", lambda r, n: r.answer(401, b"", {"www-authenticate": value}) or True))
    with pytest.raises(RegistryError, match="token server"):
        get(paths, server, creds="me:secret")


def test_token_server_may_not_redirect(paths: Paths, server: Server, other: Server) -> None:
    def rule(request: Request, count: int) -> bool:
        if request.path.startswith("/token"):
            request.answer(307, b"", {"location": f"http://{other.host}/token"})
        else:
            realm = f'Bearer realm="http://{server.host}/token"'
            request.answer(401, b"", {"www-authenticate": realm})
        return True

    server.rules.append(("", rule))
    with pytest.raises(RegistryError, match="answered with status 307"):
        get(paths, server, creds="me:secret")
    assert not other.seen


def test_who_may_see_credentials() -> None:
    may = challenge.may_see_credentials
    assert may("https://auth.docker.io/token", "registry-1.docker.io")
    assert may("https://host.de/token", "host.de") and may("https://host.de:444/t", "host.de:5000")
    assert may("https://gitlab.com/jwt", "registry.gitlab.com")
    assert not may("https://evil.com/token", "host.de")
    assert not may("https://com/token", "registry.gitlab.com")
    assert not may("http://auth.docker.io/token", "registry-1.docker.io")
    assert not may("http://127.0.0.1:6000/token", "127.0.0.1:5000")
    assert not may("https://0.1/token", "127.0.0.1:5000")


def test_auth_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: Paths) -> None:
    def encode(text: str) -> dict[str, str]:
        return {"auth": base64.b64encode(text.encode()).decode()}

    file = tmp_path / "auth.json"
    auths = {
        "host.de": encode("a:1"), "host.de/team": encode("b:2"),
        "host.de/team/app": encode("c:3:x"),
        "https://index.docker.io/v1/": encode("hub:h"),
    }  # fmt: skip
    helper = tmp_path / "docker-credential-fake"
    helper.write_text('#!/bin/sh\nread k\necho "{\\"Username\\":\\"$k\\",\\"Secret\\":\\"s\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    file.write_text(json.dumps({"auths": auths, "credHelpers": {"helped.de": "fake"}}))

    def user(registry: str, repository: str) -> str:
        found = auth.find(registry, repository, str(file))
        return f"{found.user}:{found.password}" if found else ""

    assert user("host.de", "x") == "a:1"
    assert user("host.de", "team/x") == "b:2"
    assert user("host.de", "team/app") == "c:3:x"
    assert user("host.de", "teamwork") == "a:1"
    assert user("docker.io", "library/nginx") == "hub:h"
    assert user("helped.de", "x") == "helped.de:s"
    assert user("other.de", "x") == ""
    assert auth.find("host.de", "x") is None
    caller.has({**caller.variables(), "REGISTRY_AUTH_FILE": str(file)})
    assert auth.find("host.de", "x") is not None
    file.write_text('{"auths":{"host.de":{"auth":"%%%"}}}')
    with pytest.raises(CrunpyError, match="not base64"):
        auth.find("host.de", "x")
    assert "secret" not in repr(auth.Credentials("me", "secret"))


# ---- TLS ----


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    top = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", top / "key", "-out", top / "crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    return top / "crt", top / "key"


def test_certificates(paths: Paths, tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    server = Server(IMAGE, tls)
    with pytest.raises(RegistryError, match="certificate is not trusted") as caught:
        get(paths, server, tls_verify=True)
    assert "certs.d" in caught.value.hint
    assert get(paths, server, tls_verify=False) == IMAGE.id
    known = tmp_path / ".config/containers/certs.d" / server.host
    known.mkdir(parents=True)
    (known / "ca.crt").write_bytes(certificate[0].read_bytes())
    assert get(paths, server, tls_verify=True) == IMAGE.id
    server.shutdown()
    server.server_close()


def test_plain_http_needs_permission(paths: Paths, server: Server) -> None:
    with pytest.raises(RegistryError):
        get(paths, server, tls_verify=True)
    assert server.seen == []


# ---- documents ----

CONFIG_D = {"mediaType": CONFIG, "digest": "sha256:" + "1" * 64, "size": 1}
LAYER_D = {"mediaType": LAYER, "digest": "sha256:" + "2" * 64, "size": 1}
GOOD = {"schemaVersion": 2, "mediaType": MANIFEST, "config": CONFIG_D, "layers": [LAYER_D]}
GOOD_INDEX = {
    "schemaVersion": 2,
    "mediaType": INDEX,
    "manifests": [{**LAYER_D, "mediaType": MANIFEST}],
}


@pytest.mark.parametrize(
    ("value", "content_type", "expected", "match"),
    [
        (GOOD, INDEX, "", "at once"),
        (GOOD, MANIFEST, INDEX, "at once"),
        (GOOD, MANIFEST, DOCKER_MANIFEST, "at once"),
        ({**GOOD, "manifests": []}, MANIFEST, "", "at once"),
        ({**GOOD_INDEX, "config": CONFIG_D}, INDEX, "", "at once"),
        ({**GOOD_INDEX, "layers": []}, "", "", "at once"),
        ({**GOOD, "mediaType": INDEX}, "", "", "at once"),
        ({**GOOD_INDEX, "mediaType": DOCKER_LIST}, INDEX, "", "at once"),
        ({"schemaVersion": 1, "fsLayers": []}, "", "", "schema 1"),
        (GOOD, "application/vnd.docker.distribution.manifest.v1+prettyjws", "", "schema 1"),
        ({**GOOD, "schemaVersion": 3}, "", "", "schemaVersion"),
        ({**GOOD, "artifactType": "application/x"}, "", "", "artifact"),
        ({**GOOD, "config": {**CONFIG_D, "mediaType": "application/vnd.oci.empty.v1+json"}}, "", "",
         "artifact"),
        ({**GOOD, "layers": [{**LAYER_D, "mediaType":
          "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}]}, "", "", "foreign"),
        ({**GOOD, "layers": [{**LAYER_D, "digest": "sha256:../../../x"}]}, "", "", "digest"),
        ({**GOOD, "layers": [{**LAYER_D, "size": -1}]}, "", "", "size"),
        ({**GOOD, "layers": [{**LAYER_D, "size": True}]}, "", "", "size"),
        ({**GOOD, "layers": {}}, "", "", "not a list"),
        ({**GOOD, "config": []}, "", "", "not an object"),
        ([], "", "", "not a JSON object"),
        (GOOD, "text/html", "", "at once"),
    ],
)  # fmt: skip
def test_confusing_documents(value: Any, content_type: str, expected: str, match: str) -> None:
    with pytest.raises(ImageError, match=match):
        parse(json.dumps(value).encode(), content_type=content_type, expected=expected)


def test_deep_json() -> None:
    with pytest.raises(ImageError, match="JSON"):
        parse(b"[" * 100_000)
    with pytest.raises(ImageError, match="JSON"):
        parse(b'{"a":' * 100_000)


# ---- registries.conf ----


def test_registries_conf(tmp_path: Path) -> None:
    conf, daemon = tmp_path / "r.conf", tmp_path / "daemon.json"
    conf.write_text(
        'unqualified-search-registries = ["quay.io", "docker.io"]\n[aliases]\n'
        '"short" = "host.de/long/name"\n'
        '[[registry]]\nprefix = "a.de/team"\nlocation = "b.de/x"\n'
        '[[registry.mirror]]\nlocation = "m1.de"\npull-from-mirror = "digest-only"\n'
        '[[registry.mirror]]\nlocation = "m2.de/cache"\ninsecure = true\n'
        '[[registry]]\nprefix = "*.evil.de"\nblocked = true\n'
        '[[registry]]\nlocation = "plain.de"\ninsecure = true\n'
    )
    daemon.write_text('{"registry-mirrors":["https://hub.de"],"insecure-registries":["old:5000"]}')
    found = Registries([str(conf)], str(daemon))
    assert [str(r) for r in found.candidates("short:1")] == ["host.de/long/name:1"]
    assert [r.registry for r in found.candidates("x/y")] == ["quay.io", "docker.io"]
    assert [str(r) for r in found.candidates("z.de/y")] == ["z.de/y:latest"]

    def hosts(text: str) -> list[str]:
        return [
            f"{e.host}/{e.repository}" + "!" * e.insecure
            for e in found.endpoints(parse_reference(text))
        ]

    assert hosts("a.de/team/app") == ["m2.de/cache/app!", "b.de/x/app"]
    assert hosts("a.de/team/app@sha256:" + "1" * 64)[0] == "m1.de/app"
    assert hosts("a.de/teamwork") == ["a.de/teamwork"]
    assert hosts("nginx") == ["hub.de/library/nginx", "registry-1.docker.io/library/nginx"]
    assert hosts("old:5000/x") == ["old:5000/x!"]
    assert hosts("plain.de/x") == ["plain.de/x!"]
    with pytest.raises(RegistryError, match="blocked"):
        hosts("very.evil.de/x")
    conf.write_text("nonsense")
    with pytest.raises(CrunpyError, match=r"r\.conf"):
        Registries([str(conf)], str(daemon))
    conf.write_text('[[registry]]\nlocation = "../x"\n')
    assert hosts("nginx")
    with pytest.raises(InvalidArgument):
        Registries([str(conf)], "/none").endpoints(parse_reference("../x/y"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[registry]]\nlocation = 5\n", "location"),
        ("[[registry]]\nprefix = 'a.de'\nlocation = 5\n", "location"),
        ("[[registry]]\nprefix = 'a.de'\n[[registry.mirror]]\nlocation = 5\n", "location"),
        ("[[registry]]\nlocation = 'a.de'\nmirror = 5\n", "mirror"),
        ("[[registry]]\nlocation = 'a.de'\ninsecure = 'no'\n", "insecure"),
        ("[[registry]]\ninsecure = true\n", "location"),
        ("registry = [5]\n", "registry"),
        ("unqualified-search-registries = 'a.de'\n", "unqualified-search-registries"),
        ("unqualified-search-registries = [5]\n", "unqualified-search-registries"),
        ("[aliases]\na = 5\n", "a is not"),
    ],
)
def test_registries_conf_of_other_types(tmp_path: Path, text: str, what: str) -> None:
    conf = tmp_path / "r.conf"
    conf.write_text(text)
    with pytest.raises(CrunpyError, match=f"r.conf: not a registries.conf of version 2: {what}"):
        Registries([str(conf)], "/none")


@pytest.mark.parametrize(
    "value",
    [{"auths": ["x"]}, {"credHelpers": "x"}, {"credHelpers": {"a.de": 5}}, {"credsStore": 5}],
)
def test_credentials_of_other_types(tmp_path: Path, value: object) -> None:
    file = tmp_path / "auth.json"
    file.write_text(json.dumps(value))
    with pytest.raises(CrunpyError, match=r"auth\.json"):
        auth.find("a.de", "x/y", str(file))


def test_loopback() -> None:
    for host in ("localhost", "localhost:5000", "127.0.0.1:80", "127.3.2.1", "[::1]:5000"):
        assert is_loopback(host)
    for host in ("localhost.de", "127.0.0.1.de", "128.0.0.1", "[::2]:5000", "127.1", "x"):
        assert not is_loopback(host)


def test_gzip_encoding_is_not_asked_for(paths: Paths, server: Server) -> None:
    assert get(paths, server) == IMAGE.id
    assert {h.get("accept-encoding") for _, h in server.seen} == {"identity"}
    assert gzip.decompress(IMAGE.blobs[BLOB])
    assert digest_of(IMAGE.manifest) == IMAGE.digest
