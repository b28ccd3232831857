"""What the doctor, and an error's line, say in a container of another engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from crun_py import caller
from crun_py.cli import explained
from crun_py.cli.system import doctor as cli_doctor
from crun_py.doctor import kernel, limits, nested, network, storage
from crun_py.doctor.host import Host
from crun_py.engine import doctor as engine_doctor
from crun_py.engine.context import Context
from crun_py.errors import CrunpyError, Unsupported
from crun_py.model.system import Finding
from crun_py.values import Values

ALL, DEFAULT = "000001ffffffffff", "00000000a80425fb"
SYS_ADMIN_TOO = f"{int(DEFAULT, 16) | 1 << 21:016x}"
COVERED = "40 39 0:50 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw\n"
MASKED = "41 39 0:51 / /proc/acpi ro,relatime - tmpfs tmpfs ro\n"
FREE = """\
50 38 8:1 /hosts /etc/hosts rw,relatime - ext4 /dev/sda rw
39 38 0:50 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
"""
MARKS = {
    "crunpy": ("/.dockerenv", "/run/.containerenv"),
    "docker": ("/.dockerenv",),
    "podman": ("/run/.containerenv",),
    "": (),
}


def machine(
    top: Path, outer: str, bounding: str = ALL, mounts: str = FREE, label: str = "", uid: int = 0
) -> Host:
    for name, text in {
        **dict.fromkeys(MARKS[outer], ""),
        "/proc/self/status": f"Name:\tx\nCapEff:\t0\nCapBnd:\t{bounding}\n",
        "/proc/self/mountinfo": mounts,
        "/proc/self/attr/current": label,
    }.items():
        file = Path(f"{top}{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Host(str(top), uid=uid, store="/store")


@pytest.mark.parametrize("outer", MARKS)
def test_the_engine(tmp_path: Path, outer: str) -> None:
    assert machine(tmp_path, outer).outer == outer


def test_a_machine_made_of_an_image(tmp_path: Path) -> None:
    """It has docker's mark."""
    host = machine(tmp_path, "docker", mounts="22 1 8:1 / / rw - ext4 /dev/sda rw\n")
    assert host.outer == "" and nested.flags(host) == []


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, ""),
        ({"bounding": DEFAULT}, "--cap-add SYS_ADMIN --cap-add NET_ADMIN"),
        ({"bounding": SYS_ADMIN_TOO}, "--cap-add NET_ADMIN"),
        ({"bounding": DEFAULT, "uid": 1000}, "--cap-add SYS_ADMIN"),
        ({"mounts": FREE + COVERED}, "--security-opt unmask=/proc/sys"),
        ({"mounts": FREE + MASKED}, ""),
        ({"mounts": FREE + MASKED, "uid": 1000}, "--security-opt unmask=ALL"),
        ({"label": "containers-default (enforce)"}, "--security-opt apparmor=unconfined"),
        ({"label": "unconfined"}, ""),
    ],
)
def test_what_is_lacking(tmp_path: Path, given: dict[str, str | int], wanted: str) -> None:
    host = machine(tmp_path, "podman", **given)  # type: ignore[arg-type]
    assert " ".join(nested.flags(host)) == wanted


def test_within_a_user_namespace_of_our_own(tmp_path: Path) -> None:
    """There a process has all capabilities: those of the first one count."""
    host = machine(tmp_path, "podman", uid=1000)
    (tmp_path / "proc/1").mkdir()
    (tmp_path / "proc/1/status").write_text(f"CapBnd:\t{DEFAULT}\n")
    assert nested.flags(host) == ["--cap-add SYS_ADMIN"]


def test_dockers_filter(tmp_path: Path) -> None:
    host = machine(tmp_path, "docker")
    status = tmp_path / "proc/self/status"
    status.write_text(f"CapBnd:\t{ALL}\nSeccomp:\t2\n")
    assert nested.flags(host) == ["--security-opt seccomp=unconfined"]
    status.write_text(f"CapBnd:\t{ALL}\nSeccomp:\t0\n")
    assert nested.flags(host) == []


