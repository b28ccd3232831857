"""Signal one process of a command before its k-th system call that changes something (ptrace(2)).

    python tracer.py ROLE K SIGNAL COMMAND [ARG...]

The processes are told apart by how they came to be: `cli` is the command itself, `monitor` the
helper's child and what that becomes at the end, `init` what the monitor clones first, `streams`
what it forks next.  Only calls that others could notice count.  Ends when the command has ended and
the others rest; prints the calls counted for each role and the name of the call that the victim did
not make.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import struct
import sys
import time

from crun_py.ns.syscalls import tables

CHANGING = """
    accept4 bind chmod chown clone clone3 close_range connect creat execve exit_group fallocate
    fchmod fchmodat fchown fchownat flock fork fsconfig fsmount fsync ftruncate kill link linkat
    listen mkdir mkdirat mount mount_setattr move_mount open_tree pidfd_send_signal pivot_root
    prctl pwrite64 rename renameat renameat2 rmdir seccomp sendmsg sendto setns setresuid setsid
    sethostname setxattr shutdown socketpair symlink symlinkat umount2 unlink unlinkat unshare
    utimensat vfork wait4 waitid write writev
""".split()

SEIZE, SYSCALL, DETACH, LISTEN, GETEVENTMSG, SYSCALL_INFO = 0x4206, 24, 17, 0x4208, 0x4201, 0x420E
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10  # TRACESYSGOOD, and follow fork, vfork, clone, exec
EVENT_EXEC, EVENT_STOP = 4, 128
FORKS = (1, 2, 3)
WALL = 0x40000000
CHILDREN = {"helper": "monitor", "monitor": "init", "init": "init"}
AT_REST_S = 0.15

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request: int, pid: int, address: int = 0, data: object = None) -> None:
    """ptrace(2); a tracee that was killed meanwhile is no error."""
    libc.ptrace(request, pid, address, data)


class Tracer:
    def __init__(self, role: str, k: int, number: int) -> None:
        table = tables()[platform.machine()]
        self.names = {table[name]: name for name in CHANGING if name in table}
        self.victim, self.k, self.number = role, k, number
        self.roles: dict[int, str] = {}
        self.counts: dict[str, int] = {}
        self.at = ""
        self.early: set[int] = set()
        self.children: dict[int, int] = {}  # how many each has had

    def run(self, command: list[str]) -> int:
        """Returns the command's exit status."""
        ready, go = os.pipe()
        cli = os.fork()
        if cli == 0:
            os.close(go)
            os.read(ready, 1)
            os.execvp(command[0], command)
        self.roles[cli] = "cli"
        ptrace(SEIZE, cli, 0, OPTIONS)
        os.close(go)
        status, rested = None, 0.0
        while self.roles:
            pid, what = os.waitpid(-1, WALL | (os.WNOHANG if status is not None else 0))
            if pid == 0:
                if rested and time.monotonic() > rested:
                    break
                rested = rested or time.monotonic() + AT_REST_S
                time.sleep(0.001)
                continue
            rested = 0.0
            if os.WIFSTOPPED(what):
                self.stopped(pid, what)
                continue
            self.roles.pop(pid, None)
            if pid == cli:
                status = os.waitstatus_to_exitcode(what)
        return status or 0

    def stopped(self, pid: int, what: int) -> None:
        number, event = os.WSTOPSIG(what), what >> 16
        deliver = 0
        if pid not in self.roles:
            self.early.add(pid)  # until its parent's stop tells whose child it is
            return
        if number == signal.SIGTRAP | 0x80:
            self.count(pid)
        elif event in FORKS:
            child = ctypes.c_ulong()
            ptrace(GETEVENTMSG, pid, 0, ctypes.byref(child))
            role = self.roles[pid]
            thread = os.path.exists(f"/proc/{pid}/task/{child.value}")
            self.roles[child.value] = role if thread else self.of_child(role, pid)
            if child.value in self.early:
                self.early.remove(child.value)
                ptrace(SYSCALL, child.value)
        elif event == EVENT_EXEC:
            if self.roles[pid] == "init":  # the container's own program
                del self.roles[pid]
                ptrace(DETACH, pid)
                return
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read()
            if words.startswith(b"crunpy-monitor"):
                self.roles[pid] = "helper"
            elif words.startswith(b"crunpy-init"):  # of an OCI runtime: nothing of it stays
                self.roles[pid] = "monitor"
        elif event == EVENT_STOP:
            if number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
                ptrace(LISTEN, pid)
                return
        else:
            deliver = number
        ptrace(SYSCALL, pid, 0, deliver)

    def of_child(self, role: str, pid: int) -> str:
        self.children[pid] = self.children.get(pid, 0) + 1
        if role == "monitor" and self.children[pid] == 2:
            return "streams"
        return CHILDREN.get(role, "other")

    def count(self, pid: int) -> None:
        """At a system call's entry or exit."""
        info = ctypes.create_string_buffer(88)
        ptrace(SYSCALL_INFO, pid, len(info), info)
        entry, number = info.raw[0] == 1, struct.unpack_from("<Q", info.raw, 24)[0]
        role = self.roles[pid]
        if not entry or number not in self.names:
            return
        self.counts[role] = self.counts.get(role, 0) + 1
        if role == self.victim and self.counts[role] == self.k:
            self.at = self.names[number]
            os.kill(pid, self.number)


def main() -> None:
    tracer = Tracer(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    status = tracer.run(sys.argv[4:])
    print(json.dumps({"status": status, "counts": tracer.counts, "at": tracer.at}))


if __name__ == "__main__":
    main()
