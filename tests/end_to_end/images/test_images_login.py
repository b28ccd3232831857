"""login and logout against a real registry that wants a password."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine import Engine
from oci_images import SECRET


@pytest.fixture
def store(engine: Engine, fresh: Callable[[str], Engine]) -> Engine:
    made = fresh("user" if engine.rootless else "root")
    made.env["REGISTRY_AUTH_FILE"] = str(made.home / "auth.json")
    return made


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def owned(engine: Engine, path: Path, text: str, mode: int = 0o600) -> Path:
    """A file that the engine's user has."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", path.parent], check=True)
    return path


def test_login_and_logout(store: Engine, guarded: str) -> None:
    message = store.fails("pull", "-q", f"{guarded}/team/app")
    assert f"authentication required for team/app (crunpy login {guarded})" in message
    assert "not with http://" in store.fails("pull", "-q", f"https://{guarded}/team/app")
    told = store.run("login", "-u", "me", "--password-stdin", guarded, input=SECRET + "\n")
    assert (told.code, told.out, told.err) == (0, "Login Succeeded!\n", "")
    file = store.home / "auth.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert content(file) == {
        "auths": {guarded: {"auth": base64.b64encode(f"me:{SECRET}".encode()).decode()}}
    }
    assert store.ok("login", "--get-login", guarded) == "me"
    assert store.run("pull", "-q", f"{guarded}/team/app").code == 0
    again = store.run("login", guarded)
    assert again.code == 0 and "existing credentials" in again.err
    assert (
        store.ok("logout", f"https://{guarded}/v1/") == f"Removed login credentials for {guarded}"
    )
    assert content(file) == {"auths": {}}
    assert store.ok("logout", guarded) == f"Not logged in to {guarded}"
    assert "not logged in" in store.fails("login", "--get-login", guarded)
    assert "authentication required" in store.fails("pull", "-q", f"{guarded}/team/app")


def test_other_tools_read_what_we_write(store: Engine, guarded: str) -> None:
    store.ok("login", "-u", "you", "-p", "other", guarded)
    file = store.home / "auth.json"
    shown = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", "--authfile", file, f"docker://{guarded}/team/app"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert shown.returncode == 0 and json.loads(shown.stdout)["Name"] == f"{guarded}/team/app"
    who = subprocess.run(["podman", "login", "--authfile", file, "--get-login", guarded],
                         capture_output=True, text=True)  # fmt: skip
    assert who.stdout.strip() == "you"
    subprocess.run(
        ["podman", "login", "--authfile", file, "--tls-verify=false", "-u", "me", "-p", SECRET,
         guarded], check=True, capture_output=True,
    )  # fmt: skip
    assert store.user or store.ok("login", "--get-login", guarded) == "me"


def test_wrong_password(store: Engine, guarded: str) -> None:
    done = store.run("login", "-u", "me", "-p", "wrong", guarded)
    assert done.code == 125 and "WARNING! Using --password is insecure" in done.err
    assert f"logging in to {guarded}: user name or password is not accepted" in done.err
    assert not (store.home / "auth.json").exists()
    assert "wrong" not in done.err.replace("WARNING", "")
    message = store.fails("pull", "-q", "--creds", "me:wrong", f"{guarded}/team/app")
    assert "authentication required" in message and "me:" not in message
    assert store.run("pull", "-q", "--creds", f"me:{SECRET}", f"{guarded}/team/app").code == 0
    for path in (store.root, store.run_root):
        for directory, _, files in os.walk(path):
            for name in files:
                assert SECRET.encode() not in Path(directory, name).read_bytes()


