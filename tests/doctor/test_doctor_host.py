"""What the doctor says of machines that are made of a few files."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from crun_py import caller
from crun_py.cgroup import delegation
from crun_py.doctor import (
    firewall,
    kernel,
    limits,
    network,
    python,
    registries,
    settings,
    storage,
    users,
)
from crun_py.doctor.host import Host
from crun_py.errors import CrunpyError, RegistryError, Unsupported
from crun_py.model.system import Finding
from crun_py.oci.registry.registries import Registries


class Machine:
    """A directory with a machine's files."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.root = Host(str(top), store="/var/lib/crunpy")
        self.user = Host(str(top), uid=1000, name="ann", store="/home/ann/store")

    def has(self, path: str, text: str = "", mode: int = 0o644) -> None:
        file = self.top / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def told(found: Finding) -> tuple[str, str]:
    return found.status, found.name


@pytest.mark.parametrize(
    "release,status",
    [("6.1.0-37-amd64", "ok"), ("5.15.0", "ok"), ("5.14.21-default", "error"),
     ("3.10.0-1160.el7.x86_64", "error"), ("10.0", "ok"), ("odd", "warning"), ("", "warning")],
)  # fmt: skip
def test_version(machine: Machine, release: str, status: str) -> None:
    machine.has("/proc/sys/kernel/osrelease", release + "\n")
    machine.has("/usr/bin/dnf", mode=0o755)
    (found,) = kernel.version(machine.root)
    assert found.status == status
    assert found.fix == ("dnf install -y kernel && reboot" if status == "error" else "")


def test_filter_of_system_calls(machine: Machine) -> None:
    assert [f.status for f in kernel.seccomp(machine.root)] == ["error"]
    machine.has("/proc/sys/kernel/seccomp/actions_avail", "kill allow")
    assert [f.status for f in kernel.seccomp(machine.root)] == ["ok"]


def test_security_modules(machine: Machine) -> None:
    machine.has("/sys/kernel/security/lsm", "lockdown,capability,apparmor")
    machine.has("/usr/bin/apt-get", mode=0o755)
    (missing,) = kernel.security_modules(machine.root)
    assert (missing.status, missing.fix) == ("warning", "apt-get install -y apparmor")
    machine.has("/usr/sbin/apparmor_parser", mode=0o755)
    (apparmor,) = kernel.security_modules(machine.root)
    assert apparmor.status == "ok" and "crunpy-default" in apparmor.message
    (plain,) = kernel.security_modules(machine.user)
    assert plain.status == "ok" and "capability" in plain.message
    machine.has("/sys/fs/selinux/enforce", "1")
    (empty,) = kernel.security_modules(machine.user)
    assert empty.status == "warning" and "policy targeted has no labels" in empty.message
    assert empty.fix == "apt-get install -y selinux-policy-default"
    machine.has("/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE = mine\n")
    machine.has("/etc/selinux/mine/contexts/lxc_contexts", "")
    (selinux,) = kernel.security_modules(machine.user)
    assert selinux.status == "ok" and "SELinux enforces" in selinux.message
    machine.has("/sys/fs/selinux/enforce", "0")
    assert "permissive" in next(kernel.security_modules(machine.user)).message
    machine.has("/etc/selinux/mine/contexts/lxc_contexts", '# x = "y"\nprocess = "u:r:t:s0"\n')
    assert next(kernel.security_modules(machine.user)).status == "ok"  # nobody to ask
    # a file of the kernel's that refuses what it does not know with EINVAL, as selinuxfs does
    os.symlink("/proc/self/oom_score_adj", f"{machine.top}/sys/fs/selinux/context")
    (unknown,) = kernel.security_modules(machine.user)
    assert unknown.status == "warning" and "does not know u:r:t:s0, which" in unknown.message


