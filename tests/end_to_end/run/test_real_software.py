"""Debian's servers and tools in a container, as root and as a user: what people run all day.

One image holds them all; most tests are one script in a container of its own.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from typing import NamedTuple

import debian_images
import pytest
from engine import CHECKOUT, REACHABLE, Engine, free_port, wait_for

IMAGE = "debian-software"
RUN = ("run", "--rm", "--network", "none")


@pytest.fixture(scope="module", params=["root", "user"])
def loaded(
    request: pytest.FixtureRequest, new_engine: Callable[[str, str], Engine]
) -> Iterator[Engine]:
    """An engine whose store holds the image."""
    engine = new_engine(request.param, "sw")
    layout = str(debian_images.software())
    if engine.user:
        layout = layout.replace(str(CHECKOUT), str(REACHABLE), 1)
    engine.ok("load", "-q", "-i", layout, timeout=120)
    yield engine
    engine.clean()


@pytest.fixture
def engine(loaded: Engine) -> Iterator[Engine]:
    """Nothing is left of a test."""
    yield loaded
    loaded.run("rm", "-f", "-a", "-v", "-t", "0")
    assert not loaded.left()


class Work(NamedTuple):
    """script:  what bash runs, ending at the first error
    seen:    a regular expression that its whole output matches
    options: of `run`
    """

    script: str
    seen: str
    options: str = ""


WORK = {
    "postgresql": Work(
        """
        PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
        initdb -D /tmp/data > /tmp/log
        pg_ctl -D /tmp/data -o '-k /tmp' -l /tmp/log -w start > /dev/null
        psql -h /tmp -Atqc 'create table t as select generate_series(1, 1000) n;
            create index on t (n); select sum(n) from t where n > 500'
        pg_ctl -D /tmp/data -m fast -w stop > /dev/null
        """,
        "375250", "-u postgres",
    ),
    "mariadb": Work(
        """
        mariadb-install-db --datadir=/tmp/data --auth-root-authentication-method=normal > /tmp/log
        mariadbd --datadir=/tmp/data --socket=/tmp/sock --pid-file=/tmp/pid --skip-networking \
            2>> /tmp/log &
        until mariadb-admin -S /tmp/sock -u root status > /dev/null 2>&1; do
            kill -0 $! || { cat /tmp/log >&2; exit 1; }; sleep 0.1
        done
        mariadb -S /tmp/sock -u root -N test -e "create table t as select seq n from seq_1_to_1000;
            create index i on t (n); select sum(n) from t where n > 500"
        mariadb-admin -S /tmp/sock -u root shutdown
        wait
        """,
        "375250", "-u mysql",
    ),
    "redis": Work(
        """
        redis-server --save '' --dir /tmp --daemonize yes > /dev/null
        until redis-cli ping 2> /dev/null; do sleep 0.1; done
        redis-cli set key value; redis-cli get key
        redis-cli save > /dev/null; redis-cli shutdown nosave
        """,
        "(Could not.*\n)*PONG\nOK\nvalue", "-u redis",
    ),
    "strace": Work(
        """
        strace -f -o /tmp/trace sh -c 'true; exec true'
        grep -c 'execve(.* = 0$' /tmp/trace; strace -c true 2>&1 | grep -c execve
        """,
        "2\n1",
    ),
    "gdb": Work(
        "gdb -nx -batch -ex starti -ex backtrace -ex kill /usr/bin/true 2>&1 | grep '^#0'",
        "#0 .* in .*", "--cap-add SYS_PTRACE",
    ),
    "gdb at a running process": Work(
        """
        sleep 1000 & sleep 0.2
        gdb -nx -batch -p $! -ex 'info proc' 2>/dev/null | grep -c '^process'
        kill $!
        """,
        "1", "--cap-add SYS_PTRACE",
    ),
    "sudo": Work(
        "sudo -u nobody id -un; sudo -u nobody sudo -n true || echo refused; "
        "su -s /bin/sh -c 'id -un' games; sudo -i -u nobody true 2>&1 | head -n 1",
        "nobody\n(sudo: a password is required\n)?refused\ngames\n.*", "",
    ),
    "cron": Work(
        """
        echo '@reboot nobody id -un > /tmp/ran' > /etc/cron.d/once
        cron
        for i in $(seq 100); do [ -s /tmp/ran ] && break; sleep 0.1; done
        cat /tmp/ran
        """,
        "nobody",
    ),
    "ping": Work("ping -c 1 -W 2 127.0.0.1 | grep -o '1 received'", "1 received", "-u nobody"),
    "a port below 1024": Work(
        "python3 -c \"import socket; socket.create_server(('', 80)); print('bound')\"",
        "bound", "-u nobody",
    ),
    "setcap": Work(
        """
        cp /usr/bin/python3 /usr/local/bin/raw; setcap cap_net_raw+ep /usr/local/bin/raw
        getcap /usr/local/bin/raw
        setpriv --reuid nobody --clear-groups raw -c "
        import socket
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); print('raw')"
        setcap -r /usr/local/bin/raw; getcap /usr/local/bin/raw
        """.replace("\n        import", "\nimport").replace("\n        socket.s", "\nsocket.s"),
        "/usr/local/bin/raw cap_net_raw=ep\nraw",
    ),
    "multiprocessing": Work(
        '''
        cat > /tmp/work.py <<'EOF'
import multiprocessing as mp
from multiprocessing.shared_memory import SharedMemory


def square(n):
    return n * n


def write(name, barrier, lock, value):
    memory = SharedMemory(name)
    barrier.wait(10)
    with lock:
        memory.buf[0] += 1
        value.value += 1
    memory.close()


if __name__ == "__main__":
    for way in ("fork", "spawn", "forkserver"):
        context = mp.get_context(way)
        with context.Pool(3) as pool:
            print(way, sum(pool.map(square, range(100))))
    memory = SharedMemory(create=True, size=10)
    barrier, lock, value = mp.Barrier(3), mp.Lock(), mp.Value("i", 0)
    workers = [mp.Process(target=write, args=(memory.name, barrier, lock, value)) for _ in "abc"]
    [w.start() for w in workers]
    [w.join() for w in workers]
    print(memory.buf[0], value.value)
    memory.close()
    memory.unlink()
EOF
        python3 /tmp/work.py; ls /dev/shm
        ''',
        "fork 328350\nspawn 328350\nforkserver 328350\n3 3",
    ),
    "inotify": Work(
        """
        mkdir /tmp/d
        (inotifywait -q -m --format '%e %f' /tmp/d > /tmp/seen) & sleep 0.5
        echo x > /tmp/d/a; mv /tmp/d/a /tmp/d/b; rm /tmp/d/b; sleep 0.3
        kill %1; tr '\\n' ';' < /tmp/seen
        """,
        "CREATE a;OPEN a;MODIFY a;CLOSE_WRITE,CLOSE a;MOVED_FROM a;MOVED_TO b;DELETE b;",
    ),
    "fallocate": Work(
        """
        fallocate -l 8M /f; stat -c '%s %b' /f
        fallocate -p -o 0 -l 4M /f; stat -c '%s %b' /f
        truncate -s 1G /sparse; du -k /sparse | cut -f1; cp --sparse=always /sparse /other
        du -k /other | cut -f1; flock /f true; echo locked
        """,
        "8388608 16384\n8388608 8192\n0\n0\nlocked",
    ),
    "git": Work(
        """
        export HOME=/tmp/home; mkdir $HOME; cd /tmp
        git config --global user.email a@b; git config --global user.name A
        git init -q -b main one; cd one; echo 1 > f; git add f; git commit -qm first
        git clone -q /tmp/one /tmp/two; cd /tmp/two; echo 2 >> f; git commit -qam second
        git push -q origin HEAD:other; git -C /tmp/one log --format=%s other
        git gc -q; git fsck; git worktree add -q /tmp/three; cat /tmp/three/f
        """,
        "second\nfirst\n(.*\n)*1\n2", "-u 1000:1000",
    ),
    "node": Work(
        """
        cat > /tmp/w.js <<'EOF'
