"""Images that are needed: from the store, or pulled as the policy says."""

from __future__ import annotations

from crun_py.errors import ImageError, InvalidArgument, NotFound, RegistryError
from crun_py.model.registry import Missing, PullRequest
from crun_py.oci.reference import has_transport, parse
from crun_py.oci.store.images import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.model.image import ImageSummary
    from crun_py.oci.store.image import Image

CALLS = ("pull",)
POLICIES = ("missing", "always", "never", "newer")


def needed(context: Context, name: str, request: PullRequest) -> Image:
    """The image `name` for a container, pulled first if the policy says so; a single image of a
    list becomes one of its own.  Raises as `obtain`."""
    if request.policy == "missing" and not request.platform and not has_transport(name):
        # the usual way: nothing that only a pull needs is loaded
        image = ImageStore(context.paths).lookup(name)
        if image is not None and image.kept:
            return image
    from crun_py.oci.transfer.intake import own

    return own(context.paths, obtain(context, name, request))


def pull(context: Context, name: str, request: PullRequest) -> ImageSummary:
    """Fetch an image; what is known of it then.  Raises as `obtain`."""
    from crun_py.engine import images

    context.enter()
    return images.summary(context, "sha256:" + obtain(context, name, request).id)


def obtain(context: Context, text: str, request: PullRequest) -> Image:
    """The image `text` (a reference, or TRANSPORT:PATH): from the store or pulled.

    Raises NotFound (policy never), RegistryError and the other errors of a pull.
    """
    from crun_py.oci.transfer import transport

    policy, platform = checked(request.policy), request.platform
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
    if policy == "missing" and there is None and isinstance(where, str):
        context.report(Missing(name=parse(where).familiar))
    try:
        return _fetch(context, text, request)
    except RegistryError:
        if policy != "newer" or there is None:
            raise
        return there


def checked(policy: str) -> str:
    """`policy`, one of POLICIES.  Raises InvalidArgument."""
    if policy not in POLICIES:
        raise InvalidArgument(f"pull policy {policy!r}: not known", hint=", ".join(POLICIES))
    return policy


def _in_store(store: ImageStore, text: str, platform: str, policy: str) -> Image | None:
    """What the store has as `text`.  A list without the platform is an error, unless a
    registry is to be asked anyway."""
    try:
        return store.lookup(text, platform)
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


def _fetch(context: Context, text: str, request: PullRequest) -> Image:
    from crun_py.engine.registries import access
    from crun_py.oci.transfer import pull as fetching

    with context.showing() as report:
        return fetching.pull(
            context.paths,
            text,
            platform=request.platform or None,
            access=access(request.access),
            progress=report,
        )
