"""A .kube file: the service that makes what a manifest of Kubernetes says, and removes it."""

from __future__ import annotations

import os

from crun_py.quadlet import keys, words
from crun_py.quadlet.translate import Translation


def translate(made: Translation) -> None:
    """Fill the service of a .kube file.  Raises InvalidArgument.

    It is active while nobody stops it, not while its pods run: no process stands for them all.
    """
    source, service = made.source, made.service
    files = made.all("Yaml")
    if len(files) != 1:
        raise source.say("Yaml is missing" if not files else "Yaml: there can be only one")
    kind = source.unit.last("Service", "Type")
    if kind not in ("", "oneshot"):
        raise source.say(f"Type={kind}: only oneshot is possible, for no process stands for the "
                         "pods: their containers' restart policies let them live")  # fmt: skip
    if (spread := made.last("ExitCodePropagation")) not in ("", "none"):
        raise source.say(f"ExitCodePropagation={spread}: only none is possible")
    manifest = made.absolute(files[0])
    made.begin_unit()
    service.add("Unit", "RequiresMountsFor", "%t/crunpy")
    service.begin("Service", [("Environment", "PODMAN_SYSTEMD_UNIT=%n")])
    where = made.last("SetWorkingDirectory")
    if where not in ("", "yaml", "unit"):
        raise source.say(f"SetWorkingDirectory={where}: only yaml and unit are possible")
    if where and not service.has("Service", "WorkingDirectory"):
        path = manifest if where == "yaml" else source.path
        service.add("Service", "WorkingDirectory", os.path.dirname(path))
    made.once([
        *made.command("kube", "play"), "--replace", *made.options(),
        *(f"--network={made.network(text)}" for text in made.all("Network")),
        *(f"--configmap={made.absolute(path)}" for path in made.all("ConfigMap")),
        *(f"--annotation={_update(made, text)}" for text in made.words("AutoUpdate")),
        *made.words("PodmanArgs"), manifest,
    ])  # fmt: skip
    force = ["--force"] if made.truth("KubeDownForce") else []
    gone = words.line([*made.command("kube", "down", *force), manifest])
    service.add("Service", "ExecStopPost", gone)


def _update(made: Translation, text: str) -> str:
    """The annotation that POLICY, for all containers, or CONTAINER/POLICY means."""
    name, slash, policy = text.rpartition("/")
    if policy not in ("registry", "local") or (slash and not name):
        raise made.source.say(f"AutoUpdate={text}: not [CONTAINER/]registry or local")
    return f"{keys.UPDATES}{slash}{name}={policy}"
