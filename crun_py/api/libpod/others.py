"""The rest of /libpod: the system, networks, volumes, secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crun_py import __version__
from crun_py.api import others as dockers
from crun_py.api import system
from crun_py.api.create import join
from crun_py.api.http import Exchange, HttpError
from crun_py.api.system import filters
from crun_py.fields import Fields
from crun_py.library.values import expect
from crun_py.model.network import NetworkInfo, NetworkRequest, Subnet
from crun_py.show.version import PODMAN_VERSION

if TYPE_CHECKING:
    from crun_py.aio import Engine
    from crun_py.api.routes import Routes
    from crun_py.model.event import Event


def register(routes: Routes) -> None:
    """Add what is here."""
    for method, path, answer in (
        ("GET", "/libpod/_ping", ping),
        ("GET", "/libpod/version", system.version),
        ("GET", "/libpod/info", info),
        ("GET", "/libpod/events", events),
        ("GET", "/libpod/system/df", disk_usage),
        ("POST", "/libpod/system/prune", prune),
        ("GET", "/libpod/networks/json", networks),
        ("POST", "/libpod/networks/create", network_created),
        ("POST", "/libpod/networks/prune", networks_pruned),
        ("GET", "/libpod/networks/{id}/json", network),
        ("GET", "/libpod/networks/{id}/exists", network_exists),
        ("GET", "/libpod/networks/{id}", network),
        ("DELETE", "/libpod/networks/{id}", network_removed),
        ("POST", "/libpod/networks/{id}/connect", connected),
        ("POST", "/libpod/networks/{id}/disconnect", dockers.disconnected),
        ("GET", "/libpod/volumes/json", volumes),
        ("POST", "/libpod/volumes/create", volume_created),
        ("POST", "/libpod/volumes/prune", volumes_pruned),
        ("GET", "/libpod/volumes/{id}/json", dockers.volume),
        ("GET", "/libpod/volumes/{id}/exists", volume_exists),
        ("DELETE", "/libpod/volumes/{id}", dockers.volume_removed),
        ("GET", "/libpod/secrets/json", dockers.secrets),
        ("POST", "/libpod/secrets/create", secret_created),
        ("GET", "/libpod/secrets/{id}/json", dockers.secret),
        ("GET", "/libpod/secrets/{id}/exists", secret_exists),
        ("DELETE", "/libpod/secrets/{id}", dockers.secret_removed),
    ):
        routes.add(method, path, answer)


async def ping(engine: Engine, exchange: Exchange, _: str) -> None:
    """PingLibpod."""
    await exchange.data(
        200, b"OK", "text/plain", ("Libpod-API-Version", PODMAN_VERSION),
        ("Libpod-Buildah-Version", __version__), ("Cache-Control", "no-cache"),
    )  # fmt: skip


async def info(engine: Engine, exchange: Exchange, _: str) -> None:
    """SystemInfoLibpod."""
    await exchange.answer(200, await engine._worker.call("libpod.info"))


_ACTIONS = {"die": "died", "destroy": "remove", "exec_die": "exec_died"}
"""podman's words for what docker calls otherwise."""


async def events(engine: Engine, exchange: Exchange, _: str) -> None:
    """SystemEventsLibpod; all that has happened, unless times are said."""
    if not exchange.query.get("since") and not exchange.flag("stream", True):
        exchange.query["since"] = "0"
    await system.told(
        engine, exchange, "application/json", _event, follow=exchange.flag("stream", True)
    )


def _event(event: Event) -> dict[str, object]:
    action = _ACTIONS.get(event.action, event.action)
    attributes = dict(event.attributes)
    if event.action == "die":
        attributes["containerExitCode"] = attributes.get("exitCode", "")
    return {
        "status": action, "id": event.id, "from": attributes.get("image", ""),
        "Type": event.type, "Action": action,
        "Actor": {"ID": event.id, "Attributes": attributes}, "scope": "local",
        "time": event.time_ns // 10**9, "timeNano": event.time_ns,
    }  # fmt: skip


async def disk_usage(engine: Engine, exchange: Exchange, _: str) -> None:
    """SystemDataUsageLibpod."""
    call = engine._worker.call
    images = expect(tuple, await call("documents.images"))
    containers = expect(tuple, await call("documents.sized_containers"))
    volumes = expect(tuple, await call("documents.sized_volumes"))
    used = await engine.disk_usage()
    await exchange.answer(200, {
        "ImagesSize": used.images.size_bytes,
        "Images": [
            {"Repository": (one["RepoTags"] or ["<none>:<none>"])[0].rpartition(":")[0],
             "Tag": (one["RepoTags"] or ["<none>:<none>"])[0].rpartition(":")[2],
             "ImageID": one["Id"].removeprefix("sha256:"), "Size": one["Size"],
             "SharedSize": 0, "UniqueSize": one["Size"], "Containers": 0}
            for one in images
        ],
        "Containers": [
            {"ContainerID": one["Id"], "Image": one["Image"], "Command": one["Command"].split(),
             "LocalVolumes": len(one["Mounts"]), "Size": one["SizeRootFs"],
             "RWSize": one["SizeRw"], "Status": one["State"], "Names": one["Names"][0][1:]}
            for one in containers
        ],
        "Volumes": [
            {"VolumeName": one["Name"], "Links": one["UsageData"]["RefCount"],
             "Size": one["UsageData"]["Size"],
             "ReclaimableSize": 0 if one["UsageData"]["RefCount"] else one["UsageData"]["Size"]}
            for one in volumes
        ],
    })  # fmt: skip


