"""An image in the making: what a stage is so far."""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.clock import now
from crun_py.oci.chain import diff_path
from crun_py.oci.manifest import platform_of, split_platform
from crun_py.oci.transfer import made

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from crun_py.build.layer import Layer
    from crun_py.documents.image import Descriptor, History, ImageAbout, ImageConfig
    from crun_py.oci.store.image import Image
    from crun_py.paths import Paths

_KEPT: tuple[
    Literal["architecture", "os", "variant", "os.version", "os.features", "author"], ...
] = ("architecture", "os", "variant", "os.version", "os.features", "author")
_PLAIN = {
    "oci": "application/vnd.oci.image.layer.v1.tar",
    "docker": "application/vnd.docker.image.rootfs.diff.tar",
}


class Draft:
    """layers: descriptors of the layers' blobs, diff_ids and chain their ids, base first.
    config: the `config` of an image config; about: what stands beside it; history: of both
    (image-spec, config.md).  key: stands for all that made it, see `cache`.  unknown: of a dry run,
    what it would be is not known, for a step would be carried out."""

    def __init__(self, paths: Paths, form: str, key: str) -> None:
        self._paths, self.form, self.key = paths, form, key
        self.layers: list[Descriptor] = []
        self.diff_ids: list[str] = []
        self.chain: list[str] = []
        self.config: ImageConfig = {}
        self.about: ImageAbout = {}
        self.history: list[History] = []
        self.annotations: dict[str, str] = {}
        self.created = ""
        self.unknown = False

    @classmethod
    def scratch(cls, paths: Paths, form: str, platform: str, key: str) -> Draft:
        """Of no image."""
        draft = cls(paths, form, key)
        system, architecture, variant = split_platform(platform)
        draft.about = {"architecture": architecture, "os": system}
        if variant:
            draft.about["variant"] = variant
        draft.created = now()
        return draft

    @classmethod
    def of_image(cls, paths: Paths, form: str, image: Image, key: str) -> Draft:
        """On top of an image of the store."""
        draft = cls(paths, form, key)
        draft.layers = made.below_of(paths, image, form)
        draft.diff_ids = list(image.config["rootfs"]["diff_ids"])
        draft.chain = list(image.chain)
        draft.config = {**(image.config.get("config") or {})}
        for key in _KEPT:
            if value := image.config.get(key):
                draft.about[key] = value
        draft.history = list(image.config.get("history") or [])
        draft.created = image.created
        return draft

    def copy(self) -> Draft:
        """Another one, on which a stage goes on."""
        draft = Draft(self._paths, self.form, self.key)
        draft.layers, draft.diff_ids = list(self.layers), list(self.diff_ids)
        draft.chain, draft.config = list(self.chain), self.config.copy()
        draft.about, draft.history = self.about.copy(), list(self.history)
        draft.created, draft.annotations = self.created, dict(self.annotations)
        draft.unknown = self.unknown
        return draft

    @property
    def trees(self) -> list[str]:
        """The layers' directories, base first."""
        return [diff_path(self._paths, chain_id) for chain_id in self.chain]

    @property
    def platform(self) -> str:
        return "/".join(part for part in platform_of(self.about) if part)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the config."""
        return dict(entry.partition("=")[::2] for entry in self.config.get("Env") or [])

    @property
    def workdir(self) -> str:
        return self.config.get("WorkingDir") or "/"

    def set_variables(self, variables: dict[str, str]) -> None:
        self.config["Env"] = [f"{key}={value}" for key, value in variables.items()]

    def add_layer(self, layer: Layer) -> None:
        """`layer` lies on top now."""
        media_type = _PLAIN[self.form]
        self.layers.append({"mediaType": media_type, "digest": layer.diff_id, "size": layer.size})
        self.diff_ids.append(layer.diff_id)
        self.chain.append(layer.chain_id)

    def note(self, created: str, text: str, *, empty: bool) -> None:
        """An entry of the history."""
        entry: History = {"created": created, "created_by": text, "comment": "crunpy"}
        if empty:
            entry["empty_layer"] = True
        if self.about.get("author"):
            entry["author"] = self.about["author"]
        self.history.append(entry)
        self.created = created

    def document(self) -> bytes:
        """The image config."""
        config = {key: value for key, value in self.config.items() if value not in (None, {}, [])}
        rootfs = {"type": "layers", "diff_ids": self.diff_ids}
        whole = {"created": self.created, **self.about, "config": config, "rootfs": rootfs}
        return jsonfile.dumps({**whole, "history": self.history}).encode()

    def save(self, names: list[str]) -> Image:
        """Put it into the store under `names`."""
        return made.put(
            self._paths, self.document(), self.layers, names,
            form=self.form, annotations=self.annotations, built=True,
        )  # fmt: skip


def resolved(workdir: str, path: str) -> str:
    """`path` as WORKDIR makes it absolute."""
    return os.path.normpath(os.path.join("/", workdir, path)).replace("//", "/")
