"""Files of containers elsewhere: cp, export, commit."""

from __future__ import annotations

import base64
import os
import stat
import sys

from crun_py import jsonfile, outfile
from crun_py.archive.extract import Extractor
from crun_py.archive.pack import Packer
from crun_py.archive.read import Reader, Stream
from crun_py.cli.output import write, write_error
from crun_py.cli.remote.images import pieces_of, received
from crun_py.cli.streams import refuse_terminal
from crun_py.container import transfer
from crun_py.errors import CrunpyError, InvalidArgument, NotFound, Unsupported, printable
from crun_py.fields import Fields
from crun_py.oci.reference import parse
from crun_py.remote.packing import packed
from crun_py.remote.paths import path
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.remote.client import Remote
    from crun_py.values import Values

_GO_DIRECTORY, _GO_LINK = 1 << 31, 1 << 27
"""os.ModeDir and os.ModeSymlink of Go."""
_LINKS = 40


def cp(values: Values, arguments: list[str], remote: Remote) -> int:
    """Copy; what was copied is told on a terminal only."""
    source, target = map(_place, arguments)
    if values.switch("pause"):
        raise Unsupported("--pause: crunpy pause, and crunpy unpause afterwards")
    if source[0] and target[0]:
        raise Unsupported("copying between containers: by way of this machine, in two commands")
    if not source[0] and not target[0]:
        raise InvalidArgument(
            f"copying {arguments[0]} to {arguments[1]}: one of them must be in a container",
            hint="CONTAINER:PATH; cp copies files on the host",
        )
    if source[0]:
        size = _out(values, remote, source[0], source[1], target[1])
    else:
        size = _in(values, remote, source[1], target[0], target[1])
    if not values.flag("quiet") and target[1] != transfer.STREAM and os.isatty(2):
        write_error(f"Successfully copied {human_size(size)} to {printable(arguments[1])}")
    return 0


def _place(text: str) -> tuple[str, str]:
    """(container or "", path), as docker tells them apart."""
    name, colon, rest = text.partition(":")
    if text.startswith(("/", ".")) or not colon or "/" in name:
        return "", text
    if not name:
        raise InvalidArgument(f"copying {text}: no container named before the colon")
    return name, rest


def _look(remote: Remote, name: str, where: str) -> Fields | None:
    """What is at a path there; None for nothing.  Raises NotFound for no such container."""
    place = path("containers", name, "archive")
    try:
        answer = remote.ask("HEAD", place, {"path": where})
    except NotFound:
        remote.data("GET", path("containers", name, "json"))
        return None
    remote.done(answer)
    text = answer.headers.get("x-docker-container-path-stat", "")
    try:
        return Fields(jsonfile.loads(base64.b64decode(text)))
    except ValueError as e:
        raise CrunpyError(f"copying {name}:{where}: the service does not say what is there") from e


def _archive(remote: Remote, name: str) -> str:
    return path("containers", name, "archive")


def _out(values: Values, remote: Remote, name: str, where: str, target: str) -> int:
    """From a container to a path here, or as an archive to standard output; its bytes."""
    for _ in range(_LINKS):
        found = _look(remote, name, where)
        if found is None:
            raise NotFound(f"copying {name}:{where}: no such file or directory")
        if not values.flag("follow_link") or not found.number("mode") & _GO_LINK:
            break
        where = os.path.join(os.path.dirname(where), found.text("linkTarget"))
    if target == transfer.STREAM:
        refuse_terminal(1, "copying", "a path, not -")
        received(remote, _archive(remote, name), {"path": where}, "")
        return 0
    assert found is not None
    contents = where.rstrip("/").rpartition("/")[2] in ("", ".")
    about: transfer.Announced = {
        "directory": bool(found.number("mode") & _GO_DIRECTORY), "contents": contents,
        "name": found.text("name"),
    }  # fmt: skip
    place = transfer.Place(None, target)
    how = transfer.How(archive=values.flag("archive"), overwrite=values.flag("overwrite"))
    to = transfer.Target(place, -1)
    try:
        base = to.name_for(about, overwrite=how.overwrite)
        answer = remote.ask("GET", _archive(remote, name), {"path": where})
        extractor = Extractor(to.fd, transfer.rules(place, -1, how, archive=how.archive))
        reader = Reader(Stream(answer.pieces(), "the archive").read, "the archive")
        extractor.extract(reader, base, without_top=not contents)
        remote.done(answer)
        return extractor.size
    finally:
        os.close(to.fd)


