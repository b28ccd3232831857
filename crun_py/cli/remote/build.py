"""An image that is built elsewhere: the context goes there as an archive (ImageBuild, the classic
builder's)."""

from __future__ import annotations

import os
import stat
import sys
import tempfile

from crun_py import caller, outfile
from crun_py.archive import header
from crun_py.archive.header import Entry
from crun_py.archive.pack import Packer
from crun_py.build import add, context, repository
from crun_py.build.dockerfile import NAMES
from crun_py.cli.build import request as build_request
from crun_py.cli.image import push as local_push
from crun_py.cli.output import write
from crun_py.cli.remote import registries
from crun_py.errors import BuildError, CrunpyError, InvalidArgument, Unsupported
from crun_py.model.container import SHM_BYTES, CreateRequest
from crun_py.oci.reference import parse
from crun_py.remote.http import Broken
from crun_py.remote.packing import packed
from crun_py.values import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.build.context import Context
    from crun_py.build.request import BuildJob, BuildRequest
    from crun_py.remote.client import Remote

_UNSAID = (
    "build_context", "no_cache_filter", "annotation", "env", "unsetenv", "dns", "dns_search",
    "dns_option", "secret", "ssh", "metadata_file", "squash_all", "timestamp", "source_date_epoch",
    "volume", "cpus", "cap_add", "cap_drop", "device", "security_opt", "allow", "jobs", "logfile",
    "from", "debug_on_failure", "check", "output", "manifest", "cache_from", "cache_to",
    "cache_ttl", "http_proxy", "attest", "tls_verify", "creds", "cert_dir", "retry", "retry_delay",
)  # fmt: skip
"""Options that the API does not carry."""
_OWN_FILE = ".dockerfile.crunpy"


def build(values: Values, arguments: list[str], remote: Remote) -> int:
    """Build; prints the steps, and at last the image's id."""
    _refuse(values)
    job = build_request.job(values, arguments)
    (request,) = job.requests if len(job.requests) == 1 else (None,)
    if request is None:
        raise Unsupported("--platform with several: one build for each, by the API")
    if values.flag("push") and not job.names:
        raise InvalidArgument("pushing: the image has no name", hint="-t REGISTRY/NAME:TAG")
    query = _query(values, job, request)
    if repository.parse(job.directory) or add.is_url(job.directory):
        query |= {"remote": job.directory, "dockerfile": job.dockerfile or None}
        image_id = _built(values, remote, query, None)
    else:
        image_id = _of_files(values, remote, query, job)
    if values.text("iidfile"):
        outfile.write(values.text("iidfile"), image_id.encode())
    if values.flag("push"):
        for name in job.names:
            registries.push(Values(local_push.OPTIONS), [name], remote)
    return 0


def _refuse(values: Values) -> None:
    """Raises Unsupported."""
    for key in _UNSAID:
        if values.given(key):
            raise Unsupported(
                f"--{key.replace('_', '-')}: Docker's API of builds cannot say it",
                hint="on the other machine itself",
            )
    for option, given in (
        ("--layers=false", values.switch("layers") is False),
        ("--inherit-labels=false", values.switch("inherit_labels") is False),
        ("--skip-unused-stages=false", values.switch("skip_unused_stages") is False),
        ("--format docker", values.text("format") == "docker"),
        ("--pull=never", values.flag("pull_never") or values.text("pull") == "never"),
        ("--progress rawjson", values.text("progress") == "rawjson"),
        ("--call", values.maybe("call") not in (None, "build")),
    ):
        if given:
            raise Unsupported(f"{option}: Docker's API of builds cannot say it")


