"""Where the context is from, which Dockerfile is taken, and what the ignore file hides."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archives import PACKED, node, tar
from served import served

from crun_py.build import context as contexts
from crun_py.build.context import Context
from crun_py.errors import CrunpyError, ImageError, InvalidArgument, NotFound

Opened = Callable[..., Context]
TEXT = b"FROM scratch\n"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


@pytest.fixture
def opened(work: Path) -> Iterator[Opened]:
    """Opens contexts and closes them; data: what is on standard input."""
    made: list[Context] = []

    def make(where: str | Path, dockerfile: str | Path = "", data: bytes | None = None,
             **more: str) -> Context:  # fmt: skip
        fd = -1
        if data is not None:
            fd, told = os.pipe()
            if os.fork() == 0:
                os.close(fd)
                done = 1
                try:
                    with open(told, "wb") as f:
                        f.write(data)
                    done = 0
                finally:
                    os._exit(done)
            os.close(told)
        try:
            made.append(contexts.opened(
                str(where), work=str(work), environment={"PATH": os.environ["PATH"]},
                dockerfile=str(dockerfile), stdin=fd, **more,
            ))  # fmt: skip
        finally:
            if fd >= 0:
                os.close(fd)
                os.wait()
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A context that has a Dockerfile and a file."""
    made = tmp_path / "ctx"
    made.mkdir()
    (made / "Dockerfile").write_bytes(TEXT)
    (made / "a").write_text("a")
    return made


def names(context: Context) -> list[str]:
    return sorted(os.listdir(context.root))


# ---- directories ----


def test_a_directory(opened: Opened, place: Path) -> None:
    found = opened(place)
    assert found.dockerfile == TEXT and found.title == "the build context"
    assert found.dockerfile_name == f"{place}/Dockerfile"
    assert names(found) == ["Dockerfile", "a"]
    assert not found.ignore


def test_a_relative_one(opened: Opened, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert opened(".").dockerfile_name == "Dockerfile"
    monkeypatch.chdir(place.parent)
    assert opened("ctx/").dockerfile_name == "ctx/Dockerfile"


def test_a_link_to_a_directory(opened: Opened, place: Path) -> None:
    (place.parent / "link").symlink_to(place)
    assert opened(place.parent / "link").dockerfile == TEXT


def test_what_is_not_there(opened: Opened, place: Path) -> None:
    with pytest.raises(NotFound, match="no such directory") as caught:
        opened(place.parent / "ctxx")
    assert caught.value.hint == "did you mean ctx?"


@pytest.mark.parametrize("kind", ["text", "fifo", "device"])
def test_what_is_no_context(opened: Opened, place: Path, kind: str) -> None:
    path = place / "a"
    if kind != "text":
        path = Path("/dev/zero") if kind == "device" else place / "fifo"
        if kind == "fifo":
            os.mkfifo(path)
    begun = time.monotonic()
    with pytest.raises(InvalidArgument, match="neither a directory nor a tar archive"):
        opened(path)
    assert time.monotonic() - begun < 2


# ---- which Dockerfile ----


@pytest.mark.parametrize("name", ["Dockerfile", "dockerfile", "Containerfile"])
def test_names_that_are_looked_for(opened: Opened, place: Path, name: str) -> None:
    (place / "Dockerfile").rename(place / name)
    assert opened(place).dockerfile_name.endswith(name)


def test_the_first_of_them_is_taken(opened: Opened, place: Path) -> None:
    (place / "Containerfile").write_text("FROM other")
    assert opened(place).dockerfile == TEXT


def test_none_of_them_is_there(opened: Opened, place: Path) -> None:
    (place / "Dockerfile").rename(place / "Dockerfile.dev")
    (place / "Dockerfile.dev.dockerignore").write_text("")
    with pytest.raises(NotFound, match="looked for Dockerfile, dockerfile, Cont") as caught:
        opened(place)
    assert caught.value.hint == "-f Dockerfile.dev"
    (place / "Dockerfile.dev").rename(place / "Dokcerfile")
    with pytest.raises(NotFound) as caught:
        opened(place)
    assert caught.value.hint == "-f Dokcerfile"


def test_a_path_is_the_callers_then_the_contexts(
    opened: Opened, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "sub").mkdir()
    (place / "sub/D").write_text("FROM inner")
    outside = place.parent / "D"
    outside.write_text("FROM outer")
    monkeypatch.chdir(place.parent)
    assert opened("ctx", "D").dockerfile == b"FROM outer"
    assert opened("ctx", outside).dockerfile_name == str(outside)
    assert opened("ctx", "ctx/sub/D").dockerfile == b"FROM inner"
    assert opened("ctx", "sub/D").dockerfile == b"FROM inner"
    assert opened(place, place / "sub/D").dockerfile == b"FROM inner"
    with pytest.raises(NotFound, match="Dockerfile sub/E") as caught:
        opened("ctx", "sub/E")
    assert caught.value.hint == "did you mean D?" or caught.value.hint == ""
    with pytest.raises(NotFound, match="no such file"):
        opened("ctx", "../nothing")


def test_standard_input(opened: Opened, place: Path) -> None:
    found = opened(place, "-", b"FROM stdin")
    assert (found.dockerfile, found.dockerfile_name) == (b"FROM stdin", "standard input")
    assert names(found) == ["Dockerfile", "a"]
    with pytest.raises(InvalidArgument, match="it is empty"):
        opened(place, "-", b"")
    with pytest.raises(InvalidArgument):
        opened(place, "-", b"\x7fELF\0\0")
    with pytest.raises(InvalidArgument, match="larger than 4 MiB"):
        opened(place, "-", b"#" * (5 << 20))
    with pytest.raises(InvalidArgument, match="already"):
        opened("-", "-", TEXT)


def test_an_empty_dockerfile_is_the_parsers_to_refuse(opened: Opened, place: Path) -> None:
    (place / "Dockerfile").write_bytes(b"")
    assert opened(place).dockerfile == b""


@pytest.mark.parametrize("by_option", [False, True])
@pytest.mark.parametrize("kind", ["fifo", "directory", "device", "large", "sparse"])
def test_only_regular_files_of_some_size_are_read(
    opened: Opened, place: Path, kind: str, by_option: bool
) -> None:
    path = place / "Dockerfile"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        os.mknod(path, 0o20666, os.makedev(1, 5))
    else:
        with path.open("wb") as f:
            f.truncate(5 << 20 if kind == "large" else 1 << 40)
    begun = time.monotonic()
    with pytest.raises(InvalidArgument, match=r"it is a|larger than 4 MiB"):
        opened(place, path if by_option else "")
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("by_option", [False, True])
@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"])
@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "/dev/zero", "loop", "nothing"])
def test_links_lead_nowhere_out_of_the_context(
    opened: Opened, place: Path, name: str, target: str, by_option: bool
) -> None:
    (place.parent / "secret").write_text("secret")
    path = place / name
    path.unlink(missing_ok=True)
    path.symlink_to(path if target == "loop" else target)
    with pytest.raises(InvalidArgument, match="leads out of the build context"):
        opened(place, place / "Dockerfile" if by_option else "")


