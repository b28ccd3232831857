"""containers.conf(5): its keys are defaults of our options, from all the places it can lie in.

What the command line says wins, and a container keeps what it was created with.  The
machine's own files stay out: CONTAINERS_CONF names another one, and where /etc and /usr are
meant, a mount namespace of the test's own has others there.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from engine import Engine, Pty, wait_for
from images import image
from mirror import Registry

RUN = ("run", "--rm", "--network", "none")
CREATE = ("create", "--network", "none")

Variables = dict[str, str | None]


def owned(engine: Engine, path: Path, text: str) -> Path:
    """A file of the engine's user; its directories are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    top = engine.home / path.relative_to(engine.home).parts[0]
    subprocess.run(["chown", "-R", f"{engine.user or 'root'}:", top], check=True)
    return path


def conf(engine: Engine, text: str, name: str = "containers.conf") -> Variables:
    """The variables that make a file with this text the only configuration."""
    return {"CONTAINERS_CONF": str(owned(engine, engine.home / "conf" / name, text))}


class Case(NamedTuple):
    """A key of [containers] (or lines of TOML) and what it must do.

    script:  what is run in a container, by sh
    seen:    what it prints with the key
    options: words of the command line that win
    then:    what it prints then
    """

    text: str
    script: str
    seen: str
    options: str = ""
    then: str = ""


CASES = {
    "env": Case('env = ["A=conf", "B=x y"]', 'echo "$A $B"', "conf x y", "-e A=mine", "mine x y"),
    "dns_servers": Case(
        'dns_servers = ["192.0.2.7", "192.0.2.8"]', "grep nameserver /etc/resolv.conf",
        "nameserver 192.0.2.7\nnameserver 192.0.2.8", "--dns 192.0.2.9", "nameserver 192.0.2.9",
    ),
    "dns_searches": Case(
        'dns_searches = ["one.test", "two.test"]', "grep search /etc/resolv.conf",
        "search one.test two.test", "--dns-search three.test", "search three.test",
    ),
    "dns_options": Case(
        'dns_options = ["ndots:3", "rotate"]', "grep options /etc/resolv.conf",
        "options ndots:3 rotate", "--dns-option ndots:2", "options ndots:2",
    ),
    "default_ulimits": Case(
        'default_ulimits = ["nofile=100:200", "core=0:0"]',
        "ulimit -n; ulimit -Hn", "100\n200", "--ulimit nofile=90:91", "90\n91",
    ),
    "default_capabilities": Case(
        'default_capabilities = ["CHOWN", "cap_kill"]', "grep CapBnd /proc/self/status",
        "CapBnd:\t0000000000000021", "--cap-add setuid --cap-drop kill",
        "CapBnd:\t0000000000000081",
    ),
    "default_capabilities, none": Case(
        "default_capabilities = []", "grep CapBnd /proc/self/status",
        "CapBnd:\t0000000000000000",
    ),
    "init": Case("init = true", "cat /proc/1/comm", "init", "--init=false", "cat"),
    "shm_size": Case(
        'shm_size = "33554432"', "df /dev/shm | awk 'END {print $2}'", "32768",
        "--shm-size 1m", "1024",
    ),
    "seccomp_profile": Case(
        'seccomp_profile = "{home}/conf/profile.json"', "mkdir /x 2>&1; echo $?",
        "mkdir: can't create directory '/x': Function not implemented\n1",
        "--security-opt seccomp=unconfined", "0",
    ),
    "default_sysctls": Case(
        'default_sysctls = ["net.core.somaxconn=77", "net.ipv4.ip_forward=1"]',
        "cd /proc/sys/net; cat core/somaxconn ipv4/ip_forward", "77\n1",
        "--sysctl net.core.somaxconn=78", "78\n1",
    ),
    "label": Case("label = false", "echo good", "good", "--security-opt label=type:t", "good"),
    "tz": Case('tz = "Asia/Kolkata"', "date +%Z", "IST", "--tz Asia/Tokyo", "JST"),
    "umask": Case('umask = "0027"', "umask", "0027", "--umask 077", "0077"),
    "read_only": Case(
        "read_only = true", "echo x > /new && cat /new", "", "--read-only=false", "x"
    ),
    "http_proxy": Case(
        "http_proxy = false", "echo .$http_proxy", ".", "--http-proxy=true", ".http://192.0.2.1:1"
    ),
    "netns": Case('netns = "none"', "ls /sys/class/net", "lo"),
    "ipcns": Case(
        'ipcns = "host"', "readlink /proc/self/ns/ipc", "{ipc}", "--ipc private", "!{ipc}"
    ),
    "pidns": Case(
        'pidns = "host"', "readlink /proc/self/ns/pid", "{pid}", "--pid private", "!{pid}"
    ),
    "utsns": Case(
        'utsns = "host"', "readlink /proc/self/ns/uts", "{uts}", "--uts private", "!{uts}"
    ),
    "cgroupns": Case(
        'cgroupns = "host"', "readlink /proc/self/ns/cgroup", "{cgroup}",
        "--cgroupns private", "!{cgroup}",
    ),
    "volumes": Case(
        'volumes = ["{home}/conf:/there:ro"]',
        "cat /there/canary; touch /there/x 2>/dev/null || echo ro",
        "canary\nro", "-v {home}/conf/other:/there", "other",
    ),
    "volumes, named": Case('volumes = ["named:/data"]', "touch /data/x && echo rw", "rw"),
    "several lines": Case(
        'umask = "0002" # a comment\nenv = [\n  "A=1", # one\n  \'B="2"\',\n]\n',
        'umask; echo $A "$B"', '0002\n1 "2"',
    ),
}  # fmt: skip

