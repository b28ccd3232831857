"""The steps of a build as records: what each instruction asks for, checked, its variables
still to be replaced (Dockerfile reference).  `steps` makes them.

Every record has `line` and `last` (its lines in `source`), and `text`, what history shows.
"""

from __future__ import annotations

from crun_py.build.errors import NOWHERE, Source
from crun_py.build.heredoc import Heredoc, begun
from crun_py.build.mounts import Mount
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from crun_py.documents.image import HealthCheck

_NUMBERS: tuple[Literal["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"], ...] = (
    "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries",
)  # fmt: skip


@record
class Placed:
    """Where a step stands, and how it reads."""

    line: int = 1
    last: int = 1
    text: str = ""
    source: Source = NOWHERE


@record
class From(Placed):
    """alias: the stage's name in small letters, "" for none.  platform: "" for the default."""

    image: str
    alias: str = ""
    platform: str = ""


@record
class Arg(Placed):
    """pairs: names and default values, None where there is none."""

    pairs: tuple[tuple[str, str | None], ...]


@record
class Env(Placed):
    """pairs: names and values; legacy: `ENV name value`."""

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False


@record
class Label(Placed):
    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False


@record
class Run(Placed):
    """command: text for the shell (`shell` is true), or the words to execute.  heredocs: what
    the command reads, or the whole of it: see `script`.  network: default, none or host.
    security: sandbox or insecure."""

    command: str | tuple[str, ...]
    shell: bool = True
    heredocs: tuple[Heredoc, ...] = ()
    mounts: tuple[Mount, ...] = ()
    network: str = "default"
    security: str = "sandbox"

    @property
    def script(self) -> str | None:
        """The here-document that is the whole command, if it is: the shell runs it, or it is
        executed as a file where it begins with #!."""
        alone = len(self.heredocs) == 1 and isinstance(self.command, str) and begun(self.command)
        return self.heredocs[0].content if alone else None

    @property
    def shell_text(self) -> str:
        """What the shell is given: the script, or the command with its here-documents."""
        if self.script is not None or not isinstance(self.command, str):
            return self.script or ""
        ends = (f"\n{found.text}{found.name}" for found in self.heredocs)
        return self.command + "".join(ends)


@record
class Copy(Placed):
    """COPY, and ADD where `add` is true.  sources: without those that are here-documents,
    which are files called by the `name` of each in `heredocs` with the `content` of each.
    from_: a stage, image or context, "" for the build context.  unpack: None where the flag is
    not given."""

    sources: tuple[str, ...]
    destination: str
    add: bool = False
    from_: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool = False
    unpack: bool | None = None
    heredocs: tuple[Heredoc, ...] = ()


@record
class Cmd(Placed):
    """command: as of Run; () for none."""

    command: str | tuple[str, ...]
    shell: bool = True


@record
class Entrypoint(Placed):
    """command: as of Run; () for none."""

    command: str | tuple[str, ...]
    shell: bool = True


@record
class Expose(Placed):
    """ports: as they stand; once expanded, each as NUMBER/PROTOCOL."""

    ports: tuple[str, ...]


@record
class Volume(Placed):
    paths: tuple[str, ...]


@record
class User(Placed):
    user: str


@record
class Workdir(Placed):
    path: str


@record
class Onbuild(Placed):
    """trigger: the instruction that waits, as an image's config holds it."""

    trigger: str


@record
class StopSignal(Placed):
    signal: str


@record
class Healthcheck(Placed):
    """test: as a config holds it (NONE; CMD and words; CMD-SHELL and a text).  options: names
    as in a config, with nanoseconds or the number of Retries."""

    test: tuple[str, ...]
    options: tuple[tuple[str, int], ...] = ()

    @property
    def config(self) -> HealthCheck:
        """The Healthcheck of an image config."""
        said = dict(self.options)
        found: HealthCheck = {"Test": list(self.test)}
        for name in _NUMBERS:
            if name in said:
                found[name] = said[name]
        return found


@record
class Shell(Placed):
    words: tuple[str, ...]


@record
class Maintainer(Placed):
    name: str


Step = (
    From | Arg | Env | Label | Run | Copy | Cmd | Entrypoint | Expose | Volume | User | Workdir
    | Onbuild | StopSignal | Healthcheck | Shell | Maintainer
)  # fmt: skip
