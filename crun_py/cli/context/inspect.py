"""crunpy context inspect."""

from __future__ import annotations

from crun_py import caller
from crun_py.cli import table
from crun_py.cli.each import each
from crun_py.remote import contexts
from crun_py.remote.contexts import DockerContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "[NAME...]"
OPTIONS = (("-f --format", "value", "A Go template, or json", "FORMAT"),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a JSON array, or the template for each."""
    found: list[dict[str, object]] = []
    names = arguments or [contexts.chosen()]
    status = each(names, lambda name: found.append(_document(name)), 1)
    table.documents(found, values.text("format"))
    return status


def _document(name: str) -> dict[str, object]:
    if name == contexts.DEFAULT:
        about = DockerContext(name=name, host=caller.variable("DOCKER_HOST"))
        storage = {"MetadataPath": "<IN MEMORY>", "TLSPath": "<IN MEMORY>"}
    else:
        about = contexts.load(name)
        storage = {"MetadataPath": about.meta_path, "TLSPath": about.tls_path}
    tls = {"docker": sorted(about.tls)} if about.tls else {}
    return {**about.meta(), "TLSMaterial": tls, "Storage": storage}
