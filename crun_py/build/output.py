"""--output: what becomes of the result of a build (docker-build(1), "exporters").

A file system goes into a directory or an archive; an image goes through `oci/save`.
"""

from __future__ import annotations

import os
import stat

from crun_py import outfile
from crun_py.build.files import Tree
from crun_py.build.mounts import fields
from crun_py.build.nearest import hint
from crun_py.build.transfer import Target, Transfer
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.paths import in_user_namespace
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.paths import Paths

TYPES = ("local", "tar", "oci", "docker", "image", "registry", "cacheonly")
_TREES, _FILES = ("local", "tar"), ("oci", "docker")
_KEYS = {
    "type": TYPES, "dest": (*_TREES, *_FILES), "name": ("oci", "docker", "image", "registry"),
    "push": ("image", "registry"), "tar": _FILES,
    "compression": ("oci", "docker", "image", "registry"),
    "compression-level": ("oci", "docker", "image", "registry"),
}  # fmt: skip
_COMPRESSIONS = {"gzip": "gzip", "zstd": "zstd", "uncompressed": "none"}
_TRUE, _FALSE = ("1", "t", "true", "yes"), ("0", "f", "false", "no")


@record
class Output:
    """type: one of TYPES.  dest: an absolute path, "-" for standard output, "" for none (an
    image that stays in the store).  names: of the image.  push: it goes to its registry.  tar:
    an archive is made, not a directory.  compression: of layers: gzip, zstd, none, or "" for as
    they are; level: of it."""

    type: str
    dest: str = ""
    names: tuple[str, ...] = ()
    push: bool = False
    tar: bool = True
    compression: str = ""
    level: int | None = None

    @property
    def wants_tree(self) -> bool:
        """Whether it is write_tree() that makes it."""
        return self.type in _TREES

    @property
    def wants_image_file(self) -> bool:
        """Whether it is write_image() that makes it."""
        return self.type in _FILES

    @property
    def stdout(self) -> bool:
        """Whether standard output is for it alone."""
        return self.dest == "-"


# ---- what the option says ----


def parse(text: str, directory: str) -> Output:
    """The output that `--output=text` asks for: TYPE and KEY=VALUE pairs, a directory, or `-`
    for an archive on standard output.

    directory: where relative paths begin.  Raises InvalidArgument.
    """
    if not text:
        raise InvalidArgument("output: it is empty", hint="-o DIRECTORY, or type=tar,dest=FILE")
    if "=" not in text:
        if text in TYPES[2:]:
            return parse(f"type={text}", directory)
        given = {"type": "tar" if text == "-" else "local", "dest": text}
    else:
        given = _given(text)
    kind = given.get("type", "")
    if kind not in TYPES:
        near = hint(kind, TYPES) or "known: " + ", ".join(TYPES)
        what = f"type {kind} is not known" if kind else "it has no type"
        raise InvalidArgument(f"output {text!r}: {what}", hint=near)
    for key in given:
        if kind not in _KEYS[key]:
            raise InvalidArgument(f"output {text!r}: type {kind} has no {key}")
    return _made(text, kind, given, directory)


