"""Volumes that are file systems of their own: `volume create -o type=nfs|tmpfs|ext4|…`.

As root such a file system is mounted on the volume's directory, for all containers that have the
volume, when the first of them starts, and unmounted when the last of them has ended; mount(8)
does it, which knows helpers (nfs), loop devices and labels.  (A plain user's tmpfs and overlay are
made in each container: filesystems.)  `volume mount` keeps it mounted: VOLUME/kept says so.
"""

from __future__ import annotations

import contextlib
import os

from crun_py import jsonfile, volumes
from crun_py.container.uses import VolumeUsers
from crun_py.errors import CrunpyError
from crun_py.overlay import mount
from crun_py.paths import Paths, in_user_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.state import Container

_TIMEOUT_S = 60
_OWN_WORDS = ("rw",)
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
"""Nothing of the caller's reaches a program that root runs."""


def show(container: Container) -> None:
    """Mount those that the container has, under its lock.  Raises CrunpyError."""
    for name in _names(container):
        with _lock(container.paths, name):
            _mount(container.paths, name)


def hide(container: Container) -> None:
    """Unmount those that no running container has but this one, which has ended."""
    for name in _names(container):
        with _lock(container.paths, name):
            _unmount_unused(container.paths, name, but=container.id)


def keep(paths: Paths, name: str) -> None:
    """Mount a volume until `release`, whether a container runs or not; nothing for one whose
    directory is its own."""
    if _is_mounted_kind(paths, name):
        with _lock(paths, name):
            _mount(paths, name)
            with open(_kept(paths, name), "wb"):
                pass


def release(paths: Paths, name: str) -> None:
    """Undo `keep`; it stays mounted as long as a running container has it."""
    if _is_mounted_kind(paths, name):
        with _lock(paths, name):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_kept(paths, name))
            _unmount_unused(paths, name)


@contextlib.contextmanager
def shown(paths: Paths, name: str) -> Iterator[None]:
    """Mounted inside a `with`."""
    if not _is_mounted_kind(paths, name):
        yield
        return
    with _lock(paths, name):
        _mount(paths, name)
        try:
            yield
        finally:
            _unmount_unused(paths, name)


def _names(container: Container) -> list[str]:
    return sorted({entry["name"] for entry in container.record["mounts"] if entry.get("mounted")})


def _is_mounted_kind(paths: Paths, name: str) -> bool:
    options = volumes.options_of(paths, name)
    return not in_user_namespace() and bool(volumes.mounted_type(options))


def _lock(paths: Paths, name: str) -> jsonfile.Lock:
    return jsonfile.Lock(f"{paths.volumes}/{name}/lock")


def _kept(paths: Paths, name: str) -> str:
    return f"{paths.volumes}/{name}/kept"


def _mount(paths: Paths, name: str) -> None:
    where = volumes.data_directory(paths, name)
    if os.path.ismount(where):
        return
    import subprocess

    options = volumes.options_of(paths, name)
    words = [word for word in options.get("o", "").split(",") if word not in ("", *_OWN_WORDS)]
    kind = volumes.mounted_type(options)
    command = ["mount", "-t", kind, *(["-o", ",".join(words)] if words else [])]
    command += ["--", options.get("device") or kind, where]
    doing = f"mounting volume {name} ({kind})"
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False,
            env=_ENVIRONMENT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CrunpyError(f"{doing}: mount(8) did not answer in {_TIMEOUT_S} s") from None
    except OSError as e:
        raise CrunpyError.from_os(f"{doing}: mount(8)", e) from e
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").split("\n")[0]
        raise CrunpyError(f"{doing}: {said.removeprefix('mount: ') or 'mount(8) failed'}")


def _unmount_unused(paths: Paths, name: str, but: str = "") -> None:
    where = volumes.data_directory(paths, name)
    if not os.path.ismount(where) or os.path.exists(_kept(paths, name)):
        return
    others = VolumeUsers(paths).containers(name)
    if not any(other.id != but and other.status().alive for other in others):
        mount.unmount(where)
