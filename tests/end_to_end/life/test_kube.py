"""Pods by Kubernetes' manifests, as root and as a plain user."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from typing import Any

import pytest
import yaml
from engine import Engine, free_port, wait_for

POD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {greeting: hello, "file.txt": "of the map\\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: hidden}
data: {password: c2VjcmV0}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept, labels: {c: d}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata:
  name: shop
  labels: {app: shop}
  annotations: {note: "1"}
spec:
  restartPolicy: OnFailure
  hostname: counter
  terminationGracePeriodSeconds: 1
  hostAliases: [{ip: 192.0.2.7, hostnames: [far, away]}]
  dnsConfig: {nameservers: [192.0.2.8], searches: [a.org], options: [{name: ndots, value: "2"}]}
  securityContext: {runAsUser: 7, supplementalGroups: [9]}
  volumes:
  - {name: conf, configMap: {name: conf, items: [{key: file.txt, path: sub/f}]}}
  - {name: hidden, secret: {secretName: hidden}}
  - {name: scratch, emptyDir: {}}
  - {name: kept, persistentVolumeClaim: {claimName: kept}}
  - {name: there, hostPath: {path: HOST, type: Directory}}
  initContainers:
  - name: first
    image: busybox
    command: [sh, -c, "echo one >> /scratch/order"]
    volumeMounts: [{name: scratch, mountPath: /scratch}]
  - name: second
    image: busybox
    command: [sh, -c, "echo two >> /scratch/order"]
    volumeMounts: [{name: scratch, mountPath: /scratch}]
  containers:
  - name: web
    image: busybox
    imagePullPolicy: Never
    command: [sh, -c]
    args: ["echo started $(GREETING); exec sleep 1000"]
    workingDir: /tmp
    env:
    - {name: PLAIN, value: text}
    - {name: GREETING, valueFrom: {configMapKeyRef: {name: conf, key: greeting}}}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: hidden, key: password}}}
    - {name: WHO, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: ABSENT, valueFrom: {configMapKeyRef: {name: conf, key: x, optional: true}}}
    envFrom: [{prefix: C_, configMapRef: {name: conf}}]
    volumeMounts:
    - {name: conf, mountPath: /conf}
    - {name: hidden, mountPath: /hidden}
    - {name: scratch, mountPath: /scratch}
    - {name: kept, mountPath: /kept}
    - {name: there, mountPath: /there, readOnly: true}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    livenessProbe: {exec: {command: [test, -e, /conf]}, periodSeconds: 1, failureThreshold: 2}
    surprise: 1
  - name: other
    image: busybox
    command: [sleep, "1000"]
    securityContext: {runAsUser: 0}
"""


def play(engine: Engine, text: str, *options: object) -> Any:
    return engine.run("kube", "play", "-q", *options, "-", input=text)


@pytest.fixture
def manifest(engine: Engine) -> str:
    there = engine.home / "there"
    there.mkdir()
    (there / "file").write_text("of the host")
    return POD.replace("HOST", str(there))