async def prune(engine: Engine, exchange: Exchange, _: str) -> None:
    """SystemPruneLibpod."""
    done = await engine.prune(
        filters(exchange), all=exchange.flag("all"), volumes=exchange.flag("volumes")
    )
    every = (done.containers, done.networks, done.volumes, done.images, done.build_cache)
    await exchange.answer(200, {
        "ContainerPruneReports": [{"Id": name} for name in done.containers.names],
        "VolumePruneReports": [{"Id": name} for name in done.volumes.names],
        "NetworkPruneReports": [{"Name": name} for name in done.networks.names],
        "ImagePruneReports": [
            {"Id": one.what} for one in done.images.parts if one.action == "deleted"
        ],
        "PodPruneReport": [{"Id": name, "Err": None} for name in done.pods.names],
        "ReclaimedSpace": sum(one.freed_bytes for one in every),
    })  # fmt: skip


async def networks(engine: Engine, exchange: Exchange, _: str) -> None:
    """NetworkListLibpod."""
    await exchange.answer(200, await engine._worker.call("libpod.networks", filters(exchange)))


async def network(engine: Engine, exchange: Exchange, name: str) -> None:
    """NetworkInspectLibpod."""
    await exchange.answer(200, await engine._worker.call("libpod.network", name))


async def network_exists(engine: Engine, exchange: Exchange, name: str) -> None:
    """NetworkExistsLibpod."""
    await engine.networks.get(name)
    await exchange.answer(204)


async def network_created(engine: Engine, exchange: Exchange, _: str) -> None:
    """NetworkCreateLibpod."""
    body = Fields(await exchange.document())
    options = body.pairs("options")
    asked = NetworkRequest(
        name=body.text("name"), driver=body.text("driver") or "bridge",
        subnets=tuple(Subnet(one.text("subnet"), one.text("gateway"))
                      for one in body.objects("subnets") if one.text("subnet")),
        ipv6=body.flag("ipv6_enabled"), internal=body.flag("internal"),
        dns=body.flag("dns_enabled"), dns_servers=tuple(body.texts("network_dns_servers")),
        interface=body.text("network_interface"), labels=body.pairs("labels"), options=options,
        mtu=int(options["mtu"]) if options.get("mtu", "").isdigit() else 0,
        parent=options.get("parent", ""), mode=options.get("mode", ""),
    )  # fmt: skip
    made = expect(NetworkInfo, await engine._worker.call(
        "networks.create", asked, exist_ok=body.flag("ignore_if_exists")
    ))  # fmt: skip
    await exchange.answer(200, await engine._worker.call("libpod.network", made.network.name))


async def network_removed(engine: Engine, exchange: Exchange, name: str) -> None:
    """NetworkDeleteLibpod."""
    await engine.networks.remove(name, force=exchange.flag("force"))
    await exchange.answer(200, [{"Name": name, "Error": None}])


async def networks_pruned(engine: Engine, exchange: Exchange, _: str) -> None:
    """NetworkPruneLibpod."""
    done = await engine.networks.prune(filters(exchange))
    await exchange.answer(200, [{"Name": name, "Error": None} for name in done.names])


async def connected(engine: Engine, exchange: Exchange, name: str) -> None:
    """NetworkConnectLibpod."""
    body = Fields(await exchange.document())
    container = body.text("container") or body.text("Container")
    if not container:
        raise HttpError(400, "no container is named")
    asked = join(name, body.inner("EndpointConfig"))
    await engine._worker.call("networks.connect", name, container, asked, ())
    await exchange.answer(200)


async def volumes(engine: Engine, exchange: Exchange, _: str) -> None:
    """VolumeListLibpod."""
    await exchange.answer(200, await engine._worker.call("documents.volumes", filters(exchange)))


async def volume_exists(engine: Engine, exchange: Exchange, name: str) -> None:
    """VolumeExistsLibpod."""
    await engine.volumes.get(name)
    await exchange.answer(204)


async def volume_created(engine: Engine, exchange: Exchange, _: str) -> None:
    """VolumeCreateLibpod."""
    body = Fields(await exchange.document())
    made = await engine.volumes.create(
        body.text("Name"), labels={**body.pairs("Label"), **body.pairs("Labels")},
        options=body.pairs("Options"),
    )  # fmt: skip
    found = await engine._worker.call("documents.anything", "volume", made.name)
    await exchange.answer(201, found)


async def volumes_pruned(engine: Engine, exchange: Exchange, _: str) -> None:
    """VolumePruneLibpod: also those with a name."""
    done = await engine.volumes.prune(filters(exchange), all=True)
    await exchange.answer(200, [
        {"Id": name, "Size": 0 if number else done.freed_bytes, "Err": None}
        for number, name in enumerate(done.names)
    ])  # fmt: skip


async def secret_exists(engine: Engine, exchange: Exchange, name: str) -> None:
    """SecretExistsLibpod."""
    await engine.secrets.get(name)
    await exchange.answer(204)


async def secret_created(engine: Engine, exchange: Exchange, _: str) -> None:
    """SecretCreateLibpod: the body is what it holds."""
    data = bytearray()
    async for piece in exchange.pieces():
        data += piece
        if len(data) > _SECRET_BYTES:
            raise HttpError(413, "the secret is too large")
    made = await engine.secrets.create(exchange.query.get("name", ""), bytes(data))
    await exchange.answer(200, {"ID": made.id})


_SECRET_BYTES = 512_000
