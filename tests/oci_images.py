"""Images made in memory, put into an OCI layout or served by a registry, for the tests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OCI = "application/vnd.oci.image."
MANIFEST = OCI + "manifest.v1+json"
INDEX = OCI + "index.v1+json"
CONFIG = OCI + "config.v1+json"
LAYER = OCI + "layer.v1.tar+gzip"


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def entry(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A tar entry; fields are those of TarInfo (type, mode, uid, linkname …)."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    info.mtime = 1_600_000_000
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def directory(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, **{"mode": 0o755, **fields})


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def tar(*entries: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """The bytes of a tar archive, names written as they are."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


class TestImage:
    """Blobs of an image: manifest (bytes), config, layers, all by digest in `blobs`."""

    __test__ = False

    def __init__(self, *tars: bytes, architecture: str = "amd64", **config: Any) -> None:
        self.blobs: dict[str, bytes] = {}
        layers = [gzip.compress(t, 6, mtime=0) for t in tars]
        self.config = {
            "architecture": architecture,
            "os": "linux",
            "created": "2026-01-02T03:04:05Z",
            "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(t) for t in tars]},
            **config,
        }
        value = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.put(json.dumps(self.config).encode(), CONFIG),
            "layers": [self.put(data, LAYER) for data in layers],
        }
        self.value = value
        self.manifest = json.dumps(value).encode()
        self.digest = digest_of(self.manifest)

    def put(self, data: bytes, media_type: str) -> dict[str, Any]:
        self.blobs[digest_of(data)] = data
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    @property
    def id(self) -> str:
        return str(self.value["config"]["digest"])[7:]  # type: ignore[index]

    def write_layout(self, path: Path, tag: str = "latest") -> None:
        """As an OCI image layout, for skopeo to read."""
        (path / "blobs/sha256").mkdir(parents=True)
        for digest, data in {**self.blobs, self.digest: self.manifest}.items():
            (path / "blobs/sha256" / digest[7:]).write_bytes(data)
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        descriptor = {
            "mediaType": MANIFEST,
            "digest": self.digest,
            "size": len(self.manifest),
            "annotations": {"org.opencontainers.image.ref.name": tag},
        }
        (path / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": [descriptor]})
        )


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


SECRET = "open-sesame-7391"
USERS = """\
me:$2b$04$Rbm5sMh5/hmSJ6jFJVKBXeeP00wpHc1axoRagNgA.hUUPbfPrQrxe
you:$2b$04$vRZAHNLS7x.vRbp2CWReQO17GsRwx.QIwyeYcgnrko1mOYTvyHm7e
"""
"""An htpasswd file (bcrypt): me has SECRET, you has `other`."""


@contextmanager
def docker_registry(directory: Path, *, users: str = "", more: str = "") -> Iterator[str]:
    """A real registry on loopback, storing below `directory`; yields host:port.

    users: lines of an htpasswd file (bcrypt); nobody else gets in then.  more: lines for
    its configuration.
    """
    program = shutil.which("docker-registry")
    assert program, "docker-registry is not installed"
    port = free_port()
    config = directory / "registry.yml"
    directory.mkdir(parents=True, exist_ok=True)
    config.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n" + more
    )
    if users:
        (directory / "htpasswd").write_text(users)
        with config.open("a") as f:
            f.write(f"auth: {{htpasswd: {{realm: test, path: {directory}/htpasswd}}}}\n")
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
                break
            except urllib.error.HTTPError:
                break  # it wants a login
            except OSError:
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def push(image: TestImage, reference: str, work: Path, tag: str = "latest") -> None:
    """Put `image` into a registry with skopeo, bytes unchanged."""
    layout = work / f"layout-{image.id[:12]}"
    if not layout.exists():
        image.write_layout(layout, tag)
    subprocess.run(
        ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false",
         "--preserve-digests", f"oci:{layout}:{tag}", f"docker://{reference}"],
        check=True,
    )  # fmt: skip


def snapshot(top: Path) -> dict[str, tuple[Any, ...]]:
    """Everything below `top` that an attack could change."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted([top, *top.rglob("*")]):
        st = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(top))] = (
            st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, st.st_nlink, content,
        )  # fmt: skip
    return found
