"""Runs in a machine of its own (tests/machine.py): containerd's CRI with our runtime below it, on
cgroup v2 alone, and what it tells of a container.  `cri_machine.py PLACE`: a directory with the
image archives busybox.tar and pause.tar."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from containerd_daemon import containerd
from engine import wait_for
from kubelet import Kubelet, configured, cri, ready


def told(kubelet: Kubelet, image: str) -> None:
    pod = kubelet.sandbox("measured", "crunpy", network=cri.NODE)
    node = cri.LinuxContainerSecurityContext(
        namespace_options=cri.NamespaceOption(network=cri.NODE)
    )
    limits = cri.LinuxContainerResources(memory_limit_in_bytes=64 << 20, cpu_quota=50000,
                                         cpu_period=100000)  # fmt: skip
    works = "x=$(head -c 8000000 /dev/zero | tr '\\0' x); echo ${#x}; sleep 100000; true"
    made = kubelet.container(
        pod, "works", image, "sh", "-c", works,
        linux=cri.LinuxContainerConfig(security_context=node, resources=limits),
    )  # fmt: skip
    wait_for(lambda: kubelet.log("works") == ["8000000"], 60)
    (group,) = Path("/sys/fs/cgroup").glob(f"**/{made}")
    found = kubelet.runtime.ContainerStats(cri.ContainerId(container_id=made), timeout=60).stats
    memory = found.memory.working_set_bytes.value
    print("memory", 8_000_000 < memory <= 64 << 20)
    there = dict(map(str.split, (group / "cpu.stat").read_text().splitlines()))
    seconds = found.cpu.usage_core_nano_seconds.value / 1e9
    print("processor", 0 < seconds <= int(there["usage_usec"]) / 1e6)
    print((group / "memory.max").read_text().strip(), (group / "cpu.max").read_text().strip())
    kubelet.runtime.UpdateContainerResources(
        cri.UpdateContainerResourcesRequest(
            container_id=made,
            linux=cri.LinuxContainerResources(memory_limit_in_bytes=48 << 20, cpu_quota=20000,
                                              cpu_period=100000),
        ), timeout=60)  # fmt: skip
    print((group / "memory.max").read_text().strip(), (group / "cpu.max").read_text().strip())
    kubelet.end(pod)
    print("left", group.exists())


def main() -> None:
    images = Path(sys.argv[1])
    place = Path("/scratch/cri")
    with containerd(place, configured(place, "localhost")) as ctr:
        for name in ("busybox", "pause"):
            subprocess.run(
                [*ctr, "-n", "k8s.io", "images", "import", "--snapshotter", "native",
                 "--base-name", f"localhost/{name}", images / f"{name}.tar"],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        kubelet = Kubelet(place / "socket", "localhost", place / "logs")
        wait_for(lambda: ready(kubelet), 60)
        told(kubelet, "localhost/busybox:latest")


if __name__ == "__main__":
    main()
