"""crunpy system resume."""

from __future__ import annotations

import os
import sys

from crun_py import lifecycle, restart, state
from crun_py.cli.context import Context, write
from crun_py.cli.each import each_apart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = ""
OPTIONS = (("--print-unit", "flag", "Print a systemd unit that does this at boot", ""),)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """After a boot: start what --restart would have kept running, and print the names."""
    if values["print_unit"]:
        write(unit(context))
        return 0
    found = [c for c in state.every(context.paths)[::-1] if restart.due_after_boot(c)]

    def act(container_id: str) -> None:
        container = state.load(context.paths, container_id)
        context.enter(container.record["network"]["mode"])
        lifecycle.start(container, rootless=context.rootless)
        write(container.name)

    return each_apart([c.id for c in found], act)


def unit(context: Context) -> str:
    """A systemd unit, for /etc/systemd/system or, of a user, ~/.config/systemd/user."""
    command = f"{os.path.abspath(sys.argv[0])} --root {context.paths.root}"
    user = os.geteuid() != 0
    return f"""\
# {"~/.config/systemd/user" if user else "/etc/systemd/system"}/crunpy-resume.service
[Unit]
Description=Start the containers whose restart policy wants it
Documentation=man:systemd.unit(5)
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=true
KillMode=process
Delegate=yes
ExecStart={command} system resume
ExecStop={command} stop --filter restart-policy=always --filter restart-policy=unless-stopped

[Install]
WantedBy={"default" if user else "multi-user"}.target"""
