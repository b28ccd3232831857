"""Go templates of --format (show/gotemplate)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from crun_py.errors import CrunpyError
from crun_py.show import gotemplate

MOST = 1024
_TABLE = json.loads(
    (Path(__file__).resolve().parents[3] / "tests/data/gotemplates.json").read_text("utf-8")
)
_DATA: list[object] = [*_TABLE["data"].values(), None, [], {}, "text", 7, -1.5, True]
_LIMIT = 1 << 20
TOKENS = [
    *(
        "{{",
        "}}",
        "{{-",
        "-}}",
        "{{/*",
        "*/}}",
        "{{end}}",
        "{{else}}",
        "{{range ",
        "{{with ",
        "{{if ",
    ),
    *('{{define "a"}}', '{{template "a" .}}', '{{block "a" .}}', "{{break}}", "{{continue}}"),
    *(
        ".Id",
        ".State.Pid",
        ".Config.Env",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        "|",
        "(",
        ")",
        ".",
        "`",
        '"',
        "'a'",
    ),
    *(
        "json ",
        "join ",
        "split ",
        "upper ",
        "title ",
        "pad ",
        "truncate ",
        "println ",
        "len ",
        "index ",
    ),
    *(
        "slice ",
        "printf ",
        "html ",
        "js ",
        "urlquery ",
        "call ",
        "and ",
        "or ",
        "not ",
        "eq ",
        "lt ",
    ),
    *(
        '"%d"',
        '"%-5s"',
        '"%[2]*[1]x"',
        '"%+.3e"',
        '"%q"',
        '"%v"',
        '"%999999d"',
        '"%T"',
        "0x1F",
        "1e3",
    ),
    *("1_000", "nil", "true", "9223372036854775808", "-1", "1i", "'\\u00e9'", "é", "\n", "\0"),
]


def seeds() -> Iterator[bytes]:
    for case in _TABLE["cases"]:
        yield case["template"].encode()


def one(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    good = _checked(text)
    for value in _DATA:
        try:
            made = gotemplate.render(text, value)
        except CrunpyError as e:
            assert "\n" not in e.line()
            continue
        assert good, "what cannot be read is not carried out"
        assert len(made) <= _LIMIT + 1000 * len(text)
        assert "{{" in text or made == text
    gotemplate.headings(text, {"Id": "ID"})
    gotemplate._parsed.clear()


def _checked(text: str) -> bool:
    try:
        gotemplate.check(text)
    except CrunpyError as e:
        assert "\n" not in e.line()
        return False
    return True
