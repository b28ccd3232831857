"""Which label a container gets beside others, and what of the host's files gets it.  The kernel
has no SELinux here: the attribute is set and read all the same, by root."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from crun_py import notices, ns, spec, state, tree
from crun_py.container import labelling, pod_clone
from crun_py.errors import CrunpyError, InvalidArgument, Unsupported
from crun_py.model.container import CreateRequest, Security
from crun_py.ns import selinux
from crun_py.ns.users import User
from crun_py.paths import Paths
from crun_py.runtime import check
from crun_py.runtime import plan as p
from crun_py.runtime.container import plan_for

PROCESS, FILE = "system_u:system_r:container_t:s0", "system_u:object_r:container_file_t:s0"
Other = dict[str, Any]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A store on a host that has SELinux, with a policy for containers."""
    for name, text in (("fs/enforce", "1"), ("etc/targeted/contexts/lxc_contexts",
                       f'process = "{PROCESS}"\nfile = "{FILE}"\n')):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(ns, "SELINUX_FS", str(tmp_path / "fs"))
    monkeypatch.setattr(selinux, "CONFIG", str(tmp_path / "etc"))
    return Paths(str(tmp_path / "root"), str(tmp_path / "run"))


def record(pid: str = "private", ipc: str = "private") -> Any:
    return {"namespaces": {"pid": pid, "ipc": ipc, "uts": "private", "cgroup": "private"}}


def decided(paths: Paths, found: Any, **security: Any) -> selinux.Labels:
    labels = labelling.decide(paths, found, Security(**security), systemd=False)
    assert labels is not None
    return labels


def test_a_copy_is_labelled_anew() -> None:
    """Of a pod's clone: levels alone, wherever they stand, and no other that begins alike."""
    old = {
        "process": f"{PROCESS}:c1,c2",
        "options": [f'context="{FILE}:c1,c2"', "size=1"],
        "other": f"{PROCESS}:c1,c23",
        "ids": ["s0:c1,c2"],
    }
    assert pod_clone.relabelled(old, {"s0:c1,c2": "s0:c7,c8"}) == {
        "process": f"{PROCESS}:c7,c8",
        "options": [f'context="{FILE}:c7,c8"', "size=1"],
        "other": f"{PROCESS}:c1,c23",
        "ids": ["s0:c1,c2"],
    }


def test_a_host_without_it(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ns, "SELINUX_FS", "/nowhere")
    assert labelling.decide(paths, record(), Security(), systemd=False) is None


def test_who_is_not_confined(paths: Paths) -> None:
    assert decided(paths, record()).process.startswith(PROCESS + ":c")
    for found, security in (
        (record(), {"privileged": True}), (record(pid="host"), {}), (record(ipc="host"), {}),
        (record(), {"labels": ("disable",)}),
    ):  # fmt: skip
        labels = decided(paths, found, **security)
        assert (labels.process, labels.mount) == ("", FILE + ":c1022,c1023")


