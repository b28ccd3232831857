"""Programs and libraries of an image are run in its container and nowhere else: no command uses one
to do its own work (CVE-2019-14271: libnss of the container loaded by cp; CVE-2022-1227: top ran the
image's nsenter; an image's xz run by a daemon).

Every program that an engine may want (tar, xz, ps, nsenter …) and every library that a program may
load (NSS, gconv, Python's own modules, what /etc/ld.so.preload names) is a trap here, which writes
a mark where it runs: in its root, and at a path that only the host has.
"""

from __future__ import annotations

import io
import lzma
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import images
import pytest
from engine import Engine, wait_for
from mirror import Registry
from oci_images import directory, entry, symlink, tar

NONE = ("--network", "none")
TRAP = r"""
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((constructor)) static void sprung(void)
{
	char name[300] = "";
	int self = open("/proc/self/cmdline", O_RDONLY);
	ssize_t n = self < 0 ? 0 : read(self, name, sizeof(name) - 2);
	name[n > 0 ? n : 0] = '\n';
	const char *marks[] = { "/sprung", MARK };
	for (int i = 0; i < 2; i++) {
		int fd = open(marks[i], O_WRONLY | O_CREAT | O_APPEND, 0666);
		if (fd >= 0 && write(fd, name, n > 0 ? n + 1 : 1) < 0)
			perror(marks[i]);
	}
}
#ifndef SHARED
int main(void)
{
	return 0;
}
#endif
"""
PROGRAMS = """tar gzip gunzip xz unxz bzip2 zstd unzip nsenter unshare ps top mount umount cp rsync
id getent newuidmap newgidmap ip nft iptables slirp4netns pasta git ssh-agent losetup mkfs.ext4
mknod crunpy crunpy-core python3 env du chown chmod mkdir systemd-run""".split()
LIBRARIES = "libnss_files.so.2 libnss_compat.so.2 libnss_dns.so.2 libnss_systemd.so.2 libz.so.1 "
LIBRARIES += "liblzma.so.5 libcrypto.so.3 libtrap.so gconv/UTF-16.so gconv/ISO8859-1.so"
MODULES = "sitecustomize.py usercustomize.py encodings/idna.py encodings/utf_8.py pwd.py grp.py "
MODULES += "json/__init__.py tarfile.py crun_py/__init__.py"


class Traps:
    """name: the image.  mark: what a trap writes that runs with the host's root."""

    def __init__(self, name: str, mark: Path) -> None:
        self.name, self.mark = name, mark

    def sprung(self) -> str:
        return self.mark.read_text() if self.mark.exists() else ""


@pytest.fixture(scope="module")
def built(registry: Registry, base: Path) -> Traps:
    place = base / "program-traps"
    place.mkdir(exist_ok=True)
    place.chmod(0o1777)
    mark, source, program, library = (place / name for name in ("mark", "c.c", "program", "c.so"))
    source.write_text(TRAP)
    defined = f'-DMARK="{mark}"'
    for made, *options in ((program, "-static"), (library, "-shared", "-fPIC", "-DSHARED")):
        subprocess.run(["gcc", "-O1", "-w", defined, *options, "-o", made, source], check=True)
    python = f"open('/sprung', 'a').write(__file__); open({str(mark)!r}, 'a').write(__file__)\n"
    arch = subprocess.run(
        ["gcc", "-print-multiarch"], capture_output=True, text=True
    ).stdout.strip()
    entries = [directory(d) for d in ("usr/bin", "usr/sbin", "usr/local", "usr/local/bin", "sbin")]
    entries += [
        entry("trap", program.read_bytes(), mode=0o755),
        entry("trap.so", library.read_bytes(), mode=0o755),
    ]
    for place in ("bin", "usr/bin", "usr/sbin", "usr/local/bin", "sbin"):
        entries += [symlink(f"{place}/{name}", "/trap") for name in PROGRAMS]
    for place in ("lib", f"lib/{arch}", f"usr/lib/{arch}"):
        entries += [symlink(f"{place}/{name}", "/trap.so") for name in LIBRARIES.split()]
    for place in ("usr/lib/python3.11", "usr/lib/python3/dist-packages", "tmp", "root", "."):
        entries += [entry(f"{place}/{name}", python.encode()) for name in MODULES.split()]
    entries += [
        entry("etc/ld.so.preload", f"/lib/{arch}/libtrap.so\n".encode()),
        entry("etc/nsswitch.conf", b"passwd: files systemd\ngroup: files\nhosts: files dns\n"),
        entry("data/file", b"content"),
        entry(".profile", b"echo profile >> /sprung\n"),
    ]
    # the test's own programs in there are busybox by its name: static, it loads nothing
    return Traps(registry.push("test/traps", images.image(registry.busybox, tar(*entries))), mark)


@pytest.fixture
def traps(engine: Engine, built: Traps) -> Iterator[Traps]:
    engine.ok("pull", "-q", built.name)
    yield built
    assert built.sprung() == ""
    engine.run("rm", "-f", "-a", "-t0")
    engine.run("rmi", "-f", built.name)


