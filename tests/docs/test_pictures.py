"""The pictures of terminals: each is shown, shows a command that is there, and fetches nothing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from engine import CHECKOUT

from crun_py.cli.verbs import VERBS

DOCS = CHECKOUT / "docs"
PICTURES = {path.name: path for path in (DOCS / "pictures").glob("*.svg")}


def test_the_pictures_that_pages_show_are_there() -> None:
    shown = set()
    for page in (CHECKOUT / "README.md", *DOCS.glob("*.md")):
        for name in re.findall(r"!\[.*?\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / name).is_file(), (page.name, name)
            shown.add(name.rpartition("/")[2])
    assert shown == set(PICTURES) and shown


def test_they_show_commands_and_fetch_nothing() -> None:
    for name, path in PICTURES.items():
        text = path.read_text()
        assert "url(http" not in text and "/tmp/" not in text, name
        words = "".join(ElementTree.fromstring(text).itertext()).replace("\xa0", " ")
        verbs = re.findall(r"\$ *crunpy (\w+)", words)
        assert verbs and set(verbs) <= set(VERBS), name
