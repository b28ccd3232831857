"""An assembler from an OCI seccomp object to classic BPF (linux/filter.h, seccomp(2)).

The program looks at the architecture, then finds the system call number in a binary search
tree of ranges that share a verdict (some ten comparisons), then, where a verdict depends on
arguments, runs a short block of tests.  x32 is the same architecture as x86-64 with bit 30
of the number set, so its numbers are in the same tree.

    0   struct seccomp_data: int nr; u32 arch; u64 ip; u64 args[6]
"""

from __future__ import annotations

from struct import Struct

from crun_py.errors import InvalidArgument, Unsupported
from crun_py.shapes import SECCOMP, misfit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import LinuxSeccomp, SeccompRule

KILL_PROCESS, KILL_THREAD, TRAP, ERRNO = 0x80000000, 0, 0x30000, 0x50000
NOTIFY, TRACE, LOG, ALLOW = 0x7FC00000, 0x7FF00000, 0x7FFC0000, 0x7FFF0000

_ACTIONS = {
    "SCMP_ACT_KILL": KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
    "SCMP_ACT_TRAP": TRAP,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_TRACE": TRACE,
    "SCMP_ACT_NOTIFY": NOTIFY,
    "SCMP_ACT_LOG": LOG,
    "SCMP_ACT_ALLOW": ALLOW,
}

# name in the OCI specification -> ABI in `syscalls`
ABIS = {
    "SCMP_ARCH_X86_64": "x86_64",
    "SCMP_ARCH_X32": "x32",
    "SCMP_ARCH_X86": "x86",
    "SCMP_ARCH_AARCH64": "aarch64",
    "SCMP_ARCH_ARM": "arm",
}

# AUDIT_ARCH_* of linux/audit.h
_AUDIT = {"x86_64": 0xC000003E, "x86": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
_FAMILIES = {"x86_64": ("x86_64", "x86"), "aarch64": ("aarch64", "arm")}
_X32_BIT = 0x40000000

_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_JEQ, _JGT, _JGE = 0x15, 0x25, 0x35
_INSTRUCTION = Struct("=HBBI")
_MAXIMUM = 4096  # BPF_MAXINSNS

_Code = list[tuple[int, int, int, int]]
_Test = tuple[int, str, int, int]  # argument, operator, value, second value
_Tests = tuple[_Test, ...]
_Verdict = int | tuple[tuple[_Tests, int], ...]  # an action, or tests and their actions


def assemble(profile: LinuxSeccomp, machine: str) -> bytes:
    """The program for `profile` on a host of kind `machine` ("x86_64" or "aarch64").

    A call through an ABI that the profile does not name kills the process.
    Raises InvalidArgument for a malformed profile, Unsupported for SCMP_ACT_NOTIFY where nobody
    listens, or in a rule for what must be told to the listener's maker.
    """
    from crun_py.ns import syscalls

    if wrong := misfit(profile, SECCOMP):
        raise InvalidArgument(f"reading seccomp profile: {wrong}")
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"), "defaultErrnoRet")
    named = {ABIS.get(name, "") for name in profile.get("architectures") or ()}
    rules = [_rule(rule) for rule in profile.get("syscalls") or ()]
    _check_notified(default, rules, profile.get("listenerPath", ""))
    numbers = syscalls.tables()
    code: _Code = [(_LOAD, 0, 0, 4)]
    for abi in _FAMILIES[machine]:
        if abi != machine and abi not in named:
            continue
        wide = abi == machine  # whether registers, and so arguments, have 64 bits
        ranges = _ranges(_verdicts(rules, numbers[abi], default), 0, default)
        if abi == "x86_64":
            if "x32" in named:
                ranges += _ranges(_verdicts(rules, numbers["x32"], default), _X32_BIT, default)
            else:
                ranges.append((_X32_BIT, KILL_PROCESS))
        block = [(_LOAD, 0, 0, 0), *_search(ranges, wide)]
        code += [(_JEQ, 1, 0, _AUDIT[abi]), (_JUMP, 0, 0, len(block)), *block]
    code.append((_RETURN, 0, 0, KILL_PROCESS))
    if len(code) > _MAXIMUM:
        raise InvalidArgument(
            f"compiling seccomp profile: {len(code)} instructions, the kernel takes {_MAXIMUM}"
        )
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in code)


