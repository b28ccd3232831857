"""pull: choosing a platform, policies, plain http and where credentials may go."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from engine import Engine
from images import ARCHITECTURE
from mirror import Registry
from oci_images import INDEX, MANIFEST, TestImage, entry, tar
from scripted import Request, Server

NONE = ("run", "--rm", "--network", "none")


@pytest.fixture
def store(engine: Engine, fresh: Callable[[str], Engine]) -> Engine:
    return fresh("user" if engine.rootless else "root")


@contextmanager
def serving(image: TestImage) -> Iterator[Server]:
    server = Server(image)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def test_platforms(store: Engine) -> None:
    """--platform, and --arch, --os, --variant, choose among an index's images."""
    kinds = {"amd64": "", "arm64": "v8", "arm": "v7", "s390x": ""}
    made = {
        name: TestImage(tar(entry(name)), architecture=name, **({"variant": v} if v else {}))
        for name, v in kinds.items()
    }
    entries = [
        {"mediaType": MANIFEST, "digest": image.digest, "size": len(image.manifest),
         "platform": {k: image.config[k] for k in ("os", "architecture", "variant")
                      if k in image.config}}
        for image in made.values()
    ]  # fmt: skip
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    with serving(made["amd64"]) as server:
        server.image.blobs.update({d: b for i in made.values() for d, b in i.blobs.items()})
        manifests = {image.digest: image.manifest for image in made.values()}

        def answer(request: Request, count: int) -> bool:
            data = manifests.get(request.path.rpartition("/")[2], index)
            request.answer(200, data, {"content-type": INDEX if data == index else MANIFEST})
            return True

        server.rules.append(("/manifests/", answer))
        name = f"{server.host}/multi:1"
        for words, expected in (
            ([], ARCHITECTURE),
            (["--platform", "linux/arm64"], "arm64"),
            (["--platform", "linux/arm/v7"], "arm"),
            (["--arch", "s390x"], "s390x"),
            (["--os", "linux", "--arch", "arm", "--variant", "v7"], "arm"),
            (["--arch=arm64", "--variant=v8"], "arm64"),
        ):
            image_id = store.ok("pull", "-q", *words, name)
            assert image_id == "sha256:" + made[expected].id, words
        assert "--platform excludes" in store.fails("pull", "-q", "--platform", "linux/arm",
                                                    "--arch", "arm", name)  # fmt: skip
        message = store.fails("pull", "-q", "--arch", "riscv64", name)
        assert "linux/amd64, linux/arm/v7, linux/arm64/v8, linux/s390x" in message
        assert "not of the form linux/" in store.fails("pull", "-q", "--os", "windows", name)


def test_policies(store: Engine, registry: Registry) -> None:
    name = f"{store.registry}/test/{registry.push('test/p-' + store.home.name, TestImage())[5:]}"
    assert "not in this store" in store.fails("pull", "-q", "--policy", "never", name)
    first = store.ok("pull", "-q", "--policy", "missing", name)
    newer = TestImage(tar(entry("newer")))
    registry.push("test/p-" + store.home.name, newer)
    assert store.ok("pull", "-q", "--policy=missing", name) == first
    assert store.ok("pull", "-q", "--policy=never", name) == first
    assert store.ok("pull", "-q", "--policy=newer", name) == "sha256:" + newer.id
    store.ok("tag", name, "127.0.0.1:1/gone:1")
    assert store.ok("pull", "-q", "--policy=newer", "127.0.0.1:1/gone:1") == "sha256:" + newer.id
    assert "refused" in store.fails("pull", "-q", "127.0.0.1:1/gone:1")
    assert "always" in store.fails("pull", "-q", "--policy=sometimes", name)
    store.ok("pull", "-q", "busybox")
    assert store.ok(*NONE, "--pull", "newer", "busybox", "echo", "x") == "x"
    assert store.ok("pull", "-q", "--disable-content-trust", name) == "sha256:" + newer.id


def test_credentials_stay_at_the_registry(root: Engine, base: object) -> None:
    """Neither a redirect of a download nor the place for an upload gets them."""
    image = TestImage(tar(entry("f", b"x" * 100)), architecture=ARCHITECTURE)
    layer = image.value["layers"][0]["digest"]  # type: ignore[index]
    with serving(image) as server, serving(image) as other:

        def guarded(request: Request, count: int) -> bool:
            if "authorization" in request.headers:
                return False
            request.answer(401, b"", {"www-authenticate": 'Basic realm="x"'})
            return True

        def elsewhere(request: Request, count: int) -> bool:
            location = f"http://{other.host}{request.path}"
            request.answer(307, b"", {"location": location})
            return True

        server.rules += [("/v2/", guarded), (layer, elsewhere)]
        name = f"{server.host}/a:1"
        assert root.run("pull", "-q", "--creds", "me:secret", name).code == 0
        assert other.seen and not [h for _, h in other.seen if "authorization" in
                                   {key.lower() for key in h}]  # fmt: skip

        other.seen.clear()

        def upload(request: Request, count: int) -> bool:
            status = 404 if request.command == "HEAD" else 202
            location = {"location": f"http://{other.host}/upload"}
            request.answer(status, b"", location if status == 202 else {})
            return True

        def nothing(request: Request, count: int) -> bool:
            request.answer(404)
            return True

        server.rules[:] = [("/v2/", guarded), ("/manifests/", nothing), ("/blobs/", upload)]
        message = root.fails("push", "-q", "--retry", "0", "--creds", "me:secret", name)
        assert f"pushing {name}" in message and "secret" not in message
        assert other.seen, "it was asked to take the blob"
        for _, headers in other.seen:
            assert "authorization" not in {key.lower() for key in headers}
        root.ok("rmi", name)


def test_a_user_without_a_session(user: Engine, registry: Registry) -> None:
    """No XDG_RUNTIME_DIR, as under su or cron: credentials are kept below the home."""
    env: dict[str, str | None] = {"XDG_RUNTIME_DIR": None, "CRUNPY_RUNROOT": str(user.run_root)}
    file = user.home / ".config/containers/auth.json"
    done = user.run("login", "-u", "me", "-p", "x", user.registry, env=env)
    assert done.code == 0, done.err
    assert user.registry in json.loads(file.read_text())["auths"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert user.ok("login", "--get-login", user.registry, env=env) == "me"
    subprocess.run(["rm", "-r", user.home / ".config"], check=True)
