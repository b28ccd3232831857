"""crunpy pull, and the pull that run and create may begin with."""

from __future__ import annotations

from crun_py.cli import progress, reach
from crun_py.cli.output import write, write_error, write_warning
from crun_py.engine import pull as engine
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.model.registry import PullRequest
from crun_py.oci.reference import parse
from crun_py.oci.store.images import ImageStore
from crun_py.oci.transfer import transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values
ARGUMENTS = "IMAGE..."
OPTIONS = (
    ("-a --all-tags", "flag", "All tags of the repository", ""),
    ("-q --quiet", "flag", "No progress; print the id alone", ""),
    ("--policy --pull", "value", "always, missing, newer or never (always)", "POLICY"),
    ("--disable-content-trust", "switch", "Always so: digests are verified, not signatures", ""),
    *reach.PLATFORM,
    *reach.OPTIONS,
    progress.OPTION,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Pull each image; prints docker's last lines, or the id with -q."""
    kind = progress.kind_of(values)
    wanted = reach.pull_request(values, engine.checked(values.text("policy") or "always"))
    if values.switch("disable_content_trust") is False:
        write_warning("content trust is not supported: no signature is verified")
    progress.show(context, kind, progress.PULLED)
    context.enter()
    for text in arguments:
        texts = [text]
        if values.flag("all_tags"):
            texts = _all_tags(text, values)
        for one in texts:
            _pull(context, one, values, kind, wanted)
    return 0


def _all_tags(text: str, values: Values) -> list[str]:
    from crun_py.oci.transfer import pull

    where = transport.split(text)
    if isinstance(where, transport.Place):
        return [text]
    if "@" in where or ":" in where.rpartition("/")[2]:
        raise InvalidArgument(f"pulling {text}: --all-tags excludes a tag")
    return pull.all_tags(text, reach.access(values))


def _pull(context: Context, text: str, values: Values, kind: str, wanted: PullRequest) -> None:
    where = transport.split(text)
    reference = parse(where) if isinstance(where, str) else None
    if wanted.policy != "never" and kind in ("plain", "tty"):
        tag = f"{reference.tag or reference.digest}: " if reference else ""
        write_error(f"{tag}Pulling from {reference.repository if reference else where}")
    before = ImageStore(context.paths).lookup(str(reference)) if reference else None
    image = engine.obtain(context, text, wanted)
    if values.flag("quiet") or (reference is None and kind != "json"):
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
