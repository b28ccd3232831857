"""Why a plain user's ranges of subuid(5) and subgid(5) could not be mapped, and ranges that can be.

The kernel gives a new user namespace only ids that there are in the one around it. In a container
of a plain user's engine useradd(8) writes others, as a rule, as it knows nothing of that.
"""

from __future__ import annotations

from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Range = tuple[int, int]  # first id, count

_SYSTEM_IDS = 1000
"""Those below are the system's own (login.defs(5), UID_MIN)."""
ENOUGH = 65536
"""Ids that an image may use: all of 16 bits."""
_FIRST = 100_000
"""Where useradd(8) begins (login.defs(5), SUB_UID_MIN)."""
_SYS_ADMIN = 21  # capabilities(7)


def there(text: str) -> list[Range]:
    """The ids that there are in a user namespace, by its uid_map or gid_map."""
    rows = [line.split() for line in text.splitlines()]
    return [(int(first), int(count)) for first, _, count in rows]


def outside(ranges: Iterable[Range], known: Sequence[Range]) -> list[Range]:
    """Those of `ranges` that lie in none of `known`: the kernel takes only what is within one line
    of the map around it."""
    return [
        (first, count)
        for first, count in ranges
        if not any(a <= first and first + count <= a + n for a, n in known)
    ]


def fitting(known: Iterable[Range], taken: Iterable[Range]) -> Range | None:
    """A range that lies in one of `known` and meets none of `taken`, the largest up to 65536; of
    whole thousands where that is possible.  None where there is none."""
    best = (0, 0)
    for first, count in known:
        end, at = first + count, max(first, _SYSTEM_IDS)
        for start, number in (*sorted(taken), (end, 0)):
            room = min(start, end) - at
            if room > best[1]:
                best = (at, room)
            at = max(at, start + number)
    start = -(-best[0] // 1000) * 1000
    whole = (sum(best) - start) // 1000 * 1000
    if whole > 0:
        best = (start, whole)
    return (best[0], min(best[1], ENOUGH)) if best[1] else None


def _places(file: str, own: int, read: Callable[[str], str]) -> tuple[list[Range], set[Range]]:
    """The ids that there are here, and those that are somebody's.  As for `misplaced`."""
    known = there(read(f"/proc/self/{file[8:]}_map"))
    everybody = "/etc/passwd" if file.endswith("uid") else "/etc/group"
    taken = {(int(f[2]), 1) for f in _fields(read(everybody)) if len(f) > 2 and f[2].isdigit()}
    taken |= {(int(f[1]), int(f[2])) for f in _fields(read(file))
              if len(f) == 3 and f[1].isdigit() and f[2].isdigit()}  # fmt: skip
    return known, taken | {(own, 1)}


def _fields(text: str) -> Iterable[list[str]]:
    return (line.strip().split(":") for line in text.splitlines())


def addition(file: str, name: str, own: int, read: Callable[[str], str]) -> str:
    """The command by which root gives a user a range that is nobody else's, "" where none can be.
    As for `misplaced`."""
    known, taken = _places(file, own, read)
    first = max([_FIRST, *(a + n for a, n in taken if a >= _FIRST)])
    right: Range | None = (first, ENOUGH)
    if outside([(first, ENOUGH)], known) and known:
        right = fitting(known, taken)
    return _usermod(file, name, (), right) if right else ""


def _usermod(file: str, name: str, gone: Sequence[Range], right: Range) -> str:
    if name.isdigit() and not gone:  # usermod(8) knows only who has a name
        return f"echo {name}:{right[0]}:{right[1]} >> {file}"
    kind = file[5:] + "s"
    deleted = "".join(f" --del-{kind} {_dashed(one)}" for one in gone)
    return f"usermod{deleted} --add-{kind} {_dashed(right)} {name}"


def _joined(known: Iterable[Range]) -> list[Range]:
    """Ranges of which one begins where another ends as one, for people."""
    found: list[Range] = []
    for first, count in sorted(known):
        if found and sum(found[-1]) == first:
            first, count = found[-1][0], found.pop()[1] + count
        found.append((first, count))
    return found


def _dashed(one: Range) -> str:
    return f"{one[0]}-{one[0] + one[1] - 1}"


@record
class Misplaced:
    """Ranges of a user that are not in the user namespace that we are in.

    file: /etc/subuid or /etc/subgid.  wrong: the ranges.  known: the ids that there are.  right: a
    range that would do, None for none.
    """

    file: str
    name: str
    wrong: tuple[Range, ...]
    known: tuple[Range, ...]
    right: Range | None

    @property
    def message(self) -> str:
        """What is wrong, and a line that would do."""
        does = f"{self.name}:{self.right[0]}:{self.right[1]} would do" if self.right else ""
        return (
            f"{', '.join(map(_dashed, self.wrong))} is not within "
            f"{', '.join(map(_dashed, _joined(self.known)))}, the ids of this user namespace "
            f"(/proc/self/uid_map); {does or 'none is free'}"
        )

    @property
    def fix(self) -> str:
        """The command that root mends it with, "" for none."""
        return _usermod(self.file, self.name, self.wrong, self.right) if self.right else ""


def misplaced(
    file: str, name: str, ranges: Sequence[Range], own: int, read: Callable[[str], str]
) -> Misplaced | None:
    """Whether the user's ranges of a file can be mapped here, None for yes.

    own: his user or group id.  read: gives the text of a file, "" where it is not.
    """
    known, taken = _places(file, own, read)
    wrong = outside(ranges, known)
    if not known or not wrong:
        return None
    right = fitting(known, taken - set(wrong))
    return Misplaced(file=file, name=name, wrong=tuple(wrong), known=tuple(known), right=right)


def causes(
    name: str, ids: Mapping[str, tuple[int, Sequence[Range]]], read: Callable[[str], str]
) -> str:
    """Why newuidmap(1) and newgidmap(1) may not map a user's ranges, and what mends it; "" where
    that is not known.

    ids: by file, the user's own id and his ranges there.  read: as of `misplaced`; its /proc/self
    is of a process that is not in the new user namespace.
    """
    status = read("/proc/self/status")
    found = []
    if field(status, "NoNewPrivs") == "1":
        found.append(
            "no_new_privs is set, with which setuid programs gain nothing: begin without it, a "
            "container without --security-opt no-new-privileges"
        )
    wrong: dict[str, list[str]] = {}
    for file, (own, ranges) in ids.items():
        if one := misplaced(file, name, ranges, own, read):
            wrong.setdefault(one.message, []).append(file)
    found += [f"{' and '.join(files)}: {what}" for what, files in wrong.items()]
    bounding = field(status, "CapBnd")
    if bounding and not int(bounding, 16) >> _SYS_ADMIN & 1:
        found.append(
            "the bounding set lacks CAP_SYS_ADMIN: a container wants it of its engine, --cap-add "
            "SYS_ADMIN"
        )
    return "; ".join(found)


def field(status: str, name: str) -> str:
    """A line of the status of a process, by its text (proc_pid_status(5)); "" without it."""
    for line in status.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    return ""
