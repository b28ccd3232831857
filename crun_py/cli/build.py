"""crunpy build: an image from a Dockerfile and the files around it."""

from __future__ import annotations

import os

from crun_py.cli import pull, reach
from crun_py.cli.context import Context
from crun_py.errors import CrunpyError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.build.context import Context as BuildContext
    from crun_py.build.request import BuildRequest, RunLimits
    from crun_py.oci.image import Image

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
    ("--pull", "flag", "Ask the registry for the images that the build begins with", ""),
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
    ("--check", "flag", "Only look for mistakes in the Dockerfile", ""),
    ("-o --output", "list", "Where the result goes: DIR, type=local|tar|oci|docker|image", "SPEC"),
    ("--push", "flag", "Push the image to the registries that its names tell", ""),
    ("--load", "flag", "Put the image into the store (always so)", ""),
    *reach.OPTIONS,
)  # fmt: skip
_LIMITS = (
    "add_host", "cap_add", "cap_drop", "cgroup_parent", "cpu_period", "cpu_quota", "cpu_shares",
    "cpuset_cpus", "cpuset_mems", "device", "dns", "dns_option", "dns_search", "memory",
    "memory_swap", "security_opt", "shm_size", "ulimit", "volume",
)  # fmt: skip


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Build; prints the steps, and at last the image's id."""
    from crun_py.build import build
    from crun_py.build import context as contexts

    request = _request(values)
    where = arguments[0] if arguments else "."
    context.enter()
    workspace = build.begun(context.paths)
    try:
        files = contexts.opened(
            where, work=workspace.directory("context"), environment=dict(os.environ),
            dockerfile=values["file"] or "", ignore_file=values["ignorefile"] or "", stdin=0,
        )  # fmt: skip
        try:
            return _build(values, request, files, workspace, context)
        finally:
            files.close()
    finally:
        workspace.close()


def _build(
    values: dict[str, Any],
    request: BuildRequest,
    files: BuildContext,
    workspace: Any,
    context: Context,
) -> int:
    from crun_py.build import build
    from crun_py.cli import build_display

    others = _pairs(values["build_context"], "build-context")
    dockerfile = build.parse(files.dockerfile, files.dockerfile_name)
    stages = build.parsed(request, dockerfile, others)
    if values["check"]:
        return build_display.check(dockerfile, stages, files.ignore)
    with build_display.display(values, stages, request) as show:
        try:
            image = build.build(
                context.paths, request, stages, files, workspace=workspace,
                obtain=_obtainer(values, context), tell=show.tell, contexts=others,
                environment=dict(os.environ), rootless=context.rootless,
            )  # fmt: skip
        except CrunpyError as e:
            show.failed(e)
            raise
        show.built(image, request)
    _write_files(values, image)
    return 0


def _obtainer(values: dict[str, Any], context: Context) -> Any:
    policy = "always" if values["pull"] or values["pull_always"] else "missing"
    policy = "never" if values["pull_never"] else policy

    def obtain(name: str, platform: str) -> Image:
        from crun_py.oci.intake import own

        wanted = {**values, "platform": platform or None, "arch": None, "os": None,
                  "variant": None, "progress": None}  # fmt: skip
        return own(context.paths, pull.obtain(context, name, wanted, policy))

    return obtain


def _pairs(texts: list[str], what: str) -> dict[str, str]:
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InvalidArgument(f"{what} {text!r}: not KEY=VALUE")
        found[key] = value
    return found


def _build_args(values: dict[str, Any]) -> dict[str, str]:
    from crun_py.options.environment import lines_of

    found = {}
    lines = [line for path in values["build_arg_file"] for line in lines_of(path, "build argument")]
    for text in [*lines, *values["build_arg"]]:
        name, equals, value = text.partition("=")
        if not name:
            raise InvalidArgument(f"build-arg {text!r}: not NAME=VALUE")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found


def _request(values: dict[str, Any]) -> BuildRequest:
    from crun_py.build.layer import Times
    from crun_py.build.request import BuildRequest
    from crun_py.oci.reference import parse

    platforms = [p for text in values["platform"] for p in text.split(",")]
    if len(platforms) > 1:
        raise InvalidArgument("platform: one at a time", hint="crunpy manifest add joins them")
    platform = pull.platform_of({**values, "platform": platforms[0] if platforms else None}) or ""
    stamp = values["timestamp"]
    epoch = values["source_date_epoch"] or os.environ.get("SOURCE_DATE_EPOCH")
    times = Times(
        set=int(stamp) if stamp is not None else -1,
        latest=int(epoch) if epoch and stamp is None else -1,
    )
    network = values["network"] or ""
    one = values["squash"] or values["layers"] is False  # podman-build(1), --layers
    return BuildRequest(
        names=tuple(str(parse(name.removeprefix("="))) for name in values["tag"]),
        build_args=tuple(_build_args(values).items()),
        target=values["target"] or "",
        platform=platform,
        cache=not values["no_cache"] and values["layers"] is not False,
        uncached_stages=tuple(s.lower() for t in values["no_cache_filter"] for s in t.split(",")),
        keep=values["layers"] is not False,
        all_stages=values["skip_unused_stages"] is False,
        labels=tuple(_labels(values["label"]).items()),
        annotations=tuple(_pairs(values["annotation"], "annotation").items()),
        inherit_labels=values["inherit_labels"] is not False,
        env=tuple(_variables(values["env"]).items()),
        unset_env=tuple(values["unsetenv"]),
        network="" if network in ("default", "private") else network,
        limits=_limits(values),
        secrets=_secrets(values["secret"]),
        agents=_agents(values["ssh"]),
        form=values["format"] or "oci",
        times=times,
        created=max(times.set, times.latest),
        squash="all" if values["squash_all"] else "new" if one else "",
        insecure="security.insecure" in values["allow"],
        jobs=int(values["jobs"] or 0),
    )  # fmt: skip


def _limits(values: dict[str, Any]) -> RunLimits:
    from crun_py.build.request import RunLimits

    given = {key: values[key] for key in _LIMITS if values[key]}
    found: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return RunLimits(**found)


def _labels(texts: list[str]) -> dict[str, str]:
    return dict(text.partition("=")[::2] for text in texts)


def _variables(texts: list[str]) -> dict[str, str]:
    return {t.partition("=")[0]: t.partition("=")[2] if "=" in t else os.environ.get(t, "")
            for t in texts}  # fmt: skip


def _secrets(texts: list[str]) -> Any:
    if not texts:
        return ()
    from crun_py.build import secrets
    from crun_py.build.request import Secret

    found = [secrets.parse(text, os.getcwd()) for text in texts]
    return tuple(Secret(id=one.id, content=secrets.content(one, dict(os.environ))) for one in found)


def _agents(texts: list[str]) -> Any:
    if not texts:
        return ()
    from crun_py.build import agent

    return tuple(agent.parse(text, os.getcwd()) for text in texts)


def _write_files(values: dict[str, Any], image: Image) -> None:
    from crun_py import jsonfile, outfile

    if values["iidfile"]:
        outfile.write(values["iidfile"], f"sha256:{image.id}".encode())
    if values["metadata_file"]:
        about = {
            "containerimage.config.digest": f"sha256:{image.id}",
            "containerimage.digest": image.digest,
            "image.name": ",".join(image.names),
        }
        outfile.write(values["metadata_file"], (jsonfile.dumps(about) + "\n").encode())
