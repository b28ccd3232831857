"""Programs of users of the library, in processes of root and of the tests' user."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from engine import CHECKOUT, REACHABLE, Engine, Result


class Programs:
    """Runs Python programs that use crun_py, with the store and the user of `engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def run(
        self, *words: str | Path, input: str | None = None, check: bool = True,
        env: dict[str, str] | None = None, wrap: tuple[str, ...] = (), timeout: float = 110,
    ) -> Result:  # fmt: skip
        """`python WORDS`; input: the program, if words say "-"."""
        variables = {
            **self.engine.env,
            "PYTHONPATH": str(REACHABLE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CRUNPY_TEST_REGISTRY": self.engine.registry,
            **(env or {}),
        }
        user = self.engine.user
        become = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
        command = [self.python(), *map(str, words)]
        done = subprocess.run(
            [*become, *wrap, "env", "-i", *(f"{k}={v}" for k, v in variables.items()),
             *(word.replace(str(CHECKOUT), str(REACHABLE)) for word in command)],
            input=input.encode() if input is not None else b"", capture_output=True,
            timeout=timeout, cwd="/",
        )  # fmt: skip
        out, err = (s.decode("utf-8", "backslashreplace") for s in (done.stdout, done.stderr))
        if check:
            assert done.returncode == 0, f"exit {done.returncode}:\n{out[-2000:]}\n{err[-6000:]}"
        return Result(done.returncode, out, err, done.stdout)

    def python(self) -> str:
        """The interpreter, where everybody reaches it."""
        return sys.executable.replace(str(CHECKOUT), str(REACHABLE))

    def text(self, program: str, **given: object) -> str:
        """What a program prints, stripped; it must not say anything on its standard error."""
        done = self.run("-", input=program, **given)  # type: ignore[arg-type]
        assert not done.err, done.err
        return done.out.strip()