def marks(engine: Engine, container: str) -> str:
    """What the traps wrote in the container's own root."""
    return engine.run("cp", f"{container}:/sprung", "-").out


def archive() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as file:
        info = tarfile.TarInfo("from-archive")
        info.size = 4
        file.addfile(info, io.BytesIO(b"text"))
    return made.getvalue()


def test_the_traps_work(engine: Engine, built: Traps) -> None:
    """In the container they spring; where the host's path is shown, there too."""
    engine.ok("pull", "-q", built.name)
    options = ("-v", f"{built.mark.parent}:{built.mark.parent}")
    engine.ok("run", "--rm", *NONE, *options, built.name, "xz")
    engine.ok("run", "--name", "c", *NONE, built.name, "ps")
    assert marks(engine, "c") and built.sprung()
    built.mark.unlink()
    engine.ok("rm", "c")


def test_no_command_springs_one(engine: Engine, traps: Traps) -> None:
    sleep = ("busybox", "sleep", "1000")
    check = ("--health-cmd", "busybox true", "--health-interval", "1h")
    engine.detached("--name", "c", *check, "-v", "seed:/data", "-u", "tester", traps.name, *sleep)
    source = engine.home / "source"
    source.write_text("x")
    source.chmod(0o644)
    engine.home.chmod(0o755)
    packed = lzma.compress(archive())
    commands: list[tuple[tuple[object, ...], bytes]] = [
        (("exec", "-u", "nobody", "c", "busybox", "true"), b""),
        (("exec", "-w", "/tmp", "-e", "PYTHONPATH=/tmp", "c", "busybox", "true"), b""),
        (("top", "c"), b""), (("top", "c", "user", "group", "args"), b""),
        (("cp", source, "c:/tmp/copied"), b""), (("cp", "c:/data", "-"), b""),
        (("cp", "-", "c:/tmp"), archive()), (("cp", "-a", "c:/etc", "c:/tmp/etc"), b""),
        (("diff", "c"), b""), (("stats", "--no-stream", "c"), b""), (("logs", "c"), b""),
        (("healthcheck", "run", "c"), b""), (("inspect", "--size", "c"), b""),
        (("ps", "--size"), b""), (("export", "c"), b""), (("commit", "-q", "c", "made"), b""),
        (("volume", "export", "seed"), b""), (("volume", "import", "seed", "-"), packed),
        (("image", "tree", traps.name), b""), (("save", traps.name), b""),
        (("system", "df", "-v"), b""), (("restart", "-t0", "c"), b""),
        (("history", traps.name), b""), (("stop", "-t0", "c"), b""),
        (("cp", "c:/data", "-"), b""), (("cp", "-", "c:/tmp"), archive()), (("diff", "c"), b""),
        (("export", "c"), b""), (("start", "c"), b""),
    ]  # fmt: skip
    for words, given in commands:
        done = engine.run(*words, input=given)
        assert done.code == 0, (words, done)
        assert traps.sprung() == "", words
    assert marks(engine, "c") == ""
    engine.ok("rmi", "-f", "made")


def test_no_network_springs_one(engine: Engine, traps: Traps) -> None:
    """What makes a network, with ports, names and a DNS responder, is the host's."""
    engine.ok("network", "create", "n")
    engine.ok("network", "create", "more")
    engine.ok("run", "-d", "--name", "c", "--network", "n", "-p", "127.0.0.1::80", traps.name,
              "busybox", "sleep", "1000")  # fmt: skip
    engine.ok("exec", "c", "busybox", "nslookup", "c", "127.0.0.11")
    engine.ok("network", "connect", "more", "c")
    assert marks(engine, "c") == ""
    engine.ok("rm", "-f", "-t0", "c")
    engine.ok("network", "rm", "n", "more")


def test_no_build_springs_one(engine: Engine, traps: Traps) -> None:
    """ADD unpacks xz and gzip, COPY copies, RUN runs what it says."""
    context = engine.home / "context"
    context.mkdir()
    (context / "a.tar.xz").write_bytes(lzma.compress(archive()))
    with tarfile.open(context / "b.tar.gz", "w:gz") as file:
        file.add(context / "a.tar.xz", "inner")
    (context / "Dockerfile").write_text(f"""FROM {traps.name} AS first
USER tester
FROM {traps.name}
ADD a.tar.xz b.tar.gz /added/
COPY --chown=tester --from=first /data /copied
RUN --mount=type=cache,target=/cache ["busybox", "true"]
WORKDIR /new/directory
HEALTHCHECK CMD busybox true
""")
    for path in (engine.home, context, *context.iterdir()):
        path.chmod(0o755)
    engine.ok("build", "-q", *NONE, "-t", "trapped", context)
    engine.ok("create", "--name", "c", *NONE, "trapped", "busybox", "true")
    assert marks(engine, "c") == ""
    engine.ok("start", "c")
    wait_for(lambda: engine.state("c")["Status"] == "exited")
    engine.ok("rm", "c")
    engine.ok("rmi", "-f", "trapped")
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", engine.home / "context"], check=True)
