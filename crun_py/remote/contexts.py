"""docker's contexts, in docker's files, so that both commands see the same ones.

    ~/.docker/config.json                    currentContext
    ~/.docker/contexts/meta/HASH/meta.json   name, description, address
    ~/.docker/contexts/tls/HASH/docker/      ca.pem, cert.pem, key.pem

HASH: sha256 of the name, as hex digits (docker/cli, cli/context/store).
"""

from __future__ import annotations

import io
import os

from crun_py import caller, jsonfile
from crun_py.errors import Conflict, CorruptState, CrunpyError, InvalidArgument, NotFound
from crun_py.fields import Fields
from crun_py.record import record, replaced
from crun_py.remote.endpoint import Endpoint, Tls, docker_directory, parse
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from collections.abc import Mapping

DEFAULT = "default"
TLS_FILES = ("ca.pem", "cert.pem", "key.pem")
_LIMIT_BYTES = 10 << 20


@record
class DockerContext:
    """A context.

    tls: the content of TLS_FILES that there are, by name.  metadata: what meta.json has under
    that name, the description among it; endpoints: the same, of which docker's is ours.
    """

    name: str
    host: str = ""
    skip_verify: bool = False
    description: str = ""
    tls: Mapping[str, bytes] = {}  # a record is not changed
    metadata: Mapping[str, object] = {}
    endpoints: Mapping[str, object] = {}

    @property
    def meta_path(self) -> str:
        """Where its meta.json is."""
        return f"{docker_directory()}/contexts/meta/{_hash(self.name)}"

    @property
    def tls_path(self) -> str:
        """Where its files for TLS are."""
        return f"{docker_directory()}/contexts/tls/{_hash(self.name)}"

    def meta(self) -> dict[str, object]:
        """The object of its meta.json."""
        about = {k: v for k, v in self.metadata.items() if k != "Description"}
        if self.description:
            about = {"Description": self.description, **about}
        docker = {"Host": self.host, "SkipTLSVerify": self.skip_verify}
        return {
            "Name": self.name, "Metadata": about, "Endpoints": {**self.endpoints, "docker": docker},
        }  # fmt: skip


def _hash(name: str) -> str:
    import hashlib

    return hashlib.sha256(name.encode()).hexdigest()


def check_name(name: str) -> None:
    """Raises InvalidArgument."""
    good = name.isascii() and len(name) > 1 and name[0].isalnum()
    if not good or not all(c.isalnum() or c in "_.+-" for c in name):
        raise InvalidArgument(
            f"context {name!r}: not a name", hint="letters, digits and _.+-, two at least"
        )
    if name == DEFAULT:
        raise InvalidArgument('context "default": it is there always and is not changed')


def current() -> str:
    """The context that `use` chose, "default" for none.  Raises CrunpyError."""
    found = _config().get("currentContext")
    return found if isinstance(found, str) and found else DEFAULT


def chosen() -> str:
    """The one that counts: of DOCKER_CONTEXT, unless DOCKER_HOST is there, else `current`."""
    if caller.variable("DOCKER_HOST"):
        return DEFAULT
    return caller.variable("DOCKER_CONTEXT") or current()


def use(name: str) -> None:
    """Choose a context for all commands to come.  Raises NotFound."""
    if name != DEFAULT:
        load(name)
    config = _config()
    if name == DEFAULT:
        config.pop("currentContext", None)
    else:
        config["currentContext"] = name
    path = f"{docker_directory()}/config.json"
    os.makedirs(docker_directory(), mode=0o700, exist_ok=True)
    text = jsonfile.dumps(config, indent=4)
    jsonfile.write_bytes(os.path.realpath(path), text.encode(), mode=0o600)


