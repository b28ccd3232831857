"""SELinux: the labels that confine a container and mark its files, where the host has it.

A process of type container_t may touch files of type container_file_t alone, and of those only
such as have its two categories: a further wall between containers, and between them and the host.
The kernel's side: selinux(8), Documentation/admin-guide/LSM/SELinux.rst; who has which label, and
the files it is read from: selabel_lxc(5), go-selinux's label package, which docker and podman use.
"""

from __future__ import annotations

import errno
import os

from crun_py import caller, jsonfile, ns
from crun_py.errors import CrunpyError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CONFIG = "/etc/selinux"
_FALLBACK = "/usr/share/containers/selinux/contexts"
XATTR = "security.selinux"
EXEC = ("/proc/thread-self/attr/exec", "/proc/self/attr/exec")
"""Where a process says what the next program it executes runs as (proc_pid_attr(5))."""
KEYS = ("/proc/thread-self/attr/keycreate", "/proc/self/attr/keycreate")
"""The same for the keyrings it makes."""

_CATEGORIES = 1024
PARTS = ("user", "role", "type", "level")
OPTIONS = (*PARTS, "filetype")
"""What --security-opt label=…:VALUE can say; and disable, nested, which have no value."""

_NEVER = frozenset(
    "/ /bin /boot /dev /etc /etc/passwd /etc/pki /etc/shadow /home /lib /lib64 /media /opt /proc "
    "/root /run /sbin /srv /sys /system /tmp /usr /var /var/lib /var/log".split()
)
"""What no mount's z or Z relabels: the host would not work any more."""


class Labels:
    """A container's: process is "" where nothing confines it, mount is what its files have.

    nested: it may give its files labels of its own."""

    __slots__ = ("mount", "nested", "process")

    def __init__(self, process: str, mount: str, *, nested: bool = False) -> None:
        self.process, self.mount, self.nested = process, mount, nested


def enabled() -> bool:
    """Whether the kernel runs with SELinux, for us too: in a container that sees the host's
    selinuxfs it is read-only, and no label can be set."""
    try:
        return not os.statvfs(ns.SELINUX_FS + "/enforce").f_flag & os.ST_RDONLY
    except OSError:
        return False


