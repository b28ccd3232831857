"""What readers of old documents type: each slip is answered with what was probably meant."""

from __future__ import annotations

import pytest
from engine import Engine

SLIPS = [
    ("run -p 0.0.0.0:80 busybox", "did you mean 0.0.0.0::80?"),
    ("run -p 127.0.0.1:80/udp busybox", "did you mean 127.0.0.1::80?"),
    ("commit --messenge x c", "did you mean --message?"),
    ("logs --follows c", "did you mean --follow?"),
    ("container logs --follows c", "did you mean --follow?"),
    ("run -name web busybox", "did you mean --name?"),
    ("run -name=web busybox", "did you mean --name?"),
    ("run --rm -name web busybox", "did you mean --name?"),
    ("run -detach busybox", "did you mean --detach?"),
    ("run -nmae web busybox", "did you mean --name?"),
    ("rmi -force x", "did you mean --force?"),
    ("logs -tail 5 c", "did you mean --tail?"),
    ("start -attach c", "did you mean --attach?"),
    ("run --volum /x busybox", "did you mean --volume?"),
    ("-p 80 nginx", "did you mean crunpy run -p?"),
    ("--name web nginx", "did you mean crunpy run --name?"),
    ("--format json ps", "did you mean crunpy ps --format?"),
    ("image --filter x ls", "did you mean crunpy image ls --filter?"),
    ("explain --format json run busybox", "did you mean crunpy explain run --format?"),
    ("--rooot /x ps", "did you mean --root?"),
    ("log c", "did you mean logs?"),
    ("ifno", "did you mean info?"),
    ("kil c", "did you mean kill?"),
    ("comit c", "did you mean commit?"),
    ("container lst", "did you mean list?"),
    ("image pul x", "did you mean pull?"),
    ("run -p 80:80-d busybox", "is a space missing before -d?"),
    ("run -p 80:80--name busybox", "is a space missing before --name?"),
    ("run --mount type=bnd,dst=/x busybox", "did you mean bind?"),
]


@pytest.mark.parametrize("line,words", SLIPS, ids=[line for line, _ in SLIPS])
def test_slips(engine: Engine, line: str, words: str) -> None:
    message = engine.fails(*line.split())
    assert words in message


def test_bundles_are_no_slips(engine: Engine) -> None:
    engine.ok("create", "--network", "none", "-itw/tmp", "-eA=1", "busybox")
    engine.ok("create", "-ip", "8080:80", "busybox")  # not --ip
    run = ("run", "--rm", "--network", "none", "-ie", "A=x", "busybox")
    assert engine.ok(*run, "sh", "-c", "echo $A") == "x"


def test_nothing_is_pulled_for_a_wrong_option(engine: Engine) -> None:
    for option in ("-p x", "-v a:b:c:d", "--mount x", "--memory x", "-e =x", "--name /x/y"):
        message = engine.fails("run", *option.split(), "nosuchimage")
        assert "nosuchimage" not in message
