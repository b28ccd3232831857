"""crunpy push."""

from __future__ import annotations

from crun_py import outfile
from crun_py.cli import progress, reach
from crun_py.cli.output import write, write_error, write_warning
from crun_py.engine import exchange, images
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.model.registry import PushChange
from crun_py.oci.reference import parse
from crun_py.oci.transfer import transport
from crun_py.values import destination

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

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
    ("--platform", "value", "Of a manifest list the image for that alone", "PLATFORM"),
    *reach.OPTIONS,
    progress.OPTION,
)


def change_of(values: Values) -> PushChange:
    """What the options want changed on the way."""
    level = values.maybe("compression_level")
    anew = bool(level or values.flag("force_compression"))
    only_plain = bool(values.flag("compress") and not (anew or values.text("compression_format")))
    kind = values.text("compression_format") or ("gzip" if anew or only_plain else "")
    return PushChange(
        compression=kind,
        level=int(level) if level else None,
        format=values.text("format"),
        anew=anew,
        only_plain=only_plain,
    )


def refuse_signing(values: Values) -> None:
    """Raises Unsupported for an option of SIGNING."""
    for option, *_ in SIGNING:
        if values.maybe(destination(option)) is not None:
            raise Unsupported(
                f"pushing with {option}: signing is not supported",
                hint="cosign sign, or skopeo copy --sign-by",
            )


def write_digest(values: Values, digest: str) -> None:
    """--digestfile."""
    if path := values.text("digestfile"):
        outfile.write(path, digest.encode())


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Send the image; prints docker's last line."""
    refuse_signing(values)
    if values.switch("disable_content_trust") is False:
        write_warning("content trust is not supported: nothing is signed")
    if values.flag("all_tags"):
        if len(arguments) > 1:
            raise InvalidArgument("pushing: --all-tags takes a repository and nothing else")
        for name in exchange.tags_of(context, arguments[0]):
            _push(name, name, values, context)
        return 0
    text = arguments[0]
    if len(arguments) == 1:
        where = transport.split(text)
        if isinstance(where, transport.Place):
            raise InvalidArgument(f"pushing {text}: what is to be pushed there?")
        text = where
    _push(text, arguments[-1] if len(arguments) > 1 else text, values, context)
    return 0


def _push(text: str, destination: str, values: Values, context: Context) -> None:
    platform = values.text("platform")
    is_list = not platform and images.is_list(context, text)
    where = transport.split(destination)
    if values.flag("compress") and not (
        isinstance(where, transport.Place) and where.transport == "dir"
    ):
        raise InvalidArgument(f"pushing {destination}: --compress goes with dir: only")
    change, how = change_of(values), reach.of(values)
    exchange.change_of(change)  # refused before anything is said
    kind = progress.kind_of(values)
    reference = parse(where) if isinstance(where, str) else None
    if kind in ("plain", "tty") and not is_list:
        what = f"repository [{reference.name}]" if reference else str(where)
        write_error(f"The push refers to {what}")
    progress.show(context, kind, progress.PUSHED)
    pushed = exchange.push(context, text, destination, change=change, reach=how, platform=platform)
    write_digest(values, pushed.digest)
    if is_list:
        tell_list(kind, destination, pushed.digest)
        return
    progress.result(
        kind, reference=str(reference or where), digest=pushed.digest, size=pushed.size_bytes
    )
    if kind in ("plain", "tty"):
        tag = f"{reference.tag or 'pushed'}: " if reference else ""
        write(f"{tag}digest: {pushed.digest} size: {pushed.size_bytes}")


def tell_list(kind: str, destination: str, digest: str) -> None:
    """The last line of the push of a manifest list."""
    if kind == "json":
        progress.result(kind, reference=destination, digest=digest)
    else:
        write(digest)
