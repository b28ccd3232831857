"""Commands of docker and podman: each is here, or answered with what to do instead."""

from __future__ import annotations

import pytest
from engine import Engine

from crun_py.cli.foreign import FOREIGN
from crun_py.cli.verbs import ALIASES, GROUPS, VERBS

DOCKERS = """attach build builder checkpoint commit compose config container context cp create diff
events exec export history image images import info inspect kill load login logout logs manifest
network node pause plugin port ps pull push rename restart rm rmi run save search secret service
stack start stats stop swarm system tag top trust unpause update version volume wait""".split()
PODMANS = """auto-update artifact farm generate healthcheck init kube machine mount pod unmount
unshare untag""".split()
WORDS = {
    "container": "attach checkpoint cleanup clone commit cp create diff exec exists export init "
    "inspect kill list logs ls mount pause port prune ps remove rename restart restore rm run "
    "runlabel start stats stop top umount unmount unpause update wait",
    "image": "build diff exists history import inspect list load ls mount prune pull push remove "
    "rm save scp search sign tag tree trust umount unmount untag",
    "network": "connect create disconnect exists inspect list ls prune reload remove rm update",
    "volume": "create exists export import inspect list ls mount prune reload remove rm umount "
    "unmount",
    "system": "check connection df events info migrate prune renumber reset service",
    "manifest": "add annotate create exists inspect push remove rm",
}  # fmt: skip


@pytest.mark.parametrize("word", [*DOCKERS, *PODMANS])
def test_commands(word: str) -> None:
    assert word in VERBS or word in ALIASES or word in GROUPS or word in FOREIGN


@pytest.mark.parametrize("name", [f"{group} {word}" for group in WORDS for word in
                                  WORDS[group].split()])  # fmt: skip
def test_words_of_groups(name: str) -> None:
    group, word = name.split()
    assert word in GROUPS[group] or name in FOREIGN or name in GROUPS


def test_what_is_said_of_those_that_are_not_here(root: Engine) -> None:
    for words in (("stack", "ls"), ("image", "scp", "x"), ("swarm", "init"), ("stack",),
                  ("container", "clone", "x")):  # fmt: skip
        message = root.fails(*words)
        name = " ".join(words[:2]) if words[0] in ("image", "container") else words[0]
        why, instead = FOREIGN[name]
        assert message == f"{name}: {why} ({instead})"


def test_none_is_here_after_all() -> None:
    for name in FOREIGN:
        group, _, word = name.rpartition(" ")
        assert word not in (GROUPS[group] if group else {**VERBS, **ALIASES, **GROUPS})
