"""crunpy build: an image from a Dockerfile and the files around it."""

from __future__ import annotations

import _signal  # its front, signal, imports enum
import os
import sys

from crun_py.cli import progress, reach
from crun_py.cli.build import display as build_display
from crun_py.cli.output import write, write_error
from crun_py.engine import build as building
from crun_py.engine.context import Context
from crun_py.errors import CrunpyError, InvalidArgument, Unsupported
from crun_py.model.container import Client
from crun_py.record import replaced
from crun_py.values import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.ignore import Ignore
    from crun_py.build.request import BuildJob, BuildRequest, Built
    from crun_py.build.stages import Stages
    from crun_py.build.syntax import Dockerfile

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
    ("--allow", "list", "security.insecure, network.host: RUN --security=insecure, --network=host",
     "WHAT"),
    ("-j --jobs", "value", "Stages at once (one for each processor; 1: one)", "N"),
    ("--logfile", "value", "Write what is printed to a file", "FILE"),
    ("--from", "value", "Another image for the first FROM", "IMAGE"),
    ("--skip-unused-stages", "switch", "Leave out what the target does not need (true)", ""),
    ("--debug-on-failure", "flag", "On a terminal: a shell where a RUN failed", ""),
    ("--dry-run", "flag", "Only say which steps would be carried out", ""),
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
_REACH = ("tls_verify", "creds", "authfile", "cert_dir", "retry", "retry_delay", "quiet")


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Build; prints the steps, and at last the image's id."""
    from crun_py.cli.build import request as build_request

    for number in _ENDING:
        _signal.signal(number, _end)
    _refuse(values)
    job = build_request.job(values, arguments)
    watch = _Watch(values, context)
    if watch.only_checks:
        return build_display.checked(building.examine(context, job, watch))
    if values.flag("dry_run"):
        building.build(context, _rehearsal(job), watch)
        return 0
    progress.show(context, watch.pulling, progress.PULLED)
    pushes = values.flag("push") or any(output.push for output in job.outputs)
    if pushes and not job.names:
        raise InvalidArgument("pushing: the image has no name", hint="-t REGISTRY/NAME:TAG")
    done = building.build(context, job, watch)
    if pushes:
        _push(done.names, values, context)
    if len(job.requests) > 1:
        _say(done, values)
    _write_files(values, done)
    return 0


def _rehearsal(job: BuildJob) -> BuildJob:
    """The same, with nothing pulled, kept or delivered, one stage after the other."""
    requests = tuple(replaced(r, dry_run=True, keep=False, jobs=1) for r in job.requests)
    return replaced(job, requests=requests, pull=replaced(job.pull, policy="never"), outputs=())


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


class _Watch(building.Watch):
    """Shows a build as the options say."""

    def __init__(self, values: Values, context: Context) -> None:
        super().__init__(context)
        self._values = values
        self.only_checks = values.flag("check") or values.text("call") == "check"
        self.pulling = "none" if values.flag("quiet") else "tty" if os.isatty(2) else "plain"

    def parsed(self, dockerfile: Dockerfile, stages: Stages, ignore: Ignore) -> int:
        return build_display.warned(dockerfile, stages, ignore)

    def refused(self, error: CrunpyError) -> None:
        build_display.show_place(error)

    def show(self) -> building.Show:
        """By --progress, --quiet and --logfile."""
        values = self._values
        kind = values.text("progress") or "auto"
        if values.flag("quiet") or kind in ("quiet", "none"):
            return build_display.Quiet()
        if kind == "rawjson":
            return build_display.Raw()
        if values.text("logfile"):
            return build_display.Logged(values.text("logfile"))
        if values.flag("dry_run"):
            return build_display.Plain()
        if kind == "tty" or (kind == "auto" and os.isatty(1) and os.isatty(2)):
            from crun_py.cli.build.live import Terminal

            return Terminal()
        return build_display.Plain()

    def failed(self, error: CrunpyError, request: BuildRequest) -> None:
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


def _push(names: tuple[str, ...], values: Values, context: Context) -> None:
    from crun_py.cli.image import push

    of_push = Values(push.OPTIONS).with_those_of(values, _REACH)
    for name in names:
        push.main(of_push, [name], context)


def _say(done: Built, values: Values) -> None:
    from crun_py.oci.reference import parse

    if values.flag("quiet"):
        write(done.id)
    else:
        names = (parse(name).familiar for name in done.names)
        write("\n".join(f"Successfully tagged {name}" for name in names))


def _write_files(values: Values, done: Built) -> None:
    from crun_py import jsonfile, outfile

    if values.text("iidfile"):
        outfile.write(values.text("iidfile"), done.id.encode())
    if values.text("metadata_file"):
        about = {
            "containerimage.config.digest": done.id,
            "containerimage.digest": done.digest,
            "image.name": ",".join(done.names),
        }
        outfile.write(values.text("metadata_file"), (jsonfile.dumps(about) + "\n").encode())
