"""crunpy context create."""

from __future__ import annotations

from crun_py.cli.output import write, write_error
from crun_py.errors import InvalidArgument
from crun_py.record import replaced
from crun_py.remote import contexts
from crun_py.remote.contexts import TLS_FILES, DockerContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "NAME"
OPTIONS = (
    ("--description", "value", "What it is for", "TEXT"),
    ("--docker", "list", "host=ADDRESS,ca=FILE,cert=FILE,key=FILE,skip-tls-verify=BOOL", "SPEC"),
    ("--from", "value", "Begin with another context", "CONTEXT"),
)
_FILES = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Keep it; prints the name."""
    base = values.text("from")
    began = contexts.load(base) if base not in ("", contexts.DEFAULT) else DockerContext(name="")
    made = changed(replaced(began, name=arguments[0]), values.texts("docker"))
    if (text := values.maybe("description")) is not None:
        made = replaced(made, description=text)
    if not made.host:
        raise InvalidArgument("a context needs an address", hint="--docker host=ADDRESS")
    contexts.create(made)
    write(arguments[0])
    write_error(f'Successfully created context "{arguments[0]}"')
    return 0


def changed(made: DockerContext, texts: list[str]) -> DockerContext:
    """A context with what --docker says.  Raises InvalidArgument."""
    given: dict[str, str] = {}
    for text in texts:
        for pair in text.split(","):
            key, equals, value = pair.partition("=")
            if not equals or key not in ("host", "skip-tls-verify", "from", *_FILES):
                raise InvalidArgument(
                    f"docker {pair!r}: not known", hint="host, ca, cert, key, skip-tls-verify"
                )
            given[key] = value
    if name := given.get("from"):
        other = contexts.load(name)
        made = replaced(made, host=other.host, tls=other.tls, skip_verify=other.skip_verify)
    tls = {**made.tls}
    for key, file in _FILES.items():
        if path := given.get(key):
            tls[file] = _content(path)
    if {TLS_FILES[1], TLS_FILES[2]} & {*tls} and not {TLS_FILES[1], TLS_FILES[2]} <= {*tls}:
        raise InvalidArgument("cert and key of a context go together")
    skip = given.get("skip-tls-verify")
    return replaced(
        made, tls=tls, host=given.get("host", made.host),
        skip_verify=made.skip_verify if skip is None else skip.lower() in ("true", "1", "t"),
    )  # fmt: skip


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        raise InvalidArgument.from_os(f"reading {path}", e) from e
