"""Every option of every verb is given nonsense: it never breaks the command, and what cannot be
right is refused before anything is done.

The verbs run in children of this process, one for each option: a start of the interpreter for
each of some thousand values would take minutes.  A few are run for real at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from engine import Engine

from crun_py.cli import fast
from crun_py.cli.verbs import VERBS
from crun_py.values import LIST, VALUE

HUGE = "1" + "0" * 23
LONG = "1" * 5000
TEXT = ["x\ny", "../../etc", "{{", "a=b=c", "1e999", "\udcff"]
GARBAGE = ["", "-1", "-5", "nan", HUGE, LONG, str(2**63), "99999999999m", "²", ":", ",", "=", *TEXT]

NUMBERS = ["", "-5", "nan", HUGE, LONG, str(2**63), "²", *TEXT]
SIGNED = [v for v in NUMBERS if v != "-5"]
SPANS = ["", "-1", "-5", "nan", HUGE, LONG, "²", *TEXT]
POINTS = ["nan", HUGE, LONG, "²", *TEXT]
SIZES = ["", "-5", "nan", HUGE, LONG, str(2**63), "99999999999999g", "²", *TEXT]
SIGNALS = ["0", "65", "nan", HUGE, LONG, "²", *TEXT]
WORDS = ["nan", "²", *TEXT]
TEMPLATES = ["{{", "{{end}}", "{{other .}}", "{{.A", '{{"x}}']
ADDRESSES = ["", "-1", "nan", "1.2.3", "1.2.3.4.5", HUGE, *TEXT]
NAMES = ["x\ny", "../../etc", "{{", "a b", "\x1b[31m"]
FILTERS = ["nosuch=1", "{{", "x\ny", "../../etc"]
FILES = ["/nosuch/directory/file", "/"]

KINDS = {
    "ACTION": WORDS, "BOOL": ["", "-1", "2", *WORDS], "DEVICE:N": WORDS, "DEVICE:SIZE": WORDS,
    "DRIVER": WORDS, "FORMAT": TEMPLATES, "HOW": WORDS, "KEYS": TEXT, "KIND": WORDS,
    "LIST": NUMBERS[1:], "MAC": ADDRESSES[1:], "MAP": ["", "-1", HUGE, *WORDS],
    "N": NUMBERS, "NUMBER": NUMBERS,
    "PLATFORM": ["/", "a/b/c/d", *TEXT], "POLICY": WORDS, "PORT": NUMBERS, "SECONDS": NUMBERS,
    "SIGNAL": SIGNALS, "SIZE": SIZES, "STATE": WORDS, "STREAM": ["", *WORDS], "TIME": SPANS,
    "TYPE": WORDS, "ZONE": WORDS,
}  # fmt: skip
"""Values that cannot be right, by the word that the tables have for an option's value."""

OPTIONS = {
    "--add-host": ["", "x", "x:", ":1.2.3.4", "x:1.2.3", "x\ny:1.2.3.4", "a b:1.2.3.4", *TEXT],
    "--authfile": FILES, "--cgroupns": WORDS, "--cidfile": FILES, "--conmon-pidfile": FILES,
    "--cpu-quota": SIGNED, "--device-cgroup-rule": ["", "-1", "c", "x 1:3 r", "c 1:3 q", *TEXT],
    "--digestfile": FILES, "--dns": ADDRESSES, "--dns-option": ["x\ny"], "--dns-search": NAMES,
    "--domainname": [*NAMES, "x" * 65], "--filter": FILTERS, "--hostname": [*NAMES, "x" * 65],
    "--iidfile": FILES, "--init-path": FILES, "--ip": ADDRESSES[1:], "--ipc": WORDS,
    "--kernel-memory": SIZES, "--label": ["", "=", "=x"], "--last": SIGNED,
    "--memory-swappiness": ["-5", "101", *SIGNED], "--network-alias": ["", *NAMES],
    "--oom-score-adj": ["-1001", "1001", *SIGNED], "--exit-policy": WORDS,
    "--pid": WORDS, "--pidfile": FILES, "--pod-id-file": FILES,
    "--share": ["ipc,x", "mount", *WORDS],
    "--pids-limit": SIGNED, "--platform": KINDS["PLATFORM"], "--requires": ["x\ny", "{{"],
    "--sdnotify": WORDS, "--seccomp-policy": WORDS, "--signal": ["", *SIGNALS], "--since": POINTS,
    "--sort": WORDS, "--tail": WORDS, "--timeout": ["-1", *NUMBERS],
    "--ulimit": ["", "nofile", "nofile=x", f"nofile={HUGE}", "nosuch=1", "nofile=2:1", *TEXT],
    "--umask": ["-1", "-5", "8", "10000", "1e999", HUGE, "²", *TEXT], "--until": POINTS,
    "--user": ["-1", "4294967295", HUGE, f"0:{HUGE}"], "--uts": WORDS,
    "--workdir": ["x", *TEXT],
}  # fmt: skip
"""The same by an option's long name, where that says more."""

