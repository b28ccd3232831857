"""The volumes of a manifest's pods: their files, and the group that they belong to (fsGroup)."""

from __future__ import annotations

import os

from crun_py import tree, volumes
from crun_py.errors import CrunpyError
from crun_py.model.container import Bind, VolumeMount
from crun_py.ns.idmap import Ids
from crun_py.paths import private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crun_py.documents.container import Record
    from crun_py.model.container import Mount
    from crun_py.model.kube import KubeGroup, KubePod
    from crun_py.paths import Paths


class Group:
    """Gives volumes to the group, each once, when a container that mounts it has been made.

    directory: where the pod's own volumes are.
    """

    def __init__(self, paths: Paths, group: KubeGroup | None, directory: str) -> None:
        self._paths, self._group, self._directory = paths, group, directory
        self._given: set[str] = set()

    def _missing(self, mounts: Iterable[Mount]) -> Iterator[str]:
        for mount in mounts:
            if isinstance(mount, VolumeMount):
                path = volumes.data_directory(self._paths, mount.name)
            elif isinstance(mount, Bind) and os.path.dirname(mount.source) == self._directory:
                path = mount.source
            else:
                continue  # hostPath: the host's own
            if path not in self._given:
                yield path

    def give(self, record: Record, mounts: Iterable[Mount]) -> None:
        """Runs where the container of this record is made, whose ids count."""
        if not self._group:
            return
        ids = Ids.of(record)
        gid = ids.outside(0, self._group.gid)[1] if ids else self._group.gid
        for path in self._missing(mounts):
            try:
                tree.share_with_group(path, gid, unless_shared=self._group.on_mismatch)
            except OSError as e:
                raise CrunpyError.from_os(f"giving {path} to group {gid} (fsGroup)", e) from e

    def given(self, mounts: Iterable[Mount]) -> None:
        """It has been done."""
        self._given.update(self._missing(mounts))


def write(pod: KubePod, directory: str) -> None:
    """The files of the pod's own volumes."""
    if pod.volumes:
        private_dir(directory)
    for name in pod.volumes:
        os.mkdir(f"{directory}/{name}")
        os.chmod(f"{directory}/{name}", 0o777)
    filled = {file.volume for file in pod.files}
    for name in filled:
        os.chmod(f"{directory}/{name}", 0o755)
    for file in pod.files:
        path = f"{directory}/{file.volume}/{file.path}"
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(fd, 0o644)
            view = memoryview(file.data)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)
