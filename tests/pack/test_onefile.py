"""The command as one file (`make onefile`): what the first start does, what the next ones believe,
and that nothing which others have put in its way is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import systems
from engine import CHECKOUT, Engine, wait_for
from onefile import ARCHITECTURES, PYTHONS, onefile
from onefile_host import KIND, PLACES, VERSION, Host, login

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="other machines are emulated"),
]

# ---- it works ----


def test_the_first_start_unpacks_it(host: Host) -> None:
    host.starts()
    place, tree = host.places[0], host.tree()
    assert place.stat().st_mode & 0o777 == 0o700 and place.stat().st_uid == host.uid
    assert {p.name for p in place.iterdir()} == {".lock", tree.name}
    before = (tree / ".verified").stat()
    host.starts()
    after = (tree / ".verified").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert not any(p.exists() for p in host.places[1:])


def test_the_callers_umask_is_kept(host: Host) -> None:
    """Unpacking has one of its own, which the command must not see."""
    host.starts(setup="umask 0077")
    assert (host.tree() / "crun_py/__init__.py").stat().st_mode & 0o777 == 0o644
    done = host.run("import", "-", "x", setup="umask 0027")
    assert "error" in done.stderr


def test_it_runs_containers(engine: Engine, crunpy: Path, make_host: Callable[[str], Host]) -> None:
    """From start to end: what a monitor starts is found, too, and the file is what is named."""
    host = make_host("user" if engine.rootless else "root")
    home = engine.home if engine.rootless else host.home
    setup = "" if engine.rootless else f"mount --bind {host.inside('/var/cache')} /var/cache"
    become = login(host.user) if host.user else []
    given = [f"{key}={value}" for key, value in {**engine.env, "HOME": str(home)}.items()]
    head = ["unshare", "-m", "--propagation", "private", "sh", "-ec", f'{setup}\nexec "$@"', "sh",
            *become, "env", "-i", *given, str(crunpy)]  # fmt: skip

    def ok(*words: str) -> str:
        done = subprocess.run([*head, *words], capture_output=True, text=True)
        assert done.returncode == 0, done
        return done.stdout

    assert ok("run", "--rm", "--network", "none", "busybox", "echo", "hi") == "hi\n"
    ok("run", "-d", "--rm", "--name", "c", "--network", "none", "--health-cmd", "true",
       "--health-interval", "100ms", "busybox", "sleep", "1000")  # fmt: skip
    wait_for(lambda: engine.state("c")["Health"]["Status"] == "healthy")
    assert str(crunpy) in ok("generate", "systemd", "c")
    ok("kill", "c")
    wait_for(lambda: not engine.ps("-a"))
    assert ok("run", "--help").startswith("Usage: crunpy run")


@pytest.mark.parametrize(("name", "told"), [("crunpy-oci", "spec:"), ("podman", "podman version")])
def test_under_another_name(user_host: Host, name: str, told: str) -> None:
    link = user_host.directory / name
    link.symlink_to(user_host.file)
    user_host.file = link
    done = user_host.run("--version")
    assert done.returncode == 0 and told in done.stdout, done


def test_first_starts_at_once(host: Host) -> None:
    starts = [
        subprocess.Popen(host.command("--version"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(5)
    ]
    assert [(*start.communicate(), start.returncode) for start in starts] == [
        (VERSION.encode(), b"", 0)
    ] * 5
    assert {p.name for p in host.places[0].iterdir()} == {".lock", host.tree().name}


def test_what_a_killed_one_left(host: Host) -> None:
    left = host.places[0] / ".new-17/crun_py"
    left.mkdir(parents=True)
    for path in (left, *left.parents[: left.parts[::-1].index(host.directory.name) - 1]):
        os.chown(path, host.uid, -1)
    host.places[0].chmod(0o700)
    host.starts()
    assert {p.name for p in host.places[0].iterdir()} == {".lock", host.tree().name}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_is_in_it(arch: str, tmp_path: Path) -> None:
    """What is compiled is for that machine, and there for each Python and libc."""
    with zipfile.ZipFile(onefile(arch)) as archive:
        archive.extractall(tmp_path)
    pythons = [version.replace(".", "") for version in PYTHONS]
    kinds = {f"cpython-{v}-{arch}-linux-{libc}" for v in pythons for libc in ("gnu", "musl")}
    assert {p.name for p in tmp_path.iterdir() if p.is_dir()} == {"common", "gnu", "musl"} | kinds
    number = {"x86_64": 62, "aarch64": 183}[arch]  # elf.h: EM_X86_64, EM_AARCH64
    compiled = [p for p in tmp_path.rglob("*") if p.is_file() and p.read_bytes()[:4] == b"\x7fELF"]
    assert {p.read_bytes()[18] for p in compiled} == {number}
    names = {
        "_cffi_backend",
        "isal/_isal",
        "isal/igzip_lib",
        "isal/isal_zlib",
        "zstandard/backend_c",
    }
    for kind in kinds:
        assert {str(p.relative_to(tmp_path / kind)).split(".")[0]
                for p in compiled if (tmp_path / kind) in p.parents} == names  # fmt: skip
    for libc in ("gnu", "musl"):
        native = tmp_path / libc / "crun_py/_native"
        assert {p.name for p in native.iterdir()} == {"_shim.abi3.so", "build.json", "crunpy-core"}


def test_arm64(tmp_path: Path) -> None:
    """The file for another machine unpacks and starts there, emulated."""
    file, root = onefile("aarch64"), systems.arm64() / "root"
    code = file.read_bytes().partition(b" -c '")[2].partition(b"'")[0].decode()
    command = ["qemu-aarch64-static", "-L", root, root / f"usr/bin/python{systems.ARM_PYTHON}",
               "-I", "-S", "-c", code, file, "--version"]  # fmt: skip
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    # as root it would be /var/cache
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-ec",
         f'mount --bind {tmp_path} /var/cache; exec "$@"', "sh", *command],
        env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, VERSION), done.stderr
    assert [*tmp_path.glob("crunpy/*.cpython-313-aarch64-linux-gnu/crun_py/_native/_shim.abi3.so")]


# ---- what is unpacked is verified ----


@pytest.mark.parametrize(
    ("when", "damage"),
    [("after a boot", "changed"), ("after a boot", "empty"), ("after a boot", "a link"),
     ("after a boot", "none"), ("a day later", "missing"), ("the clock went back", "changed")],
)  # fmt: skip
def test_damage_is_mended(user_host: Host, when: str, damage: str) -> None:
    host = user_host
    host.starts()
    tree = host.tree()
    file, note = tree / "crun_py/cli/fast.py", tree / ".verified"
    whole = file.read_bytes()
    if damage != "none":
        shutil.rmtree(tree / "crun_py/__pycache__")
        file.unlink()
    if damage == "changed":
        file.write_bytes(whole.replace(b"def parse", b"def qarse"))
    elif damage == "empty":
        file.touch()
    elif damage == "a link":
        file.symlink_to(tree / "crun_py/cli/table.py")
    if when == "after a boot":
        note.write_text("another")
    else:
        moved_s = time.time() + (-90000 if when == "a day later" else 5000)
        os.utime(note, (moved_s, moved_s))
    inode = tree.stat().st_ino
    host.starts()
    assert file.read_bytes() == whole and not file.is_symlink()
    assert (tree.stat().st_ino == inode) is (damage == "none")
    assert abs(note.stat().st_mtime - time.time()) < 100
    assert note.read_text() == Path("/proc/sys/kernel/random/boot_id").read_text()


@pytest.mark.parametrize("damage", ["changed", "cut"])
def test_a_damaged_file(user_host: Host, damage: str) -> None:
    data = bytearray(user_host.file.read_bytes())
    if damage == "changed":
        data[-100_000] ^= 1
    user_host.file = user_host.directory / "damaged"
    user_host.file.write_bytes(data if damage == "changed" else data[:-1000])
    user_host.file.chmod(0o755)
    assert "it is damaged" in user_host.refused()
    assert not user_host.places[0].exists()


# ---- what others planted is never run ----


def planted(host: Host, attack: str) -> Path:
    """The place with an evil tree that another user, or a link of his, offers."""
    host.starts()
    place = host.places[0]
    host.poison(host.tree())
    stranger = 0 if host.user else 65534
    if attack == "owner of the place":
        os.chown(place, stranger, -1)
    elif attack == "owner of the tree":
        os.chown(host.tree(), stranger, -1)
    elif attack == "owner above":
        os.chown(place.parent, 65534, -1)
    elif attack == "writable place":
        place.chmod(0o777)
    elif attack == "place of a group":
        place.chmod(0o770)
    elif attack == "writable tree":
        host.tree().chmod(0o777)
    elif attack == "writable above":
        place.parent.chmod(0o777)
    elif attack == "link to the place":
        moved = place.rename(host.directory / "moved")
        place.symlink_to(moved)
    elif attack == "link to the tree":
        tree = host.tree()
        moved = tree.rename(host.directory / "moved")
        tree.symlink_to(moved)
    return place


@pytest.mark.parametrize(
    "attack",
    ["owner of the place", "owner of the tree", "owner above", "writable place",
     "place of a group", "writable tree", "writable above", "link to the place",
     "link to the tree"],
)  # fmt: skip
def test_a_planted_directory_is_never_run(host: Host, attack: str) -> None:
    """It goes elsewhere, or puts its own in its place; the same code in a good place would run."""
    place = planted(host, attack)
    host.starts()
    assert host.notes.read_text() == "", "planted code was run"
    if attack in ("writable tree", "owner of the tree", "link to the tree"):
        assert "ran" not in (host.tree() / "crun_py/__main__.py").read_text()
    else:
        assert host.tree(host.places[1]).is_dir()
    assert attack != "link to the place" or place.is_symlink()


def test_the_traps_are_real(host: Host) -> None:
    """What the attacks plant does run where it is trusted."""
    planted(host, "none")
    host.starts()
    assert host.notes.read_text() == "ran\n"


def test_in_a_user_namespace(user_host: Host) -> None:
    """There the machine's root is nobody, and what is planted still is not run."""
    user_host.file, file = user_host.directory / "within", user_host.file
    user_host.file.write_text(f'#!/bin/sh\nexec unshare --map-root-user {file} "$@"\n')
    user_host.file.chmod(0o755)
    user_host.starts()
    place = user_host.inside("/var/tmp") / "crunpy-0"
    user_host.poison(user_host.tree(place))
    os.chown(place, 65534, -1)
    user_host.starts()
    assert user_host.notes.read_text() == "", "planted code was run"
    assert user_host.tree(user_host.inside("/tmp") / "crunpy-0").is_dir()


