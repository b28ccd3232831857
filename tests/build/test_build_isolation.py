"""What RUN, COPY and mounts can reach: attacks by a Dockerfile, beside canaries on the host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from building import MARK, Canary, build, built, context, failed, holding, own, said, unpacked
from engine import Engine


@pytest.fixture
def canary(engine: Engine) -> Iterator[Canary]:
    made = Canary(engine)
    yield made
    assert made.untouched


STATUS = "grep -E '^(Cap|Seccomp|NoNewPrivs|Uid|Gid|Groups|Speculation)' /proc/self/status"
SURROUNDINGS = (
    f"{STATUS}; ls -l /dev | cut -c1-30; cat /proc/self/cgroup | wc -l; ls /proc/self/fd;"
    "umask; ulimit -a; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; id;"
    "(mount -t tmpfs x /home; chroot / true; unshare -m true; mknod /tmp/n b 8 0; date -s 0) 2>&1;"
    "echo 1 2>&1 > /proc/sysrq-trigger; cat /proc/kcore /sys/firmware/x 2>&1 | head -c 100;"
    "awk '{print $5}' /proc/self/mountinfo | sort"
)


@pytest.mark.parametrize(
    "options", [(), ("--cap-drop", "all"), ("--cap-add", "SYS_ADMIN"),
                ("--security-opt", "no-new-privileges"), ("--security-opt", "seccomp=unconfined")],
)  # fmt: skip
def test_run_is_confined_like_a_container(engine: Engine, options: tuple[str, ...]) -> None:
    script = f"({SURROUNDINGS}) > /tmp/seen 2>&1; true"
    built(engine, f"FROM busybox\nRUN {script}\n", "--no-cache", "-t", "confined", *options)
    wanted = engine.ok("run", "--rm", "--network", "none", *options, "busybox", "/bin/sh", "-c",
                       f"({script}); cat /tmp/seen")  # fmt: skip
    found = said(engine, "confined", "cat", "/tmp/seen")

    def comparable(text: str) -> list[str]:
        return [re.sub(r"\b\d{2}:\d\d\b|pid \d+", "", line) for line in text.splitlines()]

    assert comparable(found) == comparable(wanted)


def test_more_rights_are_asked_for(engine: Engine) -> None:
    text = "FROM busybox\nRUN --security=insecure mount -t tmpfs x /tmp && touch /done\n"
    assert "--allow" in failed(engine, text).splitlines()[-1]
    built(engine, text, "--allow", "security.insecure", "-t", "insecure")
    assert said(engine, "insecure", "ls", "/done") == "/done"


def test_the_environment_of_the_caller(engine: Engine) -> None:
    """None of it is in RUN, in the image, or in what is kept."""
    marked: dict[str, str | None] = {f"MARKER_{n}": f"{MARK}-{n}" for n in range(50)}
    marked |= {f"PYTHON{name}": MARK for name in ("BREAKPOINT", "USERBASE")}
    marked |= dict.fromkeys(("http_proxy", "HTTPS_PROXY", "no_proxy"), f"http://{MARK}")
    marked |= {"LC_ALL": "C", "BUILDAH_FORMAT": MARK, "DOCKER_BUILDKIT": "1", "ENV": MARK}
    text = "FROM busybox\nARG MARKER_1\nRUN env > /seen; cat /proc/*/environ >> /seen 2>&1; true\n"
    done = built(engine, text, "--no-cache", "-t", "environment", env=marked)
    found = said(engine, "environment", "cat", "/seen")
    assert MARK not in found + done.out and "PYTHON" not in found and "HOME=/root" in found
    assert holding(engine, MARK.encode()) == []
    assert len(set(re.findall("^[A-Z_]+=", found, re.M))) <= 8, found


# ---- secrets ----

SECRET = """FROM busybox AS a
RUN --mount=type=secret,id=one --mount=type=secret,id=two,target=/t/two,mode=0444,uid=5 \\
  cat /run/secrets/one /t/two | md5sum > /sum; stat -c '%a %u' /run/secrets/one /t/two >> /sum
