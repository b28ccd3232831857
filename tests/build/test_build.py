"""`crunpy build` as a person or a script sees it: what it prints, its exit status, its errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from building import build, built, cached, context, failed, image_id, said, words
from engine import Engine, wait_for

TEXT = "FROM busybox\nENV A=1\nRUN echo to-out; echo to-err >&2\nCOPY f /f\nCMD cat /f\n"
SHORT = "[0-9a-f]{12}"


def test_plain_progress_in_a_pipe(engine: Engine) -> None:
    where = context(engine, {"Dockerfile": TEXT, "f": "content"})
    done = build(engine, where, "--no-cache", "-t", "plain", "-t", "other:v1")
    assert done.code == 0 and done.err == "to-err\n"
    done_id = image_id(engine, "plain")
    assert re.fullmatch(
        f"""\
Step 1/5 : FROM busybox
 ---> {SHORT}
Step 2/5 : ENV A=1
 ---> {SHORT}
Step 3/5 : RUN echo to-out; echo to-err >&2
 ---> Running in {SHORT}
to-out
 ---> Removed intermediate container {SHORT}
 ---> {SHORT}
Step 4/5 : COPY f /f
 ---> {SHORT}
Step 5/5 : CMD cat /f
 ---> {SHORT}
Successfully built {done_id[:12]}
Successfully tagged plain:latest
Successfully tagged other:v1
""",
        done.out,
    )
    again = build(engine, where, "-t", "plain")
    assert again.err == "" and "Running in" not in again.out
    assert cached(again) == [False, True, True, True, True]
    assert again.out.endswith(
        f"Successfully built {done_id[:12]}\nSuccessfully tagged plain:latest\n"
    )
    assert said(engine, "plain") == "content"


def test_quiet_and_files(engine: Engine) -> None:
    """-q, --iidfile, --metadata-file; `-t =name` is the name."""
    where = context(engine, {"Dockerfile": TEXT, "f": "content"})
    ids, metadata = where.parent / "ids", where.parent / "metadata"
    done = build(engine, where, "-q", "-t", "=named", "-t", "localhost:5000/a/b:c",
                 "--iidfile", ids, "--metadata-file", metadata)  # fmt: skip
    assert done.code == 0 and done.err == ""
    whole = "sha256:" + image_id(engine, "named")
    assert done.out == whole + "\n" and ids.read_text() == whole
    found = json.loads(metadata.read_text())
    assert found["containerimage.config.digest"] == whole
    assert re.fullmatch("sha256:[0-9a-f]{64}", found["containerimage.digest"])
    names = ["docker.io/library/named:latest", "localhost:5000/a/b:c"]
    assert found["image.name"].split(",") == names
    assert image_id(engine, "localhost:5000/a/b:c") == whole[7:]


def test_quiet_tells_what_a_failed_step_said(engine: Engine) -> None:
    text = "FROM busybox\nRUN echo not-this\nRUN echo this; echo that >&2; exit 3\n"
    where = context(engine, {"Dockerfile": text})
    done = build(engine, where, "-q", "--iidfile", where / "id")
    assert done.code == 3 and done.out == ""
    assert "this\nthat\n" in done.err and "not-this" not in done.err.replace(text, "").partition(
        ">>>")[0].partition("1 |")[0]  # fmt: skip
    assert ">>> 3 | RUN echo this" in done.err and not (where / "id").exists()


def test_no_progress(engine: Engine) -> None:
    where = context(engine, {"Dockerfile": TEXT, "f": "x"})
    done = build(engine, where, "--progress", "none", "-t", "x")
    assert (done.out.strip(), done.err) == ("sha256:" + image_id(engine, "x"), "")


def test_progress_as_json(engine: Engine) -> None:
    """Each line is an object; the last one tells the image."""
    where = context(engine, {"Dockerfile": TEXT, "f": "x\n"})
    done = build(engine, where, "--no-cache", "--progress", "rawjson", "-t", "x")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 0 and found[-1]["kind"] == "built"
    assert found[-1]["text"] == "sha256:" + image_id(engine, "x")
    steps = [e["text"] for e in found if e["kind"] == "step"]
    assert steps == TEXT.splitlines()
    assert [e["number"] for e in found if e["kind"] == "step"] == [1, 2, 3, 4, 5]
    output = {e["stream"]: e["data"] for e in found if e["kind"] == "output"}
    assert output == {1: "to-out\n", 2: "to-err\n"}
    bad = context(engine, {"Dockerfile": "FROM busybox\nRUN exit 4\n"})
    done = build(engine, bad, "--progress", "rawjson")
    last = json.loads(done.out.splitlines()[-1])
    assert done.code == 4 and last["kind"] == "error" and "exit status 4" in last["text"]


def test_on_a_terminal(engine: Engine) -> None:
    """Done steps stay above; the terminal is given back as it was; no raw escapes of RUN."""
    text = "FROM busybox\nRUN echo visible-line; printf 'a\\033[2Jb\\007\\n'; sleep 1\nENV A=1\n"
    terminal = engine.pty(*words(context(engine, {"Dockerfile": text}), "-t", "tty"), cols=100)
    seen = terminal.until("visible-line")
    assert terminal.wait() == 0
    seen += terminal.seen
    assert b"\x1b[2J" not in seen and b"\x07" not in seen
    for number in (1, 2, 3):
        assert f"[{number}/3]".encode() in seen
    assert b"built " + image_id(engine, "tty")[:12].encode() in seen and b"tty" in seen
    assert terminal.mode() == terminal.before
    assert seen.rstrip().rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l")  # the cursor is shown


def test_a_failure_on_a_terminal(root: Engine) -> None:
    text = "FROM busybox\nRUN for i in 1 2 3 4 5 6 7 8 9; do echo line-$i; done; exit 5\n"
    terminal = root.pty(*words(context(root, {"Dockerfile": text})))
    assert terminal.wait() == 5
    for number in range(1, 10):
        assert f"line-{number}".encode() in terminal.seen
    assert b">>> 2 | RUN" in terminal.seen


def test_the_log_file(engine: Engine) -> None:
    where = context(engine, {"Dockerfile": TEXT, "f": "x"})
    log = where.parent / "log"
    done = build(engine, where, "--no-cache", "--logfile", log, "-t", "x")
    assert done.code == 0
    found = log.read_text()
    for line in ("Step 3/5 : RUN", "to-out\n", "to-err\n", "Successfully tagged x:latest"):
        assert line in found


# ---- exit status ----


@pytest.mark.parametrize("status", [1, 7, 125, 255])
def test_the_status_is_that_of_the_command(engine: Engine, status: int) -> None:
    error = failed(engine, f"FROM busybox\nRUN exit {status}\nRUN never\n", code=status)
    assert f"RUN exit {status}: exit status {status}" in error.splitlines()[-1]
    assert "never" not in error.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "status"),
    [('["/nowhere"]', 127), ('["/etc"]', 126), ("nowhere", 127), ("sh -c 'kill -9 $$'; exit", 137)],
)
def test_a_command_that_cannot_run(engine: Engine, command: str, status: int) -> None:
    failed(engine, f"FROM busybox\nRUN {command}\n", code=status)


BAD = [
    "--nosuch", "--progress=bad", "--format=bad", "--timestamp=x", "--jobs=x", "--jobs=-1",
    "--target=nosuch", "--build-arg==x", "--secret=x", "--secret=id=x,src=/nowhere", "--ssh=x,y",
    "--output=type=bad", "--output=type=local", "--tag=UPPER", "--file=nosuch",
    "--iidfile=/nowhere/x", "--metadata-file=/nowhere/x", "--logfile=/nowhere/x", "--label=",
    "--memory=x", "--allow=bad", "--platform=a/b/c/d", "--build-context=x", "--ulimit=x",
    "--source-date-epoch=x", "--ignorefile=/nowhere", "--no-cache=maybe", "--annotation=x",
    "--build-arg-file=/nowhere", "--cap-add=nosuch", "--volume=x", "--security-opt=x",
]  # fmt: skip


@pytest.mark.parametrize("option", BAD)
def test_bad_options(root: Engine, option: str) -> None:
    """They are told before anything is done."""
    where = context(root, {"Dockerfile": "FROM busybox\nRUN true\n"})
    done = root.run(*words(where), option)
    assert done.code == 125, done
    assert "internal" not in done.err and "Step" not in done.out
    assert done.err.splitlines()[-1].startswith("crunpy: error: ")


def test_a_context_that_is_not_there(root: Engine) -> None:
    for where in ("/nowhere", "/etc/passwd", root.home):
        done = root.run(*words(where))
        assert done.code in (1, 125) and done.err.startswith("crunpy: error: "), done
        assert len(done.err.splitlines()) == 1
    assert root.run("build", "a", "b").code == 125


# ---- errors of Dockerfiles ----

AROUND = "FROM busybox\nENV a=b\n{}\nENV c=d\nENV e=f\nENV g=h\n"
WRONG = [  # the line, words of the error
    ("RNU echo", "unknown instruction RNU", "did you mean RUN?"),
    ("COPY --chwon=1 f /", "no flag --chwon", "did you mean --chown?"),
    ("COPY f", "COPY", ""),
    ("RUN --mount=type=cahe,target=/x true", "cahe", "cache"),
    ("HEALTHCHECK --intervall=1s CMD true", "--intervall", "did you mean --interval?"),
    ("FROM a b", "FROM", "AS"),
    ("RUN <<E", "E", ""),
    ("STOPSIGNAL nosuch", "nosuch", ""),
    ("EXPOSE 70000", "70000", ""),
    ("COPY hallo.txt /", "hallo.txt: not in the build context", "did you mean hello.txt?"),
    ("COPY hidden.txt /", "it is there, and the ignore file hides it", "hid*"),
    ("COPY ../../../etc/passwd /", "not in the build context", "above"),
    ("COPY --from=nosuchstage f /", "nosuchstage", ""),
    ("ADD nothing.tar /", "nothing.tar", ""),
    ("USER nosuch\nRUN id", "nosuch", "no such user"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message", "hint"), WRONG)
def test_wrong_lines_are_shown(root: Engine, line: str, message: str, hint: str) -> None:
    files: dict[str, str | bytes] = {
        "Dockerfile": AROUND.format(line), "hello.txt": "x", "hidden.txt": "x", "f": "x",
        ".dockerignore": "hid*\n",
    }  # fmt: skip
    error = failed(root, files, "--pull-never")
    number = 2 + len(line.splitlines())
    marked = line.splitlines()[-1]
    assert f">>> {number} | {marked}\n" in error, error
    assert "    2 | ENV a=b\n" in error or "ENV c=d\n" in error
    last = error.splitlines()[-1]
    assert f"Dockerfile:{number}" in last and message in last and hint in last, last


def test_an_empty_dockerfile(root: Engine) -> None:
    for text in ("", "# nothing\n", "\n\n"):
        assert "no instruction" in failed(root, text)


def test_an_image_that_is_not_there(engine: Engine) -> None:
    error = failed(engine, "FROM busybox\nFROM nosuch/image:1\nRUN x\n", "--pull-never")
    assert ">>> 2 | FROM nosuch/image:1" in error and "nosuch/image:1" in error.splitlines()[-1]


def test_a_tag_that_is_not_there(root: Engine) -> None:
    error = failed(root, "FROM busybox:nosuchtag\n")
    assert "busybox:nosuchtag" in error.splitlines()[-1]


@pytest.mark.parametrize(
    "text", ["FROM // remark\n", "FROM busybox // remark\n", "// x\nFROM busybox\n"]
)
def test_two_slashes_are_no_comment(root: Engine, text: str) -> None:
    assert "# does" in failed(root, text).splitlines()[-1]


# ---- what lies outside of the context ----

MARK = "canary-of-the-host"


def _canary(engine: Engine) -> Path:
    file = engine.home / "canary"
    file.write_text(MARK)
    file.chmod(0o644)
    return file


LINKS = ("absolute", "relative", "directory", "chain", "proc")


@pytest.mark.parametrize(
    "how",
    [*(f"COPY {kind} /got/" for kind in LINKS), *(f"ADD {kind} /got/" for kind in LINKS[:3]),
     "COPY . /got/", "COPY d /got/", "COPY --parents ./d/l ./d/up/canary /got/",
     "RUN --mount=type=bind,target=/c mkdir /got; cd /c; cp -L absolute relative /got",
     *(f"RUN --mount=type=bind,source={kind},target=/got/x cp -rL /got/x /got/y; true"
       for kind in LINKS[:3])],
)  # fmt: skip
def test_links_out_of_the_context(engine: Engine, how: str) -> None:
    """What they name on the host does not get into the image."""
    canary = _canary(engine)
    where = context(engine, {"Dockerfile": f"FROM busybox\n{how}\n", "d/f": "x"})
    targets = (str(canary), "../../canary", str(engine.home), "d/l", f"/proc/self/root{canary}")
    for kind, target in zip(LINKS, targets, strict=True):
        (where / kind).symlink_to(target)
    (where / "d/l").symlink_to(canary)
    (where / "d/up").symlink_to("../../..")
    done = build(engine, where, "-t", "links")
    assert MARK not in done.out + done.err
    if done.code:
        assert done.code == 1, done
        return
    found = said(engine, "links", "sh", "-c", f"find /got -type f -exec grep -l {MARK} {{}} +;"
                 "find /got -name contexts")  # fmt: skip
    assert found == ""


def test_a_link_that_is_swapped_during_the_build(root: Engine) -> None:
    """A directory of the context turns into a link to the host's and back, all the time."""
    _canary(root)
    where = context(root, {"Dockerfile": "FROM busybox\nCOPY d /got\n", "d/canary": "mine"})
    (where / "evil").symlink_to(root.home)
    swap = f"""
import ctypes, os
os.chdir({str(where)!r})
libc = ctypes.CDLL(None)
while True:
    libc.renameat2(-100, b"d", -100, b"evil", 2)
"""
    attacker = subprocess.Popen(["/usr/bin/python3", "-c", swap])
    try:
        seen = set()
        for _ in range(12):
            done = build(root, where, "--no-cache", "-t", "swapped")
            if done.code == 0:
                seen.add(root.run("run", "--rm", "--network", "none", "swapped", "sh", "-c",
                                  "cat /got/canary; grep -r canary-of /got").out)  # fmt: skip
            else:
                assert done.code == 1, done
        assert not any(MARK in one for one in seen), seen
    finally:
        attacker.kill()
        attacker.wait()


