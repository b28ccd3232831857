"""The command as a client of a service."""

from __future__ import annotations

from typing import Any

from engine import Engine, Result


class Far:
    """An engine's command that a service at `host` carries out."""

    def __init__(self, engine: Engine, host: str, **env: str | None) -> None:
        self.engine, self.host, self.env = engine, host, env

    def words(self, *args: object) -> tuple[object, ...]:
        return ("-H", self.host, *args)

    def run(self, *args: object, **how: Any) -> Result:
        return self.engine.run(*self.words(*args), env={**self.env, **how.pop("env", {})}, **how)

    def ok(self, *args: object, **how: Any) -> str:
        """What it prints; it must succeed."""
        done = self.run(*args, **how)
        assert done.code == 0, done.err + done.out
        return done.out.rstrip("\n")

    def fails(self, *args: object, code: int = 125, **how: Any) -> str:
        """What it says on standard error; it must fail with this status."""
        done = self.run(*args, **how)
        assert done.code == code, (done.code, done.err, done.out)
        assert "Traceback" not in done.err and "internal error" not in done.err, done.err
        return done.err.strip()
