"""What a container can see and do: capabilities, masks, descriptors, hostile images."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import images
import pytest
from engine import CHECKOUT, Engine
from mirror import Registry
from oci_images import directory, entry, snapshot, symlink, tar

from crun_py import spec

NONE = ("run", "--rm", "--network", "none")
DEFAULT_CAPS = 0x800405FB | 1 << 27 | 1 << 13 | 1 << 29
"""CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT
SETFCAP, and Docker's MKNOD NET_RAW AUDIT_WRITE."""
ALL_CAPS = (1 << 41) - 1


def caps(engine: Engine, *options: str) -> dict[str, int]:
    out = engine.ok(*NONE, *options, "busybox", "grep", "^Cap", "/proc/self/status")
    return {line.split(":")[0][3:]: int(line.split()[1], 16) for line in out.split("\n")}


# ---- capabilities and the filter ----


def test_default_capabilities(engine: Engine) -> None:
    found = caps(engine)
    assert found == {
        "Inh": 0, "Prm": DEFAULT_CAPS, "Eff": DEFAULT_CAPS, "Bnd": DEFAULT_CAPS, "Amb": 0,
    }  # fmt: skip


def test_added_and_dropped_capabilities(engine: Engine) -> None:
    assert caps(engine, "--cap-drop", "ALL")["Bnd"] == 0
    assert caps(engine, "--cap-drop", "all", "--cap-add", "CAP_CHOWN")["Eff"] == 1
    assert caps(engine, "--cap-add", "sys_ptrace")["Eff"] == DEFAULT_CAPS | 1 << 19
    assert caps(engine, "--cap-drop", "chown", "--cap-drop", "CAP_KILL")["Eff"] == (
        DEFAULT_CAPS & ~1 & ~(1 << 5)
    )
    assert caps(engine, "--cap-add", "ALL")["Eff"] >= DEFAULT_CAPS | 1 << 21
    for option in ("--cap-add", "--cap-drop"):
        assert "nosuch" in engine.fails(*NONE, option, "nosuch", "busybox", "true").lower()


def test_capabilities_of_another_user(engine: Engine) -> None:
    found = caps(engine, "-u", "tester")
    assert found == {"Inh": 0, "Prm": 0, "Eff": 0, "Bnd": DEFAULT_CAPS, "Amb": 0}
    found = caps(engine, "-u", "tester", "--cap-drop", "all", "--cap-add", "net_raw")
    assert found["Eff"] == found["Prm"] == found["Amb"] == found["Bnd"] == 1 << 13
    # of what is added it gets that alone, not what root has beside it
    found = caps(engine, "-u", "tester", "--cap-add", "sys_ptrace")
    assert found["Eff"] == found["Prm"] == found["Amb"] == 1 << 19
    assert found["Bnd"] == DEFAULT_CAPS | 1 << 19
    assert caps(engine, "-u", "tester", "--privileged")["Eff"] == 0
    assert caps(engine, "-u", "tester", "--cap-add", "all")["Eff"] >= DEFAULT_CAPS | 1 << 21


def test_capabilities_of_another_user_that_enters(engine: Engine) -> None:
    read = ("grep", "^CapEff", "/proc/self/status")
    engine.detached("--name", "c", "--cap-add", "sys_ptrace", "busybox", "sleep", "1000")
    for user, expected in (("tester", 1 << 19), ("5000:0", 1 << 19), ("0", DEFAULT_CAPS | 1 << 19)):
        assert int(engine.ok("exec", "-u", user, "c", *read).split()[1], 16) == expected
    assert int(engine.ok("exec", "--privileged", "-u", "tester", "c", *read).split()[1], 16) == 0


