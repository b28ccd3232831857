"""Sending blobs and manifests to a registry (distribution-spec, "Push").

What the registry has is not sent; what another repository of it has is mounted; what
breaks off goes on where the registry says that it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from crun_py.errors import RegistryError
from crun_py.oci.registry.client import Dropped, Registry
from crun_py.quantity import is_number

_NO_BODY = {"content-length": "0"}
Pieces = Callable[[int], Iterator[bytes]]


def has(registry: Registry, digest: str) -> bool:
    """Whether the repository has blob `digest`."""
    return registry.ask("HEAD", f"blobs/{digest}", accepted=(200, 404)).status == 200


def has_manifest(registry: Registry, digest: str) -> bool:
    """Whether the repository has manifest `digest`."""
    answer = registry.ask(
        "HEAD", f"manifests/{digest}", headers={"accept": "*/*"}, accepted=(200, 404)
    )
    return answer.status == 200


def mount(registry: Registry, digest: str, repositories: Sequence[str]) -> str:
    """Take blob `digest` from the first of `repositories` that has it; its name, "" for none."""
    for repository in repositories:
        answer = registry.ask(
            "POST",
            f"blobs/uploads/?mount={digest}&from={repository}",
            headers=_NO_BODY,
            accepted=(201, 202, 401, 403, 404, 405),
        )
        if answer.status == 201:
            return repository
        if answer.status == 202:  # it began an upload instead
            _cancel(registry, registry.absolute(answer.url, answer.headers.get("location", "")))
    return ""


def send(
    registry: Registry,
    digest: str,
    size: int,
    pieces: Pieces,
    report: Callable[[int], None],
) -> None:
    """Send blob `digest`; pieces(offset): its bytes from there on.

    report: called with the bytes sent so far.  Raises RegistryError.
    """
    failures = 0
    url, done = "", 0
    while True:
        try:
            if not url:
                answer = registry.ask("POST", "blobs/uploads/", headers=_NO_BODY, accepted=(202,))
                url, done = registry.absolute(answer.url, answer.headers.get("location", "")), 0
            url = _patch(registry, url, done, size, pieces, report)
            joiner = "&" if "?" in url else "?"
            registry.ask(
                "PUT", f"{url}{joiner}digest={digest}", headers=_NO_BODY, accepted=(201, 204)
            )
            return
        except Dropped as e:
            failures += 1
            if failures >= registry.patience.tries:
                raise RegistryError(f"{e.message}, sending blob {digest[:19]}", hint=e.hint) from e
            registry.patience.sleep(registry.patience.backoff_s(failures - 1))
            url, done = _where(registry, url, size)


def _patch(
    registry: Registry,
    url: str,
    done: int,
    size: int,
    pieces: Pieces,
    report: Callable[[int], None],
) -> str:
    """Send the bytes from `done` on; where to go on."""
    headers = {"content-type": "application/octet-stream", "content-length": str(size - done)}
    if done:
        headers["content-range"] = f"{done}-{size - 1}"

    def counted() -> Iterator[bytes]:
        sent = done
        for data in pieces(done):
            sent += len(data)
            report(sent)
            yield data

    answer = registry.send("PATCH", url, headers, counted())
    return registry.absolute(answer.url, answer.headers.get("location", "") or url)


def _where(registry: Registry, url: str, size: int) -> tuple[str, int]:
    """(where to go on with a broken upload, bytes that have arrived); ("", 0) to begin anew."""
    if not url:
        return "", 0
    try:
        answer = registry.ask("GET", url, accepted=(204,))
    except RegistryError:
        return "", 0
    first, _, last = answer.headers.get("range", "").rpartition("=")[2].partition("-")
    if first != "0" or not is_number(last) or int(last) >= size:
        return "", 0
    # `0-0` is what registries say of an upload without a byte
    done = int(last) + 1 if int(last) else 0
    return registry.absolute(answer.url, answer.headers.get("location", "") or url), done


def _cancel(registry: Registry, url: str) -> None:
    registry.ask("DELETE", url, accepted=(200, 202, 204, 404, 405))


def put_manifest(registry: Registry, reference: str, data: bytes, media_type: str) -> None:
    """Send a manifest or index under a tag or its digest.  Raises RegistryError."""
    answer = registry.ask(
        "PUT",
        f"manifests/{reference}",
        headers={"content-type": media_type},
        content=data,
        accepted=(200, 201, 202),
    )
    said = answer.headers.get("docker-content-digest", "")
    found = "sha256:" + hashlib.sha256(data).hexdigest()
    if said.startswith("sha256:") and said != found:
        raise RegistryError(
            f"registry {registry.endpoint.registry}: it says that the manifest is {said[:19]}, "
            f"which is {found[:19]}"
        )
