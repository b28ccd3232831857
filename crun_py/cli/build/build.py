"""crunpy build: an image from a Dockerfile and the files around it."""

from __future__ import annotations

import _signal  # its front, signal, imports enum
import os
import sys

from crun_py import workspace as workspaces
from crun_py.cli import progress, reach
from crun_py.cli.output import write, write_error
from crun_py.engine import pull
from crun_py.engine.context import Context
from crun_py.errors import Conflict, CrunpyError, InvalidArgument, Unsupported
from crun_py.model.container import Client
from crun_py.model.registry import PullRequest
from crun_py.record import replaced
from crun_py.values import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.context import Context as BuildContext
    from crun_py.build.output import Output
    from crun_py.build.remote import Remote
    from crun_py.build.request import BuildRequest
    from crun_py.build.stages import Stages
    from crun_py.build.syntax import Dockerfile
    from crun_py.cli.build.display import Display
    from crun_py.oci.store.image import Image
    from crun_py.workspace import Workspace

ARGUMENTS = "[CONTEXT]"
OPTIONS = (
    ("-t --tag", "list", "A name of the image", "NAME"),
    ("-f --file", "value", "The Dockerfile (CONTEXT/Dockerfile); - reads it from stdin", "FILE"),
    ("--build-arg", "list", "A value for an ARG; NAME alone copies it from here", "NAME=VALUE"),
    ("--build-arg-file", "list", "Read values for ARGs from a file", "FILE"),
    ("--build-context", "list", "A further context: a directory or docker-image://IMAGE",
     "NAME=CONTEXT"),
    ("--target", "value", "The stage to build (the last one)", "STAGE"),
    ("--no-cache", "switch", "Carry out every step", ""),
    ("--no-cache-filter", "list", "Carry out every step of these stages", "STAGE"),
    ("--layers", "switch", "Keep the steps for the builds to come (true)", ""),
    ("--pull", "optional", "Ask the registry for the images that the build begins with", ""),
    ("--pull-always", "flag", "The same", ""),
    ("--pull-never", "flag", "Ask no registry", ""),
    ("--rm", "switch", "Remove what RUN ran in (always so)", ""),
    ("--force-rm", "switch", "The same after a failure (always so)", ""),
    ("-q --quiet", "flag", "Print the image's id alone", ""),
    ("--label", "list", "Set a label of the image", "KEY=VALUE"),
    ("--annotation", "list", "Set an annotation of the image's manifest", "KEY=VALUE"),
    ("--inherit-labels", "switch", "Keep the labels of the image it begins with (true)", ""),
    ("--env", "list", "Set a variable of the image", "KEY=VALUE"),
    ("--unsetenv", "list", "Remove a variable from the image", "KEY"),
    ("--platform", "list", "OS/ARCH of the image", "PLATFORM"),
    ("--arch", "value", "Architecture of the image", "ARCH"),
    ("--os", "value", "Operating system of the image", "OS"),
    ("--variant", "value", "Variant of the image's architecture", "VARIANT"),
    ("--network", "value", "Network of RUN: bridge, host, none or a network", "MODE"),
    ("--add-host", "list", "A line for /etc/hosts of RUN: NAME:ADDRESS", "SPEC"),
    ("--dns", "list", "Name server of RUN", "ADDRESS"),
    ("--dns-search", "list", "Search domain of RUN", "DOMAIN"),
    ("--dns-option", "list", "Resolver option of RUN", "OPTION"),
    ("--secret", "list", "A secret for RUN --mount=type=secret: id=ID[,src=FILE|,env=NAME]",
     "SPEC"),
    ("--ssh", "list", "An ssh agent for RUN --mount=type=ssh: default|ID[=SOCKET]", "SPEC"),
    ("--iidfile", "value", "Write the image's id to a file", "FILE"),
    ("--metadata-file", "value", "Write what was built to a file, as JSON", "FILE"),
    ("--squash", "flag", "One layer for all steps", ""),
    ("--squash-all", "flag", "One layer for everything", ""),
    ("--format", "value", "oci or docker", "FORMAT"),
    ("--timestamp", "value", "Time of the image and of its files, seconds since 1970", "SECONDS"),
    ("--source-date-epoch", "value", "Time of the image, and latest one of its files", "SECONDS"),
    ("--progress", "value", "auto, tty, plain, rawjson or none", "KIND"),
    ("--ignorefile", "value", "File of what the build does not see (.dockerignore)", "FILE"),
    ("-v --volume", "list", "Mount for RUN: SOURCE:DESTINATION[:OPTIONS]", "SPEC"),
    ("--ulimit", "list", "A resource limit of RUN: NAME=SOFT[:HARD]", "SPEC"),
    ("-m --memory", "value", "Memory limit of RUN", "SIZE"),
    ("--memory-swap", "value", "Limit of memory and swap together", "SIZE"),
    ("--cpus", "value", "How many CPUs RUN may use", "NUMBER"),
    ("-c --cpu-shares", "value", "Relative CPU weight of RUN", "N"),
    ("--cpu-period", "value", "Microseconds that --cpu-quota is of", "N"),
    ("--cpu-quota", "value", "Microseconds of CPU in each period", "N"),
    ("--cpuset-cpus", "value", "CPUs that RUN may use", "LIST"),
    ("--cpuset-mems", "value", "Memory nodes that RUN may use", "LIST"),
    ("--shm-size", "value", "Size of /dev/shm of RUN", "SIZE"),
    ("--cap-add", "list", "Add a capability to RUN", "NAME"),
    ("--cap-drop", "list", "Drop a capability from RUN", "NAME"),
    ("--device", "list", "A host device for RUN: HOST[:CONTAINER]", "SPEC"),
    ("--security-opt", "list", "seccomp=FILE|unconfined, no-new-privileges", "OPT"),
    ("--cgroup-parent", "value", "Make the cgroups of RUN below this one", "PATH"),
    ("--allow", "list", "security.insecure: RUN --security=insecure is allowed", "WHAT"),
    ("-j --jobs", "value", "Stages at once (one for each processor; 1: one)", "N"),
    ("--logfile", "value", "Write what is printed to a file", "FILE"),
    ("--from", "value", "Another image for the first FROM", "IMAGE"),
    ("--skip-unused-stages", "switch", "Leave out what the target does not need (true)", ""),
    ("--debug-on-failure", "flag", "On a terminal: a shell where a RUN failed", ""),
    ("--check", "flag", "Only look for mistakes in the Dockerfile", ""),
    ("-o --output", "list", "Where the result goes: DIR, type=local|tar|oci|docker|image", "SPEC"),
    ("--push", "flag", "Push the image to the registries that its names tell", ""),
    ("--load", "flag", "Put the image into the store (always so)", ""),
    ("--manifest", "value", "A manifest list that the image becomes a part of", "NAME"),
    ("--cache-from", "list", "Where steps of other machines' builds are looked for", "REPOSITORY"),
    ("--cache-to", "list", "Where this build's steps are put for other machines", "REPOSITORY"),
    ("--cache-ttl", "value", "Steps older than this are carried out again", "TIME"),
    ("--http-proxy", "switch", "Pass our proxy variables on to RUN (false)", ""),
    ("--call", "value", "build, or check: only look for mistakes", "WHAT"),
    ("--userns", "value", "host: RUN has the user namespace of the build", "MODE"),
    ("--isolation", "value", "oci: RUN has the isolation of crunpy run, always", "HOW"),
    ("--attest", "list", "", "SPEC"),
    ("--identity-label", "switch", "", ""),
    ("--omit-history", "switch", "", ""),
    ("--rewrite-timestamp", "switch", "", ""),
    ("--signature-policy", "value", "", "FILE"),
    ("--provenance", "optional", "", ""),
    ("--sbom", "optional", "", ""),
    ("--compress", "flag", "", ""),
    ("--disable-compression", "switch", "", ""),
    ("--stdin", "flag", "", ""),
    ("--builder", "value", "", "NAME"),
    ("--disable-content-trust", "switch", "", ""),
    *reach.OPTIONS,
)  # fmt: skip
_PULL = {"": "missing", "true": "always", "false": "missing", "ifmissing": "missing",
         "ifnewer": "newer"}  # fmt: skip