def _given(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for field in fields(text):
        key, sep, value = field.partition("=")
        key = {"destination": "dest"}.get(key.strip().lower(), key.strip().lower())
        if key not in _KEYS:
            near = hint(key, _KEYS) or "known: " + ", ".join(_KEYS)
            raise InvalidArgument(f"output {text!r}: key {key} is not known", hint=near)
        if not sep or not value:
            raise InvalidArgument(f"output {text!r}: {key} needs a value", hint=f"{key}=…")
        given[key] = value
    return given


def _made(text: str, kind: str, given: dict[str, str], directory: str) -> Output:
    dest = given.get("dest", "")
    whole = _switch(text, given, "tar", True)
    if kind == "local" and dest in ("", "-"):
        raise InvalidArgument(f"output {text!r}: it needs a directory", hint="dest=DIRECTORY")
    if not whole and (kind != "oci" or dest in ("", "-")):
        raise InvalidArgument(f"output {text!r}: tar=false is for type=oci,dest=DIRECTORY")
    if kind == "docker" and not dest:
        kind = "image"  # docker's own store, which is ours
    elif kind in ("tar", "oci"):
        dest = dest or "-"
    names = tuple(name.strip() for name in given.get("name", "").split(",") if name.strip())
    push = kind == "registry" or _switch(text, given, "push", False)
    level = given.get("compression-level")
    return Output(
        type=kind,
        dest=os.path.join(directory, dest) if dest not in ("", "-") else dest,
        names=names,
        push=push,
        tar=whole,
        compression=_compression(text, given),
        level=None if level is None else _level(text, level),
    )


def _switch(text: str, given: dict[str, str], key: str, otherwise: bool) -> bool:
    value = given.get(key, "").lower()
    if value and value not in (*_TRUE, *_FALSE):
        raise InvalidArgument(f"output {text!r}: {key}={value} is neither true nor false")
    return value in _TRUE if value else otherwise


def _compression(text: str, given: dict[str, str]) -> str:
    value = given.get("compression", "")
    if value and value not in _COMPRESSIONS:
        raise InvalidArgument(
            f"output {text!r}: compression {value} is not known", hint=", ".join(_COMPRESSIONS)
        )
    return _COMPRESSIONS.get(value, "")


def _level(text: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 4):
        raise InvalidArgument(f"output {text!r}: compression-level {value} is no number")
    return int(value)


# ---- a file system ----


def write_tree(trees: list[str], output: Output, where: str, stdout: int = -1) -> None:
    """Write what the layers `trees` (base first) show to a `local` or `tar` output.

    where: an empty directory; they are mounted there for this process alone.  stdout: the
    descriptor for dest `-`.  Raises InvalidArgument, CrunpyError.
    """
    from crun_py.overlay import mount

    if not trees:
        _write(os.open(where, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), output, stdout)
        return
    root = mount.root_of(trees[::-1], where)
    try:
        _write(root, output, stdout)
    finally:
        mount.unmount(where)


def _write(root: int, output: Output, stdout: int) -> None:
    try:
        if output.type == "local":
            _to_directory(root, output.dest)
        elif output.stdout:
            _archive(root, _checked(stdout))
        else:
            with outfile.Replaced(output.dest) as fd:
                _archive(root, fd)
    except OSError as e:
        raise CrunpyError.from_os(f"writing {output.dest}", e) from e
    finally:
        os.close(root)


def _checked(stdout: int) -> int:
    if stdout < 0 or os.isatty(stdout):
        raise InvalidArgument("writing an archive to standard output, which is a terminal",
                              hint="dest=FILE, or > FILE")  # fmt: skip
    return stdout


def _archive(root: int, fd: int) -> None:
    """The tree below `root` as a tar archive."""
    from crun_py.archive.pack import Packer

    top = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    try:
        with open(fd, "wb", buffering=1 << 20, closefd=False) as file:
            packer = Packer(file.write, xattrs=True)
            packer.children(top, "")
            packer.finish()
    finally:
        os.close(top)


def _to_directory(root: int, dest: str) -> None:
    """The tree below `root` into the directory `dest`, over what is there.

    Files belong to whom they belong in the image if we are root; a plain user gets them all,
    and no setuid programs.
    """
    try:
        os.makedirs(dest, exist_ok=True)
        top = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileExistsError as e:
        raise InvalidArgument(f"writing {dest}: a file is there, and no directory") from e
    except OSError as e:
        raise CrunpyError.from_os(f"writing {dest}", e) from e
    target = Target(top, None, None)
    if in_user_namespace():
        from crun_py.build.chmod import Mode

        target = Target(top, (0, 0), Mode("ug-s"))
    try:
        _Export(Tree(root, "the image"), target).copy(".", "/", into=False)
    except CrunpyError as e:
        why = e.message.removeprefix("copying . to /: ")
        raise CrunpyError(f"writing {dest}: {why}", hint=e.hint, errno=e.errno) from e
    finally:
        os.close(top)


class _Export(Transfer):
    """A transfer to the host, which gets no device nodes from an image."""

    def _file(self, directory: int, name: str, path: str, found: os.stat_result) -> bool:
        if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            return True
        return super()._file(directory, name, path, found)


# ---- an image ----


def write_image(
    paths: Paths, digest: str, names: list[str], output: Output, stdout: int = -1
) -> None:
    """Write the image of the store whose manifest is `digest` to an `oci` or `docker` output.

    names: full references.  stdout: the descriptor for dest `-`.  Raises InvalidArgument,
    NotFound, CrunpyError.
    """
    from crun_py.oci.transfer import content, save

    form = f"{output.type}-archive" if output.tar else "oci-dir"
    fd = _checked(stdout) if output.stdout else -1
    if output.compression or output.level is not None:
        kind = output.compression or "gzip"
        made = content.rewritten(
            paths, digest, kind=kind, level=output.level, anew=output.level is not None
        )
    else:
        made = content.of_image(paths, digest)
    try:
        images = [save.Saved(made, names)]
        if output.stdout:
            save.to_descriptor(images, form, fd)
        else:
            save.save(images, form, output.dest)
    except OSError as e:
        raise CrunpyError.from_os(f"writing {output.dest}", e) from e
    finally:
        made.close()
