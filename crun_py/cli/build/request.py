"""The options of `crunpy build` as what the engine is asked for."""

from __future__ import annotations

import os

from crun_py import quantity
from crun_py.cli import docker_config
from crun_py.errors import InvalidArgument
from crun_py.model.container import CreateRequest
from crun_py.model.registry import PullRequest
from crun_py.record import replaced
from crun_py.values import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.agent import Ssh
    from crun_py.build.request import BuildJob, BuildRequest, Secret

_LIMITS = (
    "add_host", "cap_add", "cap_drop", "cgroup_parent", "cpu_period", "cpu_quota", "cpu_shares",
    "cpus",
    "cpuset_cpus", "cpuset_mems", "device", "dns", "dns_option", "dns_search", "memory",
    "memory_swap", "security_opt", "shm_size", "ulimit", "volume",
)  # fmt: skip


def _pairs(texts: list[str], what: str) -> dict[str, str]:
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InvalidArgument(f"{what} {text!r}: not KEY=VALUE")
        found[key] = value
    return found


def _build_args(values: Values) -> dict[str, str]:
    from crun_py.options.environment import lines_of

    found = {}
    lines = [
        line for path in values.texts("build_arg_file") for line in lines_of(path, "build argument")
    ]
    for text in [*lines, *values.texts("build_arg")]:
        name, equals, value = text.partition("=")
        if not name:
            raise InvalidArgument(f"build-arg {text!r}: not NAME=VALUE")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found


_PULL = {"": "missing", "true": "always", "false": "missing", "ifmissing": "missing",
         "ifnewer": "newer"}  # fmt: skip


def job(values: Values, arguments: list[str]) -> BuildJob:
    """All that the options ask for.  Raises InvalidArgument."""
    from crun_py.build import output
    from crun_py.build.request import BuildJob
    from crun_py.cli import reach

    here = os.getcwd()
    outputs = tuple(output.parse(text, here) for text in values.texts("output"))
    named = [name for each in outputs if not each.dest for name in each.names]
    values = values.with_texts("tag", [*values.texts("tag"), *named])
    policy = _PULL.get(values.text("pull"), values.text("pull"))
    if values.flag("pull_always"):
        policy = "always"
    elif values.flag("pull_never"):
        policy = "never"
    return BuildJob(
        requests=tuple(requests(values)),
        directory=arguments[0] if arguments else ".",
        dockerfile=values.text("file"),
        ignore_file=values.text("ignorefile"),
        contexts=contexts(values, here),
        environment=dict(os.environ),
        pull=PullRequest(policy=policy, access=reach.of(values)),
        cache_from=tuple(values.texts("cache_from")),
        cache_to=tuple(values.texts("cache_to")),
        names=_names(values),
        lists=tuple(values.given("manifest")),
        outputs=outputs,
    )


def _names(values: Values) -> tuple[str, ...]:
    from crun_py.oci.reference import parse

    return tuple(str(parse(name.removeprefix("="))) for name in values.texts("tag"))


def requests(values: Values) -> list[BuildRequest]:
    """What the options ask for, once for each platform.  Raises InvalidArgument."""
    from crun_py.build.layer import Times
    from crun_py.build.request import BuildRequest

    platforms = [p for text in values.texts("platform") for p in text.split(",")]
    chosen = [None if p == "local" else p for p in platforms] or [None]
    found = [_platform(values, p) for p in chosen]
    stamp = values.maybe("timestamp")
    arguments = _build_args(values)
    epoch = values.text("source_date_epoch") or os.environ.get("SOURCE_DATE_EPOCH")
    epoch = epoch or arguments.get("SOURCE_DATE_EPOCH")
    if epoch:
        quantity.whole(epoch, "SOURCE_DATE_EPOCH")
    times = Times(
        set=int(stamp) if stamp is not None else -1,
        latest=int(epoch) if epoch and stamp is None else -1,
    )
    network = values.text("network")
    ttl = values.maybe("cache_ttl")
    keep, uncached = values.switch("layers") is not False, values.texts("no_cache_filter")
    one = values.flag("squash") or not keep  # podman-build(1), --layers
    request = BuildRequest(
        names=_names(values) if len(found) == 1 else (),
        build_args=tuple(arguments.items()),
        target=values.text("target"),
        platform=found[0],
        cache=not values.switch("no_cache") and keep and not _is_zero(ttl),
        uncached_stages=tuple(s.lower() for t in uncached for s in t.split(",")),
        keep=keep,
        all_stages=values.switch("skip_unused_stages") is False,
        labels=tuple(_labels(values.texts("label")).items()),
        annotations=tuple(_annotations(values.texts("annotation")).items()),
        inherit_labels=values.switch("inherit_labels") is not False,
        env=tuple(_variables(values.texts("env")).items()),
        unset_env=tuple(values.texts("unsetenv")),
        network="" if network in ("default", "private") else network,
        container=_container(values),
        secrets=_secrets(values.texts("secret")),
        agents=_agents(values.texts("ssh")),
        form=values.text("format") or "oci",
        times=times,
        created=max(times.set, times.latest),
        squash="all" if values.flag("squash_all") else "new" if one else "",
        proxies=_proxies(values.switch("http_proxy")),
        insecure="security.insecure" in values.texts("allow"),
        host_network="network.host" in values.texts("allow"),
        jobs=1 if values.flag("debug_on_failure") else int(values.text("jobs") or 0),
        older_s=_age(ttl),
        base=values.text("from"),
    )  # fmt: skip
    return [replaced(request, platform=platform) for platform in found]


