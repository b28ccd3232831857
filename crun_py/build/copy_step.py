"""COPY and ADD: which files of what tree, where to, and what they are (Dockerfile reference)."""

from __future__ import annotations

import os
import stat

from crun_py.build.chmod import Mode
from crun_py.build.draft import resolved
from crun_py.build.files import NOTHING, Tree
from crun_py.build.fingerprint import Fingerprint
from crun_py.build.ignore import Ignore
from crun_py.build.layer import Layer, NewLayer
from crun_py.build.owner import owner as owner_of
from crun_py.build.transfer import Target, Transfer
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.overlay.view import LayeredView
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.add import Fetched
    from crun_py.build.draft import Draft
    from crun_py.build.records import Copy
    from crun_py.build.request import BuildEvent
    from crun_py.build.site import Site


@record
class Plan:
    """What a step copies.  sources: paths in the tree, each with where --parents puts it.
    written: files that the Dockerfile itself holds, by name.  fetched: files of URLs; cloned:
    repositories, each with its commit.  destination: absolute.  into: it is a directory."""

    tree: Tree
    owners: bool
    sources: tuple[tuple[str, str], ...]
    written: tuple[tuple[str, str], ...]
    fetched: tuple[Fetched, ...]
    cloned: tuple[tuple[Tree, str], ...]
    destination: str
    into: bool
    exclude: Ignore


def plan(site: Site, step: Copy, draft: Draft, index: int) -> Plan:
    """Look the sources up.  Raises CrunpyError."""
    tree, owners = site.tree(step.from_, index)
    sources: list[tuple[str, str]] = []
    fetched: list[Fetched] = []
    cloned: list[tuple[Tree, str]] = []
    for text in step.sources:
        remote = None
        if step.add:
            from crun_py.build import add, git, repository

            remote = repository.for_add(
                text, keep_git_dir=step.keep_git_dir, checksum=step.checksum
            )
        if remote:
            work = site.workspace.directory("git")
            root, commit = git.fetch(remote, work, site.environment, by_user=False)
            cloned.append((Tree(root, text), commit))
        elif step.add and add.is_url(text):
            work = site.workspace.directory("url")
            fetched.append(add.fetch_url(text, work, step.checksum))
        else:
            sources += _found(tree, text, parents=step.parents)
    many = len(sources) + len(step.heredocs) + len(fetched) > 1
    into = step.destination.endswith(("/", "/.")) or step.destination in ("", ".")
    if many and not into and not step.parents:
        target = LayeredView(draft.trees[::-1] or [os.devnull])
        there = resolved(draft.workdir, step.destination)
        if not _is_directory(target, there):
            raise InvalidArgument(
                f"several files cannot become {step.destination}",
                hint=f"{step.destination}/ is a directory",
            )
    return Plan(
        tree=tree, owners=owners, sources=tuple(sources), into=into,
        fetched=tuple(fetched), cloned=tuple(cloned),
        written=tuple((found.name, found.content) for found in step.heredocs),
        destination=resolved(draft.workdir, step.destination),
        exclude=Ignore.of(step.exclude) if step.exclude else NOTHING,
    )  # fmt: skip


def _is_directory(view: LayeredView, path: str) -> bool:
    found = view.stat(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def _found(tree: Tree, text: str, *, parents: bool) -> list[tuple[str, str]]:
    """The paths that a source means, each with the directories that are kept above it: with
    --parents those behind the `/./` of the source, or all."""
    pivot = ""
    if parents and "/./" in text:
        pivot, _, rest = text.partition("/./")
        text = f"{pivot}/{rest}"
    found = tree.matching(text)
    if not parents:
        return [(path, "") for path in found]
    depth = len([p for p in pivot.split("/") if p not in ("", ".")])
    return [(path, "/".join(path.split("/")[depth:-1])) for path in found]


def fingerprint(site: Site, step: Copy, made: Plan, told: BuildEvent) -> str:
    """One digest of all that is copied."""
    whole = Fingerprint(
        made.tree, site.known, owners=made.owners, exclude=made.exclude,
        much=lambda sizes: _warn_of_size(site, sizes, told),
    )  # fmt: skip
    for path, _ in made.sources:
        whole.add(path)
    others = [*(f"{f.name} {f.digest}" for f in made.fetched), *(c for _, c in made.cloned)]
    return " ".join([whole.hexdigest(), *others])


def _warn_of_size(site: Site, sizes: dict[str, int], told: BuildEvent) -> None:
    """A context that is large by mistake should be noticed, before all of it is read."""
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:3]
    names = ", ".join(f"{name} {size / 1e9:.1f}GB" for name, size in largest)
    text = f"this copies more than {sum(sizes.values()) / 1e9:.1f}GB, of {names}"
    text += ": .dockerignore leaves files out"
    site.tell(told, "warning", text)


