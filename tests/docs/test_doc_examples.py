"""The examples of README.md and docs/ do what the pages show (pages.py says what an example is)."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pages
import pytest
from engine import CHECKOUT, Engine, free_port
from programs import Programs

_WRITTEN = "<!-- what follows is written by"
"""Where a page ends that a person wrote."""
_LOOKS = re.compile(r"crunpy (pod )?(ps|logs|events|stats|port|inspect)\b|curl ")
"""Commands that may be asked again: what they tell of comes by itself a little later."""
_CONSOLE = """
import code, contextlib, doctest, io, json, sys
console, said = {}, []
for example in doctest.DocTestParser().get_examples(sys.stdin.read()):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(example.source, "<page>", "single"), console)
    said.append((example.source, example.want, out.getvalue()))
print(json.dumps(said))
"""


def _pages() -> list[Path]:
    return [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


def _page(path: Path) -> pages.Page:
    return pages.read(path.read_text().partition(_WRITTEN)[0])


PAGES = {path.stem: path for path in _pages() if _page(path).examples}


@pytest.mark.parametrize("path", _pages(), ids=lambda p: p.stem)
def test_each_example_runs_or_says_why_not(path: Path) -> None:
    assert not _page(path).unmarked, (
        "lines of blocks without `$ ` and without `<!-- not run: … -->`"
    )


def test_what_is_an_example() -> None:
    page = pages.read(
        "a\n\n    $ echo a \\\n      b\n    a b\n\n    $ echo c; d\n\nb\n\n    crunpy ps\n\n"
        "<!-- not run: sudo -->\n\n    $ sudo true\n\n<!-- first: touch x -->\n\n"
        "```\n$ cat x\n```\n\n    >>> 1\n    1\n\nc\n\n    import x\n\nd\n\n    a table\n"
    )  # fmt: skip
    assert [(e.kind, e.line, e.first) for e in page.examples] == [
        ("shell", 3, []), ("shell", 20, ["touch x"]), ("console", 23, []), ("python", 28, []),
    ]  # fmt: skip
    assert [(s.text, s.shown) for s in page.examples[0].steps] == [
        ("echo a \\\n  b", ["a b"]), ("echo c; d", None),
    ]  # fmt: skip
    assert page.unmarked == [11]


@pytest.mark.parametrize(
    ("shown", "said", "equal"),
    [
        ("hi", "hi", True),
        ("hi", "ho", False),
        ("42", "43", False),
        ("c6f865302d11   web  Up 2 seconds", "0705982e1d0f web Up 3 seconds", True),
        ("c6f865302d11   web  Up 2 seconds", "0705982e1d0f web Exited", False),
        ("a … z", "a b z", True),
        ("a … z", "a b", False),
        ("a\n…\nz", "a\nb\nc\nz", True),
        ("a\n…\nz", "a\nb\nc", False),
    ],
)  # fmt: skip
def test_loosely(shown: str, said: str, equal: bool) -> None:
    assert pages.same(shown.split("\n"), said.split("\n")) is equal


class Session:
    """A reader with a directory of their own, who tries a page's examples."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.home = engine.home / "page"
        self.ports: dict[str, str] = {}
        self._become("mkdir", "-p", self.home, engine.home / "bin")
        python, main = engine.command()[-2:]
        command = f'printf "#!/bin/sh\\nexec {python} {main} \\"\\$@\\"\\n" >crunpy'
        self._become("sh", "-c", f"cd {engine.home}/bin && {command} && chmod 755 crunpy")

    def _become(self, *words: object) -> tuple[int, str]:
        """Exit status (124: too long) and both outputs."""
        path = f"{self.engine.home}/bin:{self.engine.env['PATH']}"
        limited = ["timeout", "30", *map(str, words)]
        done = subprocess.run(
            [*self.engine.command(env={"PATH": path})[:-2], *limited],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=60, cwd=self.home if self.home.exists() else "/",
        )  # fmt: skip
        return done.returncode, done.stdout.decode(errors="replace")

    def here(self, text: str) -> str:
        """A page's text with ports, a registry and directories of this engine."""
        text = text.replace("127.0.0.1:5000", self.engine.registry)
        text = text.replace("/srv/store", f"{self.home}/store").replace(
            "/run/store", f"{self.home}/run")  # fmt: skip

        def port(found: re.Match[str]) -> str:
            return self.ports.setdefault(found[0], str(free_port()))

        return re.sub(r"\b80[89]\d\b", port, text)

    def shell(self, text: str) -> tuple[int, list[str]]:
        code, said = self._become("bash", "-c", self.here(text))
        return code, said.splitlines()

    def hidden(self, text: str) -> None:
        code, said = self.shell(text)
        assert code == 0, f"{text}: {said}"

    def step(self, step: pages.Step) -> str:
        """What is not as the page says, or ""."""
        shown = step.shown and [self.here(line) for line in step.shown]
        words = shlex.split(step.text, comments=True)
        if words[0] == "cat" and len(words) == 2 and not (self.home / words[1]).exists():
            assert shown
            self.hidden(f"cat > {words[1]} <<'END'\n" + "\n".join(shown) + "\nEND")
            return ""
        deadline = time.monotonic() + 10 * bool(_LOOKS.match(step.text))
        while True:
            code, said = self.shell(step.text)
            if shown and "crunpy: error:" in "\n".join(shown):
                code = 0
            if code == 0 and (shown is None or pages.same(shown, said)):
                return ""
            if time.monotonic() >= deadline:
                break
            time.sleep(0.3)
        told = "\n".join(said)
        return f"line {step.line}: {step.text}: exit {code}:\n{told}\n-- shown --\n" + "\n".join(
            shown or []
        )

    def console(self, block: str) -> str:
        """The same of an example with `>>> `."""
        done = Programs(self.engine).run("-c", _CONSOLE, input=block)
        for source, want, said in json.loads(done.out):
            if not pages.same(want.splitlines(), said.splitlines()):
                return f"{source}{said}-- shown --\n{want}"
        return ""

    def program(self, block: str) -> str:
        """The same of a program, which must end well."""
        if re.search("^async ", block, re.MULTILINE):
            inner = block.replace("\n", "\n    ")
            block = f"import asyncio\nfrom crun_py import aio\nasync def main():\n    {inner}"
            block += "\nasyncio.run(main())"
        begin = f"import os\nos.chdir({str(self.home)!r})\n"
        done = Programs(self.engine).run(
            "-", input=begin + self.here(block), check=False, wrap=("timeout", "40")
        )
        return "" if done.code == 0 else done.err


@pytest.mark.parametrize("name", PAGES)
def test_examples_of(name: str, fresh: Callable[[str], Engine]) -> None:
    page = _page(PAGES[name])
    reader = Session(fresh("root" if page.as_root else "user"))
    reader.hidden("crunpy pull -q busybox")
    wrong = []
    for example in page.examples:
        for command in example.first:
            reader.hidden(command)
        for step in example.steps:
            try_it = {"shell": reader.step, "console": lambda s: reader.console(s.text),
                      "python": lambda s: reader.program(s.text)}[example.kind]  # fmt: skip
            if fault := try_it(step):
                wrong.append(f"{PAGES[name].name}: line {example.line}: {fault}")
    for command in page.end:
        reader.hidden(command)
    reader.hidden("crunpy rm -f -a -v; crunpy network prune -f")
    assert not wrong, "\n\n".join(wrong)
