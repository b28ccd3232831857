"""The wheels of `make wheels`: what is in them, where they install, and that they run there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import systems
from engine import CHECKOUT, Engine
from images import busybox_tar
from wheels import TARGETS, Target, wheel

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="other machines are emulated"),
]

MACHINES = {"x86_64": "Advanced Micro Devices X86-64", "aarch64": "AArch64"}
X86, X86_MUSL = Target("x86_64", "gnu"), Target("x86_64", "musl")
ARM, ARM_MUSL = Target("aarch64", "gnu"), Target("aarch64", "musl")


def elf(*options: str) -> str:
    return subprocess.run(
        ["readelf", "-W", *options], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture(params=TARGETS, ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.param
    return found


def test_each_is_whole(target: Target, tmp_path: Path) -> None:
    """Every module, both C parts for that machine, and no sources of them."""
    made = wheel(target)
    assert made.name.endswith(f"-cp311-abi3-{target.tag}.whl")
    with zipfile.ZipFile(made) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path)
    modules = {str(p.relative_to(CHECKOUT)) for p in (CHECKOUT / "crun_py").rglob("*.py")}
    assert modules <= names
    assert not [name for name in names if name.endswith((".c", ".h"))]
    native = tmp_path / "crun_py/_native"
    core, shim = str(native / "crunpy-core"), str(native / "_shim.abi3.so")
    for file in (core, shim):
        assert MACHINES[target.arch] in elf("-h", file)
    assert "INTERP" not in elf("-l", core) and "NEEDED" not in elf("-d", core), "not static"
    needed = set(re.findall(r"Shared library: \[(.*)\]", elf("-d", shim)))
    versions = {
        tuple(map(int, v.split("."))) for v in re.findall(r"GLIBC_([\d.]+)", elf("-V", shim))
    }
    if target.libc == "musl":
        assert needed == {"libc.so"} and not versions
    else:
        assert needed <= {"libc.so.6", "libpthread.so.0", "ld-linux-aarch64.so.1"}
        assert versions and max(versions) <= (2, 17)


@pytest.mark.parametrize("machine", [X86, ARM], ids=lambda target: target.name)
def test_auditwheel(machine: Target) -> None:
    """It knows which symbols of glibc a tag allows."""
    done = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", wheel(machine)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = " ".join(done.stdout.split())
    assert f'consistent with the following platform tag: "{machine.tag}"' in told


def test_the_stable_abi() -> None:
    """abi3audit knows what of Python's interface every later one has."""
    done = subprocess.run(
        [sys.executable, "-m", "abi3audit", "--verbose", "--strict", wheel(X86)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "0 ABI version mismatches and 0 ABI violations" in " ".join(done.stderr.split())


# ---- installed in containers of our own ----

INSTALL = {
    "pip": "python3 -m venv /opt/crunpy; /opt/crunpy/bin/pip install $from crunpy\n"
    "ln -s /opt/crunpy/bin/crunpy /usr/local/bin/",
    "pipx": "python3 -m venv /opt/pipx; /opt/pipx/bin/pip install $from pipx\n"
    "export PIP_NO_INDEX=1 PIP_FIND_LINKS='/wheels /packages /installers'\n"
    "export PIPX_BIN_DIR=/usr/local/bin\n"
    "/opt/pipx/bin/pipx install --quiet crunpy",
    "uv": "python3 -m venv /opt/uv; /opt/uv/bin/pip install $from uv\n"
    "export UV_TOOL_BIN_DIR=/usr/local/bin\n"
    "/opt/uv/bin/uv tool install --quiet --offline --no-index --find-links /wheels "
    "--find-links /packages crunpy",
}
AFTERWARDS = """
cd /
crunpy --version
crunpy import -q /given/busybox.tar busybox >/dev/null
crunpy run --rm --network none busybox echo hi
"""
LIBRARY = """
import crun_py
try:
    crun_py.run("busybox", "true")
except crun_py.CrunpyError as e:
    print(type(e).__name__, e)
"""
PIP = "export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_QUIET=1\n"


@pytest.fixture(scope="module")
def given(base: Path) -> Path:
    """A directory with busybox's root as an archive."""
    place = base / "packed-wheels"
    place.mkdir()
    (place / "busybox.tar").write_bytes(busybox_tar())
    return place


@pytest.fixture
def debian(root: Engine) -> str:
    """An image of Debian with Python and pip, and no compiler."""
    root.ok("load", "-q", "-i", systems.debian())
    return systems.PYTHON


def within(engine: Engine, image: str, script: str, *volumes: tuple[Path, str]) -> list[str]:
    """What a privileged container prints; its own store is on a tmpfs."""
    binds = [f"-v={path}:{inside}:ro" for path, inside in volumes]
    out = engine.ok(
        "run", "--rm", "--privileged", "--network", "none", "--tmpfs", "/var/lib/crunpy", *binds,
        image, "sh", "-euc", script, timeout=300,
    )  # fmt: skip
    return out.splitlines()


@pytest.mark.parametrize("installer", INSTALL)
def test_without_a_compiler(root: Engine, debian: str, given: Path, installer: str) -> None:
    """pip, pipx and uv install it where no compiler is and no network, and it runs."""
    head = "! command -v cc gcc clang tcc\nfrom='--no-index --find-links /wheels --find-links "
    script = f"{head}/packages --find-links /installers'\n{PIP}{INSTALL[installer]}{AFTERWARDS}"
    printed = within(
        root, debian, script, (wheel(X86).parent, "/wheels"), (given, "/given"),
        (systems.packages(X86, "3.11"), "/packages"), (systems.installers(), "/installers"),
    )  # fmt: skip
    assert printed[-2:] == ["crunpy version 0.1.0", "hi"]


def test_where_the_libc_is_musl(root: Engine, given: Path, tmp_path: Path) -> None:
    archive = tmp_path / "musl.tar"
    with tarfile.open(archive, "w") as made:
        made.add(systems.musl() / "root", ".")
    root.ok("import", "-q", archive, "musl")
    script = (
        PIP
        + """
    pip=$(echo /installers/pip-*.whl)
    python3 $pip/pip install --no-index --find-links /wheels --find-links /packages crunpy 2>&1
    """
        + AFTERWARDS
    )
    # its Python has no _ctypes
    script += """
    crunpy run --rm busybox true 2>&1 || echo $?
    crunpy doctor 2>&1 | cat | grep _ctypes
    python3 -c "$LIBRARY"
    """
    printed = within(
        root, "musl", f"LIBRARY='{LIBRARY}'\n{script}", (wheel(X86_MUSL).parent, "/wheels"),
        (given, "/given"), (systems.packages(X86_MUSL, "3.11"), "/packages"),
        (systems.installers(), "/installers"),
    )  # fmt: skip
    assert printed[-6:-4] == ["crunpy version 0.1.0", "hi"]
    told, status, doctors, librarys = printed[-4:]
    assert told.startswith("crunpy: error: making networks: this Python was built without _ctypes")
    assert status == "125" and "was built without _ctypes" in doctors
    assert librarys == "Unsupported making networks: this Python was built without _ctypes"


# ---- arm64 ----

START = """import sys
sys.path.append({site!r})
sys.argv[0] = "crunpy"
from crun_py.__main__ import entry
entry()"""


@pytest.fixture(scope="module")
def arm_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what pip installs there."""
    place = tmp_path_factory.mktemp("arm") / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--only-binary=:all:",
         "--platform", ARM.tag, "--platform", "manylinux2014_aarch64", "--python-version",
         systems.ARM_PYTHON, "--find-links", wheel(ARM).parent, "--find-links",
         systems.packages(ARM, systems.ARM_PYTHON), "--target", place, "crunpy"],
        check=True, capture_output=True,
    )  # fmt: skip
    return place


def test_arm64_as_a_user_of_this_kernel(arm_site: Path, tmp_path: Path) -> None:
    """All that is compiled is loaded, by an emulated Python.  (It has no openat2 and clone3.)"""
    root = systems.arm64() / "root"
    roots = ["--root", tmp_path / "root", "--runroot", tmp_path / "run"]
    python = root / f"usr/bin/python{systems.ARM_PYTHON}"
    code = START.format(site=str(arm_site)).replace(
        "entry()", "import isal.igzip, zstandard\nentry()"
    )
    done = subprocess.run(
        ["qemu-aarch64-static", "-L", root, python, "-I", "-S", "-c", code, *roots, "version"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"OS/Arch: +linux/arm64", done.stdout)
    assert "Version:          0.1.0" in done.stdout


@pytest.mark.parametrize("libc", [ARM, ARM_MUSL], ids=lambda target: target.name)
def test_the_core_for_arm64_begins(libc: Target, tmp_path: Path) -> None:
    """Without a plan it says by its exit code that it has none, as it does here."""
    with zipfile.ZipFile(wheel(libc)) as archive:
        core = Path(archive.extract("crun_py/_native/crunpy-core", tmp_path))
    core.chmod(0o755)
    ours = subprocess.run([CHECKOUT / "crun_py/_native/crunpy-core"], capture_output=True)
    done = subprocess.run(["qemu-aarch64-static", core], capture_output=True)
    assert (done.returncode, done.stderr) == (ours.returncode, ours.stderr)


INIT = """#!/usr/bin/busybox sh
b=/usr/bin/busybox
if [ ! -d /inner ]; then # pivot_root(2) is not for the root of an initramfs
	$b mount -t tmpfs new /new
	for d in usr site; do $b mkdir /new/$d; $b mount --bind /$d /new/$d; done
	for d in bin lib sbin; do $b ln -s usr/$d /new/$d; done
	$b mkdir /new/proc /new/sys /new/dev /new/run /new/tmp /new/var /new/inner /new/etc
	$b cp /overlay.ko /init /new/
	cd /new
	$b mount --move . /
	exec $b chroot . /init
fi
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b mount -t cgroup2 cgroup /sys/fs/cgroup
$b insmod /overlay.ko
$b mkdir -p /tmp/r/bin
$b cp $b /tmp/r/bin/
for a in sh echo uname; do $b ln -s busybox /tmp/r/bin/$a; done
$b tar cf /tmp/r.tar -C /tmp/r .
crunpy() { python3 -I -S /site/start "$@"; }
crunpy import -q /tmp/r.tar bb >/dev/null
echo "ran $(crunpy run --rm --network none bb uname -m)"
crunpy run -d --name x --network none bb sh -c 'echo hi; exit 3' >/dev/null
echo "ended $(crunpy wait x)"
echo "said $(crunpy logs x)"
echo "left $(crunpy rm x)"
$b poweroff -f
"""


@pytest.mark.timeout(300)
def test_arm64_with_a_kernel(arm_site: Path, tmp_path: Path) -> None:
    """A whole machine, emulated: containers start, end and are told of."""
    system, place = systems.arm64(), tmp_path / "initramfs"
    shutil.copytree(system / "root", place, symlinks=True)
    shutil.copytree(arm_site, place / "site")
    shutil.copy(system / "overlay.ko", place)
    (place / "site/start").write_text(START.format(site="/site"))
    (place / "init").write_text(INIT)
    (place / "init").chmod(0o755)
    for name in ("new", "proc", "sys", "dev"):
        (place / name).mkdir(exist_ok=True)
    packed = tmp_path / "initramfs.cpio"
    names = "\n".join(str(p.relative_to(place)) for p in sorted(place.rglob("*")))
    with packed.open("wb") as f:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=place, check=True,
                       input=names.encode(), stdout=f)  # fmt: skip
    shutil.rmtree(place)
    done = subprocess.run(
        ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-m", "1024", "-nographic",
         "-nodefaults", "-no-reboot", "-serial", "stdio", "-kernel", system / "kernel", "-initrd",
         packed, "-append", "console=ttyAMA0 quiet mitigations=off nokaslr panic=-1"],
        capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    told = dict(re.findall(r"^(ran|ended|said|left) (.*?)\r?$", done.stdout, re.MULTILINE))
    assert told == {"ran": "aarch64", "ended": "3", "said": "hi", "left": "x"}, done.stdout
