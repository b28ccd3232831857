"""`explain`: what `run` would make, told by the code that makes it, and nothing made."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from engine import Engine, free_port, wait_for


def seen(engine: Engine) -> dict[str, Any]:
    """What a command can leave: files of the store and of the running, mounts, nftables, links."""

    def tree(top: Path) -> dict[str, tuple[int, int]]:
        found = [top, *top.rglob("*")] if top.exists() else []
        stats = {str(path): path.lstat() for path in found if "diff" not in path.parts}
        return {path: (about.st_mtime_ns, about.st_size) for path, about in stats.items()}

    def told(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    # those of other stores, which other tests use meanwhile, are theirs
    key = hashlib.sha256(os.fsencode(os.path.realpath(engine.root))).hexdigest()[:6]
    tables = [line for line in told("nft", "list", "tables").splitlines() if key in line]
    return {
        "root": tree(engine.root),
        "run": tree(engine.run_root),
        "mounts": [m for m in Path("/proc/self/mountinfo").read_text().splitlines()
                   if f"{engine.home}/" in m],
        "rules": [told("nft", "list", *line.split()) for line in tables],
        "links": [name for name in os.listdir("/sys/class/net") if key in name],
    }  # fmt: skip


def document(engine: Engine, *words: object) -> Any:
    return json.loads(engine.ok("explain", "run", "--format", "json", *words))


MANY = (
    "--name web -p 8080:80 -p 127.0.0.1::81/udp -v data:/data -v /anonymous --tmpfs /tmp:size=1m "
    "--memory 64m --cpus 0.5 --cap-add net_admin --cap-drop chown -e A=b -w /var -u tester "
    "--read-only --restart always --init -h inside --label x=y --health-cmd true --timeout 9"
).split()


@pytest.mark.parametrize("used", ["never", "before"])
def test_nothing_is_touched(engine: Engine, tmp_path: Path, used: str) -> None:
    if used == "before":
        engine.ok("run", "--rm", "busybox", "true")
    missing = tmp_path / "missing"
    before = seen(engine)
    for options in (
        MANY,
        ["--userns", "auto:size=1000"] if engine.rootless else ["--uidmap", "0:100000:1000"],
        ["-v", f"{missing}:/there", "--mount", "type=image,source=busybox,destination=/image"],
    ):
        for verb in ("run", "create"):
            for form in ("text", "json", "oci", "shell"):
                engine.ok("explain", verb, "--format", form, *options, "busybox", "true")
    engine.fails("explain", "run", "absent")
    assert seen(engine) == before
    assert not missing.exists()


def test_it_says_what_the_container_then_is(engine: Engine) -> None:
    """The document against `inspect` and the files of a container made with the same words."""
    options = [w for w in MANY if w not in ("-p", "8080:80", "127.0.0.1::81/udp")]
    told = document(engine, *options, "busybox", "sleep", "9")
    engine.ok("create", *options, "busybox", "sleep", "9")
    made = engine.inspect("web")
    spec = json.loads((engine.root / "containers" / made["Id"] / "config.json").read_text())
    assert told["name"] == "web" and told["hostname"] == made["Config"]["Hostname"] == "inside"
    assert told["image"]["id"] == made["Image"]
    process = told["process"]
    assert process["args"] == spec["process"]["args"] == ["sleep", "9"]
    assert sorted(process["environment"]) == sorted(spec["process"]["env"])
    assert process["cwd"] == spec["process"]["cwd"] == "/var"
    assert (process["user"]["uid"], process["user"]["gid"]) == (1234, 1234)
    assert 77 in process["user"]["groups"]
    if engine.rootless:
        assert process["user"]["host_uid"] > 1234
    else:
        assert process["user"]["host_uid"] == 1234
    assert process["limits"] == spec["process"]["rlimits"]
    assert told["capabilities"]["bounding"] == spec["process"]["capabilities"]["bounding"]
    assert told["capabilities"]["added"] == ["CAP_NET_ADMIN"]
    assert told["capabilities"]["dropped"] == ["CAP_CHOWN"]
    assert told["namespaces"] == spec["linux"]["namespaces"]
    assert told["masked"] == spec["linux"]["maskedPaths"]
    assert told["devices"] == spec["linux"]["devices"]
    assert told["sysctls"] == spec["linux"]["sysctl"]
    mounts = {entry["destination"]: entry for entry in told["mounts"]}
    assert [*mounts] == [entry["destination"] for entry in spec["mounts"]]
    for entry in spec["mounts"]:
        assert mounts[entry["destination"]]["options"] == entry["options"]
    assert (mounts["/data"]["what"], mounts["/data"]["name"], mounts["/data"]["new"]) == (
        "volume", "data", True)  # fmt: skip
    assert (mounts["/anonymous"]["what"], mounts["/anonymous"]["name"]) == ("volume", "")
    assert mounts["/tmp"]["what"] == "tmpfs" and "size=1m" in mounts["/tmp"]["options"]
    assert mounts["/etc/hosts"] == {
        "destination": "/etc/hosts", "what": "file", "type": "bind", "source": "hosts",
        "options": ["rbind", "ro"], "name": "", "new": True,
    }  # fmt: skip
    assert set(told["cgroup"]["lacking"]) <= {"memory.max", "cpu.max"}
    assert told["cgroup"]["asked"] == {"memory.max": str(64 << 20), "cpu.max": "50000 100000"}
    assert told["root"]["read_only"] and told["root"]["kind"] in ("overlay", "copy")
    assert [Path(layer).parent.name for layer in told["root"]["layers"]] == [
        Path(layer).parent.name for layer in
        json.loads((engine.root / "containers" / made["Id"] / "container.json").read_text())
        ["layers"]
    ]  # fmt: skip
    life = told["life"]
    assert (life["restart"]["name"], life["init"], life["timeout"]) == ("always", True, 9)
    assert life["health"]["test"] == ["CMD-SHELL", "true"]
    assert told["labels"] == {"x": "y"}
    # there is one now, and a container of this name
    assert "already in use" in engine.fails("explain", "run", "--name", "web", "busybox")
    again = {m["destination"]: m for m in document(engine, "-v", "data:/data", "busybox")["mounts"]}
    assert not again["/data"]["new"]


def test_ids_of_a_user_namespace(engine: Engine) -> None:
    words = ["--userns", "keep-id"] if engine.rootless else ["--uidmap", "0:100000:2000"]
    told = document(engine, *words, "busybox", "id")
    maps = engine.ok("run", "--rm", "--network", "none", *words, "busybox", "cat",
                     "/proc/self/uid_map").splitlines()  # fmt: skip
    assert told["ids"]["own"]["uids"] == [[int(w) for w in line.split()] for line in maps] or (
        engine.rootless  # there the map that is seen inside leads to the host's ids
    )
    assert {"type": "user"} in told["namespaces"]
    if engine.rootless:
        owner = engine.ok("run", "--rm", "--network", "none", *words, "busybox", "id", "-u")
        assert told["process"]["user"]["uid"] == int(owner)
        assert told["process"]["user"]["host_uid"] == int(owner)
    else:
        assert told["process"]["user"]["host_uid"] == 100000


def test_limits_that_the_host_cannot_keep(root: Engine) -> None:
    """`run` refuses those that are said to be lacking, and no others."""
    lacking = document(root, "--memory", "64m", "busybox")["cgroup"]["lacking"]
    done = root.run("run", "--rm", "--network", "none", "--memory", "64m", "busybox", "true")
    assert (done.code != 0) == bool(lacking), done
    if lacking:
        assert "no cgroup v2 memory controller" in done.err
        assert "cannot be had" in root.ok("explain", "run", "--memory", "64m", "busybox")


def test_networks(root: Engine) -> None:
    """Root's: what is said of a network that is to be made is what is made then."""
    told = document(root, *MANY, "busybox")["network"]
    assert (told["mode"], told["way"]) == ("bridge", "bridge")
    [network] = told["networks"]
    assert [(p["container_port"], p["host_port"]) for p in told["ports"]] == [(80, 8080), (81, 0)]
    assert "map ports: tcp . 8080 : ADDRESS . 80" in told["rules"]
    assert "map address_ports: 127.0.0.1 . udp . PORT : ADDRESS . 81" in told["rules"]
    root.ok("run", "--rm", "busybox", "true")
    assert not document(root, "busybox")["network"]["networks"][0]["new"]
    made = json.loads(root.ok("network", "inspect", "bridge"))[0]
    assert network["bridge"] in json.dumps(made)
    assert network["subnets"] == [c["Subnet"] for c in made["IPAM"]["Config"]]
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
    assert f"table ip {told['table']}\n" in rules
    for mode in ("host", "none"):
        assert document(root, "--network", mode, "busybox")["network"]["way"] == mode
    assert "no network 'nowhere'" in root.fails("explain", "run", "--network", "nowhere", "busybox")


