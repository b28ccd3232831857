"""What Docker's Engine API tells of things, as its JSON has it (versions 1.24 to 1.52)."""

from __future__ import annotations

from crun_py import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypedDict, Unpack

    from crun_py.engine.context import Context
    from crun_py.model.image import ImageSummary
    from crun_py.model.registry import RegistryAccess
    from crun_py.state import Container, Status

    Document = dict[str, object]

    class Selection(TypedDict, total=False):
        """What a list of containers is asked for."""

        everything: bool
        last: int
        filters: Sequence[str]
        sizes: bool


CALLS = ("anything", "containers", "images", "networks", "volumes", "info", "version", "history",
         "distribution", "sized_volumes", "sized_containers", "containers_text",
         "used_images", "build_cache")  # fmt: skip


def anything(context: Context, kind: str, name: str, *, size: bool = False) -> Document:
    """What `inspect` shows of a container, image, volume or network (`kind`).  Raises NotFound."""
    from crun_py.show import inspect

    if kind != "image":
        value = _plain(inspect.anything(context.paths, name, kind, size=size))
        if kind == "network" and not value.get("Created"):
            value["Created"] = "0001-01-01T00:00:00Z"  # a time that Go can read
        return value
    found = inspect.anything(context.paths, name, kind)
    return {key: value for key, value in _plain(found).items() if key not in _PODMANS}


_PODMANS = {"Digest", "ManifestType", "Labels", "User", "Annotations", "NamesHistory", "Version",
            "History", "HealthCheck"}  # fmt: skip


def _plain(value: Document) -> Document:
    """Dicts and lists alone, without the subclasses that templates need."""
    found: Document = _bare(value)  # type: ignore[assignment]
    return found


