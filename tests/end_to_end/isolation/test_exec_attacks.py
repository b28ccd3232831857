"""What a container can do to a command that enters it: nothing of the host is in its reach.

A program in the container looks at every process that appears there, all the time: through
/proc/PID/root, cwd, fd, mem and status.  It has CAP_SYS_PTRACE, so that the kernel lets it
look at each.  A file of the host is the canary, and so is a variable of the caller's.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engine import Engine

WATCHER = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char canary[4096], up[4200];
static struct stat own;
static unsigned long long own_caps;

static int told(const char *what, int pid, const char *more)
{
	static char seen[400][300];
	static int n;
	char line[300];
	snprintf(line, sizeof(line), "%s %.200s", what, more);
	for (int i = 0; i < n; i++)
		if (!strcmp(seen[i], line))
			return 0;
	if (n < 400)
		strcpy(seen[n++], line);
	(void)pid;
	printf("%s\n", line);
	fflush(stdout);
	return 1;
}

/* Read the canary relative to dir: as a process with that root or directory would. */
static void reach(const char *what, int pid, int dir)
{
	char text[64] = "";
	const char *names[] = { canary + 1, up };
	for (int i = 0; i < 2; i++) {
		int fd = openat(dir, names[i], O_RDONLY);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "CANARY"))
			told("READ-BY", pid, what);
		close(fd);
	}
}

static unsigned long long caps(const char *pid, char *line, size_t size)
{
	char path[64];
	unsigned long long found = 0;
	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, (int)size, f))
		if (sscanf(line, "CapEff: %llx", &found) == 1)
			break;
	if (f)
		fclose(f);
	return found;
}

static void look(const char *name)
{
	char path[400], link[400], data[65536];
	struct stat st;
	int pid = atoi(name), fd;
	snprintf(path, sizeof(path), "/proc/%s/root", name);
	if ((fd = open(path, O_RDONLY | O_DIRECTORY)) >= 0) {
		if (!fstat(fd, &st) && (st.st_dev != own.st_dev || st.st_ino != own.st_ino))
			told("ROOT", pid, "another");
		reach("root", pid, fd);
		close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%s/cwd", name);
	if ((fd = open(path, O_RDONLY | O_DIRECTORY)) >= 0) {
		reach("cwd", pid, fd);
		close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%s/fd", name);
	DIR *fds = opendir(path);
	for (struct dirent *e; fds && (e = readdir(fds));) {
		if (*e->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fd/%.20s", name, e->d_name);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = 0;
		if (!strncmp(link, "pipe:", 5) || !strncmp(link, "socket:", 7))
			continue;
		if (!strncmp(link, "/dev/", 5))
			continue;
		told("FD", pid, link);
		if ((fd = open(path, O_RDONLY | O_DIRECTORY)) >= 0) {
			reach("fd", pid, fd);
			close(fd);
		}
	}
	if (fds)
		closedir(fds);
	snprintf(path, sizeof(path), "/proc/%s/environ", name);
	if ((fd = open(path, O_RDONLY)) >= 0) {
		ssize_t n = read(fd, data, sizeof(data) - 1);
		for (ssize_t i = 0; i + 7 < n; i++)
			if (!memcmp(data + i, "HIDDEN-", 7))
				told("ENVIRON", pid, data + i);
		close(fd);
	}
	unsigned long long theirs = caps(name, data, sizeof(data));
	if (theirs & ~own_caps) {
		snprintf(link, sizeof(link), "%llx", theirs & ~own_caps);
		told("CAPS", pid, link);
	}
	snprintf(path, sizeof(path), "/proc/%s/exe", name);
	if ((fd = open(path, O_WRONLY)) >= 0) {
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		if (strstr(link, "memfd"))
			told("EXE-WRITABLE", pid, link);
		close(fd);
	}
}

/* Stop a process that is entering, and take the time to look. */
static void seize(const char *name)
{
	if (ptrace(PTRACE_SEIZE, atoi(name), 0, 0))
		return;
	ptrace(PTRACE_INTERRUPT, atoi(name), 0, 0);
	waitpid(atoi(name), NULL, __WALL);
	look(name);
	ptrace(PTRACE_DETACH, atoi(name), 0, 0);
}

int main(int argc, char **argv)
{
	char line[4096];
	strcpy(canary, argv[1]);
	snprintf(up, sizeof(up), "../../../../../../../..%s", canary);
	stat("/", &own);
	own_caps = caps("self", line, sizeof(line));
	printf("up\n");
	fflush(stdout);
	for (;;) {
		DIR *proc = opendir("/proc");
		for (struct dirent *e; (e = readdir(proc));) {
			if (*e->d_name < '1' || *e->d_name > '9' || atoi(e->d_name) == getpid())
				continue;
			look(e->d_name);
			if (argc > 2)
				seize(e->d_name);
		}
		closedir(proc);
	}
}
"""


