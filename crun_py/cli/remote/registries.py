"""Images elsewhere, to and from registries: pull, push, search, login."""

from __future__ import annotations

import base64
import itertools

from crun_py import jsonfile
from crun_py.cli import progress, reach
from crun_py.cli.image import login as local_login
from crun_py.cli.image import push as local_push
from crun_py.cli.image import search as local_search
from crun_py.cli.output import write, write_error, write_warning
from crun_py.engine import registries
from crun_py.engine.pull import checked
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.fields import Fields
from crun_py.model.registry import Progress, SearchResult
from crun_py.oci.manifest import split_platform
from crun_py.oci.reference import parse
from crun_py.oci.registry import auth
from crun_py.oci.registry import login as keeping
from crun_py.oci.transfer import transport
from crun_py.remote.client import filters
from crun_py.remote.paths import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.oci.reference import Reference
    from crun_py.remote.client import Remote
    from crun_py.values import Values

_PHASES = {
    "Already exists": "exists", "Downloading": "downloading", "Extracting": "extracting",
    "Pull complete": "done", "Preparing": "preparing", "Layer already exists": "exists",
    "Pushing": "uploading", "Pushed": "done",
}  # fmt: skip
"""docker's words for a layer, and ours."""


def platform(values: Values) -> str:
    """The platform that options ask for, "" for the service's own."""
    return reach.platform_of(values)


def refuse_reach(values: Values) -> None:
    """Raises Unsupported for options that say how a registry is reached: the service does that."""
    for option, given in (
        ("--tls-verify", values.switch("tls_verify")), ("--cert-dir", values.maybe("cert_dir")),
        ("--retry", values.maybe("retry")), ("--retry-delay", values.maybe("retry_delay")),
    ):  # fmt: skip
        if given is not None:
            raise Unsupported(f"{option}: the service asks the registry, as it is set up")


def _login(reference: Reference, values: Values) -> dict[str, str]:
    """The header with the credentials that we have for a registry."""
    if creds := values.text("creds"):
        user, _, password = creds.partition(":")
        found: auth.Credentials | None = auth.Credentials(user, password)
    else:
        authfile = values.maybe("authfile")
        found = auth.find(reference.registry, reference.repository, authfile)
    if found is None:
        return {}
    address = auth.server_url(reference.registry)
    return {"X-Registry-Auth": _encoded({**_as_docker(found), "serveraddress": address})}


def logins() -> dict[str, str]:
    """The header with all credentials that we have, for builds."""
    found = {key: _as_docker(one) for key, one in auth.kept().items()}
    return {"X-Registry-Config": _encoded(found)} if found else {}


def _as_docker(found: auth.Credentials) -> dict[str, str]:
    if found.token:
        return {"identitytoken": found.token}
    return {"username": found.user, "password": found.password}


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(jsonfile.dumps(value).encode()).decode()


def _of_registry(text: str, doing: str) -> Reference:
    """Raises Unsupported for a place that is none in a registry."""
    where = transport.split(text)
    if isinstance(where, transport.Place):
        raise Unsupported(f"{doing} {text}: the service takes images of registries",
                          hint="crunpy load, crunpy save")  # fmt: skip
    return parse(where)


def _layers(lines: Iterator[Fields], report: Callable[[Progress], None] | None) -> Iterator[Fields]:
    """Report what lines tell of layers, and give the others."""
    for line in lines:
        status, name = line.text("status"), line.text("id")
        phase = _PHASES.get(status, "")
        if status.startswith("Mounted from "):
            phase = "mounted " + status.removeprefix("Mounted from ")
        if name and phase:
            if report:
                detail = line.inner("progressDetail")
                current, total = detail.number("current"), detail.number("total")
                digest = name if ":" in name else f"sha256:{name}"
                report(Progress(phase=phase, digest=digest, current=current, total=total))
        elif not name or status.startswith("Pulling from "):
            yield line


def obtain(values: Values, remote: Remote, name: str) -> None:
    """Let the service pull an image, with progress on standard error as a pull here has it."""
    refuse_reach(values)
    kind = "none" if values.flag("quiet") else progress.kind_of(values)
    _, lines = _pulled(values, remote, _of_registry(name, "pulling"), kind)
    for line in lines[-1:] if kind in ("plain", "tty") else ():
        write_error(line.text("status"))


def _pulled(
    values: Values, remote: Remote, reference: Reference, kind: str
) -> tuple[str, list[Fields]]:
    """Pull; the digest, and the lines that are about the image as a whole."""
    query = {
        "fromImage": reference.name, "tag": reference.tag or reference.digest or "latest",
        "platform": platform(values) or None,
    }  # fmt: skip
    kept = []
    answer = remote.lines("POST", "/images/create", query, headers=_login(reference, values))
    first = next(answer, None)  # or it is refused, before anything is shown
    lines = itertools.chain([first] if first else [], answer)
    with progress.display(kind, progress.PULLED) as report:
        for line in _layers(lines, report):
            status = line.text("status")
            if status.startswith("Pulling from ") and kind in ("plain", "tty"):
                write_error(f"{line.text('id')}: {status}")
            elif not line.text("id"):
                kept.append(line)
    digest = next((text.removeprefix("Digest: ") for line in kept
                   if (text := line.text("status")).startswith("Digest: ")), "")  # fmt: skip
    return digest, kept


