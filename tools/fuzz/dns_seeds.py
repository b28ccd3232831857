"""Inputs to begin with for native/dns.c."""

from __future__ import annotations

import struct

OURS, OTHERS = "a" * 64, "b" * 64
NAMES = [
    f"{OURS} front 10.1.0.2 me short1\n{OTHERS} front 10.1.0.3 web www.alias b1\n",
    f"{OURS} !back 10.2.0.2 me\n{OTHERS} !back fd00::2 db\n{OTHERS} hidden 10.3.0.1 no\n",
    f"{OURS} front fd00::1 me\nmalformed\n{OTHERS} front 1.2.3 x\n{OTHERS} front 10.1.0.9 a..b\n",
    f"{OURS} a.b 10.1.0.2 me\n" + "".join(f"{OTHERS} a.b 10.1.1.{n} many\n" for n in range(100)),
    "nameserver 127.0.0.53\nnameserver fe80::1%eth0\n# nameserver 1.1.1.1\nsearch x\n",
    "",
]
REVERSE6 = ".".join("f" * 4 + "0" * 28)
ASKED = ["me", "WEB", "web.front", "www.alias", "many.a.b", "example.com", "",
         "3.0.1.10.in-addr.arpa", REVERSE6 + ".ip6.arpa",
         "2.0.0.0." + ".".join("0" * 24) + ".0.0.d.f.ip6.arpa"]  # fmt: skip
KINDS = [1, 28, 12, 255, 252, 15]
OPTS = [b"", b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, 0),
        b"\0" + struct.pack(">HHIHHH", 41, 512, 0x10000, 4, 10, 0)]  # fmt: skip


def query(name: str, kind: int, opt: bytes, flags: int = 0x0100) -> bytes:
    labels = [label.encode() for label in name.split(".") if label]
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    head = struct.pack(">HHHHHH", 0x1234, flags, 1, 0, 0, 1 if opt else 0)
    return head + wire + struct.pack(">HH", kind, 1) + opt


def seeds() -> list[bytes]:
    """Every input: u16 size of the names, the names, the query."""
    found = []
    for number, name in enumerate(ASKED):
        for kind in KINDS:
            text = NAMES[(number + kind) % len(NAMES)].encode()
            packet = query(name, kind, OPTS[(number + kind) % len(OPTS)])
            found.append(struct.pack(">H", len(text)) + text + packet)
    found.append(b"\0\0" + query("web", 1, b"", flags=0x2000))
    found.append(b"\0\0" + query("web", 1, b"", flags=0x8180))
    return found
