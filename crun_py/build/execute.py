"""The steps of a stage, one after the other: found in the cache, or carried out."""

from __future__ import annotations

import os
import stat

from crun_py.build import cache, copy_step, stages
from crun_py.build.draft import Draft, resolved
from crun_py.build.errors import DockerfileError
from crun_py.build.layer import NewLayer
from crun_py.build.owner import owner as owner_of
from crun_py.build.records import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)  # fmt: skip
from crun_py.build.request import BuildEvent, at
from crun_py.build.steps import expanded, triggers
from crun_py.build.transfer import Target
from crun_py.clock import now, rfc3339
from crun_py.errors import BuildError, CrunpyError, InvalidArgument
from crun_py.overlay.view import LayeredView
from crun_py.record import fields_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.build.layer import Layer
    from crun_py.build.records import Step
    from crun_py.build.remote import Found
    from crun_py.build.site import Site
    from crun_py.build.stages import Stage

_SHELL = ("/bin/sh", "-c")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class StageRun:
    """A stage at work.  number: of its first step, of `total` of the build."""

    def __init__(self, site: Site, stage: Stage, number: int, total: int) -> None:
        self._site, self._stage = site, stage
        self._number, self._total = number, total
        self._arguments: dict[str, str] = {}
        self._cmd_is_own = False
        self._cached = site.request.cache and not (
            stage.name in site.request.uncached_stages
            or str(stage.index) in site.request.uncached_stages
        )
        remote = site.remote
        self._elsewhere = remote if remote and remote.sources else None
        self.draft = self._begin()

    # ---- FROM ----

    def _begin(self) -> Draft:
        site, stage = self._site, self._stage
        told = self._told(stage.base.text)
        site.tell(told, "step")
        try:
            draft = self._base()
        except DockerfileError:
            raise
        except CrunpyError as e:
            what = f"FROM {stage.base.image}: {e.message}"
            raise at(stage.base.source, stage.base.line, what, hint=e.hint) from e
        site.tell(told, "done", _short(draft))
        return draft

    def _base(self) -> Draft:
        site, stage, form = self._site, self._stage, self._site.request.form
        if stage.parent is not None:
            self._arguments = dict(site.arguments.get(stage.parent) or {})
            return site.drafts[stage.parent].copy()
        platform = stage.base.platform or site.request.platform
        if stage.base.image == stages.SCRATCH:
            from crun_py.oci.manifest import host_platform

            platform = platform or host_platform()
            draft = Draft.scratch(site.paths, form, platform, cache.digest("scratch", platform))
            draft.set_variables({"PATH": _PATH})
            return draft
        image = site.base(stage)
        draft = Draft.of_image(site.paths, form, image, cache.digest("image", image.id))
        if not site.request.inherit_labels:
            draft.config.pop("Labels", None)
        return draft

    # ---- the steps ----

    def run(self) -> Draft:
        """Carry out all steps.  Raises BuildError, DockerfileError, CrunpyError."""
        waiting = self.draft.config.pop("OnBuild", None) or []
        inherited = triggers(waiting, self._stage.base.image)
        steps = [*inherited, *self._stage.steps]
        self._total += len(inherited)
        for step in steps:
            self._number += 1
            self._step(step)
        site = self._site
        site.drafts[self._stage.index] = self.draft
        site.arguments[self._stage.index] = self._arguments
        if not site.request.dry_run:
            site.known.save()
        return self.draft

    def _told(self, text: str) -> BuildEvent:
        return BuildEvent(
            kind="", stage=self._stage.title, number=self._number, total=self._total, text=text
        )

    def _step(self, step: Step) -> None:
        told = self._told(step.text)
        self._site.tell(told, "step")
        if self._is_unknown(step):
            self.draft.unknown = True
            self._site.tell(told, "would")
            return
        try:
            if isinstance(step, Arg):
                self._declare(step, told)
            else:
                self._perform(expanded(step, self._variables), told)
        except (BuildError, DockerfileError):
            raise
        except (CrunpyError, OSError) as e:
            if isinstance(e, OSError):
                e = CrunpyError.from_os(f"writing {e.filename or 'the store'}", e)
            first = step.text.partition("\n")[0]
            what = e.message if e.message.startswith("RUN ") else f"{first}: {e.message}"
            raise at(step.source, step.line, what, hint=e.hint) from e
        self._site.tell(told, "would" if self.draft.unknown else "done", _short(self.draft))

    def _is_unknown(self, step: Step) -> bool:
        """Of a dry run: whether the step lies on one that would be carried out."""
        if self.draft.unknown:
            return True
        takes = (
            bool(step.from_) if isinstance(step, Copy) else isinstance(step, Run) and step.mounts
        )
        drafts = self._site.drafts
        return bool(takes) and any(drafts[index].unknown for index in self._stage.needs)

    @property
    def _variables(self) -> dict[str, str]:
        """Those that an instruction may use: of the environment, and build arguments."""
        return {**self.draft.variables, **self._arguments}

    def _declare(self, step: Arg, told: BuildEvent) -> None:
        found = stages.arguments(step, self._variables, self._site.stages)
        self._arguments.update({name: value for name, value in found.items() if value is not None})
        names = " ".join(f"{name}={value}" if value else name for name, value in step.pairs)
        self._config_step(f"ARG {names}", f"ARG {names}", lambda: None, told)

    def _perform(self, step: Step, told: BuildEvent) -> None:
        if isinstance(step, Run):
            self._run(step, told)
        elif isinstance(step, Copy):
            self._copy(step, told)
        elif isinstance(step, Workdir):
            self._workdir(step, told)
        else:
            self._config_step(_described(step), step.text, lambda: self._change(step), told)

    def _config_step(
        self, what: str, text: str, change: Callable[[], object], told: BuildEvent
    ) -> None:
        """A step that makes no layer."""
        site, draft = self._site, self.draft
        draft.key = cache.digest(draft.key, what)
        found = site.cache.find(draft.key, draft.chain) if self._cached else None
        change()
        if found is None:
            self._cached = self._cached and bool(self._elsewhere)
        else:
            site.tell(told, "cached")
        created = found.created if found else self._now()
        if found is None and site.request.keep:
            site.cache.keep(draft.key, created, None, draft.chain)
        if not text.startswith("ONBUILD"):
            draft.note(created, text, empty=True)

    def _now(self) -> str:
        created = self._site.request.created
        return now() if created < 0 else rfc3339(created * 1_000_000_000)

    def _layer_step(
        self, what: str, text: str, make: Callable[[], Layer], told: BuildEvent
    ) -> None:
        """A step that makes a layer, unless it was made before."""
        site, draft = self._site, self.draft
        below = draft.chain[-1] if draft.chain else ""  # a step done anew may make another layer
        draft.key = cache.digest(draft.key, below, what, repr(site.request.times))
        found = site.cache.find(draft.key, draft.chain) if self._cached else None
        if found is not None and found.layer is not None:
            layer, created = found.layer, found.created
            site.tell(told, "cached")
        elif (other := self._from_elsewhere()) is not None and other.step.layer:
            layer, created = other.step.layer, other.step.created
            draft.history = list(other.history[:-1])
            site.tell(told, "cached")
            site.cache.keep(draft.key, created, layer, draft.chain)
        elif site.request.dry_run:
            draft.unknown = True
            return
        else:
            self._cached = False
            layer, created = make(), self._now()
            if site.request.keep:
                site.cache.keep(draft.key, created, layer, draft.chain)
        draft.add_layer(layer)
        draft.note(created, text, empty=False)
        if site.remote and site.remote.sinks:
            site.remote.keep(draft.key, draft, layer)

    def _from_elsewhere(self) -> Found | None:
        """What another machine's build made of the step; after one that none has, no further
        one is asked for."""
        if not self._cached or not self._elsewhere:
            return None
        found = self._elsewhere.find(self.draft.key, self.draft.chain)
        self._elsewhere = self._elsewhere if found else None
        return found

    def _run(self, step: Run, told: BuildEvent) -> None:
        from crun_py.build import run_words

        site, draft = self._site, self.draft
        arguments = {**_proxies(site), **self._arguments}
        words = run_words.words(step, draft)
        mounts = repr(step.mounts)
        files: list[str] = []
        if step.mounts:
            from crun_py.build import run_mounts

            files = run_mounts.fingerprints(site, step, self._stage.index)
        seen = sorted(self._arguments.items())
        what = "\0".join(
            ["RUN", *words, mounts, step.network, step.security, repr(seen), repr(step.heredocs),
             repr(site.request.container.network.hosts), *files]
        )  # fmt: skip
        names = [f"{k}={v}" for k, v in seen]
        shown = " ".join([*([f"|{len(names)}"] if names else []), *names, *words])

        def make() -> Layer:
            from crun_py.build import run

            return run.run(site, step, draft, arguments, self._stage.index, told)

        self._layer_step(what, f"RUN {shown}", make, told)

    def _copy(self, step: Copy, told: BuildEvent) -> None:
        site, draft = self._site, self.draft
        made = copy_step.plan(site, step, draft, self._stage.index)
        words = (*step.sources, *(name for name, _ in made.written))
        what = "\0".join(
            ["ADD" if step.add else "COPY", *words, step.destination, step.chown, step.chmod,
             repr((step.parents, step.exclude, step.checksum, step.keep_git_dir, step.unpack)),
             repr(made.written), copy_step.fingerprint(site, step, made, told)]
        )  # fmt: skip
        self._layer_step(what, step.text, lambda: copy_step.copy(site, step, draft, made), told)

    def _workdir(self, step: Workdir, told: BuildEvent) -> None:
        site, draft = self._site, self.draft
        path = resolved(draft.workdir, step.path)
        if step.path.endswith("/") and path != "/":
            path = path.rstrip("/")
        text = f"WORKDIR {path}"
        there = LayeredView(draft.trees[::-1]).stat(path) if draft.trees else None
        if there is not None and not stat.S_ISDIR(there.st_mode):
            raise InvalidArgument(f"{path} is a file")
        if there is not None or path == "/":
            self._config_step(text, text, lambda: draft.config.update({"WorkingDir": path}), told)
            return

        user = draft.config.get("User") or ""
        owner = owner_of(user, draft.trees) if user else (0, 0)

        def make() -> Layer:
            new = NewLayer(site.paths, draft.trees, draft.chain, site.workspace.directory("root"))
            try:
                root = new.mount()
                try:
                    os.close(Target(root, owner, None).directory(path))
                finally:
                    os.close(root)
                return new.commit(site.request.times)
            finally:
                new.discard()

        self._layer_step(f"{text} {owner}", text, make, told)
        draft.config["WorkingDir"] = path

    # ---- what only changes the config ----

    def command_words(self, command: str | tuple[str, ...], *, shell: bool) -> list[str] | None:
        """A command as the config holds it."""
        if not shell:
            return list(command) or None
        assert isinstance(command, str)
        return [*(self.draft.config.get("Shell") or _SHELL), command]

    def _change(self, step: Step) -> None:
        """What a step does that only changes the config."""
        config = self.draft.config
        if isinstance(step, Cmd):
            config["Cmd"] = self.command_words(step.command, shell=step.shell)
            self._cmd_is_own = True
        elif isinstance(step, Entrypoint):
            config["Entrypoint"] = self.command_words(step.command, shell=step.shell)
            if not self._cmd_is_own:
                config.pop("Cmd", None)  # it was meant for the base's entry point
        elif isinstance(step, Env):
            self.draft.set_variables({**self.draft.variables, **dict(step.pairs)})
            for name, _ in step.pairs:
                self._arguments.pop(name, None)  # the later one counts
        elif isinstance(step, Expose):
            ports: dict[str, object] = {port: {} for port in step.ports}
            config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), **ports}
        elif isinstance(step, Healthcheck):
            config["Healthcheck"] = step.config
        elif isinstance(step, Label):
            config["Labels"] = {**(config.get("Labels") or {}), **dict(step.pairs)}
        elif isinstance(step, Maintainer):
            self.draft.about["author"] = step.name
        elif isinstance(step, Onbuild):
            config["OnBuild"] = [*(config.get("OnBuild") or []), step.trigger]
        elif isinstance(step, Shell):
            config["Shell"] = [*step.words]
        elif isinstance(step, StopSignal):
            config["StopSignal"] = step.signal
        elif isinstance(step, User):
            config["User"] = step.user
        elif isinstance(step, Volume):
            paths: dict[str, object] = {path: {} for path in step.paths}
            config["Volumes"] = {**(config.get("Volumes") or {}), **paths}


_PLACES = ("line", "last", "text", "source")
"""Fields of a step that say where it stands and how it was written."""


def _described(step: Step) -> str:
    """All that such a step depends on."""
    known = fields_of(step).items()
    return type(step).__name__ + repr([v for n, v in known if n not in _PLACES])


def _proxies(site: Site) -> dict[str, str]:
    given = {k: v for k, v in site.request.build_args if k in stages.PROXY_NAMES}
    return {**dict(site.request.proxies), **given}


def _short(draft: Draft) -> str:
    return draft.key[:12]
