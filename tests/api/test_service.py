"""`crunpy system service`: Docker's Engine API, spoken to by docker-py and by hand."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import stat
import struct
import tarfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docker
import pytest
from api_service import NONE, Served
from engine import Engine, wait_for


def test_what_it_is(served: Served, client: Any) -> None:
    assert client.ping() is True
    assert client.version()["Components"][0]["Name"] == "crunpy"
    assert client.info()["Images"] == 1
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o600
    status, found = served.ask("GET", "/v1.24/version")
    assert status == 200 and found["MinAPIVersion"] == "1.24"
    assert served.ask("GET", "/v1.99/version")[0] == 400
    assert served.ask("GET", "/v1.12/version")[0] == 400
    status, found = served.ask("GET", "/v1.41/nothing")
    assert status == 404 and "page not found" in found["message"]
    assert served.ask("POST", "/version")[0] == 405


def test_run_and_its_output(client: Any) -> None:
    run = client.containers.run
    script = "echo out; echo err >&2"
    assert run("busybox", ["sh", "-c", script], remove=True, **NONE) == b"out\n"
    both = run("busybox", ["sh", "-c", script], remove=True, stderr=True, **NONE)
    assert sorted(both.split()) == [b"err", b"out"]
    with pytest.raises(docker.errors.ContainerError) as failed:
        run("busybox", ["sh", "-c", "exit 7"], remove=True, **NONE)
    assert failed.value.exit_status == 7
    with pytest.raises(docker.errors.ImageNotFound):
        client.api.create_container("nothing-of-this-name")
    with pytest.raises(docker.errors.APIError) as refused:
        run("busybox", "nosuchcommand", remove=True, **NONE)
    assert refused.value.status_code == 400 and "not found" in str(refused.value)
    (left,) = client.containers.list(all=True)  # docker-py has not removed it either
    assert left.status == "created"
    with pytest.raises(docker.errors.APIError):
        run("busybox", "nosuchcommand", auto_remove=True, detach=True, **NONE)
    assert client.containers.list(all=True) == [left]


def test_the_life_of_a_container(served: Served, client: Any) -> None:
    made = client.containers.run(
        "busybox", ["sh", "-c", "echo begun; sleep 1000"], detach=True, name="web",
        stop_signal="SIGKILL", environment={"A": "b"}, labels={"l": "m"}, hostname="here",
        working_dir="/tmp", **NONE,
    )  # fmt: skip
    wait_for(lambda: made.logs() == b"begun\n")
    assert made.status == "created" or made.status == "running"
    made.reload()
    assert made.status == "running" and made.attrs["Config"]["Hostname"] == "here"
    assert made.labels == {"l": "m"} and made.attrs["Config"]["WorkingDir"] == "/tmp"
    assert [one.name for one in client.containers.list(filters={"label": "l=m"})] == ["web"]
    assert client.containers.list(filters={"label": "l=n"}) == []
    assert any(row[-1] == "sleep 1000" for row in made.top()["Processes"])
    done = made.exec_run(["sh", "-c", "echo in; exit 3"])
    assert (done.exit_code, done.output) == (3, b"in\n")
    done = made.exec_run(["sh", "-c", "echo $A $X; pwd; echo e >&2"], environment=["X=y"],
                         workdir="/", demux=True)  # fmt: skip
    assert done.output == (b"b y\n/\n", b"e\n")
    made.exec_run(["touch", "/changed"])
    assert {"Path": "/changed", "Kind": 1} in made.diff()
    assert made.stats(stream=False)["pids_stats"]["current"] >= 1
    made.rename("other")
    assert served.engine.ok("ps", "--format", "{{.Names}}") == "other"
    assert served.ask("POST", f"/containers/{made.id}/start")[0] == 304
    made.stop(timeout=0)
    assert made.wait()["StatusCode"] == 137
    assert served.ask("POST", f"/containers/{made.id}/stop")[0] == 304
    with pytest.raises(docker.errors.APIError) as failed:
        made.kill()
    assert failed.value.status_code == 409
    made.start()
    assert served.ask("DELETE", f"/containers/{made.id}")[0] == 409
    made.remove(force=True)
    assert served.ask("GET", f"/containers/{made.id}/json")[0] == 404


def test_wait_conditions(served: Served, client: Any) -> None:
    made = client.containers.create("busybox", ["sh", "-c", "exit 4"], auto_remove=True, **NONE)
    found: dict[str, Any] = {}
    waiting = threading.Thread(
        target=lambda: found.update(served.client().api.wait(made.id, condition="removed"))
    )
    waiting.start()
    time.sleep(0.5)
    made.start()
    waiting.join(timeout=30)
    assert found["StatusCode"] == 4
    made = client.containers.create("busybox", ["sh", "-c", "exit 5"], **NONE)
    waiting = threading.Thread(
        target=lambda: found.update(served.client().api.wait(made.id, condition="next-exit"))
    )
    waiting.start()
    time.sleep(0.5)
    made.start()
    waiting.join(timeout=30)
    assert found["StatusCode"] == 5
    assert made.wait()["StatusCode"] == 5


def test_logs(client: Any) -> None:
    script = "for i in 1 2 3; do echo $i; done; echo e >&2"
    made = client.containers.run("busybox", ["sh", "-c", script], detach=True, **NONE)
    made.wait()
    assert made.logs(stderr=False, tail=3) == b"2\n3\n"
    assert made.logs(stdout=False) == b"e\n"
    assert b"".join(made.logs(stream=True, follow=True, stderr=False)) == b"1\n2\n3\n"
    assert made.logs(timestamps=True, stdout=False).split()[0].startswith(b"20")
    assert made.logs(since=int(time.time()) + 60) == b""


def test_attach_before_the_start_misses_nothing(client: Any, served: Served) -> None:
    """As docker's own command does it: create, attach, start."""
    made = client.containers.create("busybox", ["cat"], stdin_open=True, **NONE)
    sock = client.api.attach_socket(
        made.id, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    )._sock
    made.start()
    sock.sendall(b"typed")
    sock.shutdown(socket.SHUT_WR)
    data = b""
    while piece := sock.recv(1 << 16):
        data += piece
    sock.close()
    assert data == struct.pack(">BxxxI", 1, 5) + b"typed"
    assert made.wait()["StatusCode"] == 0


