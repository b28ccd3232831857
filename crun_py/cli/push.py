"""crunpy push."""

from __future__ import annotations

from crun_py import outfile
from crun_py.cli import progress, reach
from crun_py.cli.output import write, write_error, write_warning
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument, NotFound, Unsupported
from crun_py.oci import transport
from crun_py.oci.image import Image
from crun_py.oci.reference import parse
from crun_py.oci.store import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.oci.push import Change

ARGUMENTS = "IMAGE [DESTINATION]"
CHANGES = (
    (
        "--compression-format",
        "value",
        "gzip or zstd for all layers (as they are)",
        "FORMAT",
    ),
    ("--compression-level", "value", "Compress all layers anew: 1-9 for gzip, 1-22 for zstd", "N"),
    ("--force-compression", "flag", "Compress all layers anew, as gzip unless told else", ""),
    ("-f --format", "value", "Manifest format: oci or docker (as it is)", "FORMAT"),
    ("--digestfile", "value", "Write the manifest's digest to a file", "FILE"),
    ("--remove-signatures", "flag", "Always so: signatures are not pushed", ""),
)
SIGNING = tuple(
    (option, "value", "Refused: nothing is signed", "KEY")
    for option in ("--sign-by", "--sign-by-sigstore-private-key", "--sign-passphrase-file")
)
OPTIONS = (
    ("-a --all-tags", "flag", "All tags of the repository", ""),
    ("-q --quiet", "flag", "No progress", ""),
    ("--disable-content-trust", "switch", "Always so: nothing is signed", ""),
    ("--compress", "flag", "Compress layers that are not (to dir: only)", ""),
    *CHANGES,
    *SIGNING,
    *reach.OPTIONS,
    progress.OPTION,
)


def change_of(values: dict[str, Any]) -> Change:
    """What the options want changed on the way.  Raises InvalidArgument."""
    from crun_py.oci.push import Change

    level = values["compression_level"]
    anew = bool(level or values["force_compression"])
    only_plain = bool(values["compress"] and not (anew or values["compression_format"]))
    kind = values["compression_format"] or ("gzip" if anew or only_plain else "")
    number = int(level) if level else None
    return Change(kind, number, values["format"] or "", anew=anew, only_plain=only_plain)


def refuse_signing(values: dict[str, Any]) -> None:
    """Raises Unsupported for an option of SIGNING."""
    for option, *_ in SIGNING:
        if values[option[2:].replace("-", "_")] is not None:
            raise Unsupported(
                f"pushing with {option}: signing is not supported",
                hint="cosign sign, or skopeo copy --sign-by",
            )


def write_digest(values: dict[str, Any], digest: str) -> None:
    """--digestfile."""
    if path := values["digestfile"]:
        outfile.write(path, digest.encode())


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Send the image; prints docker's last line."""
    refuse_signing(values)
    change = change_of(values)
    if values["disable_content_trust"] is False:
        write_warning("content trust is not supported: nothing is signed")
    store = ImageStore(context.paths)
    if values["all_tags"]:
        if len(arguments) > 1 or ":" in arguments[0].rpartition("/")[2]:
            raise InvalidArgument("pushing: --all-tags takes a repository and nothing else")
        for name in _tags_of(store, arguments[0]):
            _push(name, name, values, change, context)
        return 0
    if len(arguments) == 1:
        where = transport.split(arguments[0])
        if isinstance(where, transport.Place):
            raise InvalidArgument(f"pushing {arguments[0]}: what is to be pushed there?")
        _push(where, where, values, change, context)
    else:
        _push(arguments[0], arguments[1], values, change, context)
    return 0


def _tags_of(store: ImageStore, repository: str) -> list[str]:
    name = parse(repository).name
    every = [n for i in store.everything() for n in i.names]
    found = [n for n in every if parse(n).name == name and parse(n).tag]
    if not found:
        raise NotFound(f"no such image: {repository}: it has no tags here")
    return found


def _push(
    text: str, destination: str, values: dict[str, Any], change: Change, context: Context
) -> None:
    from crun_py.oci import push

    image = ImageStore(context.paths).find_any(text)
    where = transport.split(destination)
    if values["compress"] and not (isinstance(where, transport.Place) and where.transport == "dir"):
        raise InvalidArgument(f"pushing {destination}: --compress goes with dir: only")
    if not isinstance(image, Image):
        from crun_py.cli import manifest_push

        whole = {**values, "all": True, "purge": False}
        manifest_push.main(whole, [text, destination], context)
        return
    kind = progress.kind_of(values)
    reference = parse(where) if isinstance(where, str) else None
    if kind in ("plain", "tty"):
        what = f"repository [{reference.name}]" if reference else str(where)
        write_error(f"The push refers to {what}")
    with progress.display(kind, progress.PUSHED) as report:
        digest, size = push.push(
            context.paths,
            image,
            destination,
            access=reach.access(values),
            change=change,
            progress=report,
        )
    write_digest(values, digest)
    progress.result(kind, reference=str(reference or where), digest=digest, size=size)
    if kind in ("plain", "tty"):
        tag = f"{reference.tag or 'pushed'}: " if reference else ""
        write(f"{tag}digest: {digest} size: {size}")
