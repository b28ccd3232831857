"""Chain ids: the name of a layer together with all that lie below it, and its directory."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.paths import Paths


def digest_of(document: bytes) -> str:
    """The digest of something small: OpenSSL's is faster, and its import costs 3 ms."""
    try:
        from _sha256 import sha256
    except ImportError:  # Python 3.12
        from hashlib import sha256

    return "sha256:" + str(sha256(document).hexdigest())


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """The chain id of each layer, base first (image-spec, config.md, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        if chain:
            chain.append(digest_of(f"{chain[-1]} {diff_id}".encode()))
        else:
            chain.append(diff_id)
    return chain


def layer_directory(paths: Paths, chain_id: str) -> str:
    """Where the layer `chain_id` is, or would be; its tree is in `diff` below."""
    return f"{paths.layers}/{chain_id.rpartition(':')[2]}"


def diff_path(paths: Paths, chain_id: str) -> str:
    """The tree of layer `chain_id`."""
    return layer_directory(paths, chain_id) + "/diff"


def is_unpacked(paths: Paths, chain_id: str) -> bool:
    """Whether layer `chain_id` is in the store."""
    return os.path.isdir(diff_path(paths, chain_id))
