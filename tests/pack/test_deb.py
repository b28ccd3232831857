"""The Debian package: what Debian's own tools say of it, and that it installs, works and goes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import systems
from deb import deb
from engine import Engine
from images import busybox_tar

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="other machines are emulated"),
]


def test_lintian_finds_no_error() -> None:
    done = subprocess.run(
        ["lintian", "--allow-root", "--no-cfg", "--fail-on", "error", deb("x86_64")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_one_for_arm64(tmp_path: Path) -> None:
    """It says so, and all that is compiled in it is for that machine."""
    package = deb("aarch64")
    field = ["dpkg-deb", "--field", package, "Architecture"]
    assert subprocess.run(field, capture_output=True, text=True).stdout == "arm64\n"
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    files = [p for p in (tmp_path / "usr/lib/crunpy").rglob("*") if p.is_file()]
    compiled = [data for p in files if (data := p.read_bytes())[:4] == b"\x7fELF"]
    assert len(compiled) > 20 and {data[18] for data in compiled} == {183}  # elf.h: EM_AARCH64


INSTALLED = """
before() { find / -xdev \\( -path /proc -o -path /sys -o -path /given -o -path /var/lib/dpkg \
	-o -path /var/lib/crunpy -o -path /run -o -path /tmp -o -path /dev -o -path /var/log \
	-o -path /var/cache/ldconfig \\) -prune -o -print | sort; }
before >/tmp/before
dpkg --install /given/crunpy.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
crunpy --version
crunpy import -q /given/busybox.tar busybox >/dev/null
crunpy run --rm --network none busybox echo hi
crunpy-oci --version | head -1
ln -s /usr/bin/crunpy /tmp/podman
/tmp/podman --version
PYTHONPATH=/given/trap HOME=/given/trap crunpy --version
bash -c '. /usr/share/bash-completion/completions/crunpy; complete -p crunpy' | grep -o _crunpy
sh -n /usr/bin/crunpy
mkdir -p /run/containers/systemd
printf '[Container]\\nImage=busybox\\n' >/run/containers/systemd/web.container
for kind in system user; do
	mkdir /tmp/$kind /tmp/$kind.podman
	/usr/lib/systemd/$kind-generators/crunpy-$kind-generator /tmp/$kind /tmp/$kind /tmp/$kind 2>&1
done
grep -o '^ExecStart=/usr/bin/crunpy run' /tmp/system/web.service
"""
GONE = """
dpkg --remove crunpy >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
grep -i warning /tmp/log || true
dpkg --purge crunpy 2>&1 | grep -i warning || true
before >/tmp/after
comm -3 /tmp/before /tmp/after
hash -r
command -v crunpy || echo gone
"""
FIRST = [
    "crunpy version 0.1.0", "hi", "crunpy-oci version 0.1.0",
    "crunpy version 0.1.0, as podman version 5.0.0",
    "crunpy version 0.1.0", "_crunpy", "ExecStart=/usr/bin/crunpy run",
]  # fmt: skip


@pytest.fixture(scope="module")
def given(base: Path) -> Path:
    place = base / "debs"
    (place / "trap").mkdir(parents=True)
    (place / "busybox.tar").write_bytes(busybox_tar())
    (place / "crunpy.deb").write_bytes(deb("x86_64").read_bytes())
    for name in ("os", "json", "crun_py", "sitecustomize"):
        (place / f"trap/{name}.py").write_text("raise SystemExit('trapped')\n")
    return place


def within(engine: Engine, image: str, script: str, given: Path) -> list[str]:
    out = engine.ok(
        "run", "--rm", "--privileged", "--network", "none", "--tmpfs", "/var/lib/crunpy", "-v",
        f"{given}:/given:ro", image, "bash", "-euc", script, timeout=200,
    )  # fmt: skip
    return out.splitlines()


def test_on_debian_12(root: Engine, given: Path) -> None:
    """Whose AppArmor does not know the rule: there is no profile."""
    root.ok("load", "-q", "-i", systems.debian())
    script = f"{INSTALLED}ls /etc/apparmor.d/crunpy 2>/dev/null || echo without\n{GONE}"
    assert within(root, systems.PYTHON, script, given) == [
        *FIRST, "without", "gone"]  # fmt: skip


NEWER = """
apparmor_parser --skip-kernel-load --skip-cache --debug /etc/apparmor.d/crunpy >/dev/null
grep -c 'userns,' /etc/apparmor.d/crunpy
cd /usr/lib/systemd
systemd-analyze --man=no verify system/crunpy*.{service,socket,timer} 2>&1
touch user-generators/podman-user-generator system-generators/podman-system-generator
for kind in system user; do
	mkdir -p /tmp/both
	$kind-generators/crunpy-$kind-generator /tmp/both /tmp/both /tmp/both
done
ls -A /tmp/both
rm */podman-*-generator
cd /
"""


def test_on_debian_13(root: Engine, given: Path) -> None:
    """Its AppArmor gets a profile that allows user namespaces; systemd understands the units;
    beside podman's generator ours makes nothing."""
    root.ok("import", "-q", systems.newer() / "root.tar", "newer")
    printed = within(root, "newer", INSTALLED + NEWER + GONE, given)
    assert printed == [*FIRST, "1", "gone"]
