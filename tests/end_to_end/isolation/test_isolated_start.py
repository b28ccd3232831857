"""What lies in the caller's directory, home or PYTHON… variables is never run by the command,
which is often root's: installed with pip, as a module, and where a monitor starts it.

Every planted file notes its name in one file; that one must stay empty.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import CHECKOUT, Engine, wait_for

VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
PIP = [sys.executable, "-m", "pip", "-q"]
OFFLINE = ("--no-deps", "--no-index")
RUN = ("run", "--rm", "--network", "none", "busybox", "echo", "hi")
OURS = ("__future__", "json", "tomllib", "httpx", "typer", "rich", "crun_py")
"""Modules that commands import."""


def dependencies(site: Path) -> None:
    """What the package needs, beside it, as pip would have put it there."""
    site.mkdir(parents=True, exist_ok=True)
    for path in Path(next(p for p in sys.path if p.endswith("site-packages"))).iterdir():
        own = path.name.startswith(("crun", "__editable__")) or path.suffix in (".pth", ".egg-link")
        if not own and not (site / path.name).exists():
            (site / path.name).symlink_to(path)


class Installed:
    """The command, installed from a wheel, and the Python that belongs to it."""

    def __init__(self, program: Path, python: Path) -> None:
        self.program, self.python = program, python


@pytest.fixture(scope="module")
def wheel(base: Path) -> Path:
    source = base / "source"
    made = shutil.ignore_patterns("__pycache__", "*.so", "crunpy-core", "_shim.c")
    for name in ("crun_py", "bin"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=made)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(CHECKOUT / name, source)
    subprocess.run(
        [*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", base / "wheel", source],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.rmtree(source)
    return next((base / "wheel").glob("*.whl"))


def venv(wheel: Path, place: Path, *options: str) -> Installed:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", *options, place], check=True)
    python = place / "bin/python"
    subprocess.run([*PIP, "--python", python, "install", *OFFLINE, wheel], check=True)
    dependencies(place / "lib" / VERSION / "site-packages")
    return Installed(place / "bin/crunpy", python)


@pytest.fixture(scope="module")
def isolated(wheel: Path, base: Path) -> Installed:
    """In a venv of its own."""
    return venv(wheel, base / "venv")


@pytest.fixture(scope="module")
def open_one(wheel: Path, base: Path) -> Installed:
    """In a venv that sees the system's packages: there, and in the system's own Python, the
    user's packages count."""
    return venv(wheel, base / "open", "--system-site-packages")


class Trap:
    """A directory with evil modules, and what they noted."""

    def __init__(self, place: Path) -> None:
        self.path, self.notes = place, place / "notes"
        place.mkdir()
        self.plant("sitecustomize", "usercustomize", *OURS)

    def code(self, name: str) -> str:
        return f"open({str(self.notes)!r}, 'a').write({name!r} + '\\n')\n"

    def plant(self, *names: str, below: str = ".") -> None:
        """Modules of these names, crun_py as a package."""
        directory = self.path / below
        directory.mkdir(parents=True, exist_ok=True)
        for name in names:
            if name == "crun_py":
                (directory / name).mkdir()
                (directory / name / "__init__.py").write_text(self.code(name))
                (directory / name / "__main__.py").write_text(self.code(name + ".__main__"))
            else:
                (directory / f"{name}.py").write_text(self.code(name))

    def home(self) -> Path:
        """A home whose packages for Python are evil."""
        below = f"home/.local/lib/{VERSION}/site-packages"
        shutil.rmtree(self.path / "home", ignore_errors=True)
        self.plant("usercustomize", "sitecustomize", *OURS, below=below)
        (self.path / below / "evil.pth").write_text("import usercustomize\n/nonexistent\n")
        return self.path / "home"

    def noted(self) -> list[str]:
        return self.notes.read_text().split() if self.notes.exists() else []


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    yield Trap(tmp_path / "evil")


