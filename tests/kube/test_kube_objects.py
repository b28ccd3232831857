"""What manifests say, without making it."""

from __future__ import annotations

from typing import Any

import pytest

from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.kube import amounts, plan, text
from crun_py.model.container import GiB, Limits, LogConfig, MiB
from crun_py.model.kube import KubePlan


def planned(manifest: str) -> KubePlan:
    objects = text.documents(manifest.encode(), "x")
    return plan.plan(objects, [], lambda name: None, lambda name: f"/own/{name}", LogConfig())


def pod(container: str = "", spec: str = "") -> Any:
    """The only pod of a manifest with one container."""
    made = planned(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n"
        f"  containers: [{{name: a, image: i, {container}}}]\n{spec}"
    )
    return made.pods[0]


def one(container: str, spec: str = "") -> Any:
    return pod(container, spec).containers[0].request


@pytest.mark.parametrize(
    "written,value",
    [("500m", 0.5), ("0.5", 0.5), ("2", 2), ("64Mi", 64 * MiB), ("1G", 10**9), ("1Gi", GiB),
     ("128974848", 128974848), ("1e3", 1000), ("1k", 1000)],
)  # fmt: skip
def test_quantities(written: str, value: float) -> None:
    assert amounts.amount(written, "x") == value


@pytest.mark.parametrize("written", ["", "x", "1X", "-1", "1 Mi", "nan", "inf", "1e99", "1_0", "²"])
def test_no_quantities(written: str) -> None:
    with pytest.raises(InvalidArgument):
        amounts.amount(written, "x")


def test_bytes_as_quantities() -> None:
    assert [amounts.written(n) for n in (GiB, 64 * MiB, 1024, 1000)] == [
        "1Gi",
        "64Mi",
        "1Ki",
        "1000",
    ]


@pytest.mark.parametrize(
    "text,divisor,value",
    [("500m", "", "1"), ("500m", "1m", "500"), ("300m", "1m", "300"), ("1100m", "1", "2"),
     ("2", "0", "2"), ("0.0001", "1m", "1")],
)  # fmt: skip
def test_parts_of_processors_are_rounded_up(text: str, divisor: str, value: str) -> None:
    assert _resource("cpu", text, divisor) == value


@pytest.mark.parametrize(
    "text,divisor,value",
    [("1Mi", "1", "1048576"), ("1.5Gi", "1Gi", "2"), ("64Mi", "1Mi", "64"), ("1025", "1Ki", "2"),
     ("1000m", "1m", "1"), ("4095Pi", "1", str(4095 << 50))],
)  # fmt: skip
def test_parts_of_memory_are_rounded_up(text: str, divisor: str, value: str) -> None:
    assert _resource("memory", text, divisor) == value


def _resource(kind: str, text: str, divisor: str) -> object:
    field = f"{{containerName: a, resource: limits.{kind}, divisor: '{divisor}'}}"
    found = one(f"resources: {{limits: {{{kind}: '{text}'}}}}, "
                f"env: [{{name: X, valueFrom: {{resourceFieldRef: {field}}}}}]")  # fmt: skip
    return found.environment.variables["X"]


def test_a_divisor_that_would_take_for_ever() -> None:
    with pytest.raises(InvalidArgument, match="out of range"):
        _resource("cpu", "1", "1e-300")


def test_limits() -> None:
    found = one("resources: {limits: {cpu: 500m, memory: 1Gi}, requests: {cpu: '2', memory: 64Mi}}")
    assert found.limits == Limits(
        cpus=0.5, memory_bytes=GiB, memory_reservation_bytes=64 * MiB, cpu_shares=2048
    )


