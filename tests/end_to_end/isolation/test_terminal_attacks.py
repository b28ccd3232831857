"""What a container can do to the terminal of whoever starts, enters or watches it: type nothing
into it (TIOCSTI, CVE-2017-5226), and drive it with nothing but its own output.

The attacker is in the container and pushes a command line into every terminal that it can open;
it has CAP_SYS_ADMIN, with which the kernel does not ask whose terminal it is.
"""

from __future__ import annotations

import fcntl
import re
import struct
import subprocess
import termios
import time
from pathlib import Path

import images
import pytest
from engine import Engine, Pty
from mirror import Registry
from oci_images import entry, tar

NONE = ("--network", "none")
ADMIN = ("--cap-add", "SYS_ADMIN")
INJECTOR = r"""
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void inject(const char *what, int fd)
{
	int n = 0;
	for (const char *c = "touch owned\n"; fd >= 0 && *c; c++)
		n += !ioctl(fd, TIOCSTI, c);
	printf("%s: %d %s\n", what, n, n ? "typed" : strerror(errno));
}

int main(void)
{
	char path[300];
	const char *places[] = { "/dev", "/dev/pts", "/proc/self/fd" };
	for (int fd = 0; fd < 100; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			snprintf(path, sizeof(path), "fd %d", fd);
			inject(path, fd);
		}
	for (int i = 0; i < 3; i++) {
		DIR *d = opendir(places[i]);
		for (struct dirent *e; d && (e = readdir(d));) {
			snprintf(path, sizeof(path), "%s/%s", places[i], e->d_name);
			inject(path, open(path, O_RDWR | O_NONBLOCK | O_NOCTTY));
		}
	}
	printf("end\n");
	return 0;
}
"""


@pytest.fixture(scope="module")
def injector(base: Path) -> Path:
    source, program = base / "injector.c", base / "injector"
    source.write_text(INJECTOR)
    subprocess.run(["gcc", "-static", "-O1", "-w", "-o", program, source], check=True)
    return program


