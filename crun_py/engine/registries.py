"""Registries: how they are reached, credentials for them, and searching them."""

from __future__ import annotations

from crun_py.model.registry import RegistryAccess, SearchResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.engine.context import Context
    from crun_py.oci.registry.access import Access

CALLS = ("login", "try_login", "still_logged_in", "user_of", "logout", "logout_everywhere",
         "search", "tags")  # fmt: skip


def access(reach: RegistryAccess | None) -> Access:
    """What opens registries as `reach` says."""
    from crun_py.oci.registry.access import Access
    from crun_py.oci.registry.patience import Patience

    reach = reach or RegistryAccess()
    return Access(
        tls_verify=reach.tls_verify,
        authfile=reach.authfile or None,
        creds=reach.credentials or None,
        cert_dir=reach.cert_dir or None,
        patience=Patience(tries=reach.tries, first_backoff_s=reach.first_backoff_s),
    )


def login(
    context: Context,
    registry: str,
    user: str,
    password: str,
    *,
    reach: RegistryAccess | None = None,
) -> str:
    """Try credentials at `registry` (REGISTRY[/PATH]; "": docker.io) and keep them in the
    authfile of `reach`, else where podman keeps them; returns that file.  Raises RegistryError.
    """
    from crun_py.oci.registry import auth
    from crun_py.oci.registry import login as keeping

    try_login(context, registry, user, password, reach=reach)
    host, path = _split(registry)
    authfile = reach.authfile or None if reach else None
    keeping.save(host, path, auth.Credentials(user, password), authfile)
    return authfile or auth.files()[0]


def try_login(
    context: Context,
    registry: str,
    user: str,
    password: str,
    *,
    reach: RegistryAccess | None = None,
) -> None:
    """Try credentials at `registry`, which are not kept.  Raises RegistryError."""
    from crun_py.oci.registry import auth
    from crun_py.oci.registry import login as keeping

    host, _ = _split(registry)
    keeping.check(access(reach), host, auth.Credentials(user, password))


def still_logged_in(
    context: Context, registry: str, *, reach: RegistryAccess | None = None
) -> bool:
    """Whether there are credentials for `registry` that it accepts.  Raises RegistryError."""
    import os

    from crun_py.oci.registry import auth
    from crun_py.oci.registry import login as keeping
    from crun_py.oci.registry.client import Unauthorized

    host, path = _split(registry)
    authfile = reach.authfile or None if reach else None
    if authfile is not None and not os.path.exists(authfile):
        return False
    kept = auth.find(host, path or "none", authfile)
    if kept is None:
        return False
    try:
        keeping.check(access(reach), host, kept)
    except Unauthorized:
        return False
    return True


def user_of(context: Context, registry: str, *, authfile: str | None = None) -> str:
    """Who is logged in.  Raises NotFound."""
    from crun_py.oci.registry import login as keeping

    return keeping.user_of(*_split(registry), authfile)


def logout(context: Context, registry: str, *, authfile: str | None = None) -> bool:
    """Forget the credentials for `registry`; False when there are none.  Raises CrunpyError."""
    from crun_py.oci.registry import login as keeping

    return keeping.forget(*_split(registry), authfile)


def logout_everywhere(context: Context, *, authfile: str | None = None) -> None:
    """Forget all credentials that are kept in podman's files."""
    from crun_py.oci.registry import login as keeping

    keeping.forget_all(authfile)


def host_of(registry: str) -> str:
    """The registry that `login` means by its argument, "" for docker.io."""
    return _split(registry)[0]


def _split(registry: str) -> tuple[str, str]:
    from crun_py.oci.registry.access import registry_of
    from crun_py.oci.registry.login import DEFAULT_REGISTRY

    return registry_of(registry or DEFAULT_REGISTRY)


def search(
    context: Context,
    term: str,
    *,
    limit: int = 25,
    filters: Sequence[str] = (),
    reach: RegistryAccess | None = None,
) -> tuple[SearchResult, ...]:
    """The repositories that match `term`, [REGISTRY/]TEXT, at most `limit` of each registry.

    filters: stars=N, is-official=BOOL, is-automated=BOOL.  Raises InvalidArgument,
    RegistryError.
    """
    from crun_py.oci.transfer import search as searching

    rows = searching.search(
        term, access(reach), limit=limit, wanted=searching.Filter([*filters]), whole=True
    )
    return tuple(
        SearchResult(
            index=row.get("Index", ""),
            name=row["Name"],
            description=row["Description"],
            stars=row["StarCount"],
            official=bool(row["IsOfficial"]),
            automated=bool(row["IsAutomated"]),
        )
        for row in rows
    )


def tags(
    context: Context, repository: str, *, limit: int = 25, reach: RegistryAccess | None = None
) -> tuple[tuple[str, str], ...]:
    """(name, tag) of the first tags of a repository.  Raises RegistryError."""
    from crun_py.oci.transfer import search as searching

    found = searching.tags(repository, access(reach), limit)
    return tuple((row["Name"], row["Tag"]) for row in found)
