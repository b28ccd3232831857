"""crunpy pull, and the pull that run and create may begin with."""

from __future__ import annotations

from crun_py.cli import progress, reach
from crun_py.cli.output import write, write_error, write_warning
from crun_py.engine.context import Context
from crun_py.errors import ImageError, InvalidArgument, NotFound, RegistryError
from crun_py.oci import transport
from crun_py.oci.reference import parse
from crun_py.oci.store import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.oci.image import Image

ARGUMENTS = "IMAGE..."
PLATFORM = (
    ("--platform", "value", "OS/ARCH[/VARIANT] to choose", "PLATFORM"),
    ("--arch", "value", "Architecture to choose", "ARCH"),
    ("--os", "value", "Operating system to choose", "OS"),
    ("--variant", "value", "Variant of the architecture to choose", "VARIANT"),
)
OPTIONS = (
    ("-a --all-tags", "flag", "All tags of the repository", ""),
    ("-q --quiet", "flag", "No progress; print the id alone", ""),
    ("--policy --pull", "value", "always, missing, newer or never (always)", "POLICY"),
    ("--disable-content-trust", "switch", "Always so: digests are verified, not signatures", ""),
    *PLATFORM,
    *reach.OPTIONS,
    progress.OPTION,
)
POLICIES = ("missing", "always", "never", "newer")


def platform_of(values: dict[str, Any]) -> str | None:
    """The platform that the options ask for.  Raises InvalidArgument."""
    from crun_py.oci.manifest import host_platform

    parts = [values.get(key) for key in ("os", "arch", "variant")]
    whole: str | None = values.get("platform")
    if not any(parts):
        return whole
    if whole:
        raise InvalidArgument("choosing a platform: --platform excludes --arch, --os, --variant")
    own = host_platform().split("/")
    given = [parts[0] or own[0], parts[1] or own[1], parts[2] or ""]
    return "/".join(part for part in given if part)


def checked(policy: str) -> str:
    """`policy`, one of POLICIES.  Raises InvalidArgument."""
    if policy not in POLICIES:
        raise InvalidArgument(f"pull policy {policy!r}: not known", hint=", ".join(POLICIES))
    return policy


def obtain(
    context: Context, text: str, values: dict[str, Any], policy: str, *, announce: bool = False
) -> Image:
    """The image `text` by `policy`, one of POLICIES: from the store or pulled.

    announce: say that it is not here before it is pulled.  Raises NotFound (policy never),
    RegistryError and the other errors of a pull.
    """
    checked(policy)
    platform = platform_of(values)
    where = transport.split(text)
    there = None
    if isinstance(where, str):
        there = _in_store(ImageStore(context.paths), where, platform, policy)
        if there is not None and platform and not fits(there, platform):
            there = None
    if there is not None and policy in ("missing", "never"):
        return there
    if policy == "never":
        raise NotFound(
            f"finding image {text}: not in this store", hint=f"--pull never: crunpy pull {text}"
        )
    if announce and there is None and isinstance(where, str) and not values.get("quiet"):
        write_error(f"Unable to find image '{parse(where).familiar}' locally")
    try:
        return _fetch(context, text, values, platform)
    except RegistryError:
        if policy != "newer" or there is None:
            raise
        return there


def _in_store(store: ImageStore, text: str, platform: str | None, policy: str) -> Image | None:
    """What the store has as `text`.  A list without the platform is an error, unless a
    registry is to be asked anyway."""
    try:
        return store.lookup(text, platform or "")
    except ImageError:
        if policy in ("missing", "never"):
            raise
        return None


def fits(image: Image, platform: str) -> bool:
    """Whether `image` is for `platform` (OS/ARCH[/VARIANT])."""
    from crun_py.oci.manifest import split_platform

    wanted = split_platform(platform)
    found = tuple(image.config.get(key) or "" for key in ("os", "architecture", "variant"))
    return found[:2] == wanted[:2] and (not wanted[2] or found[2] in ("", wanted[2]))


def _fetch(context: Context, text: str, values: dict[str, Any], platform: str | None) -> Image:
    from crun_py.oci import pull

    access = reach.access(values)
    with progress.display(progress.kind_of(values), progress.PULLED) as report:
        return pull.pull(context.paths, text, platform=platform, access=access, progress=report)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Pull each image; prints docker's last lines, or the id with -q."""
    kind = progress.kind_of(values)
    policy = checked(values["policy"] or "always")
    if values["disable_content_trust"] is False:
        write_warning("content trust is not supported: no signature is verified")
    context.enter()
    for text in arguments:
        texts = [text]
        if values["all_tags"]:
            texts = _all_tags(text, values)
        for one in texts:
            _pull(context, one, values, kind, policy)
    return 0


def _all_tags(text: str, values: dict[str, Any]) -> list[str]:
    from crun_py.oci import pull

    where = transport.split(text)
    if isinstance(where, transport.Place):
        return [text]
    if "@" in where or ":" in where.rpartition("/")[2]:
        raise InvalidArgument(f"pulling {text}: --all-tags excludes a tag")
    return pull.all_tags(text, reach.access(values))


def _pull(context: Context, text: str, values: dict[str, Any], kind: str, policy: str) -> None:
    where = transport.split(text)
    reference = parse(where) if isinstance(where, str) else None
    if policy != "never" and kind in ("plain", "tty"):
        tag = f"{reference.tag or reference.digest}: " if reference else ""
        write_error(f"{tag}Pulling from {reference.repository if reference else where}")
    before = ImageStore(context.paths).lookup(str(reference)) if reference else None
    image = obtain(context, text, values, policy)
    if values["quiet"] or (reference is None and kind != "json"):
        write("sha256:" + image.id)
        return
    digest = image.source or image.digest
    if kind == "json":
        progress.result(kind, reference=text, digest=digest, image="sha256:" + image.id)
        return
    assert reference is not None
    write(f"Digest: {digest}")
    same = before is not None and before.digest == image.digest
    what = "Image is up to date for" if same else "Downloaded newer image for"
    write(f"Status: {what} {reference.familiar}")
    write(str(reference))
