# ruff: noqa: E501
"""Small build contexts, one corner of `build` each, as data.

What must come of each is in tests/data/build_corners.json, which tools/record-build-corners
writes with the peers; where that is not what crunpy has to do, `by_hand` says so and why.
All are `FROM busybox` (tests/images.py) or `FROM scratch`.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import re
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from images import ARCHITECTURE, PATH
from oci_images import directory as tar_dir
from oci_images import entry as tar_file
from oci_images import symlink as tar_link
from oci_images import tar

MTIME = 1_000_000_000
"""When everything in a context was changed, unless it says otherwise."""


class F(NamedTuple):
    """A regular file."""

    text: str | bytes = ""
    mode: int = 0o644
    mtime: int = MTIME
    xattrs: tuple[tuple[str, bytes], ...] = ()
    owner: tuple[int, int] | None = None
    size: int = 0  # made longer by a hole


class D(NamedTuple):
    """A directory; those that only hold something need not be named."""

    mode: int = 0o755
    mtime: int = MTIME


class L(NamedTuple):
    """A symlink."""

    target: str


class H(NamedTuple):
    """A hard link to another file of the context, named before it."""

    other: str


class Fifo(NamedTuple):
    mode: int = 0o644


Entry = str | F | D | L | H | Fifo


class Corner(NamedTuple):
    """name:       KIND: WHAT
    dockerfile: its text; None when the files have it
    files:      the context beside it
    options:    of `build`
    env:        variables of the command
    peers:      who can be asked: words of "docker podman"; none, and it is by hand alone
    users:      also built by a plain user
    by_hand:    replaces what was recorded: {"error": True}, {"either": True} for an error or not,
                or parts of "config" and "tree"
    why:        of by_hand
    prefer:     whose result counts where both are recorded
    code:       the exit status, where it is that of a RUN
    """

    name: str
    dockerfile: str | None
    files: dict[str, Entry]
    options: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    peers: str = "docker podman"
    user: bool = False
    by_hand: dict[str, Any] | None = None
    why: str = ""
    prefer: str = "docker"
    code: int = 0


CORNERS: dict[str, Corner] = {}


def _add(
    name: str, dockerfile: str | None, files: dict[str, Entry] | None = None, *options: str,
    **more: Any,
) -> None:  # fmt: skip
    assert name not in CORNERS, name
    if dockerfile and not re.search(r"^[\s\ufeff]*FROM(\s|$)", dockerfile, re.M | re.I):
        dockerfile = "FROM busybox\n" + dockerfile
    CORNERS[name] = Corner(name, dockerfile, files or {}, options, **more)


def write(corner: Corner, where: Path, owner: tuple[int, int] | None = None) -> Path:
    """Make the context in the directory `where`, which must not exist; returns it.

    owner: whose everything is, if not the caller's.
    """
    where.mkdir()
    where.chmod(0o755)
    files = dict(corner.files)
    if corner.dockerfile is not None:
        files = {"Dockerfile": corner.dockerfile, **files}
    for name, what in files.items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, str | bytes):
            what = F(what)
        match what:
            case F():
                data = what.text if isinstance(what.text, bytes) else what.text.encode()
                path.write_bytes(data)
                if what.size:
                    os.truncate(path, what.size)
                for key, value in what.xattrs:
                    os.setxattr(path, key, value)
                if what.owner and os.getuid() == 0:
                    os.chown(path, *what.owner)
                path.chmod(what.mode)
            case D():
                path.mkdir(exist_ok=True)
                path.chmod(what.mode)
            case L():
                path.symlink_to(what.target)
            case H():
                os.link(where / what.other, path)
            case Fifo():
                os.mkfifo(path)
                path.chmod(what.mode)
    for top, directories, names in os.walk(where, topdown=False):
        for name in [*names, *directories, "."]:
            path = Path(top, name)
            given = files.get(str(path.relative_to(where)))
            mtime = given.mtime if isinstance(given, F | D) else MTIME
            if given is None and path.is_dir() and not path.is_symlink():
                path.chmod(0o755)  # whatever the umask is
            if owner:
                os.chown(path, *owner, follow_symlinks=False)
                if isinstance(given, F | D | Fifo):
                    path.chmod(given.mode)  # chown takes set-user-id bits away
            os.utime(path, (mtime, mtime), follow_symlinks=False)
    return where


def _packed(how: str, data: bytes) -> bytes:
    match how:
        case "gz":
            return gzip.compress(data, mtime=0)
        case "bz2":
            return bz2.compress(data)
        case "xz":
            return lzma.compress(data)
        case "zst":
            return zstandard.ZstdCompressor().compress(data)
    return data


def _old_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in ("short", "long/" + "n" * 120):
            info, data = tar_file(name, b"x\n")
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


# ---- COPY: which names ----

TREE: dict[str, Entry] = {
    "d/a.txt": "a\n", "d/b.txt": "b\n", "d/c.md": "c\n", "d/sub/e.txt": "e\n",
    "d/.hidden": "h\n", "d/run.sh": F("#!/bin/sh\n", 0o755), "one": "1\n", "two": "2\n",
}  # fmt: skip

_add("copy: a file to a name", "COPY one /x", TREE, user=True)
_add("copy: a file to a directory with a slash", "COPY one /new/dir/", TREE)
_add("copy: a file to a deep name", "COPY one /p/q/r", TREE)
_add("copy: a file onto an existing directory", "COPY one /etc", TREE)
_add("copy: a file onto an existing file", "RUN echo old > /x\nCOPY one /x", TREE)
_add("copy: an existing file with a slash", "RUN echo old > /x\nCOPY one /x/", TREE)
_add("copy: below an existing file", "RUN echo old > /x\nCOPY one /x/y", TREE)
_add("copy: a relative target without WORKDIR", "COPY one x", TREE)
_add("copy: target dot", "COPY one .", TREE)
_add("copy: target empty word", 'COPY ["one", ""]', TREE)
_add("copy: a directory to a new name", "COPY d /new", TREE)
_add("copy: a directory with a slash to a new name", "COPY d/ /new/", TREE)
_add("copy: a directory slash dot", "COPY d/. /new", TREE)
_add("copy: a directory onto an existing one", "RUN mkdir /n && echo k > /n/kept\nCOPY d /n", TREE)
_add("copy: a directory onto a mode", "RUN mkdir -m 700 /n\nCOPY d /n", TREE)
_add("copy: a directory onto a file", "RUN echo old > /n\nCOPY d /n", TREE)
_add("copy: a file where a directory is below", "RUN mkdir -p /n/a.txt\nCOPY d /n", TREE)
_add("copy: a directory where a file is below", "RUN mkdir /n; echo > /n/sub\nCOPY d /n", TREE)
_add("copy: dot", "COPY . /ctx", {"a": "a\n", "s/b": "b\n"})
_add("copy: dot slash", "COPY ./ /ctx/", {"a": "a\n", "s/b": "b\n"})
_add("copy: slash", "COPY / /ctx", {"a": "a\n", "s/b": "b\n"})
_add("copy: dot to the root", "COPY . /", {"a": "a\n", "etc/b": "b\n", "tmp/x": "x\n"})
_add("copy: an absolute source", "COPY /d/a.txt /x", TREE)
_add("copy: dot slash source", "COPY ./d/../d/a.txt /x", TREE)
_add("copy: several to a directory", "COPY one two d/a.txt /n/", TREE)
_add("copy: several with a directory", "COPY one d /n/", TREE)
_add("copy: several without a slash", "COPY one two /n", TREE)
_add("copy: several onto an existing directory without a slash", "COPY one two /etc", TREE)
_add("copy: several to dot", "WORKDIR /w\nCOPY one two .", TREE)
_add("copy: several to dot dot", "WORKDIR /w/v\nCOPY one two ..", TREE)
_add("copy: star", "COPY d/*.txt /n/", TREE)
_add("copy: star matches one to a name", "COPY d/*.md /n", TREE)
_add("copy: star matches several to a name", "COPY d/*.txt /n", TREE)
_add("copy: star of all with dot files", "COPY d/* /n/", TREE)
_add("copy: star over directories", "COPY */a.txt /n/", TREE)
_add("copy: star is not two levels", "COPY */*.txt /n/", TREE)
_add("copy: question mark", "COPY d/?.txt /n/", TREE)
_add("copy: class", "COPY d/[ac].* /n/", TREE)
_add("copy: class range", "COPY d/[a-b].txt /n/", TREE)
_add("copy: class negated", "COPY d/[^a].txt /n/", TREE)
_add("copy: an escaped bracket", "COPY arr[[]0].txt /n/", {"arr[0].txt": "x\n", "arr0.txt": "no\n"})
_add("copy: an escaped star", 'COPY ["a\\\\*b", "/n/"]', {"a*b": "x\n", "axb": "no\n"})
_add("copy: no match of a pattern", "COPY nothing* /n/", TREE)
_add("copy: a pattern without a match beside a file", "COPY one nothing* /n/", TREE)
_add("copy: a missing file", "COPY nothing /n/", TREE)
_add("copy: a missing file below a file", "COPY one/x /n/", TREE)
_add("copy: dot dot is the context", "COPY ../one /n/", TREE)
_add("copy: far dot dot is the context", "COPY ../../../d/a.txt /n/", TREE)
_add("copy: target dot dot", "COPY one /a/../../b", TREE)
_add("copy: names with spaces", 'COPY ["a b", "/c d/"]', {"a b": "x\n"})
_add("copy: a quoted name in the plain form", 'COPY "a b" /c', {"a b": "x\n", '"a': "no\n"})
_add("copy: an escaped space", "COPY a\\ b /c", {"a b": "x\n"})
_add("copy: one word", "COPY one", TREE)
_add("copy: no words", "COPY", TREE)
_add("copy: an empty directory", "COPY e /e", {"e": D(0o711)})
_add("copy: an empty context", "COPY . /e", {".dockerignore": "*"})
_add("copy: a variable in both names", "ENV A=on B=/q\nCOPY ${A}e ${B}/$A", TREE)
_add("copy: an ARG in a name", "ARG A\nCOPY $A /x", TREE, "--build-arg", "A=two")
_add("copy: an escaped dollar", "ENV A=1\nCOPY \\$A /x", {"$A": "dollar\n"})
_add("copy: unicode names", "COPY é /日本", {"é": "x\n"})

# ---- COPY: what it copies ----

_add("copy: modes", "COPY m /m", {
    "m/suid": F("s", 0o4755), "m/sgid": F("s", 0o2755), "m/none": F("s", 0), "m/all": F("s", 0o777),
    "m/sticky": D(0o1777), "m/open": D(0o777), "m/closed": D(0o700), "m/setgid": D(0o2775),
})  # fmt: skip
_add(
    "copy: owners are root's",
    "COPY . /o",
    {"a": F("x", owner=(1234, 77)), "s/b": F("x", owner=(7, 7))},
)
_add(
    "copy: times",
    "COPY t /t",
    {"t/old": F("x", mtime=86400), "t/dir": D(mtime=172800), "t/new": F("y", mtime=1_500_000_000)},
)
_add("copy: the time of one file", "COPY f /t/", {"f": F("x", mtime=86401)})
_add("copy: links in a tree stay", "COPY l /l", {
    "l/f": "x\n", "l/rel": L("f"), "l/abs": L("/etc/passwd"), "l/out": L("../../../one"),
    "l/dangling": L("nowhere"), "l/dir": L("sub"), "l/sub/x": "x\n",
})  # fmt: skip
_add("copy: a link as the source", "COPY l /x", {"l": L("f"), "f": F("x\n", 0o600)})
_add("copy: a link to a directory as the source", "COPY l /x", {"l": L("d"), "d/f": "x\n"})
_add("copy: a link to a directory with a slash", "COPY l/ /x/", {"l": L("d"), "d/f": "x\n"})
_add("copy: through a link to a directory", "COPY l/f /x", {"l": L("d"), "d/f": "x\n"})
_add("copy: through a link with a star", "COPY l/* /x/", {"l": L("d"), "d/f": "x\n"})
_add("copy: an absolute link as the source", "COPY l /x", {"l": L("/f"), "f": "inside\n"})
_add("copy: a link out of the context", "COPY l /x", {"l": L("../../../../../etc/hostname")})
_add("copy: a dangling link as the source", "COPY l /x", {"l": L("nowhere")})
_add("copy: a loop of links", "COPY l /x", {"l": L("m"), "m": L("l")})
_add("copy: links by a star", "COPY l* /x/", {"l1": L("f"), "l2": L("d"), "f": "f\n", "d/g": "g\n"})
_add("copy: a chain of links", "COPY l1 /x", {"l1": L("d/l2"), "d/l2": L("../f"), "f": "x\n"})
_add("copy: hard links", "COPY h /h", {"h/a": "same\n", "h/b": H("h/a"), "h/c": "same\n"})
_add("copy: a fifo", "COPY p /p", {"p/f": Fifo(), "p/a": "x\n"})
_add("copy: a sparse file", "COPY s /s", {"s": F("x", size=300_000)})
_add("copy: xattrs", "COPY x /x", {"x": F("x", xattrs=(("user.k", b"v"),))})

# ---- COPY: onto links ----

_LINKED = "RUN mkdir /real && echo k > /real/kept && echo f > /real/file\n"
_add("copy: a file to a link to a directory", _LINKED + "RUN ln -s real /l\nCOPY one /l", TREE)
_add("copy: a file below a link to a directory", _LINKED + "RUN ln -s /real /l\nCOPY one /l/", TREE)
_add("copy: a dir onto a link to a directory", _LINKED + "RUN ln -s /real /l\nCOPY d /l", TREE)
_add("copy: a dir onto a link with a slash", _LINKED + "RUN ln -s real /l\nCOPY d /l/", TREE)
_add("copy: a file to a link to a file", _LINKED + "RUN ln -s real/file /l\nCOPY one /l", TREE)
_add("copy: a file to a dangling link", "RUN ln -s nowhere /l\nCOPY one /l", TREE)
_add("copy: a file below a dangling link", "RUN ln -s /nowhere /l\nCOPY one /l/x", TREE)
_add("copy: a dir onto a dangling link", "RUN ln -s /nowhere /l\nCOPY d /l", TREE)
_add("copy: a link that climbs", _LINKED + "RUN ln -s ../../../real /etc/l\nCOPY one /etc/l/", TREE)
_add("copy: a link in the middle", _LINKED + "RUN ln -s /real /l\nCOPY one /l/new/x", TREE)
_add("copy: a tree's dir onto an image's link", _LINKED + "RUN ln -s /real /sub\nCOPY d /", TREE)
_add("copy: a tree's link onto an image's dir", "RUN mkdir /dst /dst/l\nCOPY s /dst",
     {"s/l": L("x")})  # fmt: skip
_add("copy: a tree's link onto an image's file", "RUN mkdir /dst; echo > /dst/l\nCOPY s /dst",
     {"s/l": L("x")})  # fmt: skip
_add("copy: a tree's file onto an image's link", "RUN mkdir /dst; ln -s /etc/passwd /dst/f\n"
     "COPY s /dst", {"s/f": "mine\n"})  # fmt: skip
_add("copy: a hard link is broken", "RUN echo a > /a && ln /a /b\nCOPY one /a", TREE)

# ---- COPY: --chown, --chmod, --from ----

for _name, _owner in {
    "a name": "tester", "a name and a group": "tester:extra", "numbers": "55:66",
    "one number": "55", "a known number": "1234", "a name and a number": "nobody:66",
    "a number and a name": "55:other", "a group alone": ":extra", "a missing name": "nowho",
    "a missing group": "tester:nowho", "a large number": "100000:100001",
}.items():  # fmt: skip
    _add(f"chown: {_name}", f"COPY --chown={_owner} d /n", TREE,
         user=_name in ("a name", "one number", "numbers"))  # fmt: skip
_add("chown: a variable", "ENV U=tester\nARG G=77\nCOPY --chown=$U:${G} one /n/", TREE, user=True)
_add("chown: made parents", "COPY --chown=1:2 one /p/q/n", TREE)
_add("chown: an existing directory", "RUN mkdir /n\nCOPY --chown=1:2 d /n", TREE)
_add("chown: scratch and a name", "FROM scratch\nCOPY --chown=root one /", TREE)
_add("chown: scratch and a missing name", "FROM scratch\nCOPY --chown=nobody one /", TREE)
_add("chown: scratch and numbers", "FROM scratch\nCOPY --chown=1:2 one /", TREE)
_add("chown: ADD of a tar", "ADD --chown=1:2 t.tar /n/", {"t.tar": F(tar(tar_file("f", b"x")))})
_add("chown: spelled apart", "COPY --chown 1:2 one /n/", TREE)
_add("chmod: a file", "COPY --chmod=750 one /n", TREE, user=True)
_add("chmod: four digits", "COPY --chmod=4711 one /n", TREE)
_add("chmod: a tree", "COPY --chmod=0640 d /n", TREE)
_add("chmod: made parents", "COPY --chmod=700 one /p/q/", TREE)
_add("chmod: with chown", "COPY --chown=tester --chmod=700 one /n", TREE)
_add("chmod: ADD of a file", "ADD --chmod=700 one /n", TREE)
_add("chmod: nonsense", "COPY --chmod=rwx one /n", TREE)
_add("chmod: too large", "COPY --chmod=99 one /n", TREE)
_add("chmod: symbolic", "COPY --chmod=u=rwX,go=rX d /n", TREE, peers="",
     by_hand={"tree": {
         "/n": {"type": "dir", "mode": "0755"},
         **{f"/n/{f}": {"type": "file", "mode": "0644", "mtime": MTIME, "text": t} for f, t in (
             ("a.txt", "a\n"), ("b.txt", "b\n"), ("c.md", "c\n"), (".hidden", "h\n"),
             ("sub/e.txt", "e\n"))},
         "/n/run.sh": {"type": "file", "mode": "0755", "mtime": MTIME, "text": "#!/bin/sh\n"},
         "/n/sub": {"type": "dir", "mode": "0755"},
     }},
     why="Dockerfile 1.14 and later take symbolic modes; no peer here is that new")  # fmt: skip

_add("from: a name", "FROM busybox AS one\nRUN echo x > /x && chown 5:6 /x && chmod 640 /x\n"
     "FROM busybox\nCOPY --from=one /x /y", user=True)  # fmt: skip
_add("from: a number", "FROM busybox\nRUN echo x > /x\nFROM busybox\nCOPY --from=0 /x /y")
_add("from: upper case of the name", "FROM busybox AS One\nRUN echo x > /x\nFROM busybox\n"
     "COPY --from=oNE /x /y")  # fmt: skip
_add("from: an image", "FROM scratch\nCOPY --from=busybox /etc/passwd /p/")
_add("from: an image with a tag", "FROM scratch\nCOPY --from=busybox:latest /etc/group /p/")
_add("from: a missing stage", "FROM busybox\nCOPY --from=5 /x /y")
_add("from: itself", "FROM busybox AS a\nCOPY --from=a /etc/passwd /y")
_add("from: a later stage", "FROM busybox AS a\nCOPY --from=b /etc/passwd /y\n"
     "FROM busybox AS b\nRUN true")  # fmt: skip
_add("from: a missing file", "FROM busybox AS a\nFROM busybox\nCOPY --from=a /nothing /y")
_add("from: a directory keeps owners", "FROM busybox AS a\nRUN mkdir -p /d/e && echo x > /d/e/f &&"
     " chown -R 5:6 /d && chmod 2750 /d/e\nFROM busybox\nCOPY --from=a /d /n")  # fmt: skip
_add("from: a relative source", "FROM busybox AS a\nWORKDIR /w\nRUN echo x > f\nFROM busybox\n"
     "COPY --from=a w/f /y")  # fmt: skip
_add("from: with chown", "FROM busybox AS a\nRUN mkdir /d; echo x > /d/f; chown 5:6 /d/f\n"
     "FROM busybox\nCOPY --from=a --chown=tester /d /n")  # fmt: skip
_add("from: a link as the source", "FROM busybox AS a\nRUN echo x > /f; ln -s /f /l\nFROM busybox\n"
     "COPY --from=a /l /y")  # fmt: skip
_add("from: through a link", "FROM busybox AS a\nRUN mkdir /d; echo x > /d/f; ln -s /d /l\n"
     "FROM busybox\nCOPY --from=a /l/f /y")  # fmt: skip
_add("from: a star", "FROM busybox AS a\nRUN mkdir /d; echo x > /d/f; echo y > /d/g; echo > /d/no\n"
     "FROM busybox\nCOPY --from=a /d/[fg] /n/")  # fmt: skip
_add("from: the whole stage", "FROM scratch AS a\nCOPY one /\nFROM busybox\nCOPY --from=a / /n/",
     TREE)  # fmt: skip
_add("from: dockerignore has no say", "FROM busybox AS a\nRUN echo x > /one\nFROM busybox\n"
     "COPY --from=a /one /y", {".dockerignore": "one"})  # fmt: skip
_add("from: hard links", "FROM busybox AS a\nRUN mkdir /d; echo x > /d/a; ln /d/a /d/b\n"
     "FROM scratch\nCOPY --from=a /d /n")  # fmt: skip
_add("from: a variable", "ARG V=one\nFROM busybox AS one\nRUN echo x > /x\nFROM busybox\nARG V\n"
     "COPY --from=$V /x /y")  # fmt: skip

# ---- COPY: what newer Dockerfiles have ----

_add("copy: --link", "COPY --link one /p/x", TREE, peers="docker")
_add("copy: --link with chown", "COPY --link --chown=5:6 --chmod=600 d /n/", TREE, peers="docker")
_add("copy: --link from a stage", "FROM busybox AS a\nRUN echo x > /x\nFROM busybox\n"
     "COPY --link --from=a /x /y", peers="docker")  # fmt: skip


def _text(name: str, text: str) -> dict[str, Any]:
    return {name: {"type": "file", "mode": "0644", "mtime": MTIME, "text": text}}


_DIR = {"type": "dir", "mode": "0755"}
_P20 = "Dockerfile 1.20 (1.7-labs); the values are those of the reference's examples"
_add("copy: --parents", "COPY --parents x/a.txt y/a.txt /p/", {"x/a.txt": "x\n", "y/a.txt": "y\n"},
     peers="", why=_P20, by_hand={"tree": {"/p": _DIR, "/p/x": _DIR, "/p/y": _DIR,
     **_text("/p/x/a.txt", "x\n"), **_text("/p/y/a.txt", "y\n")}})  # fmt: skip
_add("copy: --parents from a point on", "COPY --parents x/./y/*.txt /p/",
     {"x/y/a.txt": "a\n", "x/y/b.txt": "b\n", "x/y/c.md": "c\n"}, peers="", why=_P20,
     by_hand={"tree": {"/p": _DIR, "/p/y": _DIR, **_text("/p/y/a.txt", "a\n"),
     **_text("/p/y/b.txt", "b\n")}})  # fmt: skip
_add("copy: --parents with double star", "COPY --parents src/**/*.txt /p/",
     {"src/a.txt": "a\n", "src/x/b.txt": "b\n", "src/x/y/c.txt": "c\n", "src/x/n.md": "n\n"},
     peers="", why=_P20, by_hand={"tree": {"/p": _DIR, "/p/src": _DIR, "/p/src/x": _DIR,
     "/p/src/x/y": _DIR, **_text("/p/src/a.txt", "a\n"), **_text("/p/src/x/b.txt", "b\n"),
     **_text("/p/src/x/y/c.txt", "c\n")}})  # fmt: skip
_P19 = "Dockerfile 1.19 (1.7-labs); by what the reference says"
_add("copy: --exclude", "COPY --exclude=*.txt --exclude=sub --exclude=.h* d /n", TREE, peers="",
     why=_P19, by_hand={"tree": {"/n": _DIR, **_text("/n/c.md", "c\n"), "/n/run.sh": {
     "type": "file", "mode": "0755", "mtime": MTIME, "text": "#!/bin/sh\n"}}})  # fmt: skip
_add("copy: --exclude with a star", "COPY --exclude=b* --exclude=r* d/*.* /n/", TREE, peers="",
     why=_P19, by_hand={"tree": {"/n": _DIR, **_text("/n/a.txt", "a\n"), **_text("/n/c.md", "c\n"),
     **_text("/n/.hidden", "h\n")}})  # fmt: skip

# ---- ADD ----

_T = tar(
    tar_dir("a", mode=0o750, uid=5, gid=6), tar_file("a/f", b"f\n", uid=5, gid=6, mode=0o640),
    tar_link("a/l", "f"),
    tar_file("a/h", type=tarfile.LNKTYPE, linkname="a/f", uid=5, gid=6, mode=0o640), tar_link("a/abs", "/etc/passwd"),
)  # fmt: skip
_add("add: a file", "ADD one /x", TREE)
_add("add: a directory", "ADD d /x", TREE)
_add("add: a tar", "ADD t.tar /x", {"t.tar": F(_T)}, user=True)
_add("add: a tar to a slash", "ADD t.tar /x/", {"t.tar": F(_T)})
_add("add: a tar to the root", "ADD t.tar /", {"t.tar": F(_T)})
_add("add: a tar to a relative directory", "WORKDIR /w\nADD t.tar v", {"t.tar": F(_T)})
for _how in ("gz", "bz2", "xz", "zst"):
    _add(f"add: a tar in {_how}", "ADD t /x/", {"t": F(_packed(_how, _T))})
_add("add: a tar of another name", "ADD data.bin /x/", {"data.bin": F(_T)})
_add("add: a gzip that is no tar", "ADD f.gz /x/", {"f.gz": F(gzip.compress(b"text", mtime=0))})
_add("add: a text named tar", "ADD t.tar /x/", {"t.tar": "not a tar\n"})
_add("add: an empty file named tar", "ADD t.tar /x/", {"t.tar": ""})
_add("add: an empty tar", "ADD t.tar /x/", {"t.tar": F(bytes(10240))})
_add("add: a tar cut short", "ADD t.tar /x/", {"t.tar": F(_T[:1400])})
_add("add: a gnu tar", "ADD t.tar /x/", {"t.tar": F(_old_tar())})
_add("add: tars in a directory stay", "ADD d /x/", {"d/t.tar": F(_T)})
_add("add: COPY of a tar", "COPY t.tar /x/", {"t.tar": F(_T)})
_add("add: two tars and a file", "ADD t.tar u.tar f /x/",
     {"t.tar": F(_T), "u.tar": F(tar(tar_file("u", b"u\n"))), "f": "f\n"})  # fmt: skip
_add("add: a tar by a star", "ADD *.tar /x/", {"t.tar": F(_T)})
_add("add: a link to a tar", "ADD l /x/", {"t.tar": F(_T), "l": L("t.tar")})
_add("add: a tar over what is there", "RUN mkdir /x /x/a; echo o > /x/a/f; echo k > /x/a/kept\n"
     "ADD t.tar /x", {"t.tar": F(_T)})  # fmt: skip
_add("add: a tar's file over a directory", "RUN mkdir -p /x/a/f/y\nADD t.tar /x",
     {"t.tar": F(_T)})  # fmt: skip
_add("add: a tar's directory over a file", "RUN mkdir /x; echo > /x/a\nADD t.tar /x",
     {"t.tar": F(_T)})  # fmt: skip
_add("add: a tar through a link", "RUN mkdir /real; ln -s /real /x\nADD t.tar /x/",
     {"t.tar": F(_T)})  # fmt: skip
_add("add: a tar's directory onto a link", "RUN mkdir -p /x /real; ln -s /real /x/a\nADD t.tar /x/",
     {"t.tar": F(_T)})  # fmt: skip
_add("add: a tar with dot dot", "ADD t.tar /x/y/", {"t.tar": F(tar(tar_file("../f", b"x")))},
     by_hand={"error": True}, why="refused: its name leads out of the directory")  # fmt: skip
_add("add: a tar with an absolute name", "ADD t.tar /x/", {"t.tar": F(tar(tar_file("/f", b"x")))})
_add("add: a tar with names of whiteouts", "RUN mkdir /x; echo > /x/f\nADD t.tar /x/",
     {"t.tar": F(tar(tar_file(".wh.f"), tar_file("g", b"g")))})  # fmt: skip
_add("add: a tar with a fifo and modes", "ADD t.tar /x/", {"t.tar": F(tar(
    tar_file("p", type=tarfile.FIFOTYPE), tar_file("s", b"s", mode=0o6755),
    tar_dir("t", mode=0o1777)))})  # fmt: skip
_add("add: a tar with xattrs", "ADD t.tar /x/", {"t.tar": F(tar(
    tar_file("c", b"c", mode=0o755, pax_headers={"SCHILY.xattr.user.k": "v"})))})  # fmt: skip
_add("add: a tar with missing parents", "ADD t.tar /x/",
     {"t.tar": F(tar(tar_file("p/q/f", b"x")))})  # fmt: skip
_add("add: a tar with dot", "RUN mkdir -m 700 /x\nADD t.tar /x/",
     {"t.tar": F(tar(tar_dir("./", mode=0o755), tar_file("./f", b"x")))})  # fmt: skip
_add("add: --unpack=false", "ADD --unpack=false t.tar /x/", {"t.tar": F(_T)}, peers="",
     why="Dockerfile 1.17 and later", by_hand={"tree": {"/x": _DIR, "/x/t.tar": {
     "type": "file", "mode": "0644", "mtime": MTIME, "size": len(_T),
     "sha256": hashlib.sha256(_T).hexdigest()}}})  # fmt: skip
_add("add: a missing file", "ADD nothing.tar /x/", TREE)

# ---- WORKDIR ----

_add("workdir: absolute", "WORKDIR /a/b\nRUN pwd > f", user=True)
_add("workdir: relative", "WORKDIR /a\nWORKDIR b\nWORKDIR c/../d\nRUN pwd > f")
_add("workdir: relative to the root", "WORKDIR b")
_add("workdir: dot dot", "WORKDIR /a/b\nWORKDIR ..")
_add("workdir: far dot dot", "WORKDIR ../../x")
_add("workdir: a variable", "ENV D=/v\nWORKDIR $D/${E:-e}")
_add("workdir: a trailing slash", "WORKDIR /a/b/")
_add("workdir: spaces", "WORKDIR /a b\nRUN pwd > f")
_add("workdir: quotes", 'WORKDIR "/a b"')
_add("workdir: an existing one", "RUN mkdir -m 700 /m && chown 5:6 /m\nWORKDIR /m")
_add("workdir: after USER", "USER tester\nWORKDIR /home/tester/w/v\nRUN id -u > /tmp/f", user=True)
_add("workdir: a link", "RUN mkdir /real; ln -s /real /l\nWORKDIR /l/w\nRUN pwd > f")
_add("workdir: a file", "RUN echo > /f\nWORKDIR /f")
_add("workdir: then COPY dot", "WORKDIR /w\nCOPY . .", {"a": "a\n", "s/b": "b\n"})
_add("workdir: then COPY to a name", "WORKDIR /w\nCOPY a b", {"a": "a\n"})
_add("workdir: in scratch", "FROM scratch\nWORKDIR /w/v\nCOPY a .", {"a": "a\n"})
_add("workdir: empty", "WORKDIR")
_add("workdir: only written down", "WORKDIR /never/used", user=True)

# ---- USER ----

_add("user: a name", "USER tester\nRUN id -un > /tmp/f; id -gn >> /tmp/f; echo $HOME >> /tmp/f",
     user=True)  # fmt: skip
_add("user: a name and a group", "USER tester:other\nRUN id > /tmp/f", user=True)
_add("user: numbers", "USER 55:66\nRUN id > /tmp/f", user=True)
_add("user: a number", "USER 55\nRUN id > /tmp/f")
_add("user: a known number", "USER 1234\nRUN id > /tmp/f; echo $HOME >> /tmp/f")
_add("user: a missing name", "USER nowho\nRUN true")
_add("user: a missing name that nothing uses", "USER nowho")
_add("user: a group alone", "USER :extra")
_add("user: a variable", "ARG U=tester\nENV G=77\nUSER $U:$G\nRUN id -g > /tmp/f")
_add("user: COPY is root's", "USER tester\nCOPY a /n/", {"a": "a\n"}, user=True)
_add("user: ADD of a tar", "USER tester\nADD t.tar /n/", {"t.tar": F(_T)})
_add("user: there and back", "USER tester\nRUN echo a > /tmp/a\nUSER root\nRUN echo b > /tmp/b",
     user=True)  # fmt: skip
_add("user: made by RUN", "RUN echo me:x:500:600::/me:/bin/sh >> /etc/passwd; mkdir /me;"
     " chown me:600 /me\nUSER me\nWORKDIR /me\nRUN echo x > f; echo $HOME > g", user=True)  # fmt: skip
_add("user: has no rights", "USER tester\nRUN echo x > /etc/f")
_add("user: empty", "USER")
_add("user: two words", "USER tester other")

# ---- ENV ----

_SHOW = "\nRUN env | grep -E '^[A-E]=' | sort > /f"
for _name, _line in {
    "a space": "A b c  d ", "equals": "A=b", "several": "A=b C=d", "double quotes": 'A="b c" C="d"',
    "single quotes": "A='b c' C='$x'", "mixed quotes": "A=b\" c \"d' e'", "an escaped space": "A=b\\ c",
    "an escaped quote": 'A="b\\"c" C=\\"d', "an escaped backslash": "A=b\\\\c C=\"d\\\\e\"",
    "an escaped dollar": 'A=\\$x C="\\$y"', "single quotes keep backslashes": "A='b\\c\\\\d'",
    "empty": "A= C=d", "empty quotes": 'A="" C=\'\'', "a value with equals": "A=b=c=d",
    "a space form with quotes": 'A "b c" d', "a space form with a variable": "A x $PATH ${Q:-q}",
    "an unset variable": "A=[$nothing] C=${nothing}", "a default": "A=${x:-y} C=${PATH:-no}",
    "an alternative": "A=${PATH:+set} C=${x:+no}", "a nested default": "A=${x:-${y:-z}}",
    "a default without colon": "A=${x-y} C=${PATH+set}", "the same line": "A=1 B=$A",
    "a quoted hash": 'A="#b" C=#d', "a tab": "A=b\tC=d", "a newline escape": 'A="b\\nc" C=d\\ne',
    "unicode": "A=é日", "a single dollar": "A=b$ C=$", "a brace": "A={b} C=}",
    "a lower case keyword": "A=b", "a continued line": "A=b \\\n    C=d \\\n\n# comment\n    E=f",
    "a value that ends in a backslash": 'A="b\\\\"',
}.items():  # fmt: skip
    _add(f"env: {_name}", f"ENV {_line}" + ("" if "newline" in _name else _SHOW))
_add("env: nothing", "ENV")
_add("env: a word alone", "ENV A")
_add("env: a word without a value among several", "ENV A=b C")
_add("env: an unclosed quote", 'ENV A="b')
_add("env: an unclosed brace", "ENV A=${b")
_add("env: an operator nobody knows", "ENV A=${b!c}")
_add("env: required", "ENV A=${b:?missing}")
_add("env: prefix removal", "ENV A=foobarfoo B=${A#foo} C=x\nENV D=${A%foo} E=${A/o/0}", peers="",
     by_hand={"tree": {}, "config": {}, "env": {"A": "foobarfoo", "B": "", "C": "x",
              "D": "foobar", "E": "f0obarfoo"}},
     why="Dockerfile 1.7 and later; no peer here has them all. B sees no A: the same line")  # fmt: skip
_add("env: order and replacement", "ENV A=1 B=2\nENV C=3\nENV A=4" + _SHOW)
_add("env: over the base's", "ENV PATH=/x:$PATH\nENV B=1")
_add("env: in others", "ENV A=5 B=/b C=q\nEXPOSE ${A}00/udp\nLABEL $C=$A\nUSER $A:$A\nVOLUME $B/v\n"
     "WORKDIR $B\nSTOPSIGNAL $A\nCOPY f $B/", {"f": "x"})  # fmt: skip
_add("env: not in CMD", 'ENV A=1\nCMD ["echo", "$A"]\nENTRYPOINT ["x", "${A}"]')
_add("env: a key from a variable", "ENV A=KEY\nENV $A=v X${A}Y=w")
_add("env: a stage inherits", "FROM busybox AS a\nENV A=1\nWORKDIR /w\nUSER tester\nLABEL l=1\n"
     "FROM a\nENV B=$A")  # fmt: skip
_add("env: a stage does not inherit", "FROM busybox AS a\nENV A=1\nFROM busybox\nENV B=[$A]")

# ---- ARG ----

_add("arg: before FROM", "ARG V=latest\nFROM busybox:$V\nENV A=[$V]")
_add("arg: before FROM and declared again", "ARG V=latest\nFROM busybox:$V\nARG V\nENV A=[$V]")
_add("arg: before FROM with another default", "ARG V=latest\nFROM busybox:$V\nARG V=x\nENV A=[$V]")
_add("arg: before FROM given", "ARG V=nothing\nFROM busybox:$V\nARG V\nENV A=$V", {},
     "--build-arg", "V=latest")  # fmt: skip
_add("arg: an image by a default", "FROM ${IMAGE:-busybox}\nENV A=1")
_add("arg: an unset image", "ARG IMAGE\nFROM $IMAGE")
_add("arg: a default", "ARG A=1\nRUN echo $A > /f\nENV B=$A", user=True)
_add("arg: given", "ARG A=1\nRUN echo $A > /f\nENV B=$A", {}, "--build-arg", "A=2", user=True)
_add("arg: given empty", "ARG A=1\nENV B=[$A] C=[${A:-d}] D=[${A-d}]", {}, "--build-arg", "A=")
_add("arg: without a value", "ARG A\nRUN echo [${A-unset}] > /f\nENV B=[$A]")
_add("arg: from the environment", "ARG A=1\nENV B=$A", {}, "--build-arg", "A", env=(("A", "mine"),))
_add("arg: from the environment that lacks it", "ARG A=1\nENV B=$A", {}, "--build-arg", "A")
_add("arg: ENV wins", "ARG A=1\nENV A=2\nRUN echo $A > /f\nENV B=$A", {}, "--build-arg", "A=3")
_add("arg: ENV before ARG wins", "ENV A=2\nARG A=1\nRUN echo $A > /f\nENV B=$A", {},
     "--build-arg", "A=3")  # fmt: skip
_add("arg: ENV of the base wins", "ARG PATH=/bin\nENV B=$PATH")
_add("arg: several in one", "ARG A=1 B=2 C\nENV D=$A$B[$C]")
_add("arg: from another", "ARG A=1\nARG B=${A}2\nENV C=$B")
_add("arg: from another on its line", "ARG A=1 B=${A}2\nENV C=$B")
_add("arg: twice", "ARG A=1\nENV B=$A\nARG A=2\nENV C=$A")
_add("arg: after its use", "ENV B=[$A]\nARG A=1\nENV C=[$A]", {}, "--build-arg", "A=2")
_add("arg: not declared", "RUN echo [$A] > /f", {}, "--build-arg", "A=2")
_add("arg: quotes", 'ARG A="b c" B=\'d e\'\nENV C="$A$B"')
_add("arg: not in the image", "ARG A=secret\nRUN true")
_add("arg: in RUN by the shell alone", 'ARG A=1\nRUN ["sh", "-c", "echo $A > /f"]')
_add("arg: a proxy is there undeclared", "RUN echo [$HTTP_PROXY] > /f", {},
     "--build-arg", "HTTP_PROXY=http://x", user=True)  # fmt: skip
_add("arg: in each stage anew", "FROM busybox AS a\nARG A=1\nRUN echo $A > /f\nFROM busybox\n"
     "COPY --from=a /f /f\nENV B=[$A]", {}, "--build-arg", "A=2")  # fmt: skip
_add("arg: a child stage sees its parent's", "FROM busybox AS a\nARG A=1\nFROM a\nENV B=[$A]",
     {}, "--build-arg", "A=2")  # fmt: skip
_add("arg: the platform's", "FROM --platform=$BUILDPLATFORM busybox\n"
     "ARG TARGETOS\nARG TARGETARCH\nARG TARGETPLATFORM\nARG BUILDPLATFORM\n"
     "ENV A=[$TARGETOS] B=[$TARGETARCH] C=[$TARGETPLATFORM] D=[$BUILDPLATFORM]")  # fmt: skip
_add("arg: the platform's undeclared", "ENV A=[$TARGETARCH]")
_add("arg: the platform's before FROM", "FROM busybox AS linux\nENV X=1\nFROM $TARGETOS\nENV Y=2")
_add("arg: no name", "ARG")
_add("arg: a bad build-arg", "ARG A", {}, "--build-arg", "=x")

# ---- LABEL, EXPOSE, VOLUME and the other words of the config ----

for _name, _line in {
    "a space": "LABEL a b c", "equals": "LABEL a=b c=d", "quotes": 'LABEL "a b"="c d" e=\'f\'',
    "a variable": "ENV V=1\nLABEL v=$V w='$V'", "a continued line": 'LABEL a="b \\\n c" \\\n d=e',
    "replaced": "LABEL a=1 b=2\nLABEL a=3", "dots": "LABEL org.x.y-z/a=1", "empty": "LABEL a= b=\"\"",
}.items():  # fmt: skip
    _add(f"label: {_name}", _line)
_add("label: an option", "LABEL a=1", {}, "--label", "a=2", "--label", "c=d", "--label", "e")
_add("label: nothing", "LABEL")
_add("expose: several", "EXPOSE 80 443/tcp 53/udp\nEXPOSE 132/sctp")
_add("expose: a range", "EXPOSE 8000-8003/udp")
_add("expose: upper case", "EXPOSE 80/TCP")
_add("expose: twice", "EXPOSE 80\nEXPOSE 80/tcp")
_add("expose: nonsense", "EXPOSE http")
_add("expose: too large", "EXPOSE 70000")
_add("expose: an unknown protocol", "EXPOSE 80/foo")
_add("expose: a mapping", "EXPOSE 80:80")
_add("volume: plain", "VOLUME /a /b")
_add("volume: json", 'VOLUME ["/a", "/b c"]')
_add("volume: relative", "WORKDIR /w\nVOLUME v")
_add(
    "volume: a RUN after it", "RUN mkdir /v; echo 1 > /v/a\nVOLUME /v\nRUN echo 2 > /v/b", user=True
)
_add("volume: a COPY after it", "VOLUME /v\nCOPY f /v/", {"f": "x\n"})
_add(
    "volume: of the base stage",
    "FROM busybox AS a\nRUN mkdir /v\nVOLUME /v\nFROM a\nRUN echo 2 > /v/b",
)
_add("volume: made at its place", "VOLUME /never/was\nRUN ls -d /never/was > /f")
_add("volume: nothing", "VOLUME")
_add("volume: an empty list", "VOLUME []")
_add("cmd: exec", 'CMD ["a", "b c"]')
_add("cmd: shell", "CMD a b  c && d")
_add("cmd: single quotes", "CMD ['a', 'b']")
_add("cmd: json of other types", "CMD [1, 2]")
_add("cmd: an empty list", "CMD []")
_add("cmd: nothing", "CMD")
_add("cmd: twice", 'CMD ["a"]\nCMD ["b"]')
_add("cmd: json over lines", 'CMD [ "a", \\\n  "b" ]')
_add("cmd: json with escapes", 'CMD ["a\\tb", "c\\"d", "\\u00e9", "e\\\\f"]')
_add("cmd: text after json", 'CMD ["a"] b')
_add("entrypoint: resets the base's CMD", 'ENTRYPOINT ["a"]')
_add("entrypoint: keeps its own CMD", 'CMD ["b"]\nENTRYPOINT ["a"]')
_add("entrypoint: shell", "ENTRYPOINT exec a $B")
_add("entrypoint: an empty list", 'ENTRYPOINT ["a"]\nENTRYPOINT []')
_add("entrypoint: then CMD", 'ENTRYPOINT ["a"]\nCMD ["b"]')
_add("entrypoint: of a stage resets CMD", 'FROM busybox AS a\nCMD ["z"]\nFROM a\nENTRYPOINT ["a"]')
_SHELL = 'SHELL ["/bin/sh", "-ec"]\n'
_FORMAT = ("--format", "docker")
_add("shell: RUN", _SHELL + "RUN false; echo no > /f", prefer="docker")
_add("shell: CMD and ENTRYPOINT", _SHELL + "CMD a b\nENTRYPOINT c d", {}, *_FORMAT)
_add("shell: CMD before", "CMD a b\n" + _SHELL, {}, *_FORMAT)
_add("shell: a plain word", "SHELL /bin/sh -c")
_add("shell: a stage inherits", f"FROM busybox AS a\n{_SHELL}FROM a\nCMD x", {}, *_FORMAT)
_add(
    "shell: another program", 'SHELL ["/bin/busybox", "ash", "-c"]\nRUN echo $0 > /f', {}, *_FORMAT
)
_add("stopsignal: a name", "STOPSIGNAL SIGQUIT")
_add("stopsignal: a short name", "STOPSIGNAL QUIT")
_add("stopsignal: a number", "STOPSIGNAL 9")
_add("stopsignal: nonsense", "STOPSIGNAL SIGNONE")
_add("healthcheck: shell", "HEALTHCHECK CMD a b", {}, *_FORMAT)
_add("healthcheck: exec", 'HEALTHCHECK CMD ["a", "b"]', {}, *_FORMAT)
_add("healthcheck: options", "HEALTHCHECK --interval=1m30s --timeout=3s --start-period=500ms"
     " --retries=5 CMD a", {}, *_FORMAT)  # fmt: skip
_add("healthcheck: start interval", "HEALTHCHECK --start-interval=2s CMD a", {}, *_FORMAT,
     peers="docker")  # fmt: skip
_add("healthcheck: none", "HEALTHCHECK CMD a\nHEALTHCHECK NONE", {}, *_FORMAT)
_add("healthcheck: twice", "HEALTHCHECK CMD a\nHEALTHCHECK --retries=2 CMD b", {}, *_FORMAT)
_add("healthcheck: a bad time", "HEALTHCHECK --interval=x CMD a", {}, *_FORMAT)
_add("healthcheck: zero retries", "HEALTHCHECK --retries=0 CMD a", {}, *_FORMAT)
_add("healthcheck: too often", "HEALTHCHECK --interval=1us CMD a", {}, *_FORMAT)
_add("healthcheck: nothing", "HEALTHCHECK", {}, *_FORMAT)
_add("healthcheck: an unknown word", "HEALTHCHECK EXEC a", {}, *_FORMAT)
_add("healthcheck: NONE with arguments", "HEALTHCHECK NONE a", {}, *_FORMAT)
_add("onbuild: kept", 'ONBUILD RUN echo a b\nONBUILD COPY . /x\nONBUILD CMD ["q"]', {}, *_FORMAT)
_add("onbuild: a stage fires it", "FROM busybox AS a\nONBUILD RUN echo fired > /f\n"
     "ONBUILD ENV A=1\nFROM a\nRUN cat /f > /g\nENV B=$A", {}, *_FORMAT, user=True)  # fmt: skip
_add("onbuild: COPY in the child", "FROM busybox AS a\nONBUILD COPY f /f\nFROM a", {"f": "x\n"},
     *_FORMAT)  # fmt: skip
_add("onbuild: a grandchild has none", "FROM busybox AS a\nONBUILD RUN echo >> /f\nFROM a AS b\n"
     "FROM b", {}, *_FORMAT)  # fmt: skip
_add("onbuild: in ONBUILD", "ONBUILD ONBUILD RUN a", {}, *_FORMAT)
_add("onbuild: FROM", "ONBUILD FROM busybox", {}, *_FORMAT)
_add("onbuild: MAINTAINER", "ONBUILD MAINTAINER me", {}, *_FORMAT)
_add("onbuild: nothing", "ONBUILD", {}, *_FORMAT)
_add("maintainer: a name", "MAINTAINER Me <me@x>")
_add("maintainer: quotes", 'MAINTAINER "Me Too"')
_add("maintainer: an unclosed quote", 'MAINTAINER Me "<me@x>')
_add("maintainer: a stage's", "FROM busybox AS a\nMAINTAINER me\nFROM a\nENV A=1")

# ---- RUN ----

_add("run: shell", "RUN echo a > /f && echo $0 >> /f", user=True)
_add("run: exec", 'RUN ["touch", "/f$A"]', user=True)
_add("run: single quotes", "RUN ['touch', '/f'] || echo shell > /g")
_add("run: continued", "RUN echo a \\\n  b > /f; \\\n# comment\n  echo c >> /f")
_add("run: continued over empty lines", "RUN echo a \\\n\n  b > /f")
_add("run: backslashes", "RUN echo 'a\\tb' \"c\\\\d\" > /f")
_add("run: a variable of the shell", "RUN X=1; echo $X ${X} \\$X > /f")
_add("run: quotes stay", "RUN echo \"a  b\" 'c  $d' > /f")
_add("run: it fails", "RUN exit 7", code=7)
_add("run: a program that is not there", 'RUN ["/nothing"]')
_add("run: a command that is not there", "RUN nothing-of-this-name", code=127)
_add("run: a later one fails", "RUN echo a > /f\nRUN false\nRUN echo b > /f", code=1)
_add("run: killed", "RUN sh -c 'kill -9 $$; :'; exit $?", code=137)
_add("run: a file deleted", "RUN rm /etc/group", user=True)
_add("run: a file made and deleted", "RUN echo > /f\nRUN rm /f")
_add("run: a file deleted and made", "RUN rm /etc/group\nRUN echo new > /etc/group")
_add("run: a directory deleted", "RUN mkdir -p /d/e; echo > /d/e/f\nRUN rm -r /d")
_add("run: a directory becomes a file", "RUN mkdir /d; echo > /d/f\nRUN rm -r /d; echo x > /d")
_add(
    "run: a file becomes a directory", "RUN echo > /d\nRUN rm /d; mkdir /d; echo > /d/x", user=True
)
_add("run: a file becomes a link", "RUN echo > /d\nRUN rm /d; ln -s etc /d")
_add("run: a link becomes a directory", "RUN ln -s etc /d\nRUN rm /d; mkdir /d; echo 1 > /d/x")
_add("run: a directory renamed", "RUN mkdir -p /d/e; echo x > /d/e/f\nRUN mv /d /n", user=True)
_add("run: an emptied directory", "RUN mkdir /d; echo > /d/f; echo > /d/g\n"
     "RUN rm -rf /d; mkdir /d; echo n > /d/h", user=True)  # fmt: skip
_add("run: an emptied directory with an old name", "RUN mkdir -p /d/s; echo > /d/s/f; echo > /d/g\n"
     "RUN rm -rf /d; mkdir -p /d/s; echo n > /d/s/h")  # fmt: skip
_add("run: chmod alone", "RUN echo x > /f\nRUN chmod 4711 /f; chmod 700 /home", user=True)
_add("run: chown alone", "RUN echo x > /f\nRUN chown 5:6 /f /home", user=True)
_add("run: touch alone", "RUN touch -d '2001-02-03 04:05:06' /etc/group /x /home")
_add("run: times of links", "RUN ln -s x /l; touch -h -d '2001-02-03 04:05:06' /l")
_add("run: setuid after chown", "RUN echo x > /f; chown 5 /f; chmod 6755 /f", user=True)
_add("run: hard links", "RUN echo x > /a; ln /a /b; mkdir /d; ln /a /d/c", user=True)
_add("run: a hard link in a later layer", "RUN echo x > /a\nRUN ln /a /b")
_add("run: a hard link changed later", "RUN echo x > /a; ln /a /b\nRUN echo y >> /a")
_add("run: a fifo", "RUN mkfifo -m 640 /p")
_add("run: a device", "RUN mknod /n c 1 3")
_add("run: a sparse file", "RUN truncate -s 200000 /s; echo x >> /s")
_add("run: an empty file and directory", "RUN > /f; mkdir /d", user=True)
_add("run: names with odd characters", "RUN touch '/a b' '/c\\d' /é '/.wh' || true")
_add("run: /tmp stays", "RUN echo x > /tmp/f\nRUN cat /tmp/f > /g")
_add("run: /dev /proc /sys do not stay", "RUN echo x > /dev/shm/f; echo y > /dev/f; ls /proc > /dev/null",
     user=True)  # fmt: skip
_add("run: hosts and resolv.conf are not the image's", "RUN echo 1.2.3.4 x >> /etc/hosts;"
     " cat /etc/resolv.conf > /dev/null; echo done > /f", user=True)  # fmt: skip
_add("run: nothing is left in scratch", "FROM busybox AS a\nFROM scratch\n"
     "COPY --from=a /bin/busybox /bin/sh\nRUN echo x > /f", user=True)  # fmt: skip
_add("run: HOME and directory", "RUN echo $HOME > /f; pwd >> /f; hostname > /dev/null")
_add(
    "run: the environment", "RUN env | cut -d= -f1 | grep -v -E 'HOSTNAME|container|_' | sort > /f"
)
_add("run: standard input is empty", "RUN cat > /f")
_add("run: nothing", "RUN")
_add("run: true leaves no files", "RUN true")
_add("run: umask", "RUN umask > /f; touch /g; mkdir /h")
_add("run: a background process ends", "RUN sleep 100 & echo x > /f")
_add("run: a long line", "RUN echo " + "x" * 5000 + " > /f")
_add("run: --network=none", "RUN --network=none ls /sys/class/net > /f", peers="docker")
_add("run: --mount=type=tmpfs", "RUN --mount=type=tmpfs,target=/t echo x > /t/f", user=True)
_add(
    "run: --mount=type=bind",
    "RUN --mount=type=bind,target=/c cat /c/f > /g",
    {"f": "x\n"},
    user=True,
)
_add("run: --mount=type=bind of one file", "RUN --mount=type=bind,source=f,target=/c/f cat /c/f > /g",
     {"f": "x\n"})  # fmt: skip
_add("run: a bind is read-only", "RUN --mount=type=bind,target=/c touch /c/g", {"f": "x\n"})
_add("run: a bind to write", "RUN --mount=type=bind,target=/c,rw echo y > /c/f && cat /c/f > /g",
     {"f": "x\n"})  # fmt: skip
_add("run: a bind from a stage", "FROM busybox AS a\nRUN echo x > /x\nFROM busybox\n"
     "RUN --mount=type=bind,from=a,source=/x,target=/y cat /y > /z")  # fmt: skip
_add("run: a bind from an image", "FROM busybox\n"
     "RUN --mount=from=busybox,target=/y cat /y/etc/group > /z")  # fmt: skip
_add("run: --mount=type=cache", "RUN --mount=type=cache,target=/c echo x > /c/f\n"
     "RUN --mount=type=cache,target=/c cat /c/f > /g", user=True)  # fmt: skip
_add(
    "run: a cache for another user",
    "USER tester\n"
    "RUN --mount=type=cache,id=u,target=/c,uid=1234,gid=77,mode=0700 stat -c '%u %g %a' /c > /tmp/g",
)
_add("run: --mount=type=secret", "RUN --mount=type=secret,id=s cat /run/secrets/s > /g;"
     " stat -c '%u %g %a' /run/secrets/s >> /g", {"s": F("hidden\n", 0o640)},
     "--secret", "id=s,src=s")  # fmt: skip
_add("run: a secret elsewhere", "RUN --mount=type=secret,id=s,target=/p/q,mode=0444,uid=5 "
     "cat /p/q > /g; stat -c '%u %g %a' /p/q >> /g", {"s": "hidden\n"},
     "--secret", "id=s,src=s")  # fmt: skip
_add("run: a secret that is missing", "RUN --mount=type=secret,id=s test ! -e /run/secrets/s")
_add("run: a secret that is required", "RUN --mount=type=secret,id=s,required=true true")
_add("run: a secret from the environment", "RUN --mount=type=secret,id=s cat /run/secrets/s > /g",
     {}, "--secret", "id=s,env=MINE", env=(("MINE", "hidden"),))  # fmt: skip
_add("run: a bind of what is missing", "RUN --mount=type=bind,source=no,target=/c true")
_add("run: a bind without a target", "RUN --mount=type=bind true")
_add("run: a mount of an unknown type", "RUN --mount=type=nothing,target=/c true")
_add("run: a cache from a stage", "FROM busybox AS a\nRUN mkdir /seed && echo s > /seed/f\n"
     "FROM busybox\nRUN --mount=type=cache,from=a,source=/seed,target=/c,id=seed cat /c/f > /g",
     peers="docker")  # fmt: skip
_add("run: a private cache", "RUN --mount=type=cache,target=/own,sharing=private ls /own > /g",
     peers="docker")  # fmt: skip
_add("run: a tmpfs over a directory", "RUN --mount=type=tmpfs,target=/home ls /home > /f")
_add("run: two mounts and a command", "RUN --mount=type=tmpfs,target=/a --mount=type=tmpfs,target=/b "
     "touch /a/x /b/y && ls /a /b > /f")  # fmt: skip
_add(
    "run: a mount with a variable",
    "ARG T=/c\nRUN --mount=type=tmpfs,target=$T echo x > /c/f && echo y > /f",
)
_add("run: ulimit of files", "RUN test $(ulimit -n) = 100 && echo x > /f", {}, "--ulimit",
     "nofile=100:100")  # fmt: skip
_add("run: an unknown option", "RUN --nothing=1 true")

# ---- .dockerignore ----

IGNORED: dict[str, Entry] = {
    "a.txt": "a\n", "b.md": "b\n", "README.md": "r\n", "d/c.txt": "c\n", "d/e/f.txt": "f\n",
    "d/e/g.md": "g\n", ".hidden": "h\n", "tmp/x": "x\n", "temp": "t\n",
}  # fmt: skip
for _name, _text in {
    "a name": "a.txt\n", "a directory": "d\n", "a directory with a slash": "d/\n",
    "a leading slash": "/d/e\n", "star": "*\n", "star then not": "*\n!a.txt\n",
    "star then a file below": "*\n!d/e/f.txt\n", "star then a directory": "*\n!d\n",
    "star suffix is one level": "*.txt\n", "any level": "**/*.txt\n", "any level then not": "**/*.md\n!README.md\n",
    "the last wins": "!README.md\n*.md\n", "order of three": "*.md\n!README.md\nREADME*\n",
    "one level": "*/c.txt\n", "two levels": "*/*/f*\n", "question mark": "tem?\n", "comments": "# a\n#a.txt\n  b.md  \n",
    "empty lines": "\n\n  \na.txt\n", "an escaped hash": "\\#a\n", "below a directory": "d/e/**\n",
    "double star alone": "**\n", "double star in the middle": "d/**/f.txt\n", "double star directory": "**/e\n",
    "negation below an ignored directory": "d\n!d/e/g.md\n", "negation of a pattern": "d/*\n!d/e\n",
    "dot": ".\n", "dot slash": "./a.txt\n", "dot dot": "d/../a.txt\n", "crlf": "a.txt\r\nb.md\r\n",
    "bom": "\ufeffa.txt\n", "class": "[ab].*\n", "hidden": ".*\n!.hidden\n", "a space after not": "*\n! a.txt\n",
    "itself and the Dockerfile": ".dockerignore\nDockerfile\n", "not alone": "!\n",
    "a bad pattern": "a[\n",
}.items():  # fmt: skip
    _add(f"ignore: {_name}", "COPY . /c", {**IGNORED, ".dockerignore": _text})
_add("ignore: COPY of an ignored file", "COPY a.txt /c", {**IGNORED, ".dockerignore": "a.txt"})
_add("ignore: star finds no ignored file", "COPY *.txt /c/",
     {**IGNORED, "z.txt": "z\n", ".dockerignore": "a.txt"})  # fmt: skip
_add("ignore: one of the Dockerfile's own", "COPY . /c", {
    **IGNORED, "Dockerfile.dockerignore": "a.txt\n", ".dockerignore": "b.md\n"})  # fmt: skip
_add("ignore: of another Dockerfile", "COPY . /c", {
    **IGNORED, "other": "FROM busybox\nCOPY . /o\n", "other.dockerignore": "*\n!a.txt\n",
    ".dockerignore": "a.txt\n"}, "-f", "other")  # fmt: skip
_add("ignore: .containerignore", "COPY . /c", {
    **IGNORED, ".containerignore": "a.txt\n", ".dockerignore": "b.md\n"}, peers="podman",
    prefer="podman")  # fmt: skip
_add("ignore: a link", "COPY . /c", {"l": L("a"), "a": "a\n", ".dockerignore": "l\n"})
_add("ignore: ADD", "ADD . /c", {**IGNORED, ".dockerignore": "d\n"})

# ---- the file itself ----

_add("syntax: comments", "# one\nFROM busybox\n  # two\nRUN echo a > /f # three\n#four\nENV A=b")
_add("syntax: lower case", "from busybox as x\nrun echo a > /f\nenv A=b\nfrom x\ncmd a")
_add("syntax: crlf", "FROM busybox\r\nRUN echo a > /f && \\\r\n  echo b >> /f\r\nENV A=b\r\n")
_add("syntax: bom", "\ufeffFROM busybox\nENV A=b\n")
_add("syntax: no newline at the end", "FROM busybox\nENV A=b")
_add("syntax: a backslash at the end", "FROM busybox\nENV A=b \\")
_add("syntax: leading spaces", "  FROM busybox\n\t ENV A=b\n   RUN   echo a > /f")
_add("syntax: spaces after a backslash", "FROM busybox\nRUN echo a \\  \n  b > /f")
_add("syntax: the escape directive", "# escape=`\nFROM busybox\nRUN echo a `\n  b > /f\nENV A=c\\d")
_add("syntax: the escape directive too late", "# comment\n# escape=`\nFROM busybox\nENV A=b`c")
_add("syntax: an escape directive of nonsense", "# escape=x\nFROM busybox\nENV A=b")
_add("syntax: an escape directive twice", "# escape=`\n# escape=\\\nFROM busybox\nENV A=b")
_add("syntax: an unknown word", "NOTHING a b")
_add("syntax: an empty file", None, {"Dockerfile": ""})
_add("syntax: comments alone", None, {"Dockerfile": "# nothing\n"})
_add("syntax: before FROM", "# x\nRUN true\nFROM busybox")
_add("syntax: FROM without a name", "FROM")
_add("syntax: FROM with too much", "FROM busybox x")
_add("syntax: AS without a name", "FROM busybox AS")
_add("syntax: a stage of a bad name", "FROM busybox AS -a")
_add(
    "syntax: a stage named twice", "FROM busybox AS a\nENV A=1\nFROM busybox AS a\nENV B=1\nFROM a"
)
_add("syntax: a comment in a continued line with a backslash", "RUN echo a \\\n  # c \\\n  b > /f")
_add("syntax: an unknown directive", "# nothing=x\nFROM busybox\nENV A=b")
_add("syntax: check directive", "# check=skip=all\nFROM busybox\nENV A=b")
_add("syntax: keyword in the middle of a word", "RUNecho a")

_H = {"peers": "docker"}
_add("heredoc: RUN", "RUN <<EOF\necho a > /f\nX=1\necho $X >> /f\nEOF", **_H, user=True)
_add("heredoc: RUN of several", "RUN cat <<A > /f; cat <<B >> /f\nx\nA\ny\nB", **_H)
_add("heredoc: RUN with an interpreter", "RUN <<EOF\n#!/bin/busybox sh\necho $0 | grep -c / > /f\nEOF",
     **_H)  # fmt: skip
_add("heredoc: RUN with a command", "RUN sh -s <<EOF\necho b > /f\nEOF", **_H)
_add("heredoc: RUN stops at nothing", "RUN <<EOF\nfalse\necho b > /f\nEOF", **_H)
_add("heredoc: RUN quoted", "RUN <<'EOF'\nX=1; echo \"$X\" '\\t' > /f\nEOF", **_H)
_add("heredoc: RUN with comments", "RUN <<EOF\n# a comment\necho '# kept' > /f\n\nEOF", **_H)
_add("heredoc: RUN with tabs", "RUN <<-EOF\n\techo a > /f\n\t\techo b >> /f\n\tEOF", **_H)
_add("heredoc: RUN fails", "RUN <<EOF\necho a > /f\nexit 5\nEOF", **_H, code=5)
_add(
    "heredoc: RUN and SHELL", 'SHELL ["/bin/sh", "-ec"]\nRUN <<EOF\nfalse\necho no > /f\nEOF', **_H
)
_add("heredoc: a backslash", "RUN <<EOF\necho a \\\n  b > /f\nEOF", **_H)
_add("heredoc: COPY", "COPY <<EOF /f\nhello $PATH\nEOF", **_H, user=True)
_add("heredoc: COPY quoted", 'COPY <<"EOF" /f\nhello $PATH \\x\nEOF', **_H)
_add(
    "heredoc: COPY with variables",
    "ARG A=1\nENV B=2\nCOPY <<EOF /f\n$A ${B} \\$A \"q\" 'q'\nEOF",
    **_H,
)
_add("heredoc: COPY to a directory", "COPY <<one <<two /d/\n1\none\n2\ntwo", **_H)
_add("heredoc: COPY with a file", "COPY a <<b /d/\n1\nb", {"a": "a\n"}, **_H)
_add("heredoc: COPY with options", "COPY --chown=5:6 --chmod=750 <<EOF /f\nx\nEOF", **_H)
_add("heredoc: COPY empty", "COPY <<EOF /f\nEOF", **_H)
_add("heredoc: COPY with tabs", "COPY <<-EOF /f\n\ta\n\t\tb\n\tEOF", **_H)
_add("heredoc: ADD", "ADD <<EOF /f\nx\nEOF", **_H)
_add("heredoc: without an end", "RUN <<EOF\necho a", **_H)
_add("heredoc: not in CMD", "CMD cat <<EOF\nENV A=b\nEOF", **_H)
_add("heredoc: exec form has none", 'RUN ["echo", "<<EOF"]\nENV A=b', **_H)
_add("heredoc: a here string is the shell's", "RUN echo '<<<x' > /f\nENV A=b", **_H)
_add("heredoc: quotes around the word", "RUN echo '<<EOF' > /f\nENV A=b", **_H)
_add("heredoc: a shift is the shell's", "RUN echo $((1 << 2)) > /f", **_H)
_add("heredoc: ONBUILD", "FROM busybox AS a\nONBUILD RUN <<EOF\necho a > /f\nEOF\nFROM a", **_H)
_add("heredoc: a Dockerfile word inside", "RUN <<EOF\nFROM=1\necho RUN > /f\nEOF\nENV A=b", **_H)

# ---- stages and options ----

_STAGES = "FROM busybox AS a\nENV A=1\nFROM busybox AS b\nENV B=1\nFROM a AS c\nENV C=1"
_add("stage: the last", _STAGES)
_add("stage: target", _STAGES, {}, "--target", "a")
_add("stage: target in another case", _STAGES, {}, "--target", "B")
_add("stage: target by number", _STAGES, {}, "--target", "1", prefer="podman")
_add("stage: a missing target", _STAGES, {}, "--target", "nothing")
_add("stage: one that fails is not needed", "FROM busybox AS a\nRUN false\nFROM busybox\nENV A=1",
     user=True)  # fmt: skip
_add("stage: one after the target is not built", "FROM busybox AS a\nENV A=1\nFROM busybox\nRUN false",
     {}, "--target", "a")  # fmt: skip
_add(
    "stage: alias in another case",
    "FROM busybox AS Abc\nENV A=1\nFROM aBC\nENV B=1",
    prefer="podman",
)
_add("stage: an alias hides an image", "FROM scratch AS busybox\nENV A=1\nFROM busybox\nENV B=1",
     peers="podman")  # fmt: skip
_add("stage: a chain", "FROM busybox AS a\nRUN echo 1 > /1\nFROM a AS b\nRUN echo 2 > /2; rm /1\n"
     "FROM b\nRUN echo 3 > /3")  # fmt: skip
_add("stage: scratch", "FROM scratch\nENV A=1", peers="podman")
_add("stage: scratch with a file", "FROM scratch\nCOPY one /", TREE)
_add("stage: scratch and WORKDIR", "FROM scratch\nWORKDIR /a")
_add("stage: scratch alone", "FROM scratch", peers="podman")
_add("stage: FROM alone", "FROM busybox", user=True)
_add("stage: a missing image", "FROM localhost/nothing-of-this-name")
_add("stage: a number is no stage", "FROM busybox\nFROM 0")
_add(
    "option: --platform native", "FROM busybox\nENV A=1", {}, "--platform", f"linux/{ARCHITECTURE}"
)
_add("option: FROM --platform", f"FROM --platform=linux/{ARCHITECTURE} busybox\nENV A=1")
_add("option: a second Dockerfile", "ENV A=1", {"sub/other": "FROM busybox\nENV B=1"},
     "-f", "sub/other")  # fmt: skip
_add("option: a missing Dockerfile", "ENV A=1", {}, "-f", "nothing")
_add("option: a Dockerfile of lower case", None, {"dockerfile": "FROM busybox\nENV A=1"})
_add("option: no Dockerfile", None, {"x": "x"})
_add("option: a Containerfile", None, {"Containerfile": "FROM busybox\nENV A=1"}, peers="podman",
     prefer="podman")  # fmt: skip
_P = {"peers": "podman", "prefer": "podman"}
_add(
    "option: --timestamp", "RUN echo a > /f\nCOPY one /n/\nENV A=1", TREE, "--timestamp", "0", **_P
)
_add("option: --squash", "RUN echo a > /f\nRUN rm /f; echo b > /g\nENV A=1", {}, "--squash",
     peers="")  # fmt: skip
_add("option: --squash-all", "RUN echo a > /f\nRUN rm /f; echo b > /g; rm /etc/group\nENV A=1", {},
     "--squash-all", peers="")  # fmt: skip
_add("option: --layers=false", "RUN echo a > /f\nRUN rm /f; echo b > /g\nENV A=1", {},
     "--layers=false", **_P)  # fmt: skip
_add("option: --annotation", "ENV A=1", {}, "--annotation", "a=b", "--format", "oci", **_P,
     by_hand={"annotations": {"a": "b"}}, why="the archive that is compared has none")  # fmt: skip
_add("option: --env", "ENV A=1", {}, "--env", "B=2", "--env", "A=3", **_P)
_add("option: --env from the environment", "ENV A=1", {}, "--env", "B", env=(("B", "mine"),), **_P)
_add("option: --unsetenv", "ENV A=1 B=2", {}, "--unsetenv", "A", **_P)
_add("option: --no-cache", "RUN echo a > /f", {}, "--no-cache")
_add("option: --rm", "RUN echo a > /f", {}, "--rm", "--force-rm")
_add("option: --ignorefile", "COPY . /c", {**IGNORED, "ign": "a.txt\n", ".dockerignore": "b.md\n"},
     "--ignorefile", "ign", **_P)  # fmt: skip
_add("option: --build-context", "COPY --from=more x /n/", {"other/x": "x\n"},
     "--build-context", "more=other")  # fmt: skip
_add("option: --build-context in place of an image", "FROM nothing/here\nENV B=2", {},
     "--build-context", "nothing/here=docker-image://busybox")  # fmt: skip
_add(
    "option: --add-host", "RUN grep -c 192.0.2.77 /etc/hosts > /f", {}, "--add-host", "h:192.0.2.77"
)
_add("option: --shm-size", "RUN df -k /dev/shm | tail -n 1 | awk '{print $2}' > /f", {},
     "--shm-size", "8m")  # fmt: skip
_add("option: an empty build-arg name is not known", "ENV A=1", {}, "--nothing-of-this-name")


def _by_hand(expected: dict[str, Any], why: str, *names: str) -> None:
    for name in names:
        CORNERS[name] = CORNERS[name]._replace(by_hand=expected, why=why)


_ERROR = {"error": True}
_by_hand(_ERROR, "the reference says that the build fails; docker 26 takes the name for root",
         "chown: a missing name", "chown: a missing group")  # fmt: skip
_by_hand(_ERROR, "must be octal and at most 07777; docker 26 takes no notice of others",
         "chmod: nonsense", "chmod: too large")  # fmt: skip
_by_hand(_ERROR, "the reference wants a directory and a slash; docker 26 keeps the last file only",
         "copy: several without a slash", "copy: star matches several to a name")  # fmt: skip
_by_hand(_ERROR, "docker 26 says nothing and keeps the beginning: half an archive is no image",
         "add: a tar cut short")  # fmt: skip
_by_hand({"either": True}, "neither peer's way makes sense: refused or built, but no crash",
         "add: a tar with names of whiteouts")  # fmt: skip
_by_hand({"either": True}, "an instruction without a word: docker runs nothing, buildah's shell fails",
         "run: nothing", "cmd: nothing")  # fmt: skip
_by_hand({"either": True}, "docker's command refuses it, buildah has an argument without a name",
         "arg: a bad build-arg")  # fmt: skip
_by_hand({"either": True}, "docker builds nothing that can be saved, buildah an empty layer",
         "stage: scratch alone")  # fmt: skip
_SQUASHED: dict[str, Any] = {
    "tree": {"/g": {"type": "file", "mode": "0644", "text": "b\n"}},
    "config": {"Env": [PATH, "A=1"], "Cmd": ["sh"]},
}
_by_hand({**_SQUASHED, "base": True, "layers": 1},
         "podman's --squash is of the new layers; buildah's, which was asked, of all",
         "option: --squash")  # fmt: skip
_by_hand({**_SQUASHED, "tree": {"/etc/group": {"type": "gone"}, **_SQUASHED["tree"]},
          "base": False, "layers": 1},
         "podman's option for all layers; buildah has no such word", "option: --squash-all")  # fmt: skip
_by_hand({"either": True}, "docker 26 takes any name for root where there is no passwd, buildah none",
         "chown: scratch and a name")  # fmt: skip
_by_hand({"either": True}, "buildah makes a volume's directory at once, docker when a container is made",
         "volume: made at its place")  # fmt: skip


def names(*, user: bool = False) -> list[str]:
    """Of all corners, or of those that a plain user builds too."""
    return [name for name, corner in CORNERS.items() if corner.user or not user]
