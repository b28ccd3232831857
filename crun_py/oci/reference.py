"""Image references: `nginx`, `quay.io/a/b:tag`, `host:5000/x@sha256:…`.

Docker's rules for names without a registry; the grammar and the limits are those of the
distribution specification.  Checked by hand, as compiling regular expressions would cost
more than all of this on the path of every command.
"""

from __future__ import annotations

from crun_py.errors import InvalidArgument

DEFAULT_REGISTRY = "docker.io"
NAME_LIMIT = 255
TAG_LIMIT = 128
TRANSPORTS = (
    "docker", "oci", "oci-archive", "docker-archive", "dir",
    # known, and refused
    "docker-daemon", "containers-storage", "ostree", "sif", "tarball",
)  # fmt: skip
_DIGEST_HEX = {"sha256": 64, "sha384": 96, "sha512": 128}
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ALNUM = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TAG = _ALNUM | frozenset("_.-")
_HEX = frozenset("0123456789abcdef")
_IPV6 = _HEX | frozenset("ABCDEF:.")


class Reference:
    """A valid reference in full form.  Immutable.

    registry:   host[:port], `docker.io` where none was given
    repository: path below the registry, `library/nginx`
    tag:        "" only where there is a digest
    digest:     `sha256:…` or ""
    """

    __slots__ = ("digest", "registry", "repository", "tag")

    registry: str
    repository: str
    tag: str
    digest: str

    def __init__(self, registry: str, repository: str, tag: str = "", digest: str = "") -> None:
        """Raises InvalidArgument unless every part is of the required form."""
        text = f"{registry}/{repository}"
        if not _is_domain(registry):
            raise _invalid(text, f"{registry!r} is not a registry host")
        _check_repository(text, repository)
        if len(text) > NAME_LIMIT:
            raise _invalid(text[:40] + "…", f"longer than {NAME_LIMIT} characters")
        if tag and not is_tag(tag):
            raise _invalid(
                f"{text}:{tag[:130]}", "the tag is not of the form [A-Za-z0-9_.-]{1,128}"
            )
        if digest:
            parse_digest(digest)
        for name, value in zip(
            ("registry", "repository", "tag", "digest"),
            (registry, repository, tag, digest),
            strict=True,
        ):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Reference is immutable: {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"Reference({str(self)!r})"

    def __str__(self) -> str:
        """The full form, `docker.io/library/nginx:latest`."""
        return f"{self.name}{self._suffix()}"

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def name(self) -> str:
        """`docker.io/library/nginx`."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        """The name as docker shows it: `nginx`, `user/app`, `quay.io/a/b`."""
        path = self.repository
        if self.registry != DEFAULT_REGISTRY:
            return self.name
        short = path.removeprefix("library/") if path.count("/") == 1 else path
        for text in (short, path):
            if is_short(text) and not _is_image_id(text):
                return text
        return self.name  # docker.io/localhost/x is not localhost/x

    @property
    def familiar(self) -> str:
        """The reference as docker shows it: `nginx:latest`."""
        return self.familiar_name + self._suffix()

    def with_digest(self, digest: str) -> Reference:
        """The same name, by digest only."""
        return Reference(self.registry, self.repository, "", digest)


def parse(text: str) -> Reference:
    """The reference that the user's `text` means; raises InvalidArgument.

    `nginx` is docker.io/library/nginx:latest; a first component is a registry when it has
    a dot, a port or capital letters or is `localhost`, as docker decides it.
    """
    rest, at, digest = text.partition("@")
    if at and not digest:
        raise _invalid(text, "no digest after @")
    tag = ""
    colon = rest.rfind(":")
    if colon > rest.rfind("/"):
        rest, tag = rest[:colon], rest[colon + 1 :]
        if not tag:
            raise _invalid(text, "no tag after the colon")
    if rest.startswith(("http://", "https://")):
        raise _invalid(text, "a name begins with a registry, not with http://")
    registry, repository = split_registry(rest)
    if not registry:
        registry = DEFAULT_REGISTRY
        if _is_image_id(rest):
            raise _invalid(text, "64 hexadecimal digits are an image id, not a name")
    if registry == DEFAULT_REGISTRY and repository and "/" not in repository:
        repository = "library/" + repository
    if not tag and not digest:
        tag = "latest"
    return Reference(registry, repository, tag, digest)


def other_spelling(reference: Reference) -> Reference | None:
    """The name that podman's users mean by the same words: `localhost/NAME` for docker's `NAME`
    and the other way round; None for names of other registries."""
    path = reference.repository
    if reference.registry == "localhost":
        path = path if "/" in path else "library/" + path
        return Reference(DEFAULT_REGISTRY, path, reference.tag, reference.digest)
    if reference.registry == DEFAULT_REGISTRY:
        return Reference(
            "localhost", path.removeprefix("library/"), reference.tag, reference.digest
        )
    return None


def split_registry(name: str) -> tuple[str, str]:
    """(registry or "", repository) of a name without tag and digest, unchecked."""
    first, slash, rest = name.partition("/")
    if not slash:
        return "", name
    if first == "localhost" or "." in first or ":" in first or first != first.lower():
        return (DEFAULT_REGISTRY if first == "index.docker.io" else first), rest
    return "", name


def has_transport(text: str) -> bool:
    """Whether `text` is TRANSPORT:…, not a reference (containers-transports(5))."""
    transport, colon, rest = text.partition(":")
    if transport == "docker":
        return rest.startswith("//")  # docker:20 is an image of that name
    return bool(colon) and transport in TRANSPORTS


def is_short(text: str) -> bool:
    """Whether `text` names no registry."""
    return not split_registry(text.partition("@")[0])[0]


def parse_digest(text: str) -> str:
    """`text` if it is a digest of a known algorithm, safe to be part of a path.

    Raises InvalidArgument.
    """
    algorithm, _, digits = text.partition(":")
    length = _DIGEST_HEX.get(algorithm, -1)
    if len(digits) != length or not _HEX.issuperset(digits):
        raise InvalidArgument(
            f"reading digest {text[:150]!r}: not of the form sha256:<64 hexadecimal digits>"
        )
    return text


def is_id_prefix(text: str) -> bool:
    """Whether `text` can be (the start of) an image id."""
    return 0 < len(text) <= 64 and _HEX.issuperset(text)


def _is_image_id(text: str) -> bool:
    return len(text) == 64 and _HEX.issuperset(text)


def is_tag(text: str) -> bool:
    """Whether `text` is a valid tag (distribution-spec, "Pulling manifests")."""
    return 0 < len(text) <= TAG_LIMIT and _TAG.issuperset(text) and text[0] not in ".-"


def _check_repository(text: str, repository: str) -> None:
    if repository != repository.lower():
        raise InvalidArgument(
            f"reading reference {text[:300]!r}: the repository name must be lower case",
            hint=f"did you mean {repository.lower()[:300]}",
        )
    if not all(map(_is_component, repository.split("/"))):
        raise _invalid(
            text, "a repository is lower-case words joined by one of . _ __ - and separated by /"
        )


def _is_component(text: str) -> bool:
    """[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"""
    if not text or text[0] not in _LOWER or text[-1] not in _LOWER:
        return False
    separator = ""
    for c in text:
        if c in _LOWER:
            separator = ""
            continue
        separator += c
        if separator not in (".", "_", "__") and separator.strip("-"):
            return False
    return True


def _is_domain(text: str) -> bool:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or not host or not _IPV6.issuperset(host):
            return False
        if not port:
            return True
        if port[0] != ":":
            return False
        port = port[1:]
    else:
        host, colon, port = text.partition(":")
        if not all(map(_is_label, host.split("."))):
            return False
        if not colon:
            return True
    return port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536


def _is_label(text: str) -> bool:
    return (
        bool(text)
        and text[0] != "-"
        and text[-1] != "-"
        and _ALNUM.issuperset(text.replace("-", ""))
    )


def _invalid(text: str, why: str) -> InvalidArgument:
    return InvalidArgument(f"reading reference {text[:300]!r}: {why}")
