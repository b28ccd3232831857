"""What came of a build: an image's files and config, read from what `save` wrote, in a form
that can be kept in a file and compared."""

from __future__ import annotations

import hashlib
import json
import posixpath
import tarfile
from pathlib import Path
from typing import Any

NEW = 1_700_000_000
"""A time from here on is that of the build, and nobody's business."""
_USUAL = 1_000_000_000
"""When all of a context was changed (corners.MTIME).  The peers do not agree which directories
keep it, docker not even with itself, so only an unusual one is looked at."""
_TEXT_BYTES = 200
_OF_BASE = "/bin/busybox"
_MOUNT_POINTS = ("/dev", "/proc", "/sys")
"""Empty, they are what RUN needs in an image without them; docker leaves them there."""
_TYPES = {
    tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "link", tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block",
}  # fmt: skip

Node = dict[str, Any]
Tree = dict[str, Node]
"""Absolute name → what it is.  Names that share a file share their node."""


def _node(member: tarfile.TarInfo, archive: tarfile.TarFile) -> Node:
    kind = _TYPES.get(member.type, "file")
    node: Node = {"type": kind, "uid": member.uid, "gid": member.gid}
    if kind == "link":
        node["target"] = member.linkname
    else:
        node["mode"] = f"{member.mode & 0o7777:04o}"
    if kind == "file":
        reader = archive.extractfile(member)
        data = reader.read() if reader else b""
        node.update(_content(data))
    if kind in ("char", "block"):
        node["device"] = f"{member.devmajor}:{member.devminor}"
    prefix = "SCHILY.xattr."
    xattrs = {
        key.removeprefix(prefix): value.encode("utf-8", "surrogateescape").hex()
        for key, value in member.pax_headers.items()
        if key.startswith(prefix) and not key.startswith(prefix + "trusted.overlay.")
    }
    if xattrs:
        node["xattrs"] = xattrs
    node["mtime"] = int(member.mtime)
    return node


def _content(data: bytes) -> Node:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if len(data) <= _TEXT_BYTES and "\0" not in text:
        return {"text": text}
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _remove(tree: Tree, name: str, *, itself: bool = True) -> None:
    if itself:
        tree.pop(name, None)
    below = name.rstrip("/") + "/"
    for other in [n for n in tree if n.startswith(below) and n != name]:
        del tree[other]


def apply(tree: Tree, archive: tarfile.TarFile) -> None:
    """Lay a layer over `tree`."""
    members = [(m, "/" + posixpath.normpath(m.name).lstrip("./" if m.name in (".", "./") else "/"))
               for m in archive]  # fmt: skip
    for _, name in members:
        directory, base = posixpath.split(name)
        if base == ".wh..wh..opq":
            _remove(tree, directory, itself=False)
        elif base.startswith(".wh."):
            _remove(tree, posixpath.join(directory, base.removeprefix(".wh.")))
    for member, name in members:
        if posixpath.basename(name).startswith(".wh."):
            continue
        if member.islnk():
            tree[name] = tree["/" + posixpath.normpath(member.linkname).lstrip("/")]
            continue
        node = _node(member, archive)
        if node["type"] != "dir":
            _remove(tree, name)
        tree[name] = node


class Saved:
    """An image as `save` wrote it: a docker archive, or an OCI layout in a tar."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as archive:
            names = set(archive.getnames())

            def read(name: str) -> bytes:
                found = archive.extractfile(name)
                assert found is not None, name
                return found.read()

            if "manifest.json" in names:
                manifest = json.loads(read("manifest.json"))[0]
                layers, config = manifest["Layers"], manifest["Config"]
            else:
                index = json.loads(read("index.json"))
                blob = "blobs/sha256/" + index["manifests"][0]["digest"][7:]
                oci = json.loads(read(blob))
                layers = ["blobs/sha256/" + layer["digest"][7:] for layer in oci["layers"]]
                config = "blobs/sha256/" + oci["config"]["digest"][7:]
            self.config: dict[str, Any] = json.loads(read(config))
            self.ids: list[str] = (self.config.get("rootfs") or {}).get("diff_ids") or []
            self.tree: Tree = {}
            for layer in layers:
                # docker writes a layer that comes twice as a link to the other
                target = archive.getmember(layer)
                if target.issym() or target.islnk():
                    layer = posixpath.normpath(
                        posixpath.join(posixpath.dirname(layer), target.linkname)
                        if target.issym() else target.linkname
                    )  # fmt: skip
                reader = archive.extractfile(layer)
                assert reader is not None, layer
                with tarfile.open(fileobj=reader, mode="r:*") as inner:
                    apply(self.tree, inner)


def _below(tree: Tree, name: str) -> bool:
    return any(other.startswith(name + "/") for other in tree)


def _same(one: Node, other: Node) -> bool:
    """Nothing was changed but a directory's time."""
    if one["type"] == other["type"] == "dir":
        one, other = ({k: v for k, v in n.items() if k != "mtime"} for n in (one, other))
    return one == other


