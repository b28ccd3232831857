"""As Kubernetes' kubelet has containers made: by containerd's CRI, with our runtime below it."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import yaml
from engine import wait_for
from kubelet import Kubelet, cri, kubelet_of, written
from mirror import Registry


@pytest.fixture
def kubelet(base: Path, registry: Registry) -> Iterator[Kubelet]:
    with kubelet_of(base / "cri", registry) as made:
        yield made


def test_pods_of_kubernetes(kubelet: Kubelet) -> None:
    image = kubelet.pull("library/busybox")
    pod = kubelet.sandbox("web", "crunpy")
    status = kubelet.runtime.PodSandboxStatus(cri.PodSandboxId(pod_sandbox_id=pod[0])).status
    assert status.network.ip.startswith("10.97.40.") and status.runtime_handler == "crunpy"
    server = kubelet.container(pod, "server", image, "sh", "-c",
                               "mkdir /www; echo page > /www/index.html; echo serving; "
                               "exec httpd -f -p 80 -h /www",
                               envs=[cri.KeyValue(key="A", value="b")])  # fmt: skip
    assert kubelet.status(server).state == cri.RUNNING
    wait_for(lambda: kubelet.log("server") == ["serving"])
    done = subprocess.run(["curl", "-sf", f"http://{status.network.ip}/"], capture_output=True)
    assert done.stdout == b"page\n"
    assert kubelet.exec(server, "sh", "-c", "echo $A; hostname; exit 3") == (3, "b\nweb")

    beside = kubelet.container(pod, "beside", image, "sh", "-c",
                               "wget -qO- http://127.0.0.1/; exit 5")  # fmt: skip
    wait_for(lambda: kubelet.status(beside).state == cri.EXITED)
    assert kubelet.status(beside).exit_code == 5 and "page" in kubelet.log("beside")

    limited = kubelet.container(
        pod, "limited", image, "sleep", "1000",
        linux=cri.LinuxContainerConfig(security_context=cri.LinuxContainerSecurityContext(
            run_as_user=cri.Int64Value(value=1234), no_new_privs=True, readonly_rootfs=True)),
    )  # fmt: skip
    assert kubelet.exec(limited, "sh", "-c", "id -u; touch /x; grep NoNew /proc/self/status") == (
        0, "1234\nNoNewPrivs:\t1\ntouch: /x: Read-only file system")  # fmt: skip
    kubelet.runtime.StopContainer(cri.StopContainerRequest(container_id=limited, timeout=0))
    assert kubelet.status(limited).state == cri.EXITED
    assert kubelet.status(limited).exit_code == 137
    kubelet.runtime.RemoveContainer(cri.ContainerId(container_id=limited))
    with pytest.raises(grpc.RpcError, match="not found"):
        kubelet.status(limited)
    kubelet.end(pod)


def test_a_pod_in_the_nodes_network(kubelet: Kubelet) -> None:
    """One that shares its processes, too."""
    image = kubelet.pull("library/busybox")
    pod = kubelet.sandbox("host", network=cri.NODE, pid=cri.POD)
    modes = cri.LinuxContainerSecurityContext(
        namespace_options=cri.NamespaceOption(network=cri.NODE, pid=cri.POD))  # fmt: skip
    one = kubelet.container(pod, "one", image, "sleep", "777",
                            linux=cri.LinuxContainerConfig(security_context=modes))  # fmt: skip
    two = kubelet.container(pod, "two", image, "sleep", "778",
                            linux=cri.LinuxContainerConfig(security_context=modes))  # fmt: skip
    assert "sleep 777" in kubelet.exec(two, "ps")[1]
    code, said = kubelet.exec(one, "readlink", "/proc/self/ns/net")
    assert (code, said) == (0, os.readlink("/proc/self/ns/net"))
    kubelet.end(pod)


def test_a_command_that_is_not_there(kubelet: Kubelet) -> None:
    image = kubelet.pull("library/busybox")
    pod = kubelet.sandbox("broken", network=cri.NODE)
    with pytest.raises(grpc.RpcError, match="executable file not found"):
        kubelet.container(pod, "gone", image, "nosuch")
    kubelet.end(pod)


def test_the_files_of_the_document() -> None:
    containerd_file, crio = (tomllib.loads(text) for text in written("toml"))
    assert containerd_file["plugins"] and crio["crio"]["runtime"]["runtimes"]["crunpy"]
    kinds = [yaml.safe_load(text) for text in written("yaml")]
    assert kinds[0]["handler"] == kinds[1]["spec"]["runtimeClassName"] == "crunpy"