def test_privileged(engine: Engine) -> None:
    found = caps(engine, "--privileged")
    own = int(Path("/proc/self/status").read_text().split("CapBnd:")[1].split()[0], 16)
    assert found["Eff"] == (ALL_CAPS if engine.rootless else own)
    script = (
        "grep '^Seccomp:' /proc/self/status; chmod 555 /proc/sys; mount -t tmpfs x /tmp; echo $?"
    )
    done = engine.run(*NONE, "--privileged", "busybox", "sh", "-c", script)
    assert done.out == "Seccomp:\t0\n0\n" and "Read-only" not in done.err
    done = engine.run(*NONE, "busybox", "sh", "-c", script)
    assert done.out.split() == ["Seccomp:", "2", "1"] and "Read-only" in done.err


def status_line(engine: Engine, key: str, *options: str) -> str:
    out = engine.ok(*NONE, *options, "busybox", "grep", f"^{key}:", "/proc/self/status")
    return out.split()[1]


def test_seccomp_and_no_new_privileges(engine: Engine, base: Path) -> None:
    assert status_line(engine, "Seccomp") == "2"
    assert status_line(engine, "NoNewPrivs") == "0"
    assert status_line(engine, "Seccomp", "--security-opt", "seccomp=unconfined") == "0"
    for text in ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"):
        assert status_line(engine, "NoNewPrivs", "--security-opt", text) == "1"
    profile = base / "profile.json"
    profile.write_text(json.dumps({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}],
    }))  # fmt: skip
    done = engine.run(*NONE, "--security-opt", f"seccomp={profile}", "busybox", "mkdir", "/x")
    assert done.code == 1 and "not supported" in done.err
    for bad in ("seccomp=/nope", "odd", "odd=1"):
        engine.fails(*NONE, "--security-opt", bad, "busybox", "true")
    profile.write_text("{")
    engine.fails(*NONE, "--security-opt", f"seccomp={profile}", "busybox", "true")


@pytest.mark.parametrize(
    "command", ["unshare -m true", "unshare -U true", "swapoff -a", "reboot -f", "dmesg",
                "mount -t proc proc /tmp", "chroot / mount -t tmpfs x /tmp", "hostname other"],
)  # fmt: skip
def test_calls_that_are_refused(engine: Engine, command: str) -> None:
    done = engine.run(*NONE, "busybox", "sh", "-c", command)
    if command == "swapoff -a":
        return
    assert done.code != 0, done


def test_setuid_programs_gain_nothing_with_no_new_privileges(
    engine: Engine, registry: Registry, base: Path
) -> None:
    # busybox itself gives the privilege up
    source, program = base / "euid.c", base / "euid"
    source.write_text("#include <unistd.h>\nint main(void) { return geteuid() == 0; }\n")
    subprocess.run(["gcc", "-static", "-o", program, source], check=True)
    layer = tar(entry("euid", program.read_bytes(), mode=0o4755))
    name = registry.push("test/suid", images.image(registry.busybox, layer))
    as_user = (*NONE, "-q", "-u", "tester")
    assert engine.run(*as_user, name, "/euid").code == 1
    assert engine.run(*as_user, "--security-opt", "no-new-privileges", name, "/euid").code == 0
    engine.ok("rmi", name)


# ---- what is hidden ----


def test_masked_paths(engine: Engine) -> None:
    lines = []
    for path in spec.MASKED:
        lines.append(f"[ ! -e {path} ] && echo absent || {{ [ -d {path} ] && ls -A {path} | wc -l"
                     f" || head -c 9 {path} | wc -c; }}")  # fmt: skip
    out = engine.ok(*NONE, "busybox", "sh", "-c", "; ".join(lines)).split("\n")
    assert set(out) <= {"absent", "0"} and "0" in out
    out = engine.ok(*NONE, "--security-opt", "unmask=/proc/timer_list", "busybox",
                    "sh", "-c", "mount | grep -c timer_list; true")  # fmt: skip
    assert out == "0"
    out = engine.ok(*NONE, "--security-opt", "mask=/etc/passwd", "busybox", "cat", "/etc/passwd")
    assert out == ""