_REACH = ("tls_verify", "creds", "authfile", "cert_dir", "retry", "retry_delay", "quiet")


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Build; prints the steps, and at last the image's id."""
    from crun_py.build import build, output
    from crun_py.cli.build import request as build_request

    for number in _ENDING:
        _signal.signal(number, _end)
    here = os.getcwd()  # mounting changes it
    outputs = [output.parse(text, here) for text in values.texts("output")]
    named = [name for each in outputs if not each.dest for name in each.names]
    values = values.with_texts("tag", [*values.texts("tag"), *named])
    values = values.with_flag("check", values.flag("check") or values.text("call") == "check")
    requests = build_request.requests(values)
    _refuse(values)
    _refuse_outputs(values, outputs, len(requests))
    context.enter_for_many(requests[0].network)
    if next(workspaces.abandoned(context.paths), None):  # a start does the rest
        from crun_py.container import lifecycle

        lifecycle.sweep(context.paths, rootless=context.rootless)
    workspace = build.begun(context.paths)
    try:
        return _Build(values, context, workspace, here).run(requests, arguments, outputs)
    finally:
        build.ended(context.paths, workspace)


_ENDING = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)


def _end(number: int, frame: object) -> None:
    """Ends the build; a second signal must not interrupt the cleaning up."""
    for each in _ENDING:
        _signal.signal(each, _signal.SIG_IGN)
    if number == _signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _refuse(values: Values) -> None:
    """Raises Unsupported, InvalidArgument for what does not hold here."""
    isolation, call = values.text("isolation"), values.maybe("call")
    if values.text("userns") not in ("", "host"):
        raise Unsupported("--userns: RUN has the user namespace of the build", hint="leave it out")
    if isolation == "chroot":
        raise Unsupported("--isolation chroot: RUN is always a container", hint="leave it out")
    if isolation not in ("", "default", "oci", "rootless"):
        raise InvalidArgument(f"isolation {isolation!r}: not known", hint="oci, rootless")
    if values.switch("omit_history") or values.texts("attest"):
        raise Unsupported("--omit-history, --attest: an image tells its steps, and no more")
    if call not in (None, "build", "check"):
        raise Unsupported(f"--call {call}: only build and check", hint="--check")
    for name, given in (
        ("provenance", values.maybe("provenance")),
        ("sbom", values.maybe("sbom")),
    ):
        if given not in (None, "false", "0"):
            raise Unsupported(f"--{name}: no attestations are made", hint=f"--{name}=false")