def test_links_inside_it_are_followed(opened: Opened, place: Path) -> None:
    (place / "docker").mkdir()
    (place / "Dockerfile").rename(place / "docker/D")
    (place / "Dockerfile").symlink_to("docker/D")
    (place / "docker/ignore").write_text("a\n")
    (place / ".dockerignore").symlink_to("/docker/ignore")
    found = opened(place)
    assert found.dockerfile == TEXT and found.ignore.hides("a")


# ---- ignore files ----


@pytest.mark.parametrize(
    ("files", "holds"),
    [(["Dockerfile.dockerignore", ".containerignore", ".dockerignore"], 0),
     ([".containerignore", ".dockerignore"], 0), ([".dockerignore"], 0),
     (["sub/D.dockerignore", ".dockerignore"], 1), ([], -1)],
)  # fmt: skip
def test_the_order_of_ignore_files(
    opened: Opened, place: Path, files: list[str], holds: int
) -> None:
    (place / "sub").mkdir()
    for name in files:
        (place / name).write_text(f"{files.index(name)}\n")
    ignore = opened(place).ignore
    assert [ignore.hides(str(n)) for n in range(3)] == [n == holds for n in range(3)]
    assert ignore.name == (files[holds] if holds >= 0 else ".dockerignore")


def test_the_one_beside_a_dockerfile_that_is_named(opened: Opened, place: Path) -> None:
    (place / "sub").mkdir()
    (place / "sub/D").write_bytes(TEXT)
    (place / "sub/D.dockerignore").write_text("inner")
    (place / ".dockerignore").write_text("top")
    (place.parent / "D").write_bytes(TEXT)
    (place.parent / "D.dockerignore").write_text("outer")
    assert opened(place, place / "sub/D").ignore.hides("inner")
    assert opened(place, place.parent / "D").ignore.hides("outer")
    assert opened(place, "-", TEXT).ignore.hides("top")


def test_the_one_of_the_option(opened: Opened, place: Path) -> None:
    (place / ".dockerignore").write_text("top")
    (place.parent / "mine").write_text("a")
    ignore = opened(place, ignore_file=str(place.parent / "mine")).ignore
    assert ignore.hides("a") and not ignore.hides("top")
    with pytest.raises(NotFound, match="no such file"):
        opened(place, ignore_file=str(place.parent / "none"))
    with pytest.raises(InvalidArgument, match="it is a character device"):
        opened(place, ignore_file="/dev/zero")