def test_docker_has_another_word(tmp_path: Path) -> None:
    host = machine(tmp_path, "docker", mounts=FREE + COVERED)
    assert nested.flags(host) == ["--security-opt systempaths=unconfined"]


def test_nothing_is_said_in_no_container(tmp_path: Path) -> None:
    host = machine(tmp_path, "", bounding=DEFAULT, mounts=COVERED)
    assert nested.flags(host) == []
    assert [*nested.check(machine(tmp_path, "", mounts=COVERED))] == []


def test_capabilities_that_lack_in_no_container(tmp_path: Path) -> None:
    """As a service of systemd's may lack them."""
    (found,) = nested.check(machine(tmp_path, "", bounding=DEFAULT))
    said = "the bounding set lacks SYS_ADMIN NET_ADMIN, which who started this took away"
    assert (found.status, found.name, found.fix) == ("error", "capabilities", "")
    assert found.message.startswith(said)
    assert [*nested.check(machine(tmp_path, "", bounding=DEFAULT, uid=1000))] == []


def test_each_capability_that_root_takes(tmp_path: Path) -> None:
    wanted = "SYS_ADMIN NET_ADMIN CHOWN DAC_OVERRIDE FOWNER SETGID SETUID SETPCAP".split()
    assert nested.lacking(machine(tmp_path, "docker", bounding="0")) == wanted
    plain = machine(tmp_path, "docker", bounding="0", uid=1000)
    assert nested.lacking(plain) == ["SYS_ADMIN", "SETGID", "SETUID"]


@pytest.mark.parametrize("point", ["/dev/termination-log",
                                   "/run/secrets/kubernetes.io/serviceaccount"])  # fmt: skip
def test_kubernetes(tmp_path: Path, point: str) -> None:
    """What is said is of its manifests."""
    of_kubelet = f"52 38 8:1 /x {point} rw,relatime - ext4 /dev/sda rw\n"
    host = machine(tmp_path, "", mounts=FREE + of_kubelet)
    assert host.outer == "Kubernetes" and nested.flags(host) == []
    host = machine(tmp_path, "docker", SYS_ADMIN_TOO, FREE + of_kubelet + COVERED, "x (enforce)")
    assert nested.flags(host) == ["--cap-add NET_ADMIN", "--security-opt apparmor=unconfined",
                                  "--security-opt unmask=/proc/sys"]  # fmt: skip
    (found,) = nested.check(host)
    assert found.fix == ("securityContext: {capabilities: {add: [NET_ADMIN]}, appArmorProfile: "
                         "{type: Unconfined}, procMount: Unmasked}")  # fmt: skip
    copies = storage.copies(host, "overlay")
    assert copies.fix == "volumeMounts: [{name: VOLUME, mountPath: /store}]"
    tun, _ = network.devices(host, lambda path: "no such file or directory")
    assert (tun.fix, tun.outside) == ("securityContext: {privileged: true}", True)


