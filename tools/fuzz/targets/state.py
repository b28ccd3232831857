"""The JSON files of a store, one of them not what it should be: whoever reads it gives a value or a
CrunpyError.

An input is for hypothesis, which chooses a file and what is wrong in it.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inputs import VALUES, altered

from crun_py import caller, events, logs, secrets, spec, state, volumes
from crun_py.build import cache, keep
from crun_py.container import health, record, restart, uses
from crun_py.engine import status, summaries
from crun_py.engine.context import Context
from crun_py.errors import CrunpyError
from crun_py.model.container import CreateRequest, Networking
from crun_py.model.container import HealthCheck as Check
from crun_py.model.network import Attachment, Join, Network, NetworkInfo, PortMapping, Subnet
from crun_py.net import attached, config
from crun_py.ns import seccomp
from crun_py.ns.users import User
from crun_py.oci import chain
from crun_py.oci.registry import auth
from crun_py.oci.registry.registries import daemon_settings
from crun_py.oci.store import blobs, gc, usage
from crun_py.oci.store.images import ImageStore
from crun_py.record import to_json
from crun_py.runtime.check import check as check_spec
from crun_py.runtime.container import plan_for
from crun_py.show import images, inspect, listing, network_list, volume_list
from crun_py.workspace import Workspace

MOST = 4096
TOKENS: list[str] = []
caller.has({"HOME": "/nowhere"})
ID, NAME = "ab" * 32, "docker.io/library/x:latest"
_PLACE = tempfile.mkdtemp(prefix="fuzz", dir="/dev/shm")
atexit.register(shutil.rmtree, _PLACE, ignore_errors=True)
_context = Context(_PLACE + "/root", _PLACE + "/run")
_paths = _context.paths
_ROOT, _RUN = _paths.container(ID), _paths.run_container(ID)


def _blob(value: object) -> str:
    blobs.prepare(_paths)
    return blobs.put(_paths, json.dumps(value).encode())


def _record() -> Any:
    image = {"Cmd": ["c"], "Env": ["A=b"], "Labels": {"l": "1"}, "ExposedPorts": {"80/tcp": {}}}
    asked = CreateRequest(
        image="x",
        health=Check(test=("CMD", "x")),
        network=Networking(mode="bridge", ports=(PortMapping(container_port=80, host_port=8080),)),
    )
    made: Any = record.make(_paths, ID, "cd" * 32, image, asked)
    mount = {
        "type": "volume",
        "name": "v",
        "source": "/s",
        "destination": "/d",
        "rw": True,
        "options": ["ro"],
        "mode": "z",
        "anonymous": False,
    }
    secret = {"name": "s", "variable": "", "target": "/t", "uid": 0, "gid": 0, "mode": 0o444}
    made |= {
        "mounts": [mount],
        "layers": ["layers/" + "ef" * 32 + "/diff"],
        "secrets": [secret],
        "name": "box",
    }
    made["host"] |= {"ulimit": [{"name": "nofile", "soft": 1, "hard": 2}], "sysctl": {"net.x": "1"}}
    made["network"]["networks"] = [to_json(Join("front", aliases=("x",)))]
    made["network"]["mode"] = "front"
    made["links"], made["requires"] = [{"id": "cd" * 32, "alias": "l"}], ["cd" * 32]
    return json.loads(json.dumps(made))


def _spec() -> Any:
    host = spec.Host(in_userns=False, hard_nofile=1024)
    made = spec.build(
        args=["true"],
        env=["A=1"],
        cwd="/",
        user=User(0, 0, [0], "/"),
        hostname="h",
        request=CreateRequest(image="x"),
        namespaces=[{"type": "mount"}, {"type": "pid"}],
        mounts=spec.default_mounts(host, 1 << 20, host_network=False),
        host=host,
        rootfs="/r",
    )
    return json.loads(json.dumps(made))


_NOTE = {
    "state": "running",
    "pid": os.getpid(),
    "start_ticks": state.start_ticks(os.getpid()),
    "monitor_pid": os.getpid(),
    "monitor_start_ticks": state.start_ticks(os.getpid()),
    "boot_id": state.boot_id(),
    "started_at": "2026-01-01T00:00:00.1Z",
    "finished_at": "2026-01-01T00:00:09Z",
    "exit_code": 3,
    "signal": 9,
    "oom_killed": True,
}
_IMAGE = {
    "os": "linux",
    "architecture": "amd64",
    "created": "2026-01-01T00:00:00Z",
    "config": {"Cmd": ["a"], "Labels": {"a": "b"}},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "12" * 32]},
    "history": [{"created_by": "x"}],
}
_CHAIN = chain.chain_ids(_IMAGE["rootfs"]["diff_ids"])[0][7:]
_NETWORK = to_json(
    Network(
        name="front",
        id="cd" * 32,
        created="2026-01-01T00:00:00Z",
        table="t",
        driver="bridge",
        subnets=(Subnet(subnet="10.9.0.0/24", gateway="10.9.0.1"),),
        interface="cb1",
    )
)
_ATTACHED = {
    "attachments": [
        to_json(
            Attachment(
                driver="bridge",
                network="front",
                ip="10.9.0.2",
                prefix=24,
                ports=(PortMapping(container_port=80, host_port=8080),),
            )
        )
    ]
}


def _read_container() -> None:
    for container in state.every(_paths):
        uses.images_of(container), container.modes, container.volumes, container.networks
        status.info(container), container.status(), state.left_by_start(container)
        inspect.container(container)
        restart.due(container, 1), restart.for_monitor(container), restart.due_after_boot(container)
        health.of(container, container.status())
    state.find(_paths, "box"), state.find(_paths, ID[:9]), state.left(_paths, ID)
    listing.containers(_paths, everything=True, sizes=True)
    for text in (
        "label=l=1",
        "volume=v",
        "network=front",
        "publish=80",
        "expose=80/tcp",
        "status=exited",
        "exited=3",
        "ancestor=x",
        "health=healthy",
        "name=b",
        "before=box",
        "until=2026-01-31T00:00:00Z",
    ):
        listing.containers(_paths, everything=True, filters=[text])
    summaries.containers(_context, everything=True)


def _read_spec() -> None:
    found = state.load(_paths, ID)
    document = found.spec()
    check_spec(document)
    plan_for(document, None, joined={}, seccomp=None, reap=False).encode()


def _read_volumes() -> None:
    for name in volumes.names(_paths):
        (
            volumes.about(_paths, name),
            volumes.options_of(_paths, name),
            volume_list.inspected(_paths, name),
        )
    for filters in ([], ["label=a=b"], ["label!=a"], ["dangling=true"], ["anonymous=1"]):
        volume_list.rows(_paths, filters)
    with volumes.Filling(_paths, ID) as stage:
        volumes.ensure(_paths, "v", stage, lambda path: None)


def _read_images() -> None:
    store = ImageStore(_paths)
    for found in store.everything():
        _ = found.familiar_names, found.familiar_digests, found.config
    for text in ("x", NAME, "ab", "sha256:" + "1" * 64, "a/b@sha256:" + "1" * 64):
        store.lookup_any(text)
    store.whole(()), store.has("12" * 32)
    images.rows(store, filters=["until=2026-01-31T00:00:00Z", "label=a=b"])
    usage.bytes_on_disk(_paths), usage.Usage(store)
    for image in store.list():
        inspect.image(_paths, image)
    images.rows(store, everything=True)
    gc.tidy(_paths)


def _read_build() -> None:
    cache.Cache(_paths, Workspace(_paths)).find("k", [])
    keep.things(_paths), keep.kept(_paths)


def _read_networks() -> None:
    infos = tuple(NetworkInfo(network=n) for n in config.every(_paths))
    for _ in infos:
        network_list.rows(_paths, infos, ["name=f", "until=1h"], whole=True)
    config.resolve(_paths, "front")


def _read_attached() -> None:
    attached.read(_RUN), attached.endpoints(_paths, "front")
    _read_container()


def _read_secrets() -> None:
    secrets.names(_paths), secrets.load(_paths, "s"), secrets.load(_paths, "1234")


def _read_lines() -> None:
    [events.line(e) for e in events.read(_paths, since_ns=0)]
    [
        events.document(e)
        for e in events.read(_paths, since_ns=0, wanted=events.matcher(["container=x"]))
    ]
    for driver in ("json-file", "k8s-file"):
        container = state.load(_paths, ID)
        container.record["log"]["driver"] = driver
        [*logs.read(container)], [*logs.read(container, tail=2, since_ns=1)]


def _read_auth() -> None:
    (
        auth.find("quay.io", "a/b", _PLACE + "/auth.json"),
        auth.find("docker.io", "library/x", _PLACE + "/auth.json"),
    )


FILES: dict[str, tuple[str, Any, Callable[[], None]]] = {
    "record": (_ROOT + "/container.json", _record(), _read_container),
    "spec": (_ROOT + "/config.json", _spec(), _read_spec),
    "now": (_RUN + "/status.json", _NOTE, _read_container),
    "end": (_ROOT + "/status.json", {**_NOTE, "state": "exited"}, _read_container),
    "health": (
        _RUN + "/health.json",
        {
            "version": 1,
            "status": "healthy",
            "failing_streak": 0,
            "log": [{"Start": "2026-01-01T00:00:00Z", "End": "", "ExitCode": 0, "Output": ""}],
        },
        _read_container,
    ),
    "failure": (
        _ROOT + "/failure.json",
        {"version": 1, "error": "e", "exit_code": 127},
        _read_container,
    ),
    "restart": (
        _ROOT + "/restart.json",
        {"version": 1, "count": 2, "delay_ms": 100},
        _read_container,
    ),
    "attached": (_RUN + "/network.json", _ATTACHED, _read_attached),
    "network": (_paths.networks + "/front.json", {**_NETWORK, "schema": 2}, _read_networks),
    "volume": (
        _paths.volumes + "/v/volume.json",
        {
            "version": 1,
            "name": "v",
            "created": "2026-01-01T00:00:00Z",
            "labels": {"a": "b"},
            "anonymous": False,
            "options": {"type": "tmpfs"},
            "unused": True,
        },
        _read_volumes,
    ),
    "secret": (
        secrets.directory(_paths) + "/s/secret.json",
        {
            "name": "s",
            "id": "1234" * 6,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "",
            "labels": {"a": "b"},
        },
        _read_secrets,
    ),
    "layer": (
        f"{_paths.layers}/{_CHAIN}/layer.json",
        {"schema": 1, "diff_id": "sha256:" + "12" * 32, "size": 7},
        _read_images,
    ),
    "step": (
        _paths.root + "/build/cache/k.json",
        {
            "schema": 1,
            "created": "2026-01-01T00:00:00Z",
            "layer": {"chain_id": "sha256:" + _CHAIN, "diff_id": "sha256:" + "12" * 32, "size": 7},
        },
        _read_build,
    ),
    "mount": (_paths.root + "/build/mounts/m.json", {"id": "m"}, _read_build),
    "auth": (
        _PLACE + "/auth.json",
        {
            "auths": {
                "quay.io": {"auth": "bWU6cHc="},
                "https://index.docker.io/v1/": {
                    "username": "u",
                    "password": "p",
                    "identitytoken": "",
                },
            },
            "credHelpers": {},
        },
        _read_auth,
    ),
    "daemon": (
        _PLACE + "/daemon.json",
        {"insecure-registries": ["a:5000"], "registry-mirrors": ["http://m"]},
        lambda: daemon_settings([_PLACE + "/daemon.json"]) and None,
    ),
    "seccomp": (
        _PLACE + "/seccomp.json",
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 1,
            "archMap": [
                {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}
            ],
            "syscalls": [
                {
                    "names": ["read", "clone"],
                    "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 0, "value": 5, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}],
                    "includes": {"caps": ["CAP_SYS_ADMIN"], "minKernel": "4.8"},
                    "excludes": {"arches": ["x32"]},
                }
            ],
        },
        lambda: seccomp.compiled(seccomp.load_profile(_PLACE + "/seccomp.json")) and None,
    ),
    "events": (
        _paths.run + "/events.log",
        {
            "time": 1,
            "kind": "container",
            "action": "start",
            "actor": "x",
            "attributes": {"name": "n"},
        },
        _read_lines,
    ),
    "log": (
        _ROOT + "/container.log",
        {"log": "a\n", "stream": "stdout", "time": "2026-01-01T00:00:00Z"},
        _read_lines,
    ),
}


def _blobs() -> Iterator[tuple[str, Any, Callable[[], None]]]:
    """index.json, the manifest and the config of an image: the last two have other digests then."""
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": "sha256:" + "12" * 32,
        "size": 7,
    }
    config_, of_config = _IMAGE, "application/vnd.oci.image.config.v1+json"

    def manifest(config: str) -> Any:
        about = {"mediaType": of_config, "digest": config, "size": 7}
        return {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": about,
            "layers": [layer],
        }

    def index(digest: str) -> Any:
        entry = {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": 7,
            "annotations": {
                "org.opencontainers.image.ref.name": NAME,
                "io.containerd.image.name": NAME,
            },
        }
        return {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        }

    config_digest = _blob(config_)
    manifest_digest = _blob(manifest(config_digest))
    path = _paths.images + "/index.json"
    yield path, index(manifest_digest), _read_images
    marked = index(manifest_digest)
    marked["manifests"][0]["annotations"] |= {
        "io.crunpy.config": config_digest,
        "io.crunpy.chain": _CHAIN,
        "io.crunpy.created": "",
        "io.crunpy.size": "7",
    }
    yield path, marked, _read_images
    yield blobs.blob_path(_paths, manifest_digest), manifest(config_digest), _read_images
    yield blobs.blob_path(_paths, config_digest), config_, _read_images


def _write(path: str, value: object) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    text = value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n"
    with open(path, "wb") as file:
        file.write(text)


os.makedirs(_paths.containers + "/.names")
os.symlink(ID, _paths.containers + "/.names/box")
os.makedirs(_paths.volumes + "/v/_data")
os.makedirs(f"{_paths.layers}/{_CHAIN}/diff")
os.makedirs(_ROOT + "/upper")
for _at, _number in enumerate(_blobs()):
    FILES[f"image{_at}"] = _number
_seccomp = FILES.pop("seccomp")
FILES["seccomp"] = _seccomp
for _path, _value, _ in FILES.values():
    _write(_path, _value)


def check(name: str, value: object) -> None:
    """What reads the file `name` reads `value` there, bytes as they are."""
    path, good, read = FILES[name]
    try:
        _write(path, value)
        try:
            read()
        except CrunpyError as e:
            assert "\n" not in e.line()
    finally:
        _write(path, good)


TEXTS = st.sampled_from(
    [b"", b"{", b"[" * 5000, b'"\\ud800"', b"\xff\xfe", b"1" * 5000, b"\0" * 99]
)
"""Bytes that are no JSON, or none that anybody writes."""
CASES = st.sampled_from(sorted(FILES)).flatmap(
    lambda name: st.tuples(st.just(name), altered(FILES[name][1]) | VALUES | TEXTS)
)


@settings(deadline=None, database=None, suppress_health_check=[*HealthCheck])
@given(case=CASES)
def _given(case: tuple[str, object]) -> None:
    check(*case)


def seeds() -> Iterator[bytes]:
    yield b"\0" * 64
    yield bytes(range(256)) * 4


def one(data: bytes) -> None:
    _given.hypothesis.fuzz_one_input(data)