def test_a_pair_that_another_container_has(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Path(paths.container("a" * 64))
    other.mkdir(parents=True)
    (other / "container.json").write_text('{"selinux": {"process": "' + PROCESS + ':c1,c2"}}')
    levels = iter(["s0:c1,c2", "s0:c1,c23"])
    monkeypatch.setattr(selinux, "_random_level", lambda: next(levels))
    assert decided(paths, record()).process == PROCESS + ":c1,c23"


@pytest.mark.parametrize("kind", ["pid", "ipc"])
def test_who_shares_a_namespace_has_its_label(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    class Found:
        record: Other = {"selinux": {"process": "u:r:t:s0:c3,c4", "mount": "", "nested": False}}  # noqa: RUF012

    monkeypatch.setattr(state, "load", lambda paths, container_id: Found)
    labels = decided(paths, record(**{kind: "container:x"}), labels=("type:mine",))
    assert labels.process == "u:r:t:s0:c3,c4" and labels.mount.endswith(":s0:c3,c4")
    Found.record = {}  # nothing confines it
    assert (
        ":mine:" in decided(paths, record(**{kind: "container:x"}), labels=("type:mine",)).process
    )


def label(path: Path) -> str:
    try:
        return os.getxattr(path, selinux.XATTR, follow_symlinks=False).decode()
    except OSError as e:
        assert e.errno == errno.ENODATA
        return ""


def test_a_tree_is_labelled(paths: Paths, tmp_path: Path) -> None:
    top, outside = tmp_path / "top", tmp_path / "outside"
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/f").write_text("x")
    outside.mkdir()
    (outside / "f").write_text("x")
    (top / "directory").symlink_to(outside)
    (top / "file").symlink_to(outside / "f")
    os.mkfifo(top / "fifo")
    own: Any = {"selinux": {"process": "", "mount": FILE + ":c1,c2", "nested": False}}
    entry: Any = {"type": "bind", "source": str(top), "relabel": "private"}
    labelling.relabel(None, entry, own, paths.root)
    inside = [
        top,
        top / "a",
        top / "a/b",
        top / "a/b/f",
        top / "directory",
        top / "file",
        top / "fifo",
    ]
    assert {label(path) for path in inside} == {FILE + ":c1,c2"}
    assert label(outside) == label(outside / "f") == ""
    entry["relabel"] = "shared"
    labelling.relabel(None, entry, own, paths.root)
    assert {label(path) for path in inside} == {FILE}
    entry["source"] = "/etc"
    with pytest.raises(InvalidArgument, match="relabeling of /etc is not allowed"):
        labelling.relabel(None, entry, own, paths.root)


class Container:
    """What is asked of one."""

    def __init__(self, paths: Paths, record: Any, directory: Path) -> None:
        self.paths, self.record, self.directory = paths, record, str(directory)


def test_at_a_start(paths: Paths, tmp_path: Path) -> None:
    """What has its label is left alone, whatever is below it; a new one is labelled."""
    top = tmp_path / "top"
    top.mkdir()
    (top / "f").write_text("x")
    entry = {"type": "bind", "source": str(top), "relabel": "private"}
    own = {"selinux": {"process": "", "mount": FILE + ":c1,c2", "nested": False}, "mounts": [entry]}
    container: Any = Container(paths, own, tmp_path / "c")
    labelling.again(container)
    assert label(top) == label(top / "f") == FILE + ":c1,c2"
    os.removexattr(top / "f", selinux.XATTR)
    labelling.again(container)
    assert label(top / "f") == ""
    os.setxattr(top, selinux.XATTR, b"u:o:other:s0")
    labelling.again(container)
    assert label(top / "f") == FILE + ":c1,c2"
    del own["selinux"]
    os.removexattr(top, selinux.XATTR)
    labelling.again(container)
    assert label(top) == ""


def test_the_engines_files(paths: Paths, tmp_path: Path) -> None:
    for name in ("c/hosts", "c/upper/hosts", "other/hosts"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("x")
    own = {"selinux": {"process": "", "mount": FILE + ":c1,c2", "nested": False}}
    container: Any = Container(paths, own, tmp_path / "c")
    mounts = [spec.mount("bind", str(tmp_path / name), "/x", "rbind")
              for name in ("c/hosts", "c/upper/hosts", "other/hosts")]  # fmt: skip
    document: Any = {"mounts": [*mounts, spec.mount("tmpfs", "tmpfs", "/t")]}
    labelling.own_files(container, document)
    assert label(tmp_path / "c/hosts") == FILE + ":c1,c2"
    assert label(tmp_path / "c/upper/hosts") == label(tmp_path / "other/hosts") == ""


def test_layers(paths: Paths) -> None:
    """Those that are there, once, and the place of those to come."""
    layer = Path(paths.root) / "layers/x/diff"
    layer.mkdir(parents=True)
    (layer / "f").write_text("x")
    labelling.layers(paths, [str(layer)])
    assert label(layer) == label(layer / "f") == label(Path(paths.root) / "layers") == FILE
    os.removexattr(layer / "f", selinux.XATTR)
    labelling.layers(paths, [str(layer)])
    assert label(layer / "f") == ""


def test_a_file_system_without_labels(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(notices, "warn", told.append)
    own: Any = {"selinux": {"process": "", "mount": FILE, "nested": False}}
    source = tmp_path / "source"
    entry: Any = {"type": "bind", "source": str(source), "relabel": "private"}

    def refuses(code: int) -> None:
        def act(path: str, name: str, value: bytes) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(labelling, "set_attribute", act)

    refuses(errno.ENOTSUP)
    labelling.relabel(None, entry, own, paths.root)
    assert told == [f"{source}: its file system has no SELinux labels"]
    refuses(errno.EPERM)
    with pytest.raises(CrunpyError, match=f"giving {source} the SELinux label .* not permitted"):
        labelling.relabel(None, entry, own, paths.root)


def test_a_directory_that_is_gone_meanwhile(tmp_path: Path) -> None:
    """The top has its attribute last: it tells that all below was done."""
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        tree.set_attribute(str(tmp_path / "no"), selinux.XATTR, b"x")
    os.chmod(top, 0o755)
    before = os.open(top, os.O_RDONLY)
    try:
        os.rename(top / "a", top / "b")
        tree.set_attribute(str(top), selinux.XATTR, b"u:o:t:s0")
        assert os.getxattr(before, selinux.XATTR) == b"u:o:t:s0"
    finally:
        os.close(before)
    assert label(top / "b") == "u:o:t:s0"


def document(labels: selinux.Labels | None, **security: Any) -> Any:
    host = spec.Host(in_userns=False, hard_nofile=1024)
    request = CreateRequest(image="x", security=Security(**security))
    return spec.build(
        args=["true"], env=["A=1"], cwd="/", user=User(0, 0, [0], "/"), hostname="h",
        request=request, namespaces=[{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}],
        mounts=spec.default_mounts(host, 1 << 20, host_network=False), host=host, rootfs="/r",
        labels=labels,
    )  # fmt: skip


LABELS = selinux.Labels(PROCESS + ":c1,c2", FILE + ":c1,c2")


def steps(found: Any) -> list[str]:
    return [step.describe() for step in plan_for(
        found, None, joined={}, seccomp=None, reap=True).steps]  # fmt: skip


def test_the_plan(paths: Paths) -> None:
    found = document(LABELS)
    found["linux"]["namespaces"].append({"type": "cgroup"})
    check.check(found)
    assert found["process"]["selinuxLabel"] == LABELS.process
    assert found["linux"]["mountLabel"] == LABELS.mount
    assert ns.SELINUX_FS in found["linux"]["maskedPaths"]
    plan = plan_for(found, None, joined={}, seccomp=None, reap=True)
    told = [s for s in plan.steps if s.op == p.CONFINE]
    # the keyring's label while /proc shows us, the command's just before it is executed
    assert [s.strings[1].decode() for s in told] == [selinux.KEYS[0], selinux.EXEC[0]]
    assert {s.strings[0].decode() for s in told} == {LABELS.process}
    assert plan.steps.index(told[0]) == 0 and plan.steps.index(told[1]) == len(plan.steps) - 2
    mounts = {s.strings[2].decode(): s for s in plan.steps if s.op == p.MOUNT}
    option = f'context="{LABELS.mount}"'
    for kind, labelled in (("tmpfs", True), ("devpts", True), ("proc", False), ("sysfs", False),
                           ("cgroup2", False), ("mqueue", False)):  # fmt: skip
        assert (option in mounts[kind].strings[3].decode()) == labelled, kind
    assert mounts["mqueue"].b == 3 and mounts["tmpfs"].b == 0 and mounts["cgroup2"].b == 1


def test_without_labels(paths: Paths) -> None:
    text = "\n".join(steps(document(None)))
    assert "context" not in text and "label" not in text and "confine" not in text


def test_a_nested_one(paths: Paths) -> None:
    found = document(selinux.Labels(LABELS.process, LABELS.mount, nested=True))
    assert ns.SELINUX_FS not in found["linux"]["maskedPaths"]
    assert found["mounts"][-1]["source"] == ns.SELINUX_FS
    assert f'rootcontext="{LABELS.mount}"' in "\n".join(steps(found))


def test_one_that_is_not_confined(paths: Paths) -> None:
    found = document(selinux.Labels("", LABELS.mount))
    assert "selinuxLabel" not in found["process"]
    assert not [step for step in steps(found) if step.startswith("confine")]


def test_a_host_that_lost_it(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody runs without the wall that was asked for."""
    found = document(LABELS)
    monkeypatch.setattr(ns, "SELINUX_FS", "/nowhere")
    for place, name in ((found["process"], "selinuxLabel"), (found["linux"], "mountLabel")):
        with pytest.raises(Unsupported, match=f"{name}: this host has no SELinux"):
            check.check(found)
        del place[name]
    check.check(found)


def test_the_option_of_a_containers_mounts(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files can be looked at on a host that has no SELinux any more."""
    found: Any = {"id": "a" * 64}
    assert state.Container(paths, found).mount_context == ""
    found["selinux"] = {"process": "", "mount": FILE, "nested": False}
    assert state.Container(paths, found).mount_context == f'context="{FILE}"'
    monkeypatch.setattr(ns, "SELINUX_FS", "/nowhere")
    assert state.Container(paths, found).mount_context == ""
