"""Manifests, indexes and image configs: what the bytes say, checked before anything is used.

Pure functions.  The media type that the server claims, the one in the document and the one
in the descriptor that led here must agree, and a document must not be of two kinds at once
(CVE-2021-41190).
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import CrunpyError, ImageError, InvalidArgument
from crun_py.oci import config
from crun_py.oci.reference import parse_digest
from crun_py.quantity import is_number
from crun_py.record import without_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from crun_py.documents.image import ImageDocument, Platform

DOCUMENT_LIMIT = 4 << 20
"""Bytes of a manifest, an index or a config."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
ACCEPT = ", ".join((*MANIFESTS, *INDEXES))
_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+"
# what a registry without knowledge of the type says
_GENERIC = ("", "application/json", "application/octet-stream", "text/plain")
_LAYERS = {
    "application/vnd.oci.image.layer.v1.tar": "",
    "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd": "zstd",
    "application/vnd.docker.image.rootfs.diff.tar": "",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
}
_FOREIGN = ("application/vnd.docker.image.rootfs.foreign.", "application/vnd.oci.image.layer.nond")


def image_format(text: str) -> str:
    """ "oci" or "docker" for a format as users of docker, podman and skopeo name it, "" for "".

    Raises InvalidArgument.
    """
    if text == "v2s1":
        raise InvalidArgument(
            "image format v2s1: registries take these manifests no longer, they are not written",
            hint="--format docker",
        )
    try:
        return {"": "", "oci": "oci", "docker": "docker", "v2s2": "docker"}[text]
    except KeyError:
        raise InvalidArgument(
            f"image format {text!r}: not known", hint="oci, docker (v2s2)"
        ) from None


class Descriptor:
    """A reference to a blob: media type, validated digest, size in bytes."""

    __slots__ = ("annotations", "digest", "media_type", "platform", "size")

    def __init__(self, value: object) -> None:
        """Raises ImageError unless the JSON `value` is a descriptor."""
        if not isinstance(value, dict):
            raise ImageError("reading a descriptor: not an object")
        self.media_type = _text(value.get("mediaType", ""), "mediaType")
        size = value.get("size")
        if type(size) is not int or size < 0:
            raise ImageError("reading a descriptor: the size is not a number of bytes")
        self.size = size
        self.digest = _digest(value.get("digest"))
        platform: Platform | None = value.get("platform")
        self.platform: Platform = platform if isinstance(platform, dict) else {}
        annotations = value.get("annotations")
        self.annotations: Mapping[str, object] = (
            annotations if isinstance(annotations, dict) else {}
        )


class Manifest:
    """One image for one platform: its config and its layers, base first."""

    __slots__ = ("config", "layers", "media_type")

    def __init__(self, media_type: str, config: Descriptor, layers: list[Descriptor]) -> None:
        self.media_type = media_type
        self.config = config
        self.layers = layers


class Index:
    """Images for several platforms."""

    __slots__ = ("manifests", "media_type")

    def __init__(self, media_type: str, manifests: list[Descriptor]) -> None:
        self.media_type = media_type
        self.manifests = manifests


def parse(data: bytes, *, content_type: str = "", expected: str = "") -> Manifest | Index:
    """The manifest or index in `data`.

    content_type: what the server called it; expected: the media type of the descriptor
    that led here; "" where there was none.  Raises ImageError.
    """
    doing = "reading the manifest"
    value = _load(data, doing)
    stated = _text(value.get("mediaType", ""), "mediaType")
    served = content_type.partition(";")[0].strip().lower()
    for claim in (served, stated, expected):
        if claim.startswith(_SCHEMA1):
            raise ImageError(_schema1(doing))
    if served in _GENERIC:
        served = ""
    claims = {claim for claim in (served, stated, expected) if claim}
    if len(claims) > 1:
        raise ImageError(f"{doing}: it is called {' and '.join(sorted(claims))} at once")
    media_type = claims.pop() if claims else _kind_by_content(value)
    if value.get("schemaVersion") == 1:
        raise ImageError(_schema1(doing))
    if value.get("schemaVersion") != 2:
        raise ImageError(f"{doing}: schemaVersion is not 2")
    if media_type in INDEXES:
        if {"config", "layers", "fsLayers"} & value.keys():
            raise ImageError(f"{doing}: it is an index and a manifest at once")
        return Index(media_type, _descriptors(value.get("manifests"), "manifests"))
    if media_type in MANIFESTS:
        if {"manifests", "fsLayers"} & value.keys():
            raise ImageError(f"{doing}: it is an index and a manifest at once")
        return _manifest(value, media_type)
    raise ImageError(f"{doing}: {media_type!r} is not an image")


