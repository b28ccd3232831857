"""The users and groups that a container knows: passwd(5) and group(5) as its programs see them."""

from __future__ import annotations

import os

from crun_py.overlay.view import LayeredView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.state import Container

_MAX_BYTES = 1 << 20


class _View(LayeredView):
    """The container's files; those that the engine mounts over the root's come first."""

    def __init__(self, layers: list[str], directory: str) -> None:
        super().__init__(layers)
        self._directory = directory

    def read(self, path: str) -> bytes | None:
        file = f"{self._directory}/{path.removeprefix('/etc/')}"
        if path not in ("/etc/passwd", "/etc/group") or not os.path.exists(file):
            return super().read(path)
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return os.read(fd, _MAX_BYTES)
        finally:
            os.close(fd)


def view(container: Container) -> LayeredView:
    """For `ns/users.resolve`: the container's own files, written layer and mounts included."""
    layers = [f"{container.paths.root}/{name}" for name in container.record["layers"]]
    if own := container.own_root:
        return _View([own], container.directory)
    return _View([container.directory + "/upper", *layers[::-1]], container.directory)
