"""A .container file: the service that runs it."""

from __future__ import annotations

import os

from crun_py.quadlet import keys, words
from crun_py.quadlet.translate import Translation

_CID = "--cidfile=%t/%N.cid"


def translate(made: Translation) -> None:
    """Fill the service of a .container file.  Raises InvalidArgument."""
    source, service = made.source, made.service
    kind = _kind(made)
    image, rootfs = made.last("Image"), made.last("Rootfs")
    if bool(image) == bool(rootfs):
        raise source.say("one of Image and Rootfs is needed, and not both")
    made.begin_unit()
    service.add("Unit", "RequiresMountsFor", "%t/crunpy")
    options = [
        f"--name={_name(made)}",
        _CID,
        "--replace",
        "--rm",
        *(["-d", f"--sdnotify={_notify(made)}"] if kind == "notify" else []),
        *made.options(),
        *_security(made),
        *_user(made),
        *_files(made),
        *(f"--network={made.network(text)}" for text in made.all("Network")),
        *_pod(made),
        *_update(made),
        *made.words("PodmanArgs"),
    ]
    what = ["--rootfs", rootfs] if rootfs else [made.image(image)]
    start = [*made.command("run"), *options, *what, *made.words("Exec")]
    own = [("Environment", "PODMAN_SYSTEMD_UNIT=%n")]
    if not service.has("Service", "KillMode"):
        own.append(("KillMode", "mixed"))
    service.begin("Service", own)
    # `run` takes no file that is there, and the last run's is
    service.add("Service", "ExecStartPre", "-/bin/rm -f %t/%N.cid")
    end = [_CID, "--ignore"]
    service.add("Service", "ExecStop", words.line([*made.command("stop"), *end]))
    gone = words.line([*made.command("rm", "-f", "-v"), *end])
    service.add("Service", "ExecStopPost", f"-{gone}")
    service.add("Service", "Delegate", "yes")
    if not service.has("Service", "Type"):
        service.add("Service", "Type", kind)
    if kind == "notify":
        service.add("Service", "NotifyAccess", "all")
    if not service.has("Service", "SyslogIdentifier"):
        service.add("Service", "SyslogIdentifier", "%N")
    _reload(made)
    service.add("Service", "ExecStart", words.line(start))


def _kind(made: Translation) -> str:
    unit = made.source.unit
    kind = unit.last("Service", "Type") or "notify"
    if kind not in ("notify", "oneshot"):
        raise made.source.say(f"Type={kind}: only notify and oneshot are possible")
    mode = unit.last("Service", "KillMode") or "mixed"
    if mode not in ("mixed", "control-group"):
        raise made.source.say(f"KillMode={mode}: only mixed and control-group are possible")
    return kind


def _name(made: Translation) -> str:
    """As others know it, but with specifiers where it is an instance of a template."""
    own = made.last("ContainerName")
    return own or ("systemd-%p_%i" if "@" in made.source.stem else "systemd-%N")


def _notify(made: Translation) -> str:
    if made.last("Notify") == "healthy":
        return "healthy"
    return "container" if made.truth("Notify") else "conmon"


def _security(made: Translation) -> list[str]:
    found = [word for key, word in keys.SECURITY_FLAGS.items() if made.truth(key)]
    for key, form in keys.SECURITY.items():
        found += [form.format(value) for value in made.all(key)]
    return [f"--security-opt={word}" for word in found]


def _user(made: Translation) -> list[str]:
    user, group = made.last("User"), made.last("Group")
    if group and not user:
        raise made.source.say("Group is given without User")
    return [f"--user={user}:{group}" if group else f"--user={user}"] if user else []


def _files(made: Translation) -> list[str]:
    """Files and devices of the host, volumes and mounts."""
    found = [f"--env-file={made.absolute(path)}" for path in made.all("EnvironmentFile")]
    found += [f"--volume={made.volume(text)}" for text in made.all("Volume")]
    found += [f"--mount={_mount(made, text)}" for text in made.all("Mount")]
    for text in made.words("AddDevice"):
        if text.startswith("-") and not os.path.exists(text[1:].partition(":")[0]):
            continue
        found.append(f"--device={text.removeprefix('-')}")
    return found


def _mount(made: Translation, text: str) -> str:
    parts = text.split(",")
    kind = next((p.partition("=")[2] for p in parts if p.startswith("type=")), "volume")
    for i, part in enumerate(parts):
        key, equals, value = part.partition("=")
        if key not in ("source", "src") or not equals:
            continue
        if kind == "volume" and value.endswith(".volume"):
            value = made.resource(value)
        elif kind == "image":
            value = made.image(value)
        elif kind in ("bind", "glob") and value.startswith("."):
            value = made.absolute(value)
        parts[i] = f"{key}={value}"
    return ",".join(parts)


def _pod(made: Translation) -> list[str]:
    """The option for its pod, whose service must run as long as this one."""
    name = made.last("Pod")
    if not name:
        if made.all("StartWithPod"):
            raise made.source.say("StartWithPod is given without Pod")
        return []
    if not name.endswith(".pod"):
        raise made.source.say(f"Pod={name}: it is not the name of a .pod file")
    pod = made.other(name)
    if made.all("PublishPort") and not made.all("Network"):
        raise made.source.say(f"PublishPort with Pod: ports are the pod's, {name} is to say it")
    made.truth("StartWithPod")  # the pod's service looks at it
    for key in ("BindsTo", "After"):
        made.service.add("Unit", key, f"{pod.service}.service")
    return [f"--pod-id-file=%t/{pod.service}.pod-id"]


def _update(made: Translation) -> list[str]:
    policy = made.last("AutoUpdate")
    if policy not in ("", "registry", "local"):
        raise made.source.say(f"AutoUpdate={policy}: only registry and local are possible")
    return [f"--label={keys.UPDATES}={policy}"] if policy else []


def _reload(made: Translation) -> None:
    command, signal = made.words("ReloadCmd"), made.last("ReloadSignal")
    if command and signal:
        raise made.source.say("ReloadCmd and ReloadSignal: only one of them is possible")
    name = _name(made)
    if command:
        line = [*made.command("exec", name), *command]
    elif signal:
        line = made.command("kill", f"--signal={signal}", name)
    else:
        return
    made.service.add("Service", "ExecReload", words.line(line))