RUN --mount=type=secret,id=two,env=TWO echo "$TWO" | md5sum >> /sum
RUN --mount=type=secret,id=one,env=ONE cat /run/secrets/one 2>/dev/null; exit 0
FROM busybox
COPY --from=a /sum /sum
"""


@pytest.mark.parametrize("fails", [False, True])
def test_secrets_are_nowhere(engine: Engine, fails: bool) -> None:
    one, two = f"secret-{os.urandom(9).hex()}", f"secret-{os.urandom(9).hex()}"
    where = context(engine, {"Dockerfile": SECRET + ("RUN exit 3\n" if fails else "")})
    file = where.parent / "secret"
    file.write_text(one)
    own(engine, file)
    log = where.parent / "log"
    done = build(engine, where, "--secret", f"id=one,src={file}", "--secret", "id=two,env=HIDDEN",
                 "--logfile", log, "-t", "secret", "--no-cache", env={"HIDDEN": two})  # fmt: skip
    assert done.code == (3 if fails else 0), done
    shown = done.out + done.err + (log.read_text() if log.exists() else "")
    if not fails:
        rows = said(engine, "secret", "cat", "/sum").splitlines()
        assert rows[1:3] == ["400 0", "444 5"] and rows[0] != rows[3]
        for verb in (("history", "--no-trunc"), ("inspect",)):
            shown += engine.ok(*verb, "secret")
        shown += engine.ok("buildx", "du") + engine.ok("events", "--since", "1h", "--until", "0s")
        archive = where.parent / "saved.tar"
        engine.ok("save", "-q", "-o", archive, "secret")
        assert one.encode() not in archive.read_bytes()
        assert "sum" in unpacked(archive)
    for secret in (one, two):
        assert secret not in shown.replace(f"\n{one}\n", "")
        assert holding(engine, secret.encode()) == []


def test_secrets_of_a_build_that_was_killed(engine: Engine) -> None:
    """After the next command they are nowhere either."""
    secret = f"secret-{os.urandom(9).hex()}"
    text = "FROM busybox\nRUN --mount=type=secret,id=s --mount=type=secret,id=s,env=S sleep 1000\n"
    where = context(engine, {"Dockerfile": text})
    process = engine.popen("build", "--network", "none", "--secret", "id=s,env=HIDDEN", where,
                           env={"HIDDEN": secret})  # fmt: skip
    while b"Running in" not in process.stdout.readline():
        assert process.poll() is None
    process.kill()
    process.wait()
    said(engine, "busybox", "true")
    assert holding(engine, secret.encode()) == []


def test_a_secret_that_is_not_given(engine: Engine) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=x{} test ! -e /run/secrets/x\n"
    built(engine, text.format(""))
    assert "secret x was not given" in failed(engine, text.format(",required"))


def test_an_ssh_agent(engine: Engine) -> None:
    """RUN can use its keys; neither they nor the socket stay."""
    program = Path(shutil.which("ssh-add") or "")
    files: dict[str, str | bytes] = {"ssh-add": program.read_bytes()}
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"(/\S+)", listed)
    for path in libraries:
        files[f"root{path}"] = Path(path).read_bytes()
    files["Dockerfile"] = (
        "FROM busybox\nCOPY root/ /\nCOPY --chmod=755 ssh-add /bin/\n"
        f"RUN chmod -R 755 {' '.join(libraries)}\n"
        "RUN --mount=type=ssh ssh-add -l > /keys; echo $SSH_AUTH_SOCK > /socket\n"
        'RUN test -z "$SSH_AUTH_SOCK" && test ! -e $(cat /socket)\n'
    )
    where = context(engine, files)
    key = where.parent / "key"
    for path in (key, key.with_suffix(".pub")):
        path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "the-key", "-f", key],
                   check=True)  # fmt: skip
    own(engine, where.parent)
    done = build(engine, where, "--ssh", f"default={key}", "--no-cache", "-t", "ssh")
    assert done.code == 0, done
    assert "the-key" in said(engine, "ssh", "cat", "/keys")
    assert not any("ssh-agent" in line for line in engine.processes())
    assert holding(engine, key.read_bytes().splitlines()[3]) == []


# ---- networks ----


def test_networks(engine: Engine) -> None:
    text = "FROM busybox\nRUN --network=none ls /sys/class/net > /n\nRUN ls /sys/class/net > /d\n"
    host = "RUN --network=host cat /proc/net/dev > /h\n"
    for network in ("bridge", "none"):  # whoever wrote the lines does not choose it
        told = failed(engine, "FROM busybox\n" + host, "--no-cache", network=network)
        assert "RUN --network=host: not allowed (crunpy build --allow network.host)" in told
    built(engine, text + host, "-t", "nets", "--no-cache", "--allow", "network.host")
    assert said(engine, "nets", "cat", "/n", "/d").split() == ["lo", "lo"]
    assert "uplink" in said(engine, "nets", "cat", "/h")
    built(engine, text, "-t", "nets", "--no-cache", network="host")
    assert said(engine, "nets", "cat", "/n") == "lo"


# ---- mounts ----


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_what_a_bind_mount_is_written_is_thrown_away(engine: Engine, kind: str) -> None:
    source = "d" if kind == "directory" else "d/f"
    file = "/m/f" if kind == "directory" else "/m"
    text = f"""FROM busybox
