"""`run`, and commands in containers."""

from __future__ import annotations

import time

import pytest

import crun_py
from crun_py.aio import Engine

SLEEP = ["sleep", "1000"]


async def output(engine: Engine) -> None:
    out = await engine.containers.run("busybox", ["echo", "hi"], network="none")
    assert out == b"hi\n"
    assert await engine.containers.run("busybox", "echo 'a b'", network="none") == b"a b\n"
    assert await engine.containers.run("busybox", ["cat"], input=b"\0in", network="none") == b"\0in"
    big = bytes(range(256)) * 20000
    assert await engine.containers.run("busybox", ["cat"], input=big, network="none") == big
    with pytest.raises(crun_py.CrunpyError):
        await engine.containers.run("busybox", ["cat"], input="text", network="none")  # type: ignore[call-overload]
    assert not await engine.containers.list(all=True)


async def explained(engine: Engine) -> None:
    given: crun_py.CreateOptions = {
        "name": "told", "network": "none", "read_only": True, "volumes": ["told:/data"],
        "environment": {"A": "b"}, "cap_drop": ["ALL"],
    }  # fmt: skip
    told: crun_py.Explanation = await engine.containers.explain("busybox", ["cat", "/a"], **given)
    assert not await engine.containers.list(all=True) and not await engine.volumes.list()
    assert told["process"]["args"] == ["cat", "/a"] and "A=b" in told["process"]["environment"]
    assert told["root"]["read_only"] and told["capabilities"]["bounding"] == []
    (mount,) = [one for one in told["mounts"] if one["what"] == "volume"]
    assert (mount["name"], mount["destination"], mount["new"]) == ("told", "/data", True)
    async with await engine.containers.create("busybox", ["cat", "/a"], **given) as made:
        assert told["image"] and made.info.image_id.endswith(
            told["image"]["id"].removeprefix("sha256:")
        )
    await engine.volumes.remove("told")
    with pytest.raises(crun_py.NotFound):
        await engine.containers.explain("busybox:missing")


async def failures(engine: Engine) -> None:
    command = ["sh", "-c", "echo out; echo why >&2; exit 3"]
    with pytest.raises(crun_py.ContainerError) as failed:
        await engine.containers.run("busybox", command, network="none")
    assert failed.value.exit_code == 3
    assert (failed.value.stdout, failed.value.stderr) == (b"out\n", b"why\n")
    assert failed.value.hint == "why" and len(failed.value.container) == 64
    assert await engine.containers.run("busybox", command, check=False, network="none") == b"out\n"
    for words, code in ((["/nothing"], 127), (["/etc/passwd"], 126)):
        with pytest.raises(crun_py.CommandError) as unable:
            await engine.containers.run("busybox", words, network="none")
        assert unable.value.exit_code == code
        with pytest.raises(crun_py.CommandError) as unable:
            await engine.containers.run("busybox", words, detach=True, network="none")
        assert unable.value.exit_code == code
    assert not await engine.containers.list(all=True)


async def time_is_up(engine: Engine) -> None:
    with pytest.raises(crun_py.ContainerError) as failed:
        await engine.containers.run("busybox", SLEEP, wait_timeout=0.3, network="none")
    assert failed.value.exit_code == 137


async def as_it_comes(engine: Engine) -> None:
    seen: list[tuple[str, bytes]] = []
    command = ["sh", "-c", "echo out; sleep 0.2; echo err >&2"]
    out = await engine.containers.run(
        "busybox",
        command,
        network="none",
        on_output=lambda stream, data: seen.append((stream, data)),
    )
    assert out == b"" and seen == [("stdout", b"out\n"), ("stderr", b"err\n")]


async def kept_when_asked(engine: Engine) -> None:
    out = await engine.containers.run(
        "busybox", ["true"], remove=False, network="none", name="kept"
    )
    assert out == b""
    kept = await engine.containers.get("kept")
    assert kept.state == "exited"
    await kept.remove()