def _bare(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _bare(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_bare(one) for one in value]
    return str(value) if isinstance(value, str) else value


def containers(context: Context, **asked: Unpack[Selection]) -> list[Document]:
    """ContainerList: those that run, or `everything`; last: only so many of the newest."""
    sizes = asked.get("sizes", False)
    return [_listed(one, status, sizes=sizes) for one, status in selected(context, asked)]


def selected(context: Context, asked: Selection) -> Iterator[tuple[Container, Status]]:
    """The containers that a list is asked for, newest first."""
    from crun_py.show import listing

    return listing.selected(
        context.paths, everything=asked.get("everything", False), last=asked.get("last", 0),
        filters=[*asked.get("filters", ())],
    )  # fmt: skip


def containers_text(context: Context, **asked: Unpack[Selection]) -> bytes:
    """The same as JSON: a long list is made into text once, here."""
    import json

    found = containers(context, **asked)
    return json.dumps(found, ensure_ascii=False).encode(errors="replace") + b"\n"


def sized_containers(context: Context) -> list[Document]:
    """ContainerList of all, with what their files take."""
    return containers(context, everything=True, sizes=True)


def _listed(container: Container, status: Status, *, sizes: bool) -> Document:
    from crun_py.container import health
    from crun_py.show import inspect, listing

    record = container.record
    settings = inspect.network_settings(container, status)
    ports = settings["Ports"]
    assert isinstance(ports, dict)
    value: Document = {
        "Id": container.id,
        "Names": ["/" + container.name],
        "Image": record["image"] or record.get("rootfs", ""),
        "ImageID": "sha256:" + record["image_id"],
        "Command": _command_text(record["args"]),
        "Created": _seconds(record["created"]),
        "Ports": _ports(ports),
        "Labels": record["config"]["labels"],
        "State": status.state,
        "Status": listing.status_text(status, health.of(container, status)),
        "HostConfig": {"NetworkMode": record["network"]["mode"]},
        "NetworkSettings": {"Networks": settings["Networks"]},
        "Mounts": [inspect.mount(mount) for mount in record["mounts"]],
    }
    if sizes:
        whole = inspect.container(container, size=True)
        value |= {"SizeRw": whole["SizeRw"], "SizeRootFs": whole["SizeRootFs"]}
    return value


def _command_text(args: list[str]) -> str:
    """The command as one text."""
    return " ".join(args)


def _ports(ports: dict[str, list[dict[str, str]] | None]) -> list[Document]:
    found: list[Document] = []
    for key, bindings in ports.items():
        number, _, protocol = key.partition("/")
        one: Document = {"PrivatePort": int(number), "Type": protocol or "tcp"}
        for binding in bindings or ():
            address = {"IP": binding["HostIp"], "PublicPort": int(binding["HostPort"] or 0)}
            found.append({**one, **address})
        if not bindings:
            found.append(one)
    return found


def images(context: Context, *, filters: Sequence[str] = ()) -> list[Document]:
    """ImageList, newest first; with the filter reference= only of the names that it means."""
    from crun_py.engine import images as found
    from crun_py.oci.reference import parse
    from crun_py.show.image_filters import reference_matches

    wanted = [text.partition("=")[2] for text in filters if text.startswith("reference=")]
    documents = []
    for one in found.summaries(context, filters):
        document = _image(one)
        if wanted:
            names = [
                name for name in one.names
                if any(reference_matches(parse(name), text) for text in wanted)
            ]  # fmt: skip
            repositories = {parse(name).name for name in names}
            document["RepoTags"] = names
            document["RepoDigests"] = [
                text for text in one.digests if parse(text).name in repositories
            ]
        documents.append(document)
    return documents


def _image(one: ImageSummary) -> Document:
    return {
        "Id": f"sha256:{one.id}",
        "ParentId": "",
        "RepoTags": [*one.names],
        "RepoDigests": [*one.digests],
        "Created": _seconds(one.created_at),
        "Size": one.size_bytes,
        "VirtualSize": one.size_bytes,
        "SharedSize": -1,
        "Containers": -1,
        "Labels": {**one.labels},
    }


def used_images(context: Context) -> list[Document]:
    """The images of SystemDataUsage: with what they share, and how many use them."""
    from crun_py.container.uses import ImageUsers
    from crun_py.oci.store.images import ImageStore
    from crun_py.oci.store.usage import Usage

    usage, users = Usage(ImageStore(context.paths)), ImageUsers(context.paths)
    known = {f"sha256:{image.id}": image for image in usage.images}
    found = images(context)
    for document in found:
        if image := known.get(str(document["Id"])):
            shared = usage.shared(image)
            document["Size"] = document["VirtualSize"] = shared + usage.unique(image)
            document["SharedSize"], document["Containers"] = shared, len(users(image.id))
    return found


_CACHES = {"mount": "exec.cachemount"}


def build_cache(context: Context) -> list[Document]:
    """BuildCache of SystemDataUsage: what builds keep."""
    from crun_py.build import keep
    from crun_py.oci.store.images import ImageStore

    held = keep.used_by_images(ImageStore(context.paths))
    return [
        {
            "ID": one.text.rpartition(":")[2][:25],
            "Type": _CACHES.get(one.kind, "regular"),
            "Description": one.text,
            "InUse": False,
            "Shared": one.text in held,
            "Size": one.size,
            "CreatedAt": clock.rfc3339(int(one.used * 1e9)),
            "LastUsedAt": clock.rfc3339(int(one.used * 1e9)),
            "UsageCount": 1,
        }
        for one in keep.things(context.paths)
    ]


def _seconds(timestamp: str) -> int:
    """Seconds since 1970 of an RFC 3339 time; 0 for none."""
    return clock.parse_rfc3339(timestamp) // 10**9 if clock.valid(timestamp) else 0


def history(context: Context, name: str) -> list[Document]:
    """ImageHistory."""
    from crun_py.engine import history as found

    return [
        {
            "Id": "<missing>",
            "Created": _seconds(step.created_at),
            "CreatedBy": step.created_by,
            "Tags": [*step.names] or None,
            "Size": step.size_bytes,
            "Comment": step.comment,
        }
        for step in found.history(context, name)
    ]


def distribution(context: Context, name: str, *, reach: RegistryAccess | None = None) -> Document:
    """DistributionInspect: what a registry has as `name`.  Raises RegistryError, ImageError."""
    from crun_py.engine.registries import access
    from crun_py.oci.transfer import remote

    found = remote.distributed(context.paths, name, access(reach))
    return {
        "Descriptor": {
            "mediaType": found.media_type, "digest": found.digest, "size": found.size,
        },
        "Platforms": [{**platform} for platform in found.platforms],
    }  # fmt: skip


def networks(context: Context, filters: Sequence[str] = ()) -> list[Document]:
    """NetworkList, without who is on them."""
    from crun_py.engine import networks as found
    from crun_py.show import network_list

    rows = network_list.rows(context.paths, found.infos(context, filters), [*filters], whole=True)
    return [{**anything(context, "network", str(row["Name"])), "Containers": {}} for row in rows]


def volumes(context: Context, filters: Sequence[str] = ()) -> list[Document]:
    """VolumeList's volumes."""
    from crun_py.show import volume_list

    rows = volume_list.rows(context.paths, [*filters])
    return [_plain({**volume_list.document(context.paths, str(row["Name"]))}) for row in rows]


def sized_volumes(context: Context) -> list[Document]:
    """VolumeList's volumes with what they hold and how many containers have them."""
    from crun_py import volumes as store
    from crun_py.show import volume_list

    context.enter()
    return [
        _plain({**volume_list.inspected(context.paths, name, size=True)})
        for name in store.names(context.paths)
    ]


def info(context: Context) -> Document:
    """SystemInfo."""
    from crun_py.engine import system

    return _plain(system.info(context))


def version(context: Context) -> Document:
    """SystemVersion."""
    from crun_py.engine import system

    return _plain(system.version(context))