PROFILE = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}],
}


def filled(engine: Engine, text: str) -> str:
    """With our home and our namespaces in it."""
    text = text.replace("{home}", str(engine.home))
    for kind in ("ipc", "pid", "uts", "cgroup"):
        if f"{{{kind}}}" in text:
            own = Path(f"/proc/self/ns/{kind}").readlink()
            text = text.replace(f"{{{kind}}}", str(own))
    return text


@pytest.mark.parametrize("key", CASES)
def test_a_key_is_the_default_of_its_option(engine: Engine, key: str) -> None:
    case = CASES[key]
    env = conf(engine, "[containers]\n" + filled(engine, case.text))
    env["http_proxy"] = "http://192.0.2.1:1"
    owned(engine, engine.home / "conf/profile.json", json.dumps(PROFILE))
    owned(engine, engine.home / "conf/canary", "canary\n")
    owned(engine, engine.home / "conf/other/canary", "other\n")
    run = ("run", "--rm") if key == "netns" else RUN

    def check(wanted: str, *options: str) -> None:
        script = ("exec " if "/proc/1/" in case.script else "") + case.script
        done = engine.run(*run, *options, "busybox", "sh", "-c", script, env=env)
        assert done.code in (0, 1), done
        wanted = filled(engine, wanted)
        if wanted.startswith("!"):
            assert done.out.strip() and done.out.strip() != wanted[1:]
        else:
            assert done.out.strip() == wanted

    check(case.seen)
    if case.options:
        check(case.then, *filled(engine, case.options).split())


def test_an_image_knows_its_variables_better(engine: Engine, registry: Registry) -> None:
    """Only what the image leaves open comes from the file."""
    made = image(registry.busybox, Env=["PATH=/bin", "A=image"])
    name = registry.push("test/conf-env", made)
    env = conf(engine, '[containers]\nenv = ["PATH=/nowhere", "A=conf", "B=conf"]\n')
    engine.ok("pull", "-q", name)
    assert engine.ok(*RUN, name, "sh", "-c", "echo $PATH $A $B", env=env) == "/bin image conf"
    engine.ok("rmi", name)


def settings(engine: Engine, env: Variables, *words: str) -> dict[str, object]:
    """HostConfig of a container that was created with this configuration."""
    container = engine.ok("create", *words, "busybox", env=env)
    try:
        found: dict[str, object] = engine.inspect(container)["HostConfig"]
        return found
    finally:
        engine.ok("rm", "-v", container)