def test_clock(machine: Machine) -> None:
    assert [f.status for f in kernel.clock(machine.root, 2e9, 1.9e9)] == ["ok"]
    assert [f.status for f in kernel.clock(machine.root, 0, 0)] == ["ok"]
    (found,) = kernel.clock(machine.root, 1e9, 1e9 + 10 * 86400)
    assert (found.status, found.fix) == ("error", "hwclock --hctosys")
    assert "10 days before" in found.message
    machine.has("/usr/bin/timedatectl", mode=0o755)
    machine.has("/run/systemd/system/x")
    (found,) = kernel.clock(machine.root, 0, 1e9)
    assert found.fix == "timedatectl set-ntp true"


def test_user_namespaces(machine: Machine) -> None:
    assert [f.status for f in kernel.namespaces(machine.user)] == ["error"]
    machine.has("/proc/self/ns/user")
    assert [f.status for f in kernel.namespaces(machine.user)] == ["ok"]
    machine.has("/proc/sys/user/max_user_namespaces", "0\n")
    machine.has("/proc/sys/kernel/unprivileged_userns_clone", "0\n")
    first, second = kernel.namespaces(machine.user)
    assert first.status == second.status == "error"
    assert first.fix.startswith("sysctl -w user.max_user_namespaces=15000 && ")
    assert second.fix.startswith("sysctl -w kernel.unprivileged_userns_clone=1 && ")
    (root,) = kernel.namespaces(machine.root)
    assert root.status == "warning"


