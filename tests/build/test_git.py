"""Git repositories: what a URL means, and what is fetched from hostile ones."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import free_port, wait_for

from crun_py.build import git
from crun_py.build.repository import Remote, for_add, parse, shown
from crun_py.errors import CrunpyError, InvalidArgument, NotFound, TimedOut, Unsupported

PATH = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
URL = "https://example.com/x.git"
PARSED = [
    (URL, Remote(url=URL)),
    (f"{URL}#main", Remote(url=URL, ref="main")),
    (f"{URL}#feature/x:sub/dir", Remote(url=URL, ref="feature/x", directory="sub/dir")),
    (f"{URL}#:sub/", Remote(url=URL, directory="sub")),
    (f"{URL}#pull/42/head", Remote(url=URL, ref="pull/42/head")),
    (f"{URL}?branch=b&subdir=d", Remote(url=URL, ref="refs/heads/b", directory="d")),
    (f"{URL}?tag=v1", Remote(url=URL, ref="refs/tags/v1")),
    (f"{URL}?ref=r&submodules=false&keep-git-dir=1",
     Remote(url=URL, ref="r", submodules=False, keep_git_dir=True)),
    (f"{URL}?tag=v1&checksum=abcdef1", Remote(url=URL, ref="refs/tags/v1", checksum="abcdef1")),
    (f"{URL}?commit=abcdef1", Remote(url=URL, ref="abcdef1", checksum="abcdef1")),
    ("https://u:p@example.com/x.git", Remote(url="https://u:p@example.com/x.git")),
    ("http://h:80/x.git", Remote(url="http://h:80/x.git")),
    ("git://h/x", Remote(url="git://h/x")),
    ("ssh://git@h:22/x#v1", Remote(url="ssh://git@h:22/x", ref="v1")),
    ("git@github.com:u/r.git#b:d",
     Remote(url="git@github.com:u/r.git", ref="b", directory="d")),
    ("github.com/u/r", Remote(url="https://github.com/u/r")),
    ("github.com/u/r#v1", Remote(url="https://github.com/u/r", ref="v1")),
    ("file:///x/y", Remote(url="file:///x/y")),
    ("https://example.com/x.tar.gz", None),
    ("https://example.com/x", None),
    ("https://example.com/x#y", None),
    ("./dir", None), ("dir", None), ("dir.git", None), ("/a@b:c", None), ("-", None), (".", None),
    ("ext::sh -c id", None), ("github.com", None), ("github.com/u", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PARSED)
def test_what_a_url_means(text: str, expected: Remote | None) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [f"{URL}#--upload-pack=id", f"{URL}#-x", f"{URL}#a:../b", f"{URL}#a..b", f"{URL}#+a",
     f"{URL}#a b", f"{URL}#a~1", f"{URL}#a^", f"{URL}#a*", f"{URL}#a\\b", f"{URL}#a@{{1}}",
     f"{URL}#a.lock", f"{URL}#/a", f"{URL}#a\n", f"{URL}?ref=a#b", f"{URL}?branch=a&tag=b",
     f"{URL}?x=1", f"{URL}?subdir=../..", f"{URL}?submodules=perhaps", f"{URL}?checksum=xyz",
     f"{URL}?ref=a%3Ab", f"{URL}?ref=--upload-pack%3Did",
     "ssh://-oProxyCommand=id/x", "ssh://-oProxyCommand=id@h/x", "ssh://x@-oProxyCommand=id/x",
     "git://-x/y", "https:///x.git", "-u@h:p", "u@-h:p", "u@h:-p", "ssh://h/-p",
     "https://h/a b.git"],
)  # fmt: skip
def test_what_is_refused_before_git_sees_it(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text)


@pytest.mark.parametrize(
    ("url", "without"),
    [("https://u:p@h/x", "https://h/x"), ("https://token@h/x", "https://h/x"),
     ("ssh://git:p@h/x", "ssh://git@h/x"), ("git@h:x", "git@h:x"), ("https://h/@x", "https://h/@x")],
)  # fmt: skip
def test_no_password_is_shown(url: str, without: str) -> None:
    assert shown(url) == without


# ---- fetching ----


def run(directory: Path, *words: str) -> str:
    env = {**PATH, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@b", "GIT_ALLOW_PROTOCOL": "file:git"}  # fmt: skip
    done = subprocess.run(["git", *words], cwd=directory, env=env, check=True,
                          capture_output=True, text=True)  # fmt: skip
    return done.stdout.strip()


def commit(directory: Path, **files: str) -> str:
    for name, content in files.items():
        path = directory / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    run(directory, "add", "-A")
    run(directory, "commit", "-qm", "x")
    return run(directory, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Branches main and other, the tag v1."""
    made = tmp_path / "repository"
    made.mkdir()
    run(made, "init", "-q", "-b", "main")
    commit(made, Dockerfile="FROM one\n", sub__f="1")
    run(made, "tag", "-a", "v1", "-m", "v1")
    run(made, "checkout", "-q", "-b", "other")
    commit(made, Dockerfile="FROM other\n")
    run(made, "checkout", "-q", "main")
    commit(made, Dockerfile="FROM main\n")
    return made


