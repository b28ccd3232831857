"""The stages of a build, several at once where none needs another.

A stage that has company runs in a process of its own, which tells through a pipe what happens
and at last what became of it.
"""

from __future__ import annotations

import _signal as signal
import os
import select

from crun_py import jsonfile
from crun_py._native import lib
from crun_py.build.draft import Draft
from crun_py.build.errors import DockerfileError
from crun_py.build.execute import StageRun
from crun_py.build.request import BuildEvent
from crun_py.errors import BuildError, CrunpyError
from crun_py.record import fields_of, from_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from crun_py.build.site import Site
    from crun_py.build.stages import Stage
    from crun_py.documents.image import Descriptor, History, ImageAbout, ImageConfig

    class DraftDocument(TypedDict):
        """A Draft, for the process that waits for it."""

        layers: list[Descriptor]
        diff_ids: list[str]
        chain: list[str]
        config: ImageConfig
        about: ImageAbout
        history: list[History]
        key: str
        created: str
        annotations: dict[str, str]

    class Told(TypedDict, total=False):
        """What a child says: an event; at its end a draft, or an error."""

        event: dict[str, object]
        draft: DraftDocument
        arguments: dict[str, str]
        error: str
        hint: str
        errno: int
        shown: str
        code: int
        output: str


_PR_SET_PDEATHSIG = 1


def run(site: Site, wanted: tuple[Stage, ...]) -> None:
    """Build the stages, each behind what it needs: `site.drafts` has them then.

    Raises BuildError, DockerfileError, CrunpyError.
    """
    total = sum(1 + len(stage.steps) for stage in wanted)
    first, numbers = 1, {}
    for stage in wanted:
        numbers[stage.index] = first
        first += 1 + len(stage.steps)
    jobs = site.request.jobs or os.cpu_count() or 1
    waiting = list(wanted)
    children: dict[int, _Child] = {}
    try:
        while waiting or children:
            ready = [s for s in waiting if s.needs <= site.drafts.keys()]
            if ready and not children and (len(ready) == 1 or jobs == 1):
                stage = ready[0]
                StageRun(site, stage, numbers[stage.index], total).run()
                waiting.remove(stage)
                continue
            for stage in ready[: jobs - len(children)]:
                child = _Child(site, stage, numbers[stage.index], total)
                children[child.heard] = child
                waiting.remove(stage)
            _attend(site, children)
    except BaseException:
        for child in children.values():
            child.end()
        raise


def _attend(site: Site, children: dict[int, _Child]) -> None:
    """Wait until a child has something to say, and take it."""
    poll = select.poll()
    for fd in children:
        poll.register(fd, select.POLLIN)
    for fd, _ in poll.poll():
        child = children[fd]
        for message in child.messages():
            child.take(site, message)
        if child.ended:
            del children[fd]
            child.finish(site)


class _Child:
    """A stage in a process of its own."""

    def __init__(self, site: Site, stage: Stage, number: int, total: int) -> None:
        self._stage = stage
        self._rest = b""
        self._answer: Told | None = None
        self.ended = False
        self.heard, told = os.pipe()
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self.heard)
            _work(site, stage, number, total, told, parent)
        os.close(told)

    def messages(self) -> list[Told]:
        data = os.read(self.heard, 1 << 20)
        self.ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [jsonfile.loads(line) for line in lines]

    def take(self, site: Site, message: Told) -> None:
        if "event" not in message:
            self._answer = message
            return
        found = message["event"]
        data = str(found["data"]).encode("latin-1")
        site.pass_on(from_json(BuildEvent, {**found, "data": data}))

    def finish(self, site: Site) -> None:
        """Take what became of it.  Raises its error."""
        os.close(self.heard)
        os.waitpid(self._pid, 0)
        answer = self._answer
        if answer is None:
            raise BuildError(f"building {self._stage.title}: the process was killed")
        if "error" in answer:
            raise _error(answer)
        site.drafts[self._stage.index] = _draft(site, answer["draft"])
        site.arguments[self._stage.index] = answer["arguments"]

    def end(self) -> None:
        """Let it clean up and end."""
        if self.ended:
            return
        os.kill(self._pid, signal.SIGINT)
        while os.read(self.heard, 1 << 16):
            continue
        os.close(self.heard)
        os.waitpid(self._pid, 0)


def _document(draft: Draft) -> DraftDocument:
    return {
        "layers": draft.layers, "diff_ids": draft.diff_ids, "chain": draft.chain,
        "config": draft.config, "about": draft.about, "history": draft.history,
        "key": draft.key, "created": draft.created, "annotations": draft.annotations,
    }  # fmt: skip


def _draft(site: Site, found: DraftDocument) -> Draft:
    draft = Draft(site.paths, site.request.form, found["key"])
    draft.layers, draft.diff_ids = found["layers"], found["diff_ids"]
    draft.chain, draft.config = found["chain"], found["config"]
    draft.about, draft.history = found["about"], found["history"]
    draft.created, draft.annotations = found["created"], found["annotations"]
    return draft


def _work(site: Site, stage: Stage, number: int, total: int, told: int, parent: int) -> None:
    """Runs in the child; never returns."""
    code = 1
    try:
        lib.crunpy_prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:
            return  # it has ended already
        code = _told(site, stage, number, total, told)
    finally:  # whatever it is, it must not go on as its parent
        os._exit(code)


def _told(site: Site, stage: Stage, number: int, total: int, told: int) -> int:
    """Build the stage and tell of it; 1 for an error of our own."""
    out = open(told, "wb", buffering=0)  # noqa: SIM115  (open to the end)

    def say(message: Told) -> None:
        out.write(jsonfile.dumps(message).encode() + b"\n")

    def tell(event: BuildEvent) -> None:
        say({"event": {**fields_of(event), "data": event.data.decode("latin-1")}})

    try:
        site.apart(tell)
        with site:
            draft = StageRun(site, stage, number, total).run()
        say({"draft": _document(draft), "arguments": site.arguments[stage.index]})
    except CrunpyError as e:
        say(_said(e))
    except (KeyboardInterrupt, SystemExit):
        say({"error": "interrupted", "hint": "", "errno": 0})
    except Exception as e:
        say({"error": f"internal error: {type(e).__name__}: {e}", "hint": "", "errno": 0})
        return 1
    return 0


def _said(e: CrunpyError) -> Told:
    found: Told = {"error": e.message, "hint": e.hint, "errno": e.errno}
    if isinstance(e, BuildError | DockerfileError):
        found["shown"], found["code"] = e.shown, getattr(e, "code", 0)
        found["output"] = getattr(e, "output", "")
    return found


def _error(answer: Told) -> CrunpyError:
    error, hint, errno = answer["error"], answer["hint"], answer["errno"]
    if "shown" in answer:
        shown, code, output = answer["shown"], answer["code"], answer["output"]
        return BuildError(error, shown=shown, code=code, output=output, hint=hint, errno=errno)
    return CrunpyError(error, hint=hint, errno=errno)
