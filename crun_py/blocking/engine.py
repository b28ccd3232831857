# Written by tools/blocking.py from crun_py/aio: change it there.

"""The engine as a Python program sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from crun_py.blocking.containers import Containers
from crun_py.blocking.images import Images
from crun_py.blocking.kube import Kube
from crun_py.blocking.manifests import Manifests
from crun_py.blocking.networks import Networks
from crun_py.blocking.pods import Pods
from crun_py.blocking.secrets import Secrets
from crun_py.blocking.volumes import Volumes
from crun_py.library import options, values
from crun_py.library.create_options import Filters, Pathname
from crun_py.library.values import every, expect
from crun_py.model.event import Event
from crun_py.model.registry import RegistryAccess
from crun_py.model.system import (
    DiskUsage,
    EngineInfo,
    EngineVersion,
    Fault,
    Finding,
    SystemPruned,
)
from crun_py.worker.channel import Worker


class Engine:
    """A store of containers, pods, images, networks and volumes, and what can be done with it.

    What it does happens in a process of its own, which is started when it is first needed and ends
    with this object, with `close` and with the caller's process.
    """

    def __init__(
        self,
        *,
        root: Pathname | None = None,
        runroot: Pathname | None = None,
        on_warning: Callable[[str], object] = values.warn,
    ) -> None:
        """root, runroot: where it is, as of the command's options; None: the user's own store.

        on_warning: is given each warning, one line; by default it becomes a CrunpyWarning.
        """
        self._worker = Worker(
            None if root is None else options.absolute(root),
            None if runroot is None else options.absolute(runroot),
            preload=values.PRELOAD,
            on_warning=on_warning,
        )
        self.containers = Containers(self._worker)
        self.images = Images(self._worker)
        self.kube = Kube(self._worker)
        self.manifests = Manifests(self._worker)
        self.networks = Networks(self._worker)
        self.pods = Pods(self._worker)
        self.secrets = Secrets(self._worker)
        self.volumes = Volumes(self._worker)

    def info(self) -> EngineInfo:
        """The store and its host."""
        return expect(EngineInfo, self._worker.call("system.about"))

    def version(self) -> EngineVersion:
        """The version of the engine and what it runs on."""
        return expect(EngineVersion, self._worker.call("system.about_version"))

    def check(self, *, repair: bool = False, quick: bool = False) -> list[Fault]:
        """What is wrong with the store, and whether it is mended now.

        repair: mend what can be mended; containers and volumes stay.  quick: contents are not
        compared with their digests."""
        found = self._worker.call("checking.check", repair=repair, quick=quick)
        return every(Fault, found)

    def doctor(self, *, online: bool = False) -> list[Finding]:
        """What works on this host, what does not, and the commands that mend it.

        online: ask registries and mirrors too, at most some seconds each."""
        return every(Finding, self._worker.call("doctor.doctor", online=online))

    def reset(self) -> None:
        """Remove everything in the store: containers, also those that run, images, networks,
        volumes, secrets, what builds keep.  Nobody else may be at work with it."""
        self._worker.call("reset.reset")

    def events(
        self,
        *,
        since: float | str | None = None,
        until: float | str | None = None,
        follow: bool = True,
        filters: Filters = (),
    ) -> Iterator[Event]:
        """What happens, and with `since` what has happened, oldest first.

        since, until: seconds since 1970, RFC 3339, or a span ago like 5m.  follow: wait for what
        comes, up to `until`.  filters: KEY=VALUE as of `events --filter`.
        """
        with self._worker.stream(
            "system.events", since_ns=options.point_ns(since), until_ns=options.point_ns(until),
            follow=follow, filters=options.filters(filters),
        ) as found:  # fmt: skip
            for item in found:
                yield expect(Event, item)

    def disk_usage(self) -> DiskUsage:
        """What the store takes."""
        return expect(DiskUsage, self._worker.call("system.disk_usage"))

    def prune(
        self,
        filters: Filters = (),
        *,
        all: bool = False,
        volumes: bool = False,
        dry_run: bool = False,
    ) -> SystemPruned:
        """Remove what is not used: containers that do not run, dangling images (or all without a
        container), what builds keep; anonymous volumes too.

        dry_run: nothing is removed, the answer is what would be.
        """
        done = self._worker.call(
            "system.prune", options.filters(filters), everything=all, volumes=volumes,
            dry_run=dry_run,
        )  # fmt: skip
        return expect(SystemPruned, done)

    def login(
        self,
        registry: str,
        username: str,
        password: str,
        *,
        access: RegistryAccess | None = None,
    ) -> None:
        """Try credentials at a registry and keep them where podman does.  Raises RegistryError."""
        self._worker.call("registries.login", registry, username, password, reach=access)

    def logout(self, registry: str, *, access: RegistryAccess | None = None) -> bool:
        """Forget the credentials for a registry; whether there were any."""
        authfile = access.authfile or None if access else None
        done = self._worker.call("registries.logout", registry, authfile=authfile)
        return expect(bool, done)

    def close(self) -> None:
        """End the process that works for it, and what that still does.  Containers go on."""
        self._worker.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
