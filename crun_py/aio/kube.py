"""Kubernetes' manifests and an engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crun_py.library import options
from crun_py.library.create_options import Ports
from crun_py.library.values import expect
from crun_py.model.container import LogConfig
from crun_py.model.kube import Played, TakenDown
from crun_py.model.network import Join
from crun_py.model.registry import RegistryAccess
from crun_py.worker.channel_async import AsyncWorker


class Kube:
    """`engine.kube`: pods by Kubernetes' manifests, and manifests of pods (YAML or JSON)."""

    def __init__(self, worker: AsyncWorker) -> None:
        self._worker = worker

    async def play(
        self,
        manifest: bytes | str,
        *,
        config_maps: Iterable[bytes | str] = (),
        network: str = "",
        networks: Iterable[Join] = (),
        ports: Ports = (),
        annotations: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        log: LogConfig | None = None,
        registry: RegistryAccess | None = None,
        start: bool = True,
        replace: bool = False,
    ) -> Played:
        """Make what a manifest asks for: volumes, secrets, and pods with their containers.

        config_maps: manifests of further ConfigMaps.  network: none, host or a network's name,
        networks: or several.  ports: published by the first pod, instead of what the manifest says
        of the same ports.  annotations, labels: of all containers.  log: of their output.
        registry: how registries are reached.  start: the pods run then.  replace: those of their
        names are removed first.  What has no effect is a warning.

        Raises InvalidArgument, which names the place, NotFound, Conflict, and what pulls and starts
        raise; nothing that was made is left then.
        """
        alone = network in ("", "none", "host") or ":" in network
        done = await self._worker.call(
            "kube.play",
            _data(manifest),
            config_maps=[*map(_data, config_maps)],
            networks=[*networks, *([] if alone else [Join(network)])],
            mode=network if alone else "",
            ports=[*options.ports(ports)],
            annotations=options.by_key(annotations, "annotations"),
            labels=options.by_key(labels, "labels"),
            log=log,
            access=registry,
            start=start,
            replace=replace,
        )
        return expect(Played, done)

    async def down(self, manifest: bytes | str, *, force: bool = False) -> TakenDown:
        """Stop and remove the pods that a manifest made, and its secrets; force: its volumes, too.

        What is not there is no error.  Raises InvalidArgument.
        """
        done = await self._worker.call("kube.down", _data(manifest), force=force)
        return expect(TakenDown, done)

    async def generate(
        self, names: Iterable[str], *, deployment: bool = False, service: bool = False
    ) -> str:
        """The manifest of pods, containers (one pod of all of them) and volumes.

        deployment: pods as Deployments.  service: with a Service for each pod's ports.  What a
        manifest cannot say is a warning.  Raises NotFound.
        """
        found = await self._worker.call(
            "kube.generate", options.texts(names, "names"), deployment=deployment, service=service
        )
        return expect(str, found)


def _data(manifest: bytes | str) -> bytes:
    return manifest.encode() if isinstance(manifest, str) else manifest