def test_entering(machine: Machine) -> None:
    def fails() -> str:
        raise Unsupported("entering a user namespace: newuidmap failed")

    assert [f.status for f in users.namespace(machine.user, lambda: "")] == ["ok"]
    (found,) = users.namespace(machine.user, fails)
    assert (found.status, found.message, found.fix) == ("error", "newuidmap failed", "")
    machine.has("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
    (found,) = users.namespace(machine.user, fails)
    assert found.fix.startswith("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 && ")
    # where a profile lets us, the setting does not matter
    assert [f.status for f in users.namespace(machine.user, lambda: "")] == ["ok"]


def test_entering_with_one_id(machine: Machine) -> None:
    said = "entering a user namespace: newuidmap failed: containers have one user"
    (found,) = users.namespace(machine.user, lambda: said)
    assert (found.status, found.message) == (
        "warning", "newuidmap failed: containers have one user")  # fmt: skip


def test_ids_outside_of_the_user_namespace(machine: Machine) -> None:
    machine.has("/proc/self/uid_map", "0 1000 1\n1 100000 65536\n")
    machine.has("/proc/self/gid_map", "0 1000 1\n1 100000 65536\n")
    machine.has("/etc/subuid", "ann:100000:65536\n")
    machine.has("/etc/subgid", "ann:2000:63000\n")
    uids, gids = users.subordinate_ids(machine.user)
    assert uids.status == "warning" and uids.message.endswith(
        "ann:2000:63000 would do: containers have one user, root"
    )
    assert uids.fix == "usermod --del-subuids 100000-165535 --add-subuids 2000-64999 ann"
    assert gids.status == "ok"


def test_subordinate_ids(machine: Machine) -> None:
    machine.has("/etc/subuid", "bob:100000:65536\neve:165536:65536\n")
    machine.has("/etc/subgid", "# none\nann:200000:65536\n1000:300000:10\n")
    uids, gids = users.subordinate_ids(machine.user)
    assert (uids.status, uids.fix) == ("warning", "usermod --add-subuids 231072-296607 ann")
    assert (gids.status, gids.message) == ("ok", "65546 ids for user ann")
    machine.has("/etc/subuid", "ann:100000:1000\n")
    few, _ = users.subordinate_ids(machine.user)
    assert (few.status, few.fix) == ("warning", "usermod --add-subuids 101000-166535 ann")


def test_mappers(machine: Machine) -> None:
    machine.has("/usr/bin/apt-get", mode=0o755)
    machine.has("/usr/bin/newuidmap", mode=0o4755)
    machine.has("/usr/bin/newgidmap", mode=0o755)
    setuid, plain = users.mappers(machine.user)
    assert (setuid.status, plain.status) == ("ok", "warning")
    assert plain.fix == "chmod u+s /usr/bin/newgidmap"
    (machine.top / "usr/bin/newuidmap").unlink()
    assert next(users.mappers(machine.user)).fix == "apt-get install -y uidmap"


def test_overlay(machine: Machine) -> None:
    def fails() -> None:
        raise CrunpyError("mounting the layers: invalid argument")

    assert [f.status for f in storage.overlay(machine.root, "ext4", lambda: None)] == ["ok"]
    (found,) = storage.overlay(machine.root, "ext4", fails)
    assert found.fix.startswith("modprobe -a overlay && ")
    machine.has("/proc/filesystems", "nodev\tsysfs\nnodev\toverlay\n\text4\n")
    (found,) = storage.overlay(machine.root, "nfs4", fails)
    assert found.status == "error" and "CRUNPY_ROOT" in found.fix and "nfs4" in found.message
    (found,) = storage.overlay(machine.root, "ext4", fails)
    assert (found.status, found.fix) == ("error", "")


@pytest.mark.parametrize(
    "free,inodes,status",
    [(10 << 30, -1, "ok"), (10 << 30, 100, "warning"), (1 << 30, 10**6, "warning"),
     (1 << 20, -1, "error")],
)  # fmt: skip
def test_room(machine: Machine, free: int, inodes: int, status: str) -> None:
    (found,) = storage.room(machine.root, "ext4", free, inodes)
    assert told(found) == (status, "store") and bool(found.fix) == (status != "ok")


def test_limits(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    top = "/sys/fs/cgroup"
    assert [f.status for f in limits.hierarchy(machine.root, top)] == ["ok"]
    machine.has("/usr/sbin/update-grub", mode=0o755)
    (found,) = limits.hierarchy(machine.root, "")
    assert found.status == "warning" and "unified_cgroup_hierarchy=1" in found.fix
    machine.has("/usr/bin/grubby", mode=0o755)
    assert next(limits.hierarchy(machine.root, "/sys/fs/cgroup/unified")).fix.startswith("grubby ")
    everything = ["cpuset", "cpu", "io", "memory", "pids"]
    (found,) = limits.controllers(machine.root, top, "systemd", "/x", everything)
    assert found.status == "ok" and "by systemd" in found.message
    monkeypatch.setattr(delegation, "BOOTED", "/nowhere")
    (found,) = limits.controllers(machine.user, top, "cgroupfs", None, [])
    assert f"echo {os.getppid()} > $d/shell/cgroup.procs" in found.fix
    (found,) = limits.controllers(machine.user, top, "cgroupfs", "/x", everything[:3])
    assert "no memory, pids for us: --memory, --pids-limit fail" in found.message
    assert list(limits.controllers(machine.user, "", "cgroupfs", None, [])) == []


def test_nftables(machine: Machine) -> None:
    def fails() -> None:
        raise Unsupported("setting up nftables: protocol not supported")

    assert [f.status for f in network.nftables(machine.root, lambda: None)] == ["ok"]
    assert [f.status for f in network.nftables(machine.root, fails)] == ["error"]
    (found,) = network.nftables(machine.user, fails)
    assert found.status == "warning" and found.fix.startswith("modprobe -a nf_tables ")


def test_nftables_that_may_not_be_asked(machine: Machine) -> None:
    """No module helps there."""

    def fails() -> None:
        raise OSError(errno.EPERM, "operation not permitted")

    (found,) = network.nftables(machine.root, fails)
    assert (found.status, found.fix) == ("error", "")


def test_forwarding(machine: Machine) -> None:
    assert list(network.forwarding(machine.user)) == []
    assert [f.status for f in network.forwarding(machine.root)] == ["error"]
    machine.has("/proc/sys/net/ipv4/ip_forward", "0\n")
    (found,) = network.forwarding(machine.root)
    assert found.status == "ok" and "until" in found.message
    machine.has("/etc/sysctl.d/50-hard.conf", "# no\nnet/ipv4/ip_forward = 0\nkernel.x = 1\n")
    (found,) = network.forwarding(machine.root)
    assert found.status == "warning" and "/etc/sysctl.d/50-hard.conf" in found.message
    script = found.fix.partition(" && ")[0].replace("/etc/", f"{machine.top}/etc/")
    subprocess.run(["sh", "-c", script], check=True)
    assert machine.root.text("/etc/sysctl.d/50-hard.conf") == "# no\nkernel.x = 1"


def test_helpers(machine: Machine) -> None:
    machine.has("/usr/bin/apt-get", mode=0o755)
    assert list(network.helpers(machine.root)) == []
    (neither,) = network.helpers(machine.user)
    assert (neither.status, neither.fix) == ("error", "apt-get install -y passt")
    machine.has("/usr/bin/pasta", mode=0o755)
    pasta, slirp = network.helpers(machine.user)
    assert (pasta.status, slirp.status) == ("ok", "warning")
    assert slirp.fix == "apt-get install -y slirp4netns"


def test_what_a_python_was_built_without(machine: Machine) -> None:
    machine.has("/usr/bin/dnf", mode=0o755)
    assert [told(f) for f in python.modules(machine.root, __import__)] == [("ok", "python")]

    def load(name: str) -> object:
        raise ModuleNotFoundError(name=name)

    networks, registries = python.modules(machine.root, load)
    assert (networks.status, networks.fix) == ("error", "dnf install -y libffi-devel")
    assert "without _ctypes" in networks.message and "without _ssl" in registries.message


def test_devices(machine: Machine) -> None:
    machine.has("/dev/net/tun")
    tun, fuse = network.devices(machine.user, lambda path: "permission denied")
    assert (tun.status, tun.fix) == ("error", "chmod 0666 /dev/net/tun")
    assert (fuse.status, fuse.fix.partition(" && ")[0]) == ("warning", "modprobe -a fuse")
    assert [f.status for f in network.devices(machine.user, lambda path: "")] == ["ok", "ok"]


def chain(table: str, name: str, *, drops: bool, family: str = "ip") -> firewall.Chain:
    return firewall.Chain(family=family, table=table, name=name, drops=drops)


def test_others_rules(machine: Machine) -> None:
    harmless = [
        chain("crunpy_ab12cd", "forward", drops=True),
        chain("mine", "forward", drops=False),
        chain("filter", "FORWARD", drops=False),
    ]
    assert [f.status for f in firewall.others(machine.root, harmless)] == ["ok"]
    let, fine = firewall.others(machine.root, [chain("filter", "FORWARD", drops=True)])
    assert let.status == fine.status == "ok" and "let through" in let.message
    (found,) = firewall.others(machine.root, [chain("mine", "fwd", drops=True, family="inet")])
    assert found.fix.startswith("nft insert rule inet mine fwd iifname 'crunpy*' accept && ")
    firewalld = chain("firewalld", "filter_FORWARD", drops=False, family="inet")
    (found,) = firewall.others(machine.root, [firewalld])
    assert found.status == "warning" and found.fix.startswith("firewall-cmd ")
    machine.has("/proc/net/ip_tables_names", "nat\nfilter\n")
    (found,) = firewall.others(machine.root, [])
    assert found.status == "warning" and found.fix.startswith("iptables-legacy -I FORWARD ")
    assert list(firewall.others(machine.user, [])) == []


def test_old_files(machine: Machine) -> None:
    machine.has(
        "/etc/sysconfig/docker",
        "# old\nother_args=\"--registry-mirror=http://m.example:5000 --label name=s1 -H fd:// "
        "--selinux-enabled\"\nDOCKER_CERT_PATH=/etc/docker\n",
    )  # fmt: skip
    machine.has("/etc/default/docker", "export DOCKER_OPTS='--dns 8.8.8.8 --strange'\n")
    found = list(settings.old_files(machine.root))
    assert {f.status for f in found} == {"warning"}
    texts = [f.message.partition(": ")[2] for f in found]
    assert texts == [
        "other_args: registry-mirror http://m.example:5000: now registries.conf: "
        "[[registry.mirror]] of docker.io",
        "other_args: label name=s1: now /etc/docker/daemon.json: \"labels\"",
        "other_args: host fd://: now crunpy system service SOCKET",
        "other_args: selinux-enabled: now no setting: as the machine is",
        "DOCKER_OPTS: dns 8.8.8.8: now containers.conf: [containers] dns_servers",
        "DOCKER_OPTS: strange: now no setting here: there is no daemon",
    ]  # fmt: skip
    # what the command writes is understood
    etc = f"{machine.top}/etc/containers"
    subprocess.run(["sh", "-c", found[0].fix.replace("/etc/containers", etc)], check=True)
    read = Registries([f"{etc}/registries.conf.d/50-from-docker.conf"], "/nowhere")
    assert read.mirrors() == ["m.example:5000"]
    machine.has("/etc/sysconfig/docker", "OPTIONS='--insecure-registry r.example:5000 \"'\n")
    assert "No closing quotation" in next(settings.old_files(machine.root)).message


def test_insecure_registries_of_old(machine: Machine) -> None:
    machine.has("/etc/sysconfig/docker", "OPTIONS=--insecure-registry=r.example:5000\n")
    (found,) = settings.old_files(machine.root)
    etc = f"{machine.top}/etc/containers"
    subprocess.run(["sh", "-c", found.fix.replace("/etc/containers", etc)], check=True)
    read = Registries([f"{etc}/registries.conf.d/50-from-docker.conf"], "/nowhere")
    assert read.insecure() == ["r.example:5000"]


def test_daemon_json(machine: Machine) -> None:
    path = "/etc/docker/daemon.json"
    assert list(settings.daemon_json(machine.root)) == []
    machine.has(path, '{"registry-mirrors": [], "bip": "10.0.0.1/24", "icc": false}')
    read, bip, icc = settings.daemon_json(machine.root)
    assert (read.status, read.message) == ("ok", f"{path}: registry-mirrors hold here too")
    assert "bip: now crunpy network create" in bip.message and "enable_icc" in icc.message
    for bad in ("{", "[]"):
        machine.has(path, bad)
        assert "nothing of it is read" in next(settings.daemon_json(machine.root)).message


def test_registries(machine: Machine, tmp_path: Path) -> None:
    caller.has({"HOME": str(tmp_path)})
    conf = tmp_path / "registries.conf"
    conf.write_text(
        'unqualified-search-registries = ["quay.io"]\n[[registry]]\nlocation = "docker.io"\n'
        '[[registry.mirror]]\nlocation = "m.example"\n'
    )
    places = registries.places(Registries([str(conf)], "/nowhere"))
    assert [(p.host, p.is_mirror) for p in places] == [
        ("quay.io", False), ("m.example", True), ("registry-1.docker.io", False)]  # fmt: skip
    dates = {"quay.io": "Thu, 01 Jan 1970 00:16:40 GMT", "registry-1.docker.io": "nonsense"}

    def ask(place: registries.Endpoint) -> str:
        if place.host not in dates:
            raise RegistryError("asking m.example: no route to host")
        return dates[place.host]

    found = list(registries.reached(machine.root, places, ask, lambda: 900.0))
    assert [told(f) for f in found] == [
        ("ok", "registry quay.io"),
        ("warning", "mirror m.example"),
        ("ok", "registry docker.io"),
    ]
    found = list(registries.reached(machine.root, places[:1], ask, lambda: 1e5))
    assert [told(f) for f in found] == [("ok", "registry quay.io"), ("error", "clock")]
    assert "99000 seconds before that of quay.io" in found[1].message
    caller.has(os.environ)


def test_fixes_are_shell_commands(machine: Machine) -> None:
    machine.has("/usr/bin/apt-get", mode=0o755)
    machine.has("/etc/default/docker", "DOCKER_OPTS='--registry-mirror https://m/;$(x)'\n")
    for found in (*users.mappers(machine.user), *settings.old_files(machine.root)):
        assert subprocess.run(["sh", "-n", "-c", found.fix]).returncode == 0
