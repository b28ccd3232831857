"""What the DNS responder reads of strangers, fed with broken input.

The harness of tools/fuzz, with the sanitizers that the compiler has, and the responder itself.
"""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import netns
import pytest
from dns_peers import Answer, container, other, own, query
from engine import CHECKOUT

FUZZ, NATIVE = CHECKOUT / "tools" / "fuzz", CHECKOUT / "crun_py" / "_native"
sys.path.insert(0, str(FUZZ))
import dns_seeds  # noqa: E402

SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="module")
def harness(base: Path) -> Path:
    target = base / "dns-harness"
    readers = ("dns_packet.c", "dns_names.c", "dns_servers.c")
    sources = [str(FUZZ / "native" / "dns.c"), *(str(NATIVE / name) for name in readers)]
    for flags in (SANITIZERS, []):
        command = ["cc", "-std=gnu11", "-g", "-O1", "-DFROM_STDIN", *flags, f"-I{NATIVE}"]
        done = subprocess.run([*command, "-o", str(target), *sources], capture_output=True)
        if done.returncode == 0:
            return target
    pytest.fail(f"the harness does not compile: {done.stderr.decode()}")


def broken(seed: int, count: int) -> Iterator[bytes]:
    """Inputs of tools/fuzz/dns_seeds.py with something wrong in each."""
    rng = random.Random(seed)
    good = dns_seeds.seeds()
    for _ in range(count):
        data = bytearray(rng.choice(good))
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(len(data))
            how = rng.randrange(5)
            if how == 0:
                data[at] = rng.randrange(256)
            elif how == 1:
                data[at] = rng.choice(b"\x00\x01\x3f\x40\xc0\xff .\n!")
            elif how == 2:
                del data[at : at + rng.choice((1, 2, 20))]
            elif how == 3:
                data[at:at] = rng.randbytes(rng.choice((1, 4, 70)))
            else:
                start = rng.randrange(len(data) + 1)
                data[at:at] = data[start : start + rng.choice((2, 12, 64))]
            data = data or bytearray(1)
        yield bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_broken_input(harness: Path, seed: int) -> None:
    inputs = [*dns_seeds.seeds(), *broken(seed, 10000)]
    stream = b"".join(struct.pack("<I", len(data)) + data for data in inputs)
    done = subprocess.run([harness], input=stream, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()[:4000]
    assert int(done.stdout) == len(inputs)


@netns.needs_root
def test_broken_packets_to_a_responder(tmp_path: Path) -> None:
    """It lives on, and every answer can be read."""
    with netns.private_network(), container(tmp_path / "dns", "127.0.1.1") as made:
        made.write(own("10.1.0.2", "me", internal=True), other("b", "10.1.0.3", "web"))
        assert made.ask("me").data == ["10.1.0.2"]
        pid = made.responder
        with made.socket(timeout_s=10) as sock:
            for data in broken(9, 3000):
                packet = data[2 + struct.unpack_from(">H", data)[0] :] if len(data) > 2 else data
                sock.send(packet)
                sock.send(query("me", number=0xFFFF))
                while True:
                    answer = Answer(sock.recv(65535))
                    if answer.number == 0xFFFF:
                        break
        assert made.responder == pid