def is_known(label: str, selinuxfs: str = "") -> bool:
    """Whether the policy that the kernel has knows a label; also where it can't be asked.

    selinuxfs: where that is mounted, by default `ns.SELINUX_FS`."""
    try:
        fd = os.open(f"{selinuxfs or ns.SELINUX_FS}/context", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        os.write(fd, label.encode() + b"\0")
    except OSError as e:
        return e.errno != errno.EINVAL
    finally:
        os.close(fd)
    return True


def contexts() -> dict[str, str]:
    """The labels that the policy has for containers: process, file, init_process …

    Read from lxc_contexts of the policy that /etc/selinux/config names; {} where the policy knows
    nothing of containers.  Debian 12's file has labels whose types are not in its policy: those are
    left out.  Raises CrunpyError."""
    policy = _pairs(CONFIG + "/config").get("SELINUXTYPE") or "targeted"
    found = _pairs(f"{CONFIG}/{policy}/contexts/lxc_contexts") or _pairs(_FALLBACK)
    return {key: label for key, label in found.items() if is_known(label)}


def labels_containers() -> bool:
    """Whether containers get labels here.  Raises CrunpyError."""
    return enabled() and {"process", "file"} <= contexts().keys()


def of_layers() -> str:
    """What images' files are labelled, which each container may read and execute; "" for nothing.

    A mount with a label of its own (overlay) is not enough: to change the protection of memory a
    file is mapped to, the kernel asks for the right to the layer's own file (mprotect(2))."""
    known = contexts()
    file = known.get("file", "")
    return known.get("ro_file") or (shared(file) if file else "")


def _pairs(path: str) -> dict[str, str]:
    """KEY = "VALUE" of each line; {} without the file."""
    try:
        text = jsonfile.read_bytes(path).decode()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as e:
        raise CrunpyError(f"reading {path}: {e}") from e
    found = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and key[0] not in "#;":
            found[key.strip()] = value.strip().strip('"')
    return found


def check_option(text: str) -> str:
    """`text`, if --security-opt label=… may say it.  Raises InvalidArgument."""
    key, colon, value = text.partition(":")
    right = key in OPTIONS and value if colon else text in ("disable", "nested")
    if not right or not value.isprintable() or set(value) & set(' "\\'):
        raise InvalidArgument(
            f"security option label={text}: not known",
            hint="known: disable, nested, and " + ", ".join(f"{key}:…" for key in OPTIONS),
        )
    return text


def decide(
    options: Iterable[str], *, systemd: bool, is_free: Callable[[str], bool]
) -> Labels | None:
    """The labels of a new container; None where the policy has none for containers.

    options: as of `check_option`, later ones count.  systemd: it is the command, which the policy
    lets do more.  is_free: whether no other container has a level.  Raises CrunpyError.
    """
    known = contexts()
    process, file = known.get("process", ""), known.get("file", "")
    if not process or not file:
        return None
    said = [*options]
    own, mount = _parsed(process), _parsed(file)
    if "disable" in said:
        mount["level"] = f"s0:c{_CATEGORIES - 2},c{_CATEGORIES - 1}"
        return Labels("", _joined(mount))
    given: dict[str, str] = {}
    for text in said:
        key, colon, value = text.partition(":")
        if colon:
            given[key] = value
    if systemd and "type" not in given and "init_process" in known:
        own["type"] = _parsed(known["init_process"])["type"]
    own["level"] = mount["level"] = given.get("level") or free_level(is_free)
    own |= {key: given[key] for key in PARTS if key in given}
    mount["user"] = given.get("user", mount["user"])
    mount["type"] = given.get("filetype", mount["type"])
    return Labels(_joined(own), _joined(mount), nested="nested" in said)


def free_level(is_free: Callable[[str], bool]) -> str:
    """A level that no other container has.  is_free: as of `decide`.  Raises CrunpyError."""
    for _ in range(1000):
        level = _random_level()
        if is_free(level):
            return level
    raise CrunpyError("choosing the SELinux categories of a container: all that were tried are in "
                      "use", hint="--security-opt label=level:s0:cA,cB names two")  # fmt: skip


def _random_level() -> str:
    """Two categories; the pair that unconfined containers' files have is left out."""
    number = int.from_bytes(os.urandom(8), "little")
    first = number % _CATEGORIES
    second = (first + 1 + number // _CATEGORIES % (_CATEGORIES - 1)) % _CATEGORIES
    low, high = sorted((first, second))
    return f"s0:c{low},c{high}" if low < _CATEGORIES - 2 else _random_level()


def options_of(label: str) -> list[str]:
    """What --security-opt label=… says to be confined as `label` is; [] for ""."""
    return [f"{key}:{value}" for key, value in _parsed(label).items()] if label else []


def level_of(label: str) -> str:
    """`s0:c1,c2` of a label."""
    return _parsed(label)["level"] if label else ""


def shared(label: str) -> str:
    """A file's label that every container may use: without categories."""
    return _joined({**_parsed(label), "level": "s0"})


def context(label: str, *, nested: bool = False) -> str:
    """mount(8)'s option for a file system whose files are all to have `label`, or (nested) begin
    with it."""
    return f'{"rootcontext" if nested else "context"}="{label}"'


def _parsed(label: str) -> dict[str, str]:
    """By `PARTS`.  Raises CrunpyError: labels are from the policy's files and our own."""
    words = label.split(":", 3)
    if len(words) < 3 or not all(words):
        raise CrunpyError(f"SELinux label {label!r}: not USER:ROLE:TYPE:LEVEL")
    return dict(zip(PARTS, [*words, "s0"][:4], strict=True))


def _joined(parts: dict[str, str]) -> str:
    return ":".join(parts[key] for key in PARTS)


def check_relabel(path: str, store: str) -> None:
    """Raises InvalidArgument for what z and Z are not to relabel: the host's own directories,
    and what holds the store (of which `store` is the path)."""
    real = os.path.realpath(path)
    never = real in _NEVER or real == os.path.realpath(caller.home())
    if never or f"{os.path.realpath(store)}/".startswith(real + "/"):
        raise InvalidArgument(
            f"mounting {path}: SELinux relabeling of {real} is not allowed: it is the host's",
            hint="--security-opt label=disable does without labels",
        )