def _query(values: Values, job: BuildJob, request: BuildRequest) -> dict[str, object]:
    inside: CreateRequest = request.container
    limits = inside.limits
    ulimits = [{"Name": u.name, "Soft": u.soft, "Hard": u.hard} for u in inside.ulimits]
    return {
        "t": [parse(name).familiar for name in job.names],
        "buildargs": dict(request.build_args) or None,
        "labels": dict(request.labels) or None,
        "target": request.target or None,
        "platform": request.platform or None,
        "nocache": not request.cache or None,
        "pull": job.pull.policy in ("always", "newer") or None,
        "networkmode": request.network or None,
        "squash": bool(request.squash) or None,
        "q": values.flag("quiet") or None,
        "rm": True,
        "forcerm": True,
        "memory": limits.memory_bytes,
        "memswap": limits.memory_swap_bytes,
        "cpushares": limits.cpu_shares,
        "cpuperiod": limits.cpu_period_us,
        "cpuquota": limits.cpu_quota_us,
        "cpusetcpus": limits.cpuset_cpus or None,
        "cpusetmems": limits.cpuset_mems or None,
        "shmsize": inside.shm_bytes if inside.shm_bytes != SHM_BYTES else None,
        "ulimits": _json(ulimits) if ulimits else None,
        "cgroupparent": inside.cgroup_parent or None,
        "extrahosts": ",".join(inside.network.hosts) or None,
    }


def _json(value: object) -> str:
    from crun_py import jsonfile

    return jsonfile.dumps(value)


def _of_files(values: Values, remote: Remote, query: dict[str, object], job: BuildJob) -> str:
    """Build of a directory or archive, which is sent."""
    with tempfile.TemporaryDirectory(prefix="crunpy-build-") as work:
        files = context.opened(
            job.directory, work=work, environment=caller.variables(), dockerfile=job.dockerfile,
            ignore_file=job.ignore_file, stdin=0,
        )  # fmt: skip
        try:
            name, sent = _dockerfile(files)
            pieces = packed(lambda put: _pack(files, put, name, sent, bool(job.ignore_file)))
            return _built(values, remote, {**query, "dockerfile": name}, pieces)
        finally:
            files.close()


def _dockerfile(files: Context) -> tuple[str, bytes | None]:
    """Its name in the archive, and its content where it is none of the context's files."""
    for name in (files.dockerfile_name, *NAMES):
        path = os.path.normpath(name)
        try:
            fd = files.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        with open(fd, "rb") as found:
            if found.read() == files.dockerfile:
                return path, None
    return _OWN_FILE, files.dockerfile


def _pack(
    files: Context, put: Callable[[bytes], object], name: str, sent: bytes | None, ignored: bool
) -> None:
    """Write the context: what is not ignored, and the Dockerfile.

    sent: its content, where it is none of the context's files.  ignored: its own ignore files do
    not count, and are left out."""
    above = {name[:at] for at, c in enumerate(name) if c == "/"} if sent is None else set()

    def wanted(path: str) -> bool:
        if sent is None and (path == name or path in above):
            return True
        if path in (".dockerignore", ".containerignore"):
            return not ignored
        found = os.stat(path, dir_fd=files.root, follow_symlinks=False)
        return not files.hides(path, directory=stat.S_ISDIR(found.st_mode))

    packer = Packer(put, owner=lambda uid, gid: (0, 0), wanted=wanted)
    packer.children(files.root, "")
    if sent is not None:
        entry = Entry(name.encode(), header.FILE, mode=0o644, size=len(sent))
        put(header.encode(entry) + sent + header.padding(len(sent)))
    packer.finish()


def _built(
    values: Values, remote: Remote, query: dict[str, object], body: Iterator[bytes] | None
) -> str:
    """Print what is told; the image's id."""
    quiet = values.flag("quiet")
    silent = quiet or values.text("progress") in ("quiet", "none")
    image_id = ""
    try:
        for line in remote.lines("POST", "/build", query, body, headers=registries.logins()):
            text = line.text("stream")
            if line.has("aux"):
                image_id = line.inner("aux").text("ID") or image_id
            elif text.startswith("sha256:") and quiet:
                image_id = text.strip()
            elif text and not silent:
                sys.stdout.write(text)
                sys.stdout.flush()
            elif (status := line.text("status")) and not silent and not line.has("progressDetail"):
                write(f"{line.text('id')}: {status}" if line.text("id") else status)
    except Broken:
        raise
    except CrunpyError as e:
        code = e.exit_code if e.exit_code != CrunpyError.exit_code else 0
        raise BuildError(e.message, hint=e.hint, code=code) from e
    if quiet:
        write(image_id)
    return image_id