ELSEWHERE: dict[tuple[str, str], list[str]] = {
    **{(verb, "--time"): NUMBERS for verb in ("rm", "stop", "restart")},
    **{(verb, "--authfile"): [] for verb in ("login", "logout")},  # it will be made
    **{
        (verb, "--cidfile"): ["/absent", "/"]
        for verb in ("stop", "kill", "restart", "pause", "unpause", "rm")
    },
    ("generate systemd", "--requires"): ["x\ny"],
}
"""The same for one verb."""

ABSENT = {
    "attach": "nosuch", "commit": "nosuch x", "container inspect": "nosuch", "create": "nosuch",
    "diff": "nosuch", "exec": "nosuch true", "export": "nosuch", "generate systemd": "nosuch",
    "explain create": "nosuch", "explain run": "nosuch",
    "history": "nosuch", "image diff": "nosuch", "image inspect": "nosuch", "import": "/nosuch",
    **{f"pod {word}": "nosuch" for word in ("inspect", "start", "stop", "restart", "kill", "pause",
                                            "unpause", "rm", "logs", "top")},
    "pod stats": "--no-stream nosuch", "pod prune": "-f",
    "kube play": "/nosuch", "kube down": "/nosuch", "kube generate": "nosuch",
    "inspect": "nosuch", "kill": "nosuch", "load": "-i /nosuch", "login": "-u x -p y 127.0.0.1:1",
    "logout": "127.0.0.1:1", "logs": "nosuch", "manifest add": "nosuch nosuch",
    "manifest annotate": "nosuch nosuch", "manifest create": "nosuch", "manifest inspect": "nosuch",
    "manifest push": "nosuch 127.0.0.1:1/x", "pause": "nosuch", "pull": "nosuch",
    "push": "nosuch 127.0.0.1:1/x", "restart": "nosuch", "rm": "nosuch", "run": "nosuch",
    "save": "nosuch", "search": "127.0.0.1:1/x", "start": "nosuch", "stats": "--no-stream nosuch",
    "stop": "nosuch", "unpause": "nosuch", "update": "nosuch", "volume inspect": "nosuch",
    "wait": "nosuch", "events": "--until=0s --stream=false",
    "container prune": "-f",
    "image prune": "-f",
    "system prune": "-f", "volume prune": "-f",
    "system service": "nosuch://x", "daemon": "-H nosuch://x",  # else it listens for ever
}  # fmt: skip
"""What follows a verb's options: things that there are not.  Nobody listens on port 1."""

PRESENT = {
    **ABSENT,
    "create": "busybox", "explain create": "busybox", "diff": "c", "exec": "c true",
    "generate systemd": "c",
    "history": "busybox", "image inspect": "busybox", "inspect": "c", "logs": "c",
    **{f"pod {word}": "p" for word in ("inspect", "stop", "kill", "rm", "logs")},
    "pod stats": "--no-stream p", "pod prune": "",
    "stats": "--no-stream c", "update": "c", "wait": "c", "container inspect": "c",
    "image diff": "busybox", "container prune": "", "image prune": "", "system prune": "",
    "volume inspect": "v", "volume prune": "",
}  # fmt: skip
"""The same with things that there are, where nothing runs or waits."""