def test_read_only_paths(engine: Engine) -> None:
    for path in spec.READONLY:
        script = f"[ -e {path} ] || exit 0; chmod 700 {path}"
        done = engine.run(*NONE, "busybox", "sh", "-c", script)
        exists = Path(path).exists()
        assert ("Read-only" in done.err) == exists, (path, done)
    done = engine.run(*NONE, "busybox", "sh", "-c", "echo x > /proc/sys/kernel/core_pattern")
    assert "Read-only" in done.err


def test_sys_and_cgroup_are_read_only(engine: Engine) -> None:
    script = "touch /sys/x; mkdir /sys/fs/cgroup/x; grep -E ' /sys(/fs/cgroup)? ' /proc/mounts"
    done = engine.run(*NONE, "busybox", "sh", "-c", script)
    assert done.err.count("Read-only") == 2
    assert all("ro" in line.split()[3].split(",") for line in done.out.strip().split("\n"))


def test_devices(engine: Engine) -> None:
    out = engine.ok(*NONE, "busybox", "ls", "/dev")
    assert set(out.split()) == set(
        "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split()
    )
    script = "echo x > /dev/null && head -c 3 /dev/zero | wc -c && echo x > /dev/full"
    done = engine.run(*NONE, "busybox", "sh", "-c", script)
    assert done.out == "3\n" and "No space" in done.err