def test_what_inspect_tells(engine: Engine) -> None:
    """Keys that need no start to be seen, one container for all of them."""
    env = conf(
        engine,
        '[containers]\nannotations = ["a.b/c=d=e", "x=conf"]\npids_limit = 77\n'
        'log_driver = "k8s-file"\nlog_size_max = 9000\nnetns = "none"\nipcns = "shareable"\n'
        'cgroupns = "private"\nuserns = "host"\n[engine]\nstop_timeout = 3\n',
    )
    found = settings(engine, env)
    assert found["Annotations"] == {"a.b/c": "d=e", "x": "conf"}
    assert found["PidsLimit"] == 77
    assert found["LogConfig"]["Config"]["max-size"] == "9000"  # type: ignore[index]
    assert found["NetworkMode"] == "none"
    assert found["IpcMode"] == "shareable"
    found = settings(
        engine, env, "--annotation", "x=mine", "--pids-limit", "5", "--log-opt", "max-size=10k",
        "--network", "host", "--ipc", "private",
    )  # fmt: skip
    assert found["Annotations"] == {"a.b/c": "d=e", "x": "mine"}
    assert found["PidsLimit"] == 5
    assert found["LogConfig"]["Config"]["max-size"] == "10240"  # type: ignore[index]
    assert found["NetworkMode"] == "host"
    assert found["IpcMode"] == "private"


def test_log_drivers(engine: Engine) -> None:
    """`none` keeps nothing; those that we have not are no reason to start nothing."""
    for driver, kept in (("none", ""), ("k8s-file", "x"), ("journald", "x"), ("passthrough", "x")):
        env = conf(engine, f'[containers]\nlog_driver = "{driver}"\n')
        engine.ok("run", "--name", "c", "--network", "none", "busybox", "echo", "x", env=env)
        assert engine.run("logs", "c").out.strip() == kept, driver
        engine.ok("rm", "c")
    env = conf(engine, '[containers]\nlog_driver = "none"\n')
    engine.ok(
        "run", "--name", "c", "--network", "none", "--log-driver", "json-file", "busybox", "echo",
        "mine", env=env,
    )  # fmt: skip
    assert engine.ok("logs", "c") == "mine"


@pytest.mark.parametrize("limit", [0, 2048])
def test_a_limit_of_processes_that_cannot_be_set_is_no_error(engine: Engine, limit: int) -> None:
    """As an option it is one; as a default it holds where it can."""
    env = conf(engine, f"[containers]\npids_limit = {limit}\n")
    assert engine.ok(*RUN, "busybox", "echo", "x", env=env) == "x"


def test_settings_of_a_network_that_is_the_hosts(engine: Engine) -> None:
    """Defaults for a network namespace of its own are not the host's."""
    env = conf(engine, '[containers]\ndefault_sysctls = ["net.core.somaxconn=77"]\n')
    done = engine.run("run", "--rm", "--network", "host", "busybox", "echo", "x", env=env)
    assert (done.code, done.out) == (0, "x\n"), done.err
    script = "cat /proc/sys/net/core/somaxconn"
    assert engine.ok(*RUN, "busybox", "sh", "-c", script, env=env) == "77"


def test_a_user_namespace_of_the_file(user: Engine) -> None:
    env = conf(user, '[containers]\nuserns = "keep-id"\n')
    own = subprocess.check_output(["id", "-u", user.user], text=True).strip()
    assert user.ok(*RUN, "busybox", "id", "-u", env=env) == own
    assert user.ok(*RUN, "--userns", "host", "busybox", "id", "-u", env=env) == "0"


IDS = """cp /etc/subuid {0}/ids; echo containers:2147483647:2147483648 >> {0}/ids
mount --bind {0}/ids /etc/subuid; mount --bind {0}/ids /etc/subgid; exec "$@" """


