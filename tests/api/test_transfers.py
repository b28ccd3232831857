"""Images to and from registries through the service."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import docker
import pytest
from api_service import NONE, Served
from images import ARCHITECTURE
from oci_images import SECRET


@pytest.fixture
def name(served: Served) -> Iterator[str]:
    """A name in the registry of the tests."""
    made = f"{served.engine.registry}/api/pushed"
    yield made
    for tag in ("1", "2"):
        served.engine.run("rmi", f"{made}:{tag}")


def lines(found: Any) -> list[Any]:
    return [*found]


def test_push_and_pull_with_progress(client: Any, served: Served, name: str) -> None:
    image = client.images.get("busybox")
    image.tag(name, "1")
    said = lines(client.images.push(name, tag="1", stream=True, decode=True))
    assert said[0] == {"status": f"The push refers to repository [{name}]"}
    assert {line.get("status") for line in said} & {"Pushed", "Layer already exists"}
    assert said[-2]["status"].startswith("1: digest: sha256:")
    assert said[-1]["aux"]["Tag"] == "1" and said[-1]["aux"]["Size"] > 100
    digest = said[-1]["aux"]["Digest"]
    client.images.remove(f"{name}:1")
    told = lines(client.api.pull(name, tag="1", stream=True, decode=True))
    assert told[0] == {"status": f"Pulling from {name}", "id": "1"}
    assert told[-2] == {"status": f"Digest: {digest}"}
    assert told[-1] == {"status": f"Status: Downloaded newer image for {name}:1"}
    again = lines(client.api.pull(name, tag="1", stream=True, decode=True))
    assert again[-1] == {"status": f"Status: Image is up to date for {name}:1"}
    assert client.images.pull(name, tag=digest).id == image.id
    served.engine.run("rmi", f"{name}@{digest}")


def test_all_tags_are_pushed(client: Any, served: Served, name: str) -> None:
    for tag in ("1", "2"):
        client.images.get("busybox").tag(name, tag)
    said = lines(client.images.push(name, stream=True, decode=True))
    assert [line["aux"]["Tag"] for line in said if "aux" in line] == ["1", "2"]


def test_what_is_not_there(client: Any, served: Served) -> None:
    registry = served.engine.registry
    with pytest.raises(docker.errors.NotFound):
        client.images.push(f"{registry}/nothing/of/this:name")
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.pull(f"{registry}/nothing/of/this", tag="name")
    with pytest.raises(docker.errors.NotFound):
        client.images.get_registry_data(f"{registry}/nothing/of/this:name")


def test_distribution(client: Any, served: Served, name: str) -> None:
    client.images.get("busybox").tag(name, "1")
    said = lines(client.images.push(name, tag="1", stream=True, decode=True))
    found = client.images.get_registry_data(f"{name}:1")
    assert found.id == said[-1]["aux"]["Digest"]
    (platform,) = found.attrs["Platforms"]
    assert platform["os"] == "linux" and platform["architecture"]


def test_import(client: Any, served: Served) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        about = tarfile.TarInfo("file")
        about.size = 5
        archive.addfile(about, io.BytesIO(b"hello"))
    answer = client.api.import_image_from_data(
        packed.getvalue(), repository="imported", tag="1", changes=["ENV A=b"]
    )
    made = json.loads(answer)["status"]
    image = client.images.get("imported:1")
    assert image.id == made and image.attrs["Config"]["Env"] == ["A=b"]
    client.images.remove("imported:1")
    status, said = served.ask("POST", "/images/create?fromSrc=/etc/passwd")
    assert status == 400 and "neither" in said["message"]
    assert served.ask("POST", "/images/create")[0] == 400


def test_credentials_that_are_none(served: Served) -> None:
    path = "/images/create?fromImage=busybox&tag=latest"
    assert served.ask("POST", path, **{"X-Registry-Auth": "%%%"})[0] == 400
    assert b"200 OK" in served.raw(
        f"POST {path} HTTP/1.1\r\nHost: d\r\nX-Registry-Auth: e30=\r\n\r\n".encode()
    )  # an empty object, as clients send it that know none


def test_credentials_of_a_build(served: Served, guarded: str) -> None:
    """Those of docker's configuration, for the registry of each base image."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        text = f"FROM {guarded}/team/app\n".encode()
        about = tarfile.TarInfo("Dockerfile")
        about.size = len(text)
        archive.addfile(about, io.BytesIO(text))
    for registries, good in (
        ({guarded: {"username": "me", "password": SECRET}}, True), ({}, False),
        ({"other.example": {"username": "me", "password": SECRET}}, False),
    ):  # fmt: skip
        served.engine.run("rmi", "-f", f"{guarded}/team/app")
        header = base64.urlsafe_b64encode(json.dumps(registries).encode()).decode()
        said = served.raw(
            f"POST /build?pull=1 HTTP/1.1\r\nHost: d\r\nConnection: close\r\n"
            f"X-Registry-Config: {header}\r\nContent-Type: application/x-tar\r\n"
            f"Content-Length: {len(made.getvalue())}\r\n\r\n".encode() + made.getvalue()
        )  # fmt: skip
        assert (b"Successfully built" in said) == good, said
        assert good or b"unauthorized" in said or b"authentication" in said, said
    served.engine.ok("image", "prune", "-f")  # what was built has no name
    served.engine.ok("builder", "prune", "-a", "-f")
    refused = served.raw(b"POST /build HTTP/1.1\r\nHost: d\r\nX-Registry-Config: e1==\r\n\r\n")
    assert b" 400 " in refused


