"""Tests against real databases, with the fixtures of the pytest plugin.

    DATABASES_IMAGE=debian-software DATABASES_ARCHIVE=DIRECTORY pytest examples/test_databases.py

The image has Debian's packages redis-server and postgresql.
"""

import os
import socket

import pytest

from crun_py import Container
from crun_py.pytest_plugin import FindsImages, MakesContainers

ARCHIVE = os.environ.get("DATABASES_ARCHIVE")
POSTGRES = """
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
initdb -D /tmp/data -A trust > /dev/null
exec postgres -D /tmp/data -k /tmp -h '*'
"""


@pytest.fixture
def image(crunpy_image: FindsImages) -> str:
    return crunpy_image(os.environ.get("DATABASES_IMAGE", "debian-software"), archive=ARCHIVE)


@pytest.fixture
def redis(container: MakesContainers, image: str) -> Container:
    command = ["redis-server", "--save", "", "--protected-mode", "no"]
    return container(image, command, user="redis", ports={6379: None}, working_dir="/tmp",
                     wait_until={"port": 6379, "timeout": 60})  # fmt: skip


@pytest.fixture
def postgres(container: MakesContainers, image: str) -> Container:
    return container(
        image, ["sh", "-c", POSTGRES], user="postgres", stop_signal="SIGINT",
        wait_until={"log": "ready to accept connections", "timeout": 90},
    )  # fmt: skip


def ask(redis: Container, line: str) -> str:
    """What Redis answers to a line, over the published port."""
    with socket.create_connection(("127.0.0.1", redis.ports[6379].host_port), 10) as connection:
        connection.sendall(line.encode() + b"\r\n")
        return connection.recv(1000).decode().strip()


def query(postgres: Container, sql: str) -> str:
    """What PostgreSQL answers, by its own client in the container."""
    done = postgres.exec(["psql", "-h", "/tmp", "-Atqc", sql], user="postgres", check=True)
    return done.stdout.decode().strip()


def test_redis_keeps_what_it_is_told(redis: Container) -> None:
    assert ask(redis, "SET color blue") == "+OK"
    assert ask(redis, "GET color").endswith("blue")


def test_each_test_has_a_redis_of_its_own(redis: Container) -> None:
    assert ask(redis, "GET color") == "$-1"


def test_postgres_adds(postgres: Container) -> None:
    query(postgres, "create table numbers as select generate_series(1, 100) n")
    assert query(postgres, "select sum(n) from numbers") == "5050"


def test_both_at_once(redis: Container, postgres: Container) -> None:
    assert ask(redis, "PING") == "+PONG"
    assert query(postgres, "select 1") == "1"