def test_a_name_that_another_has_taken(user_host: Host) -> None:
    """In /var/tmp and /tmp anybody can take names: the file tells who has them all."""
    user_host.home.chmod(0o500)
    os.chown(user_host.home, 0, -1)
    for place, uid in zip(user_host.places[1:], (65534, 0), strict=True):
        place.mkdir(0o755)
        os.chown(place, uid, -1)
    told = user_host.refused()
    assert f"/var/tmp/crunpy-{user_host.uid} belongs to user 65534" in told
    assert f"/tmp/crunpy-{user_host.uid} belongs to user 0" in told
    assert f"{user_host.home}/.cache/crunpy: permission denied" in told


def test_variables_of_others_are_not_roots(make_host: Callable[[str], Host]) -> None:
    """sudo hands on HOME or XDG_CACHE_HOME of a plain user."""
    host = make_host("root")
    os.chown(host.home, 65534, -1)
    host.starts(XDG_CACHE_HOME=str(host.home / "c"), XDG_RUNTIME_DIR=str(host.home))
    assert host.tree().is_dir() and not [*host.home.iterdir()]


def test_the_environment_and_the_working_directory(user_host: Host) -> None:
    """Nothing there is imported, not at the first start either."""
    trap = user_host.directory / "trap"
    trap.mkdir()
    for name in ("os", "time", "zipfile", "hashlib", "crun_py", "sitecustomize", "json"):
        (trap / f"{name}.py").write_text(f"open({str(user_host.notes)!r}, 'a').write('{name}')\n")
    for _ in range(2):
        user_host.starts(setup=f"cd {trap}", PYTHONPATH=str(trap), PYTHONSTARTUP=f"{trap}/os.py",
                         PYTHONHOME=str(trap), PYTHONPYCACHEPREFIX=str(trap))  # fmt: skip
    assert user_host.notes.read_text() == ""


