"""Which verbs there are, in which module, and what `crunpy --help` says of them."""

from __future__ import annotations

_CONTAINER = {
    "run": ("run", "Create and start a container from an image"),
    "create": ("create", "Create a container without starting it"),
    "start": ("start", "Start containers"),
    "init": ("init", "Make everything for containers, so that start only runs the command"),
    "stop": ("stop", "Stop containers: the stop signal, then SIGKILL"),
    "kill": ("kill", "Send a signal to containers"),
    "restart": ("restart", "Stop and start containers"),
    "pause": ("pause", "Freeze all processes of containers"),
    "unpause": ("unpause", "Let paused containers go on"),
    "wait": ("wait", "Wait until containers end and print their exit codes"),
    "rename": ("rename", "Give a container another name"),
    "update": ("update", "Change limits and restart policy of containers"),
    "rm": ("rm", "Remove containers"),
    "ps": ("ps", "List containers"),
    "top": ("top", "Show a container's processes"),
    "stats": ("stats", "Show what containers use, live"),
    "port": ("port", "Show where a container's ports are published"),
    "logs": ("logs", "Print a container's output"),
    "exec": ("exec", "Run a command in a running container"),
    "attach": ("attach", "Connect the terminal to a running container"),
    "cp": ("cp", "Copy files between a container and the host"),
    "diff": ("diff", "List what a container changed in its file system"),
    "commit": ("commit", "Make an image of a container"),
    "export": ("export", "Write a container's files as a tar archive"),
    "mount": ("mount", "Show containers' root file systems at paths of the host"),
    "unmount": ("unmount", "Undo mount"),
    "inspect": ("inspect", "Show containers and images as JSON"),
    "container inspect": ("container_inspect", "Show containers as JSON"),
    "container exists": ("container_exists", "Whether there is such a container: 0 or 1"),
    "container prune": ("container_prune", "Remove all containers that do not run"),
    "cleanup": ("cleanup", "Take down what an ended container left (done automatically)"),
}
_HEALTHCHECK = {
    "healthcheck run": ("healthcheck_run", "Run a container's health check once"),
}
_VOLUME = {
    "volume create": ("volume_create", "Create a volume"),
    "volume ls": ("volume_ls", "List volumes"),
    "volume inspect": ("volume_inspect", "Show volumes as JSON"),
    "volume rm": ("volume_rm", "Remove volumes"),
    "volume prune": ("volume_prune", "Remove volumes that no container has"),
    "volume export": ("volume_export", "Write a volume's files as a tar archive"),
    "volume import": ("volume_import", "Put a tar archive's files into a volume"),
    "volume mount": ("volume_mount", "Print where a volume's files are"),
    "volume unmount": ("volume_unmount", "Undo volume mount"),
    "volume exists": ("volume_exists", "Whether there is such a volume: 0 or 1"),
}
_GENERATE = {
    "generate systemd": ("generate_systemd", "Print a systemd unit for a container"),
}
_SYSTEM = {
    "system df": ("system_df", "Show what takes space on the disk"),
    "system prune": ("system_prune", "Remove everything that is not used"),
    "system resume": ("system_resume", "After a boot, start what restart policies want"),
}
_NETWORK = {
    "network reload": ("network_reload", "Publish ports again that lost their firewall rules"),
}
_BUILDER = {
    "builder prune": ("builder_prune", "Remove what builds keep for the builds to come"),
    "buildx create": ("buildx_create", "Accepted: there is one builder, which needs no making"),
    "buildx ls": ("buildx_ls", "List the one builder"),
    "buildx inspect": ("buildx_inspect", "Show the one builder"),
    "buildx du": ("buildx_du", "Show what builds keep, and how large it is"),
}
_IMAGE = {
    "build": ("build", "Build an image from a Dockerfile"),
    "pull": ("pull", "Fetch images from a registry"),
    "push": ("push", "Send images to a registry"),
    "save": ("save", "Write images to an archive"),
    "load": ("load", "Read images from an archive"),
    "images": ("images", "List images"),
    "rmi": ("rmi", "Remove images"),
    "tag": ("tag", "Give an image a further name"),
    "untag": ("untag", "Take names from an image"),
    "history": ("history", "Show the steps by which an image was made"),
    "login": ("login", "Log in to a registry"),
    "logout": ("logout", "Forget the login of a registry"),
    "search": ("search", "Search registries for images"),
    "import": ("import_", "Make an image of an archive of files"),
    "image exists": ("image_exists", "Status 0 when an image is in the store, else 1"),
    "image inspect": ("image_inspect", "Show images as JSON"),
    "image diff": ("image_diff", "List what an image changed in its file system"),
    "image mount": ("image_mount", "Show images' files at paths of the host"),
    "image unmount": ("image_unmount", "Undo image mount"),
    "image prune": ("image_prune", "Remove images that nothing uses"),
    "image tree": ("image_tree", "Show an image's layers"),
}
_ENGINE = {
    "version": ("version", "Show the version"),
    "completion": (
        "completion",
        "Print a script that completes commands: bash, zsh, fish, powershell",
    ),
    "__complete": ("complete", ""),
    "events": ("events", "Show what happened to containers, images and volumes"),
    "unshare": ("unshare", "Run a command in a plain user's user namespace"),
    "info": ("info", "Show the engine's set-up and the host's abilities"),
}
_MANIFEST = {
    "manifest create": ("manifest_create", "Make a manifest list"),
    "manifest add": ("manifest_add", "Add images to a manifest list"),
    "manifest annotate": ("manifest_annotate", "Change what a list says of an image"),
    "manifest inspect": ("manifest_inspect", "Show a manifest list or manifest"),
    "manifest push": ("manifest_push", "Send a manifest list to a registry"),
    "manifest remove": ("manifest_remove", "Take an image from a manifest list"),
    "manifest rm": ("manifest_rm", "Remove manifest lists"),
    "manifest exists": ("manifest_exists", "Status 0 when a list is in the store, else 1"),
}
_TOP_ONLY = ("images", "rmi", "login", "logout", "search")
VERBS = {
    **_CONTAINER,
    **_HEALTHCHECK,
    **_SYSTEM,
    **_VOLUME,
    **_GENERATE,
    **_NETWORK,
    **_IMAGE,
    **_BUILDER,
    **_MANIFEST,
    **_ENGINE,
}
"""verb: (module below crun_py.cli, summary).

A verb with a space, `image exists`, is there only as a word of a group.
"""

