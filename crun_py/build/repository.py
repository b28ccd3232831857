"""What is a git URL, and what it means (docs.docker.com, "Build context", "Git repositories";
BuildKit, dfgitutil).  Pure.

No word of a URL may be one that git or ssh would take for an option.
"""

from __future__ import annotations

from crun_py.build.nearest import hint
from crun_py.errors import InvalidArgument
from crun_py.record import record

_SCHEMES = ("https", "http", "ssh", "git", "file")
_QUERIES = ("ref", "branch", "tag", "commit", "checksum", "subdir", "submodules", "keep-git-dir")
_HEX = frozenset("0123456789abcdef")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@record
class Remote:
    """url: what git is given.  ref: branch, tag, commit or a name below refs/, "" for HEAD.
    directory: the subdirectory that is meant, "" for all.  checksum: the commit that it must
    be, or the beginning of its name."""

    url: str
    ref: str = ""
    directory: str = ""
    checksum: str = ""
    submodules: bool = True
    keep_git_dir: bool = False

    @property
    def shown(self) -> str:
        """The URL for messages."""
        return shown(self.url)


def shown(url: str) -> str:
    """`url` without a password or token that it may hold."""
    scheme, sep, rest = url.partition("://")
    if not sep:
        return url
    host, slash, path = rest.partition("/")
    user, at, host_name = host.rpartition("@")
    if not at:
        return url
    who = "" if scheme.startswith("http") else user.partition(":")[0] + "@"
    return f"{scheme}://{who}{host_name}{slash}{path}"


def parse(text: str) -> Remote | None:
    """The repository that `text` means; None when it is no git URL.

    An http URL is one if its path ends in .git.  Raises InvalidArgument.
    """
    base, _, fragment = text.partition("#")
    if text.startswith("github.com/") and base.count("/") >= 2:
        base = "https://" + base
    elif not base.startswith(tuple(f"{scheme}://" for scheme in _SCHEMES)):
        return _checked(Remote(url=base), fragment, "") if _is_scp(base) else None
    url, _, query = base.partition("?")
    if base.startswith("http") and not url.endswith(".git") and not text.startswith("github.com/"):
        return None
    return _checked(Remote(url=url), fragment, query)


def for_add(text: str, *, keep_git_dir: bool = False, checksum: str = "") -> Remote | None:
    """The repository that a source of ADD means, with what its flags say; None when it is none.

    Raises InvalidArgument, also for one of this host's files.
    """
    remote = parse(text)
    if remote is None:
        return None
    if remote.url.startswith("file:"):
        raise InvalidArgument(
            f"repository {remote.shown}: a Dockerfile reaches no files of this host",
            hint="--build-context NAME=DIRECTORY, and COPY --from=NAME",
        )
    check_commit(checksum)
    if checksum and remote.checksum and checksum != remote.checksum:
        raise InvalidArgument(f"repository {remote.shown}: two checksums, which differ")
    return Remote(
        url=remote.url,
        ref=remote.ref,
        directory=remote.directory,
        checksum=checksum or remote.checksum,
        submodules=remote.submodules,
        keep_git_dir=keep_git_dir or remote.keep_git_dir,
    )


def _is_scp(text: str) -> bool:
    """USER@HOST:PATH, as ssh has it."""
    user, at, rest = text.partition("@")
    host, colon, path = rest.partition(":")
    return bool(at and colon and path and user and host and not set(user + host) - _NAME)


def _checked(remote: Remote, fragment: str, query: str) -> Remote:
    given = _queries(query, remote.shown) if query else {}
    ref, _, directory = fragment.partition(":")
    names = [given.get("ref", ""), ref]
    names += [f"refs/{kind}/{given[key]}" for key, kind in (("branch", "heads"), ("tag", "tags"))
              if given.get(key)]  # fmt: skip
    named = [name for name in names if name]
    if len(named) > 1:
        raise InvalidArgument(f"repository {remote.shown}: more than one ref is named")
    checksum = given.get("checksum") or given.get("commit") or ""
    made = Remote(
        url=remote.url,
        ref=named[0] if named else checksum,
        directory=_directory(given.get("subdir") or directory, remote.shown),
        checksum=checksum,
        submodules=_switch(given, "submodules", True, remote.shown),
        keep_git_dir=_switch(given, "keep-git-dir", False, remote.shown),
    )
    _check_url(made)
    _check_ref(made)
    check_commit(made.checksum)
    return made


def _queries(query: str, where: str) -> dict[str, str]:
    from urllib.parse import unquote

    given = {}
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key not in _QUERIES:
            near = hint(key, _QUERIES) or "known: " + ", ".join(_QUERIES)
            raise InvalidArgument(f"repository {where}: query {key} is not known", hint=near)
        given[key] = unquote(value)
    return given


def _switch(given: dict[str, str], key: str, otherwise: bool, where: str) -> bool:
    value = given.get(key)
    if value is None:
        return otherwise
    if value.lower() not in ("", "1", "0", "true", "false"):
        raise InvalidArgument(f"repository {where}: {key}={value} is neither true nor false")
    return value.lower() in ("", "1", "true")


def _directory(path: str, where: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in path:
        raise InvalidArgument(f"repository {where}: directory {path} is outside of it")
    return "/".join(parts)


def _check_url(remote: Remote) -> None:
    scheme, sep, rest = remote.url.partition("://")
    host = rest.partition("/")[0] if sep else remote.url.partition(":")[0]
    user, _, name = host.rpartition("@")
    if any(ord(c) <= 32 or ord(c) == 127 for c in remote.url):
        raise InvalidArgument(f"repository {remote.shown}: a URL has no spaces")
    if user.startswith("-") or name.startswith("-") or (not name and scheme != "file"):
        raise InvalidArgument(f"repository {remote.shown}: this is not the name of a host")
    path = rest.partition("/")[2] if sep else remote.url.partition(":")[2]
    if path.startswith("-"):
        raise InvalidArgument(f"repository {remote.shown}: a path that begins with -")


def _check_ref(remote: Remote) -> None:
    """git-check-ref-format(1); and nothing that is an option or names a place to write to."""
    ref = remote.ref
    bad = any(ord(c) <= 32 or ord(c) == 127 or c in '~^:?*[\\"' for c in ref)
    if bad or ref.startswith(("-", "+", "/")) or ref.endswith(("/", ".lock", ".")) or (
        ".." in ref or "@{" in ref or "//" in ref
    ):  # fmt: skip
        raise InvalidArgument(
            f"repository {remote.shown}: {ref!r} is not the name of a branch, tag or commit",
            hint="URL#REF:DIRECTORY",
        )


def check_commit(checksum: str) -> None:
    """Raises InvalidArgument unless `checksum` begins the name of a commit, or is ""."""
    if checksum and (not 7 <= len(checksum) <= 64 or set(checksum) - _HEX):
        raise InvalidArgument(
            f"checksum {checksum}: not the name of a commit", hint="40 hexadecimal digits"
        )