def _container(values: Values) -> CreateRequest:
    """What RUN's containers are like.  Raises InvalidArgument for what none could be."""
    given = [name for name in _LIMITS if values.given(name)]
    if not given:
        return CreateRequest()
    from crun_py.cli.container import create, create_request
    from crun_py.container import create as engine

    of_run = Values(create.OPTIONS).with_those_of(values, given)
    request = create_request.request(of_run, ["build"])
    engine.check(request)
    return request


def _platform(values: Values, platform: str | None) -> str:
    """The platform that the options ask for, "" for this host's."""
    parts = values.text("os"), values.text("arch"), values.text("variant")
    if not platform and not any(parts):
        return ""
    from crun_py.cli import reach

    return reach.platform(platform or "", parts)


def contexts(values: Values, directory: str) -> dict[str, str]:
    """--build-context by name in small letters; relative paths begin in `directory`."""
    found = _pairs(values.texts("build_context"), "build-context")
    return {
        name.lower(): where if "://" in where or where.startswith("git@")
        else os.path.join(directory, where)
        for name, where in found.items()
    }  # fmt: skip


def _proxies(wanted: bool | None) -> tuple[tuple[str, str], ...]:
    """What RUN gets of proxies: ours only when `wanted`, docker's file's unless it is False."""
    from crun_py.build.stages import PROXY_NAMES

    own = {name: os.environ[name] for name in PROXY_NAMES if wanted and name in os.environ}
    return tuple({**own, **({} if wanted is False else docker_config.proxies())}.items())


def _age(text: str | None) -> float:
    from crun_py.clock import parse_span_ms

    return parse_span_ms(text, "cache ttl") / 1000 if text and not _is_zero(text) else 0


def _is_zero(text: str | None) -> bool:
    """Whether a --cache-ttl means that no step is used again."""
    return text is not None and not text.strip("0hms")


def _annotations(texts: list[str]) -> dict[str, str]:
    """Those of the manifest; docker's other levels are refused."""
    found = {}
    for key, value in _pairs(texts, "annotation").items():
        level, colon, rest = key.partition(":")
        if colon and level in ("index", "index-descriptor", "manifest-descriptor"):
            raise InvalidArgument(
                f"annotation {key}: only the image's manifest is annotated",
                hint="crunpy manifest annotate",
            )
        found[rest if colon and level == "manifest" else key] = value
    return found


def _labels(texts: list[str]) -> dict[str, str]:
    return dict(text.partition("=")[::2] for text in texts)


def _variables(texts: list[str]) -> dict[str, str]:
    return {t.partition("=")[0]: t.partition("=")[2] if "=" in t else os.environ.get(t, "")
            for t in texts}  # fmt: skip


def _secrets(texts: list[str]) -> tuple[Secret, ...]:
    if not texts:
        return ()
    from crun_py.build import secrets
    from crun_py.build.request import Secret

    found = [secrets.parse(text, os.getcwd()) for text in texts]
    return tuple(Secret(id=one.id, content=secrets.content(one, dict(os.environ))) for one in found)


def _agents(texts: list[str]) -> tuple[Ssh, ...]:
    if not texts:
        return ()
    from crun_py.build import agent

    return tuple(agent.parse(text, os.getcwd()) for text in texts)