def typed(terminal: Pty) -> int:
    """How many bytes wait on `terminal` for whoever reads it next: a shell."""
    mode = termios.tcgetattr(terminal.slave)
    mode[3] &= ~termios.ICANON  # so that each byte counts, not each line
    termios.tcsetattr(terminal.slave, termios.TCSANOW, mode)
    waiting = fcntl.ioctl(terminal.slave, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", waiting)[0])


def test_the_attack_works(injector: Path) -> None:
    """Without a container in between, the bytes wait for the caller's shell."""
    if Path("/proc/sys/dev/tty/legacy_tiocsti").read_text().strip() != "1":
        pytest.skip("this kernel has TIOCSTI off for everybody")
    terminal = Pty([str(injector)], {})
    terminal.wait()
    assert b"fd 0: 12 typed" in terminal.seen and typed(terminal) >= 12
    terminal.close()


RUN = ("run", "--rm", *NONE, *ADMIN)


@pytest.mark.parametrize(
    "words",
    [RUN, (*RUN, "-i"), (*RUN, "-t"), (*RUN, "-it"), (*RUN, "-it", "--init"),
     ("run", "--rm", *ADMIN, "-i", "--network", "host", "--ipc", "host", "--uts", "host"),
     (*RUN, "-a", "stdout", "-a", "stderr"),
     ("exec",), ("exec", "-i"), ("exec", "-t"), ("exec", "-it")],
    ids=lambda words: " ".join(words),
)  # fmt: skip
def test_nothing_is_typed(engine: Engine, injector: Path, words: tuple[str, ...]) -> None:
    mount = ("-v", f"{injector}:/injector:ro")
    if words[0] == "exec":
        engine.detached("--name", "c", *ADMIN, *mount, "busybox", "sleep", "1000")
        terminal = engine.pty(*words, "c", "/injector")
    else:
        terminal = engine.pty(*words, *mount, "busybox", "/injector")
    terminal.until("end")
    assert terminal.wait() == 0
    assert typed(terminal) == 0


def test_its_own_terminal_is_what_it_types_into(engine: Engine, injector: Path) -> None:
    """With -t the bytes come back to the container, and end with it."""
    script = "/injector > /dev/null; read line; echo got $line"
    terminal = engine.pty(*RUN, "-it", "-v", f"{injector}:/injector:ro", "busybox", "sh", "-c",
                          script)  # fmt: skip
    terminal.until("got touch owned")
    terminal.wait()
    assert typed(terminal) == 0


def test_nothing_is_typed_by_who_is_watched(engine: Engine, injector: Path) -> None:
    """`attach`, `start -ai` and `logs -f`: their terminal is as far away."""
    mount = ("-v", f"{injector}:/injector:ro")
    script = "read go; /injector; exec sleep 1000"
    for tty in ((), ("-t",)):
        engine.detached("--name", "c", "-i", *tty, *ADMIN, *mount, "busybox", "sh", "-c", script)
        follower, watcher = engine.pty("logs", "-f", "c"), engine.pty("attach", "c")
        time.sleep(0.1)
        watcher.write("go\r")
        watcher.until("end")
        follower.until("end")
        assert typed(follower) == 0
        engine.ok("rm", "-f", "-t0", "c")
        watcher.wait()
        assert typed(watcher) == 0
        engine.ok("create", "--name", "c", "-i", *tty, *NONE, *ADMIN, *mount, "busybox",
                  "/injector")  # fmt: skip
        terminal = engine.pty("start", "-ai", "c")
        terminal.until("end")
        terminal.wait()
        assert typed(terminal) == 0
        engine.ok("rm", "-f", "c")


def test_nothing_is_typed_by_a_build(engine: Engine, registry: Registry, injector: Path) -> None:
    layer = tar(entry("injector", injector.read_bytes(), mode=0o755))
    name = registry.push("test/injector", images.image(registry.busybox, layer))
    (engine.home / "context").mkdir()
    (engine.home / "context").chmod(0o755)
    (engine.home / "context/Dockerfile").write_text(f"FROM {name}\nRUN /injector\n")
    terminal = engine.pty("build", "--no-cache", "--progress", "plain", *NONE, *ADMIN, "-t",
                          "injected", str(engine.home / "context"))  # fmt: skip
    terminal.until("end")
    assert terminal.wait() == 0
    assert typed(terminal) == 0


# ---- escape sequences in the names and words that a container chooses ----

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202efed"
RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
PRINTF = r"printf '\033]0;owned\007\033[2J\302\23331m\342\200\256fed'"
SCRIPT = f"""
E=$({PRINTF})
mkdir "/$E"; touch "/$E/$E"; ln -s "$E" "/link$E"
printf '#!/%s/interpreter\\n' "$E" > /script; chmod 755 /script
sh -c 'echo -n "$0" > /proc/$$/comm; sleep 1000 & wait' "$E" argument &
sleep 0.1
echo up; exec sleep 1000
"""
LOOKS: list[list[str]] = [
    *(["top", "c", *words.split()] for words in (
        "", "-ef", "-eo pid,comm,args", "pid comm args",
    )),
    *(["inspect", "-f", template, "c"] for template in (
        "{{.State.Health}}", "{{json .State.Health.Log}}",
        "{{range .State.Health.Log}}{{.Output}}{{end}}",
    )),
    ["inspect", "c"], ["stats", "--no-stream", "c"], ["diff", "c"], ["ps", "--size"],
    ["healthcheck", "run", "c"], ["exec", "c", "/script"], ["cp", f"c:/{EVIL}/none", "HOME/x"],
    ["cp", f"c:/{EVIL}", "/nope/nope"], ["cp", "c:/etc", f"HOME/{EVIL}"],
    ["events", "--since", "1h", "--until", "0s"], ["system", "check"],
    ["secret", "inspect", "s"], ["network", "inspect", "escaping"],
    ["network", "ls", "--format", "{{.Labels}}"], ["inspect", "failed"],
    ["start", "-a", "failed"], ["inspect", "-f", "{{.State.Error}}", "failed"],
]  # fmt: skip


def test_nothing_a_container_chooses_drives_the_terminal(engine: Engine) -> None:
    check = ("--health-cmd", f"{PRINTF}; exit 1", "--health-interval", "1h")
    engine.ok("secret", "create", "-l", f"k={EVIL}", "s", "-", input="x")
    engine.ok("volume", "create", "-l", f"k={EVIL}", "v")
    engine.ok("network", "create", "--label", f"k={EVIL}", "escaping")
    engine.detached("--name", "c", *check, "-v", "v:/v", "busybox", "sh", "-c", SCRIPT)
    engine.logs_until("c", "up")
    engine.run("healthcheck", "run", "c")
    engine.ok("commit", "-q", "c", "evil-interpreter")
    engine.ok("create", "--name", "failed", *NONE, "evil-interpreter", "/script")
    assert engine.run("start", "failed").code == 1
    shown = engine.ok("top", "c", "comm", "args")
    assert "argument" in shown and shown.count("owned") == 2
    found = []
    try:
        for row in LOOKS:
            words = [word.replace("HOME", str(engine.home)) for word in row]
            terminal = engine.pty(*words, rows=50, cols=400)
            terminal.wait()
            text = terminal.seen.decode(errors="replace").replace("\r\n", "\n")
            if (bad := RAW.search(text)) or "Traceback" in text:
                found.append((words, bad, text[:300]))
    finally:
        engine.ok("rm", "-f", "-t0", "-a")
        engine.ok("network", "rm", "escaping")
        engine.ok("rmi", "evil-interpreter")
    assert found == [], "\n".join(map(repr, found))
