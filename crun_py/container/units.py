"""systemd units (systemd.unit(5), systemd.service(5)) that start containers at boot.

The service's main process is the container's monitor: it writes RUN/containers/ID/monitor.pid
and ends with the container's exit code, so that systemd sees a failure.
"""

from __future__ import annotations

import itertools
import os

from crun_py.container import notify
from crun_py.errors import InvalidArgument
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.model.unit import UnitOptions
    from crun_py.state import Container

_RESTARTS = "no always on-success on-failure on-abnormal on-watchdog on-abort".split()


def quote(word: str) -> str:
    """A word of ExecStart=: quoted if it must be, with systemd's own characters doubled."""
    text = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
    if text and not any(c in text for c in " \t\n\"';"):
        return text
    return '"' + text.replace('"', '\\"').replace("\n", "\\n") + '"'


def command(program: Sequence[str], paths: Paths, *words: str) -> str:
    """A command line for ExecStart=, for this store; program: the words that are crunpy."""
    roots = ["--root", paths.root, "--runroot", paths.run]
    return " ".join(map(quote, [*program, *roots, *words]))


def _target() -> str:
    return "default.target" if os.geteuid() != 0 else "multi-user.target"


def resume(paths: Paths, program: Sequence[str]) -> str:
    """The unit that runs `crunpy system resume` at boot.  program: as for `command`."""
    user = os.geteuid() != 0
    return f"""\
# {"~/.config/systemd/user" if user else "/etc/systemd/system"}/crunpy-resume.service
[Unit]
Description=Start the containers whose restart policy wants it
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=true
KillMode=process
Delegate=yes
ExecStart={command(program, paths, "system", "resume")}
ExecStop={command(program, paths, "system", "resume", "--stop")}

[Install]
WantedBy={_target()}"""


def service_name(container: Container, options: UnitOptions) -> str:
    """The name of the container's unit, without `.service`."""
    who = container.name if options.by_name else container.id
    name = f"{options.prefix}{options.separator}{who}" if options.prefix else who
    return f"{name}@" if options.template else name


def service(container: Container, options: UnitOptions, program: Sequence[str]) -> str:
    """The unit of one container.  program: as for `command`.  Raises InvalidArgument."""
    own = container.record["restart"]["name"]
    policy = options.restart_policy or _POLICIES.get(own, "on-failure")
    if policy not in _RESTARTS:
        raise InvalidArgument(
            f"systemd restart policy {policy!r}: not known", hint=", ".join(_RESTARTS)
        )
    patience_s = options.stop_timeout_s
    if patience_s is None:
        patience_s = int(container.record["config"]["stop_timeout"])
    patience = str(patience_s)
    paths = container.paths
    pid_file = f"{container.run_directory}/monitor.pid"
    who = container.name if options.by_name else container.id
    start = [f"ExecStart={command(program, paths, 'start', who)}"]
    stop = command(program, paths, "stop", "-t", patience, who)
    stops = [f"ExecStop={stop}", f"ExecStopPost={stop}"]
    kind = ["Type=forking", f"PIDFile={pid_file}"]
    if options.new or options.template:
        given = _run_words(container)
        pid_file, id_file = "%t/%N.pid", "%t/%N.ctr-id"
        files = f"--cidfile={id_file} --conmon-pidfile={pid_file}"
        words = " ".join(map(quote, given))
        if options.template and container.name in given:
            words = _of_instance(words, container.name)
        kind = ["Type=forking", f"PIDFile={pid_file}"]
        if _tells_itself(given):
            kind = ["Type=notify", "NotifyAccess=all"]
        start = [
            f"ExecStartPre=/bin/rm -f {pid_file} {id_file}",
            f"ExecStart={command(program, paths, 'run')} {files} {words}",
        ]
        end = f"--ignore --cidfile={id_file}"
        stops = [
            f"ExecStop={command(program, paths, 'stop', '-t', patience)} {end}",
            f"ExecStopPost={command(program, paths, 'rm', '-f')} {end}",
        ]
    unit = [
        *([f"# {service_name(container, options)}.service", ""] if options.header else []),
        "[Unit]",
        f"Description=Container {container.name} of crunpy",
        "Wants=network-online.target",
        "After=network-online.target",
        f"RequiresMountsFor={quote(paths.root)}",
        *(f"{key.capitalize()}={name}" for key in _ORDER for name in getattr(options, key)),
        "",
        "[Service]",
        "Environment=PODMAN_SYSTEMD_UNIT=%n",
        *(f"Environment={quote(text)}" for text in options.environment),
        f"Restart={policy}",
        *_seconds("RestartSec", options.restart_delay_s),
        *_seconds("TimeoutStartSec", options.start_timeout_s),
        f"TimeoutStopSec={patience_s + 60}",
        *start,
        *stops,
        *kind,
        "KillMode=process",
        "Delegate=yes",
        "",
        "[Install]",
        f"WantedBy={_target()}",
    ]
    return "\n".join(unit)


def _of_instance(words: str, name: str) -> str:
    """The words of `run`, with the name of the container being that of a template's instance."""
    for option in ("--name ", "--name="):
        words = words.replace(f"{option}{name} ", f"{option}{name}-%i ", 1)
    return words


def _tells_itself(words: Sequence[str]) -> bool:
    """Whether `run` with these words tells systemd when the container is ready."""
    named = [w.partition("=")[2] for w in words if w.startswith("--sdnotify=")]
    named += [b for a, b in itertools.pairwise(words) if a == "--sdnotify"]
    return bool(named) and named[-1].lower() != notify.IGNORE


def _seconds(key: str, value: int | None) -> list[str]:
    """The line of a unit for a time that may not be given."""
    return [] if value is None else [f"{key}={value}"]


_POLICIES = {"always": "always", "unless-stopped": "always"}
"""systemd's words for ours."""
_ORDER = ("after", "requires", "wants")


def _run_words(container: Container) -> list[str]:
    """What follows `crunpy run` in a unit that makes the container anew: the options it was
    created with, in the background and removed at its end."""
    words = [*container.record["create_command"]]
    at = next((i for i, word in enumerate(words) if word in ("run", "create")), None)
    if at is None:
        raise InvalidArgument(
            f"generating a unit for {container.name}: how it was created is not known",
            hint="do without --new",
        )
    kept: list[str] = []
    left = iter(words[at + 1 :])
    for word in left:
        if word == "--restart":
            next(left, "")  # the unit restarts it
        elif word not in ("--rm", "-d", "--detach") and not word.startswith("--restart="):
            kept.append(word)
    return ["--rm", "-d", *kept]