def test_a_plain_users_networks(user: Engine) -> None:
    assert document(user, "busybox")["network"]["way"] == "helper"
    user.ok("network", "create", "--subnet", "10.171.0.0/24", "explained")
    try:
        told = document(user, "--network", "explained", "--ip", "10.171.0.9", "busybox")["network"]
        assert told["way"] == "hub"
        assert told["networks"][0]["subnets"] == ["10.171.0.0/24"]
        assert told["networks"][0]["join"]["ip"] == "10.171.0.9"
    finally:
        user.ok("network", "rm", "explained")


def test_for_people(engine: Engine) -> None:
    text = engine.ok("explain", "run", *MANY, "busybox", "sh", "-c", "echo 'hello'; sleep 1")
    titles = [line for line in text.splitlines() if line and line[0] != " "]
    assert titles == ["Image", "Container", "Process", "Environment", "Capabilities", "Namespaces",
                      "Mounts", "Devices", "Cgroup", "Network", "Life", "Labels"]  # fmt: skip
    rows = {tuple(line.split(maxsplit=1)) for line in text.splitlines() if line[:1] == " "}
    assert {("name", "web"), ("command", """sh -c 'echo '"'"'hello'"'"'; sleep 1'"""),
            ("A", "b"), ("directory", "/var"), ("/data", "volume data, which is made (nodev)"),
            ("memory.max", str(64 << 20)), ("pid", "its own"), ("seccomp", "default"),
            ("restart", "always"), ("x", "y")} <= rows  # fmt: skip
    assert "net_admin" in text and "more than usual" in text and "less than usual" in text
    assert text == engine.ok("explain", "run", "--format", "text", *MANY, "busybox", "sh", "-c",
                             "echo 'hello'; sleep 1")  # fmt: skip