def pull(values: Values, arguments: list[str], remote: Remote) -> int:
    """Pull each image; prints docker's last lines, or the id with -q."""
    kind = progress.kind_of(values)
    policy = checked(values.text("policy") or "always")
    refuse_reach(values)
    if values.switch("disable_content_trust") is False:
        write_warning("content trust is not supported: no signature is verified")
    if values.flag("all_tags"):
        raise Unsupported("--all-tags: by their names, one after the other")
    for text in arguments:
        reference = _of_registry(text, "pulling")
        there = policy in ("missing", "never") and remote.exists(path("images", text, "json"))
        if policy == "never" and not there:
            raise InvalidArgument(f"image {text}: it is not there, and --policy never is said")
        digest, lines = ("", []) if there else _pulled(values, remote, reference, kind)
        if values.flag("quiet") or kind == "json" or there:
            image_id = remote.get(path("images", str(reference), "json")).text("Id")
            if kind == "json":
                progress.result(kind, reference=text, digest=digest, image=image_id)
            else:
                write(image_id)
            continue
        for line in lines:
            write(line.text("status"))
        write(str(reference))
    return 0


def push(values: Values, arguments: list[str], remote: Remote) -> int:
    """Send the image; prints docker's last line."""
    local_push.refuse_signing(values)
    refuse_reach(values)
    change = local_push.change_of(values)
    if change != type(change)() or values.flag("compress"):
        raise Unsupported("pushing: the service sends layers as they are")
    if len(arguments) > 1:
        raise Unsupported("pushing under another name: crunpy tag, and that name",
                          hint="crunpy tag")  # fmt: skip
    if values.switch("disable_content_trust") is False:
        write_warning("content trust is not supported: nothing is signed")
    kind = progress.kind_of(values)
    reference = _of_registry(arguments[0], "pushing")
    query = {
        "tag": None if values.flag("all_tags") else reference.tag,
        "platform": platform_object(values.text("platform")),
    }
    place = path("images", reference.name, "push")
    digest, size = "", 0
    answer = remote.lines("POST", place, query, headers=_login(reference, values) or _NOBODY)
    with progress.display(kind, progress.PUSHED) as report:
        for line in _layers(answer, report):
            if line.has("aux"):
                digest, size = line.inner("aux").text("Digest"), line.inner("aux").number("Size")
            elif kind in ("plain", "tty") and (status := line.text("status")):
                (write if ": digest: " in status else write_error)(status)
    local_push.write_digest(values, digest)
    progress.result(kind, reference=str(reference), digest=digest, size=size)
    return 0


_NOBODY = {"X-Registry-Auth": base64.urlsafe_b64encode(b"{}").decode()}
"""dockerd wants the field, also where nobody is logged in."""


def platform_object(text: str) -> str | None:
    """A platform as the API takes it since version 1.46, JSON; None for "".  Raises
    InvalidArgument."""
    if not text:
        return None
    system, architecture, variant = split_platform(text)
    found = {"os": system, "architecture": architecture, "variant": variant}
    return jsonfile.dumps({key: value for key, value in found.items() if value})


def search(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print what is found."""
    refuse_reach(values)
    if values.flag("list_tags"):
        raise Unsupported("--list-tags: Docker's API cannot say it")
    found = remote.every("/images/search", {
        "term": arguments[0], "limit": int(values.text("limit") or 25),
        "filters": filters(local_search.wanted(values)),
    })  # fmt: skip
    results = [Fields(one, "a result") for one in found]
    local_search.tabulate(values, [
        SearchResult(
            index="docker.io", name=one.text("name"), description=one.text("description"),
            stars=one.number("star_count"), official=one.flag("is_official"),
            automated=one.flag("is_automated"),
        )
        for one in results
    ])  # fmt: skip
    return 0


def login(values: Values, arguments: list[str], remote: Remote) -> int:
    """Let the service try the credentials, and keep them here."""
    registry = arguments[0] if arguments else ""
    host = registries.host_of(registry)
    authfile = values.maybe("authfile")
    if values.flag("get_login"):
        write(keeping.user_of(host, "", authfile))
        return 0
    if values.switch("tls_verify") is not None or values.maybe("cert_dir"):
        raise Unsupported("--tls-verify, --cert-dir: it is the service that asks the registry")
    user, password = local_login.ask(values, host)
    about = {"username": user, "password": password, "serveraddress": auth.server_url(host)}
    found = Fields(remote.call("POST", "/auth", None, {**about}) or {})
    token = found.text("IdentityToken")
    keeping.save(host, "", auth.Credentials(user, token or password), authfile)
    if values.flag("verbose"):
        write_error(f"Used: {authfile or auth.files()[0]}")
    write("Login Succeeded!")
    return 0