def test_user_namespaces_of_their_own_as_the_default(engine: Engine, tmp_path: Path) -> None:
    """userns = "auto": containers get ids that no other one has, until an option says otherwise.
    Root's are those of the user `containers`."""
    env = conf(engine, '[containers]\nuserns = "auto"\n')
    wrap = [] if engine.user else ["unshare", "-m", "sh", "-ec", IDS.format(tmp_path), "sh"]
    maps = []
    for name in ("a", "b"):
        engine.ok("run", "-d", "--name", name, "--network", "none", "--stop-timeout", "0",
                  "busybox", "sleep", "1000", env=env, wrap=wrap)  # fmt: skip
        maps.append(engine.ok("exec", name, "cat", "/proc/self/uid_map").split())
    (inside, first, count), (_, second, _) = (map(int, words[:3]) for words in maps)
    assert inside == 0 and abs(first - second) >= count >= 1024
    assert engine.inspect("a")["HostConfig"]["UsernsMode"] == "auto"
    shown = ("busybox", "cat", "/proc/self/uid_map")
    shared = engine.ok(*RUN, "--userns", "host", *shown, env=env, wrap=wrap).split()
    assert shared[:3] not in [words[:3] for words in maps]
    sized = conf(engine, '[containers]\nuserns = "auto:size=4096"\n')
    own = engine.ok(*RUN, *shown, env=sized, wrap=wrap).split()
    assert int(own[2]) == 4096
    if not engine.user:
        assert "/etc/subuid: no ids for containers" in engine.fails(*RUN, *shown, env=env)


def test_who_makes_cgroups(engine: Engine) -> None:
    env = conf(engine, '[engine]\ncgroup_manager = "cgroupfs"\n')
    told = engine.ok("info", "-f", "{{.CgroupDriver}} {{.Host.CgroupManager}}", env=env)
    assert told == "cgroupfs cgroupfs"
    assert settings(engine, env)["CgroupManager"] == "cgroupfs"
    env = conf(engine, '[engine]\ncgroup_manager = "systemd"\n')
    assert engine.ok("info", "-f", "{{.CgroupDriver}}", env=env) == "systemd"
    assert settings(engine, env)["CgroupManager"] == "systemd"
    command = ("--cgroup-manager", "cgroupfs", *CREATE, "busybox")
    container = engine.ok(*command, env=env)
    assert engine.inspect(container)["HostConfig"]["CgroupManager"] == "cgroupfs"
    engine.ok("rm", container)
    env = conf(engine, '[engine]\ncgroup_manager = "wrong"\n')
    for words in (("info",), (*CREATE, "busybox")):
        assert "engine.cgroup_manager: cgroup manager 'wrong': not known" in engine.fails(
            *words, env=env
        )


def test_a_container_keeps_what_it_was_created_with(engine: Engine) -> None:
    env = conf(engine, '[containers]\nenv = ["A=first"]\numask = "0027"\n')
    engine.ok(*CREATE, "--name", "c", "busybox", "sh", "-c", "echo $A; umask", env=env)
    env = conf(engine, '[containers]\nenv = ["A=second"]\numask = "0077"\n')
    assert engine.ok("start", "-a", "c", env=env).split() == ["first", "0027"]


# ---- [engine] ----


def test_the_subnet_of_the_default_network(fresh: Callable[[str], Engine]) -> None:
    root = fresh("root")
    root.ok("pull", "-q", "busybox")
    script = ("sh", "-c", "ip -4 -o addr show eth0 | awk '{print $4}'")
    env = conf(root, '[network]\ndefault_subnet = "10.21.7.0/24"\n')
    first = root.ok("run", "--rm", "busybox", *script, env=env)
    assert first.startswith("10.21.7.") and first.endswith("/24")
    # the network is there now: another file changes nothing
    other = conf(root, '[network]\ndefault_subnet = "10.22.7.0/24"\n')
    assert root.ok("run", "--rm", "busybox", *script, env=other).startswith("10.21.7.")