class Fetched:
    """What git.fetch gave."""

    def __init__(self, root: int, commit: str) -> None:
        self.root, self.commit = root, commit

    @property
    def path(self) -> Path:
        return Path(os.readlink(f"/proc/self/fd/{self.root}"))


@contextlib.contextmanager
def fetched(text: str, work: Path, **environment: str) -> Iterator[Fetched]:
    remote = parse(text)
    assert remote
    work.mkdir(exist_ok=True)
    root, found = git.fetch(remote, str(work), {**PATH, **environment})
    try:
        yield Fetched(root, found)
    finally:
        os.close(root)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [("", "main"), ("#main", "main"), ("#other", "other"), ("#v1", "one"),
     ("?tag=v1", "one"), ("?branch=other", "other"), ("#refs/heads/other", "other")],
)  # fmt: skip
def test_a_branch_or_tag_is_fetched(
    repository: Path, tmp_path: Path, suffix: str, content: str
) -> None:
    with fetched(f"file://{repository}{suffix}", tmp_path / "work") as found:
        assert (found.path / "Dockerfile").read_text() == f"FROM {content}\n"
        assert not (found.path / ".git").exists()
        assert stat.S_IMODE((found.path / "Dockerfile").stat().st_mode) == 0o644
        assert len(found.commit) == 40


@pytest.mark.parametrize("length", [40, 12, 7])
def test_a_commit_is_fetched_by_its_name(repository: Path, tmp_path: Path, length: int) -> None:
    name = run(repository, "rev-parse", "main~1")
    with fetched(f"file://{repository}#{name[:length]}", tmp_path / "work") as found:
        assert (found.path / "Dockerfile").read_text() == "FROM one\n"
        assert found.commit == name


def test_a_subdirectory_is_the_context(repository: Path, tmp_path: Path) -> None:
    with fetched(f"file://{repository}#main:sub", tmp_path / "work") as found:
        assert os.listdir(found.root) == ["f"]
    with (
        pytest.raises(NotFound, match="directory none is not in it"),
        fetched(f"file://{repository}#main:none", tmp_path / "work"),
    ):
        pass


def test_a_checksum_must_be_that_of_the_commit(repository: Path, tmp_path: Path) -> None:
    name = run(repository, "rev-parse", "other")
    url = f"file://{repository}?branch=other&checksum="
    with fetched(url + name[:10], tmp_path / "work"):
        pass
    with (
        pytest.raises(CrunpyError, match=f"it is commit {name}, not 0000000"),
        fetched(url + "0000000", tmp_path / "work"),
    ):
        pass