@pytest.mark.parametrize(
    "probe,test",
    [
        ("exec: {command: [a, b]}", ("CMD", "a", "b")),
        ("tcpSocket: {port: 80}", ("CMD", "nc", "-z", "localhost", "80")),
        ("tcpSocket: {port: web, host: h}", ("CMD", "nc", "-z", "h", "8080")),
        ("httpGet: {port: web, path: /x, scheme: HTTPS}",
         ("CMD", "curl", "-f", "-k", "-s", "-o", "/dev/null", "https://localhost:8080/x")),
    ],
)  # fmt: skip
def test_probes(probe: str, test: tuple[str, ...]) -> None:
    ports = "ports: [{name: web, containerPort: 8080}], "
    health = one(
        f"{ports} livenessProbe: {{{probe}, periodSeconds: 3, initialDelaySeconds: 4}}"
    ).health
    assert health.test == test and health.interval_ms == 3000 and health.start_ms == 4000
    assert health.timeout_ms == 1000 and health.retries == 3 and health.on_failure == "restart"


def test_probes_together() -> None:
    start = "startupProbe: {exec: {command: [x]}, periodSeconds: 2, failureThreshold: 5}"
    health = one(f"readinessProbe: {{exec: {{command: [y]}}}}, {start}").health
    assert health.test == ("CMD", "y") and health.start_ms == 10_000 and health.on_failure == "none"
    never = "  restartPolicy: Never\n"
    assert one("livenessProbe: {exec: {command: [y]}}", never).health.on_failure == "none"


def test_commands_and_variables() -> None:
    found = one("command: [a, '$(X)$$(Y)'], args: ['$(NONE)'], env: [{name: X, value: '1'}, "
                "{name: Z, value: '$(X)2'}]")  # fmt: skip
    assert found.entrypoint == ("a", "1$(Y)") and found.command == ("$(NONE)",)
    assert found.environment.variables == {"X": "1", "Z": "12"}


def test_the_hosts_namespaces() -> None:
    found = pod("", "  hostNetwork: true\n  hostPID: true\n").pod
    assert found.container.network.mode == "host" and found.container.namespaces.pid == "host"
    assert "pid" in found.shared
    assert "pid" in pod("", "  shareProcessNamespace: true\n").pod.shared
    assert pod().pod.shared == ("net", "ipc", "uts") and pod().pod.exit_policy == "stop"


def test_volumes() -> None:
    spec = ("  volumes:\n  - {name: e, emptyDir: {}}\n  - {name: h, hostPath: {path: /h}}\n"
            "  - {name: c, persistentVolumeClaim: {claimName: kept}}\n")  # fmt: skip
    mounts = one("volumeMounts: [{name: e, mountPath: /e, subPath: a/b}, {name: h, mountPath: /h, "
                 "readOnly: true}, {name: c, mountPath: /c, subPath: d}]", spec).mounts  # fmt: skip
    assert (mounts[0].source, mounts[0].target) == ("/own/p/e", "/e")
    assert mounts[0].subpath == "a/b"
    assert (mounts[1].source, mounts[1].read_only, mounts[1].create) == ("/h", True, False)
    assert (mounts[2].name, mounts[2].subpath, mounts[2].create) == ("kept", "d", True)
    with pytest.raises(InvalidArgument):
        one("volumeMounts: [{name: e, mountPath: /e, subPath: ../x}]", spec)


def test_what_is_not_known_is_told_once() -> None:
    made = planned("apiVersion: v1\nkind: Pod\nmetadata: {name: p, x: 1}\nspec:\n  y: {z: 1}\n"
                   "  containers: [{name: a, image: i, lifecycle: {preStop: {}}}]\n"
                   "---\napiVersion: v1\nkind: Other\nmetadata: {name: o}\n")  # fmt: skip
    assert sorted(made.notes) == [
        "Other o: objects of this kind are passed over",
        "Pod p.metadata.x: it has no effect here",
        "Pod p.spec.containers[0].lifecycle: it has no effect here",
        "Pod p.spec.y: it has no effect here",
    ]


def test_lists_and_names() -> None:
    found = text.documents(b"kind: List\napiVersion: v1\nitems: [{kind: A}, {kind: B}]\n", "x")
    assert [one["kind"] for one in found] == ["A", "B"]
    with pytest.raises(CrunpyError):
        text.documents(b"kind: List\nitems: [1]\n", "x")
    two = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
    two += "spec: {containers: [{name: a, image: i}]}\n"
    with pytest.raises(InvalidArgument):
        planned(two + "---\n" + two)