def files(saved: Saved, base: Tree) -> Tree:
    """The files that are not the base's as they were there; its files that are gone."""
    groups: dict[int, list[str]] = {}
    for name, node in saved.tree.items():
        groups.setdefault(id(node), []).append(name)
    found: Tree = {}
    for name, node in saved.tree.items():
        plain = node["type"] == "dir" and (node["mode"], node["uid"], node["gid"]) == ("0755", 0, 0)
        if (name == "/" and plain) or (name in base and _same(node, base[name])):
            continue
        if name in _MOUNT_POINTS and plain and name not in base and not _below(saved.tree, name):
            continue
        found[name] = {k: v for k, v in node.items() if v or k not in ("uid", "gid")}
        if node["mtime"] >= NEW or (node["type"] == "dir" and node["mtime"] == _USUAL):
            del found[name]["mtime"]
        if len(groups[id(node)]) > 1:
            found[name]["links"] = sorted(groups[id(node)])
    for name in base.keys() - saved.tree.keys():
        if posixpath.dirname(name) in saved.tree or posixpath.dirname(name) == "/":
            found[name] = {"type": "gone"}
    return dict(sorted(found.items()))


def config(saved: Saved, *, base: dict[str, Any] | None = None) -> dict[str, Any]:
    """The parts of the config that a Dockerfile says, those that say nothing left out."""
    given = saved.config.get("config") or {}
    found: dict[str, Any] = {"Author": saved.config.get("author")}
    for key in ("Env", "Cmd", "Entrypoint", "User", "StopSignal", "Shell", "OnBuild"):
        found[key] = given.get(key)
    found["WorkingDir"] = (given.get("WorkingDir") or "").rstrip("/")
    for key in ("ExposedPorts", "Volumes"):
        found[key] = sorted(given.get(key) or [])
    labels = given.get("Labels") or {}
    found["Labels"] = {k: labels[k] for k in sorted(labels) if k != "io.buildah.version"}
    check = given.get("Healthcheck") or {}
    found["Healthcheck"] = {k: check[k] for k in sorted(check) if check[k]}
    return {k: v for k, v in found.items() if v and (base is None or base.get(k) != v)}


def _told(saved: Saved) -> int:
    """Entries of its history that say what was done."""
    return sum(1 for entry in saved.config.get("history") or [] if entry.get("created_by"))


def of(path: Path, base: Saved) -> dict[str, Any]:
    """All that is kept and compared of an image."""
    saved = Saved(path)
    on_base = saved.ids[: len(base.ids)] == base.ids
    # one layer of both is left after --squash-all
    has_base = on_base or saved.tree.get(_OF_BASE) == base.tree[_OF_BASE]
    return {
        "base": on_base,
        "tree": files(saved, base.tree if has_base else {}),
        "config": config(saved),
        "layers": len(saved.ids) - (len(base.ids) if on_base else 0),
        "history": _told(saved) - (_told(base) if on_base else 0),
    }


def differences(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Where `found` is not what `wanted` says; what that does not say is free: parts of the
    whole, times, and extended attributes."""
    seen = []
    for part in ("base", "layers", "history"):
        if part in wanted and wanted[part] != found.get(part):
            seen.append(f"{part}: {found.get(part)}, not {wanted[part]}")
    if "env" in wanted:
        env = dict(e.partition("=")[::2] for e in found["config"].get("Env", []))
        seen += [f"variable {k}: {env.get(k)!r}, not {v!r}"
                 for k, v in wanted["env"].items() if env.get(k) != v]  # fmt: skip
    keys = {} if "env" in wanted else {"config": wanted.get("config"), "tree": wanted.get("tree")}
    for part, given in (*keys.items(), ("tree", wanted.get("tree"))):
        have = found[part]
        if given is None:
            continue
        for key in sorted(given.keys() | have.keys()):
            one, other = given.get(key), have.get(key)
            both = isinstance(one, dict) and isinstance(other, dict)
            if both and part == "tree":
                # docker drops those of user.*, buildah keeps them
                free = {"mtime", "xattrs"} - one.keys()
                other = {k: v for k, v in other.items() if k not in free}
            if one != other:
                seen.append(f"{part} {key}: {other}, not {one}")
    return list(dict.fromkeys(seen))
