"""commit/import -c: variables are expanded as in a Dockerfile."""

from __future__ import annotations

import json
from typing import Any

import images
import pytest
from engine import Engine
from mirror import Registry

PATH = images.PATH.partition("=")[2]

CASES: list[tuple[list[str], dict[str, Any]]] = [
    (["ENV PATH=/opt/bin:$PATH"], {"Env": {"PATH": f"/opt/bin:{PATH}"}}),
    (["ENV PATH /opt/bin:$PATH"], {"Env": {"PATH": f"/opt/bin:{PATH}"}}),
    (["ENV PATH=${PATH}:/x"], {"Env": {"PATH": f"{PATH}:/x"}}),
    (["ENV A=1", "ENV B=${A}x C=$A"], {"Env": {"A": "1", "B": "1x", "C": "1"}}),
    # one instruction sees the variables before it, not its own
    (["ENV A=1", "ENV A=2 B=$A"], {"Env": {"A": "2", "B": "1"}}),
    (["ENV A='$HOMELESS' B=\"$FOO\""], {"Env": {"A": "$HOMELESS", "B": "image"}}),
    (["ENV A=\\$FOO"], {"Env": {"A": "$FOO"}}),
    (["ENV A=${NONE:-default} B=${FOO:-default}"], {"Env": {"A": "default", "B": "image"}}),
    (["ENV A=${NONE:+set} B=${FOO:+set}"], {"Env": {"A": "", "B": "set"}}),
    (["ENV A=${NONE}x$NONE"], {"Env": {"A": "x"}}),
    (["ENV A=$FOO/${FOO}_$FOO-x"], {"Env": {"A": "image/image_image-x"}}),
    (['ENV A="a b" B=c\\ d'], {"Env": {"A": "a b", "B": "c d"}}),
    (["LABEL l=$FOO", "LABEL m='$FOO'"], {"Labels": {"l": "image", "m": "$FOO"}}),
    (["WORKDIR /a/$FOO"], {"WorkingDir": "/a/image"}),
    (["WORKDIR /a", "WORKDIR b"], {"WorkingDir": "/a/b"}),
    (["USER ${FOO}"], {"User": "image"}),
    (["EXPOSE $PORT"], {"ExposedPorts": {"8080/tcp": {}}}),
    (["VOLUME /$FOO"], {"Volumes": {"/image": {}}}),
    (["STOPSIGNAL $SIG"], {"StopSignal": "SIGQUIT"}),
    # the shell does it, at run time
    (["CMD echo $FOO"], {"Cmd": ["/bin/sh", "-c", "echo $FOO"]}),
    (['ENTRYPOINT ["echo", "$FOO"]'], {"Entrypoint": ["echo", "$FOO"]}),
]


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    env = [images.PATH, "FOO=image", "PORT=8080", "SIG=SIGQUIT"]
    return registry.push("test/expand", images.image(registry.busybox, Env=env))


def check(engine: Engine, made: str, expected: dict[str, Any]) -> None:
    config = json.loads(engine.ok("image", "inspect", made))[0]["Config"]
    for key, value in expected.items():
        if key == "Env":
            found = dict(text.split("=", 1) for text in config["Env"])
            assert found.items() >= value.items(), found
            assert len(found) == len(config["Env"]), config["Env"]
        elif key == "Labels":
            assert config[key].items() >= value.items(), config[key]
        else:
            assert config[key] == value, key


def test_commit(root: Engine, image: str) -> None:
    root.ok("create", "-q", "--network", "none", "--name", "c", image)
    wrong = []
    for lines, expected in CASES:
        options = [word for line in lines for word in ("-c", line)]
        done = root.run("commit", *options, "c", "made:1")
        try:
            assert done.code == 0, done.err
            check(root, "made:1", expected)
        except AssertionError as e:
            wrong.append(f"{lines}: {str(e)[:200]}")
        root.run("rmi", "made:1")
    root.ok("rm", "c")
    assert not wrong, "\n".join(wrong)


def test_import(root: Engine, registry: Registry) -> None:
    """Nothing is there but what the instructions before said."""
    root.ok("import", "-c", "ENV A=1", "-c", "ENV B=$A:$PATH", "-c", "LABEL l=$B", "-", "made:1",
            input=registry.busybox)  # fmt: skip
    check(root, "made:1", {"Env": {"A": "1", "B": "1:"}, "Labels": {"l": "1:"}})
    root.ok("rmi", "made:1")


def test_what_is_no_expansion(root: Engine, image: str) -> None:
    root.ok("create", "-q", "--network", "none", "--name", "c", image)
    for line in ("ENV A=${FOO", "ENV A=${}", "ENV A=${FOO:?no}", "ENV A=${FOO!x}"):
        message = root.run("commit", "-c", line, "c", "made:1")
        assert message.code in (0, 125) and "internal" not in message.err
        if line != "ENV A=${FOO:?no}":
            assert message.code == 125 and "ENV" in message.err, line
    root.ok("image", "prune", "-f")
    root.run("rmi", "made:1")
