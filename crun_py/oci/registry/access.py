"""How registries are reached: what the options and the configuration say, in one object."""

from __future__ import annotations

from collections.abc import Sequence

from crun_py.errors import InvalidArgument
from crun_py.oci.reference import Reference, split_registry
from crun_py.oci.registry import auth
from crun_py.oci.registry.client import Registry
from crun_py.oci.registry.patience import Patience
from crun_py.oci.registry.registries import Endpoint, Registries


class Access:
    """The options of pull, push, login and search that say how to reach a registry.

    tls_verify: None verifies except for registries that are loopback or configured as
    insecure; authfile: the only place for credentials; creds: "user:password"; cert_dir:
    the only place for certificates; registries: the configuration, read when None.
    """

    def __init__(
        self,
        *,
        tls_verify: bool | None = None,
        authfile: str | None = None,
        creds: str | None = None,
        cert_dir: str | None = None,
        registries: Registries | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._tls_verify = tls_verify
        self._authfile = authfile
        self._creds = creds
        self._cert_dir = cert_dir
        self._patience = patience or Patience()
        self.registries = registries or Registries()

    def open(
        self,
        endpoint: Endpoint,
        *,
        write: bool = False,
        also: Sequence[str] = (),
        credentials: auth.Credentials | None = None,
    ) -> Registry:
        """The registry at `endpoint`, to be closed.

        write, also: as of Registry; credentials: instead of those that are configured.
        """
        return Registry(
            endpoint,
            credentials=credentials or self._credentials(endpoint),
            tls_verify=self._tls_verify,
            cert_dir=self._cert_dir,
            patience=self._patience,
            write=write,
            also=also,
        )

    def destination(self, reference: Reference) -> Endpoint:
        """Where `reference` is pushed to: the registry itself, never a mirror."""
        return self.registries.endpoints(reference)[-1]

    def root(self, registry: str) -> Endpoint:
        """The registry host itself, without a repository.  Raises InvalidArgument."""
        found = self.destination(Reference(registry, "none", "latest"))
        found.repository = ""
        return found

    def _credentials(self, endpoint: Endpoint) -> auth.Credentials | None:
        if self._creds and not endpoint.is_mirror:
            user, _, password = self._creds.partition(":")
            return auth.of_words(user, password)
        return auth.find(endpoint.registry, endpoint.repository, self._authfile)


def registry_of(text: str) -> tuple[str, str]:
    """(registry, path below it or "") of what `login` was given: a host, a URL, host/team.

    Raises InvalidArgument.
    """
    bare = text.partition("://")[2] if "://" in text else text
    bare = bare.rstrip("/")
    registry, path = split_registry(bare + "/x") if bare else ("", "")
    if not registry:
        registry, _, path = f"{bare}/x".partition("/")
    if path.startswith(("v1/", "v2/")) or not registry:
        path = "x"
    path = path.removesuffix("x").rstrip("/")
    try:
        Reference(registry, path or "none", "latest")
    except InvalidArgument as e:
        raise InvalidArgument(
            f"registry {text!r}: not of the form HOST[:PORT]", hint="quay.io, localhost:5000"
        ) from e
    return registry, path
