"""Networks, volumes and secrets elsewhere."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.cli.ask import confirmed
from crun_py.cli.container.stop import patience
from crun_py.cli.each import each
from crun_py.cli.network import ls as network_list
from crun_py.cli.network import prune as network_pruning
from crun_py.cli.output import write
from crun_py.cli.remote.containers import pruned
from crun_py.cli.remote.lists import network, volume, wrote_as_podman
from crun_py.cli.secret import create as secret_making
from crun_py.cli.secret import ls as secret_list
from crun_py.cli.volume import ls as volume_list
from crun_py.cli.volume import prune as volume_pruning
from crun_py.errors import InvalidArgument, NotFound, Unsupported
from crun_py.fields import Fields
from crun_py.model.network import Join
from crun_py.model.secret import SecretInfo
from crun_py.options import network_options, parts, volume_options
from crun_py.options.environment import labels, pairs
from crun_py.remote import containers, create
from crun_py.remote.client import filters
from crun_py.remote.paths import path
from crun_py.show import network_list as networks
from crun_py.show import secret_list as secrets
from crun_py.show import volume_list as volumes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.remote.client import Remote
    from crun_py.values import Values


def _names(found: Iterable[dict[str, object]]) -> list[str]:
    return [str(one["Name"]) for one in found]


def _remove(remote: Remote, place: str, missing_ok: bool, **query: object) -> bool:
    """Whether there was something to remove."""
    try:
        remote.call("DELETE", place, query)
    except NotFound:
        if missing_ok:
            return False
        raise
    return True


# ---- networks ----


def network_create(values: Values, arguments: list[str], remote: Remote) -> int:
    """Create, and print the id."""
    if values.text("ipam_driver") in ("none", "dhcp"):
        raise Unsupported(f"--ipam-driver {values.text('ipam_driver')}: not by the API")
    for key, option in (("dns", "--dns"), ("route", "--route")):
        if values.given(key):
            raise Unsupported(f"{option}: Docker's API cannot say it")
    if values.flag("disable_dns") or values.text("interface_name"):
        raise Unsupported("--disable-dns, --interface-name: Docker's API cannot say it")
    network_options.request(values, arguments[0] if arguments else "")  # refused before it is asked
    subnets, gateways = values.texts("subnet"), values.texts("gateway")
    ranges = values.texts("ip_range")
    config = [
        {key: given[n] for key, given in (("Subnet", subnets), ("Gateway", gateways),
                                          ("IPRange", ranges)) if n < len(given)}
        for n in range(len(subnets))
    ]  # fmt: skip
    made = remote.call("POST", "/networks/create", None, {
        "Name": arguments[0] if arguments else "", "Driver": values.text("driver") or "bridge",
        "CheckDuplicate": not values.flag("ignore"), "Internal": values.flag("internal"),
        "EnableIPv6": values.flag("ipv6"), "Attachable": values.flag("attachable"),
        "IPAM": {"Driver": "default", "Config": config},
        "Options": pairs(values.texts("opt"), "option"),
        "Labels": labels(values.texts("label"), "label"),
    })  # fmt: skip
    write(Fields(made).text("Id"))
    return 0


def network_ls(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print the table."""
    wanted = {"filters": filters(values.texts("filter"))}
    if values.text("format") == "json" and wrote_as_podman(remote, "networks", {**wanted}):
        return 0
    found = remote.every("/networks", wanted)
    rows = [networks.row(one, values.flag("no_trunc")) for one in found]
    network_list.tabulate(values, sorted(rows, key=lambda row: str(row["Name"])))
    return 0