def test_nodes_that_are_made_cannot_be_opened(engine: Engine, registry: Registry) -> None:
    script = "for d in / /dev /tmp; do mknod $d/mem c 1 1; head -c1 $d/mem && echo OPEN; done; true"
    done = engine.run(*NONE, "busybox", "sh", "-c", script)
    assert "OPEN" not in done.out and done.err.count("\n") >= 3
    layer = tar(entry("mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1, mode=0o666))
    name = registry.push("test/node", images.image(registry.busybox, layer))
    done = engine.run(*NONE, "-q", name, "sh", "-c", "head -c1 /mem && echo OPEN")
    assert "OPEN" not in done.out
    engine.ok("rmi", name)


def test_a_device_that_is_given(root: Engine) -> None:
    done = root.run(*NONE, "--device", "/dev/fuse:/dev/other", "busybox", "ls", "-l", "/dev/other")
    assert done.code == 0 and "10, 229" in done.out
    root.fails(*NONE, "--device", "/nope", "busybox", "true")
    root.fails(*NONE, "--device", "/etc/passwd", "busybox", "true")


def test_sysctl(engine: Engine) -> None:
    out = engine.ok(*NONE, "--sysctl", "net.ipv4.ip_default_ttl=33", "--sysctl",
                    "kernel.msgmax=4242", "busybox", "cat", "/proc/sys/net/ipv4/ip_default_ttl",
                    "/proc/sys/kernel/msgmax")  # fmt: skip
    assert out.split() == ["33", "4242"]
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    for bad in ("kernel.core_pattern=|/x", "kernel/core_pattern=x", "net.x=1\nkernel.y=2",
                "kernel.shm_rmid_forced+kernel.core_pattern=x", "vm.swappiness=1", "x", "=1",
                "net..ipv4=1", "net.../kernel/core_pattern=x"):  # fmt: skip
        done = engine.run(*NONE, "--sysctl", bad, "busybox", "true")
        assert done.code == 125, bad
    engine.fails("run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_default_ttl=1",
                 "busybox", "true")  # fmt: skip
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


# ---- descriptors and the working directory (CVE-2024-21626) ----


def test_no_descriptor_leaks_in(engine: Engine) -> None:
    """Twenty descriptors of the caller's, and ours, are closed inside."""
    fds = [os.open(engine.home, os.O_RDONLY) for _ in range(20)]
    for fd in fds:
        os.set_inheritable(fd, True)
    try:
        script = "ls /proc/self/fd | tr '\\n' ' '; echo; ls -l /proc/1/fd | grep -c tmp; true"
        out = engine.ok(*NONE, "busybox", "sh", "-c", script, pass_fds=fds)
        # ls itself holds the directory open, as 3
        assert out.split("\n")[0].split() == ["0", "1", "2", "3"]
        engine.detached("--name", "c", "busybox", "sleep", "1000", pass_fds=fds)
        out = engine.ok("exec", "c", "ls", "/proc/self/fd", "/proc/1/fd", pass_fds=fds)
        first, own = out.split("/proc/self/fd:")
        assert first.split() == ["/proc/1/fd:", "0", "1", "2"]
        assert own.split() == ["0", "1", "2", "3"]
    finally:
        for fd in fds:
            os.close(fd)


def test_working_directory_by_a_descriptor(engine: Engine) -> None:
    fd = os.open("/", os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        for number in {*range(3, 14), fd}:
            done = engine.run(*NONE, "-w", f"/proc/self/fd/{number}", "busybox", "pwd",
                              pass_fds=[fd])  # fmt: skip
            assert done.code in (125, 126), f"{number}: {done.out}"
            assert done.err.startswith("crunpy: error: ") and done.err.count("\n") == 1
        engine.detached("--name", "c", "busybox", "sleep", "1000")
        for number in (3, 5, 7, 9, fd):
            done = engine.run("exec", "-w", f"/proc/self/fd/{number}", "c", "pwd", pass_fds=[fd])
            assert done.code != 0
    finally:
        os.close(fd)


def test_rewriting_the_runtime(engine: Engine, registry: Registry) -> None:
    """CVE-2019-5736: /proc/self/exe as entry point, and the monitor's from inside."""
    names = ("crun_py/_native/crunpy-core", "crun_py/_native/_shim.abi3.so", "crun_py/__main__.py")
    files = [CHECKOUT / name for name in names] + [Path(sys.executable).resolve()]
    before = [hashlib.sha256(f.read_bytes()).digest() for f in files]
    layer = tar(
        entry("bang", b"#!/proc/self/exe\n", mode=0o755),
        symlink("link", "/proc/self/exe"),
        entry("try", b"""#!/bin/sh
for p in /proc/[0-9]*; do
  exec 3>$p/exe && echo opened $p >&2
  cat /bin/busybox > $p/exe
done 2>/dev/null
exit 0
""", mode=0o755),
    )  # fmt: skip
    name = registry.push("test/exe", images.image(registry.busybox, layer))
    engine.ok("pull", "-q", name)
    engine.run(*NONE, name, "/bang", timeout=20)
    engine.run(*NONE, name, "/link", timeout=20)
    engine.run(*NONE, name, "/try", timeout=20)
    engine.detached("--name", "c", name, "sh", "-c", "while :; do /try; done")
    for _ in range(10):
        assert engine.run("exec", "c", "echo", "x").out == "x\n"
    engine.ok("rm", "-f", "c")
    assert [hashlib.sha256(f.read_bytes()).digest() for f in files] == before
    engine.ok("rmi", name)


def test_the_monitor_is_a_sealed_copy(root: Engine) -> None:
    container_id = root.detached("busybox", "sleep", "1000")
    monitor, _ = root.pids(container_id)
    assert "memfd:crunpy-core" in os.readlink(f"/proc/{monitor}/exe")
    with pytest.raises(OSError):
        os.close(os.open(f"/proc/{monitor}/exe", os.O_WRONLY))


def test_monitor_is_not_seen_from_inside(engine: Engine) -> None:
    out = engine.ok(
        *NONE, "--pull=never", "busybox", "sh", "-c", "ps -o pid,args; cat /proc/net/unix"
    )
    assert "crunpy" not in out and "python" not in out


def test_host_network_shows_no_control_socket(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    out = engine.ok("run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/unix")
    assert not [line for line in out.split("\n") if "@" in line and "crunpy" in line]


# ---- hostile images ----


@pytest.mark.parametrize("kind", ["absolute", "relative"])
@pytest.mark.parametrize(
    "where", ["dev", "proc", "sys", "etc", "run", "data", "etc/hosts", "dev/null"]
)
def test_links_in_the_image_lead_nowhere(
    engine: Engine, registry: Registry, base: Path, where: str, kind: str
) -> None:
    """Where mounts go in, the image has a link to a host path: nothing changes there."""
    canary = base / f"canary-{os.getpid()}-{engine.rootless:d}"
    if not canary.exists():
        canary.mkdir(mode=0o777)
        canary.chmod(0o777)
        (canary / "file").write_text("untouched")
    before = snapshot(canary)
    target = str(canary) if kind == "absolute" else "../" * 12 + str(canary)[1:]
    if where in ("etc/hosts", "dev/null"):
        target += "/file"
    entries = [symlink(where, target)]
    if where.startswith("dev/"):
        entries.insert(0, directory("dev"))
    only = tar(
        *[directory(d) for d in ("bin",)],
        entry("bin/busybox", images.BUSYBOX.read_bytes(), mode=0o755),
        symlink("bin/sh", "busybox"),
        *([directory("etc")] if where.startswith("etc/") else []),
        *entries,
    )
    image = images.image(only, Volumes={"/data": {}})
    name = registry.push(f"test/links-{where.replace('/', '-')}-{kind}", image)
    script = "echo in; echo w > /data/w; echo w > /etc/hosts; echo w > /dev/null"
    done = engine.run(*NONE, "-q", "-v", "/run/x", name, "sh", "-c", script)
    assert done.code in (0, 1, 125, 126, 127) and "Traceback" not in done.err
    assert snapshot(canary) == before
    engine.run("rmi", "-f", name)


def test_image_labels_steer_nothing(engine: Engine, registry: Registry) -> None:
    labels = {
        "io.crunpy.seccomp": "unconfined",
        "crunpy.privileged": "true",
        "io.podman.annotations.seccomp": "unconfined",
        "long": "x" * (1 << 18),
        "esc": "\x1b]0;owned\x07\x1b[2J",
    }
    image = images.image(
        registry.busybox, Labels=labels, StopSignal="garbage", Volumes={"../../x": {}}
    )
    name = registry.push("test/labels", image)
    engine.ok("pull", "-q", name)
    done = engine.run(*NONE, name, "true")
    assert done.code in (0, 125) and "Traceback" not in done.err
    image = images.image(registry.busybox, Labels=labels)
    registry.push("test/labels", image)
    engine.ok("pull", "-q", name)
    assert engine.ok(*NONE, name, "grep", "^Seccomp:", "/proc/self/status").split()[1] == "2"
    engine.ok("create", "--network", "none", "--name", "c", name)
    raw = engine.run("ps", "-a", "--format", "{{.Labels}}").raw
    assert b"\x1b" not in raw and b"x1b" in raw
    assert b"\x1b" not in engine.run("inspect", "c").raw
    engine.ok("rm", "c")
    engine.ok("rmi", name)


def test_escapes_in_commands_and_names_of_errors(engine: Engine) -> None:
    engine.ok("create", "--network", "none", "--name", "c", "busybox", "echo", "\x1b[2J\u202ex")
    assert b"\x1b" not in engine.run("ps", "-a", "--no-trunc").raw
    assert "\u202e" not in engine.run("ps", "-a", "--no-trunc").out
    for words in (("rm",), ("inspect",), ("run",), ("run", "-v"), (), (*NONE, "busybox")):
        args = (*words, "\x1b[2J")
        done = engine.run(*args)
        assert done.code in (1, 125, 127) and "\x1b" not in done.err, args


def test_keyring_is_new(engine: Engine) -> None:
    out = engine.run(*NONE, "busybox", "cat", "/proc/keys").out
    assert out == ""


def test_container_ends_with_its_first_process(engine: Engine) -> None:
    script = "setsid sleep 1000 & (sleep 1000 &) ; sleep 0.1; exit 3"
    assert engine.run(*NONE, "busybox", "sh", "-c", script).code == 3
    assert engine.left() == []


def test_processes_are_the_containers_only(engine: Engine) -> None:
    sleeper = subprocess.Popen(["sleep", "12345"])
    try:
        assert "12345" not in engine.ok(*NONE, "busybox", "ps")
        done = engine.run(*NONE, "busybox", "kill", "-9", sleeper.pid)
        assert done.code != 0 and sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_options_of_proc(engine: Engine) -> None:
    """As podman's: who is not root sees no processes but his own, or nothing but processes."""
    script = "ls -d /proc/[0-9]*; ls /proc/meminfo /proc/sys"
    command = ("-u", "1234", "--init", "busybox", "sh", "-c", script)
    done = engine.run(*NONE, "--security-opt", "proc-opts=hidepid=2", *command)
    assert "/proc/meminfo" in done.out and "/proc/1" not in done.out.split()
    assert "/proc/1" in engine.run(*NONE, *command).out.split()
    done = engine.run(*NONE, "--security-opt", "proc-opts=hidepid=2,subset=pid", *command)
    assert "meminfo: No such file" in done.err
    for bad in ("", "hidepid=9", "gid=x", "remount", "hidepid=2,,"):
        message = engine.fails("run", "--security-opt", f"proc-opts={bad}", "busybox")
        assert "proc-opts" in message


def test_temperatures_of_processors_are_masked(engine: Engine) -> None:
    """Of each that there is, whatever its number; the machine's are other ones for this test."""
    fake = """
        mount -t tmpfs none /sys/devices/system/cpu
        cd /sys/devices/system/cpu; mkdir -p cpu3/thermal_throttle cpu11/thermal_throttle cpu5
        mkdir -p cpuidle/thermal_throttle; exec "$@"
    """
    wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", fake, "sh"]
    container_id = engine.ok("create", "--network", "none", "busybox", wrap=wrap)
    file = engine.root / "containers" / container_id / "config.json"
    masked = json.loads(file.read_text())["linux"]["maskedPaths"]
    assert [path for path in masked if "thermal" in path] == [
        "/sys/devices/system/cpu/cpu11/thermal_throttle",
        "/sys/devices/system/cpu/cpu3/thermal_throttle",
    ]


@pytest.mark.parametrize(
    "option", ["apparmor=docker-default", "label=type:svirt_t", "label:level:s0"]
)
def test_profiles_that_are_not_set(engine: Engine, option: str) -> None:
    """Who names a profile of AppArmor or a label of SELinux is told that there is none."""
    done = engine.run(*NONE, "--security-opt", option, "busybox", "true")
    assert done.code == 0 and done.err.count("\n") == 1
    assert f"--security-opt {option} has no effect" in done.err
    for none in ("apparmor=unconfined", "label=disable"):
        assert engine.run(*NONE, "--security-opt", none, "busybox", "true").err == ""


def test_what_is_shown_is_what_inspect_says(engine: Engine) -> None:
    """unmask= takes podman's words: all, and patterns in which * is no slash."""
    for option, seen in (
        ("unmask=/proc/k*", True), ("unmask=ALL", True), ("unmask=all", True),
        ("unmask=/proc/*/x", False), ("unmask=/*", False), ("mask=/etc", False),
    ):  # fmt: skip
        engine.ok("create", "--name", "m", *NONE[1:], "--security-opt", option, "busybox", "true")
        host = engine.inspect("m")["HostConfig"]
        assert ("/proc/kcore" not in host["MaskedPaths"]) is seen, option
        assert ("/etc" in host["MaskedPaths"]) is (option == "mask=/etc")
        assert ("/proc/sys" in host["ReadonlyPaths"]) is (option.lower() != "unmask=all")
        engine.ok("rm", "m")