def test_the_repository_may_be_kept_and_is_shallow(repository: Path, tmp_path: Path) -> None:
    with fetched(f"file://{repository}?keep-git-dir=true", tmp_path / "work") as found:
        assert run(found.path, "rev-list", "--count", "HEAD") == "1"
        assert run(found.path, "status", "--porcelain") == ""


@pytest.mark.parametrize("ref", ["none", "abcdef1", "0" * 40])
def test_what_is_not_there_is_said(repository: Path, tmp_path: Path, ref: str) -> None:
    with (
        pytest.raises(NotFound, match=f"{ref}"),
        fetched(f"file://{repository}#{ref}", tmp_path / "work"),
    ):
        pass


def test_no_repository(tmp_path: Path) -> None:
    with (
        pytest.raises(CrunpyError, match="fetching file:///nowhere: "),
        fetched("file:///nowhere", tmp_path / "work"),
    ):
        pass


def test_git_that_is_not_installed(repository: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(Unsupported, match="git is not installed"),
        fetched(f"file://{repository}", tmp_path / "work", PATH="/nowhere"),
    ):
        pass


def test_variables_of_another_repository_are_not_seen(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run(other, "init", "-q")
    before = sorted(p.name for p in (other / ".git").rglob("*"))
    environment = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / "index"),
    }
    with fetched(f"file://{repository}", tmp_path / "work", **environment) as found:
        assert (found.path / "Dockerfile").exists()
    assert sorted(p.name for p in (other / ".git").rglob("*")) == before


