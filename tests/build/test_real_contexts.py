"""Dockerfiles as people write them, built and run: services, tools, compilers, package managers.

Everything a build needs is in its base or its context, so nothing is downloaded.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import bases
import debian_images
import pytest
from engine import CHECKOUT, REACHABLE, Engine, wait_for
from images import ARCHITECTURE

CONTEXTS = Path(__file__).resolve().parent / "contexts"


# ---- what is added to a context ----


def _tarballs(context: Path) -> None:
    def member(archive: tarfile.TarFile, name: str, text: str, mode: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(text), mode, 1_000_000_000
        info.uid = info.gid = 1000
        archive.addfile(info, io.BytesIO(text.encode()))

    with tarfile.open(context / "release-1.0.tar.gz", "w:gz") as archive:
        member(archive, "release-1.0/bin/hello", "#!/bin/sh\necho hello\n", 0o755)
        member(archive, "release-1.0/conf", "first\n", 0o600)
    with tarfile.open(context / "overrides.tar", "w") as archive:
        member(archive, "conf", "second\n", 0o640)


def _secrets(context: Path) -> None:
    (context / "token").write_text("s3cr3t")
    (context / "netrc").write_text("machine x login y password z\n")


def _debian_package(context: Path) -> None:
    root = context / "tiny"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "usr/bin").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@b.example>\n"
        "Depends: bash\nDescription: says that it is there\n"
    )
    (root / "DEBIAN/postinst").write_text("#!/bin/sh\nset -e\necho configured > /etc/tiny\n")
    (root / "usr/bin/tiny").write_text("#!/bin/bash\necho tiny is $(< /etc/tiny)\n")
    for name in ("DEBIAN/postinst", "usr/bin/tiny"):
        (root / name).chmod(0o755)
    (context / "debs").mkdir()
    command = ["dpkg-deb", "--root-owner-group", "--build", root, context / "debs/tiny.deb"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(root)


def _repository(context: Path) -> None:
    script = """
        git init -q -b main . && git config user.email a@b.example && git config user.name A
        git add -A && git commit -qm first && git tag -am one v1.2
        echo more >> file && git commit -qam second
    """
    subprocess.run(["sh", "-ec", script], cwd=context, check=True)


class Real(NamedTuple):
    """What to build, and what the image must do.

    seen:    a regular expression that the whole output of a container matches
    bases:   images that are needed beside busybox
    build:   options of `build`
    words:   after the image's name at `run`
    options: of `run`
    asked:   for a service: what is run inside of it until it answers `seen`
    prepare: adds to the context what no repository should have
    after:   another context that must have been built
    """

    seen: str
    bases: str = ""
    build: str = ""
    words: str = ""
    options: str = ""
    asked: str = ""
    prepare: Callable[[Path], None] | None = None
    after: str = ""
    context: str = ""


def _http(port: int, path: str = "/") -> str:
    """A request by bash alone; the last line of the answer."""
    return (
        f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3; "
        "tail -n 1 <&3"
    )


TOOLS, LANGUAGES, SOFTWARE = "debian-tools", "debian-languages", "debian-software"

REAL = {
    "shell-tool": Real("3 words, counter counted in /data", words="a b c"),
    "shell-tool by its CMD": Real("usage: count WORD...", context="shell-tool"),
    "onbuild-parent": Real("", words="true"),
    "onbuild-child": Real("salut from the child\nand goodbye", build="--build-arg GREETING=salut",
                          after="onbuild-parent"),
    "many-steps": Real("40\nc40\n40"),
    "debug-production": Real("production 1 run"),
    "debug-production debug": Real("debug 2 run tools", build="--target debug",
                                   context="debug-production"),
    "labels": Real("3.1 unknown", build="--build-arg VERSION=3.1 --label extra=yes"),
    "parents": Real("./core/one.txt\n./services/api/package.txt\n./services/web/package.txt"),
    "tarball": Real("second\nhello\n755 1000\n640 1000", prepare=_tarballs),
    "platforms": Real(f"I am for {ARCHITECTURE}\nlinux/{ARCHITECTURE}"),
    "secret": Real("fetched\n400\nclean", prepare=_secrets,
                   build="--secret id=token,src=token --secret id=netrc,src=netrc"),
    "bind-mounts": Real("3\napple\nfig\npear"),
    "healthcheck": Real("<p>well</p>", asked="wget -q -O - http://127.0.0.1:8000/"),
    "heredoc-entrypoint": Real("hello there a b", build="--build-arg NAME=there",
                               words="greet a b"),
    "heredoc-entrypoint other": Real("1\n2\n3", context="heredoc-entrypoint", words="cat /numbers"),
    "config-template": Real("port=9\nlevel=info\ndb\nstarted: service --foreground",
                            options="-e PORT=9"),
    "nobody": Real("app\napp:app app.cfg\napp:app data\napp:app data/by\n/home/app"),
    "compose-env": Real("production 81 http://localhost:81/",
                        build="--build-arg APP_ENV=production --build-arg APP_PORT=81"),
    "nginx-page": Real("<h1>It is served</h1>", "nginx", asked=_http(80)),
    "static-site": Real("<p>Deep</p>", f"nginx {TOOLS}", asked=_http(8080, "/more/deep.html"),
                        build="--build-arg TITLE=Mine"),
    "c-scratch": Real("static, you \\(534\\)", TOOLS, words="you"),
    "make-install": Real("the answer is 42", f"nginx {TOOLS}"),
    "python-web": Real("good morning /x 1.2 800", TOOLS, asked=_http(5000, "/x")),
    "wheel-matrix": Real("part 2.7", TOOLS, build="--build-arg RELEASE=7"),
    "venv": Real("/opt/venv something", TOOLS, words="something"),
    "node-service": Real("/HEY! production 1000", TOOLS, asked=_http(3000, "/hey")),
    "apt-package": Real("tiny is configured\ninstall ok installed\n0", TOOLS,
                        prepare=_debian_package),
    "locale": Real("14 CEST\n13 CET\n1", TOOLS),
    "cron-job": Real("report of nobody", TOOLS, asked="cat /var/log/report.log"),
    "ruby-script": Real("a=2 b=1", TOOLS),
    "perl-script": Real("Hello", TOOLS),
    "git-version": Real("v1.2-1-g[0-9a-f]{7}(-dirty)?", SOFTWARE, prepare=_repository),
    "git-version told": Real("v9", SOFTWARE, prepare=_repository, context="git-version",
                             build="--build-arg VERSION=v9"),
    "go-scratch": Real("cba dne 1.5", LANGUAGES, build="--build-arg VERSION=1.5", words="abc end"),
    "java-jar": Real("java one single", LANGUAGES, words="one"),
    "java-jlink": Real("1 /opt/jre", f"nginx {LANGUAGES}"),
    "redis": Real("OK\nredis", SOFTWARE, asked="redis-cli set k v && stat -c %U /data"),
    "postgresql": Real("7", SOFTWARE,
                       asked="psql -h /tmp -U postgres -Atqc 'select sum(n) from fruit' postgres"),
}  # fmt: skip

_OF_A_USER = (
    "shell-tool", "onbuild-child", "many-steps", "tarball", "secret", "bind-mounts", "nobody",
    "heredoc-entrypoint", "config-template", "nginx-page",
)  # fmt: skip


def context_of(name: str, where: Path) -> Path:
    """A copy of the context of REAL[name], with what is added to it."""
    shutil.copytree(CONTEXTS / (REAL[name].context or name), where, symlinks=True)
    if prepare := REAL[name].prepare:
        prepare(where)
    return where


class Builder:
    """An engine that gets its bases and images when a test first wants them."""

    def __init__(self, engine: Engine, work: Path) -> None:
        self.engine, self.work = engine, work
        self.has: set[str] = set()

    def need(self, base: str) -> None:
        if base in self.has:
            return
        if base in ("busybox", "nginx"):
            self.engine.ok("pull", "-q", base)
        else:
            layout = debian_images.software() if base == SOFTWARE else bases.layout(base)
            path = str(layout)
            if self.engine.user:
                path = path.replace(str(CHECKOUT), str(REACHABLE), 1)
            self.engine.ok("load", "-q", "-i", path, timeout=120)
        self.has.add(base)

    def build(self, name: str) -> str:
        """The name of the image."""
        real = REAL[name]
        tag = name.replace(" ", "-").lower()
        if tag in self.has:
            return tag
        if real.after:
            self.build(real.after)
        for base in ("busybox", *real.bases.split()):
            self.need(base)
        context = context_of(name, self.work / tag)
        if self.engine.user:
            subprocess.run(["chown", "-Rh", f"{self.engine.user}:", context], check=True)
        words = ("build", "--network", "none", "-t", tag, *real.build.split(), ".")
        done = self.engine.run(*words, cwd=context, timeout=110)
        shutil.rmtree(context)
        assert done.code == 0, f"exit {done.code}: {done.out[-2000:]}{done.err[-2000:]}"
        self.has.add(tag)
        return tag

    def check(self, name: str) -> None:
        """Build it, run it, and see what it does."""
        real, image = REAL[name], self.build(name)
        engine = self.engine
        if not real.asked:
            words = ("run", "--rm", "--network", "none", *real.options.split())
            done = engine.run(*words, image, *real.words.split())
            assert done.code == 0 and re.fullmatch(real.seen, done.out.strip()), done
            return
        engine.ok("run", "-d", "--name", "c", "--network", "none", image)
        shell = "sh" if "wget" in real.asked else "bash"

        def answer() -> bool:
            said = engine.run("exec", "c", shell, "-c", real.asked).out.strip()
            return bool(re.fullmatch(real.seen, said))

        try:
            wait_for(answer, every_s=0.1)
        except AssertionError:
            raise AssertionError(f"{engine.run('logs', 'c')}") from None


def _builder(engine: Engine, work: Path) -> Iterator[Builder]:
    work.mkdir()
    subprocess.run(["chown", f"{engine.user or 'root'}:", work], check=True)
    yield Builder(engine, work)
    engine.clean()
    shutil.rmtree(work)


@pytest.fixture(scope="module")
def _root(new_engine: Callable[[str, str], Engine], base: Path) -> Iterator[Builder]:
    yield from _builder(new_engine("root", "rc"), base / "real")


@pytest.fixture(scope="module")
def _user(new_engine: Callable[[str, str], Engine], base: Path) -> Iterator[Builder]:
    yield from _builder(new_engine("user", "rc"), base / "real-user")


@pytest.fixture
def as_root(_root: Builder) -> Iterator[Builder]:
    """Nothing but images is left of a test."""
    yield _root
    _root.engine.run("rm", "-f", "-a", "-v", "-t", "0")
    assert not _root.engine.left()


@pytest.fixture
def as_user(_user: Builder) -> Iterator[Builder]:
    yield _user
    _user.engine.run("rm", "-f", "-a", "-v", "-t", "0")
    assert not _user.engine.left()


@pytest.mark.parametrize("name", REAL)
def test_real(as_root: Builder, name: str) -> None:
    as_root.check(name)


@pytest.mark.parametrize("name", _OF_A_USER)
def test_real_of_a_user(as_user: Builder, name: str) -> None:
    as_user.check(name)


def test_what_labels_say(as_root: Builder) -> None:
    labels = as_root.engine.inspect(as_root.build("labels"))["Config"]["Labels"]
    title = "org.opencontainers.image."
    assert labels[title + "title"] == "labels" and labels[title + "version"] == "3.1"
    assert labels[title + "revision"] == "unknown" and labels["extra"] == "yes"
    assert labels[title + "created"] == "1970-01-01T00:00:00Z"


def test_a_secret_is_nowhere(as_root: Builder) -> None:
    """Neither in the files of any layer nor in what is told of the image."""
    archive = as_root.work / "secret.tar"
    as_root.engine.ok("save", "-q", "-o", archive, as_root.build("secret"))
    with tarfile.open(archive) as outer:
        for member in outer:
            reader = outer.extractfile(member)
            data = reader.read() if reader else b""
            try:
                with tarfile.open(fileobj=io.BytesIO(data)) as layer:
                    files = [layer.extractfile(m) for m in layer if m.isreg()]
                    data += b"".join(f.read() for f in files if f)
            except tarfile.ReadError:
                pass
            assert b"password z" not in data
            assert b"s3cr3t" not in data.replace(b'" = s3cr3t', b"")
    archive.unlink()


def test_health_of_a_built_image(as_root: Builder) -> None:
    engine = as_root.engine
    engine.ok("run", "-d", "--name", "c", "--network", "none", as_root.build("healthcheck"))
    wait_for(lambda: engine.run("healthcheck", "run", "c").code == 0, every_s=0.1)


def test_a_build_that_changed_nothing(as_root: Builder) -> None:
    """The second time everything is there already, and the image is the same."""
    tag = as_root.build("many-steps")
    first = as_root.engine.inspect(tag)["Id"]
    as_root.has.remove(tag)
    as_root.build("many-steps")
    assert as_root.engine.inspect(tag)["Id"] == first


def test_a_stage_not_chosen(as_root: Builder) -> None:
    """What fails is only built when it is asked for, and its exit status is told."""
    as_root.build("wheel-matrix")
    words = ("build", "--build-arg", "FLAVOUR=broken", CONTEXTS / "wheel-matrix")
    assert as_root.engine.run(*words).code == 9


def test_history_tells_every_step(as_root: Builder) -> None:
    told = as_root.engine.ok("history", "-q", as_root.build("many-steps")).splitlines()
    assert len(told) >= 122


def test_expectations_are_of_contexts() -> None:
    """Each context is built by some test."""
    used = {real.context or name for name, real in REAL.items()}
    assert used == {path.name for path in CONTEXTS.iterdir()}
    lock = json.loads((CONTEXTS / "node-service/package-lock.json").read_text())
    assert lock["lockfileVersion"] == 3