@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "directory"])
def test_a_dockerfile_that_is_no_file(engine: Engine, kind: str) -> None:
    where = context(engine, {"x": "x"})
    if kind == "fifo":
        os.mkfifo(where / "Dockerfile", 0o666)
    elif kind == "directory":
        (where / "Dockerfile").mkdir()
    else:
        (where / "Dockerfile").symlink_to(kind)
    done = build(engine, where, timeout=20)
    assert done.code in (1, 125) and done.err.startswith("crunpy: error: ")
    done = build(engine, where, "-f", "/dev/zero" if kind == "/dev/zero" else where / "Dockerfile",
                 timeout=20)  # fmt: skip
    assert done.code in (1, 125)


def test_several_words_of_one_build(root: Engine) -> None:
    """A label, a variable and an annotation given beside the Dockerfile; --target."""
    text = "FROM busybox AS one\nLABEL a=1\nFROM one AS two\nRUN exit 1\n"
    built(root, text, "--target", "one", "--label", "b=2", "--env", "V=w", "--annotation", "n=x",
          "-t", "words")  # fmt: skip
    found = root.inspect("words")
    assert found["Config"]["Labels"] == {"a": "1", "b": "2"} and "V=w" in found["Config"]["Env"]
    assert wait_for(lambda: said(root, "words", "sh", "-c", "echo $V") == "w")


def test_a_large_context_is_noticed(root: Engine) -> None:
    """By what is large in it, before it is read."""
    where = context(root, {"Dockerfile": "FROM scratch\nCOPY . /all/\n", "small": "x"})
    (where / "modules").mkdir()
    with (where / "modules/huge").open("wb") as file:
        file.truncate(3 << 29)
    process = root.popen(*words(where))
    line = next(line for line in process.stdout if b"Warning" in line)
    process.send_signal(15)
    process.communicate(timeout=20)
    assert b"1.6GB" in line and b"modules 1.6GB" in line and b".dockerignore" in line


def test_run_on_nothing(root: Engine) -> None:
    assert "no file to execute" in failed(root, "FROM scratch\nRUN true\n").splitlines()[-1]


def test_a_dockerfile_that_wants_no_warnings(root: Engine) -> None:
    text = "# check=error=true\nFROM busybox\nMAINTAINER me\nRUN true\n"
    where = context(root, {"Dockerfile": text})
    done = build(root, where)
    assert done.code == 1 and "MaintainerDeprecated" in done.out and "Step" not in done.out
    fine = context(root, {"Dockerfile": "# check=error=true\nFROM busybox\nRUN true\n"})
    assert build(root, fine).code == 0
