"""What a Python user may say of a build, as what the engine is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypedDict

from crun_py import hints
from crun_py.errors import InvalidArgument
from crun_py.library.create_options import CreateOptions, Pathname
from crun_py.library.options import absolute, requests, several
from crun_py.model.container import CreateRequest, Limits
from crun_py.model.registry import PullRequest, RegistryAccess
from crun_py.record import replaced

if TYPE_CHECKING:
    from crun_py.build.output import Output
    from crun_py.build.request import BuildJob, BuildRequest


class BuildOptions(TypedDict, total=False):
    """Keyword arguments of `images.build` and `images.build_files`.

    tags               names of the image; of several platforms, of a list of their images
    dockerfile         another one than the directory's
    ignore_file        another one than .dockerignore
    build_args         for ARG
    target             the stage to build, "" for the last one
    platform           OS/ARCH, or several
    contexts           further ones: name to directory, URL or docker-image://IMAGE
    base               stands for the image of the first FROM
    labels, annotations, environment: of the image
    secrets            id to content, for RUN --mount=type=secret
    ssh                agents for RUN --mount=type=ssh: "default", or "ID=SOCKET"
    cache              steps of earlier builds are used
    no_cache_stages    of these none is
    cache_from, cache_to: repositories for the steps of other machines' builds
    jobs               stages at once, 0 for one a processor
    pull               always, missing, newer or never: the images that it begins with
    network            of RUN
    limits             of what RUN runs
    containers         what else RUN's containers are like: options of `containers.create`
    insecure           RUN --security=insecure is allowed
    host_network       RUN --network=host is allowed
    format             oci or docker
    timestamp          seconds since 1970, for everything that is made
    squash             one layer of the build's; "all": of everything
    manifests          manifest lists that the image becomes a part of
    registry           how registries are reached
    """

    tags: Iterable[str]
    dockerfile: Pathname
    ignore_file: Pathname
    build_args: Mapping[str, str]
    target: str
    platform: str | Iterable[str]
    contexts: Mapping[str, Pathname]
    base: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    environment: Mapping[str, str]
    secrets: Mapping[str, bytes]
    ssh: Iterable[str]
    cache: bool
    no_cache_stages: Iterable[str]
    cache_from: Iterable[str]
    cache_to: Iterable[str]
    jobs: int
    pull: str
    network: str
    limits: Limits
    containers: CreateOptions
    insecure: bool
    host_network: bool
    format: str
    timestamp: int
    squash: bool | str
    manifests: Iterable[str]
    registry: RegistryAccess


def job(directory: Pathname, given: BuildOptions, outputs: tuple[Output, ...] = ()) -> BuildJob:
    """What is to be built.  Raises InvalidArgument, TypeError for an option that there is not."""
    known = BuildOptions.__annotations__
    for name, value in given.items():
        if name not in known:
            raise TypeError(f"there is no option {name}")
        if name != "containers":  # which are looked at by themselves
            hints.check(value, known[name].__forward_arg__, globals(), name)
    from crun_py.build.request import BuildJob
    from crun_py.oci.reference import parse

    platforms = several(given.get("platform", "")) or ("",)
    names = tuple(str(parse(name)) for name in several(given.get("tags", ())))
    request = _request(given, names if len(platforms) == 1 else ())
    return BuildJob(
        requests=tuple(replaced(request, platform=platform) for platform in platforms),
        directory=absolute(directory),
        dockerfile=absolute(given["dockerfile"]) if "dockerfile" in given else "",
        ignore_file=absolute(given["ignore_file"]) if "ignore_file" in given else "",
        contexts={name.lower(): _place(where) for name, where in given.get("contexts", {}).items()},
        environment={},
        pull=PullRequest(
            policy=given.get("pull", "missing"), access=given.get("registry", RegistryAccess())
        ),
        cache_from=several(given.get("cache_from", ())),
        cache_to=several(given.get("cache_to", ())),
        names=names,
        lists=several(given.get("manifests", ())),
        outputs=outputs,
    )


def _request(given: BuildOptions, names: tuple[str, ...]) -> BuildRequest:
    from crun_py.build import agent
    from crun_py.build.layer import Times
    from crun_py.build.request import BuildRequest, Secret

    stamp, squash = given.get("timestamp", -1), given.get("squash", False)
    network = given.get("network", "")
    if squash not in (True, False, "all", "new", ""):
        raise InvalidArgument(f"squash {squash!r}: not true, false or all")
    return BuildRequest(
        names=names,
        build_args=tuple(given.get("build_args", {}).items()),
        target=given.get("target", ""),
        base=given.get("base", ""),
        labels=tuple(given.get("labels", {}).items()),
        annotations=tuple(given.get("annotations", {}).items()),
        env=tuple(given.get("environment", {}).items()),
        secrets=tuple(
            Secret(id=key, content=value) for key, value in given.get("secrets", {}).items()
        ),
        agents=tuple(agent.parse(text, os.getcwd()) for text in several(given.get("ssh", ()))),
        cache=given.get("cache", True),
        uncached_stages=tuple(s.lower() for s in several(given.get("no_cache_stages", ()))),
        network="" if network in ("default", "private") else network,
        times=Times(set=stamp),
        created=stamp,
        squash="new" if squash is True else squash or "",
        form=given.get("format", "oci"),
        jobs=given.get("jobs", 0),
        insecure=given.get("insecure", False),
        host_network=given.get("host_network", False),
        container=_container(given),
    )


def _container(given: BuildOptions) -> CreateRequest:
    """What RUN's containers are like.  Raises InvalidArgument for what none could be."""
    asked = given.get("containers", {})
    if "image" in asked or "name" in asked or "command" in asked:
        raise InvalidArgument("containers: what RUN runs is named by the Dockerfile")
    if not asked:
        return CreateRequest(limits=given.get("limits", Limits()))
    from crun_py.container import create

    request, _ = requests("build", None, asked)
    if "limits" in given:
        request = replaced(request, limits=given["limits"])
    create.check(request)
    return request


def _place(where: Pathname) -> str:
    text = os.fspath(where)
    return text if "://" in text or text.startswith("git@") else absolute(text)


def output(kind: str, target: Pathname, *, compression: str = "") -> Output:
    """A file or directory of kind local, tar, oci or docker.  Raises InvalidArgument."""
    from crun_py.build.output import Output

    if kind not in ("local", "tar", "oci", "docker"):
        raise InvalidArgument(f"kind {kind!r}: not local, tar, oci or docker")
    return Output(type=kind, dest=absolute(target), compression=compression)