def test_no_hook_of_the_users_template_runs(repository: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    hooks = tmp_path / "template/hooks"
    hooks.mkdir(parents=True)
    for name in ("post-checkout", "reference-transaction", "post-merge", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[init]\ntemplateDir = {hooks.parent}\n[core]\nhooksPath = {hooks}\n"
    )
    with fetched(f"file://{repository}", tmp_path / "work", HOME=str(tmp_path)):
        assert not mark.exists()


@contextlib.contextmanager
def daemon(base: Path) -> Iterator[str]:
    """git://127.0.0.1:PORT, which shows what is below `base`."""
    port = free_port()
    words = ["git", "-c", "safe.directory=*", "daemon", "--reuseaddr", "--export-all",
             "--listen=127.0.0.1", f"--port={port}", f"--base-path={base}"]  # fmt: skip
    env = {**PATH, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
           "GIT_CONFIG_VALUE_0": "*"}  # fmt: skip
    process = subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL, start_new_session=True)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens)
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def test_submodules_come_too(repository: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    run(inner, "init", "-q", "-b", "main")
    old = commit(inner, lib="old")
    commit(inner, lib="new")
    with daemon(tmp_path) as url:
        run(repository, "submodule", "add", "-q", f"{url}/inner", "libs/inner")
        run(repository / "libs/inner", "checkout", "-q", old)
        commit(repository, x="x")
        with fetched(f"{url}/repository", tmp_path / "work") as found:
            assert (found.path / "libs/inner/lib").read_text() == "old"
            assert not list(found.path.rglob(".git"))
        with fetched(f"{url}/repository?submodules=false", tmp_path / "work") as found:
            assert os.listdir(found.path / "libs/inner") == []


@pytest.mark.parametrize("url", ["file:///{}/repository", "ext::sh -c 'touch {}/mark' x"])
def test_submodules_reach_only_the_network(repository: Path, tmp_path: Path, url: str) -> None:
    name = run(repository, "rev-parse", "HEAD")
    (repository / ".gitmodules").write_text(
        f'[submodule "m"]\npath = m\nurl = "{url.format(tmp_path)}"\n'
    )
    run(repository, "update-index", "--add", "--cacheinfo", f"160000,{name},m")
    run(repository, "add", ".gitmodules")
    run(repository, "commit", "-qm", "x")
    with (
        pytest.raises(CrunpyError, match="not allowed"),
        fetched(f"file://{repository}", tmp_path / "work"),
    ):
        pass
    assert not (tmp_path / "mark").exists()


def test_links_of_a_repository_lead_nowhere_else(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (repository / "out").symlink_to(tmp_path / "outside")
    (repository / "in").symlink_to("sub")
    commit(repository)
    with fetched(f"file://{repository}#main:in", tmp_path / "work") as found:
        assert os.listdir(found.root) == ["f"]
    with pytest.raises(NotFound), fetched(f"file://{repository}#main:out", tmp_path / "work"):
        pass


def test_a_server_that_asks_for_a_password_is_not_answered(tmp_path: Path) -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()

        def log_message(self, *words: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    mark = tmp_path / "mark"
    asks = tmp_path / "ask"
    asks.write_text(f"#!/bin/sh\ntouch {mark}\n")
    asks.chmod(0o755)
    begun = time.monotonic()
    try:
        with pytest.raises(CrunpyError) as caught, fetched(
            f"http://127.0.0.1:{server.server_port}/x.git", tmp_path / "work",
            SSH_ASKPASS=str(asks), GIT_ASKPASS=str(asks), DISPLAY=":0",
        ):  # fmt: skip
            pass
    finally:
        server.shutdown()
        server.server_close()
    assert "credentials" in caught.value.hint
    assert not mark.exists() and time.monotonic() - begun < 10


@pytest.mark.parametrize("way", ["git", "http"])
def test_a_server_that_falls_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Of whatever protocol; nothing of git is left."""
    monkeypatch.setattr(git, "_SILENT_S", 0.5)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"{way}://127.0.0.1:{server.getsockname()[1]}/x.git"
        with (
            pytest.raises(TimedOut, match=r"fetching .*: nothing came for 0.5 s"),
            fetched(url, tmp_path / "work"),
        ):
            pass
    left = subprocess.run(["pgrep", "-f", url], capture_output=True, text=True).stdout.split()
    assert left == []


# ---- what a Dockerfile names ----


def test_a_dockerfile_names_no_files_of_the_host() -> None:
    with pytest.raises(InvalidArgument, match="no files of this host"):
        for_add("file:///home/me/x")
    with pytest.raises(InvalidArgument, match="not the name of a commit"):
        for_add(URL, checksum="sha256:abc")
    with pytest.raises(InvalidArgument, match="two checksums"):
        for_add(f"{URL}?checksum=1234567", checksum="7654321")
    assert for_add("x.tar") is None
    assert for_add(URL, keep_git_dir=True, checksum="1234567") == Remote(
        url=URL, keep_git_dir=True, checksum="1234567"
    )


@pytest.mark.parametrize("by_user", [True, False])
def test_a_dockerfile_uses_no_password_of_the_user(tmp_path: Path, by_user: bool) -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    seen: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.add(self.headers.get("Authorization", ""))
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()

        def log_message(self, *words: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    helper = "!f() { echo username=me; echo password=secret; }; f"
    (tmp_path / ".gitconfig").write_text(f'[credential]\nhelper = "{helper}"\n')
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    remote = parse(f"http://127.0.0.1:{server.server_port}/x.git")
    assert remote
    (tmp_path / "work").mkdir()
    try:
        with pytest.raises(CrunpyError):
            git.fetch(remote, str(tmp_path / "work"), {**PATH, "HOME": str(tmp_path)},
                      by_user=by_user)  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
    assert (seen - {""} != set()) is by_user


def test_ssh_is_given_no_key_and_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "ssh").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\nexit 1\n')
    (tmp_path / "ssh").chmod(0o755)
    remote = parse("git@example.com:u/r.git")
    assert remote
    env = {"PATH": f"{tmp_path}:{PATH['PATH']}", "GIT_SSH_COMMAND": "false"}
    with pytest.raises(CrunpyError):
        git.fetch(remote, str(tmp_path), env, by_user=False)
    words = (tmp_path / "words").read_text()
    assert "-F none -oIdentityFile=none -oBatchMode=yes" in words and "git@example.com" in words