def test_what_hides_everything_hides_no_dockerfile_from_us(opened: Opened, place: Path) -> None:
    (place / ".dockerignore").write_text("*\n")
    found = opened(place)
    assert found.dockerfile == TEXT and found.ignore.hides("Dockerfile")


@pytest.mark.parametrize("kind", ["fifo", "directory", "device"])
def test_an_ignore_file_is_a_regular_file(opened: Opened, place: Path, kind: str) -> None:
    path = place / ".dockerignore"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, 0o20666, os.makedev(1, 5))
    else:
        path.mkdir()
    begun = time.monotonic()
    with pytest.raises(InvalidArgument, match=r"\.dockerignore: it is a"):
        opened(place)
    assert time.monotonic() - begun < 2


def test_a_bad_pattern_is_named(opened: Opened, place: Path) -> None:
    (place / ".dockerignore").write_text("a\n!\n")
    with pytest.raises(InvalidArgument, match=r"\.dockerignore:2"):
        opened(place)


# ---- standard input and archives ----


def test_a_dockerfile_alone_has_an_empty_context(opened: Opened) -> None:
    found = opened("-", data=TEXT)
    assert found.dockerfile == TEXT and names(found) == []
    assert found.dockerfile_name == "standard input"


@pytest.mark.parametrize("kind", PACKED)
def test_an_archive_on_standard_input(opened: Opened, kind: str) -> None:
    data = tar(("./", None), ("Dockerfile", TEXT), ("d/a", b"a"), (".dockerignore", b"a"))
    found = opened("-", data=PACKED[kind](data))
    assert found.dockerfile == TEXT and names(found) == [".dockerignore", "Dockerfile", "d"]
    assert found.ignore and found.dockerfile_name == "Dockerfile"
    about = os.stat("d/a", dir_fd=found.root)
    assert (about.st_uid, about.st_mtime, about.st_mode & 0o777) == (0, 1_000_000_000, 0o640)


@pytest.mark.parametrize("kind", PACKED)
def test_an_archive_as_a_file(opened: Opened, tmp_path: Path, kind: str) -> None:
    data = tar(("x/D", TEXT), node("x/n", tarfile.CHRTYPE, uid=7, devmajor=1, devminor=3))
    (tmp_path / "ctx.any").write_bytes(PACKED[kind](data))
    found = opened(tmp_path / "ctx.any", "x/D")
    assert found.dockerfile == TEXT
    assert os.listdir(os.open("x", os.O_RDONLY, dir_fd=found.root)) == ["D"]


def test_what_follows_an_archive_in_a_pipe_is_read(opened: Opened) -> None:
    assert opened("-", data=tar(("Dockerfile", TEXT)) + bytes(300_000)).dockerfile == TEXT
    with pytest.raises(ImageError, match="something else follows"):
        opened("-", data=tar(("Dockerfile", TEXT)) + bytes(20 << 20))


@pytest.mark.parametrize("data", [b"", b"\0" * 20000, b"\x7fELF\0", PACKED["gzip"](b"text")])
def test_what_is_neither(opened: Opened, data: bytes) -> None:
    with pytest.raises(InvalidArgument, match="standard input"):
        opened("-", data=data)


def test_an_option_and_a_dockerfile_alone_contradict(opened: Opened) -> None:
    with pytest.raises(InvalidArgument, match="standard input is a Dockerfile, too"):
        opened("-", "D", TEXT)