def _config() -> dict[str, object]:
    path = f"{docker_directory()}/config.json"
    try:
        found = jsonfile.read(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except CorruptState as e:
        raise CrunpyError(f"reading {path}: not valid JSON") from e
    except OSError as e:
        raise CrunpyError.from_os(f"reading {path}", e) from e
    if not isinstance(found, dict):
        raise CrunpyError(f"reading {path}: not a JSON object")
    return found


def known(name: str) -> bool:
    """Whether there is such a context."""
    return os.path.exists(f"{DockerContext(name=name).meta_path}/meta.json")


def load(name: str) -> DockerContext:
    """Raises NotFound, CrunpyError."""
    place = DockerContext(name=name)
    try:
        found = jsonfile.read(f"{place.meta_path}/meta.json")
    except FileNotFoundError:
        raise _missing(name) from None
    except CorruptState as e:
        raise CrunpyError(f"reading context {name}: {e.message}") from e
    tls = {}
    for file in TLS_FILES:
        try:
            tls[file] = jsonfile.read_bytes(f"{place.tls_path}/docker/{file}")
        except FileNotFoundError:
            continue
        except OSError as e:
            raise CrunpyError.from_os(f"reading {file} of context {name}", e) from e
    return _of_meta(found, tls)


def _missing(name: str) -> NotFound:
    return NotFound(f'context "{name}" does not exist', hint="crunpy context ls lists them")


def _of_meta(value: object, tls: Mapping[str, bytes]) -> DockerContext:
    meta = Fields(value, "meta.json")
    about, endpoints = meta.value("Metadata"), meta.value("Endpoints")
    docker = meta.inner("Endpoints").inner("docker")
    return DockerContext(
        name=meta.text("Name"),
        host=docker.text("Host"),
        skip_verify=docker.flag("SkipTLSVerify"),
        description=meta.inner("Metadata").text("Description"),
        tls=tls,
        metadata=about if isinstance(about, dict) else {},
        endpoints=endpoints if isinstance(endpoints, dict) else {},
    )


def every() -> list[DockerContext]:
    """All but the default one, by name.  Raises CrunpyError."""
    top = f"{docker_directory()}/contexts/meta"
    try:
        names = os.listdir(top)
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        try:
            about = _of_meta(jsonfile.read(f"{top}/{name}/meta.json"), {})
        except (FileNotFoundError, NotADirectoryError):
            continue
        if _hash(about.name) == name:
            found.append(load(about.name))
    return sorted(found, key=lambda one: one.name)


def create(context: DockerContext, *, exist_ok: bool = False) -> None:
    """Keep a context; exist_ok: also in the place of one of its name.

    Raises InvalidArgument, Conflict."""
    check_name(context.name)
    if context.host:
        parse(context.host)
    if known(context.name) and not exist_ok:
        raise Conflict(f'context "{context.name}" already exists', hint="crunpy context update")
    os.makedirs(context.meta_path, mode=0o755, exist_ok=True)
    if os.path.isdir(context.tls_path):
        remove_tree(context.tls_path)
    for name, content in context.tls.items():
        os.makedirs(f"{context.tls_path}/docker", mode=0o700, exist_ok=True)
        jsonfile.write_bytes(f"{context.tls_path}/docker/{name}", content, mode=0o600)
    meta = jsonfile.dumps(context.meta()).encode()
    jsonfile.write_bytes(f"{context.meta_path}/meta.json", meta, mode=0o644)


def remove(name: str, *, force: bool = False) -> None:
    """Forget a context; force: also the current one.  Raises NotFound, Conflict."""
    if name == DEFAULT:
        raise InvalidArgument('context "default" cannot be removed')
    context = load(name)
    if name == current():
        if not force:
            raise Conflict(f'context "{name}" is in use', hint="-f, or crunpy context use default")
        use(DEFAULT)
    for path in (context.meta_path, context.tls_path):
        if os.path.isdir(path):
            remove_tree(path)


def endpoint(name: str) -> Endpoint:
    """The place that a context names.  Raises NotFound, InvalidArgument."""
    context = load(name)
    tls = None
    if context.tls or context.skip_verify:
        files = {f: f"{context.tls_path}/docker/{f}" if f in context.tls else "" for f in TLS_FILES}
        tls = Tls(ca=files["ca.pem"], certificate=files["cert.pem"], key=files["key.pem"],
                  verify=not context.skip_verify)  # fmt: skip
    return replaced(parse(context.host, tls), name=name)


# ---- as a file ----


def exported(name: str) -> bytes:
    """A context as `docker context export` writes it, a tar archive.  Raises NotFound."""
    if name == DEFAULT:
        raise InvalidArgument('context "default" is not exported: it is each machine\'s own')
    import tarfile

    context = load(name)
    members = {"meta.json": (0o644, jsonfile.dumps(context.meta()).encode())}
    members |= {f"tls/docker/{file}": (0o600, data) for file, data in context.tls.items()}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in ("tls", "tls/docker") if context.tls else ():
            directory = tarfile.TarInfo(path)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o700
            archive.addfile(directory)
        for path, (mode, data) in members.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def imported(name: str, data: bytes) -> DockerContext:
    """The context of an archive of `exported`, or of docker's (tar, zip), as `name`.

    Raises InvalidArgument."""
    members = _members(data)
    try:
        meta = jsonfile.loads(members["meta.json"])
    except (KeyError, ValueError):
        raise InvalidArgument("importing a context: no meta.json in the archive") from None
    tls = {f: members[f"tls/docker/{f}"] for f in TLS_FILES if f"tls/docker/{f}" in members}
    return replaced(_of_meta(meta, tls), name=name)


def _members(data: bytes) -> dict[str, bytes]:
    if len(data) > _LIMIT_BYTES:
        raise InvalidArgument(f"importing a context: larger than {_LIMIT_BYTES >> 20} MiB")
    import tarfile

    wanted = {"meta.json", *(f"tls/docker/{file}" for file in TLS_FILES)}
    found = {}
    try:
        if data[:2] == b"PK":
            import zipfile

            with zipfile.ZipFile(io.BytesIO(data)) as zipped:
                for about in zipped.infolist():
                    if about.filename in wanted and about.file_size <= _LIMIT_BYTES:
                        found[about.filename] = zipped.read(about)
            return found
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            while (member := _next(archive, found)) is not None:
                file = archive.extractfile(member) if member.name in wanted else None
                if file:
                    found[member.name] = file.read()
    except (tarfile.TarError, ValueError, OSError, EOFError) as e:
        raise InvalidArgument(f"importing a context: neither a tar nor a zip archive: {e}") from e
    return found


def _next(archive: tarfile.TarFile, found: dict[str, bytes]) -> tarfile.TarInfo | None:
    """The next entry; docker's archives end without an end."""
    import tarfile

    try:
        return archive.next()
    except tarfile.ReadError:
        if not found:
            raise
        return None
