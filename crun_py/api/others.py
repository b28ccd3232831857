"""/networks, /volumes, /secrets, and what is none of ours."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from crun_py.api import create
from crun_py.api.http import Exchange, HttpError
from crun_py.api.system import filters
from crun_py.fields import Fields
from crun_py.library.values import expect
from crun_py.model.network import NetworkInfo
from crun_py.options import network_options
from crun_py.values import Values

if TYPE_CHECKING:
    from crun_py.aio import Engine
    from crun_py.api.routes import Routes
    from crun_py.model.secret import SecretInfo

_SWARMS = ("/swarm", "/nodes", "/services", "/tasks", "/configs")


def register(routes: Routes) -> None:
    """Add what is here."""
    for method, path, answer in (
        ("GET", "/networks", networks),
        ("POST", "/networks/create", network_created),
        ("POST", "/networks/prune", networks_pruned),
        ("GET", "/networks/{id}", network),
        ("DELETE", "/networks/{id}", network_removed),
        ("POST", "/networks/{id}/connect", connected),
        ("POST", "/networks/{id}/disconnect", disconnected),
        ("GET", "/volumes", volumes),
        ("POST", "/volumes/create", volume_created),
        ("POST", "/volumes/prune", volumes_pruned),
        ("GET", "/volumes/{id}", volume),
        ("DELETE", "/volumes/{id}", volume_removed),
        ("GET", "/secrets", secrets),
        ("POST", "/secrets/create", secret_created),
        ("GET", "/secrets/{id}", secret),
        ("DELETE", "/secrets/{id}", secret_removed),
        ("GET", "/plugins", no_plugins),
        ("POST", "/build/prune", cache_pruned),
        *(("GET", path, no_swarm) for path in _SWARMS),
        *(("POST", f"/swarm/{word}", no_swarm) for word in ("init", "join", "leave", "update")),
    ):
        routes.add(method, path, answer)


async def networks(engine: Engine, exchange: Exchange, _: str) -> None:
    """NetworkList."""
    found = await engine._worker.call("documents.networks", filters(exchange))
    await exchange.answer(200, found)


async def network(engine: Engine, exchange: Exchange, name: str) -> None:
    """NetworkInspect."""
    await exchange.answer(200, await engine._worker.call("documents.anything", "network", name))


async def network_created(engine: Engine, exchange: Exchange, _: str) -> None:
    """NetworkCreate."""
    body = Fields(await exchange.document())
    asked = _network_values(body)
    made = expect(
        NetworkInfo,
        await engine._worker.call(
            "networks.create", network_options.request(asked, body.text("Name")),
            exist_ok=not body.flag("CheckDuplicate", True),
        ),
    )  # fmt: skip
    await exchange.answer(201, {"Id": made.network.id, "Warning": ""})


_NETWORK = (
    ("--driver", "value", "", ""), ("--opt", "list", "", ""), ("--label", "list", "", ""),
    ("--subnet", "list", "", ""), ("--gateway", "list", "", ""), ("--ip-range", "list", "", ""),
    ("--ipv6", "flag", "", ""), ("--internal", "flag", "", ""), ("--disable-dns", "flag", "", ""),
    ("--dns", "list", "", ""), ("--interface-name", "value", "", ""), ("--route", "list", "", ""),
)  # fmt: skip
"""What network_options.request looks at."""


def _network_values(body: Fields) -> Values:
    """NetworkCreate's body as the options of `network create`."""
    config = [one for one in body.inner("IPAM").objects("Config") if one.text("Subnet")]
    made = Values(_NETWORK).with_text("driver", body.text("Driver") or "bridge")
    for key, name in (("opt", "Options"), ("label", "Labels")):
        made = made.with_texts(key, [f"{k}={v}" for k, v in body.pairs(name).items()])
    for key, name in (("subnet", "Subnet"), ("gateway", "Gateway"), ("ip_range", "IPRange")):
        made = made.with_texts(key, [one.text(name) for one in config if one.text(name)])
    made = made.with_flag("ipv6", body.flag("EnableIPv6"))
    return made.with_flag("internal", body.flag("Internal"))


async def network_removed(engine: Engine, exchange: Exchange, name: str) -> None:
    """NetworkDelete."""
    await engine.networks.remove(name)
    await exchange.answer(204)


async def networks_pruned(engine: Engine, exchange: Exchange, _: str) -> None:
    """NetworkPrune."""
    done = await engine.networks.prune(filters(exchange))
    await exchange.answer(200, {"NetworksDeleted": [*done.names] or None})