def test_a_client_that_goes_leaves_the_container(client: Any, served: Served) -> None:
    made = client.containers.create("busybox", ["sh", "-c", "while :; do echo x; sleep 0.1; done"],
                                    **NONE)  # fmt: skip
    sock = client.api.attach_socket(made.id, {"stdout": 1, "stream": 1})._sock
    made.start()
    assert sock.recv(100)
    sock.close()
    time.sleep(1)
    made.reload()
    assert made.status == "running"
    made.kill()


def test_a_terminal_and_its_size(client: Any) -> None:
    made = client.containers.create("busybox", ["sh"], tty=True, stdin_open=True, **NONE)
    sock = client.api.attach_socket(
        made.id, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    )._sock
    made.start()
    made.resize(33, 77)
    sock.sendall(b"stty size; exit\n")
    data = b""
    while piece := sock.recv(1 << 16):
        data += piece
    assert b"33 77\r\n" in data


def test_a_terminal_of_a_command(client: Any) -> None:
    made = client.containers.run("busybox", ["sleep", "1000"], detach=True, **NONE)
    asked = client.api.exec_create(
        made.id, ["sh", "-c", "test -t 0 && read a && echo got $a $(stty size); exit 4"],
        tty=True, stdin=True,
    )  # fmt: skip
    sock = client.api.exec_start(asked, tty=True, socket=True)._sock
    client.api.exec_resize(asked, 44, 111)
    time.sleep(0.5)
    sock.sendall(b"typed\n")
    data = b""
    while piece := sock.recv(1 << 16):
        data += piece
    assert data.endswith(b"got typed 44 111\r\n")
    wait_for(lambda: client.api.exec_inspect(asked)["ExitCode"] == 4)
    with pytest.raises(docker.errors.APIError) as failed:
        client.api.exec_start(asked["Id"])
    assert failed.value.status_code == 409