def test_what_strangers_wrote_drives_no_terminal(root: Engine) -> None:
    text = root.ok("explain", "run", "--label", "a=\x1b[31mred\nImage", "busybox")
    assert "\x1b" not in text and "\nImage\n" not in text
    assert document(root, "--label", "a=\x1b[31mred", "busybox")["labels"]["a"] == "\x1b[31mred"


def test_errors_are_those_of_run(engine: Engine) -> None:
    assert engine.fails("explain", "run", "absent:1") == (
        "finding image absent:1: not in this store (crunpy pull absent:1)"
    )
    for words in (
        ["--memory", "1k", "busybox"],
        ["--network", "container:nobody", "busybox"],
        ["--cap-add", "nothing", "busybox"],
        ["--rm", "--restart", "always", "busybox"],
        ["-u", "nobody-there", "busybox"],
        ["--name", "/x/y", "busybox"],
    ):
        assert engine.fails("explain", "run", *words) == engine.fails("run", *words)
    assert "crunpy pod create p" in engine.fails("explain", "run", "--pod", "new:p", "busybox")
    assert "known: text, json, oci, shell" in engine.fails(
        "explain", "run", "--format", "xml", "busybox"
    )


def test_a_pods_container(engine: Engine) -> None:
    engine.ok("pod", "create", "--network", "none", "--name", "p")
    before = seen(engine)
    told = document(engine, "--pod", "p", "busybox")
    assert seen(engine) == before
    infra = next(e["path"] for e in told["namespaces"] if e["type"] == "network")
    assert infra.startswith("container:") and told["requires"] == [infra.partition(":")[2]]
    assert told["network"]["way"] == "shared"


def test_a_directory_as_root(engine: Engine, base: Path) -> None:
    top = base / "explained-root"
    top.mkdir(mode=0o755, exist_ok=True)
    told = document(engine, "--rootfs", top, "sh")
    assert told["image"] is None
    assert told["root"]["kind"] == "directory" and told["root"]["layers"] == [str(top)]


