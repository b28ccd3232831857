"""What the steps of one process of a build share: where files come from, and where it works.

All that is mounted is seen by this build alone, whose mount namespace is its own.
"""

from __future__ import annotations

import os

from crun_py._native import check, lib
from crun_py.build.files import Tree
from crun_py.build.fingerprint import Known
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.overlay import mount
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.build.cache import Cache
    from crun_py.build.draft import Draft
    from crun_py.build.records import Run
    from crun_py.build.remote import Remote
    from crun_py.build.request import BuildEvent, BuildRequest, Obtain
    from crun_py.build.run_mounts import Mounted
    from crun_py.build.stages import Stage, Stages
    from crun_py.oci.store.image import Image
    from crun_py.paths import Paths
    from crun_py.workspace import Workspace

_IMAGE = "docker-image://"
_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Site:
    """context: the files of the build context.  contexts: those of --build-context by name, a
    directory or IMAGE behind `docker-image://`.  drafts: of the stages that are built, by
    index; arguments: their build arguments.  obtain: gives an image by name and platform.
    environment: of programs like git.  remote: steps of other machines."""

    def __init__(
        self,
        paths: Paths,
        request: BuildRequest,
        stages: Stages,
        workspace: Workspace,
        context: Tree,
        cache: Cache,
        *,
        obtain: Obtain,
        tell: Callable[[BuildEvent], object],
        contexts: dict[str, str],
        environment: dict[str, str],
        remote: Remote | None,
        rootless: bool,
    ) -> None:
        self.paths, self.request, self.stages = paths, request, stages
        self.workspace, self.context, self.cache = workspace, context, cache
        self.obtain, self._tell, self.rootless = obtain, tell, rootless
        self.environment, self.remote = environment, remote
        self.drafts: dict[int, Draft] = {}
        self.arguments: dict[int, dict[str, str]] = {}
        self._bases: dict[tuple[str, str], Image] = {}
        self.known = Known(paths.root + "/build/content.json", workspace)
        self._contexts = contexts
        self._trees: dict[str, Tree] = {}
        self._mounted: list[str] = []

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        for tree in self._trees.values():
            os.close(tree.root)
        for where in reversed(self._mounted):
            mount.unmount(where)
        self._trees, self._mounted = {}, []

    def tell(
        self, step: BuildEvent, kind: str, text: str = "", *, stream: int = 0, data: bytes = b""
    ) -> None:
        """Tell that something of `step` happened."""
        self._tell(replaced(step, kind=kind, text=text or step.text, stream=stream, data=data))

    def mounts(self, step: Run, draft: Draft, index: int) -> Mounted:
        """What is mounted for a RUN of the stage `index`, to be used in a `with`."""
        from crun_py.build.run_mounts import Mounted

        return Mounted(self, step, draft, index)

    def held(self, where: str) -> None:
        """Something is mounted on `where`, until the end."""
        self._mounted.append(where)

    def pass_on(self, event: BuildEvent) -> None:
        """Tell what another process told."""
        self._tell(event)

    def apart(self, tell: Callable[[BuildEvent], object]) -> None:
        """From here on this is another process, with mounts of its own, which go with it."""
        mount.own_namespace()
        self._trees, self._mounted, self._tell = {}, [], tell
        # what was opened in the namespace that we left cannot be mounted in ours
        old = self.context.root
        root = os.open(
            os.readlink(f"/proc/self/fd/{old}"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        )
        if not os.path.samestat(os.fstat(root), os.fstat(old)):
            raise CrunpyError("opening the build context: it was replaced")
        self.context = Tree(root, self.context.title, self.context.ignore)

    def base(self, stage: Stage) -> Image:
        """The image that a stage begins with.  Raises CrunpyError."""
        name = stage.base.image
        platform = stage.base.platform or self.request.platform
        if stage.index == 0 and self.request.base:
            name = self.request.base
        elif name.lower() in self._contexts:
            name = self._image_of(name.lower())
        if (name, platform) not in self._bases:
            self._bases[name, platform] = self.obtain(name, platform)
        return self._bases[name, platform]

    def _image_of(self, key: str) -> str:
        """The image that a --build-context is.  Raises InvalidArgument for a directory."""
        where = self._contexts[key]
        if not where.startswith(_IMAGE):
            raise InvalidArgument(
                f"build context {key}: {where} is a directory, and no image",
                hint=f"--build-context {key}={_IMAGE}IMAGE",
            )
        return where.removeprefix(_IMAGE)

    # ---- where files come from ----

    def tree(self, name: str, stage: int) -> tuple[Tree, bool]:
        """The files that `--from=name` means in the stage with index `stage`, "" for the build
        context; and whether they keep their owners.  Raises CrunpyError."""
        if not name:
            return self.context, False
        key = name.lower()
        if key in self._contexts:
            where = self._contexts[key]
            if where.startswith(_IMAGE):
                return self._of_image(where.removeprefix(_IMAGE)), True
            return self._of_directory(key, where), False
        index = self.stages.find(name, stage)
        if index is None:
            if any(later.name == key for later in self.stages.all):
                raise InvalidArgument(f"stage {name} comes later", hint="move it up")
            return self._of_image(name), True
        title = f"stage {self.stages.all[index].title}"
        return self._shown(f"stage {index}", self.drafts[index].trees, title), True

    def _of_image(self, name: str) -> Tree:
        if name not in self._trees:
            image = self.obtain(name, self.request.platform)
            return self._shown(name, image.layers, f"image {name}")
        return self._trees[name]

    def _of_directory(self, key: str, where: str) -> Tree:
        if f"context {key}" not in self._trees:
            from crun_py.build import context

            self._trees[f"context {key}"] = context.named(
                where, work=self.workspace.directory("named"), environment=self.environment,
                title=f"build context {key}",
            )  # fmt: skip
        return self._trees[f"context {key}"]

    def _shown(self, key: str, trees: list[str], title: str) -> Tree:
        """The layers `trees`, base first, merged."""
        if key not in self._trees:
            where = self.workspace.directory("from")
            if trees:
                mount.layers(trees[::-1], where)
                self.held(where)
            self._trees[key] = Tree(os.open(where, _ROOT), title)
        return self._trees[key]

    def show(self, tree: Tree, path: str) -> str:
        """A name in the workspace under which `path` of the tree is seen.  Raises OSError."""
        source = tree.open(path)
        try:
            return self.bind(source)
        finally:
            os.close(source)

    def bind(self, source: int) -> str:
        """The same for what is open as `source`."""
        import stat

        where = self.workspace.directory("bind")
        if not stat.S_ISDIR(os.fstat(source).st_mode):
            where += "/file"
            os.close(os.open(where, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        detached = check(
            lib.crunpy_clone_tree(-1, os.fsencode(f"/proc/self/fd/{source}"), 1), "open_tree"
        )
        try:
            check(lib.crunpy_attach(detached, os.fsencode(where)), where)
        finally:
            os.close(detached)
        self.held(where)
        return where