def test_archives(client: Any) -> None:
    made = client.containers.run("busybox", ["sleep", "1000"], detach=True, **NONE)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        about = tarfile.TarInfo("in/file")
        about.size, about.mode = 5, 0o640
        archive.addfile(about, io.BytesIO(b"hello"))
    assert made.put_archive("/tmp", packed.getvalue())
    assert made.exec_run(["cat", "/tmp/in/file"]).output == b"hello"
    pieces, told = made.get_archive("/tmp/in/file")
    assert (told["name"], told["size"], told["mode"]) == ("file", 5, 0o640)
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        member = archive.extractfile("file")
        assert member and member.read() == b"hello"
    made.exec_run(["ln", "-s", "/tmp/in", "/link"])
    _, told = made.get_archive("/tmp/in")
    assert told["mode"] & 1 << 31
    _, told = made.get_archive("/link")
    assert told["mode"] & 1 << 27 and told["linkTarget"] == "/tmp/in"
    for path in ("/nothing", "/tmp/in/file/x"):
        with pytest.raises(docker.errors.NotFound):
            made.get_archive(path)
    with pytest.raises(docker.errors.APIError):
        made.put_archive("/nothing", packed.getvalue())
    with pytest.raises(docker.errors.APIError):
        made.put_archive("/tmp", b"no archive" * 100)
    with tarfile.open(fileobj=io.BytesIO(b"".join(made.export()))) as archive:
        assert "tmp/in/file" in archive.getnames()
    image = made.commit("made", "1", message="m", changes="ENV A=b")
    assert "A=b" in image.attrs["Config"]["Env"] and image.attrs["Comment"] == "m"
    saved = b"".join(image.save(named="made:1"))
    client.images.remove("made:1")
    (loaded,) = client.images.load(saved)
    assert loaded.id == image.id and loaded.tags == ["made:1"]
    client.images.remove("made:1")


def test_hostile_archives_stay_below_their_directory(client: Any, served: Served) -> None:
    made = client.containers.run("busybox", ["sleep", "1000"], detach=True, **NONE)
    canary = served.engine.run_root / "canary"
    canary.write_text("whole")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, link in (("link", "/"), ("up", "../../../../..")):
            about = tarfile.TarInfo(name)
            about.type, about.linkname = tarfile.SYMTYPE, link
            archive.addfile(about)
        for name in (f"link{canary}", f"up{canary}", f"../../../../..{canary}"):
            about = tarfile.TarInfo(name)
            about.size = 4
            archive.addfile(about, io.BytesIO(b"evil"))
    with contextlib.suppress(docker.errors.APIError):
        made.put_archive("/tmp", packed.getvalue())
    assert canary.read_text() == "whole"
    canary.unlink()