def test_disk_usage(client: Any, served: Served) -> None:
    client.volumes.create("used")
    made = client.containers.run(
        "busybox", ["sh", "-c", "head -c 5000 /dev/zero >/v/x"], volumes=["used:/v"], detach=True,
        **NONE,
    )  # fmt: skip
    made.wait()
    status, found = served.ask("GET", "/v1.52/system/df")
    assert status == 200
    assert found["ImageUsage"]["TotalCount"] == len(found["Images"]) == 1
    assert found["ContainerUsage"]["Items"][0]["Id"] == made.id
    assert found["Containers"][0]["SizeRootFs"] >= 0
    (volume,) = found["Volumes"]
    assert volume["Name"] == "used" and volume["UsageData"]["RefCount"] == 1
    assert volume["UsageData"]["Size"] >= 5000
    only = served.ask("GET", "/system/df?type=volume")[1]
    assert sorted(only) == ["VolumeUsage", "Volumes"]
    made.remove()
    client.volumes.get("used").remove()


def test_secrets(served: Served) -> None:
    status, made = served.ask(
        "POST", "/secrets/create", {"Name": "s1", "Data": "aGVsbG8=", "Labels": {"a": "b"}}
    )
    assert status == 201
    assert served.engine.ok("run", "--rm", "--network", "none", "--secret", "s1", "busybox",
                            "cat", "/run/secrets/s1") == "hello"  # fmt: skip
    (found,) = served.ask("GET", "/secrets")[1]
    assert found["ID"] == made["ID"] and found["Spec"] == {"Name": "s1", "Labels": {"a": "b"}}
    assert served.ask("GET", "/secrets/s1")[1] == found
    assert served.ask("POST", "/secrets/create", {"Name": "s1", "Data": "eA=="})[0] == 409
    assert served.ask("POST", "/secrets/create", {"Name": "s2", "Data": "%"})[0] == 400
    assert served.ask("DELETE", "/secrets/s1")[0] == 204
    assert served.ask("GET", "/secrets/s1")[0] == 404


def test_what_only_a_swarm_has(served: Served) -> None:
    for path in ("/swarm", "/nodes", "/services", "/tasks", "/configs"):
        status, said = served.ask("GET", path)
        assert status == 503 and "swarm" in said["message"]
    assert served.ask("GET", "/plugins") == (200, [])


def test_one_platform_of_an_image(served: Served, name: str) -> None:
    """As docker's command sends it since API 1.46: JSON, or the text of older ones."""
    served.engine.ok("tag", "busybox", f"{name}:1")
    own = {"os": "linux", "architecture": ARCHITECTURE}
    other = {"os": "linux", "architecture": "s390x"}

    def words(platform: object) -> str:
        return quote(platform if isinstance(platform, str) else json.dumps(platform))

    def saved(platform: object) -> bytes:
        path = f"/v1.48/images/{name}:1/get?platform={words(platform)}"
        return served.raw(f"GET {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n".encode())

    assert saved(own).startswith(b"HTTP/1.1 200") and b"manifest.json" in saved(own)
    assert saved(f"linux/{ARCHITECTURE}").startswith(b"HTTP/1.1 200")
    assert b"linux/s390x" in saved(other) and not saved(other).startswith(b"HTTP/1.1 200")
    assert saved("{").startswith(b"HTTP/1.1 400")
    status, said = served.ask("DELETE", f"/v1.50/images/{name}:1?platforms={words(other)}")
    assert status >= 400 and "linux/s390x" in said["message"]
    status, said = served.ask("DELETE", f"/v1.50/images/{name}:1?platforms={words(own)}")
    assert status == 200 and {"Untagged": f"{name}:1"} in said