def _refuse_outputs(values: Values, outputs: list[Output], platforms: int) -> None:
    """Raises InvalidArgument, Unsupported for what cannot be delivered."""
    if (values.flag("push") or any(output.push for output in outputs)) and not values.texts("tag"):
        raise InvalidArgument("pushing: the image has no name", hint="-t REGISTRY/NAME:TAG")
    if platforms > 1 and any(o.wants_image_file or o.type == "tar" for o in outputs):
        raise Unsupported(
            "--output: an archive of several platforms is not written by build",
            hint="-t NAME, then crunpy manifest push --all NAME oci-archive:FILE",
        )


class _Build:
    """One command's builds: one for each platform."""

    def __init__(self, values: Values, context: Context, workspace: Workspace, here: str) -> None:
        self._values, self._context, self._workspace, self._here = values, context, workspace, here
        self._others: dict[str, str] = {}

    def run(self, requests: list[BuildRequest], arguments: list[str], outputs: list[Output]) -> int:
        """Build for all platforms, and deliver.  Raises CrunpyError."""
        from crun_py.build import context as contexts
        from crun_py.cli.build import display as build_display
        from crun_py.cli.build import request as build_request

        values = self._values
        self._others = build_request.contexts(values, self._here)
        files = contexts.opened(
            arguments[0] if arguments else ".", work=self._workspace.directory("context"),
            environment=dict(os.environ), dockerfile=values.text("file"),
            ignore_file=values.text("ignorefile"), stdin=0,
        )  # fmt: skip
        images: list[Image] = []
        try:
            if values.flag("check"):
                return build_display.check(*self._parsed(requests[0], files), files.ignore)
            for request in requests:
                images.append(self._built(request, files, alone=len(requests) == 1))
        except BaseException:
            self._forget(images)
            raise
        finally:
            files.close()
        os.chdir(self._here)
        self._delivered(requests, images, outputs)
        return 0

    def _parsed(self, request: BuildRequest, files: BuildContext) -> tuple[Dockerfile, Stages]:
        from crun_py.build import build
        from crun_py.cli.build import display as build_display
        from crun_py.errors import BuildError

        try:
            dockerfile = build.parse(files.dockerfile, files.dockerfile_name)
            stages = build.parsed(request, dockerfile, self._others)
            if (
                dockerfile.error
                and not self._values.flag("check")
                and build_display.warned(dockerfile, stages, files.ignore)
            ):
                raise BuildError("the Dockerfile's own `# check=error=true` wants no warnings")
            return dockerfile, stages
        except CrunpyError as e:
            build_display.show_place(e)
            raise

    def _built(self, request: BuildRequest, files: BuildContext, *, alone: bool) -> Image:
        from crun_py.build import build

        _, stages = self._parsed(request, files)
        with _display(self._values) as show:
            _warn(show, stages)
            try:
                image = build.build(
                    self._context.paths, request, stages, files, workspace=self._workspace,
                    obtain=self._obtain, tell=show.tell, contexts=self._others,
                    environment=dict(os.environ), remote=self._remote(),
                    rootless=self._context.rootless,
                )  # fmt: skip
            except CrunpyError as e:
                show.failed(e)
                self._look(e, request)
                raise
            if alone:
                show.built(image, request)
        return image

    def _look(self, error: CrunpyError, request: BuildRequest) -> None:
        """--debug-on-failure: a shell with what the step that failed ran on."""
        before = getattr(error, "before", None)
        if not self._values.flag("debug_on_failure") or before is None or not os.isatty(0):
            return
        from crun_py.build import run
        from crun_py.container import foreground

        write_error("A shell with what the step ran on follows; exit ends it.")
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        container = run.shell(self._context.paths, before, request)
        foreground.run(container, Client(), rootless=self._context.rootless)

    def _obtain(self, name: str, platform: str) -> Image:
        values = self._values
        policy = _PULL.get(values.text("pull"), values.text("pull"))
        if values.flag("pull_always"):
            policy = "always"
        elif values.flag("pull_never"):
            policy = "never"
        wanted = PullRequest(policy=policy, platform=platform, access=reach.of(values))
        kind = "none" if values.flag("quiet") else "tty" if os.isatty(2) else "plain"
        progress.show(self._context, kind, progress.PULLED)
        return pull.needed(self._context, name, wanted)

    def _remote(self) -> Remote | None:
        values = self._values
        if not values.texts("cache_from") and not values.texts("cache_to"):
            return None
        from crun_py.build import remote

        sources = [remote.place(text) for text in values.texts("cache_from")]
        sinks = [remote.place(text) for text in values.texts("cache_to")]
        return remote.Remote(self._context.paths, sources, sinks, reach.access(values))

    # ---- what becomes of the images ----

    def _delivered(
        self, requests: list[BuildRequest], images: list[Image], outputs: list[Output]
    ) -> None:
        """Lists, outputs, pushes, and the files that tell of it."""
        names = [*(requests[0].names or self._names())]
        listed = self._list(requests, images)
        for output in outputs:
            for request, image in zip(requests, images, strict=True):
                self._write(output, image, request, alone=len(images) == 1)
        if outputs and not any(output.type in ("image", "registry") for output in outputs):
            self._forget(images)
        if self._values.flag("push") or any(output.push for output in outputs):
            self._push(names)
        digest = listed or "sha256:" + images[-1].id
        if len(images) > 1:
            self._say(digest, names)
        _write_files(self._values, digest, listed or images[-1].digest, names)

    def _names(self) -> list[str]:
        from crun_py.oci.reference import parse

        return [str(parse(name.removeprefix("="))) for name in self._values.texts("tag")]

    def _say(self, digest: str, names: list[str]) -> None:
        from crun_py.oci.reference import parse

        if self._values.flag("quiet"):
            write(digest)
        else:
            write("\n".join(f"Successfully tagged {parse(name).familiar}" for name in names))

    def _list(self, requests: list[BuildRequest], images: list[Image]) -> str:
        """The manifest lists of several platforms, and of --manifest; the last one's digest."""
        names = self._values.given("manifest")
        if len(images) > 1:
            names += self._names()
        digest = ""
        for name in names:
            from crun_py.oci.transfer.lists import Lists

            lists = Lists(self._context.paths, reach.access(self._values))
            lists.create(name, amend=True)
            for image in images:
                digest = lists.add(name, "sha256:" + image.id)
        return digest if len(images) > 1 else ""

    def _forget(self, images: list[Image]) -> None:
        """What was only wanted as files, or as a part of what failed, is no image here, unless it
        has a name."""
        from crun_py.oci.store.images import ImageStore

        store = ImageStore(self._context.paths)
        for image in store.list():
            if not image.names and image.id in {built.id for built in images}:
                try:
                    store.remove(image)
                except Conflict:
                    continue  # a manifest list has it

    def _write(self, output: Output, image: Image, request: BuildRequest, *, alone: bool) -> None:
        from crun_py.build import output as outputs

        if output.wants_tree:
            if not alone and output.type == "local":
                place = f"{output.dest}/{request.platform.replace('/', '_')}"
                output = replaced(output, dest=place)
            where = self._workspace.directory("output")
            outputs.write_tree(image.layers, output, where, stdout=1)
        elif output.wants_image_file:
            paths, names = self._context.paths, [*(output.names or request.names)]
            outputs.write_image(paths, image.digest, names, output, stdout=1)

    def _push(self, names: list[str]) -> None:
        from crun_py.cli.image import push

        of_push = Values(push.OPTIONS).with_those_of(self._values, _REACH)
        for name in names:
            push.main(of_push, [name], self._context)