def test_what_login_asks(store: Engine, guarded: str) -> None:
    assert "no terminal" in store.fails("login", guarded)
    assert "needs --username" in store.fails("login", "--password-stdin", guarded)
    assert "exclude" in store.fails("login", "-u", "a", "-p", "b", "--password-stdin", guarded)
    assert "HOST[:PORT]" in store.fails("login", "-u", "a", "-p", "b", "no host")
    terminal = store.pty("login", guarded)
    terminal.until("Username: ")
    terminal.write("me\n")
    terminal.until("Password: ")
    terminal.write(SECRET + "\n")
    assert terminal.wait() == 0
    assert b"Login Succeeded!" in terminal.seen and SECRET.encode() not in terminal.seen
    assert store.ok("login", "--get-login", guarded) == "me"
    assert "connection refused" in store.run("login", "-u", "a", "-p", "b", "127.0.0.1:1").err


def test_the_usual_places(store: Engine, guarded: str) -> None:
    """Without options: podman's file of the session; docker's file is read, not written."""
    del store.env["REGISTRY_AUTH_FILE"]
    # root's usual place is the machine's own
    store.env["XDG_RUNTIME_DIR"] = str(store.home / "xdg")
    file = store.home / "xdg/containers/auth.json"
    pair = base64.b64encode(f"me:{SECRET}".encode()).decode()
    config = {"auths": {f"https://{guarded}/v1/": {"auth": pair}}, "x": 1}
    docker = owned(store, store.home / ".docker/config.json", json.dumps(config))
    assert store.ok("login", "--get-login", guarded) == "me"
    assert store.run("pull", "-q", f"{guarded}/team/app").code == 0
    store.run("login", "-u", "you", "-p", "other", guarded, check=True)
    assert list(content(file)["auths"]) == [guarded]
    assert store.ok("login", "--get-login", guarded) == "you"
    assert str(docker) in store.fails("logout", guarded)
    assert store.ok("login", "--get-login", guarded) == "me"
    store.ok("logout", "--authfile", docker, guarded)
    assert content(docker) == {"auths": {}, "x": 1}
    store.run("login", "-u", "you", "-p", "other", guarded, check=True)
    store.ok("logout", "--all")
    assert content(file)["auths"] == {}


def test_credential_helpers(store: Engine, guarded: str) -> None:
    box = store.home / "box"
    program = (
        "#!/bin/sh\ncase $1 in\n"
        f"store) cat > {box};;\n"
        f"get) test -s {box} && cat {box} || {{ echo credentials not found; exit 1; }};;\n"
        f"erase) cat > {box}.erased; rm {box};;\nesac\n"
    )
    owned(store, store.home / "bin/docker-credential-box", program, 0o755)
    store.env["PATH"] = f"{store.home}/bin:{store.env['PATH']}"
    for config in ({"credHelpers": {guarded: "box"}}, {"credsStore": "box"}):
        file = owned(store, store.home / "conf/auth.json", json.dumps(config))
        store.env["REGISTRY_AUTH_FILE"] = str(file)
        store.ok("login", "-u", "me", "--password-stdin", guarded, input=SECRET)
        assert content(box) == {"ServerURL": guarded, "Username": "me", "Secret": SECRET}
        assert content(file) == config, "the secret is not in the file"
        assert store.ok("login", "--get-login", guarded) == "me"
        assert store.run("pull", "-q", f"{guarded}/team/app").code == 0
        assert store.ok("logout", guarded).startswith("Removed")
        assert Path(f"{box}.erased").read_text() == guarded
        assert "authentication required" in store.fails("pull", "-q", f"{guarded}/team/app")
    owned(store, file, '{"credsStore": "absent"}')
    assert "docker-credential-absent" in store.fails("pull", "-q", f"{guarded}/team/app")


def test_logins_at_once_keep_each_other(store: Engine, guarded: str) -> None:
    started = [
        store.popen("login", "-u", "me", "-p", SECRET, f"{guarded}/team{n}") for n in range(6)
    ]
    assert [p.wait(60) for p in started] == [0] * 6
    assert set(content(store.home / "auth.json")["auths"]) == {
        f"{guarded}/team{n}" for n in range(6)
    }
