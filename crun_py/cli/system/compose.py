"""crunpy compose: run docker-compose, or podman-compose, with this engine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess

from crun_py.cli import itself
from crun_py.engine.context import Context
from crun_py.errors import CommandError, CrunpyError, NotFound
from crun_py.paths import configuration, private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.values import Values

ARGUMENTS = "[ARG...]"
OPTIONS = ()
PASSED_ON = True

_PLUGINS = ("~/.docker/cli-plugins", "/usr/local/lib/docker/cli-plugins",
            "/usr/local/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins",
            "/usr/libexec/docker/cli-plugins")  # fmt: skip
"""Where docker has the plugin that is Compose."""
_IDLE_S = 10


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Its exit status.  Docker's compose speaks to a service of its own, which ends with it."""
    program = _provider(context.explain or (lambda line: None))
    if os.path.basename(program).startswith("podman-compose"):
        return _run([program, "--podman-path", itself.program()[0], *arguments], {})
    with _served(context) as path:
        return _run([program, *arguments], {"DOCKER_HOST": f"unix://{path}"})


def run_with(arguments: list[str], variables: dict[str, str]) -> int:
    """Run it with a service that is there, which the variables name; its exit status."""
    program = _provider(lambda line: None)
    if os.path.basename(program).startswith("podman-compose"):
        raise NotFound("compose: docker-compose is what speaks to a service elsewhere",
                       hint="apt-get install docker-compose")  # fmt: skip
    return _run([program, *arguments], variables)


def _provider(tell: Callable[[str], None]) -> str:
    """The program.  Raises NotFound."""
    wanted = os.environ.get("CRUNPY_COMPOSE_PROVIDER", "")
    names = [wanted] if wanted else []
    if not names and (files := configuration()):
        from crun_py.options import containers_conf

        names = containers_conf.compose_providers(files, tell)
    names = names or ["docker-compose", *(f"{where}/docker-compose" for where in _PLUGINS),
                      "podman-compose"]  # fmt: skip
    for name in names:
        if found := shutil.which(os.path.expanduser(name)):
            return found
    raise NotFound(
        f"compose: none of {', '.join(dict.fromkeys(map(os.path.basename, names)))} is installed",
        hint="apt-get install docker-compose, or pipx install podman-compose",
    )


@contextlib.contextmanager
def _served(context: Context) -> Iterator[str]:
    """The socket of a service that is there inside."""
    directory = private_dir(context.paths.run + "/compose")
    path = f"{directory}/{os.getpid()}.sock"
    command = [*itself.program(), "--root", context.paths.root, "--runroot", context.paths.run,
               "system", "service", "-t", str(_IDLE_S), f"unix://{path}"]  # fmt: skip
    service = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert service.stderr
    try:
        said = service.stderr.readline().decode(errors="replace")
        if not said.startswith("API listen"):
            raise CrunpyError(f"compose: starting the service: {said.strip()}")
        yield path
    finally:
        service.terminate()
        service.stderr.close()
        service.wait()
        with contextlib.suppress(OSError):  # others' sockets are there
            os.rmdir(directory)


def _run(command: list[str], variables: dict[str, str]) -> int:
    """The exit status of a command on our terminal, which has the signals that are typed."""
    old = [(number, signal.signal(number, signal.SIG_IGN)) for number in _TYPED]
    try:
        done = subprocess.run(
            command, env={**os.environ, **variables}, check=False, restore_signals=True,
            preexec_fn=_default_signals,
        )  # fmt: skip
    except OSError as e:
        raise CommandError(f"running {command[0]}: {os.strerror(e.errno or 0).lower()}", 126) from e
    finally:
        for number, handler in old:
            signal.signal(number, handler)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


_TYPED = (signal.SIGINT, signal.SIGQUIT)


def _default_signals() -> None:
    for number in _TYPED:
        signal.signal(number, signal.SIG_DFL)
