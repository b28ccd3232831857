"""Hooks: programs that the bundle wants run at points of a container's life (config.md,
"POSIX-platform Hooks").  Each gets the state on its standard input."""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py._native import check, lib
from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.spec import Hook, Spec

RUNTIME = ("prestart", "createRuntime")
"""Those that run in the runtime's namespaces while the container is made, in this order."""


def wanted(spec: Spec, *kinds: str) -> list[Hook]:
    """The hooks of these kinds, in their order."""
    every = spec.get("hooks", {})
    return [hook for kind in kinds for hook in every.get(kind, ())]


def run(
    hooks: list[Hook],
    state: dict[str, object],
    kind: str,
    *,
    enter: Callable[[], None] | None = None,
) -> None:
    """Run them one after the other.

    enter: is called in the process that becomes the hook, to go into the container's namespaces.
    Raises CrunpyError for the first that fails, or does not end in its time.
    """
    for number, hook in enumerate(hooks):
        _run(hook, state, f"{kind} hook {number} ({hook['path']})", enter)


def entering(pidfd: int, flags: int) -> Callable[[], None]:
    """What takes a process into these namespaces of the one that `pidfd` means."""

    def enter() -> None:
        check(lib.crunpy_setns(pidfd, flags), "setns")
        os.chdir("/")

    return enter


def _run(hook: Hook, state: dict[str, object], what: str, enter: Callable[[], None] | None) -> None:
    import signal
    import subprocess

    def before() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if enter:
            enter()

    environment = dict(entry.partition("=")[::2] for entry in hook.get("env", ()))
    timeout_s = hook.get("timeout") or None
    try:
        process = subprocess.Popen(
            hook.get("args") or [hook["path"]], executable=hook["path"], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=before,
        )  # fmt: skip
    except OSError as e:
        raise CrunpyError.from_os(f"running {what}", e) from e
    except subprocess.SubprocessError as e:
        raise CrunpyError(f"running {what}: entering the container's namespaces failed") from e
    with process:
        try:
            said, _ = process.communicate(jsonfile.dumps(state).encode(), timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise CrunpyError(f"running {what}: it did not end within {timeout_s} s") from None
    if process.returncode:
        text = said.decode(errors="backslashreplace").strip()[-500:]
        raise CrunpyError(f"running {what}: exit status {process.returncode}, {text!r}")
