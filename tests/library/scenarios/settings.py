"""Every option that a container can be created with, by what is seen of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

import crun_py
from crun_py.aio import Engine

ROOT = os.geteuid() == 0


async def _says(engine: Engine, script: str, **given: object) -> str:
    options: dict[str, object] = {"network": "none", **given}
    out = await engine.containers.run("busybox", ["sh", "-c", script], **options)  # type: ignore[call-overload]
    assert isinstance(out, bytes)
    return out.decode().strip()


async def the_process(engine: Engine) -> None:
    out = await engine.containers.run(
        "busybox", ["echo $A $B; pwd; id -u; id -G; umask; hostname; ulimit -n"],
        network="none", entrypoint=["sh", "-c"], environment={"A": "1", "B": "2"},
        user="tester", groups=["78"], working_dir="/tmp", umask=0o077, hostname="box",
        domainname="example", ulimits=[crun_py.Ulimit("nofile", 100, 200)], name="process",
    )  # fmt: skip
    assert out.decode().split() == [
        "1",
        "2",
        "/tmp",
        "1234",
        "1234",
        "77",
        "78",
        "0077",
        "box",
        "100",
    ]
    assert await _says(engine, "ulimit -n", ulimits=["nofile=99:100"]) == "99"
    assert await _says(engine, "id -u", user=77) == "77"
    assert await _says(engine, "echo $X", environment=["X=y"]) == "y"
    with pytest.raises(crun_py.InvalidArgument):
        await _says(engine, "true", environment=["X"])
    assert await _says(engine, "cat /proc/1/comm", init=True) != "sh"
    assert await _says(engine, "cat /proc/self/oom_score_adj", oom_score_adj=500) == "500"
    assert await _says(engine, "date +%Z", timezone="Etc/GMT+5") in ("-05", "GMT+5", "UTC")
    assert await _says(engine, "tty; test -t 1 && echo yes", tty=True, stdin_open=True) != ""
    assert await _says(engine, "echo x", systemd="false") == "x"
    assert (
        await _says(engine, "cat /proc/sys/kernel/msgmax", sysctls={"kernel.msgmax": "9000"})
        == "9000"
    )
    options: crun_py.CreateOptions = {"user": "77", "network": "none"}
    assert await engine.containers.run("busybox", ["id", "-u"], **options) == b"77\n"
    with pytest.raises(TypeError):
        await _says(engine, "true", nothing=1)


async def files_and_memory(engine: Engine) -> None:
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        (Path(home) / "file").write_text("text")
        os.chdir(home)
        out = await engine.containers.run(
            "busybox",
            ["sh", "-c", "cat /a/file /b/file; touch /b/x 2>&1; df -k /dev/shm | tail -1"],
            network="none", volumes=[f"{home}:/a", "./file:/c:ro", "/v"],
            mounts=[crun_py.Bind(home, "/b", read_only=True), crun_py.Tmpfs("/t1", ("size=64k",)),
                    crun_py.ImageMount("busybox", "/image")],
            tmpfs={"/t2": "size=64k"}, shm_size=8 * crun_py.MiB, read_only=True,
        )  # fmt: skip
        text = out.decode()
        assert text.startswith("texttext") and "Read-only" in text and "8192" in text
        os.chdir("/")
        kinds = [crun_py.KernelMount("ramfs", "/k", ("mode=700",)),
                 crun_py.Tmpfs("/etc", ("tmpcopyup",)),
                 crun_py.ImageMount("busybox", "/i", subpath="etc")]  # fmt: skip
        seen = await _says(engine, "stat -fc%T /k; ls /etc/passwd /i/passwd", mounts=kinds)
        assert seen.split() == ["ramfs", "/etc/passwd", "/i/passwd"]
        part = [crun_py.Bind(home, "/p", subpath="new/part")]
        await _says(engine, "touch /p/made", mounts=part)
        assert (Path(home) / "new/part/made").exists()
        parts = [crun_py.VolumeMount("parts", "/p", subpath="a/b", create=True),
                 crun_py.VolumeMount("parts", "/all")]  # fmt: skip
        assert await _says(engine, "touch /p/x; find /all -type f", mounts=parts) == "/all/a/b/x"
        await engine.volumes.remove("parts")
        table = crun_py.IdMap(uids=((0, 7, 1),), gids=((0, 8, 1),))
        mapped = [crun_py.Bind(home, "/m", idmapped=True, id_map=table)]
        if os.geteuid():
            with pytest.raises(crun_py.Unsupported, match="for root only"):
                await _says(engine, "true", mounts=mapped)
        else:
            assert await _says(engine, "stat -c '%u %g' /m/file", mounts=mapped) == "7 8"
        assert await _says(engine, "mount | grep -c /t3", tmpfs=["/t3"]) == "1"
        assert await _says(engine, "df -k /dev/shm | tail -1 | grep -c 4096", shm_size="4m") == "1"
        with pytest.raises(crun_py.Unsupported, match="quota"):
            await _says(engine, "true", storage_size="5m")
        made = await engine.containers.create(
            "busybox", network="none", mounts=[crun_py.Bind("~", "/h", create=False)]
        )
        (mount,) = made.info.mounts
        assert mount == crun_py.MountPoint(
            type="bind", name="", source=os.path.expanduser("~"), target="/h", read_only=False
        )
        await made.remove()
        made = await engine.containers.create("busybox", network="none", volumes=["shared:/s"])
        assert (
            await _says(engine, "mount | grep -c ' /s '", volumes_from=[made.name + ":ro"]) == "1"
        )
        await made.remove(volumes=True)
        await engine.volumes.remove("shared")
    device = crun_py.Device("/dev/full", "/dev/full2", "rw")
    assert await _says(engine, "test -c /dev/full2 && echo x", devices=[device]) == "x"
    rule = crun_py.DeviceRule("c", 1, 7, "rw")
    assert str(rule) == "c 1:7 rw"
    write = "mknod /f c 1 7; echo x > /f 2>/dev/null; echo $?"
    for rules in ([rule], ["c 1:7 rw"]):
        if os.geteuid():
            with pytest.raises(crun_py.Unsupported, match="root of the host alone"):
                await _says(engine, write, device_rules=rules)
        else:  # /dev/full opens, and is full
            assert await _says(engine, write, device_rules=rules) == "1"
    device = crun_py.Device("/dev/fuse")
    assert await _says(engine, "test -c /dev/fuse && echo x", devices=[device]) == "x"
    assert await _says(engine, "test -c /dev/fuse && echo x", devices=["/dev/fuse"]) == "x"


async def networks(engine: Engine) -> None:
    async with await engine.containers.run(
        "busybox", ["sleep", "1000"], detach=True, stop_timeout=0, name="net",
        ports={80: None, "53/udp": None, "90/tcp": ("127.0.0.1", None or 0)},
        extra_hosts={"other": "10.9.8.7"}, dns=["9.9.9.9"], dns_search=["example"],
        dns_options=["ndots:2"], network_aliases=["alias"],
    ) as box:  # fmt: skip
        assert 1 <= box.ports[80].host_port < 65536
        assert box.ports["80/tcp"] == box.ports[80] and box.ports["53/udp"].protocol == "udp"
        assert box.ports[90].host_ip == "127.0.0.1"
        with pytest.raises(KeyError):
            box.ports[81]
        assert box.ip_address
        hosts = (await box.exec(["cat", "/etc/hosts", "/etc/resolv.conf"])).stdout.decode()
        for word in ("10.9.8.7", "9.9.9.9", "search example", "ndots:2"):
            assert word in hosts
        out = await engine.containers.run(
            "busybox", ["cat", "/proc/net/dev"], network="container:net"
        )
        assert out
    async with await engine.containers.create(
        "busybox", network="bridge", ports=["8080", crun_py.PortMapping(90, 0)],
        publish_all_ports=True,
    ) as box:  # fmt: skip
        assert {one.container_port for one in box.ports.values()} == {8080, 90}
    async with await engine.containers.create(
        "busybox", network=crun_py.Networking(mode="none", hosts=("a:1.2.3.4",))
    ) as box:
        assert box.info.network_mode == "none" and box.ip_address == ""
    with pytest.warns(crun_py.CrunpyWarning, match="ports are discarded"):
        await (await engine.containers.create("busybox", network="host", ports="80:80")).remove()
    for wrong in ({"x": 1}, {80: "y"}, ["x"], {0: 80}, {70000: 80}, {80: 70000}, {80: -1}):
        with pytest.raises(crun_py.InvalidArgument):
            await engine.containers.create("busybox", ports=wrong)
    if ROOT:
        async with await engine.containers.run(
            "busybox", ["sleep", "1000"], detach=True, stop_timeout=0, name="first",
            mac_address="02:11:22:33:44:55",
        ) as first:  # fmt: skip
            assert first.info.mac_address == "02:11:22:33:44:55"
            base = first.ip_address.rpartition(".")[0]
            out = await engine.containers.run(
                "busybox", ["sh", "-c", "ip addr; cat /etc/hosts"], ip_address=f"{base}.200",
                links={"first": "called"},
            )  # fmt: skip
            assert f"{base}.200".encode() in out and b"called" in out


async def limits(engine: Engine) -> None:
    try:
        out = await engine.containers.run(
            "busybox", ["true"], network="none", memory=64 * crun_py.MiB, memory_swap="-1",
            cpus=0.5, cpu_shares=512, cpuset_cpus="0", pids_limit=crun_py.UNLIMITED,
            limits=crun_py.Limits(memory_reservation_bytes=crun_py.GiB // crun_py.KiB),
        )  # fmt: skip
        assert out == b""
    except crun_py.Unsupported:
        return  # no controllers for this user, or on this host
    await engine.containers.run("busybox", ["true"], network="none", memory="64m")


async def rights(engine: Engine) -> None:
    caps = "grep CapEff /proc/self/status | cut -f2"
    usual = int(await _says(engine, caps), 16)
    assert int(await _says(engine, caps, cap_drop=["ALL"]), 16) == 0
    assert int(await _says(engine, caps, cap_drop=["ALL"], cap_add=["CHOWN"]), 16) == 1
    assert int(await _says(engine, caps, privileged=True), 16) > usual
    news = "grep NoNewPrivs /proc/self/status | cut -f2"
    assert await _says(engine, news, no_new_privileges=True) == "1"
    security = crun_py.Security(cap_drop=("ALL",), no_new_privileges=True)
    assert await _says(engine, news, security=security, seccomp="unconfined") == "1"
    assert (
        await _says(engine, "grep Seccomp: /proc/self/status | cut -f2", seccomp="unconfined")
        == "0"
    )


async def namespaces(engine: Engine) -> None:
    async with await engine.containers.run(
        "busybox", ["sleep", "1000"], detach=True, network="none", stop_timeout=0, name="ns",
        ipc="shareable", uts="private", cgroupns="private", namespaces=crun_py.Namespaces(),
    ):  # fmt: skip
        script = "ls /proc | grep -c '^[0-9]*$'"
        assert int(await _says(engine, script, pid="container:ns", ipc="container:ns")) >= 2
    own = crun_py.Namespaces(uids=((0, 100000, 2000),), gids=((0, 100000, 2000),))
    script = "cat /proc/self/uid_map"
    if ROOT:
        assert (await _says(engine, script, namespaces=own)).split() == ["0", "100000", "2000"]
    else:
        assert len((await _says(engine, script, userns="keep-id")).splitlines()) > 1
    assert await _says(engine, "echo x", userns="host") == "x"


async def afterwards(engine: Engine) -> None:
    made = await engine.containers.create(
        "busybox", ["sh", "-c", "sleep 1000"], network="none", restart="on-failure:2",
        health=crun_py.HealthCheck(test=("CMD-SHELL", "true"), retries=2), stop_signal="SIGKILL",
        stop_timeout=3, labels={"k": "v"}, annotations={"an": "note"}, timeout=1,
        log=crun_py.LogConfig(max_bytes=crun_py.MiB, max_files=2), remove=False,
    )  # fmt: skip
    assert made.labels == {"k": "v"}
    await made.update(restart="no")
    await made.start()
    assert await made.wait() == 255, "as podman has it"
    await made.remove()
    other = await engine.containers.create("busybox", ["sleep", "9"], network="none", name="needed")
    made = await engine.containers.run(
        "busybox", ["sleep", "1000"], detach=True, network="none", requires=["needed"],
        restart=crun_py.RestartPolicy("no"), stop_signal=9, name="needing",
    )  # fmt: skip
    assert (await other.reload()).running
    await made.remove(force=True)
    await other.remove(force=True)


async def a_directory_as_root(engine: Engine) -> None:
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        (Path(home) / "root/bin").mkdir(parents=True)
        (Path(home) / "root/bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
        (Path(home) / "root/bin/busybox").chmod(0o755)
        out = await engine.containers.run(
            "", ["/bin/busybox", "echo", "x"], rootfs=f"{home}/root", network="none"
        )
        assert out == b"x\n"


async def below_a_cgroup(engine: Engine) -> None:
    try:
        below = "/crunpy-test-parent" if ROOT else ""
        out = await _says(engine, "echo x", cgroup_parent=below, cgroup_manager="cgroupfs")
    except crun_py.Unsupported:
        return  # no cgroup v2 here
    assert out == "x"
