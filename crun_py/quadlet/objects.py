"""The other kinds of files: what is made once, before the containers that use it."""

from __future__ import annotations

import os

from crun_py.quadlet import words
from crun_py.quadlet.translate import Translation, resource_of


def volume(made: Translation) -> None:
    """Fill the service of a .volume file.  Raises InvalidArgument."""
    made.begin_unit()
    kind, device = made.last("Type"), made.last("Device")
    if not made.truth("Copy", otherwise=True):
        raise made.source.say("Copy=false: say it where the volume is used, Volume=…:nocopy")
    if kind and not device:
        raise made.source.say("Type is given without Device")
    mounted = [*filter(None, [made.last("Options")])]
    for key, name in (("User", "uid"), ("Group", "gid")):
        if value := made.last(key):
            if not kind:
                raise made.source.say(f"{key} is only possible with Type and Device; else the "
                                      "container that comes first owns it")  # fmt: skip
            mounted.append(f"{name}={value}")
    found = [f"{k}={v}" for k, v in (("type", kind), ("device", device)) if v]
    found += [f"o={','.join(mounted)}"] if mounted else []
    options = [f"--opt={text}" for text in found]
    made.once([*made.command("volume", "create", "--ignore"), *made.options(), *options,
               *made.words("PodmanArgs"), _own_name(made)])  # fmt: skip


def pod(made: Translation) -> None:
    """Fill the service of a .pod file: it lasts as long as the pod's infra container.  Raises
    InvalidArgument."""
    source, service = made.source, made.service
    made.begin_unit()
    service.add("Unit", "RequiresMountsFor", "%t/crunpy")
    for other in made.others.values():
        wanted = other.unit.last("Container", "StartWithPod").lower()
        if other.section == "Container" and other.unit.last("Container", "Pod") == source.name:
            if wanted not in ("0", "no", "false", "off"):
                service.add("Unit", "Wants", f"{other.service}.service")
            service.add("Unit", "Before", f"{other.service}.service")
    file = f"%t/{source.service}.pod-id"
    policy = [] if made.all("ExitPolicy") else ["--exit-policy=stop"]
    create = [
        *made.command("pod", "create"), "--infra-conmon-pidfile=%t/%N.pid", f"--pod-id-file={file}",
        "--replace", *policy, *made.options(),
        *(f"--network={made.network(text)}" for text in made.all("Network")),
        *(f"--volume={made.volume(text)}" for text in made.all("Volume")),
        *made.words("PodmanArgs"), f"--name={_own_name(made)}",
    ]  # fmt: skip
    patience = made.last("StopTimeout") or "10"
    own = [("Environment", "PODMAN_SYSTEMD_UNIT=%n")]
    for key, value in (("Type", "forking"), ("Restart", "on-failure")):
        if not service.has("Service", key):
            own.append((key, value))
    service.begin("Service", own)
    known = f"--pod-id-file={file}"
    stop = made.command("pod", "stop", known, "--ignore", f"--time={patience}")
    gone = made.command("pod", "rm", known, "--ignore", "--force")
    # `pod create` takes no file that is there, and the last run's is
    service.add("Service", "ExecStartPre", f"-/bin/rm -f %t/%N.pid {file}")
    service.add("Service", "ExecStartPre", words.line(create))
    service.add("Service", "ExecStart", words.line(made.command("pod", "start", known)))
    service.add("Service", "ExecStop", words.line(stop))
    service.add("Service", "ExecStopPost", f"-{words.line(gone)}")
    service.add("Service", "PIDFile", "%t/%N.pid")
    if not service.has("Service", "SyslogIdentifier"):
        service.add("Service", "SyslogIdentifier", "%N")


def network(made: Translation) -> None:
    """Fill the service of a .network file.  Raises InvalidArgument."""
    made.begin_unit()
    subnets = made.all("Subnet")
    for key in ("Gateway", "IPRange"):
        if len(made.all(key)) > len(subnets):
            raise made.source.say(f"{key} is given more often than Subnet")
    name = _own_name(made)
    made.once([*made.command("network", "create", "--ignore"), *made.options(),
               *made.words("PodmanArgs"), name])  # fmt: skip
    if made.truth("NetworkDeleteOnStop"):
        gone = words.line([*made.command("network", "rm"), name])
        made.service.add("Service", "ExecStopPost", gone)


def image(made: Translation) -> None:
    """Fill the service of an .image file.  Raises InvalidArgument."""
    name = made.last("Image")
    if not name:
        raise made.source.say("Image is missing")
    made.begin_unit()
    made.once([*made.command("pull"), *made.options(), *made.words("PodmanArgs"), name])


def build(made: Translation) -> None:
    """Fill the service of a .build file.  Raises InvalidArgument."""
    if not made.all("ImageTag"):
        raise made.source.say("ImageTag is missing")
    made.begin_unit()
    file, where = made.last("File"), made.last("SetWorkingDirectory")
    asked = made.source.unit.last("Service", "WorkingDirectory")
    if where == "unit":
        context = os.path.dirname(made.source.path)
    elif where == "file":
        if not file:
            raise made.source.say("SetWorkingDirectory=file: File is missing")
        context = os.path.dirname(made.absolute(file))
    else:
        is_url = "://" in where or where.startswith("git@")
        context = where if is_url or not where else made.absolute(where)
    if where in ("unit", "file") and not asked:
        made.service.add("Service", "WorkingDirectory", context)
    if not context:
        if not asked and not file:
            raise made.source.say("one of File and SetWorkingDirectory is needed")
        context = asked or os.path.dirname(made.absolute(file))
    options = [*made.options()]
    if file:
        options.append(f"--file={file if '://' in file else made.absolute(file)}")
    options += [f"--network={made.network(text)}" for text in made.all("Network")]
    options += [f"--volume={made.volume(text)}" for text in made.all("Volume")]
    made.once([*made.command("build"), *options, *made.words("PodmanArgs"), context])


def _own_name(made: Translation) -> str:
    """As others know it: nothing of it may depend on the service's own name."""
    return resource_of(made.source)
