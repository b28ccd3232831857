"""The options of `crunpy build` as what the engine is asked for."""

from __future__ import annotations

import os

from crun_py import quantity
from crun_py.errors import InvalidArgument
from crun_py.model.container import CreateRequest
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.build.request import BuildRequest

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


def requests(values: dict[str, Any]) -> list[BuildRequest]:
    """What the options ask for, once for each platform.  Raises InvalidArgument."""
    from crun_py.build.layer import Times
    from crun_py.build.request import BuildRequest
    from crun_py.oci.reference import parse

    platforms = [p for text in values["platform"] for p in text.split(",")]
    chosen = [None if p == "local" else p for p in platforms] or [None]
    found = [_platform(values, p) for p in chosen]
    stamp = values["timestamp"]
    arguments = _build_args(values)
    epoch = values["source_date_epoch"] or os.environ.get("SOURCE_DATE_EPOCH")
    epoch = epoch or arguments.get("SOURCE_DATE_EPOCH")
    if epoch:
        quantity.whole(epoch, "SOURCE_DATE_EPOCH")
    times = Times(
        set=int(stamp) if stamp is not None else -1,
        latest=int(epoch) if epoch and stamp is None else -1,
    )
    network = values["network"] or ""
    ttl = values["cache_ttl"]
    one = values["squash"] or values["layers"] is False  # podman-build(1), --layers
    names = tuple(str(parse(name.removeprefix("="))) for name in values["tag"])
    request = BuildRequest(
        names=names if len(found) == 1 else (),
        build_args=tuple(arguments.items()),
        target=values["target"] or "",
        platform=found[0],
        cache=not values["no_cache"] and values["layers"] is not False and not _is_zero(ttl),
        uncached_stages=tuple(s.lower() for t in values["no_cache_filter"] for s in t.split(",")),
        keep=values["layers"] is not False,
        all_stages=values["skip_unused_stages"] is False,
        labels=tuple(_labels(values["label"]).items()),
        annotations=tuple(_annotations(values["annotation"]).items()),
        inherit_labels=values["inherit_labels"] is not False,
        env=tuple(_variables(values["env"]).items()),
        unset_env=tuple(values["unsetenv"]),
        network="" if network in ("default", "private") else network,
        container=_container(values),
        secrets=_secrets(values["secret"]),
        agents=_agents(values["ssh"]),
        form=values["format"] or "oci",
        times=times,
        created=max(times.set, times.latest),
        squash="all" if values["squash_all"] else "new" if one else "",
        proxies=_proxies() if values["http_proxy"] else (),
        insecure="security.insecure" in values["allow"],
        jobs=1 if values["debug_on_failure"] else int(values["jobs"] or 0),
        older_s=_age(ttl),
        base=values["from"] or "",
    )  # fmt: skip
    return [replaced(request, platform=platform) for platform in found]


def _container(values: dict[str, Any]) -> CreateRequest:
    """What RUN's containers are like.  Raises InvalidArgument for what none could be."""
    given = {name: values[name] for name in _LIMITS if values[name]}
    if not given:
        return CreateRequest()
    from crun_py.cli import fast
    from crun_py.cli.container import create, create_request
    from crun_py.container import create as engine

    absent: dict[str, Any] = {
        fast.destination(names): [] if kind == "list" else None
        for names, kind, *_ in create.OPTIONS
    }
    request = create_request.request({**absent, **given}, ["build"])
    engine.check(request)
    return request


def _platform(values: dict[str, Any], platform: str | None) -> str:
    """The platform that the options ask for, "" for this host's."""
    if not any((platform, values["os"], values["arch"], values["variant"])):
        return ""
    from crun_py.cli import reach

    return reach.platform_of({**values, "platform": platform})


def contexts(values: dict[str, Any], directory: str) -> dict[str, str]:
    """--build-context by name in small letters; relative paths begin in `directory`."""
    found = _pairs(values["build_context"], "build-context")
    return {
        name.lower(): where if "://" in where or where.startswith("git@")
        else os.path.join(directory, where)
        for name, where in found.items()
    }  # fmt: skip


def _proxies() -> tuple[tuple[str, str], ...]:
    from crun_py.build.stages import PROXY_NAMES

    return tuple((name, os.environ[name]) for name in PROXY_NAMES if name in os.environ)


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
