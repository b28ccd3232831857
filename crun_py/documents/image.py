"""Images: OCI image-spec, config.md, manifest.md, image-index.md; Docker's are the same but for
their media types.

They come from whoever made the image: oci/config and oci/manifest check the types of what is used.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class HealthCheck(TypedDict, total=False):
    """Docker's; times in nanoseconds."""

    Test: list[str] | None
    Interval: int | None
    Timeout: int | None
    StartPeriod: int | None
    StartInterval: int | None
    Retries: int | None


class ImageConfig(TypedDict, total=False):
    """What a container of the image is to be; null says the same as absence."""

    User: str | None
    ExposedPorts: dict[str, object] | None
    Env: list[str] | None
    Entrypoint: list[str] | None
    Cmd: list[str] | None
    Volumes: dict[str, object] | None
    WorkingDir: str | None
    Labels: dict[str, str] | None
    StopSignal: str | None
    Healthcheck: HealthCheck | None
    OnBuild: list[str] | None
    Shell: list[str] | None
    ArgsEscaped: bool | None


class History(TypedDict, total=False):
    created: str | None
    created_by: str | None
    author: str | None
    comment: str | None
    empty_layer: bool | None


class RootFs(TypedDict):
    type: NotRequired[str]
    diff_ids: list[str]


_OsVersion = TypedDict(
    "_OsVersion",
    {"os.version": NotRequired[str | None], "os.features": NotRequired[list[str] | None]},
)


class Platform(_OsVersion, total=False):
    """What a config or a descriptor says of whom the image is for."""

    architecture: str | None
    os: str | None
    variant: str | None
    features: list[str] | None


class ImageAbout(Platform, total=False):
    """An image's document without its layers."""

    created: str | None
    author: str | None
    comment: str | None
    docker_version: str | None
    config: ImageConfig | None
    history: list[History] | None


class ImageDocument(ImageAbout):
    """The whole document whose digest is the image's id."""

    rootfs: RootFs


class Descriptor(TypedDict):
    mediaType: NotRequired[str]
    digest: str
    size: int
    platform: NotRequired[Platform]
    annotations: NotRequired[dict[str, str]]
    artifactType: NotRequired[str]


class Manifest(TypedDict):
    schemaVersion: int
    mediaType: NotRequired[str]
    config: Descriptor
    layers: list[Descriptor]
    annotations: NotRequired[dict[str, str] | None]


class Index(TypedDict):
    schemaVersion: int
    mediaType: NotRequired[str]
    manifests: list[Descriptor]
    annotations: NotRequired[dict[str, str] | None]