def _action(name: str, errno: int | None, errno_key: str) -> int:
    if name not in _ACTIONS:
        raise InvalidArgument(f"reading seccomp profile: unknown action {name!r}")
    action = _ACTIONS[name]
    if action not in (ERRNO, TRACE):
        return action
    number = 1 if errno is None else errno  # EPERM
    if not 0 <= number <= 0xFFFF:
        raise InvalidArgument(f"reading seccomp profile: {errno_key} {number!r} is not an errno")
    return action | number


def _check_notified(
    default: int, rules: list[tuple[list[str], int, list[_Tests]]], listener: str
) -> None:
    notified = {name for names, action, _ in rules if action == NOTIFY for name in names}
    if (notified or default == NOTIFY) and not listener:
        raise Unsupported(
            "reading seccomp profile: SCMP_ACT_NOTIFY needs a listening program (listenerPath)"
        )
    if default == NOTIFY or "sendmsg" in notified:
        raise Unsupported(
            "reading seccomp profile: SCMP_ACT_NOTIFY cannot be for sendmsg, nor for all: by that "
            "the listener's descriptor is handed over"
        )


def _rule(rule: SeccompRule) -> tuple[list[str], int, list[_Tests]]:
    """(names, action, alternatives) of one entry of `syscalls`."""
    names = list(rule["names"])
    action = _action(rule["action"], rule.get("errnoRet"), "errnoRet")
    tests: list[_Test] = []
    for test in rule.get("args") or ():
        operator = test["op"]
        index, value, second = test["index"], test.get("value", 0), test.get("valueTwo", 0)
        if operator not in _OPERATORS:
            raise InvalidArgument(f"reading seccomp profile: unknown operator {operator!r}")
        for number, limit in ((index, 6), (value, 1 << 64), (second, 1 << 64)):
            if not 0 <= number < limit:
                raise InvalidArgument(f"reading seccomp profile: bad argument test {test!r}")
        tests.append((index, operator, value, second))
    if len({test[0] for test in tests}) < len(tests):
        return names, action, [(test,) for test in tests]
    return names, action, [tuple(tests)]


def _verdicts(
    rules: list[tuple[list[str], int, list[_Tests]]], numbers: dict[str, int], default: int
) -> dict[int, _Verdict]:
    """The verdict for each number that a rule names."""
    collected: dict[int, list[tuple[_Tests, int]]] = {}
    for names, action, alternatives in rules:
        for name in names:
            if name in numbers:
                entries = collected.setdefault(numbers[name], [])
                entries += [(tests, action) for tests in alternatives]
    found: dict[int, _Verdict] = {}
    for number, entries in collected.items():
        kept = []
        for tests, action in entries:
            kept.append((tests, action))
            if not tests:
                break  # nothing after it can match
        else:
            kept.append(((), default))
        found[number] = kept[0][1] if not kept[0][0] else tuple(kept)
    return found


def _ranges(verdicts: dict[int, _Verdict], base: int, default: int) -> list[tuple[int, _Verdict]]:
    """(first number, verdict) of each range of numbers from `base` up, neighbours unequal."""
    found: list[tuple[int, _Verdict]] = []
    following = 0
    for number in [*sorted(verdicts), None]:
        if number is None or number > following:
            _append(found, base + following, default)
        if number is not None:
            _append(found, base + number, verdicts[number])
            following = number + 1
    return found


def _append(ranges: list[tuple[int, _Verdict]], first: int, verdict: _Verdict) -> None:
    if not ranges or ranges[-1][1] != verdict:
        ranges.append((first, verdict))


def _search(ranges: list[tuple[int, _Verdict]], wide: bool) -> _Code:
    """Code that finds the range of the number in the accumulator, and its verdict."""
    if len(ranges) == 1:
        return _leaf(ranges[0][1], wide)
    middle = len(ranges) // 2
    below = _search(ranges[:middle], wide)
    above = _search(ranges[middle:], wide)
    pivot = ranges[middle][0]
    if len(below) <= 255:
        return [(_JGE, len(below), 0, pivot), *below, *above]
    return [(_JGE, 0, 1, pivot), (_JUMP, 0, 0, len(below)), *below, *above]