def context(**files: str) -> io.BytesIO:
    """A build context."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(text)
            archive.addfile(about, io.BytesIO(text.encode()))
    packed.seek(0)
    return packed


def test_build(client: Any) -> None:
    text = "FROM busybox\nARG A\nCOPY file /file\nRUN echo $A | tee /a\nLABEL x=y\n"
    image, lines = client.images.build(
        fileobj=context(Dockerfile=text, file="hello"), custom_context=True, tag="built:1",
        buildargs={"A": "arg"}, labels={"l": "m"}, network_mode="none", nocache=True,
    )  # fmt: skip
    said = "".join(line.get("stream", "") for line in lines)
    assert "Step 1/5 : FROM busybox" in said and "arg\n" in said
    assert said.endswith("Successfully tagged built:1\n")
    assert image.labels == {"l": "m", "x": "y"} and image.tags == ["built:1"]
    done = client.containers.run("built:1", ["cat", "/a", "/file"], remove=True, **NONE)
    assert done == b"arg\nhello"
    client.images.remove("built:1")
    with pytest.raises(docker.errors.BuildError) as failed:
        client.images.build(fileobj=context(Dockerfile="FROM busybox\nRUN exit 9\n"),
                            custom_context=True, network_mode="none")  # fmt: skip
    assert "9" in str(failed.value)
    for wrong in ("NOTHING\n", "FROM busybox\nCOPY nothing /\n"):
        with pytest.raises((docker.errors.BuildError, docker.errors.APIError)):
            client.images.build(fileobj=context(Dockerfile=wrong), custom_context=True)
    with pytest.raises((docker.errors.BuildError, docker.errors.APIError)):
        client.images.build(fileobj=io.BytesIO(b"no archive" * 99), custom_context=True)


def test_images(client: Any, served: Served) -> None:
    (image,) = client.images.list()
    assert image.tags == ["busybox:latest"] and image.attrs["Architecture"]
    image.tag("other", "1")
    assert client.images.get("other:1").id == image.id
    assert client.images.get("busybox").history()[0]["Size"] > 0
    client.images.remove("other:1")
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("other:1")
    pulled = client.images.pull("busybox", tag="latest")
    assert pulled.id == image.id
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.pull(f"{served.engine.registry}/nothing-of-this-name")


def test_networks_and_volumes(client: Any, served: Served) -> None:
    names = {one.name for one in client.networks.list()}
    assert {"bridge", "host", "none"} <= names
    subnet = f"198.51.{os.getpid() % 250}.0/24"
    pool = docker.types.IPAMPool(subnet=subnet)
    made = client.networks.create(f"n{os.getpid()}", labels={"a": "b"},
                                  ipam=docker.types.IPAMConfig(pool_configs=[pool]))  # fmt: skip
    assert client.networks.get(made.id).attrs["IPAM"]["Config"][0]["Subnet"] == subnet
    run = client.containers.run
    found = run("busybox", ["ip", "-4", "addr"], network=made.name, remove=True)
    assert subnet.removesuffix("0/24").encode() in found
    made.remove()
    volume = client.volumes.create(f"v{os.getpid()}", labels={"c": "d"})
    assert [one.name for one in client.volumes.list(filters={"label": "c=d"})] == [volume.name]
    share = {volume.name: {"bind": "/v", "mode": "rw"}}
    run("busybox", ["touch", "/v/x"], volumes=share, remove=True, **NONE)
    assert run("busybox", ["ls", "/v"], volumes=share, remove=True, **NONE) == b"x\n"
    assert served.engine.ok("volume", "inspect", "-f", "{{.Labels.c}}", volume.name) == "d"
    volume.remove()


def test_events(client: Any, served: Served) -> None:
    found: list[Any] = []
    begun = threading.Event()

    def listen() -> None:
        for event in served.client().events(decode=True, filters={"type": "container"}):
            found.append(event)
            begun.set()
            if event["Action"] == "destroy":
                return

    listener = threading.Thread(target=listen)
    listener.start()
    time.sleep(0.5)
    client.containers.run("busybox", "true", remove=True, name="seen", **NONE)
    listener.join(timeout=30)
    actions = [event["status"] for event in found]
    assert actions[0] == "create" and actions[-1] == "destroy" and "start" in actions
    assert found[0]["Actor"]["Attributes"]["name"] == "seen" and found[0]["from"] == "busybox"


def test_what_it_started_outlives_it(engine: Engine) -> None:
    service = Served(engine)
    client = service.client()
    made = client.containers.run("busybox", ["sleep", "1000"], detach=True, **NONE)
    service.process.kill()
    service.process.wait()
    assert engine.state(made.id)["Running"]
    again = Served(engine)  # the dead one's socket is no obstacle
    assert again.client().containers.get(made.id).status == "running"
    again.end()
    engine.ok("rm", "-f", made.id)


def test_who_attaches_and_leaves_is_forgotten(engine: Engine) -> None:
    service = Served(engine, "--time", "1")
    client = service.client()
    made = client.containers.create("busybox", ["true"], **NONE)
    path = f"/containers/{made.id}/attach?stdin=1&stdout=1&stream=1"
    waiting = [service.connect() for _ in range(3)]
    for sock in waiting:
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    waiting[0].shutdown(socket.SHUT_WR)  # the end of its input is not its own
    time.sleep(2.5)
    assert service.process.poll() is None
    for sock in waiting:
        sock.close()
    client.close()
    assert service.process.wait(timeout=20) == 0
    engine.ok("start", "-a", made.id)
    engine.ok("rm", made.id)


def test_it_ends_by_itself(engine: Engine) -> None:
    service = Served(engine, "--time", "1")
    assert service.client().ping()
    assert service.process.wait(timeout=20) == 0
    assert not service.path.exists()


def test_two_on_one_socket(served: Served) -> None:
    done = served.engine.run("system", "service", f"unix://{served.path}")
    assert done.code == 125 and "another service does" in done.err
    assert served.client().ping()


def test_requests_of_web_pages_are_refused(served: Served) -> None:
    assert served.ask("GET", "/info", Origin="http://evil.example")[0] == 403
    assert served.ask("GET", "/info", Host="evil.example")[0] == 403
    assert served.ask("GET", "/info", Host="localhost:2375")[0] == 200


BAD = {
    "no http": b"hello\r\n\r\n",
    "two lengths": b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two different lengths": b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n"
    b"Content-Length: 3\r\n\r\n{}",
    "a long head": b"GET /_ping HTTP/1.1\r\nHost: d\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "no json": b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{x",
    "a list": b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n[]",
    "wrong types": b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 13\r\n\r\n"
    b'{"Image": 77}',
    "deep": b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 100000\r\n\r\n"
    + b"[" * 100_000,
    "bad chunk": b"POST /containers/create HTTP/1.1\r\nHost: d\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "bad filters": b"GET /containers/json?filters=7 HTTP/1.1\r\nHost: d\r\n\r\n",
    "bad number": b"GET /containers/json?limit=x HTTP/1.1\r\nHost: d\r\n\r\n",
    "no host": b"GET /containers/json HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests(served: Served, name: str) -> None:
    answer = served.raw(BAD[name])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"413", b"431"), answer[:200]
    assert json.loads(body)["message"]
    assert served.ask("GET", "/containers/json") == (200, [])


def test_a_body_that_is_too_large(served: Served) -> None:
    head = b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999\r\n\r\n"
    answer = served.raw(head + b'{"a":"' + b"x" * (5 << 20))
    assert answer.split()[1] == b"413"
    memory = Path(f"/proc/{served.process.pid}/status").read_text()
    assert int(memory.partition("VmHWM:")[2].split()[0]) < 120_000
    assert served.client().ping()


def test_many_at_once(served: Served) -> None:
    found: list[int] = []

    def ask() -> None:
        for _ in range(5):
            found.append(served.ask("GET", "/containers/json")[0])

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert found == [200] * 200


def test_a_client_that_wants_the_connection_closed_does_not_wait(served: Served) -> None:
    """`Connection: close`, and HTTP/1.0: the end of the answer is the end of the connection."""
    for head in (
        b"HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0\r\nHost: d\r\n\r\n",
    ):
        with served.connect() as sock:
            sock.sendall(b"GET /_ping " + head)
            started = time.monotonic()
            while sock.recv(1 << 16):
                pass
            assert time.monotonic() - started < 0.9


def test_disk_usage_says_what_is_used(served: Served, client: Any) -> None:
    """Who prunes by what is told removes nothing that a container has."""
    client.containers.create("busybox", network_mode="none")
    status, found = served.ask("GET", "/v1.52/system/df")
    image = next(one for one in found["Images"] if "busybox:latest" in one["RepoTags"])
    assert status == 200 and image["Containers"] == 1
    assert 0 <= image["SharedSize"] <= image["Size"]
    assert isinstance(found["BuildCache"], list)
    assert len(found["BuildCache"]) == found["BuildCacheUsage"]["TotalCount"]


def test_swarms_are_refused_in_words(served: Served) -> None:
    for method, path in (("POST", "/swarm/init"), ("POST", "/swarm/join"), ("GET", "/nodes")):
        status, said = served.ask(method, path, {} if method == "POST" else None)
        assert status == 503 and "swarm" in said["message"]


def test_access_to_devices(served: Served) -> None:
    device = {"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "q"}
    body = {"Image": "busybox", "HostConfig": {"Devices": [device]}}
    status, said = served.ask("POST", "/containers/create", body)
    assert status == 400 and "rwm" in said["message"]
    assert "rwm" in served.engine.fails("run", "--device", "/dev/null:/dev/x:q", "busybox")


def test_devices_by_their_descriptions(served: Served) -> None:
    """As `docker run --gpus` and `--device VENDOR/CLASS=NAME` ask for them."""
    gpus = {"Driver": "", "Capabilities": [["gpu"]]}
    for request, told in (
        ({"Driver": "cdi", "DeviceIDs": ["vendor.com/card=one"]}, "vendor.com/card=one"),
        ({**gpus, "Count": -1}, "nvidia.com/gpu=all"),
        ({**gpus, "Count": 1}, "nvidia.com/gpu=0"),
        ({**gpus, "DeviceIDs": ["7"]}, "nvidia.com/gpu=7"),
        ({**gpus, "Count": 10**18}, "more than 64"),
        ({"Driver": "other", "Count": 1}, "'other'"),
    ):
        body = {"Image": "busybox", "HostConfig": {"DeviceRequests": [request]}}
        status, said = served.ask("POST", "/containers/create", body)
        assert status in (400, 404, 501) and told in said["message"], said


def test_a_socket_in_directories_that_are_not_there(engine: Engine) -> None:
    path = engine.run_root / "new/er/api.sock"
    process = engine.popen("system", "service", f"unix://{path}")
    assert process.stderr.readline().startswith(b"API listen on")
    assert path.parent.stat().st_mode & 0o777 == 0o700 and path.stat().st_mode & 0o777 == 0o600
    process.terminate()
    assert process.wait(timeout=30) == 0
    path.parent.rmdir()
    path.parent.parent.rmdir()


def test_no_limit_needs_no_controller(engine: Engine) -> None:
    for words in (("--cpu-quota", "-1"), ("--cpus", "0", "--blkio-weight", "0")):
        out = engine.ok("run", "--rm", "--pids-limit", "-1", *words, "--network", "none",
                        "busybox", "echo", "ran")  # fmt: skip
        assert out == "ran"


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
def test_texts_that_no_system_call_takes(served: Served, text: str) -> None:
    bodies: list[dict[str, object]] = [
        {"HostConfig": {"VolumesFrom": [text]}}, {"Cmd": [text]}, {"Env": [f"A={text}"]},
        {"HostConfig": {"Devices": [{"PathOnHost": text}]}}, {"Labels": {text: "x"}},
    ]  # fmt: skip
    for body in bodies:
        status, said = served.ask("POST", "/containers/create", {"Image": "busybox", **body})
        assert status == 400, said
    if text != "\ud800":
        for kind in ("containers", "images", "volumes", "networks"):
            tail = "" if kind in ("volumes", "networks") else "/json"
            status, said = served.ask("GET", f"/{kind}/{quote(text)}{tail}")
            assert status == 400 and said["message"] == "a text has a NUL"