RUN --mount=type=bind,source={source},target=/m,rw echo new > {file} && cat {file} > /seen
RUN --mount=type=bind,source={source},target=/m cat {file} >> /seen; ! echo x 2>/dev/null > {file}
"""
    where = context(engine, {"Dockerfile": text, "d/f": "old\n"})
    assert build(engine, where, "-t", "bind", "--no-cache").code == 0
    assert said(engine, "bind", "cat", "/seen") == "new\nold"
    assert (where / "d/f").read_text() == "old\n" and sorted(os.listdir(where / "d")) == ["f"]
    assert said(engine, "bind", "sh", "-c", "ls -d /m/f 2>/dev/null; true") == ""


EVIL = """FROM busybox AS evil
RUN ln -s / /root-link; ln -s ../../../../../../../../ /up; mkdir /d; ln -s {canary} /d/l; \\
  ln -s {canary} /abs; ln -s /proc/self/root/{canary} /proc-link; ln -s /proc/1/cwd /cwd
FROM busybox
RUN mkdir -p /d; ln -s {canary} /abs; ln -s ../../../../..{canary} /rel; ln -s / /slash
"""
LOOK = "(find /x -name host-canary; grep -r canary-of /x/file /x/sub /x{canary} /x/l) 2>/dev/null"
ATTACKS = [
    *(f"RUN --mount=type={kind},target=/x {{look}}".replace("target", f"{extra}target")
      for kind in ("cache", "bind", "cache,sharing=private")
      for extra in ("source=/..,", "source=../..,", "source=..{canary},", "source={canary},",
                    "source=d/../../../..{canary},", "id=../../..{canary},")
      if "id=" not in extra or kind != "bind"),
    *(f"RUN --mount=type={kind},from=evil,source={source},target=/x,rw {{look}}"
      for kind in ("cache", "bind")
      for source in ("/root-link", "/up", "/abs", "/d/l", "/proc-link", "/cwd", "/d/../../..",
                     "/root-link{canary}")),
    *(f"RUN --mount=type={kind},target={target} echo owned > {target}/owned"
      for kind in ("cache", "tmpfs", "bind,rw")
      for target in ("/abs", "/rel/sub", "/slash{canary}", "/d/../../..{canary}")),
    "RUN --mount=type=cache,target=/c rm -rf /c/*; ln -s {canary} /c/l\n"
    "RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/c/l/sub echo owned > /c/l/sub/o",
    *(f"COPY --from=evil {source} /x/" for source in ("/abs", "/d/l/file", "/root-link{canary}",
                                                     "/proc-link", "/../../../..{canary}")),
    "COPY f /abs/owned", "COPY f /rel/sub/", "COPY f /slash{canary}/", "WORKDIR /abs/owned",
    "ADD evil.tar /d/", "ADD evil.tar /", "COPY <<E /abs/owned\nx\nE", "ADD evil.tar /abs/",
    "VOLUME /abs\nRUN echo owned > /abs/owned || true", "VOLUME /proc\nRUN test -e /proc/1/stat",
    "WORKDIR /proc/self/cwd/../../../../../..{canary}/owned", "ONBUILD COPY / /x",
]  # fmt: skip


def _evil_tar(canary: str) -> bytes:
    made = BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, target in (("l", canary), ("m", "/" + "../" * 9 + canary)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name in ("l/owned", "m/owned", f"../../../..{canary}/owned", f"{canary}/owned"):
            archive.addfile(tarfile.TarInfo(name), BytesIO())
        hard = tarfile.TarInfo("file")
        hard.type, hard.linkname = tarfile.LNKTYPE, f"{canary}/file"
        archive.addfile(hard)
    return made.getvalue()


@pytest.mark.parametrize("number", range(len(ATTACKS)))
def test_attacks(engine: Engine, canary: Canary, number: int) -> None:
    """A build may fail or not: it neither reads nor changes the host's files (CVE-2024-1753,
    CVE-2024-9675, CVE-2024-11218)."""
    path = str(canary.path)
    attack = ATTACKS[number].replace("{look}", LOOK + "; true").replace("{canary}", path)
    where = context(engine, {
        "Dockerfile": EVIL.replace("{canary}", path) + attack + "\n", "f": "f", "d/f": "f",
        "evil.tar": _evil_tar(path),
    }, name="attacks")  # fmt: skip
    done = build(engine, where, "-t", "attacked", timeout=30)
    assert done.code in (0, 1), done
    assert MARK not in done.out + done.err
    assert canary.untouched
    if done.code == 0:
        look = f"grep -rl {MARK} /x /d /tmp 2>/dev/null; true"
        seen = engine.run("run", "--rm", "--network", "none", "attacked", "sh", "-c", look)
        assert seen.out == ""


def test_the_attacks_would_be_seen(engine: Engine, canary: Canary) -> None:
    """What they look with finds the canary where it is shown on purpose."""
    look = LOOK.replace("{canary}", str(canary.path))
    done = built(engine, f"FROM busybox\nRUN {look}; true\n", "-v", f"{canary.path}:/x:ro")
    assert MARK in done.out