def run(
    engine: Engine,
    program: Path | list[str | Path],
    *words: str,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """A command of the installation, as root, with `engine`'s store."""
    variables = {**engine.env, **(env or {})}
    given = [f"{key}={value}" for key, value in variables.items()]
    command = program if isinstance(program, list) else [program]
    return subprocess.run(
        ["env", "-i", *given, *command, *words], cwd=cwd, text=True, capture_output=True,
        stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


def works(engine: Engine, program: Path | list[str | Path], **how: Any) -> None:
    """Fast verbs, what a library parses, help, errors: as ever, with nothing on stderr."""
    for words, code, out in (
        (("ps", "-a", "-q"), 0, ""), (RUN, 0, "hi\n"), (("run", "--help"), 0, None),
        (("images", "--format", "{{.Repository}}", "busybox"), 0, "busybox\n"),
        (("rm", "nosuch"), 1, ""),
    ):  # fmt: skip
        done = run(engine, program, *words, **how)
        assert done.returncode == code, (words, done)
        assert out is None or done.stdout == out, (words, done)
        lines = done.stderr.splitlines()
        assert not lines if code == 0 else len(lines) == 1, (words, done)


def attack(name: str, trap: Trap, installed: Installed) -> tuple[dict[str, str], Path | None]:
    """(environment, working directory) of an attack."""
    evil = str(trap.path)
    start = trap.path / "start.py"
    start.write_text(trap.code("start"))
    home = trap.home() if name in ("PYTHONUSERBASE", "the home") else Path()
    if name == "compiled files":
        plant_compiled(trap, installed)
    return {
        "PYTHONPATH": ({"PYTHONPATH": evil}, None),
        "an empty part of PYTHONPATH": ({"PYTHONPATH": ":/nonexistent"}, trap.path),
        "the working directory": ({}, trap.path),
        "PYTHONHOME": ({"PYTHONHOME": evil}, None),
        "PYTHONSTARTUP": ({"PYTHONSTARTUP": str(start), "PYTHONINSPECT": "1"}, None),
        "PYTHONINSPECT": ({"PYTHONINSPECT": "1"}, trap.path),
        "PYTHONUSERBASE": ({"PYTHONUSERBASE": f"{home}/.local"}, None),
        "the home": ({"HOME": str(home)}, None),
        "PYTHONWARNINGS": ({"PYTHONWARNINGS": "ignore::json.X", "PYTHONPATH": evil}, trap.path),
        "PYTHONPLATLIBDIR": ({"PYTHONPLATLIBDIR": "nowhere"}, None),
        "compiled files": ({"PYTHONPYCACHEPREFIX": f"{evil}/cache"}, None),
        "noise": ({"PYTHONVERBOSE": "1", "PYTHONPROFILEIMPORTTIME": "1", "PYTHONDEVMODE": "1",
                   "PYTHONWARNDEFAULTENCODING": "1", "PYTHONDUMPREFS": "1"}, None),
    }[name]  # fmt: skip


ATTACKS = [
    "PYTHONPATH", "an empty part of PYTHONPATH", "the working directory", "PYTHONHOME",
    "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONUSERBASE", "the home", "PYTHONWARNINGS",
    "PYTHONPLATLIBDIR", "compiled files", "noise",
]  # fmt: skip


def plant_compiled(trap: Trap, installed: Installed) -> None:
    """What PYTHONPYCACHEPREFIX makes Python believe: compiled files with the source's size
    and time in their header, and other code."""
    package = installed.python.parent.parent / "lib" / VERSION / "site-packages/crun_py"
    for source in package.glob("*.py"):
        st = source.stat()
        name = source.stem + importlib.util.cache_from_source("x.py").rpartition("/x")[2]
        target = Path(f"{trap.path}/cache{package}/{name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        header = importlib.util.MAGIC_NUMBER + bytes(4)
        header += (int(st.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
        header += (st.st_size & 0xFFFFFFFF).to_bytes(4, "little")
        code = compile(trap.code(f"compiled {source.stem}"), str(source), "exec")
        target.write_bytes(header + marshal.dumps(code))


@pytest.mark.parametrize("name", ATTACKS)
def test_the_installed_command(
    root: Engine, isolated: Installed, open_one: Installed, trap: Trap, name: str
) -> None:
    for installed in (isolated, open_one):
        env, cwd = attack(name, trap, installed)
        done = run(root, installed.program, "ps", "-q", env=env, cwd=cwd)
        assert not trap.noted(), f"{trap.noted()} ran; {done}"
        works(root, installed.program, env=env, cwd=cwd)
        assert not trap.noted(), f"{trap.noted()} ran"


def test_a_link_to_the_command(root: Engine, isolated: Installed, trap: Trap) -> None:
    """As in /usr/local/bin; found in PATH, from an evil directory."""
    (trap.path / "bin").mkdir()
    (trap.path / "bin/crunpy").symlink_to(isolated.program)
    path = f"{trap.path}/bin:{root.env['PATH']}"
    env = {"PYTHONPATH": str(trap.path), "PATH": path}
    works(root, ["crunpy"], env=env, cwd=trap.path)
    assert not trap.noted()


def test_the_module(root: Engine, isolated: Installed, trap: Trap) -> None:
    """python -m crun_py from a directory with modules of the names that ours import.  A
    crun_py there is the one that Python was asked for."""
    shutil.rmtree(trap.path / "crun_py")
    works(root, [isolated.python, "-m", "crun_py"], cwd=trap.path)
    assert not trap.noted()


def test_the_module_of_an_isolated_python(root: Engine, isolated: Installed, trap: Trap) -> None:
    env = {"PYTHONPATH": str(trap.path)}
    works(root, [isolated.python, "-I", "-m", "crun_py"], env=env, cwd=trap.path)
    assert not trap.noted()


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONUSERBASE", "the home", "PYTHONHOME"])
def test_what_the_monitor_starts(root: Engine, open_one: Installed, trap: Trap, name: str) -> None:
    """Health checks and the clean-up at the end, by a monitor that was started in a trap."""
    env, _ = attack(name, trap, open_one)
    words = ("run", "-d", "--rm", "--name", "c", "--network", "none", "--health-cmd", "true",
             "--health-interval", "100ms", "busybox", "sleep", "1000")  # fmt: skip
    done = run(root, [open_one.python, "-I", open_one.program], *words, env=env, cwd=trap.path)
    assert done.returncode == 0 and not trap.noted(), done
    wait_for(lambda: root.state("c")["Health"]["Status"] == "healthy")
    assert not trap.noted(), f"{trap.noted()} ran for a health check"
    root.ok("kill", "c")
    wait_for(lambda: not root.ps("-a"))
    assert not root.left()
    assert not trap.noted(), f"{trap.noted()} ran for a clean-up"


def test_what_a_restart_starts(root: Engine, open_one: Installed, trap: Trap) -> None:
    """The monitor becomes the command that starts the container again."""
    env = {"HOME": str(trap.home())}
    words = ("run", "-d", "--name", "c", "--network", "none", "--restart", "on-failure:1",
             "busybox", "sh", "-c", "exit 1")  # fmt: skip
    done = run(root, [open_one.python, "-I", open_one.program], *words, env=env, cwd=trap.path)
    assert done.returncode == 0, done
    wait_for(lambda: root.inspect("c")["RestartCount"] == 1 and not root.state("c")["Running"])
    assert not trap.noted(), f"{trap.noted()} ran"


# ---- what must go on working ----


def test_a_place_with_a_space(root: Engine, wheel: Path, base: Path) -> None:
    """There the first line of an installed script is another one."""
    installed = venv(wheel, base / "a place")
    works(root, installed.program)


def test_a_users_own_installation(
    root: Engine, user: Engine, wheel: Path, base: Path, trap: Trap
) -> None:
    """pip install --user: its packages are in the home, which others' variables do not move."""
    place = base / "own"
    env = {**os.environ, "PYTHONUSERBASE": str(place)}
    words = [*PIP, "--python", "/usr/bin/python3", "install", "--user", "--break-system-packages"]
    subprocess.run([*words, *OFFLINE, wheel], env=env, check=True, capture_output=True)
    dependencies(place / "lib" / VERSION / "site-packages")
    program = place / "bin/crunpy"
    works(root, program, env={"PYTHONUSERBASE": str(place)})
    home = base / "ownhome"
    home.mkdir()
    (home / ".local").symlink_to(place)
    works(root, home / ".local/bin/crunpy", env={"HOME": str(home)})


def test_the_checkout_itself(root: Engine, trap: Trap) -> None:
    """bin/crunpy of a checkout, by its own interpreter."""
    works(root, [sys.executable, CHECKOUT / "bin/crunpy"])
    works(root, [sys.executable, CHECKOUT / "crun_py/__main__.py"], cwd=trap.path)
    assert not trap.noted()


def test_sudo(root: Engine, isolated: Installed, trap: Trap) -> None:
    """With the caller's environment kept, as administrators do it."""
    sudo = shutil.which("sudo")
    if not sudo:
        pytest.skip("sudo is not installed")
    env = {"PYTHONPATH": str(trap.path)}
    works(root, [sudo, "-E", isolated.program], env=env, cwd=trap.path)
    assert not trap.noted()
