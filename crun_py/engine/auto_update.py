"""`auto-update`: containers of systemd's units get newer images, and go back where a unit fails.

A container wants it by its label io.containers.autoupdate, and says by PODMAN_SYSTEMD_UNIT which
unit it belongs to (podman-auto-update(1)).
"""

from __future__ import annotations

import os
import subprocess

from crun_py import caller, state
from crun_py.apart import apart
from crun_py.errors import CrunpyError, InvalidArgument, NotFound
from crun_py.model.registry import PullRequest, RegistryAccess
from crun_py.model.unit import Updated
from crun_py.oci.reference import is_short
from crun_py.oci.store.images import ImageStore
from crun_py.quadlet.keys import UPDATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.state import Container

CALLS = ()

AUTHFILE = UPDATES + ".authfile"
UNIT = "PODMAN_SYSTEMD_UNIT"
REGISTRY, LOCAL = "registry", "local"
_NOTHING = ("", "disabled")
_OLD_WORDS = {"image": REGISTRY}
NO, PENDING, YES, FAILED, ROLLED_BACK = "false", "pending", "true", "failed", "rolled back"


class _Task:
    """A container that wants updates."""

    def __init__(self, container: Container, authfile: str) -> None:
        """Raises InvalidArgument for a label that says nothing, or without a unit."""
        self.container = container
        labels = container.record["config"]["labels"]
        policy = labels.get(UPDATES, "").lower()
        self.policy = _OLD_WORDS.get(policy, policy)
        self.image, self.old = container.record["image"], container.record["image_id"]
        self.authfile = authfile or labels.get(AUTHFILE, "")
        self.unit = labels.get(UNIT, "")
        if self.policy not in (REGISTRY, LOCAL):
            raise self.say(f"label {UPDATES}={policy} is not known", "registry or local")
        if not self.unit:
            raise self.say(f"it has no label {UNIT}", "crunpy generate systemd --new, or Quadlet")
        if self.policy == REGISTRY and (is_short(self.image) or self.image.startswith("sha256:")):
            raise self.say(f"image {self.image} is not a whole name", "docker.io/library/NAME")

    def say(self, cause: str, hint: str = "") -> InvalidArgument:
        return InvalidArgument(f"updating container {self.container.name}: {cause}", hint=hint)

    def row(self, updated: str) -> Updated:
        return Updated(
            unit=self.unit,
            container_id=self.container.id,
            container_name=self.container.name,
            image=self.image,
            policy=self.policy,
            updated=updated,
        )


def auto_update(
    context: Context, *, dry_run: bool = False, rollback: bool = True,
    access: RegistryAccess | None = None,
) -> tuple[tuple[Updated, ...], tuple[CrunpyError, ...]]:  # fmt: skip
    """Look for newer images of the running containers that want it, and restart their units.

    dry_run: only look.  rollback: a unit that fails with its new image is started with the old one.
    access: how registries are reached.  Returns what became of each container, and the errors.
    """
    access = access or RegistryAccess()
    tasks, errors = _tasks(context, access.authfile)
    rows: list[Updated] = []
    newest: dict[tuple[str, str], str | CrunpyError] = {}
    restarted: dict[str, str] = {}
    for task in tasks:
        key = task.policy, task.image
        if key not in newest:
            newest[key] = _looked_up(context, task, access, dry_run=dry_run)
        found = newest[key]
        if isinstance(found, CrunpyError):
            errors.append(found)
            rows.append(task.row(FAILED))
        elif found == task.old:
            rows.append(task.row(NO))
        elif dry_run:
            rows.append(task.row(PENDING))
        else:
            if task.unit not in restarted:
                restarted[task.unit] = _restarted(context, task, errors, rollback=rollback)
            rows.append(task.row(restarted[task.unit]))
    return tuple(rows), tuple(errors)


def _tasks(context: Context, authfile: str) -> tuple[list[_Task], list[CrunpyError]]:
    """The running containers that want updates, oldest first."""
    tasks: list[_Task] = []
    errors: list[CrunpyError] = []
    for container in state.every(context.paths)[::-1]:
        wanted = container.record["config"]["labels"].get(UPDATES, "")
        if wanted.lower() in _NOTHING or not container.status().running:
            continue
        try:
            tasks.append(_Task(container, authfile))
        except InvalidArgument as e:
            errors.append(e)
    return tasks, errors


def _looked_up(
    context: Context, task: _Task, access: RegistryAccess, *, dry_run: bool
) -> str | CrunpyError:
    """The id of the image that the name means now, which is in the store then but for dry_run."""
    from crun_py.record import replaced

    reach = replaced(access, authfile=task.authfile)
    try:
        if task.policy == LOCAL:
            return ImageStore(context.paths).find(task.image).id
        newest = _remote_id(context, task.image, reach)
        if dry_run or newest == task.old:
            return newest
        # in a child: systemd does not know the root that a plain user becomes for it
        return apart(lambda: _pulled(context, task.image, reach), f"pulling {task.image}")
    except CrunpyError as e:
        return e


def _remote_id(context: Context, name: str, reach: RegistryAccess) -> str:
    from crun_py.engine.registries import access
    from crun_py.oci.transfer import remote

    return remote.describe(context.paths, name, access(reach)).id


def _pulled(context: Context, name: str, reach: RegistryAccess) -> str:
    from crun_py.engine import pull

    context.enter()
    return pull.obtain(context, name, PullRequest(policy="always", access=reach)).id


def _restarted(context: Context, task: _Task, errors: list[CrunpyError], *, rollback: bool) -> str:
    """Restart the unit of a container; what became of it."""
    try:
        _systemctl("restart", task.unit)
        return YES
    except CrunpyError as e:
        errors.append(e)
        if not rollback or isinstance(e, NotFound):
            return FAILED
    try:
        ImageStore(context.paths).tag(f"sha256:{task.old}", task.image)
        _systemctl("restart", task.unit)
    except CrunpyError as e:
        errors.append(e)
        return FAILED
    return ROLLED_BACK


def _systemctl(verb: str, unit: str) -> None:
    """Have systemd do something with a unit, and wait for its end (systemctl(1)).  The program is
    the first of this name in PATH.  Raises CrunpyError, NotFound without one."""
    user = ["--user"] if os.geteuid() != 0 else []
    try:
        done = subprocess.run(
            ["systemctl", *user, verb, "--", unit],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=caller.variables(),
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise NotFound(
            f"restarting {unit}: systemctl is not there", hint="auto-update needs systemd"
        ) from None
    if done.returncode:
        said = "; ".join(done.stdout.split("\n")).strip("; ") or f"status {done.returncode}"
        raise CrunpyError(f"restarting {unit}: {said}", hint=f"journalctl -u {unit}")
