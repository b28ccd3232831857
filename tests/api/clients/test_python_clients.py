"""Python's clients of Docker's API, unchanged: aiodocker, testcontainers, python-on-whales.
(docker-py: the other tests of the service.)"""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path
from typing import Any

import pytest
from api_service import Served
from engine import wait_for


def program(served: Served, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A program of its own whose Docker is the service (on a machine that may be a container)."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True,
        timeout=110,
        env={"DOCKER_HOST": f"unix://{served.path}", "HOME": str(served.engine.run_root),
             "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
             "PATH": os.environ["PATH"], **env},
    )  # fmt: skip


def in_python(served: Served, script: str, **env: str) -> str:
    """What a program prints that must succeed."""
    done = program(served, script, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_aiodocker(served: Served) -> None:
    import aiodocker

    async def use() -> None:
        async with aiodocker.Docker(f"unix://{served.path}") as docker:
            assert (await docker.version())["Platform"]["Name"] == "crunpy"
            await docker.images.inspect("busybox")
            config = {"Image": "busybox", "Cmd": ["sh", "-c", "echo out; echo err >&2; cat"],
                      "OpenStdin": True, "HostConfig": {"NetworkMode": "none"}}  # fmt: skip
            made = await docker.containers.create_or_replace("aio", config)
            async with made.attach(stdin=True, stdout=True, stderr=True) as stream:
                await made.start()
                said = [await stream.read_out() for _ in range(2)]
                assert sorted(one.data for one in said) == [b"err\n", b"out\n"]
                await stream.write_in(b"typed\n")
                assert (await stream.read_out()).data == b"typed\n"
            run = await made.exec(["sh", "-c", "read a; echo got $a"], stdin=True)
            async with run.start() as stream:
                await stream.write_in(b"x\n")
                assert (await stream.read_out()).data == b"got x\n"
            assert "typed\n" in await made.log(stdout=True, follow=False)
            found = await made.show()
            assert found["State"]["Running"]
            events = docker.events.subscribe()
            await made.kill()
            await made.wait()
            assert (await asyncio.wait_for(events.get(), 20))["Actor"]["ID"] == made.id
            await made.delete(force=True)
            assert await docker.containers.list(all=True) == []

    asyncio.run(use())


def test_testcontainers(served: Served) -> None:
    script = """
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.waiting_utils import wait_for_logs

        with DockerContainer("busybox").with_command("sh -c 'echo ready; sleep 1000'") as one:
            wait_for_logs(one, "ready", timeout=20)
            code, out = one.exec(["echo", "inside"])
            print(code, out.decode().strip())
    """
    assert in_python(served, script, TESTCONTAINERS_RYUK_DISABLED="true") == "0 inside"
    assert served.engine.ok("ps", "-aq") == ""


@pytest.fixture(scope="module")
def reaper(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An archive of files with a program that does Ryuk's work."""
    program = tmp_path_factory.mktemp("reaper") / "reaper"
    source = Path(__file__).with_name("reaper.c")
    subprocess.run(["musl-gcc", "-static", "-Os", "-o", program, source], check=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(program, "reaper")
    return packed.getvalue()


def test_testcontainers_that_are_killed_leave_nothing(
    served: Served, client: Any, reaper: bytes
) -> None:
    """The service's socket is bound into a container, Ryuk, which removes what is left."""
    client.api.import_image_from_data(
        reaper, repository="reaper", tag="1", changes=['ENTRYPOINT ["/reaper"]']
    )
    script = """
        import os
        from testcontainers.core.container import DockerContainer

        one = DockerContainer("busybox").with_command("sleep 1000").start()
        print(len(one.get_docker_client().client.containers.list()), flush=True)
        os.kill(os.getpid(), 9)
    """
    done = program(served, script, RYUK_CONTAINER_IMAGE="reaper:1")
    assert (done.returncode, done.stdout) == (-9, "2\n"), done.stderr
    wait_for(lambda: served.engine.ok("ps", "-aq") == "", timeout_s=20)
    client.images.remove("reaper:1")


def test_python_on_whales(served: Served) -> None:
    """Drives docker's command line."""
    script = """
        from python_on_whales import DockerClient
        docker = DockerClient(client_call=["/usr/bin/docker"])
        print(docker.run("busybox", ["echo", "hi"], remove=True, networks=["none"]))
        made = docker.run("busybox", ["sleep", "1000"], detach=True, networks=["none"], name="w")
        print(docker.execute("w", ["echo", "in"]), made.state.running, len(docker.ps()))
        docker.remove("w", force=True)
        print([one.repo_tags for one in docker.image.list()])
    """
    assert in_python(served, script) == "hi\nin True 1\n[['busybox:latest']]"