async def connected(engine: Engine, exchange: Exchange, name: str) -> None:
    """NetworkConnect."""
    body = Fields(await exchange.document())
    join = create.join(name, body.inner("EndpointConfig"))
    await engine._worker.call("networks.connect", name, body.text("Container"), join, ())
    await exchange.answer(200)


async def disconnected(engine: Engine, exchange: Exchange, name: str) -> None:
    """NetworkDisconnect."""
    body = Fields(await exchange.document())
    await engine.networks.disconnect(name, body.text("Container"), force=body.flag("Force"))
    await exchange.answer(200)


async def volumes(engine: Engine, exchange: Exchange, _: str) -> None:
    """VolumeList."""
    found = await engine._worker.call("documents.volumes", filters(exchange))
    await exchange.answer(200, {"Volumes": found, "Warnings": None})


async def volume(engine: Engine, exchange: Exchange, name: str) -> None:
    """VolumeInspect."""
    await exchange.answer(200, await engine._worker.call("documents.anything", "volume", name))


async def volume_created(engine: Engine, exchange: Exchange, _: str) -> None:
    """VolumeCreate."""
    body = Fields(await exchange.document())
    if body.text("Driver") not in ("", "local"):
        raise HttpError(404, f"plugin {body.text('Driver')!r} not found")
    made = await engine.volumes.create(
        body.text("Name"), labels=body.pairs("Labels"), options=body.pairs("DriverOpts")
    )
    found = await engine._worker.call("documents.anything", "volume", made.name)
    await exchange.answer(201, found)


async def volume_removed(engine: Engine, exchange: Exchange, name: str) -> None:
    """VolumeDelete."""
    await engine.volumes.remove(name, force=exchange.flag("force"))
    await exchange.answer(204)


async def volumes_pruned(engine: Engine, exchange: Exchange, _: str) -> None:
    """VolumePrune."""
    asked = filters(exchange)
    everything = exchange.before(1, 42) or any(one in ("all=true", "all=1") for one in asked)
    kept = [one for one in asked if not one.startswith("all=")]
    done = await engine.volumes.prune(kept, all=everything)
    await exchange.answer(
        200, {"VolumesDeleted": [*done.names], "SpaceReclaimed": done.freed_bytes}
    )


async def secrets(engine: Engine, exchange: Exchange, _: str) -> None:
    """SecretList."""
    found = await engine.secrets.list(filters(exchange))
    await exchange.answer(200, [_secret(one) for one in found])


async def secret(engine: Engine, exchange: Exchange, name: str) -> None:
    """SecretInspect."""
    await exchange.answer(200, _secret(await engine.secrets.get(name)))


async def secret_created(engine: Engine, exchange: Exchange, _: str) -> None:
    """SecretCreate."""
    body = Fields(await exchange.document())
    try:
        data = base64.b64decode(body.text("Data"), validate=True)
    except ValueError:
        raise HttpError(400, "Data is not base64") from None
    made = await engine.secrets.create(body.text("Name"), data, labels=body.pairs("Labels"))
    await exchange.answer(201, {"ID": made.id})


async def secret_removed(engine: Engine, exchange: Exchange, name: str) -> None:
    """SecretDelete."""
    await engine.secrets.remove(name)
    await exchange.answer(204)


def _secret(one: SecretInfo) -> dict[str, object]:
    return {
        "ID": one.id, "CreatedAt": one.created_at, "UpdatedAt": one.updated_at,
        "Version": {"Index": 1}, "Spec": {"Name": one.name, "Labels": one.labels},
    }  # fmt: skip


async def cache_pruned(engine: Engine, exchange: Exchange, _: str) -> None:
    """BuildPrune."""
    most = exchange.number("reserved-space") or exchange.number("keep-storage") or 0
    done = await engine.images.prune_build_cache(filters(exchange), keep_bytes=most)
    await exchange.answer(200, {"CachesDeleted": [*done.names], "SpaceReclaimed": done.freed_bytes})


async def no_plugins(engine: Engine, exchange: Exchange, _: str) -> None:
    """PluginList."""
    await exchange.answer(200, [])


async def no_swarm(engine: Engine, exchange: Exchange, _: str) -> None:
    """What only a swarm has."""
    raise HttpError(503, "This node is not a swarm manager: there are no clusters here")