def test_where_subnets_are_chosen_from(root: Engine) -> None:
    text = """[network]
default_subnet_pools = [{base = "10.23.4.0/23", size = 24}, {base = "10.24.0.0/16", size = 28}]
"""
    env = conf(root, text)
    found = []
    for name in ("pool1", "pool2", "pool3"):
        root.ok("network", "create", name, env=env)
        format = "{{(index .IPAM.Config 0).Subnet}}"
        found.append(root.ok("network", "inspect", "-f", format, name))
    given = ("network", "create", "--subnet", "10.25.0.0/24", "given")
    root.ok(*given, env=env)
    root.ok("network", "rm", "pool1", "pool2", "pool3", "given")
    assert found == ["10.23.4.0/24", "10.23.5.0/24", "10.24.0.0/28"]
    for pool in ('{base = "x", size = 24}', '{base = "10.0.0.0/8"}', '{base="10.0.0.0/24", size=8}',
                 "5"):  # fmt: skip
        bad = conf(root, f"[network]\ndefault_subnet_pools = [{pool}]\n")
        assert "default_subnet_pools" in root.fails("network", "create", "x", env=bad), pool


def test_another_default_network(root: Engine) -> None:
    """For containers that ask for none."""
    root.ok("network", "create", "--subnet", "10.26.1.0/24", "usual")
    env = conf(root, '[network]\ndefault_network = "usual"\n')
    show = ("busybox", "ip", "-4", "-o", "addr", "show", "eth0")
    assert " 10.26.1." in root.ok("run", "--rm", *show, env=env)
    assert " 10.26.1." not in root.ok("run", "--rm", "--network", "bridge", *show, env=env)
    root.ok("network", "rm", "usual")


def terminal(engine: Engine, env: Variables, *words: str) -> Pty:
    """A container `c` that says hi and waits, on a terminal."""
    run = ("run", "-it", "--name", "c", "--network", "none", *words)
    command = engine.command(*run, "busybox", "sh", "-c", "echo hi; exec cat", env=env)
    made = Pty(command, dict(os.environ))
    engine.started.append(made)
    return made


def test_keys_to_detach(engine: Engine) -> None:
    env = conf(engine, '[engine]\ndetach_keys = "ctrl-x,x"\n')
    for words, keys in (((), b"\x18x"), (("--detach-keys", "ctrl-y,y"), b"\x19y")):
        shown = terminal(engine, env, *words)
        shown.until(b"hi")
        shown.write(keys)
        assert shown.wait() == 0
        assert engine.state("c")["Running"]
        engine.ok("rm", "-f", "-t", "0", "c")


def test_the_time_to_stop(engine: Engine) -> None:
    env = conf(engine, "[engine]\nstop_timeout = 1\n")
    words = ("run", "-d", "--network", "none", "--name", "c")
    engine.ok(*words, "busybox", "sleep", "1000", env=env)
    assert engine.inspect("c")["Config"]["StopTimeout"] == 1
    engine.ok("rm", "-f", "c")
    engine.ok(*words, "--stop-timeout", "0", "busybox", "sleep", "1000", env=env)
    assert engine.inspect("c")["Config"]["StopTimeout"] == 0


@pytest.mark.parametrize(
    ("mode", "seen"), [("bind", "old"), ("tmpfs", "tmpfs"), ("ignore", "overlay")]
)
def test_volumes_of_images(engine: Engine, registry: Registry, mode: str, seen: str) -> None:
    name = registry.push("test/conf-volume", image(registry.busybox, Volumes={"/home": {}}))
    engine.ok("pull", "-q", name)
    env = conf(engine, f'[engine]\nimage_volume_mode = "{mode}"\n')
    script = 'awk \'$2 == "/home" || $2 == "/" {print $3}\' /proc/mounts | tail -1'
    found = engine.ok(*RUN, name, "sh", "-c", script, env=env)
    assert found == seen if seen != "old" else found not in ("tmpfs", "overlay")
    engine.ok("rmi", name)


