"""RUN --mount: bind, cache, tmpfs, secret and ssh (Dockerfile reference, "RUN --mount").

bind    files of the context, a stage or an image; what is written is thrown away
cache   a directory that stays for the builds to come: ROOT/build/mounts/NAME
secret  a file on a tmpfs that only this RUN sees, or a variable
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py import jsonfile
from crun_py.build.cache import digest
from crun_py.build.draft import resolved
from crun_py.build.files import NOTHING, Tree
from crun_py.build.fingerprint import Fingerprint
from crun_py.build.request import at
from crun_py.build.transfer import Target, Transfer
from crun_py.errors import Conflict, CrunpyError, NotFound
from crun_py.model.container import Bind, Tmpfs
from crun_py.overlay import mount
from crun_py.paths import private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.agent import Agent
    from crun_py.build.draft import Draft
    from crun_py.build.mounts import Mount
    from crun_py.build.records import Run
    from crun_py.build.site import Site
    from crun_py.model.container import Mount as Asked

_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Mounted:
    """The mounts of a RUN in the stage `index`, there within a `with`.

    mounts, variables, labels: what the container is to be created with; labels: of SELinux.
    """

    def __init__(self, site: Site, step: Run, draft: Draft, index: int) -> None:
        self._site, self._step, self._draft, self._index = site, step, draft, index
        self.mounts: list[Asked] = []
        self.variables: dict[str, str | None] = {}
        self.labels: tuple[str, ...] = ()
        self._locks: list[jsonfile.Lock] = []
        self._agents: list[Agent] = []
        self._private = ""

    def __enter__(self) -> Mounted:
        try:
            for entry in self._step.mounts:
                self._make(entry)
        except OSError as e:
            self._close()
            raise CrunpyError.from_os(f"RUN --mount={entry.text}", e) from e
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        for lock in self._locks:
            lock.__exit__(None, None, None)
        for agent in self._agents:
            agent.stop()
        self._locks, self._agents = [], []

    def _make(self, entry: Mount) -> None:
        {"bind": self._bind, "cache": self._cache, "tmpfs": self._tmpfs, "secret": self._secret,
         "ssh": self._ssh}[entry.type](entry)  # fmt: skip

    def _target(self, entry: Mount) -> str:
        return resolved(self._draft.workdir, entry.target)

    def _add(self, source: str, target: str, *, read_only: bool) -> None:
        """Mount what is ours."""
        mount = Bind(source=source, target=target, read_only=read_only, relabel="shared")
        self.mounts.append(mount)

    def _of_others(self, mount: Bind) -> None:
        """Mount what is not: it keeps its SELinux label, which a confined process may not read."""
        self.mounts.append(mount)
        self.labels = ("disable",)

    def _bind(self, entry: Mount) -> None:
        source = _source(self._site, entry, self._step, self._index)
        where = self._site.show(*source)
        target = self._target(entry)
        if entry.read_only:
            self._of_others(Bind(source=where, target=target, read_only=True))
        elif not os.path.isdir(where):  # written into a copy, which is thrown away
            copy = self._own_memory() + "/" + digest(entry.text)
            with open(where, "rb") as file:
                _write(copy, file.read(), os.stat(where).st_mode & 0o777, 0, 0)
            self._add(copy, target, read_only=False)
        else:
            self._of_others(Bind(source=where, target=target, overlay=True))

    def _cache(self, entry: Mount) -> None:
        directory, is_new = self._cache_directory(entry)
        if is_new:
            mode = entry.mode if entry.mode is not None else 0o755
            if entry.from_:
                tree, _ = self._site.tree(entry.from_, self._index)
                root = os.open(directory, _ROOT)
                try:
                    copied = Transfer(tree, Target(root, None, None))
                    copied.copy(_within(entry.source), "/", into=True)
                finally:
                    os.close(root)
            os.chmod(directory, mode)
            os.chown(directory, entry.uid, entry.gid)
        self._add(directory, self._target(entry), read_only=entry.read_only)

    def _cache_directory(self, entry: Mount) -> tuple[str, bool]:
        """(a directory for the cache, whether it was made just now); held as `sharing` says."""
        top = private_dir(self._site.paths.root + "/build/mounts")
        name = digest(entry.id, entry.from_, entry.source)[:32]
        number = 0
        while True:
            path = f"{top}/{name}-{number}" if number else f"{top}/{name}"
            lock = jsonfile.Lock(
                path + ".lock", shared=entry.sharing == "shared",
                timeout_s=0 if entry.sharing == "private" else None,
            )  # fmt: skip
            try:
                lock.__enter__()
                break
            except Conflict:
                number += 1
        self._locks.append(lock)
        about = jsonfile.dumps({"schema": 1, "id": entry.id}).encode()
        self._site.workspace.write(path + ".json", about)
        try:
            os.mkdir(path, 0o755)
            return path, True
        except FileExistsError:
            return path, False

    def _tmpfs(self, entry: Mount) -> None:
        size = (f"size={entry.size_bytes}",) if entry.size_bytes else ()
        self.mounts.append(Tmpfs(target=self._target(entry), options=size))

    def _own_memory(self) -> str:
        """A directory in memory, which nobody else sees."""
        if not self._private:
            self._private = self._site.workspace.directory("memory")
            mount.memory(self._private)
            self._site.held(self._private)
        return self._private

    def _secret(self, entry: Mount) -> None:
        found = next((s for s in self._site.request.secrets if s.id == entry.id), None)
        if found is None:
            if not entry.required:
                return
            raise NotFound(
                f"RUN --mount={entry.text}: secret {entry.id} was not given",
                hint=f"crunpy build --secret id={entry.id},src=FILE",
            )
        if entry.env:
            text = found.content.decode("utf-8", "surrogateescape")
            self.variables[entry.env] = text
        if entry.target:
            path = f"{self._own_memory()}/{digest(entry.id, entry.target)}"
            mode = entry.mode if entry.mode is not None else 0o400
            _write(path, found.content, mode, entry.uid, entry.gid)
            self._add(path, self._target(entry), read_only=True)

    def _ssh(self, entry: Mount) -> None:
        asked = next((ssh for ssh in self._site.request.agents if ssh.id == entry.id), None)
        if asked is None:
            if not entry.required:
                return
            raise NotFound(
                f"RUN --mount={entry.text}: no ssh agent {entry.id} was given",
                hint=f"crunpy build --ssh {entry.id}",
            )
        target = resolved("/", entry.target or f"/run/buildkit/ssh_agent.{len(self._step.mounts)}")
        from crun_py.build.agent import Agent

        agent = Agent(asked, self._site.workspace.directory("ssh"), self._site.environment)
        self._agents.append(agent)
        mode = entry.mode if entry.mode is not None else 0o600
        socket = agent.start(mode=mode, uid=entry.uid, gid=entry.gid)
        self._of_others(Bind(source=socket, target=target))
        self.variables["SSH_AUTH_SOCK"] = target

    def program(self, script: str, name: str) -> str:
        """The path in the container of a file with the here-document `script`, to be executed."""
        path = self._own_memory() + "/program"
        _write(path, script.encode("utf-8", "surrogateescape"), 0o755, 0, 0)
        target = f"/dev/pipes/{name}"
        self._add(path, target, read_only=True)
        return target


def _write(path: str, data: bytes, mode: int, uid: int, gid: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
        os.fchown(fd, uid, gid)
        os.fchmod(fd, mode)


def _within(source: str) -> str:
    return resolved("/", source).strip("/")


def _source(site: Site, entry: Mount, step: Run, index: int) -> tuple[Tree, str]:
    """The tree and the path in it that a bind mount shows.  Of a context with an ignore file it
    is a copy without what that hides."""
    tree, _ = site.tree(entry.from_, index)
    path = _within(entry.source)
    try:
        fd = tree.open(path)
    except OSError as e:
        if e.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        what = f"RUN --mount={entry.text}: {entry.source}: not in {tree.title}"
        raise at(step.source, step.line, what) from None
    try:
        is_directory = stat.S_ISDIR(os.fstat(fd).st_mode)
    finally:
        os.close(fd)
    if not tree.ignore or not is_directory:
        return tree, path
    root = os.open(site.workspace.directory("seen"), _ROOT)
    try:
        Transfer(tree, Target(root, (0, 0), None)).copy(path, "/", into=True)
    except BaseException:
        os.close(root)
        raise
    return Tree(root, tree.title), ""


def fingerprints(site: Site, step: Run, index: int) -> list[str]:
    """What the files are that bind mounts show: a part of the step's key."""
    found = []
    for entry in step.mounts:
        if entry.type == "bind":
            tree, owners = site.tree(entry.from_, index)
            whole = Fingerprint(tree, site.known, owners=owners, exclude=NOTHING)
            whole.add(_within(entry.source))
            found.append(whole.hexdigest())
    return found