# ---- where it cannot be unpacked ----


def test_a_home_that_is_read_only(user_host: Host) -> None:
    home = user_host.home
    setup = f"mount --bind {home} {home}; mount -o remount,bind,ro {home}"
    user_host.starts(setup=setup)
    assert user_host.tree(user_host.places[1]).is_dir()


def test_an_unpacked_one_that_is_read_only(user_host: Host) -> None:
    """It is verified each time when that cannot be noted."""
    user_host.starts()
    (user_host.tree() / ".verified").unlink()
    home = user_host.home
    user_host.starts(setup=f"mount --bind {home} {home}; mount -o remount,bind,ro {home}")
    assert not user_host.places[1].exists()


def test_noexec(user_host: Host) -> None:
    """Nothing can be loaded from there."""
    own = f"mode=755,uid={user_host.uid}"
    home = f"mount -t tmpfs -o noexec,{own} t {user_host.home}"
    user_host.starts(setup=f"{home}; mount -t tmpfs -o noexec,mode=1777 t /tmp")
    assert user_host.tree(user_host.places[1]).is_dir()
    everywhere = "; ".join([home, *(f"mount -t tmpfs -o noexec,mode=1777 t {p}" for p in PLACES)])
    told = user_host.refused(setup=everywhere)
    assert told.count("its file system is mounted noexec") == 3
    assert told.endswith("in a container --tmpfs /tmp:exec, or name one: XDG_CACHE_HOME=DIR)")