const { Worker, isMainThread, parentPort } = require('worker_threads');
const cluster = require('cluster'), http = require('http');
if (!isMainThread) parentPort.postMessage(6 * 7);
else if (cluster.isPrimary) {
  new Worker(__filename).on('message', (m) => {
    console.log('worker', m);
    cluster.fork().on('listening', () => http.get('http://127.0.0.1:8000', (r) =>
      r.on('data', (d) => { console.log(String(d)); process.exit(0); })));
  });
} else http.createServer((q, r) => r.end('from a child')).listen(8000);
EOF
        node /tmp/w.js
        """,
        "worker 42\nfrom a child", "-u nobody",
    ),
    "stress-ng": Work(
        "stress-ng -q --cpu 1 --vm 1 --vm-bytes 16M --fork 1 --pipe 1 --sem 1 --mq 1 "
        "--timer 1 --fault 1 --temp-path /tmp --timeout 2s && echo done",
        "done",
    ),
    "users and packages": Work(
        """
        useradd -m someone; su someone -c 'id -un; touch ~/x; stat -c %U ~/x'
        chown -R nobody:nogroup /home/someone; stat -c %U:%G /home/someone/x
        dpkg -s bash | grep ^Status; mkfifo /tmp/p; ln /etc/hostname /tmp/l 2>/dev/null || true
        echo done
        """,
        "someone\nsomeone\nnobody:nogroup\nStatus: install ok installed\ndone",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WORK)
def test_work(engine: Engine, name: str) -> None:
    work = WORK[name]
    command = ("bash", "-ec", work.script)
    done = engine.run(*RUN, *work.options.split(), IMAGE, *command, timeout=60)
    assert done.code == 0, done
    assert re.fullmatch(work.seen, done.out.strip()), done


def test_redis_as_the_command(engine: Engine) -> None:
    """It is asked by `exec`, ends well when it is stopped, and its data is there again."""
    words = ("run", "-d", "--name", "c", "--network", "none", "-v", "data:/data", "-u", "redis")
    command = ("redis-server", "--dir", "/tmp", "--appendonly", "no", "--save", "")
    engine.ok(*words, IMAGE, *command)
    wait_for(lambda: engine.run("exec", "c", "redis-cli", "ping").out == "PONG\n", every_s=0.1)
    engine.ok("stop", "c")
    assert engine.state("c")["ExitCode"] == 0
    assert "Ready to accept connections" in engine.ok("logs", "c")
    assert "bye bye" in engine.ok("logs", "c")
    engine.ok("start", "c")
    wait_for(lambda: engine.run("exec", "c", "redis-cli", "ping").out == "PONG\n", every_s=0.1)


def test_apache(engine: Engine) -> None:
    """Its children drop to www-data; it is asked through a published port."""
    port = free_port()
    setup = ". /etc/apache2/envvars; mkdir -p $APACHE_RUN_DIR; exec apache2 -D FOREGROUND"
    words = ("run", "-d", "--name", "c", "-p", f"127.0.0.1:{port}:80", IMAGE)
    engine.ok(*words, "bash", "-c", setup)

    def page() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""

    assert "Apache2" in wait_for(page, every_s=0.1)
    assert "www-data" in engine.ok("exec", "c", "ps", "-eo", "user:20,comm")
    engine.ok("exec", "c", "apache2ctl", "graceful")
    assert "Apache2" in wait_for(page, every_s=0.1)
    engine.ok("stop", "c")
    assert engine.state("c")["ExitCode"] == 0


def test_a_login_by_ssh(engine: Engine) -> None:
    """From another container of the same network, with a key, with and without a terminal."""
    setup = """
        mkdir -p /run/sshd /root/.ssh /home/me/.ssh
        useradd -d /home/me -s /bin/bash me
        ssh-keygen -q -t ed25519 -N '' -f /keys/id
        cp /keys/id.pub /home/me/.ssh/authorized_keys; cp /keys/id.pub /root/.ssh/authorized_keys
        chown -R me /home/me; chmod 700 /home/me/.ssh /root/.ssh
        exec /usr/sbin/sshd -D -e -p 2222
    """
    engine.ok("run", "-d", "--name", "srv", "-v", "keys:/keys", IMAGE, "bash", "-ec", setup)
    engine.logs_until("srv", "Server listening")
    options = "-q -p 2222 -i /keys/id -o StrictHostKeyChecking=no"
    script = f"""
        ssh {options} me@127.0.0.1 'id -un; cat | tr a-z A-Z' <<< text
        ssh -tt {options} me@127.0.0.1 'tty | cut -d/ -f1-3; exit 5' < /dev/null || echo $?
        scp -q -P 2222 -i /keys/id -o StrictHostKeyChecking=no /etc/passwd me@127.0.0.1:copy
        ssh {options} root@127.0.0.1 'stat -c %U /home/me/copy'
    """
    words = ("run", "--rm", "--network", "container:srv", "-v", "keys:/keys", IMAGE)
    out = engine.ok(*words, "bash", "-ec", script).replace("\r", "").split("\n")
    assert out == ["me", "TEXT", "/dev/pts", "5", "me"], out
    engine.ok("stop", "srv")
    assert engine.state("srv")["ExitCode"] in (0, 255)


def test_a_database_in_a_volume(engine: Engine) -> None:
    """PostgreSQL's data outlives its container; a crash in between is recovered from."""
    setup = """
        PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
        [ -s /var/lib/pg/PG_VERSION ] || initdb -D /var/lib/pg > /dev/null
        exec postgres -D /var/lib/pg -k /tmp
    """
    chown = ("--network", "none", "-v", "pg:/var/lib/pg", IMAGE)
    engine.ok("run", "--rm", *chown, "sh", "-c", "chown postgres /var/lib/pg; "
              "chmod 700 /var/lib/pg")  # fmt: skip

    def start() -> None:
        words = ("run", "-d", "--name", "c", "-u", "postgres", "--stop-signal", "INT", *chown)
        engine.ok(*words, "bash", "-ec", setup)
        query("select 1")

    def query(text: str) -> str:
        words = ("exec", "c", "psql", "-h", "/tmp", "-U", "postgres", "-Atqc", text, "postgres")
        wait_for(lambda: engine.run("exec", "c", "pg_isready", "-q", "-h", "/tmp").code == 0,
                 every_s=0.2)  # fmt: skip
        return engine.ok(*words)

    start()
    query("create table t (n int); insert into t values (1)")
    engine.ok("kill", "c")
    wait_for(lambda: not engine.state("c")["Running"])
    engine.ok("rm", "c")
    start()
    query("insert into t values (2)")
    engine.ok("stop", "c")
    assert engine.state("c")["ExitCode"] == 0
    engine.ok("rm", "c")
    start()
    assert query("select sum(n) from t") == "3"


