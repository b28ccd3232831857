"""crunpy oci run: create, start, and wait unless --detach."""

from __future__ import annotations

from crun_py.cli.oci import create, foreground
from crun_py.oci_runtime import config, life, make
from crun_py.oci_runtime.state import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = "ID"
OPTIONS = (
    *create.OPTIONS,
    ("-d --detach", "flag", "Do not wait for its end", ""),
    ("--keep", "flag", "Leave its state there when it has ended", ""),
    ("--no-subreaper", "flag", "Do not become the parent of what the container leaves", ""),
)


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """The exit status of the command."""
    container = Container(runtime.root, arguments[0])
    request = create.request(values, runtime)
    if values.flag("detach"):
        pid = make.create(runtime.root, container.id, request)
        with _GoneIfItFails(container, runtime):
            create.write_pid(values.text("pid_file"), pid)
            life.start(container, runtime.warn)
        return 0
    spec = config.read(request.bundle, warn=runtime.warn)
    with foreground.Foreground(
        terminal=bool(spec["process"].get("terminal")), console_socket=request.console_socket
    ) as ours:
        make.become_subreaper()
        request = ours.changed(request)
        pid = make.create(runtime.root, container.id, request, spec)
        with _GoneIfItFails(container, runtime):
            create.write_pid(values.text("pid_file"), pid)
            ours.take_terminal()
            life.start(container, runtime.warn, spec)
            code = ours.wait(pid)
    if not values.flag("keep"):
        life.delete(container, runtime.warn, force=True, spec=spec)
    return code


class _GoneIfItFails:
    """Inside a `with`: an error leaves no container.  (contextlib takes 3 ms.)"""

    def __init__(self, container: Container, runtime: Runtime) -> None:
        self._container, self._runtime = container, runtime

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, *_: object) -> None:
        if kind:
            life.delete(self._container, self._runtime.warn, force=True)