def _leaf(verdict: _Verdict, wide: bool) -> _Code:
    if isinstance(verdict, int):
        return [(_RETURN, 0, 0, verdict)]
    code: _Code = []
    for tests, action in verdict:
        block: _Code = [(_RETURN, 0, 0, action)]
        for test in reversed(tests):
            block = _OPERATORS[test[1]](test, wide, len(block)) + block
        code += block
    return code


# Each test falls through when it holds and jumps `skip` instructions past its end when not.
# The high half of an argument comes first; a 32-bit ABI has none.


def _halves(index: int, wide: bool) -> list[int]:
    """Offsets of an argument's 32-bit halves, high first (both architectures store low first)."""
    low = 16 + 8 * index
    return [low + 4, low] if wide else [low]


def _parts(value: int, wide: bool) -> list[int]:
    return [value >> 32, value & 0xFFFFFFFF] if wide else [value & 0xFFFFFFFF]


def _equal(test: _Test, wide: bool, skip: int) -> _Code:
    return _masked(test[0], (1 << 64) - 1, test[2], wide, skip)


def _masked_equal(test: _Test, wide: bool, skip: int) -> _Code:
    return _masked(test[0], test[2], test[3], wide, skip)


def _masked(index: int, mask: int, value: int, wide: bool, skip: int) -> _Code:
    code: _Code = []
    parts = zip(_halves(index, wide), _parts(mask, wide), _parts(value, wide), strict=True)
    for offset, bits, part in reversed(list(parts)):
        after = len(code) + skip
        load: _Code = [(_LOAD, 0, 0, offset)]
        if bits != 0xFFFFFFFF:
            load.append((_AND, 0, 0, bits))
        code = [*load, (_JEQ, 0, after, part), *code]
    return code


def _unequal(test: _Test, wide: bool, skip: int) -> _Code:
    parts = list(zip(_halves(test[0], wide), _parts(test[2], wide), strict=True))
    code: _Code = []
    for offset, part in reversed(parts):
        if not code:
            code = [(_LOAD, 0, 0, offset), (_JEQ, skip, 0, part)]
        else:
            code = [(_LOAD, 0, 0, offset), (_JEQ, 0, len(code), part), *code]
    return code


def _above(test: _Test, wide: bool, skip: int, inclusive: bool) -> _Code:
    """argument > value, or >= if `inclusive`."""
    last = _JGE if inclusive else _JGT
    offsets, parts = _halves(test[0], wide), _parts(test[2], wide)
    code: _Code = [(_LOAD, 0, 0, offsets[-1]), (last, 0, skip, parts[-1])]
    if wide:
        code = [
            (_LOAD, 0, 0, offsets[0]),
            (_JGT, len(code) + 1, 0, parts[0]),
            (_JEQ, 0, len(code) + skip, parts[0]),
            *code,
        ]
    return code


def _below(test: _Test, wide: bool, skip: int, inclusive: bool) -> _Code:
    """argument < value, or <= if `inclusive`: the reverse of `_above`."""
    first = _JGT if inclusive else _JGE
    offsets, parts = _halves(test[0], wide), _parts(test[2], wide)
    code: _Code = [(_LOAD, 0, 0, offsets[-1]), (first, skip, 0, parts[-1])]
    if wide:
        code = [
            (_LOAD, 0, 0, offsets[0]),
            (_JGT, len(code) + 1 + skip, 0, parts[0]),
            (_JEQ, 0, len(code), parts[0]),
            *code,
        ]
    return code


def _greater(test: _Test, wide: bool, skip: int) -> _Code:
    return _above(test, wide, skip, False)


def _greater_or_equal(test: _Test, wide: bool, skip: int) -> _Code:
    return _above(test, wide, skip, True)


def _less(test: _Test, wide: bool, skip: int) -> _Code:
    return _below(test, wide, skip, False)


def _less_or_equal(test: _Test, wide: bool, skip: int) -> _Code:
    return _below(test, wide, skip, True)


_OPERATORS = {
    "SCMP_CMP_EQ": _equal,
    "SCMP_CMP_NE": _unequal,
    "SCMP_CMP_MASKED_EQ": _masked_equal,
    "SCMP_CMP_GT": _greater,
    "SCMP_CMP_GE": _greater_or_equal,
    "SCMP_CMP_LT": _less,
    "SCMP_CMP_LE": _less_or_equal,
}