def network_inspect(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print a JSON array, or the template for each."""
    found: list[dict[str, object]] = []
    status = each(arguments, lambda name: found.append(network(remote, name)), 1)
    table.documents(found, values.text("format"))
    return status


def network_rm(values: Values, arguments: list[str], remote: Remote) -> int:
    """Remove and print each name; one that a container has is kept."""
    patience(values.maybe("time"))
    force = values.flag("force")

    def act(name: str) -> str | None:
        if force:
            for one in containers.listed(remote, everything=True, wanted=[f"network={name}"]):
                containers.remove(remote, one.text("Id"), force=True)
        return name if _remove(remote, path("networks", name), force) else None

    return each(arguments, act, 1)


def network_prune(values: Values, arguments: list[str], remote: Remote) -> int:
    """Remove the networks that no container has, and tell which."""
    if not values.flag("force") and not confirmed(network_pruning.WARNING):
        return 0
    wanted = values.texts("filter")
    network_pruning.tell(pruned(remote, "/networks/prune", "NetworksDeleted", wanted))
    return 0


def network_connect(values: Values, arguments: list[str], remote: Remote) -> int:
    """Connect; a running container has the network at once."""
    for name in ("driver_opt", "gw_priority"):
        if values.given(name):
            raise Unsupported(f"--{name.replace('_', '-')}: networks that are joined have none")
    name, container = arguments
    join = Join(
        name, ip=values.text("ip"), ip6=values.text("ip6"), mac=values.text("mac_address"),
        aliases=tuple(values.texts("alias")), link_local=tuple(values.texts("link_local_ip")),
    )  # fmt: skip
    endpoint = create.endpoint(join)
    if links := [parts.link(text) for text in values.texts("link")]:
        endpoint["Links"] = [f"{other}:{alias}" for other, alias in links]
    body: dict[str, object] = {"Container": container, "EndpointConfig": endpoint}
    remote.call("POST", path("networks", name, "connect"), None, body)
    return 0


def network_disconnect(values: Values, arguments: list[str], remote: Remote) -> int:
    """Disconnect; a running container loses the network at once."""
    name, container = arguments
    body: dict[str, object] = {"Container": container, "Force": values.flag("force")}
    remote.call("POST", path("networks", name, "disconnect"), None, body)
    return 0


def network_exists(values: Values, arguments: list[str], remote: Remote) -> int:
    """0 when it is there, 1 when not; prints nothing."""
    return 0 if remote.exists(path("networks", arguments[0])) else 1


# ---- volumes ----


def _volumes(remote: Remote, wanted: list[str]) -> list[dict[str, object]]:
    found = remote.document("/volumes", {"filters": filters(wanted)}).get("Volumes")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def volume_create(values: Values, arguments: list[str], remote: Remote) -> int:
    """Create, if it is not there, and print the name."""
    made = remote.call("POST", "/volumes/create", None, {
        "Name": arguments[0] if arguments else values.text("name"),
        "Driver": values.text("driver") or "local",
        "DriverOpts": volume_options.parse(values.texts("opt")),
        "Labels": labels(values.texts("label"), "label"),
    })  # fmt: skip
    write(Fields(made).text("Name"))
    return 0


def volume_ls(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print the table."""
    wanted = values.texts("filter")
    asked: dict[str, object] = {"filters": filters(wanted)}
    if values.text("format") == "json" and wrote_as_podman(remote, "volumes", asked):
        return 0
    found = _volumes(remote, wanted)
    rows = [volumes.row(one) for one in found]
    volume_list.tabulate(values, sorted(rows, key=lambda row: str(row["Name"])))
    return 0


def volume_inspect(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print a JSON array, or the template for each."""
    if values.flag("size"):
        raise Unsupported("--size: the API tells it of all volumes: crunpy system df -v")
    names = _names(_volumes(remote, [])) if values.flag("all") else arguments
    if not names and not values.flag("all"):
        raise InvalidArgument("no volume given", hint="names, or --all")
    found: list[dict[str, object]] = []
    status = each(names, lambda name: found.append(volume(remote, name)), 1)
    table.documents(found, values.text("format"))
    return status


def volume_rm(values: Values, arguments: list[str], remote: Remote) -> int:
    """Remove and print each name; one that a container has is kept."""
    names = _names(_volumes(remote, [])) if values.flag("all") else arguments
    if not names and not values.flag("all"):
        raise InvalidArgument("no volume given", hint="names, or --all")
    if values.maybe("time") is not None:
        raise Unsupported("--time: Docker's API cannot say it")
    force = values.flag("force")

    def act(name: str) -> str | None:
        return name if _remove(remote, path("volumes", name), force, force=force) else None

    return each(names, act, 1)


def volume_prune(values: Values, arguments: list[str], remote: Remote) -> int:
    """Remove the volumes that no container has, and tell which."""
    if not values.flag("force") and not confirmed(volume_pruning.warning(values)):
        return 0
    wanted = [*values.texts("filter"), *(["all=true"] if values.flag("all") else [])]
    volume_pruning.tell(pruned(remote, "/volumes/prune", "VolumesDeleted", wanted))
    return 0


def volume_exists(values: Values, arguments: list[str], remote: Remote) -> int:
    """0 when it is there, 1 when not; prints nothing."""
    return 0 if remote.exists(path("volumes", arguments[0])) else 1


# ---- secrets ----


def _secret(one: Fields) -> SecretInfo:
    spec = one.inner("Spec")
    driver = spec.inner("Driver")
    return SecretInfo(
        id=one.text("ID"), name=spec.text("Name"), created_at=one.text("CreatedAt"),
        updated_at=one.text("UpdatedAt"), labels=spec.pairs("Labels"),
        driver=driver.text("Name") or "file", driver_options=driver.pairs("Options"),
    )  # fmt: skip


def _secrets(remote: Remote, wanted: list[str]) -> list[SecretInfo]:
    remote.need_podman("secrets")
    found = remote.every("/libpod/secrets/json", {"filters": filters(wanted)})
    return [_secret(Fields(one, "a secret")) for one in found]


def secret_create(values: Values, arguments: list[str], remote: Remote) -> int:
    """Keep what the file holds, or standard input, and print the id."""
    remote.need_podman("secret create")
    if values.texts("label") or values.texts("driver_opts"):
        raise Unsupported("--label, --driver-opts: the API has no place for them")
    if values.text("driver") not in ("", "file"):
        raise InvalidArgument(f"driver {values.text('driver')!r}: file is the only one")
    name, source = (*arguments, "-")[:2]
    data = secret_making.data_of(source, values.flag("env"))
    if values.flag("replace"):
        _remove(remote, path("libpod", "secrets", name), missing_ok=True)
    made = remote.call("POST", "/libpod/secrets/create", {"name": name}, data)
    write(Fields(made).text("ID"))
    return 0


def secret_ls(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print the table."""
    found = _secrets(remote, values.texts("filter"))
    secret_list.tabulate(values, [secrets.row(one) for one in found])
    return 0


def secret_inspect(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print a JSON array, or the template for each."""
    remote.need_podman("secret inspect")
    if values.flag("showsecret"):
        raise Unsupported("--showsecret: a service does not tell what secrets hold")
    found: list[dict[str, object]] = []

    def act(name: str) -> None:
        one = remote.get(path("libpod", "secrets", name, "json"))
        found.append(secrets.document(_secret(one)))

    status = each(arguments, act, 1)
    template = secrets.PRETTY if values.flag("pretty") else values.text("format")
    table.documents(found, template)
    return status


def secret_rm(values: Values, arguments: list[str], remote: Remote) -> int:
    """Remove and print each id; containers that run keep what they have."""
    names = [one.name for one in _secrets(remote, [])] if values.flag("all") else arguments
    if not names and not values.flag("all"):
        raise InvalidArgument("no secret given", hint="names, or --all")
    remote.need_podman("secret rm")

    def act(name: str) -> str | None:
        place = path("libpod", "secrets", name)
        if not remote.exists(place + "/json") and values.flag("ignore"):
            return None
        found = _secret(remote.get(place + "/json"))
        remote.call("DELETE", place)
        return found.id

    return each(names, act, 1)


def secret_exists(values: Values, arguments: list[str], remote: Remote) -> int:
    """0 when it is there, 1 when not; prints nothing."""
    remote.need_podman("secret exists")
    return 0 if remote.exists(path("libpod", "secrets", arguments[0], "json")) else 1
