"""What is shown by Docker's names and read here, too: for the library, or to be sorted."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class SearchRow(TypedDict):
    Name: str
    Description: str
    StarCount: int
    IsOfficial: str
    IsAutomated: str
    Stars: int
    Official: str
    Automated: str
    Tag: str
    Index: NotRequired[str]


class TagRow(TypedDict):
    Name: str
    Tag: str


class HistoryRow(TypedDict):
    ID: str
    CreatedSince: str
    CreatedAt: str
    CreatedBy: str
    Size: str
    Comment: str
    Created: str
    Tags: list[str]


class ImageRow(TypedDict):
    """Bytes: of which Size is for people.  Labels: where they are asked for."""

    Labels: NotRequired[dict[str, str]]
    Repository: str
    Tag: str
    Digest: str
    ID: str
    CreatedSince: str
    CreatedAt: str
    Size: str
    VirtualSize: str
    Bytes: int
    Containers: str
    SharedSize: str
    UniqueSize: str
    Created: str
    CreatedTime: str
    Id: str
    Names: list[str]
    RepoTags: list[str]
    RepoDigests: list[str]
    History: str
    ParentId: str
    ReadOnly: bool
    IsReadOnly: bool
    Dangling: bool
    IsDangling: bool


class DiskRow(TypedDict):
    Type: str
    TotalCount: str
    Total: str
    Active: str
    Size: str
    Reclaimable: str
    RawSize: int
    RawReclaimable: int


class VolumeUsage(TypedDict):
    """Size: bytes.  RefCount: of containers."""

    Size: int
    RefCount: int


class VolumeShown(TypedDict):
    CreatedAt: str
    Driver: str
    Labels: dict[str, str]
    Mountpoint: str
    Name: str
    Options: dict[str, str] | None
    Scope: str
    ClusterVolume: None
    Status: None
    UsageData: VolumeUsage | None
    UsedBy: NotRequired[list[str]]
    Anonymous: bool
    UID: int
    GID: int
    MountCount: int
    NeedsCopyUp: bool
    NeedsChown: bool
    Timeout: int
    StorageID: str