async def executed(engine: Engine) -> None:
    async with await engine.containers.run(
        "busybox", SLEEP, detach=True, network="none", stop_timeout=0
    ) as box:
        done = await box.exec(["id", "-u"])
        assert (done.exit_code, done.stdout, done.stderr) == (0, b"0\n", b"")
        command = "sh -c 'echo $A; pwd; id -u; exit 4'"
        done = await box.exec(command, environment={"A": "b"}, user="tester", working_dir="/tmp")
        assert (done.exit_code, done.stdout) == (4, b"b\n/tmp\n1234\n")
        assert (await box.exec(["cat"], input=b"typed")).stdout == b"typed"
        assert (await box.exec(["sh", "-c", "echo $A"], environment=["A=c"])).stdout == b"c\n"
        with pytest.raises(crun_py.ContainerError) as failed:
            await box.exec(["false"], check=True)
        assert failed.value.exit_code == 1 and failed.value.container == box.id
        assert (await box.exec(SLEEP, timeout=0.3)).exit_code == 137
        assert b"\r\n" in (await box.exec(["echo"], tty=True)).stdout
        assert (await box.exec(["true"], privileged=True)).exit_code == 0
        with pytest.raises(crun_py.CommandError):
            await box.exec(["/nothing"])
        seen: list[tuple[str, bytes]] = []
        await box.exec(["echo", "x"], on_output=lambda *what: seen.append(what))
        assert seen == [("stdout", b"x\n")]
        await box.exec_detached(
            ["sh", "-c", "echo $PWD $A $(id -u) > /tmp/done"],
            environment={"A": "z"}, user="0", working_dir="/bin", privileged=False,
        )  # fmt: skip
        for _ in range(200):
            if (await box.exec(["cat", "/tmp/done"])).stdout == b"/bin z 0\n":
                break
            time.sleep(0.02)
        else:
            raise AssertionError("it did not run")
    with pytest.raises(crun_py.NotFound):
        await box.exec(["true"])
    async with await engine.containers.create("busybox", network="none") as box:
        with pytest.raises(crun_py.Conflict):
            await box.exec(["true"])


async def streams(engine: Engine) -> None:
    async with await engine.containers.create(
        "busybox", ["cat"], stdin_open=True, network="none"
    ) as box:
        async with box.attach(start=True) as io:
            assert io.stdin
            await io.stdin.write(b"one\n")
            assert await io.stdout.readline() == b"one\n"
            await io.stdin.write(b"two\n")
            assert await io.stdout.readline() == b"two\n"
            await io.stdin.close()
            assert await io.stdout.read() == b""
            assert await io.wait() == 0
            with pytest.raises(crun_py.CrunpyError):
                await io.wait()
        await box.start()
        async with box.attach() as io:
            assert io.stdin
            await io.stdin.write(b"three\n")
            assert await io.stdout.readline() == b"three\n"
        await box.reload()
        assert box.running, "detaching lets it go on"
        async with box.exec_attached(
            ["sh", "-c", "read a; echo $a $A $PWD $(id -u) >&2; exit 5"],
            environment={"A": "b"}, user="tester", working_dir="/tmp", privileged=False, tty=False,
        ) as io:  # fmt: skip
            assert io.stdin
            await io.stdin.write(b"word\n")
            assert await io.stderr.read() == b"word b /tmp 1234\n"
            assert await io.wait() == 5
        async with box.exec_attached(["echo", "x"], stdin=False) as io:
            assert io.stdin is None
            assert await io.stdout.read() == b"x\n"
            assert await io.wait() == 0
    unattached = box.attach()
    with pytest.raises(crun_py.CrunpyError):
        await unattached.wait()


async def ended_by_hand(engine: Engine) -> None:
    """What the caller leaves early ends on the other side."""
    async with await engine.containers.run(
        "busybox", ["sh", "-c", "while :; do echo line; done"], detach=True, network="none",
        stop_timeout=0, log=crun_py.LogConfig(driver="none"),
    ) as box:  # fmt: skip
        async with box.attach() as io:
            assert b"line" in await io.stdout.readline()
        async with box.exec_attached(["yes"], stdin=False) as io:
            assert await io.stdout.readline() == b"y\n"