def copy(site: Site, step: Copy, draft: Draft, made: Plan) -> Layer:
    """Carry the step out on top of `draft`.  Raises CrunpyError."""
    new = NewLayer(site.paths, draft.trees, draft.chain, site.workspace.directory("root"))
    try:
        root = new.mount()
        try:
            _fill(site, step, draft, made, root)
        except OSError as e:
            raise CrunpyError.from_os(f"copying to {step.destination}", e) from e
        finally:
            os.close(root)
        return new.commit(site.request.times)
    finally:
        new.discard()


def _fill(site: Site, step: Copy, draft: Draft, made: Plan, root: int) -> None:
    owner: tuple[int, int] | None = None if made.owners else (0, 0)
    if step.chown:
        owner = owner_of(step.chown, draft.trees)
    target = Target(root, owner, Mode(step.chmod) if step.chmod else None)
    if made.into and (made.sources or made.written or made.fetched or made.cloned):
        os.close(target.directory(made.destination))
    transfer = Transfer(made.tree, target, made.exclude)
    for path, above in made.sources:
        if _is_excluded(made, path):
            continue
        if step.add and step.unpack is not False and _unpacked(made, path, target):
            continue
        destination = made.destination
        if step.parents:
            destination = _with_parents(made, path, above, target)
        transfer.copy(path, destination, into=made.into or step.parents)
    for name, content in made.written:
        _write(target, made, name, content.encode("utf-8", "surrogateescape"))
    for file in made.fetched:
        _place(made, target, file)
    for clone, _ in made.cloned:
        Transfer(clone, replaced_owner(target), made.exclude).copy("", made.destination, into=True)


def replaced_owner(target: Target) -> Target:
    """The same for files whose own owners mean nothing."""
    return Target(target.root, target.owner or (0, 0), target.mode)


def _is_excluded(made: Plan, path: str) -> bool:
    """Whether --exclude means a source that is a file."""
    if not made.exclude or not made.exclude.hides(path.rpartition("/")[2], False):
        return False
    fd = made.tree.open(path)
    try:
        return not stat.S_ISDIR(os.fstat(fd).st_mode)
    finally:
        os.close(fd)


def _with_parents(made: Plan, path: str, above: str, target: Target) -> str:
    """The directory that a source with --parents goes to, made like those in the tree."""
    destination = f"{made.destination}/{above}" if above else made.destination
    os.close(target.directory(destination))
    fd = made.tree.open(path)
    try:
        is_directory = stat.S_ISDIR(os.fstat(fd).st_mode)
    finally:
        os.close(fd)
    return f"{destination}/{path.rpartition('/')[2]}" if is_directory else destination


def _write(target: Target, made: Plan, name: str, content: bytes) -> None:
    """A here-document."""
    above, last = made.destination, name
    if not made.into and not target.is_directory(made.destination):
        above, _, last = made.destination.rpartition("/")
    parent = target.directory(above)
    try:
        if os.path.lexists(f"/proc/self/fd/{parent}/{last}"):
            os.unlink(last, dir_fd=parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(last, flags, 0o644, dir_fd=parent), "wb") as file:
            file.write(content)
            os.fchown(file.fileno(), *(target.owner or (0, 0)))
            os.fchmod(file.fileno(), target.mode.apply(0o644, directory=False) if target.mode
                      else 0o644)  # fmt: skip
    finally:
        os.close(parent)


def _unpacked(made: Plan, path: str, target: Target) -> bool:
    """Whether `path` is an archive, which is unpacked then."""
    fd = made.tree.open(path)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return False
        reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)
    try:
        from crun_py.build import add

        if not add.is_archive(reader):
            return False
        os.close(target.directory(made.destination))
        archived = Target(target.root, None, target.mode)  # theirs
        add.unpack(reader, archived, made.destination, path)
        return True
    finally:
        os.close(reader)


def _place(made: Plan, target: Target, file: Fetched) -> None:
    """A file from a URL: mode 0600 unless --chmod says otherwise."""
    directory, _, name = file.path.rpartition("/")
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        into = made.into or target.is_directory(made.destination)
        if into and not file.name:
            raise InvalidArgument("the URL has no file name", hint="give the file's whole path")
        destination = f"{made.destination}/{file.name}" if into else made.destination
        transfer = Transfer(Tree(root, "what was fetched"), replaced_owner(target))
        transfer.copy(name, destination, into=False)
    finally:
        os.close(root)
