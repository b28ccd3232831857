"""Git repositories, fetched as build contexts and as sources of ADD; by git, where it is
installed.

Who wrote the repository must not get to run anything here: no hooks, no other protocols than
those of a network, nobody to ask for a password.
"""

from __future__ import annotations

import os
import select
import signal

from crun_py._native import lib
from crun_py.errors import CrunpyError, NotFound, TimedOut, Unsupported
from crun_py.tree import DIRECTORY, remove_tree_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from subprocess import Popen

    from crun_py.build.repository import Remote

_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_", "GIT_CONFIG_GLOBAL",
         "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_PROXY_", "GIT_EXEC_PATH")  # fmt: skip
"""What git is told by our environment; the rest, GIT_DIR say, is of another repository."""
_SETTINGS = {
    "core.hooksPath": "/dev/null", "core.fsmonitor": "false", "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false", "gc.auto": "0", "advice.detachedHead": "false",
    "init.defaultBranch": "main", "http.lowSpeedLimit": "100", "http.lowSpeedTime": "60",
    "core.symlinks": "true", "core.autocrlf": "false",
}  # fmt: skip


_KEPT_BYTES = 1 << 20
"""Of what git says: the end, in which the cause is."""
_SILENT_S = 120
"""How long git may say nothing of what comes."""
_HEX = "0123456789abcdef"
_NO_QUESTIONS = {"SSH_ASKPASS_REQUIRE": "never", "GCM_INTERACTIVE": "never"}
_NETWORK = "https:http:git:ssh"
_NOTHING_OF_USER = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_SSH_COMMAND": "ssh -F none -oIdentityFile=none -oBatchMode=yes",
}


def fetch(
    remote: Remote, work: str, environment: Mapping[str, str], *, by_user: bool = True
) -> tuple[int, str]:
    """(descriptor of the directory that is meant, name of the commit); all is below `work`.

    by_user: the user named it; else a Dockerfile did, and nothing of the user's is used: no
    passwords, no keys, but the agent that SSH_AUTH_SOCK of `environment` names.  Raises
    NotFound for a ref or directory, Unsupported without git, TimedOut, CrunpyError.
    """
    place = f"{work}/git-{os.urandom(6).hex()}"
    try:
        os.mkdir(place)
        os.chmod(place, 0o755)  # whatever the umask is
    except OSError as e:
        raise CrunpyError.from_os(f"creating directory {place}", e) from e
    commit = _Repository(remote, place, environment, by_user=by_user).fetch()
    top = os.open(place, DIRECTORY)
    try:
        if not remote.keep_git_dir:
            remove_tree_at(top, ".git")
            if remote.submodules and os.path.lexists(place + "/.gitmodules"):
                _forget_submodules(top)
        return _meant(top, remote), commit
    except OSError as e:
        raise CrunpyError.from_os(f"fetching {remote.shown}: in {place}", e) from e
    finally:
        os.close(top)


def _meant(top: int, remote: Remote) -> int:
    """The directory that is meant of the one open as `top`."""
    path = os.fsencode(remote.directory or ".")
    found = lib.crunpy_open_in_root(top, path, os.O_RDONLY | os.O_DIRECTORY)
    if found < 0:
        cause = OSError(-found, os.strerror(-found))
        name = remote.directory
        raise NotFound(f"fetching {remote.shown}: directory {name} is not in it") from cause
    return int(found)


def _forget_submodules(top: int) -> None:
    """Remove the files that say where the repository of a submodule was."""
    for _, directories, files, fd in os.fwalk(".", dir_fd=top, follow_symlinks=False):
        if ".git" in files:
            os.unlink(".git", dir_fd=fd)
        if ".git" in directories:
            directories.remove(".git")
            remove_tree_at(fd, ".git")