async def written(engine: Engine) -> None:
    command = ["sh", "-c", "echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three"]
    began = time.time()
    async with await engine.containers.run("busybox", command, detach=True, network="none") as box:
        lines = []
        async for line in await box.logs(follow=True):
            lines.append(line)
        assert lines == [b"one\n", b"two\n", b"three\n"]
        assert await box.logs() == b"one\ntwo\nthree\n"
        assert await box.logs(tail=1) == b"three\n"
        assert await box.logs(stderr=False) == b"one\nthree\n"
        assert await box.logs(stdout=False) == b"two\n"
        assert (await box.logs(timestamps=True, tail=1)).startswith(b"20")
        assert await box.logs(since=began - 60, until=began) == b""
        assert await box.logs(since="10m", until=time.time() + 60) == b"one\ntwo\nthree\n"
        async for line in await box.logs(
            follow=True, tail=2, timestamps=True, since=0, stdout=True, stderr=True
        ):
            assert line.endswith(b"\n")
            break
    async with await engine.containers.run(
        "busybox", ["true"], detach=True, network="none", log=crun_py.LogConfig(driver="none")
    ) as box:
        with pytest.raises(crun_py.Unsupported):
            await box.logs()


async def awaited(engine: Engine) -> None:
    server = "sleep 0.2; echo up; exec httpd -f -p 80"
    async with await engine.containers.run(
        "busybox", ["sh", "-c", server], detach=True, network="none",
        health=crun_py.HealthCheck(test=("CMD", "true"), interval_ms=100), stop_timeout=0,
    ) as box:  # fmt: skip
        await box.wait_until(healthy=True, log="^up$", port=80, timeout=20)
        assert box.info.health == "healthy"
        checked = await box.check_health()
        assert checked.passed and checked.status == "healthy"
        with pytest.raises(crun_py.TimedOut) as late:
            await box.wait_until(port=81, timeout=0.2)
        assert "81" in late.value.message and "up" in late.value.hint
        with pytest.raises(crun_py.InvalidArgument):
            await box.wait_until(log="(")
    async with await engine.containers.run(
        "busybox", ["sh", "-c", "echo bad; exit 6"], detach=True, network="none"
    ) as box:
        with pytest.raises(crun_py.Conflict) as ended:
            await box.wait_until(port=80)
        await box.wait_until(log="^bad$")
        with pytest.raises(crun_py.Conflict):
            await box.wait_until(log="good")
        assert "6" in ended.value.message and "bad" in ended.value.hint
        with pytest.raises(crun_py.InvalidArgument):
            await box.wait_until(healthy=True)
        with pytest.raises(crun_py.Conflict):
            await box.check_health()


async def looked_at(engine: Engine) -> None:
    async with await engine.containers.run(
        "busybox", SLEEP, detach=True, network="none", stop_timeout=0
    ) as box:
        table = await box.top()
        assert any("sleep" in " ".join(row) for row in table.processes)
        table = await box.top(columns=["pid", "args"])
        assert table.titles == ("PID", "COMMAND") and table.processes == (("1", "sleep 1000"),)
        try:
            used = await box.stats()
            assert used.pressure.keys() == {"cpu", "memory", "io"}
        except crun_py.Unsupported:
            return  # a user without a cgroup of his own
        assert used.name == box.name and used.id == box.id
        count = 0
        async for all_used in engine.containers.stats([box.name], interval=0.1):
            assert [one.id for one in all_used] == [box.id]
            count += 1
            if count == 2:
                break
    async with await engine.containers.create("busybox", network="none") as box:
        with pytest.raises(crun_py.Conflict):
            await box.stats()
        with pytest.raises(crun_py.Conflict):
            await box.top()