def test_the_policy_of_pulling(engine: Engine) -> None:
    """Without a pull nothing of the registry is said or asked for."""
    env = conf(engine, '[engine]\npull_policy = "never"\n')
    name = f"{engine.registry}/library/nginx"
    message = engine.fails(*CREATE, name, env=env)
    assert "nginx" in message and engine.run("image", "exists", name).code == 1
    env = conf(engine, '[engine]\npull_policy = "always"\n')
    engine.ok("tag", "busybox", f"{engine.registry}/nosuch:1")
    message = engine.fails(*CREATE, "-q", f"{engine.registry}/nosuch:1", env=env)
    assert "nosuch" in message
    engine.ok("rm", engine.ok(*CREATE, "--pull", "never", f"{engine.registry}/nosuch:1", env=env))
    engine.ok("untag", "busybox", f"{engine.registry}/nosuch:1")


def test_variables_of_the_engine(engine: Engine) -> None:
    """[engine] env is ours, not the container's; a variable that is set here stays."""
    env = conf(engine, '[engine]\nenv = ["OURS=file", "SET=file"]\n')
    env["SET"] = "caller"
    script = "echo .$OURS .$SET"
    assert engine.ok(*RUN, "busybox", "sh", "-c", script, env=env) == ". ."
    words = (*RUN, "-e", "OURS", "-e", "SET", "busybox", "sh", "-c", script)
    assert engine.ok(*words, env=env) == ".file .caller"


# ---- where the files lie ----

PRINT = (*RUN, "busybox", "sh", "-c", "echo $A.$B.$C; umask")


def test_the_users_own_file(user: Engine) -> None:
    """~/.config/containers/containers.conf and what lies in .conf.d beside it, by name."""
    env: Variables = {"CONTAINERS_CONF": None}
    top = user.home / ".config/containers"
    try:
        owned(user, top / "containers.conf", '[containers]\nenv = ["A=1"]\numask = "0027"\n')
        assert user.ok(*PRINT, env=env, wrap=in_place({})) == "1..\n0027"
        owned(user, top / "containers.conf.d/20.conf", '[containers]\numask = "0077"\n')
        owned(user, top / "containers.conf.d/10.conf", '[containers]\numask = "0007"\n')
        owned(user, top / "containers.conf.d/30.txt", "no TOML at all")
        assert user.ok(*PRINT, env=env, wrap=in_place({})) == "1..\n0077"
        machine = {"/etc/containers/containers.conf": '[containers]\nenv = ["C=etc"]\ninit = true'}
        assert user.ok(*PRINT, env=env, wrap=in_place(machine)) == "1..\n0077"
        elsewhere = owned(
            user, user.home / "xdgc/containers/containers.conf", '[containers]\nenv = ["B=2"]\n'
        )
        env["XDG_CONFIG_HOME"] = str(elsewhere.parent.parent)
        assert user.ok(*PRINT, env=env, wrap=in_place({})) == ".2.\n0022"
    finally:
        subprocess.run(["rm", "-rf", user.home / ".config", user.home / "xdgc"], check=True)


def in_place(files: dict[str, str]) -> list[str]:
    """What runs a command where /etc/containers and /usr/share/containers hold just these."""
    script = "set -e\nmount -t tmpfs none /etc/containers\nmount -t tmpfs none "
    script += "/usr/share/containers\nchmod 755 /etc/containers /usr/share/containers\n"
    for path, text in files.items():
        script += f"mkdir -p {Path(path).parent}\ncat > {path} <<'EOF'\n{text}\nEOF\n"
    script += 'exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]


def test_the_files_of_the_machine(engine: Engine) -> None:
    """/etc below /etc/….conf.d, key by key; lists replace each other.  The distribution's copy
    says podman's defaults, not ours."""
    etc = "/etc/containers/containers.conf"
    files = {
        "/usr/share/containers/containers.conf": '[containers]\numask = "0007"',
        etc: '[containers]\nenv = ["A=etc", "B=etc"]\numask = "0027"\ntz = "Asia/Tokyo"',
        f"{etc}.d/50-b.conf": '[containers]\numask = "0077"',
        f"{etc}.d/10-a.conf": '[containers]\numask = "0070"\nenv = ["A=d", "C=d"]',
    }
    env: Variables = {"CONTAINERS_CONF": None}
    words = (*RUN, "busybox", "sh", "-c", "echo $A.$B.$C; umask; date +%Z")
    for count, wanted in enumerate(
        (".. 0022 UTC", ".. 0022 UTC", "etc.etc. 0027 JST", "etc.etc. 0077 JST", "d..d 0077 JST")
    ):
        some = dict(list(files.items())[:count])
        assert engine.ok(*words, env=env, wrap=in_place(some)).split() == wanted.split()
    # one file instead of all of them
    only = conf(engine, '[containers]\nenv = ["B=only"]\n')
    assert engine.ok(*words, env=only, wrap=in_place(files)).split() == [".only.", "0022", "UTC"]


