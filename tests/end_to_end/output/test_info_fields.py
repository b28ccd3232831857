"""info: the fields of both peers' templates and JSON, and the lines that scripts look for."""

from __future__ import annotations

import json
import re

import pytest
from engine import Engine

DOCKER = """
ID Containers ContainersRunning ContainersPaused ContainersStopped Images Driver DriverStatus
Plugins MemoryLimit SwapLimit CPUShares CPUSet CPUCfsPeriod CPUCfsQuota PidsLimit IPv4Forwarding
OomKillDisable Debug NFd NGoroutines NEventsListener SystemTime LoggingDriver CgroupDriver
CgroupVersion KernelVersion OperatingSystem OSVersion OSType Architecture IndexServerAddress
RegistryConfig NCPU MemTotal DockerRootDir HttpProxy HttpsProxy NoProxy Name Labels
ExperimentalBuild ServerVersion Runtimes DefaultRuntime Swarm.LocalNodeState LiveRestoreEnabled
Isolation InitBinary ContainerdCommit.ID RuncCommit.ID InitCommit.ID SecurityOptions Warnings
ClientInfo Plugins.Volume Plugins.Network Plugins.Log RegistryConfig.IndexConfigs
RegistryConfig.Mirrors
""".split()
PODMAN = """
Host.Arch Host.BuildahVersion Host.CgroupManager Host.CgroupsVersion Host.CgroupControllers
Host.Conmon.Package Host.Conmon.Path Host.Conmon.Version Host.CPUs Host.CPUUtilization.UserPercent
Host.CPUUtilization.SystemPercent Host.CPUUtilization.IdlePercent Host.Distribution.Distribution
Host.Distribution.Version Host.Distribution.Codename Host.Distribution.Variant Host.EventLogger
Host.Hostname Host.IDMappings.UIDMap Host.IDMappings.GIDMap Host.Kernel Host.LogDriver Host.MemFree
Host.MemTotal Host.NetworkBackend Host.OCIRuntime.Name Host.OCIRuntime.Package Host.OCIRuntime.Path
Host.OCIRuntime.Version Host.OS Host.RemoteSocket Host.ServiceIsRemote
Host.Security.AppArmorEnabled Host.Security.DefaultCapabilities Host.Security.Rootless
Host.Security.SECCOMPEnabled Host.Security.SECCOMPProfilePath Host.Security.SELinuxEnabled
Host.Slirp4NetNS.Executable Host.SwapFree Host.SwapTotal Host.Uptime Host.Linkmode Host.RuntimeInfo
Store.ConfigFile Store.ContainerStore.Number Store.ContainerStore.Paused
Store.ContainerStore.Running Store.ContainerStore.Stopped Store.GraphDriverName Store.GraphOptions
Store.GraphRoot Store.GraphRootAllocated Store.GraphRootUsed Store.GraphStatus
Store.ImageCopyTmpDir Store.ImageStore.Number Store.RunRoot Store.VolumePath
Plugins.Volume Plugins.Network Plugins.Log Registries Version.APIVersion Version.Version
Version.GoVersion Version.GitCommit Version.BuiltTime Version.Built Version.OsArch
""".split()


@pytest.mark.parametrize("peer", [DOCKER, PODMAN], ids=["docker", "podman"])
def test_every_field_has_an_answer(engine: Engine, peer: list[str]) -> None:
    text = "\n".join(f"{{{{.{name}}}}}" for name in peer)
    done = engine.run("info", "-f", text)
    if done.code:  # which?
        wrong = [name for name in peer if engine.run("info", "-f", f"{{{{.{name}}}}}").code]
        assert not wrong
    assert "<no value>" not in done.out


JSON_KEYS = """
host.arch host.cgroupManager host.cgroupVersion host.cgroupControllers host.conmon.path host.cpus
host.distribution.distribution host.eventLogger host.hostname host.kernel
host.logDriver host.memFree host.memTotal host.networkBackend host.ociRuntime.name host.os
host.remoteSocket host.security.rootless host.security.seccompEnabled host.swapTotal host.uptime
store.configFile store.containerStore.number store.graphDriverName store.graphRoot
store.imageStore.number store.runRoot store.volumePath plugins.volume registries version.Version
""".split()


def test_json_has_both(engine: Engine) -> None:
    """Podman's keys begin with small letters, and Docker's have their own."""
    found = json.loads(engine.ok("info", "--format", "json"))
    names = [name.replace("CPUCfs", "CpuCfs") for name in DOCKER if "." not in name]
    assert not [name for name in names if name not in found]
    missing = []
    for name in JSON_KEYS:
        at = found
        for key in name.split("."):
            at = at.get(key) if isinstance(at, dict) else None
        if at is None:
            missing.append(name)
    assert not missing


def test_lines_of_the_text(engine: Engine) -> None:
    out = engine.ok("info")
    lines = {line.partition(":")[0].strip(): line.partition(":")[2].strip()
             for line in out.splitlines()}  # fmt: skip
    assert lines["Docker Root Dir"] == str(engine.root)
    for name in ("Containers", "Images", "Server Version", "Storage Driver", "Logging Driver",
                 "Cgroup Driver", "Cgroup Version", "Kernel Version", "Operating System", "OSType",
                 "Architecture", "CPUs", "Total Memory", "Name", "ID"):  # fmt: skip
        assert lines.get(name), name
    assert re.fullmatch(r"[\d.]+[KMGT]iB", lines["Total Memory"])


def test_the_id_lasts_and_looks_like_one(engine: Engine) -> None:
    found = engine.ok("info", "-f", "{{.ID}}")
    uuid = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    old = r"[A-Z2-7]{4}(:[A-Z2-7]{4}){11}"
    assert re.fullmatch(f"{uuid}|{old}", found)
    assert engine.ok("info", "-f", "{{.ID}}") == found
    assert f"ID: {found}" in engine.ok("info")


def test_values_that_scripts_compare(engine: Engine) -> None:
    def say(name: str) -> str:
        return engine.ok("info", "-f", f"{{{{.{name}}}}}")

    assert say("Host.CgroupsVersion") in ("v1", "v2")
    assert say("Host.CgroupsVersion") == f"v{say('CgroupVersion')}"
    assert say("Host.Security.Rootless") == ("true" if engine.rootless else "false")
    assert say("Store.GraphRoot") == say("DockerRootDir") == str(engine.root)
    assert say("Swarm.LocalNodeState") == "inactive"
    assert say("Host.OS") == say("OSType") == "linux"
    assert ("name=rootless" in say("SecurityOptions")) == engine.rootless
    engine.ok("create", "--network", "none", "busybox")
    assert say("Store.ContainerStore.Number") == say("Containers") == "1"
