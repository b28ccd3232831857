"""RUN: a command in a container like those of `crunpy run`, and what it changed.

The container's writable layer becomes the new layer as it is, without the places that only
something was mounted on.
"""

from __future__ import annotations

import os

from crun_py import state
from crun_py.build.layer import Layer, NewLayer
from crun_py.build.request import BuildEvent, at
from crun_py.build.run_words import SHELL, words
from crun_py.build.tidy import tidy
from crun_py.container import attach, create, ending, lifecycle
from crun_py.errors import BuildError, CommandError, NotFound, Unsupported
from crun_py.model.container import Environment, LogConfig
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.draft import Draft
    from crun_py.build.records import Run
    from crun_py.build.request import BuildRequest
    from crun_py.build.run_mounts import Mounted
    from crun_py.build.site import Site
    from crun_py.documents.image import ImageAbout, ImageConfig
    from crun_py.model.container import CreateRequest
    from crun_py.paths import Paths
    from crun_py.state import Container


class Basis:
    """What the container is made of: the draft, and the variables of its build arguments."""

    def __init__(self, draft: Draft, arguments: dict[str, str]) -> None:
        self.id = ""
        self.layers = draft.trees
        variables = {**draft.variables, **arguments}
        config: ImageConfig = {
            "User": draft.config.get("User"),
            "WorkingDir": draft.config.get("WorkingDir"),
            "Env": [f"{key}={value}" for key, value in variables.items()],
        }
        self.config: ImageAbout = {**draft.about, "config": config}


def run(
    site: Site, step: Run, draft: Draft, arguments: dict[str, str], index: int, told: BuildEvent
) -> Layer:
    """Carry out the step of the stage `index` on top of `draft`; told: an event that names it.

    Raises BuildError, CrunpyError.
    """
    if not draft.trees:
        raise NotFound("there is no file to execute yet", hint="COPY comes before RUN")
    with site.mounts(step, draft, index) as mounted:
        command, script = words(step, draft), step.script
        if script is not None and script.startswith("#!"):
            command = [mounted.program(script, step.heredocs[0].name)]
        asked = _asked(site, step, command, mounted)
        container_id = state.new_id()
        site.workspace.note(container_id)
        try:
            container = create.create(site.paths, Basis(draft, arguments), asked, container_id)
            return _carried_out(site, step, draft, container, told)
        except BuildError as e:
            e.before = Basis(draft, arguments)
            raise
        finally:
            if os.path.isdir(site.paths.container(container_id)):
                ending.remove(state.load(site.paths, container_id), force=True)
            site.workspace.forget(container_id)


def shell(paths: Paths, before: Basis, request: BuildRequest) -> Container:
    """A container to look around in, with what a step that failed ran on."""
    asked = replaced(
        request.container,
        image=_IMAGE,
        command=tuple(SHELL[:1]),
        auto_remove=True,
        tty=True,
        open_stdin=True,
        stdin_once=True,
        network=replaced(request.container.network, mode=request.network or "bridge"),
    )
    return create.create(paths, before, asked)


_IMAGE = "build"
"""What `ps` and events say is the image of a RUN."""


def _asked(site: Site, step: Run, command: list[str], mounted: Mounted) -> CreateRequest:
    if step.security == "insecure" and not site.request.insecure:
        raise Unsupported(
            "RUN --security=insecure: not allowed", hint="crunpy build --allow security.insecure"
        )
    if step.network == "host" and not (site.request.host_network or site.request.network == "host"):
        raise Unsupported(
            "RUN --network=host: not allowed", hint="crunpy build --allow network.host"
        )
    common = site.request.container
    network = {"none": "none", "host": "host"}.get(step.network) or site.request.network
    return replaced(
        common,
        image=_IMAGE,
        command=tuple(command),
        auto_remove=True,
        network=replaced(common.network, mode=network or "bridge"),
        environment=Environment(variables=mounted.variables),
        mounts=(*common.mounts, *mounted.mounts),
        passwd=False,
        log=LogConfig(driver="none"),
        security=replaced(
            common.security,
            privileged=step.security == "insecure",
            labels=(*common.security.labels, *mounted.labels),
        ),
    )


def _carried_out(
    site: Site, step: Run, draft: Draft, container: Container, told: BuildEvent
) -> Layer:
    new = None
    try:
        site.tell(told, "container", container.id)
        code, output = _served(site, container, told)
        if code:
            what = step.text.partition("\n")[0]
            raise at(
                step.source, step.line, f"{what}: exit status {code}", code=code, output=output,
                hint="killed: out of memory" if code == 137 else "",
            )  # fmt: skip
        new = NewLayer(site.paths, draft.trees, draft.chain, "")
        new.adopt(container.directory + "/upper")
        tidy(new.tree, draft.trees, _places(container))
        lifecycle.cleanup(container, rootless=site.rootless)
        return new.commit(site.request.times)
    except CommandError as e:
        raise at(step.source, step.line, e.message, hint=e.hint, code=e.exit_code) from e
    finally:
        if new is not None:
            new.discard()


_KEPT_BYTES = 8 << 10
"""Of a command's output, for the error that tells of its end."""


def _served(site: Site, container: Container, told: BuildEvent) -> tuple[int, str]:
    """The exit code of the container, started and followed to its end, and what it printed last."""
    ours, theirs = attach.socketpair()
    how = attach.STDOUT | attach.STDERR | attach.LOSSLESS | attach.CLEANER

    last = b""

    def sink(stream: int, data: memoryview) -> None:
        nonlocal last
        site.tell(told, "output", stream=stream, data=bytes(data))
        last = (last + bytes(data[-_KEPT_BYTES:]))[-_KEPT_BYTES:]

    session = attach.Session(ours, how, terminal=False, sink=sink)
    try:
        try:
            lifecycle.start(container, rootless=site.rootless, client=theirs)
        finally:
            os.close(theirs)
        code = session.serve()
    finally:
        session.close()
    if code == attach.LOST:
        raise BuildError("running the command: its monitor was killed")
    return code, last.decode("utf-8", "replace")


def _places(container: Container) -> list[str]:
    """Where the engine mounted or made something that is no part of the image."""
    spec = container.spec()
    found = [entry["destination"] for entry in spec["mounts"]]
    return [*found, *(entry["path"] for entry in spec["linux"].get("devices", ()))]