def test_one_file_instead_of_all_and_one_after_all(engine: Engine) -> None:
    env = conf(engine, '[containers]\nenv = ["A=1"]\numask = "0027"\n')
    last = owned(engine, engine.home / "conf/last.conf", '[containers]\nenv = ["B=2"]\n')
    assert engine.ok(*PRINT, env=env) == "1..\n0027"
    env["CONTAINERS_CONF_OVERRIDE"] = str(last)
    assert engine.ok(*PRINT, env=env) == ".2.\n0027"
    env["CONTAINERS_CONF"] = "/dev/null"
    assert engine.ok(*PRINT, env=env) == ".2.\n0022"


def test_lists_that_append(engine: Engine) -> None:
    """{append=true} in a list adds it to what earlier files say, for this and later files."""
    env = conf(engine, '[containers]\nenv = ["A=1"]\n')
    last = engine.home / "conf/last.conf"
    env["CONTAINERS_CONF_OVERRIDE"] = str(last)
    owned(engine, last, '[containers]\nenv = ["B=2", {append=true}]\n')
    assert engine.ok(*PRINT, env=env) == "1.2.\n0022"
    owned(engine, last, '[containers]\nenv = ["B=2", {append=false}]\n')
    assert engine.ok(*PRINT, env=env) == ".2.\n0022"


# ---- files that are wrong ----


def test_unknown_keys_are_told_by_debug_only(engine: Engine) -> None:
    env = conf(
        engine,
        '[containers]\nunheard_of = 1\nenv = ["A=1"]\n[machine]\ncpus = 2\n[engine]\n'
        'runtime = "crun"\nnot_a_key = []\n[engine.runtimes]\ncrun = ["/usr/bin/crun"]\n'
        "[nonsense]\nx = 1\n",
    )
    done = engine.run(*RUN, "busybox", "sh", "-c", "echo $A", env=env)
    assert (done.code, done.out, done.err) == (0, "1\n", "")
    done = engine.run("--debug", *RUN, "busybox", "true", env=env)
    assert done.code == 0
    for key in ("unheard_of", "not_a_key", "nonsense"):
        lines = [line for line in done.err.splitlines() if key in line]
        assert lines and "containers.conf" in lines[0], key


