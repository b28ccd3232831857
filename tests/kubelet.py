"""As Kubernetes' kubelet has containers made: by containerd's CRI, with our runtime below it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from containerd_daemon import containerd
from engine import CHECKOUT, wait_for
from mirror import Registry
from oci_bundles import OURS
from oci_images import TestImage

cri, services = grpc.protos_and_services("cri.proto")

CONFIGURATION = """
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{registry}/pause:latest"
  disable_apparmor = true
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{place}/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
  default_runtime_name = "crunpy"
"""
"""Beside what docs/kubernetes.md tells administrators to write."""
NETWORK = {
    "cniVersion": "0.4.0", "name": "pods",
    "plugins": [{"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.97.40.0/24",
                                         "dataDir": "{place}/addresses"}}],
}  # fmt: skip


def written(kind: str) -> list[str]:
    """The files of a kind in docs/kubernetes.md."""
    parts = (CHECKOUT / "docs/kubernetes.md").read_text().split(f"```{kind}\n")[1:]
    return [part.partition("```")[0] for part in parts]


class Kubelet:
    """What a kubelet calls, in short."""

    def __init__(self, socket: Path, registry: str, logs: Path) -> None:
        channel = grpc.insecure_channel(f"unix://{socket}")
        self.runtime = services.RuntimeServiceStub(channel)
        self._images = services.ImageServiceStub(channel)
        self._registry, self._logs = registry, logs

    def pull(self, name: str) -> str:
        image = cri.ImageSpec(image=f"{self._registry}/{name}:latest")
        return str(self._images.PullImage(cri.PullImageRequest(image=image)).image_ref)

    def sandbox(
        self, name: str, handler: str = "", *, privileged: bool = False, **modes: int
    ) -> tuple[str, Any]:
        """The sandbox's id, and what it was made of."""
        options = cri.NamespaceOption(**modes)
        context = cri.LinuxSandboxSecurityContext(namespace_options=options, privileged=privileged)
        config = cri.PodSandboxConfig(
            metadata=cri.PodSandboxMetadata(name=name, uid=name, namespace="tests"),
            hostname=name if not modes.get("network") else "", log_directory=str(self._logs),
            linux=cri.LinuxPodSandboxConfig(security_context=context),
        )  # fmt: skip
        request = cri.RunPodSandboxRequest(config=config, runtime_handler=handler)
        return self.runtime.RunPodSandbox(request, timeout=60).pod_sandbox_id, config

    def container(self, sandbox: tuple[str, Any], name: str, image: str, *command: str,
                  **more: Any) -> str:  # fmt: skip
        """The id of one that has been started."""
        made = self.runtime.CreateContainer(cri.CreateContainerRequest(
            pod_sandbox_id=sandbox[0], sandbox_config=sandbox[1],
            config=cri.ContainerConfig(
                metadata=cri.ContainerMetadata(name=name), image=cri.ImageSpec(image=image),
                command=command, log_path=f"{name}.log", **more),
        ), timeout=60).container_id  # fmt: skip
        self.runtime.StartContainer(cri.ContainerId(container_id=made), timeout=60)
        return str(made)

    def status(self, container: str) -> Any:
        return self.runtime.ContainerStatus(cri.ContainerId(container_id=container)).status

    def exec(self, container: str, *command: str) -> tuple[int, str]:
        request = cri.ExecSyncRequest(container_id=container, cmd=command, timeout=30)
        done = self.runtime.ExecSync(request, timeout=60)
        return done.exit_code, (done.stdout + done.stderr).decode().strip()

    def log(self, name: str) -> list[str]:
        """The lines of a container, without their times and tags."""
        lines = (self._logs / f"{name}.log").read_text().splitlines()
        return [line.split(" ", 3)[3] for line in lines]

    def end(self, sandbox: tuple[str, Any]) -> None:
        self.runtime.StopPodSandbox(cri.PodSandboxId(pod_sandbox_id=sandbox[0]), timeout=60)
        self.runtime.RemovePodSandbox(cri.PodSandboxId(pod_sandbox_id=sandbox[0]), timeout=60)


def configured(place: Path, registry: str) -> str:
    """The configuration of a CRI that has the directory `place` to itself, which is made."""
    (place / "net.d").mkdir(parents=True)
    network = json.dumps(NETWORK).replace("{place}", str(place))
    (place / "net.d/10-pods.conflist").write_text(network)
    words = {"{place}": str(place), "{registry}": registry,
             "/usr/local/bin/crunpy-oci": str(OURS), "SystemdCgroup = true": ""}  # fmt: skip
    configuration = CONFIGURATION + written("toml")[0]
    for word, value in words.items():
        configuration = configuration.replace(word, value)
    return configuration


def ready(kubelet: Kubelet) -> bool:
    try:
        status = kubelet.runtime.Status(cri.Nothing(), timeout=5).status
    except grpc.RpcError:
        return False
    return all(condition.status for condition in status.conditions)


@contextlib.contextmanager
def kubelet_of(place: Path, registry: Registry) -> Iterator[Kubelet]:
    """One with a containerd of its own in the directory `place`, which is made, and removed."""
    registry.push("pause", TestImage(registry.busybox, config={"Cmd": ["sleep", "1000000"]}))
    with containerd(place, configured(place, registry.host)):
        made = Kubelet(place / "socket", registry.host, place / "logs")
        wait_for(lambda: ready(made))
        yield made
    shutil.rmtree(place)