def _manifest(value: Mapping[str, object], media_type: str) -> Manifest:
    config = Descriptor(value.get("config"))
    if config.media_type not in (OCI_CONFIG, DOCKER_CONFIG) or value.get("artifactType"):
        kind = value.get("artifactType") or config.media_type
        raise ImageError(f"reading the manifest: an artifact of type {kind!r}, not an image")
    if config.size > DOCUMENT_LIMIT:
        raise ImageError(f"reading the manifest: config of {config.size} bytes")
    layers = _descriptors(value.get("layers"), "layers")
    for layer in layers:
        compression(layer.media_type)
    return Manifest(media_type, config, layers)


def compression(media_type: str) -> str:
    """ "", "gzip" or "zstd" for the media type of a layer; raises ImageError for others."""
    found = _LAYERS.get(media_type)
    if found is not None:
        return found
    if media_type.startswith(_FOREIGN):
        raise ImageError(
            "reading the manifest: a layer is foreign (not for distribution): not supported",
            hint="such layers belong to Windows images",
        )
    raise ImageError(f"reading the manifest: unknown layer type {media_type!r}")


def parse_config(data: bytes, layers: int) -> ImageDocument:
    """The image config in `data`, of an image with `layers` layers.  Raises ImageError."""
    doing = "reading the image config"
    value = _load(data, doing)
    rootfs = value.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list):
        raise ImageError(f"{doing}: it has no rootfs.diff_ids")
    for diff_id in diff_ids:
        _digest(diff_id)
    if len(diff_ids) != layers:
        raise ImageError(f"{doing}: {len(diff_ids)} diff_ids for {layers} layers")
    if value.get("os", "linux") not in ("linux", ""):
        raise ImageError(f"{doing}: an image for {value['os']!r}, not for linux")
    config.check(value, doing)
    found: ImageDocument = value
    return found


# ---- platforms ----

_MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm/v7",
    "armv6l": "arm/v6",
    "i686": "386",
    "i386": "386",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loong64",
}


def host_platform() -> str:
    """The platform of this host, `linux/amd64`."""
    machine = os.uname().machine
    return "linux/" + _MACHINES.get(machine, machine)


def split_platform(text: str) -> tuple[str, str, str]:
    """(os, architecture, variant or "") of `linux/arm64/v8`; raises InvalidArgument."""
    parts = text.split("/")
    if len(parts) == 1:
        parts = ["linux", *parts]
    plain = all(p and p.isascii() and p.replace("_", "").replace("-", "").isalnum() for p in parts)
    if (
        len(parts) > 3
        or not plain
        or parts[0] != "linux"
        or (parts[1][0].isdecimal() and parts[1] != "386")
    ):
        raise InvalidArgument(
            f"reading platform {text!r}: not of the form linux/ARCHITECTURE[/VARIANT]"
        )
    architecture = parts[1]
    variant = parts[2] if len(parts) == 3 else ""
    architecture = _MACHINES.get(architecture, architecture)
    if "/" in architecture:
        architecture, _, variant = architecture.partition("/")
    return parts[0], architecture, variant


def _variants(architecture: str, variant: str) -> list[str]:
    """Acceptable variants, best first."""
    if architecture == "arm":
        newest = int(variant[1:]) if is_number(variant[1:]) else 7
        return [f"v{n}" for n in range(min(newest, 8), 4, -1)] + [""]
    if architecture == "arm64":
        return [variant, "", "v8"] if variant in ("", "v8") else [variant, "v8", ""]
    return [variant, ""] if variant else ["", "v1"]