@pytest.fixture(scope="module")
def watcher(base: Path) -> Path:
    source, program = base / "watcher.c", base / "watcher"
    source.write_text(WATCHER)
    subprocess.run(["gcc", "-static", "-O1", "-w", "-o", program, source], check=True)
    return program


Seen = Callable[..., set[str]]


@pytest.fixture
def seen(engine: Engine, watcher: Path) -> Seen:
    """Starts the watcher with `options`, lets `enter(engine)` run again and again, and returns
    what it told."""

    def watch(enter: Callable[[], None], *options: str, seizes: bool = False) -> set[str]:
        canary = engine.home / "canary"
        canary.write_text("CANARY")
        canary.chmod(0o644)
        health = ("--health-cmd", "true", "--health-interval", "1h")
        command = ["/watcher", canary, *(["seize"] if seizes else [])]
        options = ("--name", "c", "-v", f"{watcher}:/watcher:ro", *health, *options)
        engine.detached(*options, "busybox", *command)
        engine.logs_until("c", "up")
        end = time.monotonic() + 4
        for _ in range(50):
            enter()
            if time.monotonic() > end:
                break
        return set(engine.ok("logs", "c").splitlines()) - {"up"}

    return watch


def reached(told: set[str]) -> set[str]:
    """What leads to the host, or gives more rights than the container has."""
    return {line for line in told if line.split()[0] in ("READ-BY", "ROOT", "FD", "EXE-WRITABLE")}


PTRACE = ("--cap-add", "SYS_PTRACE")


def test_exec_brings_nothing_of_the_host(engine: Engine, seen: Seen) -> None:
    assert reached(seen(lambda: engine.ok("exec", "c", "true") and None, *PTRACE)) == set()


def test_exec_brings_nothing_when_it_is_stopped_on_the_way(engine: Engine, seen: Seen) -> None:
    """Whoever may trace the process stops it with the first instruction that it sees."""
    told = seen(lambda: engine.run("exec", "c", "true") and None, *PTRACE, seizes=True)
    assert reached(told) == set()


def test_exec_brings_no_capability(engine: Engine, seen: Seen) -> None:
    """Who traces it could use what it has: it enters with the container's capabilities."""
    told = seen(lambda: engine.ok("exec", "c", "true") and None, *PTRACE, seizes=True)
    assert {line for line in told if line.startswith("CAPS")} == set()


def test_exec_brings_no_variable_of_the_callers(engine: Engine, seen: Seen) -> None:
    hidden: dict[str, str | None] = {"PATH": engine.env["PATH"] + ":/HIDDEN-path"}
    told = seen(lambda: engine.ok("exec", "c", "true", env=hidden) and None, *PTRACE)
    assert {line for line in told if line.startswith("ENVIRON")} == set()


@pytest.mark.parametrize("how", [["-u", "tester"], ["-t"]])
def test_exec_with_options(engine: Engine, seen: Seen, how: list[str]) -> None:
    told = seen(lambda: engine.ok("exec", *how, "c", "true") and None, *PTRACE)
    assert reached(told) == set()


@pytest.mark.parametrize("verb", ["healthcheck", "top", "cp"])
def test_other_verbs(engine: Engine, seen: Seen, verb: str) -> None:
    source = engine.home / "source"
    source.write_text("x")
    source.chmod(0o644)
    commands = {
        "healthcheck": [["healthcheck", "run", "c"]],
        "top": [["top", "c", "pid", "user", "args"], ["top", "c"]],
        "cp": [["cp", source, "c:/tmp/x"], ["cp", "c:/etc/passwd", "-"]],
    }[verb]

    def enter() -> None:
        for command in commands:
            engine.ok(*command)

    assert reached(seen(enter, *PTRACE)) == set()


@pytest.mark.parametrize(
    "options", [(), ("--cap-add", "ALL"), ("--uidmap", "0:1000:5000", *PTRACE)]
)
def test_exec_into_other_containers(engine: Engine, seen: Seen, options: tuple[str, ...]) -> None:
    """The default one, one that may do everything, one with a user namespace of its own."""
    told = seen(lambda: engine.ok("exec", "c", "true") and None, *options)
    assert reached(told) == set()


def test_a_container_that_joins_its_processes(engine: Engine, seen: Seen) -> None:
    """`--pid container:c`: it comes into sight only when its own root is its root."""
    joining = ("run", "--rm", "--network", "none", "--pid", "container:c", "busybox", "true")
    told = seen(lambda: engine.ok(*joining) and None, *PTRACE)
    assert {line for line in told if line.startswith(("READ-BY", "EXE-WRITABLE"))} == set()


def test_the_canary_would_be_read(root: Engine, watcher: Path) -> None:
    """The attack itself works: on a process of the host that is left in reach."""
    canary = root.home / "canary"
    canary.write_text("CANARY")
    root.detached("--name", "c", "--pid", "host", *PTRACE, "-v", f"{watcher}:/watcher:ro",
                  "busybox", "/watcher", canary)  # fmt: skip
    assert "READ-BY root" in root.logs_until("c", "READ-BY root")
    assert os.readlink("/proc/self/root") == "/"
