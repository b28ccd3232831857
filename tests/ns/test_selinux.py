"""What is found of SELinux on a host, and the labels made of it: its selinuxfs and policy are
directories of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from crun_py import ns
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.ns import selinux

CONTEXTS = """
# a comment = "x"
process = "system_u:system_r:container_t:s0"
file = "system_u:object_r:container_file_t:s0"
ro_file="system_u:object_r:container_ro_file_t:s0"
init_process = "system_u:system_r:container_init_t:s0"
; another = comment
"""


class Host:
    def __init__(self, top: Path) -> None:
        self.top = top

    def enforces(self) -> None:
        (self.top / "fs").mkdir()
        (self.top / "fs/enforce").write_text("1")

    def policy(self, name: str, contexts: str) -> None:
        (self.top / "etc" / name / "contexts").mkdir(parents=True)
        (self.top / "etc" / name / "contexts/lxc_contexts").write_text(contexts)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(ns, "SELINUX_FS", str(tmp_path / "fs"))
    monkeypatch.setattr(selinux, "CONFIG", str(tmp_path / "etc"))
    monkeypatch.setattr(selinux, "_FALLBACK", str(tmp_path / "fallback"))
    return Host(tmp_path)


def decided(*options: str, systemd: bool = False, taken: int = 0) -> selinux.Labels:
    """taken: so many levels are another's."""
    asked: list[str] = []

    def is_free(level: str) -> bool:
        asked.append(level)
        return len(asked) > taken

    found = selinux.decide(options, systemd=systemd, is_free=is_free)
    assert found is not None
    return found


def test_where_it_is_on(host: Host) -> None:
    assert not selinux.enabled()
    host.enforces()
    assert selinux.enabled()


def test_a_policy_without_containers(host: Host) -> None:
    assert selinux.contexts() == {} and selinux.of_layers() == ""
    assert selinux.decide((), systemd=False, is_free=lambda level: True) is None
    host.policy("targeted", 'process = "u:r:t:s0"\n')  # half of one
    assert selinux.decide((), systemd=False, is_free=lambda level: True) is None


def test_a_policy_that_does_not_know_its_containers(host: Host) -> None:
    host.enforces()
    host.policy("targeted", CONTEXTS)
    assert selinux.labels_containers() and decided().process
    # a file of the kernel's that refuses what it does not know with EINVAL, as selinuxfs does
    (host.top / "fs/context").symlink_to("/proc/self/oom_score_adj")
    assert not selinux.is_known("u:r:t:s0") and not selinux.labels_containers()
    assert selinux.contexts() == {} and selinux.of_layers() == ""
    assert selinux.decide((), systemd=False, is_free=lambda level: True) is None
    (host.top / "fs/context").unlink()
    (host.top / "fs/context").write_text("")
    assert selinux.is_known("u:r:t:s0") and selinux.labels_containers()


def test_which_policy(host: Host) -> None:
    (host.top / "fallback").write_text('file = "u:r:fallback:s0"\n')
    assert selinux.of_layers() == "u:r:fallback:s0"
    host.policy("targeted", CONTEXTS)
    assert selinux.of_layers() == "system_u:object_r:container_ro_file_t:s0"
    host.policy("mls", 'file = "u:r:mls:s0:c1,c2"\n')
    (host.top / "etc/config").write_text("#SELINUXTYPE=x\nSELINUX=enforcing\nSELINUXTYPE=mls\n")
    assert selinux.of_layers() == "u:r:mls:s0"


def test_a_damaged_policy(host: Host) -> None:
    host.policy("targeted", 'process = "short"\nfile = "u:o:t:s0"\n')
    with pytest.raises(CrunpyError, match="SELinux label 'short': not USER:ROLE:TYPE:LEVEL"):
        decided()


def test_each_has_its_own_pair(host: Host) -> None:
    host.policy("targeted", CONTEXTS)
    seen = set()
    for _ in range(300):
        labels = decided()
        level = labels.process.removeprefix("system_u:system_r:container_t:s0:")
        assert labels.mount == "system_u:object_r:container_file_t:s0:" + level
        low, high = (int(word.removeprefix("c")) for word in level.split(","))
        assert 0 <= low < high < 1024 and low < 1022
        seen.add(level)
    assert len(seen) > 290
    assert decided(taken=5).process.startswith("system_u:system_r:container_t:s0:c")
    with pytest.raises(CrunpyError, match="all that were tried are in use"):
        decided(taken=1 << 30)


def test_options(host: Host) -> None:
    host.policy("targeted", CONTEXTS)
    found = decided("user:me", "role:r", "type:t", "level:s0:c1,c2", "filetype:f", "nested")
    assert (found.process, found.mount) == ("me:r:t:s0:c1,c2", "me:object_r:f:s0:c1,c2")
    assert found.nested
    found = decided("type:t", "disable")
    assert (found.process, found.mount) == ("", "system_u:object_r:container_file_t:s0:c1022,c1023")
    assert decided(systemd=True).process.startswith("system_u:system_r:container_init_t:s0:c")
    assert ":mine:" in decided("type:mine", systemd=True).process
    assert decided(*selinux.options_of("u:r:t:s0:c7,c9")).process == "u:r:t:s0:c7,c9"
    assert selinux.options_of("") == []


@pytest.mark.parametrize(
    "text",
    ["", "x", "disable:", "disable:x", "type", "type:", "type:a b", 'level:s0"', "kind:x",
     "type:\n", "level:s0\\"],
)  # fmt: skip
def test_words_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not known"):
        selinux.check_option(text)


def test_mount_options() -> None:
    assert selinux.context("u:o:t:s0:c1,c2") == 'context="u:o:t:s0:c1,c2"'
    assert selinux.context("u:o:t:s0", nested=True) == 'rootcontext="u:o:t:s0"'


def test_what_is_not_relabelled(tmp_path: Path) -> None:
    store = tmp_path / "a/store"
    store.mkdir(parents=True)
    (tmp_path / "link").symlink_to("/etc")
    for path in ("/", "/usr", "/etc/", "/home", "/var/lib", "/root/../etc", tmp_path / "link",
                 store, tmp_path / "a", Path.home()):  # fmt: skip
        with pytest.raises(InvalidArgument, match="relabeling"):
            selinux.check_relabel(str(path), str(store))
    for path in (tmp_path / "b", store / "volumes/v", "/etc/mine", tmp_path / "a/sto"):
        selinux.check_relabel(str(path), str(store))