def test_kubernetes_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = machine(tmp_path, "")
    assert host.outer == ""
    monkeypatch.setitem(caller._variables, "KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert host.outer == "Kubernetes"
    assert machine(tmp_path, "docker", mounts="22 1 8:1 / / rw - ext4 /dev/sda rw\n").outer == ""


def test_an_errors_hint_in_kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(caller._variables, "KUBERNETES_SERVICE_HOST", "10.0.0.1")
    top = machine(tmp_path, "", bounding=SYS_ADMIN_TOO).top
    monkeypatch.setattr(Host, "path", lambda _, path: top + path)
    error = CrunpyError("setting up nftables: operation not permitted", errno=1)
    assert explained.hint(error, 0) == (
        "this is a container of Kubernetes: its manifest wants securityContext: {capabilities: "
        "{add: [NET_ADMIN]}}; see `crunpy doctor`"
    )


def test_the_finding(tmp_path: Path) -> None:
    (found,) = nested.check(machine(tmp_path, "podman"))
    assert (found.status, found.name) == ("ok", "container")
    (found,) = nested.check(machine(tmp_path, "podman", bounding=DEFAULT))
    assert found.status == "error"
    assert found.fix == "podman run --cap-add SYS_ADMIN --cap-add NET_ADMIN …"


def test_what_is_for_the_machine(tmp_path: Path) -> None:
    """Modules, settings and device nodes of a container are its engine's and its machine's."""
    host = machine(tmp_path, "podman", uid=1000)

    def cannot(path: str) -> str:
        return "no such file or directory"

    tun, fuse = network.devices(host, cannot)
    assert (tun.status, tun.fix, tun.outside) == (
        "error", "podman run --device /dev/net/tun …", True)  # fmt: skip
    assert (fuse.fix, fuse.outside) == ("podman run --device /dev/fuse …", True)
    (tmp_path / "dev/net").mkdir(parents=True)
    (tmp_path / "dev/net/tun").touch()
    tun, _ = network.devices(host, cannot)
    assert (tun.fix, tun.outside) == ("chmod 0666 /dev/net/tun", False)

    def no_module() -> None:
        raise Unsupported("setting up nftables: protocol not supported", errno=93)

    (found,) = network.nftables(host, no_module)
    assert found.fix.startswith("modprobe ") and found.outside
    (copies,) = [storage.copies(host, "overlay")]
    assert (copies.fix, copies.outside) == ("podman run -v VOLUME:/store …", True)
    (tmp_path / "proc/sys/user").mkdir(parents=True)
    (tmp_path / "proc/sys/user/max_user_namespaces").write_text("0")
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/user").touch()
    (found,) = kernel.namespaces(host)
    assert found.fix.startswith("sysctl ") and found.outside
    (found,) = limits.hierarchy(host, "")
    assert found.fix == "" and "on the machine: boot with" in found.message


def test_nftables_of_root(tmp_path: Path) -> None:
    """They are there, and NET_ADMIN is what lacks."""

    def denied() -> None:
        raise CrunpyError("asking nftables: operation not permitted", errno=1)

    (found,) = network.nftables(machine(tmp_path, "docker", bounding=SYS_ADMIN_TOO), denied)
    assert (found.fix, found.outside) == ("docker run --cap-add NET_ADMIN …", True)
    (found,) = network.nftables(machine(tmp_path, "docker"), denied)
    assert found.fix == ""


def test_control_groups(tmp_path: Path) -> None:
    """What the outer engine made read-only; else root of the container can hand on his own."""
    top = "/sys/fs/cgroup"
    host = machine(tmp_path, "podman", uid=1000, mounts=FREE + "51 39 0:28 / /sys/fs/cgroup ro,"
                   "nosuid - cgroup2 cgroup rw\n")  # fmt: skip
    (found,) = limits.controllers(host, top, "cgroupfs", None, [])
    assert (found.fix, found.outside) == ("podman run --privileged …", True)
    host = machine(tmp_path, "podman", uid=1000)
    (found,) = limits.controllers(host, top, "cgroupfs", None, [])
    assert "chown -R 1000 $d" in found.fix and not found.outside
    (found,) = limits.controllers(machine(tmp_path, "podman"), top, "cgroupfs", None, [])
    assert (found.fix, found.outside) == ("", False)


def test_a_new_volume(tmp_path: Path) -> None:
    error = CrunpyError("using directory /store: it belongs to another user", hint="chown")
    found = storage.unusable(machine(tmp_path, "podman"), "store", "/store", "CRUNPY_ROOT", error)
    assert (found.status, found.name) == ("error", "store")
    assert found.message.endswith("another user (chown)")
    assert found.fix.startswith("export CRUNPY_ROOT=")  # nothing is mounted there


def test_commands_are_for_who_is_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is for the outer engine is a comment of the script."""
    found = (
        Finding(name="a", status="error", message="m", fix="podman run -v x …", outside=True),
        Finding(name="b", status="error", message="n", fix="apt-get install -y passt"),
    )
    monkeypatch.setattr(engine_doctor, "doctor", lambda context, online: found)
    monkeypatch.setenv("CONTAINERS_CONF", "/dev/null")
    context = Context("/nowhere", "/nowhere")
    for flag, lines in (
        ("fix_commands", ["# a: m", "# outside of this container: podman run -v x …", "# b: n",
                          "apt-get install -y passt"]),
        ("", ["error    a: m", "         outside of this container: podman run -v x …",
              "error    b: n", "         as root: apt-get install -y passt"]),
    ):  # fmt: skip
        values = Values(cli_doctor.OPTIONS)
        code = cli_doctor.main(values.with_flag(flag, True) if flag else values, [], context)
        assert code == 1 and capsys.readouterr().out.splitlines()[-4:] == lines


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unsupported("starting the container: there is no clone3", hint="old"), True),
        (CrunpyError("starting the container's processes: operation not permitted", errno=1), True),
        (CrunpyError("carrying out run: operation not permitted", errno=1), True),
        (CrunpyError("-:2: RUN x: writing 1 to /proc/sys/net/x: read-only", errno=30), True),
        (CrunpyError("starting the container: step 2 (overlay 1 layers, upper "
                     "/s/containers/1/upper at /x): operation not permitted", errno=1), True),
        (CrunpyError("starting the container: step 9 (bind /x): no such file", errno=2), False),
        (CrunpyError("copying x: permission denied", errno=13), False),
        (CrunpyError("working on the container's files: unshare: operation not permitted",
                     errno=1), True),
        (CrunpyError("working on the container's files: /x: permission denied", errno=13), False),
        (Unsupported("making a network without root: no pasta, no slirp4netns"), False),
    ],
)  # fmt: skip
def test_an_errors_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: CrunpyError, told: bool
) -> None:
    """The outer engine's options, in the place of a hint that would mislead; of nothing else."""
    top = machine(tmp_path, "podman", bounding=DEFAULT).top
    monkeypatch.setattr(Host, "path", lambda _, path: top + path)
    hint = explained.hint(error, 0)
    wanted = "start it with podman run --cap-add SYS_ADMIN --cap-add NET_ADMIN"
    assert (wanted in hint) is told
    assert "old" not in hint


@pytest.mark.parametrize(
    ("error", "bounding", "told"),
    [
        (Unsupported("opening /dev/net/tun: no such file or directory", hint="modprobe", errno=2),
         DEFAULT, "--device /dev/net/tun; or use --network none or host"),
        (Unsupported("opening /dev/net/tun: permission denied", hint="chmod", errno=13), DEFAULT,
         "chmod"),
        (Unsupported("making a network without root: no pasta, no slirp4netns", hint="passt"),
         DEFAULT, "passt; `crunpy doctor` tells more"),
        (CrunpyError("starting the container: step 6 (mount sysfs on /sys): operation not "
                     "permitted", hint="kernel", errno=1), ALL, "--privileged, as what is on /sys "
         "here is read-only; or use --network host"),
        (CrunpyError("starting the container: step 6 (mount sysfs on /sys): operation not "
                     "permitted", hint="kernel", errno=1), DEFAULT, "--cap-add SYS_ADMIN "
         "--cap-add NET_ADMIN; see `crunpy doctor`"),
    ],
)  # fmt: skip
def test_the_hint_that_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: CrunpyError, bounding: str, told: str
) -> None:
    top = machine(tmp_path, "docker", bounding=bounding).top
    monkeypatch.setattr(Host, "path", lambda _, path: top + path)
    hint = explained.hint(error, 0)
    assert hint.removeprefix("this is a container: start it with docker run ") == told