class _Repository:
    """A working tree of `remote` in the empty directory `place`."""

    def __init__(
        self, remote: Remote, place: str, environment: Mapping[str, str], *, by_user: bool
    ) -> None:
        self._remote, self._place = remote, place
        kept = {
            key: value
            for key, value in environment.items()
            if key != "SSH_ASKPASS" and (not key.startswith("GIT_") or key.startswith(_KEPT))
        }
        self._environment = {
            **kept,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "LC_ALL": "C",
            **_NO_QUESTIONS,
        }
        self._settings = dict(_SETTINGS)
        if not by_user:
            self._environment |= {"HOME": place, "XDG_CONFIG_HOME": place, **_NOTHING_OF_USER}
            self._settings["credential.helper"] = ""
        self._protocols = _NETWORK

    def fetch(self) -> str:
        """Fetch what is meant, check it out; returns the commit."""
        remote = self._remote
        url = remote.url
        self._git("init", "-q", "--template=")
        # submodules may be named relative to it; a token must not stay in what is kept
        self._git("config", "remote.origin.url", remote.shown if remote.keep_git_dir else url)
        if not self._fetch("--depth=1", remote.ref or "HEAD", must=not self._may_be_commit()):
            self._fetch("--tags", "+refs/*:refs/remotes/origin/*", must=True)
            # not a branch here: the commit that was asked for, by its name or its beginning
            found = self._git("rev-parse", "-q", "--verify", f"{remote.ref}^{{commit}}", must=False)
            if found is None:
                raise NotFound(f"fetching {remote.shown}: commit {remote.ref} is not in it")
            names, target = [found], found
        else:
            names = [self._name("FETCH_HEAD"), self._name("FETCH_HEAD^{commit}")]
            target = "FETCH_HEAD"
        self._verify(names)
        self._git("checkout", "-q", "--detach", "--force", target, "--")
        if remote.submodules and os.path.lexists(self._place + "/.gitmodules"):
            self._submodules()
        return names[-1]

    def _may_be_commit(self) -> bool:
        return 7 <= len(self._remote.ref) <= 64 and not self._remote.ref.strip(_HEX)

    def _fetch(self, how: str, ref: str, *, must: bool) -> bool:
        local = self._remote.url.startswith("file://")
        self._protocols = "file" if local else _NETWORK
        try:
            done = self._git("fetch", "--progress", how, "--no-recurse-submodules", "--force",
                             "--", self._remote.url, ref, must=must)  # fmt: skip
        finally:
            self._protocols = _NETWORK
        return done is not None

    def _submodules(self) -> None:
        words = ("submodule", "update", "--progress", "--init", "--recursive")
        if self._git(*words, "--depth=1", must=False) is None:
            self._git(*words)

    def _name(self, what: str) -> str:
        return self._git("rev-parse", "--verify", what) or ""

    def _verify(self, names: list[str]) -> None:
        wanted = self._remote.checksum
        if wanted and not any(name.startswith(wanted) for name in names):
            raise CrunpyError(
                f"fetching {self._remote.shown}: it is commit {names[-1]}, not {wanted}",
                hint="the branch or tag has moved, or the checksum is of another one",
            )

    def _git(self, *words: str, must: bool = True) -> str | None:
        """What git prints; None when it fails and need not succeed.

        Raises TimedOut when it was to tell of each piece that comes, and has not for _SILENT_S."""
        import subprocess

        settings = [
            word for key, value in self._settings.items() for word in ("-c", f"{key}={value}")
        ]
        doing = f"fetching {self._remote.shown}"
        try:
            process = subprocess.Popen(
                ["git", *settings, "-C", self._place, *words],
                env={**self._environment, "GIT_ALLOW_PROTOCOL": self._protocols},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # no terminal that ssh could ask on
                umask=0o022,
            )
        except FileNotFoundError as e:
            raise Unsupported(f"{doing}: git is not installed", hint="apt install git") from e
        except OSError as e:
            raise CrunpyError.from_os(f"{doing}: running git", e) from e
        with process:
            try:
                out, said = _outputs(process, _SILENT_S if "--progress" in words else None)
                code = process.wait()
            except BaseException as e:
                os.killpg(process.pid, signal.SIGKILL)  # what speaks to the server, too
                if isinstance(e, TimeoutError):
                    raise TimedOut(f"{doing}: nothing came for {_SILENT_S} s") from None
                raise
        if code == 0:
            return out.decode("utf-8", "replace").strip()
        if not must:
            return None
        raise self._failure(doing, said.decode("utf-8", "replace"))

    def _failure(self, doing: str, said: str) -> CrunpyError:
        lines = [line.strip() for line in said.splitlines() if line.strip()] or ["git failed"]
        marked = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))]
        cause = marked[0] if marked else lines[-1]  # before it: how far it had come
        cause = cause.removeprefix("fatal: ").removeprefix("error: ").rstrip(".")
        cause = cause.replace(self._remote.url, self._remote.shown)
        if "couldn't find remote ref" in cause:
            ref = self._remote.ref or "HEAD"
            return NotFound(f"{doing}: it has no branch, tag or commit {ref}")
        advice = ""
        if "terminal prompts disabled" in said or "Permission denied" in said:
            advice = "git needs credentials: a credential helper, or an ssh agent"
        return CrunpyError(f"{doing}: {cause[:1].lower()}{cause[1:]}", hint=advice)


def _outputs(process: Popen[bytes], silent_s: float | None) -> tuple[bytes, bytes]:
    """What a process writes to its standard output and error until it closes both.  Raises
    TimeoutError when nothing comes for `silent_s`."""
    assert process.stdout and process.stderr
    found = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    poll = select.poll()
    for fd in found:
        poll.register(fd, select.POLLIN)
    left = set(found)
    while left:
        ready = poll.poll(None if silent_s is None else silent_s * 1000)
        if not ready:
            raise TimeoutError
        for fd, _ in ready:
            if data := os.read(fd, 1 << 16):
                found[fd] = found[fd][-_KEPT_BYTES:] + data
            else:
                poll.unregister(fd)
                left.remove(fd)
    out, said = found.values()
    return out, said