def _display(values: Values) -> Display:
    """What shows the build, by --progress, --quiet and --logfile."""
    from crun_py.cli.build import display as shows

    kind = values.text("progress") or "auto"
    if values.flag("quiet") or kind in ("quiet", "none"):
        return shows.Quiet()
    if kind == "rawjson":
        return shows.Raw()
    if values.text("logfile"):
        return shows.Logged(values.text("logfile"))
    if kind == "tty" or (kind == "auto" and os.isatty(1) and os.isatty(2)):
        from crun_py.cli.build.live import Terminal

        return Terminal()
    return shows.Plain()


def _warn(show: Display, stages: Stages) -> None:
    """Build arguments that no ARG takes."""
    from crun_py.build.request import BuildEvent

    if stages.unused:
        names = ", ".join(stages.unused)
        text = f"build arguments that no ARG declares: {names}"
        show.tell(BuildEvent(kind="warning", text=text))


def _write_files(values: Values, image_id: str, digest: str, names: list[str]) -> None:
    from crun_py import jsonfile, outfile

    if values.text("iidfile"):
        outfile.write(values.text("iidfile"), image_id.encode())
    if values.text("metadata_file"):
        about = {
            "containerimage.config.digest": image_id,
            "containerimage.digest": digest,
            "image.name": ",".join(names),
        }
        outfile.write(values.text("metadata_file"), (jsonfile.dumps(about) + "\n").encode())