NO_RETRY = ("pull", "push", "search", "manifest add", "manifest create", "manifest inspect",
            "manifest push", "create", "run")  # fmt: skip


class Said(NamedTuple):
    value: str
    code: int
    err: str


def options(verb: str) -> list[str]:
    """The long names of a verb's options with a value; `run` has those of `create` too."""
    table = fast.load(verb).OPTIONS
    if verb == "run":
        table = [o for o in table if o not in fast.load("create").OPTIONS]
    return [
        max(names.split(), key=len) if "--" not in names
        else next(n for n in names.split() if n.startswith("--"))
        for names, kind, *_ in table if kind in (VALUE, LIST)
    ]  # fmt: skip


def wrong_values(verb: str, option: str) -> list[str]:
    table = fast.load(verb).OPTIONS
    metavar = next(metavar for names, *_, metavar in table if option in names.split())
    if (verb, option) in ELSEWHERE:
        return ELSEWHERE[verb, option]
    return OPTIONS.get(option, KINDS.get(metavar, []))


WITH_VALUES = [verb for verb in VERBS if options(verb)]


def _call(words: list[str]) -> tuple[int, str]:
    """Exit status and standard error of one command line, carried out by this process."""
    from crun_py.__main__ import main

    with tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as out:
        os.dup2(err.fileno(), 2)
        os.dup2(out.fileno(), 1)
        sys.stdout = open(1, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
        signal.setitimer(signal.ITIMER_REAL, 2)  # it waits for something: so it took the value
        code = main(words)
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.flush()
        err.seek(0)
        return code, err.read().decode(errors="backslashreplace")


def say(store: Engine, verb: str, option: str, values: list[str], rest: str) -> list[Said]:
    """What the verb answers to each of `values`, all in one child of this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            deep = os.path.join(tempfile.mkdtemp(dir=store.home), "a", "b")
            os.makedirs(deep)
            os.chdir(deep)
            os.environ.clear()
            os.environ.update(store.env)
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            words = [*verb.split(), *(["--retry=0"] if verb in NO_RETRY else [])]
            if verb in ("create", "run"):
                words += ["--network=none", "--quiet"]
            after = [word for word in rest.split() if not word.startswith(option + "=")]
            found = [(v, *_call([*words, f"{option}={v}", *after])) for v in values]
            with os.fdopen(writing, "w") as f:
                json.dump(found, f)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as f:
        text = f.read()
    os.waitpid(child, 0)
    assert text, f"{verb} {option}: the process ended"
    return [Said(*entry) for entry in json.loads(text)]


def judge(found: Iterator[tuple[str, Said]], bad: Callable[[Said], bool]) -> None:
    """Fails with all that are bad."""
    wrong = [
        f"{name}={said.value[:30]!r}: {said.code} {said.err[:200]!r}"
        for name, said in found if bad(said)
    ]  # fmt: skip
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong)


def _broken(said: Said) -> bool:
    errors = [line for line in said.err.splitlines() if line.startswith("crunpy: error: ")]
    words = ("internal error", "Traceback", "[Errno")
    return any(w in said.err for w in words) or (said.code == 125 and len(errors) != 1)


def _let_through(said: Said) -> bool:
    """Whether something else was looked for first, or nothing was wrong."""
    lines = [li for li in said.err.splitlines() if not li.startswith("crunpy: warning: ")]
    others = ("internal error", "container: nosuch", "image: nosuch", "object: nosuch", "nosuch:",
              "list: nosuch", "volume: nosuch", "library/nosuch", "127.0.0.1:1", "container given",
              "adding nosuch", "list nosuch")  # fmt: skip
    return said.code != 125 or len(lines) != 1 or any(words in said.err for words in others)


def _store(make: Callable[[str, str], Engine]) -> Engine:
    """For it docker.io is the registry of the tests alone: names are not looked up."""
    store = make("root", "v")
    conf = store.home / "registries.conf"
    conf.write_text(
        f'[[registry]]\nprefix = "docker.io"\nlocation = "{store.registry}"\ninsecure = true\n'
    )
    store.env["CONTAINERS_REGISTRIES_CONF"] = str(conf)
    return store


@pytest.fixture(scope="module")
def full(new_engine: Callable[[str, str], Engine]) -> Iterator[Engine]:
    """A store with the image busybox, the volume v, the container c, which does not run, and the
    pod p."""
    store = _store(new_engine)
    store.ok("pull", "-q", "busybox")
    store.ok("create", "--network", "none", "--name", "c", "busybox")
    store.ok("volume", "create", "v")
    store.ok("pod", "create", "--network", "none", "--name", "p")
    yield store
    store.clean()


@pytest.fixture(scope="module")
def empty(new_engine: Callable[[str, str], Engine]) -> Iterator[Engine]:
    store = _store(new_engine)
    yield store
    store.clean()


def _made(store: Engine) -> set[str]:
    """Names of everything in the store that somebody would have to remove."""
    found = set()
    for kind in ("containers", "pods", "volumes", "networks", "images/blobs/sha256"):
        directory = store.root / kind
        if directory.is_dir():
            found |= {f"{kind}/{p.name}" for p in directory.iterdir()}
    return found - {"containers/.names", "containers/.lock", "volumes/.lock"}


@pytest.mark.parametrize("verb", WITH_VALUES)
def test_nonsense_never_breaks(full: Engine, verb: str) -> None:
    def answers() -> Iterator[tuple[str, Said]]:
        for option in options(verb):
            values = [v for v in GARBAGE if (option, v) not in {("--watch", "-1")}]
            for said in say(full, verb, option, values, PRESENT.get(verb, "")):
                yield option, said
            for made in _made(full) - before:
                path = full.root / made
                if path.is_dir() and not made.startswith("images/"):
                    shutil.rmtree(path)
                elif made.startswith("networks/"):
                    path.unlink()
            for name in (full.root / "containers/.names").iterdir():
                if not name.exists():
                    name.unlink()

    before = _made(full)
    judge(answers(), _broken)


@pytest.mark.parametrize("verb", WITH_VALUES)
def test_nonsense_is_refused_before_anything_is_done(empty: Engine, verb: str) -> None:
    before = _made(empty)
    found = (
        (option, said)
        for option in options(verb)
        for said in say(empty, verb, option, wrong_values(verb, option), ABSENT.get(verb, ""))
    )
    judge(found, _let_through)
    assert _made(empty) <= before


@pytest.mark.parametrize("option", ["--cidfile", "--pidfile", "--conmon-pidfile"])
def test_no_container_is_made_for_a_file_that_cannot_be(full: Engine, option: str) -> None:
    before = _made(full)
    for said in say(full, "create", option, FILES, "busybox"):
        assert said.code == 125 and option.removeprefix("--conmon-").strip("-") in said.err, said
    assert _made(full) == before


REAL = [
    "-m 1e999", f"--oom-score-adj {HUGE}", "--oom-score-adj 1001", f"--timeout {HUGE}",
    "--timeout -1", "--umask -1", f"--shm-size {HUGE}", "--domainname ../../etc",
    "--health-interval x", "--init-path /nosuch", f"--stop-timeout {HUGE}", f"-m {HUGE}",
    "--network-alias ../x", "--add-host x", "--dns x", "--cpus 1e23",
]  # fmt: skip


def test_real_runs(engine: Engine) -> None:
    for line in REAL:
        message = engine.fails("run", "-d", "--network", "none", *line.split(), "nosuchimage")
        assert "nosuchimage" not in message and "internal" not in message, line
    assert engine.ps("-a") == []


def test_real_commands(engine: Engine) -> None:
    engine.ok("create", "--network", "none", "--name", "c", "busybox")
    for line in ("stop -t -5 c", "restart -t -5 c", f"stop -t {HUGE} c", "rm -t -5 c",
                 f"update -m {HUGE} c", "update --cpus nan c"):  # fmt: skip
        engine.fails(*line.split())
    assert "signal" in engine.fails("kill", "-s", "", "c")
    for verb in ("ps", "volume ls", "images", "search"):
        assert "template" in engine.fails(*verb.split(), "--format", "{{", "-f", "label=nosuch",
                                          *(["x"] if verb == "search" else []))  # fmt: skip