ALIASES: dict[str, str] = {"umount": "unmount"}


def _members(verbs: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Words of a group: `image exists` is its word `exists`."""
    return {verb.rpartition(" ")[2]: verb for verb in verbs}


GROUPS = {
    "healthcheck": _members(_HEALTHCHECK),
    "generate": _members(_GENERATE),
    "network": _members(_NETWORK),
    "volume": {
        **_members(_VOLUME),
        "list": "volume ls",
        "remove": "volume rm",
        "umount": "volume unmount",
    },
    "system": {**_members(_SYSTEM), "info": "info", "events": "events"},
    "manifest": _members(_MANIFEST),
    "builder": {"build": "build", "prune": "builder prune"},
    "buildx": {
        "build": "build",
        "prune": "builder prune",
        "du": "buildx du",
        "create": "buildx create",
        "use": "buildx create",
        "ls": "buildx ls",
        "inspect": "buildx inspect",
        "version": "version",
    },
    "container": {**_members(_CONTAINER), "ls": "ps", "list": "ps", "umount": "unmount"},
    "image": {
        **{word: verb for word, verb in _members(_IMAGE).items() if verb not in _TOP_ONLY},
        "ls": "images",
        "list": "images",
        "rm": "rmi",
        "umount": "image unmount",
    },
}
"""`crunpy GROUP WORD` is the same as `crunpy VERB`."""

GROUP_SUMMARIES = {
    "healthcheck": "Health checks of containers",
    "network": "Networks of containers",
    "generate": "Files for other programs, made from containers",
    "volume": "Volumes: directories that outlive containers",
    "system": "The engine as a whole: disk use, pruning, boots",
    "manifest": "Manifest lists: one name for several platforms",
    "builder": "Builds, and what they keep for later ones",
    "buildx": "The same under the name that Docker gives it",
    "container": "Containers: the same commands as without this word",
    "image": "Images",
}
