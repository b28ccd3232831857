"""What a text of --user, `exec -u` and USER means: the same for each of them, and never root by
mistake (CVE-2026-46680: a number out of range was looked up as a name; CVE-2026-30892: exec -u 1
ran as root)."""

from __future__ import annotations

import os
import resource
import subprocess
import tarfile

import pytest
from engine import Engine
from images import BUSYBOX, image
from mirror import Registry
from oci_images import entry, symlink, tar

NONE = ("run", "--rm", "--network", "none")
PASSWD = b"""\
root:x:0:0:root:/root:/bin/sh
12:x:0:0:a name of digits:/:/bin/sh
4294967296:x:0:0:a large one:/:/bin/sh
00:x:7:7::/:/bin/sh
seven:x:7:8::/:/bin/sh
broken
short:x:9
-1:x:0:0::/:/bin/sh
toor:x:0:5::/:/bin/sh
dash-ed_:x:10:11::/:/bin/sh
a b:x:13:13::/:/bin/sh
"""
GROUP = b"""\
root:x:0:
12:x:0:
4294967296:x:0:
eight:x:8:
more:x:99:seven,other
also:x:98:x, seven
"""
GOOD = {
    "root": "0 0 0", "0": "0 0 0", "00": "0 0 0", "0:0": "0 0 0",
    "1": "1 0 0", "01": "1 0 0", "1:1": "1 1 1", "12": "12 0 0", "12:12": "12 12 12",
    "seven": "7 8 8,99", "7": "7 7 7", "7:eight": "7 8 8", "seven:12": "7 12 12",
    "seven:0": "7 0 0", "toor": "0 5 5", "dash-ed_": "10 11 11", "65534": "65534 0 0",
    "0065535:065535": "65535 65535 65535", ":eight": "0 8 8",
}  # fmt: skip
"""uid, gid and groups.  Names of digits are numbers; the first line of a number counts."""
BAD = ["4294967295", "4294967296", "4294967296:0", "0:4294967296", "18446744073709551616", "-1",
       "0:-1", "+1", "1.0", "0x1", "1e1", "broken", "short", "nobody-here", "seven:nobody-here",
       "seven:8:8", "root x", "../root", "0;id", "\u0661", "Root", "root!"]  # fmt: skip
TELL = "echo $(id -u) $(id -g) $(id -G | tr ' ' '\\n' | sort -n | tr '\\n' ',' | sed 's/,$//')"


@pytest.fixture(scope="module")
def users(registry: Registry) -> str:
    layer = tar(entry("etc/passwd", PASSWD), entry("etc/group", GROUP))
    return registry.push("test/users", image(registry.busybox, layer))


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_what_a_text_means(engine: Engine, users: str, verb: str) -> None:
    engine.ok("pull", "-q", users)
    engine.detached("--name", "c", users, "sleep", "1000")
    found = {}
    for text in GOOD:
        words = ("exec", "-u", text, "c") if verb == "exec" else (*NONE, "-u", text, users)
        found[text] = engine.ok(*words, "sh", "-c", TELL)
    assert found == GOOD


def test_what_is_no_user(engine: Engine, users: str) -> None:
    """An error of exec, and nothing is run; of `run` see test_run.test_bad_user_strings."""
    engine.detached("-q", "--name", "c", users, "sleep", "1000")
    wrong = []
    for text in BAD:
        done = engine.run("exec", f"-u{text}", "c", "sh", "-c", TELL)
        if done.code != 125 or done.out or done.err.count("\n") != 1:
            wrong.append((text, done))
    assert wrong == []


def test_users_of_a_build(engine: Engine, users: str) -> None:
    """USER means the same in a build's RUN and in what is built; it is no user there either."""
    some = {
        text: GOOD[text] for text in ("0", "1", "12", "7", "toor", "seven", "7:eight", ":eight")
    }
    steps = "".join(f"USER {text}\nRUN {TELL} >> /seen\n" for text in some)
    make = f"FROM {users}\nRUN touch /seen; chmod 666 /seen\n"
    engine.ok("build", "-f-", "-t", "u", *NONE[2:], engine.home, input=make + steps)
    assert engine.ok(*NONE, "-u", "0", "u", "cat", "/seen").split("\n") == [*some.values()]
    assert engine.ok(*NONE, "u", "sh", "-c", TELL) == [*some.values()][-1]
    wrong = []
    for text in ("4294967296", "0:4294967296", "-1", "+1", "0x1", "broken", "Root", "seven:8:8"):
        words = ("build", "-q", "-f-", *NONE[2:], engine.home)
        done = engine.run(*words, input=f"FROM {users}\nUSER {text}\nRUN {TELL} >&2\n")
        if done.code == 0 or "0 0 0" in done.err or "Traceback" in done.err:
            wrong.append((text, done))
    assert wrong == []


def traps(file: str) -> dict[str, list[tuple[tarfile.TarInfo, bytes]]]:
    """Entries of a layer in which nobody who reads `file` comes to an end."""
    return {
        "FIFO": [entry(file, type=tarfile.FIFOTYPE, mode=0o666)],
        "link to a FIFO": [
            symlink(file, "../trap"), entry("trap", type=tarfile.FIFOTYPE, mode=0o666)
        ],
        "zeros": [symlink(file, "/dev/zero")],
        "memory": [symlink(file, "/proc/self/mem")],
        "standard input": [symlink(file, "/proc/self/fd/0")],
        "device": [entry(file, type=tarfile.CHRTYPE, devmajor=1, devminor=5, mode=0o666)],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "file"), [*((kind, "passwd") for kind in traps("")), ("FIFO", "group")]
)
def test_files_that_are_traps(engine: Engine, registry: Registry, kind: str, file: str) -> None:
    """CVE-2024-9676: whoever reads them waits for ever, or until the memory is full."""
    layer = tar(*traps(f"etc/{file}")[kind])
    name = f"test/trap-{file}-{kind.replace(' ', '-').lower()}"
    registry.push(name, image(registry.busybox, layer))
    pulled = engine.run("pull", "-q", name)
    if pulled.code:
        assert kind == "device" and engine.rootless, pulled
        return
    done = engine.run(*NONE, "-u", "7:nobody-here", name, "id", timeout=5)
    assert done.code == 125 and done.err.count("\n") == 1, done
    engine.ok("rmi", name)


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_file_of_a_gigabyte(engine: Engine, verb: str) -> None:
    """Holes cost whoever made it nothing: it is refused by its size, not read."""
    root = engine.home / "rootfs"
    for path in ("bin", "etc", "proc", "dev", "sys"):
        (root / path).mkdir(parents=True)
    (root / "bin/busybox").write_bytes(BUSYBOX.read_bytes())
    (root / "bin/busybox").chmod(0o755)
    file = root / "etc/passwd"
    file.write_text("root:x:0:0::/:/bin/sh\n")
    subprocess.run(["chown", "-R", f"{engine.user or 'root'}:", root], check=True)
    words = (*NONE, "-u", "tester", "--rootfs", root, "/bin/busybox", "id")
    if verb == "exec":
        engine.detached("--name", "c", "--rootfs", root, "/bin/busybox", "sleep", "1000")
        words = ("exec", "-u", "tester", "c", "/bin/busybox", "id")
    os.truncate(file, 1 << 30)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))

    done = engine.run(*words, timeout=5, preexec_fn=limit)
    assert done.code == 125 and "larger than 1 MiB" in done.err, done
