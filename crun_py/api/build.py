"""/build, as docker's classic builder answers it."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
from typing import TYPE_CHECKING

from crun_py.api import archives
from crun_py.api.http import Exchange, HttpError
from crun_py.api.lines import Lines
from crun_py.build.request import BuildEvent, Built
from crun_py.fields import Fields
from crun_py.library import build_options
from crun_py.library.values import expect
from crun_py.model.container import Limits, Ulimit
from crun_py.oci.reference import parse
from crun_py.record import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.aio import Engine
    from crun_py.api.routes import Routes
    from crun_py.build.request import BuildJob
    from crun_py.library.build_options import BuildOptions
    from crun_py.library.create_options import CreateOptions


def register(routes: Routes) -> None:
    """Add what is here."""
    routes.add("POST", "/build", build)


def job(exchange: Exchange) -> BuildJob:
    """What ImageBuild asks for.  Raises InvalidArgument, HttpError."""
    if exchange.query.get("version") == "2" or exchange.query.get("session"):
        raise HttpError(501, "BuildKit sessions are not served: DOCKER_BUILDKIT=0 does without")
    given: BuildOptions = {
        "tags": [value for key, value in exchange.queries if key == "t"],
        "build_args": _texts(exchange, "buildargs"),
        "labels": _texts(exchange, "labels"),
        "target": exchange.query.get("target", ""),
        "platform": exchange.query.get("platform", "").strip("/"),
        "cache": not exchange.flag("nocache"),
        "pull": "always" if exchange.flag("pull") else "missing",
        "network": _network(exchange),
        "squash": exchange.flag("squash"),
        "limits": Limits(
            memory_bytes=exchange.number("memory") or None,
            memory_swap_bytes=exchange.number("memswap") or None,
            cpu_shares=exchange.number("cpushares") or None,
            cpu_period_us=exchange.number("cpuperiod") or None,
            cpu_quota_us=exchange.number("cpuquota") or None,
            cpuset_cpus=exchange.query.get("cpusetcpus", ""),
            cpuset_mems=exchange.query.get("cpusetmems", ""),
        ),
    }
    if of_run := _of_run(exchange):
        given["containers"] = of_run
    made = build_options.job("/", given)
    return replaced(made, directory="-", dockerfile=_dockerfile(exchange))


def _of_run(exchange: Exchange) -> CreateOptions:
    """What the containers of RUN are like.  Raises HttpError."""
    given: CreateOptions = {}
    if hosts := [v for v in exchange.query.get("extrahosts", "").split(",") if v]:
        given["extra_hosts"] = dict(text.partition(":")[::2] for text in hosts)
    if size := exchange.number("shmsize"):
        given["shm_size"] = size
    if parent := exchange.query.get("cgroupparent"):
        given["cgroup_parent"] = parent
    try:
        limits = json.loads(exchange.query.get("ulimits") or "[]") or []
        found = [Fields(one, "ulimits.") for one in limits]
    except (ValueError, TypeError, RecursionError):
        raise HttpError(400, "ulimits is not a JSON list") from None
    if found:
        given["ulimits"] = [
            Ulimit(one.text("Name"), one.number("Soft"), one.number("Hard")) for one in found
        ]
    return given


def _network(exchange: Exchange) -> str:
    """podman's clients say a number, buildah's NetworkConfigurationPolicy."""
    mode = exchange.query.get("networkmode", "")
    return {"0": "", "1": "none", "2": ""}.get(mode, mode)


def _dockerfile(exchange: Exchange) -> str:
    """Its name in the context; podman's clients say it as a list of one.  Raises HttpError."""
    text = exchange.query.get("dockerfile", "")
    if not text.startswith("["):
        return text
    try:
        (found,) = json.loads(text)
    except (ValueError, TypeError):
        raise HttpError(400, "dockerfile is not one name") from None
    return str(found)


def _texts(exchange: Exchange, name: str) -> dict[str, str]:
    """An object of texts in the query, those that are null left out.  Raises HttpError."""
    try:
        found = json.loads(exchange.query.get(name) or "{}")
        values = {key: value for key, value in found.items() if value is not None}
    except (ValueError, AttributeError, RecursionError):
        raise HttpError(400, f"{name} is not a JSON object") from None
    if not all(isinstance(value, str) for value in values.values()):
        raise HttpError(400, f"{name} is not a JSON object of texts")
    return values


def _text(event: BuildEvent) -> str:
    """What docker's classic builder says."""
    return {
        "step": f"Step {event.number}/{event.total} : {event.text}\n",
        "cached": " ---> Using cache\n",
        "container": f" ---> Running in {event.text[:12]}\n",
        "output": event.data.decode(errors="replace"),
        "done": f" ---> {event.text}\n",
        "warning": f"[Warning] {event.text}\n",
    }.get(event.kind, "")


async def build(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageBuild: the context is the body, or what `remote` names."""
    with _known_registries(exchange) as authfile:
        await _build(engine, exchange, job(exchange), authfile)


@contextlib.contextmanager
def _known_registries(exchange: Exchange) -> Iterator[str]:
    """A file of ours with the credentials of X-Registry-Config (base64url of JSON: registries and
    their users), "" without any.  Raises HttpError."""
    text = exchange.headers.get("x-registry-config", "")
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) or "{}") or {}
        users = {
            host: f"{one['username']}:{one['password']}"
            for host, one in found.items()
            if one.get("username")
        }
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise HttpError(400, "X-Registry-Config is not base64 of a JSON object") from None
    if not users:
        yield ""
        return
    auths = {host: {"auth": base64.b64encode(user.encode()).decode()}
             for host, user in users.items()}  # fmt: skip
    with tempfile.NamedTemporaryFile("w", prefix="crunpy-auth-", suffix=".json") as file:
        json.dump({"auths": auths}, file)
        file.flush()
        yield file.name


async def _build(engine: Engine, exchange: Exchange, asked: BuildJob, authfile: str) -> None:
    if authfile:
        access = replaced(asked.pull.access, authfile=authfile)
        asked = replaced(asked, pull=replaced(asked.pull, access=access))
    quiet = exchange.flag("q")
    lines = Lines(exchange)

    def told(event: object) -> None:
        if isinstance(event, BuildEvent) and not quiet and (text := _text(event)):
            lines.put({"stream": text})

    async with lines.telling():
        if remote := exchange.query.get("remote"):
            found = [await engine._worker.call(
                "build.build", replaced(asked, directory=remote), on_event=told
            )]  # fmt: skip
        else:
            found = await archives.received(
                engine, exchange, "build.streamed", asked, on_event=told
            )
        done = expect(Built, found[-1])
        if exchange.path.startswith("/libpod/"):
            lines.put({"stream": done.id.removeprefix("sha256:") + "\n"})
            return
        lines.put({"aux": {"ID": done.id}})
        if quiet:
            lines.put({"stream": done.id + "\n"})
        else:
            lines.put({"stream": f"Successfully built {done.id[7:19]}\n"})
        for name in () if quiet else done.names:
            lines.put({"stream": f"Successfully tagged {parse(name).familiar}\n"})