def test_a_pod_with_all_its_things(engine: Engine, manifest: str) -> None:
    done = play(engine, manifest, "--network", "none")
    assert done.code == 0, done
    assert "Pod shop.spec.containers[0].surprise: it has no effect here" in done.err
    assert len(done.err.splitlines()) == 1, done.err
    lines = done.out.splitlines()
    assert lines[:4] == ["Volumes:", "kept", "Secrets:", "hidden"] and lines[4] == "Pod:"
    assert lines[6] == "Containers:" and re.fullmatch("[0-9a-f]{64}", lines[7])
    pod = json.loads(engine.ok("pod", "inspect", "shop"))[0]
    assert pod["State"] == "Running" and pod["ExitPolicy"] == "stop" and pod["Id"] == lines[5]
    assert [c["Name"] for c in pod["Containers"]][1:] == ["shop-web", "shop-other"]

    def inside(command: str) -> str:
        return engine.ok("exec", "shop-web", "sh", "-c", command)

    assert engine.logs_until("shop-web", "started") == "started hello\n"
    assert inside("hostname; pwd; id -u; id -G").split() == ["counter", "/tmp", "7", "0", "9"]
    assert inside("echo $PLAIN $GREETING $PASSWORD $WHO $C_greeting ${ABSENT-none}") == (
        "text hello secret shop hello none"
    )
    assert inside("cat /conf/sub/f /hidden/password /there/file /scratch/order").split() == [
        "of", "the", "map", "secretof", "the", "hostone", "two"]  # fmt: skip
    assert "far" in inside("cat /etc/hosts") and "ndots:2" in inside("cat /etc/resolv.conf")
    assert "NoNewPrivs:\t1" in inside("cat /proc/self/status")
    for path in ("/x", "/conf/x", "/there/x"):
        assert engine.run("exec", "shop-web", "sh", "-c", f"echo > {path}").code != 0, path
    assert engine.ok("exec", "shop-other", "id", "-u") == "0"
    about = engine.inspect("shop-web")
    assert about["HostConfig"]["RestartPolicy"]["Name"] == "on-failure"
    assert about["Config"]["Labels"]["app"] == "shop" and about["Config"]["StopTimeout"] == 1
    assert about["Config"]["Healthcheck"]["Test"] == ["CMD", "test", "-e", "/conf"]
    assert about["Config"]["Annotations"]["note"] == "1"
    assert engine.ok("volume", "inspect", "-f", "{{.Labels}}", "kept") == "map[c:d]"
    assert "already in use" in play(engine, manifest).err.splitlines()[-1]
    again = play(engine, manifest, "--replace", "--network", "none")
    assert again.code == 0 and again.out.splitlines()[5] != lines[5]
    gone = engine.run("kube", "down", "--force", "-", input=manifest)
    assert gone.out.splitlines() == [
        "Pods stopped:", again.out.splitlines()[5], "Pods removed:", again.out.splitlines()[5],
        "Secrets removed:", "hidden", "Volumes removed:", "kept",
    ]  # fmt: skip
    assert engine.left() == [] and engine.ok("volume", "ls", "-q") == ""
    assert engine.ok("secret", "ls", "-q") == ""


