"""docs/troubleshooting.md has each hint of the source."""

from __future__ import annotations

import re
import sys

from engine import CHECKOUT

sys.path.append(str(CHECKOUT / "tools"))
import hints


def test_the_page_is_what_the_tool_writes() -> None:
    _, mark, rest = hints.PAGE.read_text().partition(hints.MARK)
    assert mark + rest == hints.written(), "run tools/hints.py"


def test_hints_are_found() -> None:
    found = {row for rows in hints.found().values() for row in rows}
    assert ("no network …", "crunpy network ls lists them") in found
    assert len(found) > 300


def test_constants_and_variables_are_followed() -> None:
    said = {hint for rows in hints.found().values() for _, hint in rows}
    wanted = "ports below net.ipv4.ip_unprivileged_port_start are root's: take a higher one"
    assert wanted in said


def test_messages_by_hand_are_of_the_source() -> None:
    """Each that the first table quotes; … is what varies."""
    head = hints.PAGE.read_text().partition(hints.MARK)[0]
    rows = re.findall(r"(?m)^\| (`.*?) \| ", head.partition("## Every hint")[0])
    files = [*(CHECKOUT / "crun_py").rglob("*.[pc]*"), *(CHECKOUT / "tools/pack").glob("*.py")]
    source = "".join(f.read_text() for f in files if f.suffix in (".py", ".c"))
    quoted = [message for row in rows for message in re.findall("`(.+?)`", row)]
    assert len(quoted) > 12
    pieces = {piece.strip(" ():") for message in quoted for piece in message.split("…")}
    unknown = {piece for piece in pieces if piece not in source}
    # the kernel's words, and containerd's
    assert unknown <= {"permission denied", 'no runtime for "crunpy"'}
