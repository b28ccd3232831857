"""crunpy in a container of a Kubernetes pod, as CI systems run their jobs there: an error says what
its manifest wants, and with that it works."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import systems
import yaml
from engine import CHECKOUT, wait_for
from images import busybox_tar
from kubelet import Kubelet, cri, kubelet_of
from mirror import Registry
from onefile import onefile
from test_inside_containers import ROOT, ROOT_PRINTS, USER, USER_PRINTS

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="other machines are emulated"),
]

MASKED = ("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware")  # fmt: skip
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
RUNTIME_DEFAULT, UNCONFINED = 0, 1
MANIFEST = yaml.safe_load(
    (CHECKOUT / "docs/ci.md").read_text().split("```yaml\n")[1].split("```")[0]
)
DOCUMENTED = MANIFEST["spec"]["containers"][0]
STORE = DOCUMENTED["volumeMounts"][0]["mountPath"]

Job = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def kubelet(base: Path, registry: Registry) -> Iterator[Kubelet]:
    with kubelet_of(base / "cri-of-jobs", registry) as made:
        yield made


@pytest.fixture(scope="module")
def job(kubelet: Kubelet, base: Path, registry: Registry) -> Job:
    """Runs a script in a pod of its own whose container has this securityContext; its status, and
    what it printed, errors too."""
    place = base / "of-pods"
    place.mkdir(exist_ok=True)
    (place / "busybox.tar").write_bytes(busybox_tar())
    (place / "context").mkdir(exist_ok=True)
    (place / "context/Dockerfile").write_text("FROM busybox\nRUN echo x >/x\n")
    (place / "log").touch()
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false",
                    f"oci:{systems.debian()}", f"docker://{registry.host}/python:latest"],
                   check=True)  # fmt: skip
    image = kubelet.pull("python")
    numbers = iter(range(100))

    def run(script: str, context: dict[str, Any]) -> tuple[int, list[str]]:
        name = f"job{next(numbers)}"
        all_of_it = context.get("privileged", False)
        free = all_of_it or context.get("seccompProfile") == {"type": "Unconfined"}
        shown = all_of_it or context.get("procMount") == "Unmasked"
        security = cri.LinuxContainerSecurityContext(
            privileged=all_of_it,
            capabilities=cri.Capability(
                add_capabilities=context.get("capabilities", {}).get("add", [])),
            seccomp=cri.SecurityProfile(profile_type=UNCONFINED if free else RUNTIME_DEFAULT),
            masked_paths=() if shown else MASKED, readonly_paths=() if shown else READ_ONLY,
        )  # fmt: skip
        store = place / f"store-of-{name}"
        store.mkdir()
        mounts = [("/usr/local/bin/crunpy", onefile("x86_64")), ("/given", place),
                  ("/dev/termination-log", place / "log"), (STORE, store)]  # fmt: skip
        pod = kubelet.sandbox(name, "crunpy", privileged=all_of_it)
        made = kubelet.container(
            pod, name, image, "sh", "-ec", script,
            mounts=[cri.Mount(container_path=to, host_path=str(path)) for to, path in mounts],
            linux=cri.LinuxContainerConfig(security_context=security),
        )  # fmt: skip
        wait_for(lambda: kubelet.status(made).state == cri.EXITED, 120)
        code = kubelet.status(made).exit_code
        kubelet.end(pod)
        return code, [line for line in kubelet.log(name) if "crunpy: warning: " not in line]

    return run


@pytest.mark.parametrize("who", ["root", "user"])
def test_errors_say_what_a_manifest_wants(job: Job, who: str) -> None:
    script, prints = (ROOT, ROOT_PRINTS) if who == "root" else (USER, USER_PRINTS)
    script = script.replace("su ann -c '", "su ann -c 'export PATH=/usr/local/bin:$PATH\n")
    context: dict[str, Any] = {}
    for _ in range(4):
        code, said = job(script, context)
        if not code:
            break
        wanted = re.search(r"its manifest wants securityContext: (.*); see", "\n".join(said))
        assert wanted, said
        for key, value in yaml.safe_load(wanted[1]).items():
            had = context.get(key, {})
            context[key] = {**had, **value} if isinstance(value, dict) else value
    assert said[-3:] == prints, said
    written = DOCUMENTED["securityContext"]
    assert written["capabilities"] == {"add": ["SYS_ADMIN", "NET_ADMIN"]}
    less = {} if who == "root" else {"capabilities": {"add": ["SYS_ADMIN"]}}
    assert context == {**written, **less}


def test_a_privileged_container(job: Job) -> None:
    code, said = job(ROOT, {"privileged": True})
    assert (code, said[-3:]) == (0, ROOT_PRINTS), said
