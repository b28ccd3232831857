# Compiled at each start of the one file, by whatever Python is there: old ones must understand it,
# and no apostrophe may be in it (start.sh).
import os
import sys
import time
from _imp import extension_suffixes

DIGEST, SIZE, KINDS = "@DIGEST@", int("@SIZE@"), "@KINDS@".split()
DAY_S, NOBODY = 86400, 65534
file, uid = os.path.abspath(sys.argv[1]), os.geteuid()
kind = extension_suffixes()[0].strip(".").rpartition(".")[0]
tree = "/" + DIGEST[:16] + "." + kind


def fail(text):
    sys.stderr.write("crunpy: error: " + text + "\n")
    sys.exit(125)


def places():
    """Where it may be unpacked, the best first.  Variables count for plain users alone: those that
    sudo hands on are of another one."""
    if uid == 0:
        yield "/var/cache/crunpy"
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not cache.startswith("/"):
        cache = os.environ.get("HOME", "") + "/.cache"
    if uid and cache.startswith("/"):
        yield os.path.normpath(cache) + "/crunpy"
    yield f"/var/tmp/crunpy-{uid}"
    yield f"/tmp/crunpy-{uid}"


def root_is_nobody():
    """Whether the machine root has no number in this user namespace."""
    with open("/proc/self/uid_map") as f:
        return all(int(line.split()[1]) for line in f)


def unsafe(place):
    """Why this directory may hold what somebody else put there, or "".  Raises OSError."""
    if os.path.islink(place):
        return "is a symbolic link"
    real, above = os.path.realpath(place), ""
    for name in real.split("/")[1:]:
        above += "/" + name
        found = os.lstat(above)
        if found.st_mode & 0o170000 != 0o040000:
            return above + " is no directory"
        last = above == real
        theirs = found.st_uid != uid and (last or found.st_uid)
        if theirs and (last or found.st_uid != NOBODY or not root_is_nobody()):
            return f"{above} belongs to user {found.st_uid}"
        if found.st_mode & 0o022 and (last or not found.st_mode & 0o1000):
            return f"{above} may be changed by others (mode {found.st_mode & 0o7777:o})"
    return ""


def boot():
    with open("/proc/sys/kernel/random/boot_id") as f:
        return f.read()


def is_ready(place):
    """Whether it is unpacked there, can be loaded, and was verified since the boot and today."""
    try:
        if unsafe(place) or unsafe(place + tree) or os.statvfs(place).f_flag & os.ST_NOEXEC:
            return False
        with open(place + tree + "/.verified") as f:
            age_s = time.time() - os.fstat(f.fileno()).st_mtime
            return f.read() == boot() and 0 <= age_s < DAY_S
    except OSError:
        return False


def archived(name):
    """The archive behind this script, and the names of a file of code in it: of what is seldom
    wanted."""
    import hashlib
    import io
    import zipfile

    with open(file, "rb") as f:
        data = f.read()[-SIZE:]
    if hashlib.sha256(data).hexdigest() != DIGEST:
        fail(file + ": it is damaged (the digest of its archive is another one): copy it again")
    archive, found = zipfile.ZipFile(io.BytesIO(data)), {}
    exec(archive.read(name), found)
    return archive, found


def made():
    """The place, once it is unpacked or verified there."""
    archive, found = archived("unpack.py")
    return found["prepare"](archive, kind, [*places()], tree, unsafe, boot, fail)


def broken(error, begun):
    archived("recovery.py")[1]["broken"](error, begun, again, directory, fail)


if kind not in KINDS:
    archived("recovery.py")[1]["another"](KINDS, kind, fail)
again = "again" in sys._xoptions  # broken
directory = ("" if again else next(filter(is_ready, places()), "")) or made()
directory += tree
sys.path.append(directory)
sys.argv[:2] = [file]
entry = None
try:
    from crun_py.__main__ import entry

    entry(broken)
except MemoryError:
    fail("loading crunpy: out of memory (ulimit -v)")
except Exception as e:
    broken(e, bool(entry))
    if "--debug" in sys.argv:
        raise
    archived("recovery.py")[1]["failed"](e, fail)