def bundle(engine: Engine, path: Path, *words: object) -> Path:
    """A bundle of what is explained, with the files of busybox, that the engine's user may read."""
    (path / "rootfs").mkdir(parents=True)
    (path / "config.json").write_text(engine.ok("explain", "run", "--format", "oci", *words))
    engine.ok("create", "--name", "files", "--network", "none", "busybox")
    files = engine.run("export", "files").raw
    engine.ok("rm", "files")
    subprocess.run(["tar", "-C", path / "rootfs", "-x"], input=files, check=True)
    return path


SHOW = (
    "id; umask; pwd; env | sort; grep -E 'Cap|Seccomp:|NoNew' /proc/self/status; ulimit -n;"
    "cat /proc/self/uid_map; ls /dev; touch /data/x && echo written; exit 7"
)


@pytest.mark.parametrize("engine,who", [("root", "ours"), ("user", "ours"), ("root", "runc")],
                         indirect=["engine"])  # fmt: skip
def test_a_bundle_is_what_run_makes(engine: Engine, base: Path, tmp_path: Path, who: str) -> None:
    """The same is seen inside, whether `run` or an OCI runtime makes it."""
    words = ["--network", "none", "--hostname", "000000000000", "-v", "/data", "-w", "/tmp",
             "-e", "A=b", "--umask", "0027", "--cap-drop", "chown", "busybox", "sh", "-c",
             SHOW]  # fmt: skip
    expected = engine.run("run", "--rm", *words)
    place = base / f"explained-{who}-{'user' if engine.rootless else 'root'}"
    made = bundle(engine, place, *words)
    try:
        if engine.rootless:
            subprocess.run(["chown", "-R", f"{engine.user}:", place], check=True)
        if who == "ours":
            done = engine.run("oci", "--root", engine.home / "oci", "run", "--bundle", made, "x")
            assert (done.code, done.out) == (expected.code, expected.out), done.err
        else:
            runc = subprocess.run(
                ["runc", "--root", tmp_path / "state", "run", "--bundle", made, "explained"],
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert runc.returncode == expected.code, runc.stderr
            own = {"core", "console"}  # nodes that it makes by itself
            assert [line for line in runc.stdout.splitlines() if line not in own] == [
                line for line in expected.out.splitlines() if line not in own
            ]
    finally:
        subprocess.run(["rm", "-rf", place], check=True)
    assert expected.code == 7 and "written" in expected.out


def test_a_bundle_with_anothers_namespaces(engine: Engine) -> None:
    engine.ok("create", "--name", "other", "--network", "none", "--ipc", "shareable", "busybox",
              "sleep", "1000")  # fmt: skip
    words = ("--network", "container:other", "--ipc", "container:other", "busybox")
    assert "crunpy start other" in engine.fails("explain", "run", "--format", "oci", *words)
    engine.ok("start", "other")
    pid = engine.pids(engine.inspect("other")["Id"])[1]
    told = json.loads(engine.ok("explain", "run", "--format", "oci", *words))
    paths = {n["type"]: n.get("path") for n in told["linux"]["namespaces"]}
    assert paths["network"] == f"/proc/{pid}/ns/net" and paths["ipc"] == f"/proc/{pid}/ns/ipc"
    shm = next(m for m in told["mounts"] if m["destination"] == "/dev/shm")
    assert shm["source"] == f"/proc/{pid}/root/dev/shm"


def test_a_script_does_nearly_the_same(root: Engine) -> None:
    show = ("id -u; umask; pwd; hostname; env | sort; grep CapBnd /proc/self/status; ls /dev | "
            "grep -v core; echo $$; cat /proc/sys/net/ipv4/ping_group_range; ls /proc/acpi; "
            "echo x > /proc/sys/kernel/core_pattern; exit 7")  # fmt: skip
    words = ["--network", "none", "--hostname", "inside", "-w", "/tmp", "-e", "A=it's", "-u",
             "1234:1234", "busybox", "sh", "-c", show]  # fmt: skip
    expected = root.run("run", "--rm", *words)
    text = root.ok("explain", "run", "--format", "shell", *words)
    done = subprocess.run(["sh"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (expected.code, expected.out), done.stderr + text
    assert "the filter of system calls" in text


def become(engine: Engine) -> list[str]:
    """The command that makes a shell the user's."""
    name = str(engine.user)
    ids = ["setpriv", "--reuid", name, "--regid", name, "--clear-groups"]
    return ids if engine.user else []


def test_a_plain_users_script(user: Engine) -> None:
    """By unshare(1) and newuidmap(1), with his ids."""
    show = "id -u; ls -ln /bin/busybox | cut -d' ' -f5-12; cat /proc/self/uid_map; hostname; exit 7"
    words = ["--network", "none", "--hostname", "inside", "-u", "1234:1234", "busybox", "sh", "-c",
             show]  # fmt: skip
    expected = user.run("run", "--rm", *words)
    text = user.ok("explain", "run", "--format", "shell", "-m", "50m", *words)
    assert "not done here: memory.max=52428800 in a cgroup" in text
    done = subprocess.run([*become(user), "sh"], input=text, capture_output=True, text=True,
                          timeout=60, cwd="/")  # fmt: skip
    assert (done.returncode, done.stdout) == (expected.code, expected.out), done.stderr + text


def said(port: int) -> str:
    """What a server says at once, "" while there is none."""
    words = ["nc", "-w", "2", "127.0.0.1", str(port)]
    done = subprocess.run(["busybox", *words], stdin=subprocess.DEVNULL, capture_output=True)
    return done.stdout.decode()


def test_a_script_with_a_network(root: Engine) -> None:
    """Its address, its way out and its port; nothing of it is left."""
    root.ok("network", "create", "--subnet", "10.66.31.0/24", "scripted")
    port, bridge = free_port(), root.inspect("scripted")["NetworkInterface"]
    words = ["--network", "scripted", "--ip", "10.66.31.9", "-p", f"{port}:80", "busybox", "sh",
             "-c", "ip addr show eth0; ping -c1 -W2 192.0.2.2; echo hi | nc -l -p 80"]  # fmt: skip
    text = root.ok("explain", "run", "--format", "shell", *words)
    with subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdin
        run.stdin.write(text)
        run.stdin.close()
        assert wait_for(lambda: said(port)) == "hi\n"
        assert run.stdout
        out = run.stdout.read()
    assert run.returncode == 0 and "10.66.31.9/24" in out and "0% packet loss" in out
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout
    assert "explained_" not in rules and bridge not in os.listdir("/sys/class/net")
    root.ok("network", "rm", "scripted")


@pytest.mark.parametrize("name", ["$(>two)", "`>three`", "a;>four", '";>five;'])
def test_a_script_of_hostile_names(root: Engine, tmp_path: Path, name: str) -> None:
    """The kernel takes nearly every mark in the names of interfaces."""
    canary = tmp_path / "canary"
    canary.write_text("kept")
    root.ok("network", "create", "--subnet", "10.66.32.0/24", "plain")
    root.ok("network", "create", "--interface-name", name, "--subnet", "10.66.33.0/24", "hostile")
    for network in ("hostile", f"plain:interface_name={name}"):
        words = ["--network", network, "busybox", "true"]
        text = root.ok("explain", "run", "--format", "shell", *words)
        done = subprocess.run(["sh"], input=text, cwd=tmp_path, capture_output=True, text=True,
                              timeout=60)  # fmt: skip
        assert done.returncode == 0, done.stderr + text
    assert os.listdir(tmp_path) == ["canary"] and canary.read_text() == "kept"
    root.ok("network", "rm", "plain", "hostile")


def test_a_script_of_hostile_words(engine: Engine) -> None:
    """Nothing of what is quoted or told runs outside; a plain user's, in his own namespace."""
    place = engine.home / "of-scripts"
    place.mkdir()
    place.chmod(0o777)
    mark = place / "mark"
    for bad in (
        f"\nINSIDE\ntouch {mark}\n",
        f"'; touch {mark}; '",
        f"$(touch {mark})",
        f"`touch {mark}`",
    ):
        words = ["--network", "none", "-e", f"A={bad}", "-v", f"{place}/a{bad}:/b{bad}"]
        text = engine.ok("explain", "run", "--format", "shell", *words, "busybox", "echo", bad)
        done = subprocess.run([*become(engine), "sh"], input=text, capture_output=True, text=True,
                              timeout=60, cwd="/")  # fmt: skip
        assert (done.returncode, done.stdout) == (0, bad + "\n"), done.stderr
        assert not mark.exists()