def _in(values: Values, remote: Remote, source: str, name: str, where: str) -> int:
    """From a path here, or an archive on standard input, to a container; its bytes."""
    query: dict[str, object] = {
        "noOverwriteDirNonDir": not values.flag("overwrite"),
        "copyUIDGID": values.flag("archive") or None,
    }
    if source == transfer.STREAM:
        remote.data("PUT", _archive(remote, name), {**query, "path": where}, pieces_of(0))
        return 0
    last = source.rstrip("/").rpartition("/")[2]
    contents = last in ("", ".")
    follow = values.flag("follow_link") or contents or last == ".." or source.endswith("/")
    try:
        fd = os.open(source, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    except OSError as e:
        raise NotFound.from_os(f"copying {source}", e) from e
    try:
        directory = stat.S_ISDIR(os.fstat(fd).st_mode)
        if source.endswith("/") and not directory:
            raise InvalidArgument(f"copying {source}: not a directory")
        name_here = os.path.basename(os.path.realpath(source))
        parent, top = _destination(remote, name, where, name_here,
                                   directory=directory, contents=contents)  # fmt: skip
        sizes = []

        def pack(put: Callable[[bytes], object]) -> None:
            packer = Packer(put)
            packer.add_open(fd, top)
            packer.finish()
            sizes.append(packer.size)

        remote.data("PUT", _archive(remote, name), {**query, "path": parent}, packed(pack))
        return sizes[0] if sizes else 0
    finally:
        os.close(fd)


def _destination(
    remote: Remote, name: str, where: str, own: str, *, directory: bool, contents: bool
) -> tuple[str, str]:
    """The directory there, and what the thing is called in it (docker cp(1)).

    Raises NotFound, InvalidArgument."""
    where = where or "/"
    found = _look(remote, name, where)
    for _ in range(_LINKS):
        if found is None or not found.number("mode") & _GO_LINK:
            break
        where = os.path.join(os.path.dirname(where.rstrip("/")), found.text("linkTarget"))
        found = _look(remote, name, where)
    if found is not None and found.number("mode") & _GO_DIRECTORY:
        return where, "." if directory and contents else own
    if where.endswith("/") and not directory:
        kind = NotFound if found is None else InvalidArgument
        raise kind(f"copying to {name}:{where}: no such directory")
    parent, _, last = where.rstrip("/").rpartition("/")
    if found is None and _look(remote, name, parent or "/") is None:
        raise NotFound(f"copying to {name}:{where}: no such directory: {parent}")
    return parent or "/", last


def export(values: Values, arguments: list[str], remote: Remote) -> int:
    """Write the archive."""
    if not values.text("output"):
        refuse_terminal(1, "exporting", "-o")
    received(remote, path("containers", arguments[0], "export"), {}, values.text("output"))
    return 0


def commit(values: Values, arguments: list[str], remote: Remote) -> int:
    """Commit and print the image's id."""
    if values.flag("squash") or values.flag("include_volumes"):
        raise Unsupported("--squash, --include-volumes: Docker's API cannot say it")
    if values.text("format") == "docker":
        raise Unsupported("--format docker: Docker's API cannot say it")
    reference = parse(arguments[1]) if len(arguments) > 1 else None
    made = remote.call("POST", "/commit", {
        "container": arguments[0], "repo": reference.name if reference else None,
        "tag": (reference.tag or "latest") if reference else None,
        "author": values.text("author") or None, "comment": values.text("message") or None,
        "changes": values.texts("change"), "pause": values.switch("pause"),
    }, {})  # fmt: skip
    image_id = Fields(made).text("Id")
    if not image_id:
        raise CrunpyError("committing: the service tells no id")
    if values.text("iidfile"):
        outfile.write(values.text("iidfile"), image_id.encode())
    sys.stdout.flush()
    write(image_id)
    return 0