def choose(index: Index, platform: str) -> Descriptor:
    """The entry of `index` for `platform`; ImageError names what there is instead."""
    wanted_os, architecture, variant = split_platform(platform)
    images = images_in(index)
    for acceptable in _variants(architecture, variant):
        for found in images:
            if platform_of(found.platform) == (wanted_os, architecture, acceptable):
                return found
    # an index in an index, or entries of older tools, may say nothing of platforms
    silent = [m for m in images if not m.platform]
    if len(silent) == 1 or (silent and len(silent) == len(images)):
        return silent[0]
    there = ", ".join(sorted({platform_text(m.platform) for m in images if m.platform}))
    raise no_platform(platform, there)


def images_in(index: Index) -> list[Descriptor]:
    """The entries of an index but those that only attest to others."""
    return [entry for entry in index.manifests if not _is_attestation(entry)]


def check_platform(config: Mapping[str, object], platform: str) -> None:
    """Raises ImageError when the image of `config` is for another platform."""
    _, architecture, variant = split_platform(platform)
    found = platform_of(config)
    if not found[1]:
        return
    if found[1] != architecture or (
        found[2] and architecture == "arm" and found[2] not in _variants(architecture, variant)
    ):
        raise no_platform(platform, platform_text(config))


def no_platform(wanted: str, there: str) -> CrunpyError:
    """The error for an image that does not exist for `wanted` but for `there`."""
    example = there.partition(",")[0]
    return ImageError(
        f"choosing the image for {wanted}: there is none; it exists for {there or 'no platform'}",
        hint=f"--platform {example} takes another one" if example else "",
    )


def platform_of(value: Mapping[str, object]) -> tuple[str, str, str]:
    """(os, architecture, variant) that a platform object or a config states."""
    system, architecture, variant = (
        found if isinstance(found := value.get(key), str) else ""
        for key in ("os", "architecture", "variant")
    )
    return system, architecture, variant


def stated_platform(value: Mapping[str, object]) -> Platform:
    """The platform object for an image of this config."""
    system, architecture, variant = platform_of(value)
    found: Platform = {"os": system, "architecture": architecture, "variant": variant}
    return without_empty(found)


def platform_text(value: Mapping[str, object]) -> str:
    """OS/ARCH[/VARIANT] that a platform object or a config states."""
    return "/".join(part for part in platform_of(value) if part)


def _is_attestation(entry: Descriptor) -> bool:
    if entry.annotations.get("vnd.docker.reference.type") == "attestation-manifest":
        return True
    return entry.platform.get("architecture") == "unknown"


# ---- JSON ----


def _load(data: bytes, doing: str) -> Any:
    if len(data) > DOCUMENT_LIMIT:
        raise ImageError(f"{doing}: larger than {DOCUMENT_LIMIT >> 20} MiB")
    try:
        value = jsonfile.loads(data)
    except ValueError as e:
        raise ImageError(f"{doing}: not valid JSON") from e
    if not isinstance(value, dict):
        raise ImageError(f"{doing}: not a JSON object")
    return value


def _kind_by_content(value: Mapping[str, object]) -> str:
    if "fsLayers" in value:
        raise ImageError(_schema1("reading the manifest"))
    if "manifests" in value:
        return OCI_INDEX
    return OCI_MANIFEST if "config" in value else ""


def _schema1(doing: str) -> str:
    return f"{doing}: it is in the outdated format schema 1, which is not supported"


def _descriptors(value: object, what: str) -> list[Descriptor]:
    if not isinstance(value, list):
        raise ImageError(f"reading the manifest: {what} is not a list")
    if len(value) > 10_000:
        raise ImageError(f"reading the manifest: {len(value)} {what}")
    return [Descriptor(v) for v in value]


def _digest(value: object) -> str:
    if not isinstance(value, str):
        raise ImageError("reading a digest: not a text")
    try:
        parse_digest(value)
    except InvalidArgument as e:
        raise ImageError(e.message) from e
    if not value.startswith("sha256:"):
        raise ImageError(f"reading digest {value[:16]!r}…: only sha256 is supported")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ImageError(f"reading the manifest: {what} is not a text")
    return value