WEB = r"""
const http = require('http'), net = require('net'), {execFile} = require('child_process');
const ask = (host, port, text, done) => {
  const s = net.connect(port, host, () => s.write(text));
  let said = ''; s.on('data', d => { said += d; if (said.includes('\r\n')) s.end(); });
  s.on('close', () => done(said)); s.on('error', e => done('error ' + e.code));
};
http.createServer((request, response) => {
  ask('cache', 6379, 'INCR hits\r\n', hits => execFile('psql',
    ['-h', 'db', '-U', 'postgres', '-Atqc', 'select max(n) from t', 'postgres'],
    (e, out) => response.end(hits.trim() + ' ' + (e ? 'error ' + e : out.trim()) + '\n')));
}).listen(8080);
"""


def test_an_application(engine: Engine) -> None:
    """Web, cache and database on a network, found by their names; the data stays in a volume while
    containers come and go."""
    port = free_port()
    engine.ok("network", "create", "--dns", "127.0.0.1", "app")  # where nobody answers
    setup = """
        PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
        [ -s /var/lib/pg/PG_VERSION ] || { initdb -A trust -D /var/lib/pg > /dev/null
            echo "host all all all trust" >> /var/lib/pg/pg_hba.conf; }
        exec postgres -D /var/lib/pg -k /tmp -h '*'
    """
    engine.ok("run", "--rm", "--network", "none", "-v", "appdata:/var/lib/pg", IMAGE, "sh", "-c",
              "chown postgres /var/lib/pg; chmod 700 /var/lib/pg")  # fmt: skip

    def database() -> None:
        engine.ok("run", "-d", "--name", "postgres", "--network", "app", "--network-alias", "db",
                  "-v", "appdata:/var/lib/pg", "-u", "postgres", "--stop-signal", "INT",
                  "--health-cmd", "pg_isready -q -h /tmp", "--health-interval", "200ms", IMAGE,
                  "bash", "-ec", setup)  # fmt: skip
        engine.ok("wait", "--condition", "healthy", "postgres", timeout=60)

    def sql(text: str) -> None:
        engine.ok(
            "exec", "postgres", "psql", "-h", "/tmp", "-U", "postgres", "-Atqc", text, "postgres"
        )

    def page() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5) as answer:
                return str(answer.read().decode().strip())
        except OSError as e:
            return f"{e}"

    database()
    sql("create table t (n int); insert into t values (41)")
    engine.ok("run", "-d", "--name", "cache", "--network", "app", "-u", "redis", IMAGE,
              "redis-server", "--save", "", "--dir", "/tmp", "--protected-mode", "no")  # fmt: skip
    engine.ok("run", "-d", "--name", "web", "--network", "app", "-p", f"{port}:8080", IMAGE, "node",
              "-e", WEB)  # fmt: skip
    assert wait_for(lambda: page() == ":1 41", every_s=0.2) or page()
    engine.ok("rm", "-f", "postgres")
    assert "error" in page()
    database()
    sql("insert into t values (42)")
    assert page() == ":3 42", "the name means the new one at once"
    engine.ok("restart", "-t1", "web")
    assert wait_for(lambda: page() == ":4 42", every_s=0.2)
    for name in ("web", "cache", "postgres"):
        engine.ok("rm", "-f", "-t1", name)
    engine.ok("network", "rm", "app")
    engine.ok("volume", "rm", "appdata")