def test_the_directory_that_it_tells_of(user_host: Host) -> None:
    setup = "\n".join(f"mount -t tmpfs -o ro t {place}" for place in (user_host.home, *PLACES))
    assert user_host.refused(setup=setup).count("read-only file system") == 3
    named = user_host.directory / "named"
    named.mkdir()
    os.chown(named, user_host.uid, -1)
    user_host.starts(setup=setup, XDG_CACHE_HOME=str(named))


def test_a_full_disk(user_host: Host) -> None:
    """The next place is tried, and nothing is left in the full one; where all are full it says
    so."""
    home = user_host.home
    small = f"mount -t tmpfs -o size=1m,mode=755,uid={user_host.uid} t"
    user_host.starts(setup=f"{small} {home}\n")
    assert user_host.tree(user_host.places[1]).is_dir()
    shutil.rmtree(user_host.places[1])
    others = "; ".join(f"mount -t tmpfs -o size=1m,mode=1777 t {place}" for place in PLACES)
    watch = f"{small} {home}; {others}"
    told = user_host.refused(setup=watch)
    assert told.count("no space left on device") == 3
    left = user_host.command("--version", setup=watch)
    left[left.index("setpriv") : left.index("setpriv")] = [
        "sh", "-c", f'"$@"; find {home}/.cache/crunpy >&2', "sh"]  # fmt: skip
    done = subprocess.run(left, capture_output=True, text=True)
    assert done.stderr.splitlines()[1:] == [f"{home}/.cache/crunpy", f"{home}/.cache/crunpy/.lock"]


# ---- which Python ----


def test_without_python(user_host: Host) -> None:
    done = subprocess.run(["/bin/sh", user_host.file], env={"PATH": "/nonexistent"},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 125
    assert done.stderr.endswith("there is no python3 in PATH: crunpy needs Python 3.11 or newer\n")


def variant(host: Host, kinds: str) -> None:
    """As if the file were for other Pythons."""
    head, tail = host.file.read_bytes().split(b'int("', 1)
    start = tail.index(b'"cpython-')
    end = tail.index(b'".split', start)
    host.file = host.directory / "variant"
    host.file.write_bytes(head + b'int("' + tail[:start] + b'"' + kinds.encode() + tail[end:])
    host.file.chmod(0o755)


def test_a_python_that_it_is_not_for(user_host: Host) -> None:
    variant(user_host, "cpython-319-x86_64-linux-gnu cpython-318-x86_64-linux-gnu")
    told = user_host.refused()
    assert told == f"this file is for Python 3.18 to 3.19 of x86_64-linux-gnu, not for {KIND}"


def test_another_python_is_taken(user_host: Host) -> None:
    """One in PATH that it is for, with the same words."""
    other = user_host.directory / "python3.19"
    other.write_text('#!/bin/sh\nshift 5\nprintf "%s;" "$@"\n')
    other.chmod(0o755)
    variant(user_host, "cpython-319-x86_64-linux-gnu")
    path = f"/usr/bin:/bin:{user_host.directory}"
    done = user_host.run("run", "a b", "", "'", PATH=path)
    assert (done.returncode, done.stdout) == (0, "run;a b;;';"), done


def test_what_the_project_needs_is_locked() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=!~\[; ]", one)[0].lower() for one in project["dependencies"]}
    locked = set(re.findall(r"(?m)^([\w.-]+)==", (CHECKOUT / "tools/pack/locked.txt").read_text()))
    assert len(wanted) > 5 and wanted <= locked
