"""/libpod/play/kube and /libpod/generate/kube."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crun_py.api.http import Exchange, HttpError
from crun_py.api.transfers import registry_access
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.net import ports
from crun_py.options import network_options, parts
from crun_py.record import replaced

if TYPE_CHECKING:
    from crun_py.aio import Engine
    from crun_py.api.routes import Routes

_LACKING = {"staticips": "--network NAME:ip=…", "staticmacs": "--network NAME:mac=…",
            "userns": "a .pod, or pod create --userns"}  # fmt: skip
"""What is said of all pods of a manifest, and cannot be, with what can."""


def register(routes: Routes) -> None:
    """Add what is here."""
    for path in ("/libpod/play/kube", "/libpod/kube/play"):
        routes.add("POST", path, played)
        routes.add("DELETE", path, taken_down)
    routes.add("GET", "/libpod/generate/kube", generated)


async def played(engine: Engine, exchange: Exchange, _: str) -> None:
    """PlayKubeLibpod."""
    for name, instead in _LACKING.items():
        if exchange.query.get(name):
            raise Unsupported(f"playing a manifest: {name} is not done here", hint=instead)
    if exchange.flag("nohosts"):
        raise Unsupported("playing a manifest: nohosts is not done here")
    networks, mode = network_options.of_pods(_all(exchange, "network"))
    access = registry_access(exchange)
    if "tlsVerify" in exchange.query:
        access = replaced(access, tls_verify=exchange.flag("tlsVerify"))
    driver = exchange.query.get("logdriver") or "json-file"
    published = [one for text in _all(exchange, "publishports") for one in ports.parse(text)]
    done = await engine.kube.play(
        await exchange.content(),
        networks=networks,
        network=mode,
        ports=published,
        annotations=_annotations(exchange.query.get("annotations", "")),
        log=parts.log(driver, _all(exchange, "logoptions")),
        registry=access,
        start=exchange.flag("start", True),
        replace=exchange.flag("replace"),
    )
    await exchange.answer(200, {
        **_NOTHING,
        "Pods": [{"ID": pod.id, "Containers": [*pod.containers], "InitContainers": [], "Logs": [],
                  "ContainerErrors": []} for pod in done.pods],
        "Volumes": [{"Name": name} for name in done.volumes],
        "Secrets": [{"CreateReport": {"ID": name}} for name in done.secrets],
    })  # fmt: skip


_NOTHING: dict[str, object] = {
    "Pods": [], "Volumes": [], "Secrets": [], "StopReport": [], "RmReport": [],
    "VolumeRmReport": [], "SecretRmReport": [], "ServiceContainerID": "", "ExitCode": None,
}  # fmt: skip
"""A report (PlayKubeReport) of nothing that was done."""


def _all(exchange: Exchange, name: str) -> list[str]:
    return [value for key, value in exchange.queries if key.lower() == name and value]


def _annotations(text: str) -> dict[str, str]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise HttpError(400, "annotations is not valid JSON") from None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise InvalidArgument("annotations: not an object of texts")
    return found


async def taken_down(engine: Engine, exchange: Exchange, _: str) -> None:
    """PlayKubeDownLibpod."""
    done = await engine.kube.down(await exchange.content(), force=exchange.flag("force"))
    await exchange.answer(200, {
        **_NOTHING,
        "StopReport": [{"Id": pod, "Errs": []} for pod in done.stopped],
        "RmReport": [{"Id": pod, "Err": None, "RemovedCtrs": {}} for pod in done.removed],
        "VolumeRmReport": [{"Id": name, "Err": None} for name in done.volumes],
        "SecretRmReport": [{"ID": name, "Err": None} for name in done.secrets],
    })  # fmt: skip


async def generated(engine: Engine, exchange: Exchange, _: str) -> None:
    """GenerateKubeLibpod."""
    names = _all(exchange, "names")
    if not names:
        raise InvalidArgument("generating a manifest: nothing is named")
    kind = exchange.query.get("type") or "pod"
    if kind not in ("pod", "deployment"):
        raise InvalidArgument(f"type {kind!r}: not known", hint="pod or deployment")
    text = await engine.kube.generate(
        names, deployment=kind == "deployment", service=exchange.flag("service")
    )
    await exchange.data(200, text.encode(), "text/vnd.yaml")
