"""system generator and install-generator: what systemd would run, without systemd."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from engine import Engine, skip_if_missing

UNIT = """[Unit]
Description=A web server
[Container]
Image=busybox
Exec=sh -c "echo $$A %n; sleep 1000"
Volume=data.volume:/data
Network=none
Environment=A=b
StopTimeout=0
[Install]
WantedBy=multi-user.target
"""


def files(top: Path) -> Path:
    top.mkdir()
    (top / "web.container").write_text(UNIT)
    (top / "data.volume").write_text("[Volume]\nLabel=a=b\n")
    return top


def test_dry_run(engine: Engine, tmp_path: Path) -> None:
    where = {"QUADLET_UNIT_DIRS": str(files(tmp_path / "q"))}
    os.chmod(tmp_path, 0o755)
    for path in tmp_path.parents:
        if path.stat().st_uid == 0 and path != Path("/"):
            os.chmod(path, path.stat().st_mode | 0o055)
    printed = engine.ok("system", "generator", "--dryrun", env=where)
    assert printed.startswith("---data-volume.service---\n") and "---web.service---" in printed
    (tmp_path / "q/bad.container").write_text("[Container]\nImge=x\n")
    done = engine.run("system", "generator", "--dryrun", "--user", env=where)
    assert done.code == 1 and "---web.service---" in done.out
    assert done.err == (
        f"crunpy: error: reading {tmp_path}/q/bad.container: key Imge is not known in [Container]\n"
    )


def test_what_the_generator_writes_works(root: Engine, tmp_path: Path) -> None:
    where = {"QUADLET_UNIT_DIRS": str(files(tmp_path / "q"))}
    out = tmp_path / "out"
    places = [str(out), str(tmp_path / "early"), str(tmp_path / "late")]
    words = ("--root", str(root.root), "--runroot", str(root.run_root))
    done = root.run(*words, "system", "generator", "-v", *places, env=where)
    assert done.code == 0 and f"{tmp_path}/q/web.container: web.service" in done.err
    assert (out / "multi-user.target.wants/web.service").resolve() == out / "web.service"
    skip_if_missing("systemd-analyze")
    checked = subprocess.run(
        ["systemd-analyze", "verify", out / "web.service", out / "data-volume.service"],
        capture_output=True, text=True,
    )  # fmt: skip
    complaints = [s for s in checked.stderr.splitlines() if "web" in s or "data-volume" in s]
    assert not complaints, complaints

    def lines(name: str, key: str) -> list[list[str]]:
        found = (out / name).read_text().splitlines()
        values = [s.partition("=")[2].removeprefix("-") for s in found if s.startswith(key + "=")]
        specifiers = {"%t": str(tmp_path), "%N": "web", "%n": "web.service", "$$": "$"}
        for name, value in specifiers.items():
            values = [v.replace(name, value) for v in values]
        return [shlex.split(v) for v in values]

    def carry_out(words: list[str]) -> None:
        root.ok(*words[words.index("--runroot") + 2 :])

    carry_out(lines("data-volume.service", "ExecStart")[0])
    for _ in range(2):  # again, with what is left of the first time
        remove = lines("web.service", "ExecStartPre")[0]
        subprocess.run(remove, check=True)
        carry_out(lines("web.service", "ExecStart")[0])
    root.logs_until("systemd-web", "b web.service")
    assert root.ok("inspect", "-f", "{{(index .Mounts 0).Name}}", "systemd-web") == "systemd-data"
    carry_out(lines("web.service", "ExecStop")[0])
    carry_out(lines("web.service", "ExecStopPost")[0])
    assert root.ps("-a") == []


def test_install(root: Engine, tmp_path: Path) -> None:
    words = ("system", "install-generator", "--directory", str(tmp_path))
    paths = root.ok(*words).splitlines()
    names = ["crunpy-system-generator", "crunpy-user-generator"]
    assert [Path(path).name for path in paths] == names
    assert os.access(paths[0], os.X_OK)
    text = Path(paths[1]).read_text()
    assert text.startswith("#!/bin/sh\nexec ") and text.endswith(' system generator --user "$@"\n')
    q = files(tmp_path / "q")
    done = subprocess.run(
        [paths[0], "--dryrun"], capture_output=True, text=True,
        env={**root.env, "QUADLET_UNIT_DIRS": str(q)},
    )  # fmt: skip
    assert done.returncode == 0 and "---web.service---" in done.stdout
    assert root.ok(*words, "--remove").splitlines() == paths
    assert root.ok(*words, "--remove") == ""


def test_refused(root: Engine) -> None:
    assert "--dryrun" in root.fails("system", "generator")
