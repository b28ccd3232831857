"""What is explained as a shell script of plain commands, for those who want to see how it is done.

It is for who asked, and nearest, not the same: the filter of system calls has no plain command, and
networks but bridges of IPv4, id maps and what is to be made first are left out; comments tell so.
What strangers wrote ends neither a comment nor the part that runs inside, and where a link of the
image leads out of its root nothing is mounted.
"""

from __future__ import annotations

import shlex

from crun_py.errors import printable
from crun_py.show import shell_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.documents.explanation import Explanation, Mount

_FLAGS = {"mount": "--mount", "pid": "--pid --fork", "network": "--net", "ipc": "--ipc",
          "uts": "--uts", "cgroup": "--cgroup"}  # fmt: skip
"""What unshare(1) calls namespaces."""
_LINKS = (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
          ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx"))  # fmt: skip


def script(found: Explanation) -> str:
    """The script: as the container's command it ends with that one's exit status."""
    own = [n["type"] for n in found["namespaces"] if "path" not in n]
    inside = [*_inside(found, own)]
    end = "INSIDE"
    while end in "\n".join(inside):
        end += "_"
    around = shell_host.Around(found)
    made = [kind for kind in own if kind != "network" or not shell_host.bridges(found)]
    flags = " ".join([*_user_namespace(found), *(_FLAGS[kind] for kind in _FLAGS if kind in made)])
    whom = "a plain user" if found["rootless"] else "root"
    lines = [
        "#!/bin/sh",
        f"# the nearest plain commands to what `crunpy run` makes; for {whom}",
        "set -eu",
        *(f"# not done here: {printable(what)}" for what in _left_out(found)),
        'export place="$(realpath "$(mktemp -d)")"',
        "undo() {",
        "  set +e",
        *(f"  {line}" for line in reversed(around.undone)),
        '  rm -rf "$place"',
        "}",
        "trap undo EXIT",
        *around.made,
        f"{around.before}unshare {flags} --propagation private sh -eu <<'{end}'",
        *inside,
        end,
    ]
    return "\n".join(lines)


def _user_namespace(found: Explanation) -> Iterator[str]:
    """The options for that in which a plain user's engine is root."""
    if not found["rootless"]:
        return
    yield "--map-root-user"
    for kind, rows in (("users", found["ids"]["engine"]["uids"]),
                       ("groups", found["ids"]["engine"]["gids"])):  # fmt: skip
        for inside, outside, count in rows:
            if inside:
                yield f"--map-{kind}={outside},{inside},{count}"


def _left_out(found: Explanation) -> Iterator[str]:
    process, network = found["process"], found["network"]
    if process["seccomp"] != "unconfined":
        yield f"the filter of system calls ({process['seccomp']})"
    there = shell_host.bridges(found)
    for one in network["networks"]:
        if one not in there:
            yield f"the network {one['name']}"
        elif len(one["subnets"]) > 1:
            yield f"addresses of {one['name']} but IPv4"
    if network["way"] not in ("none", "host", "bridge"):
        yield f"the network {network['mode']}; there is only lo"
    for port in network["ports"]:
        if port not in shell_host.ports(found):
            yield f"the published port {port['container_port']}/{port['protocol']}"
    if found["ids"]["own"]:
        yield "a user namespace"
    for name, value in found["cgroup"]["asked"].items():
        if name not in shell_host.limits(found):
            yield f"{name}={value} in a cgroup".replace("\n", ", ")
    for entry in found["namespaces"]:
        if "path" in entry:
            yield f"joining the {entry['type']} namespace of {entry['path']}"
    for mount in found["mounts"]:
        if mount["what"] in ("file", "image") or mount["new"]:
            yield f"the mount {shlex.quote(mount['destination'])}: {mount['what']}"


def _inside(found: Explanation, own: list[str]) -> Iterator[str]:
    root, process = found["root"], found["process"]
    yield 'root="$place/root"; mkdir "$root"'
    yield (
        'within() { case "$(realpath -m "$1")" in "$root"/*) ;; '
        '*) echo "$1: it leads out" >&2; exit 1 ;; esac; }'
    )
    if root["kind"] == "directory":
        yield f'mount --rbind {shlex.quote(root["layers"][0])} "$root"'
    else:
        lower = shlex.quote(":".join(root["layers"][::-1]))
        yield 'mount -t tmpfs tmpfs "$place"; mkdir "$root" "$place/upper" "$place/work"'
        yield (
            f'mount -t overlay overlay -o lowerdir={lower},upperdir="$place/upper",'
            'workdir="$place/work" "$root"'
        )
    for mount in found["mounts"]:
        if mount["what"] not in ("file", "image") and not mount["new"]:
            yield from _mount(mount)
    for device in found["devices"]:
        path = shlex.quote(device["path"])
        yield f'within "$root"{path}; : > "$root"{path}; mount --bind {path} "$root"{path}'
    for name, target in _LINKS:
        yield f'ln -sf {target} "$root"/dev/{name}'
    for path in found["masked"]:
        at = f'"$root"{shlex.quote(path)}'
        yield f"within {at}; if [ -d {at} ]; then mount -t tmpfs -o ro tmpfs {at}"
        yield f"elif [ -e {at} ]; then mount --bind /dev/null {at}; fi"
    for path in found["readonly"]:
        at = f'"$root"{shlex.quote(path)}'
        remount = f"mount -o remount,bind,ro {at}"
        yield f"within {at}; if [ -e {at} ]; then mount --bind {at} {at}; {remount}; fi"
    if "uts" in own:
        name = shlex.quote(found["hostname"] or "container")
        # that file is the host's root's, whoever has the namespace
        yield (
            f"hostname {name}" if found["rootless"] else f"echo {name} > /proc/sys/kernel/hostname"
        )
    if "network" in own and not shell_host.bridges(found):
        yield "ip link set lo up"
    for key, value in found["sysctls"].items():
        at = "/proc/sys/" + key.replace(".", "/")
        yield f"if [ -e {at} ]; then echo {shlex.quote(value)} > {at}; fi"
    if root["read_only"]:
        yield 'mount -o remount,ro,bind "$root"'
    yield f"umask {process['umask']:04o}"
    sets = ",".join(
        ["-all", *(f"+{n.removeprefix('CAP_').lower()}" for n in found["capabilities"]["bounding"])]
    )
    user = process["user"]
    yield (
        f"exec setpriv --bounding-set {sets} --inh-caps -all"
        f"{' --no-new-privs' if process['no_new_privileges'] else ''} \\"
    )
    yield f"  env -i {shlex.join(process['environment'])} \\"
    yield (
        f'  unshare --root="$root" --wd={shlex.quote(process["cwd"])} '
        f"--setgid {user['gid']} --setuid {user['uid']} \\"
    )
    yield f"  -- {shlex.join(process['args'])} < /dev/null"


def _mount(mount: Mount) -> Iterator[str]:
    at = f'"$root"{shlex.quote(mount["destination"])}'
    words = [w for w in mount["options"] if w not in ("bind", "rbind", "rro")]
    yield f"within {at}; mkdir -p {at}"
    if mount["type"] == "bind":
        yield f"mount --rbind {shlex.quote(mount['source'])} {at}"
        if "ro" in mount["options"] or "rro" in mount["options"]:
            yield f"mount -o remount,bind,ro {at}"
        return
    kind = "cgroup2" if mount["type"] == "cgroup" else mount["type"]
    options = f" -o {shlex.quote(','.join(words))}" if words else ""
    yield f"mount -t {kind}{options} {kind} {at}"
