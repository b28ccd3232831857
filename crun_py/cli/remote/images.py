"""Images elsewhere, and as files."""

from __future__ import annotations

import contextlib
import os
import sys

from crun_py import clock, outfile
from crun_py.cli import progress, reach
from crun_py.cli.ask import confirmed
from crun_py.cli.each import each
from crun_py.cli.image import history as local_history
from crun_py.cli.image import images as local_images
from crun_py.cli.image import prune as local_prune
from crun_py.cli.image import rmi as local_rmi
from crun_py.cli.output import write
from crun_py.cli.remote.lists import wrote_as_podman
from crun_py.cli.remote.registries import platform_object
from crun_py.cli.streams import refuse_terminal
from crun_py.errors import CrunpyError, InvalidArgument, NotFound, Unsupported
from crun_py.fields import Fields
from crun_py.model.image import PrunedImages, RemovedPart
from crun_py.oci.reference import parse
from crun_py.remote.client import filters
from crun_py.remote.paths import path
from crun_py.show import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crun_py.documents.rows import ImageRow
    from crun_py.remote.client import Remote
    from crun_py.values import Values

_PIECE = 256 << 10


def images_(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print the table."""
    if values.flag("tree"):
        raise Unsupported("--tree: it is shown of this machine's images alone")
    wanted = values.texts("filter")
    form = values.text("format")
    if form == "json" and wrote_as_podman(remote, "images", {"filters": filters(wanted)}):
        return 0
    found = remote.every("/images/json", {"all": values.flag("all"), "filters": filters(wanted)})
    whole, labels = values.flag("no_trunc"), any(w in form for w in ("Labels", "json"))
    patterns = [text.partition("=")[2] for text in wanted if text.startswith("reference=")]
    rows: list[ImageRow] = []
    for one in (Fields(item, "an image") for item in found):
        tags = [name for name in one.texts("RepoTags") if name != "<none>:<none>"]
        digests = [name for name in one.texts("RepoDigests") if not name.startswith("<none>@")]
        reference = arguments[0] if arguments else None
        for name in images.names_shown([*tags, *digests], reference, patterns):
            rows.append(images.row(
                name, whole=whole, image_id=one.text("Id").removeprefix("sha256:"),
                digest=_digest(digests, name.name if name else ""),
                created=clock.rfc3339(one.number("Created") * 10**9), size=one.number("Size"),
                names=tags, digests=digests, dangling=not tags,
                labels=one.pairs("Labels") if labels else None,
            ))  # fmt: skip
    local_images.tabulate(values, images.ordered(rows, values.text("sort") or "created"))
    return 0


def _digest(digests: list[str], repository: str) -> str:
    """That of the image's manifest in a repository."""
    found = [parse(text) for text in digests]
    of_it = next((r.digest for r in found if r.name == repository and r.digest), "")
    return of_it or next((r.digest for r in found if r.digest), "<none>")


def history(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print the steps, newest first."""
    about = remote.get(path("images", arguments[0], "json"))
    human, whole = values.switch("human") is not False, values.flag("no_trunc")
    rows = []
    for one in remote.every(path("images", arguments[0], "history")):
        step = Fields(one, "a step")
        created = step.number("Created")
        rows.append(images.history_row(
            {
                "created": clock.rfc3339(created * 10**9) if created else "",
                "created_by": step.text("CreatedBy"), "comment": step.text("Comment"),
            },
            step.number("Size"), human=human, whole=whole,
        ))  # fmt: skip
    if rows:
        image_id = about.text("Id")
        rows[0]["ID"] = image_id if whole else image_id.removeprefix("sha256:")[:12]
        rows[0]["Tags"] = about.texts("RepoTags")
    local_history.tabulate(values, rows)
    return 0


def _removed(found: object) -> tuple[RemovedPart, ...]:
    """ImageDelete's items."""
    parts = []
    for one in map(Fields, found if isinstance(found, list) else ()):
        for word in ("Untagged", "Deleted"):
            if what := one.text(word):
                parts.append(RemovedPart(action=word.lower(), what=what))
    return tuple(parts)


def rmi(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print Docker's Untagged: and Deleted: lines."""
    names = arguments
    if values.flag("all"):
        found = remote.every("/images/json", {"all": True})
        names = [Fields(one, "an image").text("Id") for one in found]
    elif not names:
        raise InvalidArgument("removing: no image given", hint="names, or --all")
    query = {
        "force": values.flag("force"), "noprune": values.flag("no_prune"),
        "platforms": [platform_object(text) for text in local_rmi.platforms(values)],
    }  # fmt: skip

    def act(name: str) -> str | None:
        try:
            parts = _removed(remote.call("DELETE", path("images", name), query))
        except NotFound:
            if values.flag("ignore") or values.flag("all") or values.flag("force"):
                return None
            raise
        return "\n".join(f"{part.action.capitalize()}: {part.what}" for part in parts) or None

    return each(names, act, 1)


def image_prune(values: Values, arguments: list[str], remote: Remote) -> int:
    """Ask, remove, and print docker's list and the space won."""
    if not values.flag("force") and not confirmed(local_prune.warning(values)):
        return 0
    local_prune.tell(pruned(remote, values.texts("filter"), everything=values.flag("all")))
    return 0


def pruned(remote: Remote, wanted: Iterable[str], *, everything: bool) -> PrunedImages:
    """Prune images: all without a container, or those without a name alone."""
    given = [*wanted, *(["dangling=false"] if everything else [])]
    found = Fields(remote.call("POST", "/images/prune", {"filters": filters(given)}) or {})
    return PrunedImages(
        parts=_removed(found.value("ImagesDeleted")), freed_bytes=found.number("SpaceReclaimed")
    )


def tag(values: Values, arguments: list[str], remote: Remote) -> int:
    """Give the image further names; prints nothing."""
    for name in arguments[1:]:
        reference = parse(name)
        query = {"repo": reference.name, "tag": reference.tag or "latest"}
        remote.call("POST", path("images", arguments[0], "tag"), query)
    return 0


def untag(values: Values, arguments: list[str], remote: Remote) -> int:
    """Take names from an image, all of them when none is given; the image stays."""
    remote.need_podman("untag")
    place = path("libpod", "images", arguments[0], "untag")
    for name in arguments[1:]:
        reference = parse(name)
        remote.call("POST", place, {"repo": reference.name, "tag": reference.tag or "latest"})
    if not arguments[1:]:
        remote.call("POST", place)
    return 0


def exists(values: Values, arguments: list[str], remote: Remote) -> int:
    """Status 0 when it is in the store, 1 when it is not; prints nothing."""
    return 0 if remote.exists(path("images", arguments[0], "json")) else 1


# ---- archives ----


def received(remote: Remote, place: str, query: dict[str, object], target: str) -> None:
    """Write what a path answers to a file, or standard output for ""."""
    answer = remote.ask("GET", place, query)
    with contextlib.ExitStack() as stack:
        fd = stack.enter_context(outfile.Replaced(target)) if target else 1
        sys.stdout.flush()
        for piece in answer.pieces():
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(fd, rest) :]
    remote.done(answer)


def pieces_of(fd: int) -> Iterator[bytes]:
    """What a descriptor gives, piece by piece."""
    while data := os.read(fd, _PIECE):
        yield data


@contextlib.contextmanager
def opened(name: str) -> Iterator[int]:
    """A file to read, or standard input for "".  Raises CrunpyError."""
    if not name:
        yield 0
        return
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise CrunpyError.from_os(f"reading {name}", e) from e
    try:
        yield fd
    finally:
        os.close(fd)


def save(values: Values, arguments: list[str], remote: Remote) -> int:
    """Write the images."""
    if values.text("format") not in ("", "docker-archive"):
        raise Unsupported(f"--format {values.text('format')}: the service writes docker-archive")
    if values.flag("compress") or values.flag("uncompressed"):
        raise Unsupported("--compress, --uncompressed: Docker's API cannot say it")
    if not values.text("output"):
        refuse_terminal(1, "saving", "-o")
    query: dict[str, object] = {"names": arguments}
    query["platform"] = platform_object(values.text("platform"))
    received(remote, "/images/get", query, values.text("output"))
    return 0


def load(values: Values, arguments: list[str], remote: Remote) -> int:
    """Send the archive; a line for each image."""
    if not values.text("input"):
        refuse_terminal(0, "loading", "-i")
    if os.path.isdir(values.text("input")):
        raise Unsupported("loading a directory: the service takes archives", hint="tar -c")
    progress.kind_of(values)
    query = {"quiet": True, "platform": values.maybe("platform")}
    with opened(values.text("input")) as fd:
        for line in remote.lines("POST", "/images/load", query, pieces_of(fd)):
            if text := line.text("stream").rstrip("\n"):
                write(text)
    return 0


def import_(values: Values, arguments: list[str], remote: Remote) -> int:
    """Import and print the image's id."""
    source, name = arguments[0], arguments[1] if len(arguments) > 1 else ""
    if source == "-" and sys.stdin.isatty():
        raise InvalidArgument("importing: no archive on standard input, which is a terminal")
    is_url = source.startswith(("http://", "https://"))
    reference = parse(name) if name else None
    query = {
        "fromSrc": source if is_url else "-", "message": values.text("message") or None,
        "repo": reference.name if reference else None,
        "tag": (reference.tag or "latest") if reference else None,
        "changes": values.texts("change"), "platform": reach.platform_of(values) or None,
    }  # fmt: skip
    made = ""
    with opened("" if source == "-" or is_url else source) as fd:
        body = None if is_url else pieces_of(fd)
        for line in remote.lines("POST", "/images/create", query, body):
            made = line.text("status") or made
    write(made)
    return 0