def test_a_deployment_with_a_port(engine: Engine) -> None:
    port = free_port()
    text = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 3
  selector: {{matchLabels: {{a: b}}}}
  template:
    metadata: {{labels: {{a: b}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: httpd
        image: busybox
        command: [httpd, -f, -p, "80", -h, /etc]
        ports: [{{containerPort: 80, hostPort: {port}, hostIP: 127.0.0.1}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
"""
    done = play(engine, text, "--annotation", "x=y", "--log-driver", "none")
    assert done.code == 0, done
    assert "one pod is made, and not 3" in done.err and "Service web: objects of this" in done.err
    fetch = f"wget -qO- http://127.0.0.1:{port}/hostname"
    import subprocess

    wait_for(lambda: subprocess.run(["busybox", *fetch.split()], capture_output=True).stdout
             == b"web-pod\n")  # fmt: skip
    about = engine.inspect("web-pod-httpd")
    assert about["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert about["HostConfig"]["LogConfig"]["Type"] == "none"
    assert about["Config"]["Annotations"]["x"] == "y"
    assert play(engine, text, "--down").code == 0
    assert engine.ps("-a") == []


def test_a_failing_init_container_ends_it(engine: Engine) -> None:
    text = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  initContainers: [{name: first, image: busybox, command: [sh, -c, exit 3]}]
  containers: [{name: a, image: busybox, command: [sleep, "9"]}]
"""
    message = engine.fails("kube", "play", "-q", "--network", "none", "-", input=text)
    assert message == "init container p-first: exit code 3"
    assert engine.left() == []


def test_a_failed_start_leaves_nothing(engine: Engine) -> None:
    """What was made by this command is taken away, what was there is not."""
    text = """
apiVersion: v1
kind: Secret
metadata: {name: there}
data: {k: dg==}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: new}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: old}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: a, image: busybox, command: [sleep, "1000"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: q}
spec:
  containers:
  - {name: a, image: busybox, command: [sleep, "1000"]}
  - {name: b, image: busybox, command: [/no/such/command]}
"""
    engine.ok("volume", "create", "old")
    engine.run("secret", "create", "there", "-", input="before")
    done = play(engine, text, "--network", "none")
    assert done.code in (125, 127) and "/no/such/command" in done.err, done
    assert engine.ps("-a") == [] and engine.ok("pod", "ps", "-q") == ""
    assert engine.ok("volume", "ls", "-q") == "old"
    shown = engine.ok("secret", "inspect", "--showsecret", "-f", "{{.SecretData}}", "there")
    assert shown == "before"
    engine.ok("volume", "rm", "old")
    engine.ok("secret", "rm", "there")


def test_not_started(engine: Engine) -> None:
    text = """
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
 "spec": {"containers": [{"name": "a", "image": "busybox", "command": ["sleep", "1000"]}]}}
"""
    assert play(engine, text, "--start=false", "--network", "none").code == 0
    assert engine.state("p-a")["Status"] == "created"
    engine.ok("pod", "start", "p")
    assert engine.state("p-a")["Running"]


def test_secrets_and_maps_of_elsewhere(engine: Engine) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: v}\n"
    assert play(engine, secret).out == "Secrets:\ns\n"
    file = engine.home / "map"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {k: w}\n")
    text = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  restartPolicy: Never
  containers:
  - name: a
    image: busybox
    command: [sh, -c, "echo $A $B"]
    env:
    - {name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}
    - {name: B, valueFrom: {configMapKeyRef: {name: m, key: k}}}
"""
    assert "there is no ConfigMap m" in engine.fails("kube", "play", "-q", "-", input=text)
    assert play(engine, text, "--network", "none", "--configmap", file).code == 0
    assert engine.logs_until("p-a", "v") == "v w\n"


def test_generated_and_played_again(engine: Engine) -> None:
    """A pod's manifest makes the same pod."""
    port = free_port()
    engine.ok("pod", "create", "--name", "p", "-p", f"127.0.0.1:{port}:80", "--label", "a=b",
              "--add-host", "far:192.0.2.7", "--hostname", "h", "--dns", "192.0.2.8")  # fmt: skip
    engine.ok("create", "--pod", "p", "--name", "p-one", "-e", "X=y", "-v", "kept:/kept",
              "--tmpfs", "/scratch", "-w", "/tmp", "--user", "7:8", "--cap-drop", "ALL",
              "-e", "A=1e3", "-e", "B=0o7", "-e", "C=1:30", "-e", "D=null", "-e", "E=",
              "-e", "F=a: b",
              "--read-only", "--security-opt", "no-new-privileges", "--restart", "always",
              "--health-cmd", "true", "--health-interval", "7s", "-m", "64m", "--cpus", "0.5",
              "busybox", "sleep", "1000")  # fmt: skip
    engine.ok("create", "--pod", "p", "--name", "p-two", "-v", "kept:/too:ro", "--restart",
              "always", "--entrypoint", "sleep", "busybox", "7")  # fmt: skip
    text = engine.ok("kube", "generate", "p")
    [pod] = documents(text)
    assert kept_by_kubernetes(text) == ["Pod"]
    one, two = pod["spec"]["containers"]
    assert one["image"] == "busybox" and one["args"] == ["sleep", "1000"] and "command" not in one
    assert two["command"] == ["sleep"] and two["args"] == ["7"]
    assert one["ports"] == [{"containerPort": 80, "hostPort": port, "hostIP": "127.0.0.1"}]
    assert one["env"][0] == {"name": "X", "value": "y"} and one["workingDir"] == "/tmp"
    assert [e["value"] for e in one["env"][1:]] == ["1e3", "0o7", "1:30", "null", "", "a: b"]
    assert one["resources"] == {"limits": {"memory": "64Mi", "cpu": "500m"}}
    assert one["securityContext"] == {
        "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}, "runAsUser": 7,
        "runAsGroup": 8, "allowPrivilegeEscalation": False,
    }  # fmt: skip
    claim = one["volumeMounts"][0]["name"]
    assert two["volumeMounts"] == [{"name": claim, "mountPath": "/too", "readOnly": True}]
    engine.ok("pod", "rm", "p")
    limits = re.sub(r"(?m)^    resources:\n(      .*\n)+", "", text)  # no controllers here
    assert limits != text
    assert play(engine, limits, "--start=false").code == 0
    again = engine.run("kube", "generate", "p")
    [found] = documents(again.out)
    del one["resources"]
    one["volumeMounts"] = [m for m in one["volumeMounts"] if m["mountPath"] != "/scratch"]
    made_one = found["spec"]["containers"][0]
    made_one["volumeMounts"] = [m for m in made_one["volumeMounts"]
                                if m["mountPath"] != "/scratch"]  # fmt: skip
    pod["spec"].pop("volumes"), found["spec"].pop("volumes")
    for container in (*pod["spec"]["containers"], *found["spec"]["containers"]):
        for mount in container["volumeMounts"]:
            mount.pop("name")
    made_one["command"], one["command"] = None, None
    assert found == pod
    engine.ok("pod", "rm", "p")
    engine.ok("volume", "rm", "kept")


def documents(text: str) -> list[Any]:
    return [*yaml.safe_load_all(text)]


def kept_by_kubernetes(text: str) -> list[str]:
    """The kinds with a pod template whose objects are, by Kubernetes' own types (kubectl's, which
    ask no server so), what the manifest says: no field is unknown, none of another type."""
    done = subprocess.run(
        ["kubectl", "set", "env", "--local", "-f", "-", "CHECKED=yes", "-o", "json"],
        input=text, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "unable to decode" not in done.stderr, done.stderr
    read, rest, at = json.JSONDecoder(), done.stdout.strip(), 0
    kinds = []
    said = {d["kind"]: d for d in documents(text)}
    while at < len(rest):
        found, at = read.raw_decode(rest, at)
        at += len(rest[at:]) - len(rest[at:].lstrip())
        for one in found.get("items", [found]):
            assert lacking(said[one["kind"]], one) == []
            kinds.append(one["kind"])
    return kinds


def lacking(said: Any, found: Any, where: str = "") -> list[str]:
    """What is said and not found, by its place."""
    if isinstance(said, dict) and isinstance(found, dict):
        return [p for k, v in said.items() for p in lacking(v, found.get(k), f"{where}.{k}")]
    if isinstance(said, list) and isinstance(found, list):
        others = [*found, *[None] * (len(said) - len(found))]
        return [p for i, v in enumerate(said) for p in lacking(v, others[i], f"{where}[{i}]")]
    same = said == found or (said in (None, "", {}, []) and found is None)
    return [] if same else [f"{where}: {said!r} is {found!r}"]


def test_the_check_by_kubernetes_types() -> None:
    """It sees what is not so."""
    good = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, "
    assert kept_by_kubernetes(good + "image: i}]}") == ["Pod"]
    for bad in ("ports: [{containerPort: x}]", "notAField: 1"):
        with pytest.raises(AssertionError):
            kept_by_kubernetes(good + bad + "}]}")


def test_what_containers_have_of_their_own(engine: Engine) -> None:
    """What only a pod can say is said by it, or told of."""
    engine.ok("create", "--name", "One_1", "--hostname", "h", "--dns", "192.0.2.8",
              "--dns-search", "a.org", "--add-host", "far:192.0.2.7", "--label", "x/y=z",
              "--label", "n=one", "--label", "bad=a b", "--annotation", "note=1: 2",
              "--group-add", "9", "--group-add", "7", "busybox", "sleep", "1000")  # fmt: skip
    engine.ok("create", "--name", "two", "--label", "n=two", "--group-add", "9", "busybox", "true")
    done = engine.run("kube", "generate", "One_1", "two")
    assert kept_by_kubernetes(done.out) == ["Pod"]
    [found] = documents(done.out)
    assert found["metadata"] == {
        "name": "one-1-pod", "labels": {"app": "one-1-pod", "x/y": "z", "n": "one"},
        "annotations": {"note": "1: 2"},
    }  # fmt: skip
    spec = found["spec"]
    assert [c["name"] for c in spec["containers"]] == ["one-1", "two"]
    assert spec["hostname"] == "h" and spec["dnsPolicy"] == "None"
    assert spec["dnsConfig"] == {"nameservers": ["192.0.2.8"], "searches": ["a.org"]}
    assert spec["hostAliases"] == [{"ip": "192.0.2.7", "hostnames": ["far"]}]
    assert spec["securityContext"] == {"supplementalGroups": [9]}
    for what in ("One_1: its label bad", "two: its label n", "One_1: its groups"):
        assert f"does not say: container {what}" in done.err
    assert len(done.err.splitlines()) == 3, done.err
    assert play(engine, done.out, "--network", "none").code == 0
    shown = engine.ok("exec", "one-1-pod-one-1", "sh", "-c", "hostname; id -G; cat /etc/hosts")
    assert shown.splitlines()[:2] == ["h", "0 9"] and "far" in shown
    assert engine.inspect("one-1-pod-two")["Config"]["Labels"]["x/y"] == "z"


def test_a_part_of_a_claim(engine: Engine) -> None:
    """The directory is made, as Kubernetes does."""
    text = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  volumes: [{name: v, persistentVolumeClaim: {claimName: parts}}]
  containers:
  - name: a
    image: busybox
    command: [sh, -c, "touch /a/x; exec sleep 1000"]
    volumeMounts: [{name: v, mountPath: /a, subPath: some/part}, {name: v, mountPath: /all}]
"""
    assert play(engine, text, "--network", "none").code == 0
    wait_for(lambda: engine.ok("exec", "p-a", "find", "/all", "-type", "f") == "/all/some/part/x")
    engine.ok("pod", "rm", "-f", "-t0", "p")
    engine.ok("volume", "rm", "parts")


GROUP = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  securityContext: {runAsUser: 7, runAsGroup: 8, supplementalGroups: [9], fsGroup: 77}
  volumes:
  - {name: kept, persistentVolumeClaim: {claimName: of-a-group}}
  - {name: scratch, emptyDir: {}}
  - {name: there, hostPath: {path: "HOST"}}
  initContainers:
  - {name: first, image: busybox, command: [touch, /scratch/of-the-first],
     volumeMounts: [{name: scratch, mountPath: /scratch}]}
  containers:
  - name: a
    image: busybox
    command: [sh, -c, "id -G; touch /kept/new /scratch/new; exec sleep 1000"]
    volumeMounts: [{name: kept, mountPath: /kept}, {name: scratch, mountPath: /scratch},
                   {name: there, mountPath: /there}]
"""


def test_volumes_of_a_group(engine: Engine) -> None:
    there = engine.home / "there"
    there.mkdir()
    (there / "file").touch(0o600)
    engine.ok("volume", "create", "of-a-group")
    # on the host the link leads to a canary
    old = f"mkdir -m 700 /v/d; touch /v/d/f; chmod 4711 /v/d/f; ln -s {there}/file /v/link"
    engine.ok("run", "--rm", "-v", "of-a-group:/v", "busybox", "sh", "-c", old)
    text = GROUP.replace("HOST", str(there))
    done = play(engine, text, "--network", "none")
    assert (done.code, done.err) == (0, "")
    wait_for(lambda: engine.ok("exec", "p-a", "ls", "/scratch") == "new\nof-the-first")
    assert engine.ok("logs", "p-a") == "8 9 77"

    def shown(*files: str) -> list[str]:
        return engine.ok("exec", "p-a", "stat", "-c", "%n %a %g", *files).splitlines()

    assert shown("/kept", "/kept/d", "/kept/d/f", "/kept/link", "/kept/new") == [
        "/kept 2775 77", "/kept/d 2770 77", "/kept/d/f 771 77", "/kept/link 777 77",
        "/kept/new 644 77",
    ]  # fmt: skip
    assert shown("/scratch", "/scratch/new", "/scratch/of-the-first") == [
        "/scratch 2777 77", "/scratch/new 644 77", "/scratch/of-the-first 644 77"
    ]  # fmt: skip
    assert shown("/etc/passwd") == ["/etc/passwd 644 0"]
    about = (there / "file").stat()
    assert (about.st_gid, stat.S_IMODE(about.st_mode)) == (0, 0o600), "the host's own"
    engine.ok("pod", "rm", "-f", "-t0", "p")

    # OnRootMismatch: what is the group's already is not looked at
    engine.ok("run", "--rm", "-v", "of-a-group:/v", "busybox", "chgrp", "5", "/v/new")
    easy = text.replace("fsGroup: 77", "fsGroup: 77, fsGroupChangePolicy: OnRootMismatch")
    done = play(engine, easy, "--network", "none")
    assert (done.code, done.err) == (0, "")
    assert shown("/kept", "/kept/d", "/kept/new")[1:] == ["/kept/d 2770 77", "/kept/new 644 5"]
    engine.ok("pod", "rm", "-f", "-t0", "p")
    engine.ok("volume", "rm", "of-a-group")


def test_a_port_in_place_of_another(root: Engine) -> None:
    """--publish of a port that the manifest publishes."""
    text = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: a
    image: busybox
    command: [sleep, "1000"]
    ports: [{containerPort: 80, hostPort: 1}, {containerPort: 80, hostPort: 2, protocol: UDP}]
"""
    ports = ["--publish", "127.0.0.1:3:80", "--publish", "4:90"]
    assert play(root, text, "--start=false", *ports).code == 0
    pod = json.loads(root.ok("pod", "inspect", "p"))[0]
    assert {key: [(b["HostIp"], b["HostPort"]) for b in bound]
            for key, bound in pod["InfraConfig"]["PortBindings"].items()} == {
        "80/tcp": [("127.0.0.1", "3")], "80/udp": [("0.0.0.0", "2")],
        "90/tcp": [("0.0.0.0", "4")]}  # fmt: skip


def test_other_manifests(engine: Engine) -> None:
    engine.ok(
        "create", "--name", "web", "-p", "8080:80", "--device", "/dev/null", "busybox", "true"
    )
    engine.ok("volume", "create", "--label", "a=b", "data")
    done = engine.run("kube", "generate", "-s", "-t", "deployment", "web", "data")
    assert "the manifest does not say: container web: its devices" in done.err
    claim, deployment, service = documents(done.out)
    assert kept_by_kubernetes(done.out) == ["Deployment"]
    assert claim["metadata"] == {"name": "data", "labels": {"a": "b"}}
    assert deployment["spec"]["template"]["metadata"]["labels"] == {"app": "web-pod"}
    assert service["spec"]["ports"] == [{"name": "80", "port": 80, "targetPort": 80}]
    file = engine.home / "made"
    assert engine.ok("generate", "kube", "-f", file, "web") == ""
    assert documents(file.read_text())[0]["kind"] == "Pod"
    assert "there already" in engine.fails("kube", "generate", "-f", file, "web")
    assert "no such container" in engine.fails("kube", "generate", "nothing")
    engine.ok("volume", "rm", "data")


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
IN = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  "
ONE = IN + "containers: [{name: a, image: busybox}]\n  "


@pytest.mark.parametrize(
    "text,words",
    [
        ("", "nothing in it"),
        ("[", "reading -: line"),
        ("- a\n", "a document in it is no object"),
        ("a: b\n", "has no apiVersion and kind"),
        ("a: !!python/object/apply:os.system [id]\n", "could not determine a constructor"),
        (BOMB, "81 aliases are more than 24"),
        ("a: &a [*a]\n", "no apiVersion"),
        ("\x00", "reading -"),
        ("[" * 5000, "reading -"),
        ("x" * (1 << 21), "larger than"),
        (IN + "containers: []\n", "spec.containers: there is none"),
        (IN + "containers: [1]\n", "spec.containers: it must be a list of objects"),
        (IN + "containers: [{name: a}]\n", "containers[0].image: it is missing"),
        (IN + "containers: [{name: ../a, image: i}]\n", "containers[0].name '../a': not a label"),
        (IN + "containers: [{name: a_b, image: i}]\n", "containers[0].name 'a_b': not a label"),
        (IN + "containers: [{name: a, image: i}, {name: a, image: i}]\n",
         "containers[1].name: another container has this name"),
        (ONE + "initContainers: [{name: a, image: i}]\n", "containers[0].name: another"),
        (IN + "containers: [{name: b, image: i}, {name: a, image: busybox, volumeMounts: "
         "[{name: v, mountPath: /x}, {name: v, mountPath: /x/}]}]\n  volumes: "
         "[{name: v, emptyDir: {}}]\n", "spec.containers[1].volumeMounts[1].mountPath '/x/'"),
        (IN + "containers: [{name: a, image: i, volumeMounts: [{name: v, mountPath: x}]}]\n",
         "spec.containers[0].volumeMounts[0].mountPath 'x': not a path"),
        (ONE + "volumes: [{name: x, hostPath: {path: y}}]\n", "volumes[0].hostPath.path 'y'"),
        (IN + "containers: [{name: a, image: busybox, securityContext: {capabilities: "
         "{add: [NO_SUCH]}}}]\n", "Pod p.spec.containers[0]: "),
        (ONE + "securityContext: {fsGroup: -1}\n", "securityContext.fsGroup -1: not a group"),
        (ONE + "securityContext: {fsGroupChangePolicy: x}\n", "fsGroupChangePolicy 'x'"),
        (IN + "containers: [{name: a, image: busybox, command: x}]\n", "must be a list of texts"),
        (IN + "containers: [{name: a, image: busybox, tty: x}]\n", "must be true or false"),
        (IN + "containers: [{name: a, image: i, resources: {limits: {cpu: x}}}]\n", "quantity"),
        (IN + "containers: [{name: a, image: i, volumeMounts: [{name: v, mountPath: /x}]}]\n",
         "the pod has no volume v"),
        (IN + "containers: [{name: a, image: i, livenessProbe: {grpc: {port: 1}}}]\n", "only exec"),
        (ONE + "volumes: [{name: ../x, emptyDir: {}}]\n", "not a volume's name"),
        (ONE + "volumes: [{name: x, nfs: {path: /}}]\n", "only hostPath, emptyDir"),
        (ONE + "volumes: [{name: x, secret: {secretName: n}}]\n", "there is no Secret n"),
        (ONE + "restartPolicy: Sometimes\n",
         "Pod p.spec.restartPolicy 'Sometimes': not one of Always, OnFailure, Never"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: '?'}\n", "no base64"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: {../k: x}\n", "be a key"),
    ],
)  # fmt: skip
def test_what_is_wrong(root: Engine, text: str, words: str) -> None:
    message = root.fails("kube", "play", "-q", "-", input=text)
    assert words in message and len(message) < 500, message
    assert root.left() == []


LINKED = """
apiVersion: v1
kind: Pod
metadata: {name: linked}
spec:
  terminationGracePeriodSeconds: 0
  restartPolicy: Never
  volumes: [{name: e, emptyDir: {}}, {name: h, hostPath: {path: HOST}}]
  initContainers:
  - name: liar
    image: busybox
    command: [sh, -c, "ln -s CANARY /e/out; ln -s ../../../../../.. /e/up; ln -s CANARY /h/out"]
    volumeMounts: [{name: e, mountPath: /e}, {name: h, mountPath: /h}]
  containers:
  - name: there
    image: busybox
    command: [sh, -c, "touch /a/x; ls /a; exec sleep 1000"]
    volumeMounts: [{name: VOLUME, mountPath: /a, subPath: PART}]
"""


@pytest.mark.parametrize(("volume", "part"), [("e", "out"), ("e", "up"), ("h", "out/deeper")])
def test_parts_of_volumes_lead_nowhere_else(engine: Engine, volume: str, part: str) -> None:
    """What a container has put into a volume are links: CVE-2017-1002101, CVE-2021-25741."""
    canary, there = engine.home / "canary-of-links", engine.home / "there-of-links"
    for path in (canary, there):
        path.mkdir()
        path.chmod(0o777)
    (canary / "secret").touch()
    words = {"CANARY": str(canary), "HOST": str(there), "VOLUME": volume, "PART": part}
    text = LINKED
    for word, value in words.items():
        text = text.replace(word, value + str(canary) * (value == "up"))
    done = play(engine, text, "--network", "none")
    if part == "up":  # in the volume, where there is no such directory: it is made
        assert done.code == 0 and "x" in engine.logs_until("linked-there", "x")
    else:
        assert (done.code, "mounting " + part in done.err) == (125, True), done
    assert "secret" not in engine.run("logs", "linked-there").out
    assert os.listdir(canary) == ["secret"]
    engine.ok("kube", "down", "-", input=text)


def test_who_must_not_be_root(engine: Engine) -> None:
    text = ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n"
            "  securityContext: {runAsNonRoot: true}\n  containers:\n"
            "  - {name: a, image: busybox, command: [id, -u],\n"
            "     securityContext: {OWN}}\n")  # fmt: skip
    for own in ("", "runAsUser: 0"):
        done = play(engine, text.replace("OWN", own), "--network", "none")
        assert done.code == 125 and "runAsNonRoot" in done.err, done
        assert engine.ps("-a") == [] and engine.ok("pod", "ps", "-q") == ""
    for own, uid in (("runAsUser: 7", "7"), ("runAsNonRoot: false", "0")):
        assert play(engine, text.replace("OWN", own), "--network", "none").code == 0
        assert engine.logs_until("p-a", uid).startswith(uid + "\n")  # it is started again and again
        engine.ok("pod", "rm", "-f", "p")


def test_labels_for_updates(root: Engine) -> None:
    """By annotations, as podman has them; of a unit's service."""
    text = ("apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n"
            "  annotations: {io.containers.autoupdate/a: local}\nspec:\n"
            "  containers: [{name: a, image: busybox}, {name: b, image: busybox}]\n")  # fmt: skip
    more = "--annotation", "io.containers.autoupdate=registry", "--network", "none"
    asked = root.run("kube", "play", "--start=false", *more, "-", input=text,
                     env={"PODMAN_SYSTEMD_UNIT": "x.service"})  # fmt: skip
    assert asked.code == 0, asked
    for name, policy in (("p-a", "local"), ("p-b", "registry")):
        assert root.inspect(name)["Config"]["Labels"] == {
            "io.containers.autoupdate": policy, "PODMAN_SYSTEMD_UNIT": "x.service"}  # fmt: skip


def test_what_was_played_is_generated(engine: Engine) -> None:
    """Volumes of the pod's own are not places in the store, which go with it."""
    text = ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: b}\n"
            "binaryData: {c: AAEC}\n---\n"
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n"
            "  terminationGracePeriodSeconds: 0\n"
            "  volumes: [{name: e, emptyDir: {}}, {name: m, configMap: {name: m}}]\n"
            "  containers:\n  - {name: a, image: busybox, command: [sleep, '1000'],\n"
            "     envFrom: [{configMapRef: {name: m}}],\n"
            "     volumeMounts: [{name: e, mountPath: /e},\n"
            "                    {name: m, mountPath: /m}]}\n")  # fmt: skip
    assert play(engine, text, "--network", "none").code == 0
    assert engine.ok("exec", "p-a", "sh", "-c", "echo $a $c; wc -c < /m/c") == "b\n3"
    made = engine.run("kube", "generate", "p")
    assert "volume m: the ConfigMap or Secret" in made.err and str(engine.root) not in made.out
    engine.ok("kube", "down", "-", input=text)
    assert play(engine, made.out, "--network", "none").code == 0
    engine.ok("exec", "p-a", "touch", "/e/x")
    engine.ok("pod", "rm", "-f", "-t0", "p")
    refused = text.replace("mountPath: /e", "mountPath: /e, subPathExpr: $(a)")
    assert "subPathExpr" in play(engine, refused, "--network", "none").err
    assert engine.ok("pod", "ps", "-q") == ""