HOSTILE = [
    tar(("Dockerfile", TEXT), ("../evil", b"x")),
    tar(("Dockerfile", TEXT), node("l", tarfile.SYMTYPE, ".."), ("l/evil", b"x")),
    tar(("Dockerfile", TEXT), node("l", tarfile.LNKTYPE, "../../secret")),
    tar(node("Dockerfile", tarfile.SYMTYPE, "/etc/passwd")),
    tar(node("Dockerfile", tarfile.SYMTYPE, "../../secret")),
    tar(node("Dockerfile", tarfile.FIFOTYPE)),
    tar(node("Dockerfile", tarfile.CHRTYPE, devmajor=1, devminor=5)),
    tar(("Dockerfile", TEXT), node(".dockerignore", tarfile.SYMTYPE, "/etc/passwd")),
    tar(("Dockerfile", TEXT))[:700],
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_archives(opened: Opened, tmp_path: Path, work: Path, data: bytes) -> None:
    (tmp_path / "secret").write_text("secret")
    begun = time.monotonic()
    with pytest.raises(CrunpyError):
        opened("-", data=data)
    assert time.monotonic() - begun < 2
    assert not list(tmp_path.rglob("evil"))


def test_an_absolute_name_is_inside(opened: Opened) -> None:
    assert names(opened("-", data=tar(("/Dockerfile", TEXT)))) == ["Dockerfile"]


# ---- URLs ----


def test_urls(opened: Opened, tmp_path: Path, work: Path) -> None:
    data = PACKED["xz"](tar(("Dockerfile", TEXT), ("a", b"a")))
    with served({"/x": data, "/D": b"FROM url", "/none.git": b""}) as url:
        assert names(opened(f"{url}/x")) == ["Dockerfile", "a"]
        alone = opened(f"{url}/D")
        assert (alone.dockerfile, names(alone)) == (b"FROM url", [])
        assert opened(f"{url}/x", f"{url}/D").dockerfile == b"FROM url"
        assert opened(f"{url}/x", "-", b"FROM stdin").dockerfile == b"FROM stdin"
        with pytest.raises(NotFound, match="no such file"):
            opened(f"{url}/x", "E")
        with pytest.raises(CrunpyError, match="404"):
            opened(f"{url}/y")


def test_a_repository(opened: Opened, tmp_path: Path) -> None:
    made = tmp_path / "r"
    made.mkdir()
    (made / "sub").mkdir()
    (made / "sub/Dockerfile").write_bytes(TEXT)
    script = ("git init -q -b main && git add -A && "
              "git -c user.name=a -c user.email=a@b commit -qm x")  # fmt: skip
    subprocess.run(script, shell=True, cwd=made, check=True)
    found = opened(f"file://{made}#main:sub")
    assert found.dockerfile == TEXT and names(found) == ["Dockerfile"]
    assert opened(f"file://{made}", "sub/Dockerfile").dockerfile == TEXT


def test_a_directory_comes_before_a_repository(
    opened: Opened, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = place.parent / "github.com/u/r"
    there.parent.mkdir(parents=True)
    place.rename(there)
    monkeypatch.chdir(place.parent)
    assert opened("github.com/u/r").dockerfile == TEXT


# ---- named contexts and size ----


def test_named_contexts_need_no_dockerfile(place: Path, work: Path) -> None:
    (place / "Dockerfile").unlink()
    (place / ".dockerignore").write_text("a")
    found = contexts.named(str(place), work=str(work), environment={}, title="context x")
    assert found.title == "context x" and found.hides("a", directory=False)
    os.close(found.root)


@pytest.mark.parametrize("kind", PACKED)
def test_a_large_archive_comes_through_a_pipe(opened: Opened, kind: str) -> None:
    content = os.urandom(3 << 20)
    data = tar(("a", content), ("Dockerfile", TEXT), ("b", content))
    found = opened("-", data=PACKED[kind](data))
    with open(found.open("b", os.O_RDONLY), "rb") as f:
        assert f.read() == content


def test_what_every_build_loads_is_light() -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\n"
        "import crun_py.build.context, crun_py.build.output, crun_py.build.secrets\n"
        "import crun_py.build.agent, crun_py.build.add\n"
        "print(*(set(sys.modules) - before))"
    )
    words = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"]
    found = set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
    heavy = {"json", "re", "typing", "socket", "subprocess", "pathlib", "dataclasses", "enum",
             "httpx", "httpcore", "urllib", "email", "hashlib", "tempfile", "shutil"}  # fmt: skip
    assert not found & heavy


@pytest.mark.parametrize("where", ["-", "."])
def test_a_directory_as_standard_input(
    place: Path, work: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    fd = os.open(place, os.O_RDONLY)
    with pytest.raises(CrunpyError, match="reading standard input: is a directory"):
        contexts.opened(where, work=str(work), environment={}, stdin=fd,
                        dockerfile="" if where == "-" else "-")  # fmt: skip
    os.close(fd)


def test_a_terminal_as_standard_input(place: Path, work: Path) -> None:
    terminal, slave = os.openpty()
    for where, dockerfile in (("-", ""), (str(place), "-")):
        with pytest.raises(InvalidArgument, match="is a terminal"):
            contexts.opened(where, work=str(work), environment={}, stdin=slave,
                            dockerfile=dockerfile)  # fmt: skip
    os.close(terminal)
    os.close(slave)


def test_the_umask_is_of_no_concern(opened: Opened) -> None:
    before = os.umask(0o077)
    try:
        found = opened("-", data=tar(("d", None), ("Dockerfile", TEXT), ("e/f", b"")))
    finally:
        os.umask(before)
    for path, mode in ((".", 0o755), ("d", 0o755), ("e/f", 0o640)):
        assert os.stat(path, dir_fd=found.root).st_mode & 0o777 == mode
