"""What a copy of a tree keeps: hard links, attributes, capabilities, nodes, sockets, times, holes.

A new volume is filled with a copy; images that commit and import make go the same way.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from engine import Engine
from images import image
from mirror import Registry
from oci_images import directory, entry, hardlink, symlink, tar

CAPABILITY = b"\1\0\0\2\0\x20\0\0" + bytes(12)  # cap_net_raw=ep


def described(top: Path) -> dict[str, Any]:
    """Everything about the tree that a copy must keep; hard links by the names they share."""
    found: dict[str, Any] = {}
    names: dict[int, list[str]] = {}
    for path in [top, *sorted(top.rglob("*"))]:
        st = path.lstat()
        name = str(path.relative_to(top))
        attributes = {
            key: os.getxattr(path, key, follow_symlinks=False)
            for key in sorted(os.listxattr(path, follow_symlinks=False))
            if ".overlay." not in key
        }
        device = st.st_rdev if stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode) else 0
        link = os.readlink(path) if path.is_symlink() else ""
        size = st.st_size if stat.S_ISREG(st.st_mode) else 0
        found[name] = [oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, device, link, size,
                       attributes]  # fmt: skip
        if not stat.S_ISDIR(st.st_mode):
            names.setdefault(st.st_ino, []).append(name)
    for group in names.values():
        for name in group:
            found[name].append(group)
    return found


def with_attributes(name: str, content: bytes, **attributes: str) -> Any:
    info, data = entry(name, content, mode=0o755)
    info.pax_headers = {f"SCHILY.xattr.{k.replace('_', '.')}": v for k, v in attributes.items()}
    return info, data


@pytest.fixture(scope="module")
def rich(registry: Registry) -> str:
    """An image whose /data has one of each kind, in two layers."""
    first = tar(
        directory("data", mode=0o2751, uid=7, gid=8, mtime=1_400_000_000),
        entry("data/a", b"linked", mtime=1_500_000_000, uid=9),
        hardlink("data/b", "data/a"),
        directory("data/sub", mode=0o1777, mtime=1_300_000_000),
        hardlink("data/sub/c", "data/a"),
        symlink("data/link", "a"),
        hardlink("data/other-link", "data/link"),
        with_attributes("data/attributes", b"x", user_one="1", user_two="zwei"),
        with_attributes("data/able", b"x", security_capability=CAPABILITY.decode()),
        entry("data/pipe", type=b"6", mode=0o640),
        entry("data/null", type=b"3", devmajor=1, devminor=3, mode=0o666),
        entry("data/block", type=b"4", devmajor=7, devminor=99, mode=0o660),
        entry("data/gone", b"x"),
        directory("data/hidden"),
        entry("data/hidden/old", b"x"),
    )
    second = tar(
        directory("data/hidden", mtime=1_200_000_000),
        entry("data/hidden/.wh..wh..opq"),
        entry("data/hidden/new", b"x"),
        entry("data/.wh.gone"),
        entry("data/later", b"x", mtime=1_100_000_000),
        hardlink("data/later-too", "data/later"),
    )
    return registry.push("test/rich", image(registry.busybox, first, second))


def shown(engine: Engine, where: str, *options: object) -> list[str]:
    """The tree at `where`, as a container of those options sees it."""
    script = f"""
        cd {where}; find . ! -type d | sort | xargs stat -c '%n %f %u %g %Y %t:%T %h %s %N'
        find . -type d | sort | xargs stat -c '%n %f %u %g %Y'
    """
    out = engine.ok("run", "--rm", "--network", "none", "-q", *options, "sh", "-c", script)
    return out.splitlines()


def test_a_copy_is_as_the_image_has_it(engine: Engine, rich: str) -> None:
    """Seen from inside, with and without the volume: types, owners, times, link counts."""
    assert shown(engine, "/data", "-v", "v:/data", rich) == shown(engine, "/data", rich)


def test_links_attributes_and_nodes_are_kept(root: Engine, rich: str) -> None:
    root.ok("create", "--network", "none", "-q", "--name", "c", "-v", "v:/data", rich)
    top = described(root.root / "volumes/v/_data")
    assert top["a"][-1] == ["a", "b", "sub/c"] and top["later"][-1] == ["later", "later-too"]
    assert top["attributes"][7] == {"user.one": b"1", "user.two": b"zwei"}
    assert top["able"][7] == {"security.capability": CAPABILITY}
    assert top["null"][4] == os.makedev(1, 3) and top["block"][4] == os.makedev(7, 99)
    assert top["sub"][:4] == ["0o41777", 0, 0, 1_300_000_000 * 10**9]
    assert top["."][:4] == ["0o42751", 7, 8, 1_400_000_000 * 10**9]
    assert "gone" not in top and "hidden/old" not in top and "hidden/new" in top


def test_a_user_keeps_what_a_user_may(user: Engine, rich: str) -> None:
    """No nodes, but links, attributes and capabilities, which count in its own namespace."""
    user.ok("create", "--network", "none", "-q", "--name", "c", "-v", "v:/data", rich)
    top = described(user.root / "volumes/v/_data")
    assert top["a"][-1] == ["a", "b", "sub/c"]
    assert top["attributes"][7] == {"user.one": b"1", "user.two": b"zwei"}
    assert "security.capability" in top["able"][7]


def test_sockets_holes_and_everything_of_a_directory(root: Engine) -> None:
    """--rootfs: what no archive of an image can have."""
    source = root.home / "rich"
    for path in ("bin", "data/sub"):
        (source / path).mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(source / "data/socket"))
    with (source / "data/holes").open("wb") as file:
        for megabyte in (0, 40, 99):
            file.seek(megabyte << 20)
            file.write(b"data")
        file.truncate(100 << 20)
    os.setxattr(source / "data/sub", "user.kept", b"yes")
    os.mknod(source / "data/node", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.link(source / "data/socket", source / "data/socket-too")
    for path in ("socket", "holes", "sub", "node", "."):
        os.utime(source / "data" / path, ns=(10**18 + 1, 10**18 + 123456789))
    root.ok("create", "--network", "none", "--name", "c", "-v", "v:/data", "--rootfs", source, "/x")
    copy = root.root / "volumes/v/_data"
    assert described(copy) == described(source / "data")
    assert (copy / "holes").stat().st_blocks * 512 < 1 << 20
    assert (copy / "holes").read_bytes() == (source / "data/holes").read_bytes()


def test_commit_and_export_keep_the_same(root: Engine, rich: str) -> None:
    """One copy of trees: what a volume keeps, an image of the container keeps too."""
    script = "cp -a /data /again; ln /again/a /again/more; truncate -s 50M /again/holes"
    root.ok("run", "--network", "none", "-q", "--name", "c", rich, "sh", "-c", script)
    root.ok("commit", "-q", "c", "test/committed")
    root.ok("export", "-o", root.home / "out.tar", "c")
    root.ok("import", "-q", root.home / "out.tar", "test/imported")
    try:
        committed = shown(root, "/again", "test/committed")
        assert committed == shown(root, "/again", "test/imported")
        assert shown(root, "/data", "test/imported") == shown(root, "/data", rich)
        for name in ("test/committed", "test/imported"):
            root.ok(
                "create",
                "--network",
                "none",
                "--name",
                name[5:],
                "-v",
                f"{name[5:]}:/data",
                name,
                "true",
            )
            top = described(root.root / f"volumes/{name[5:]}/_data")
            assert top["able"][7] == {"security.capability": CAPABILITY}, name
            assert top["a"][-1] == ["a", "b", "sub/c"], name
    finally:
        root.ok("rm", "-f", "-a", "-v")
        root.run("rmi", "-f", "test/committed", "test/imported")