BROKEN = {
    "subnet": ('[network]\ndefault_subnet = "10.0.0.0/99"\n', "default_subnet"),
    "syntax": ("[containers]\n\nenv = [\n\nA=\n", "line 5"),
    "cut off": ('[containers]\nenv = ["A', "line 2"),
    "no text": ("[containers]\numask = 7\x00\n", "line 2"),
    "twice": ("[containers]\ninit = true\ninit = true\n", "line 3"),
    "number for a list": ("[containers]\nenv = 5\n", "env"),
    "text for a truth value": ('[containers]\ninit = "yes"\n', "init"),
    "list of numbers": ("[containers]\ndns_servers = [1]\n", "dns_servers"),
    "NUL": ('[containers]\ndevices = ["\\u0000"]\n', "a text has a NUL"),
    "NUL in a text": ('[containers]\ntz = "a\\u0000b"\n', "a text has a NUL"),
    "text for a number": ('[containers]\npids_limit = "many"\n', "pids_limit"),
    "no table": ("containers = 1\n", "containers"),
    "umask": ('[containers]\numask = "99"\n', "umask"),
    "size": ('[containers]\nshm_size = "huge"\n', "shm_size"),
    "capability": ('[containers]\ndefault_capabilities = ["FLY"]\n', "default_capabilities"),
    "ulimit": ('[containers]\ndefault_ulimits = ["nofile"]\n', "default_ulimits"),
    "sysctl": ('[containers]\ndefault_sysctls = ["kernel.panic=1"]\n', "default_sysctls"),
    "zone": ('[containers]\ntz = "Nowhere/Else"\n', "tz"),
    "name server": ('[containers]\ndns_servers = ["nowhere"]\n', "dns_servers"),
    "profile": ('[containers]\nseccomp_profile = "/nonexistent"\n', "seccomp_profile"),
    "variable": ('[containers]\nenv = ["=x"]\n', "env"),
    "annotation": ('[containers]\nannotations = ["=x"]\n', "annotations"),
    "volume": ('[containers]\nvolumes = ["/a:b"]\n', "volumes"),
    "log size": ("[containers]\nlog_size_max = -5.5\n", "log_size_max"),
    "keys": ('[engine]\ndetach_keys = "ctrl-"\n', "detach_keys"),
}
"""case: (the file, what the message must name beside the file)"""


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_one_line(root: Engine, case: str) -> None:
    text, named = BROKEN[case]
    env = conf(root, text)
    command = (*RUN, "busybox", "true")
    if named == "detach_keys":
        shown = terminal(root, env)
        assert shown.wait() == 125
        message = shown.seen.decode()
        assert message.count("\n") == 1 and message.startswith("crunpy: error: ")
    else:
        message = root.fails(*command, env=env)
    assert str(env["CONTAINERS_CONF"]) in message and named in message, message
    assert root.ps("-a") == []


def test_a_file_that_is_not_there(engine: Engine) -> None:
    for name in ("CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE"):
        message = engine.fails(*RUN, "busybox", "true", env={name: "/nonexistent/c.conf"})
        assert "/nonexistent/c.conf" in message and "no such file" in message.lower()


def test_files_that_never_end(root: Engine) -> None:
    for path in ("/dev/zero", "/dev/full"):
        message = root.fails(*RUN, "busybox", "true", env={"CONTAINERS_CONF": path}, timeout=10)
        assert path in message
    fifo = root.home / "fifo.conf"
    subprocess.run(["mkfifo", fifo], check=True)
    message = root.fails(*RUN, "busybox", "true", env={"CONTAINERS_CONF": str(fifo)}, timeout=10)
    assert str(fifo) in message
    fifo.unlink()


def test_terminal_escapes_stay_out_of_messages(root: Engine) -> None:
    env = conf(root, '[containers]\ntz = "\\u001b[31mred\\nline"\n')
    message = root.fails(*RUN, "busybox", "true", env=env)
    assert "\x1b" not in message


def test_what_needs_no_configuration_works_without(engine: Engine) -> None:
    """A file that broke meanwhile keeps nobody from looking, stopping and removing."""
    env = conf(engine, "[containers]\n")
    words = ("run", "-d", "--network", "none", "--stop-timeout", "0")
    engine.ok(*words, "--name", "a", "busybox", "sleep", "1000", env=env)
    container = engine.ok(*words, "--rm", "--name", "b", "busybox", "sleep", "1000", env=env)
    conf(engine, "broken")
    assert engine.ok("ps", "-q", "--no-trunc", env=env).splitlines()[0] == container
    # the monitor's own clean-up has the environment of `run`
    engine.ok("kill", "b", env=env)
    wait_for(lambda: engine.ps("-a") == ["a"])
    engine.ok("stop", "a", env=env)
    engine.ok("rm", "a", env=env)


def test_an_empty_file(engine: Engine) -> None:
    for text in ("", "# nothing\n", "[containers]\n[engine]\n[network]\n"):
        assert engine.ok(*PRINT, env=conf(engine, text)) == "..\n0022"
    assert engine.ok(*PRINT, env={"CONTAINERS_CONF": "/dev/null"}) == "..\n0022"
