"""Which verbs there are, in which module, and what `crunpy --help` says of them."""

from __future__ import annotations

_CONTAINER = {
    "run": ("container.run", "Create and start a container from an image"),
    "create": ("container.create", "Create a container without starting it"),
    "start": ("container.start", "Start containers"),
    "init": (
        "container.init",
        "Make everything for containers, so that start only runs the command",
    ),
    "stop": ("container.stop", "Stop containers: the stop signal, then SIGKILL"),
    "kill": ("container.kill", "Send a signal to containers"),
    "restart": ("container.restart", "Stop and start containers"),
    "pause": ("container.pause", "Freeze all processes of containers"),
    "unpause": ("container.unpause", "Let paused containers go on"),
    "wait": ("container.wait", "Wait until containers end and print their exit codes"),
    "rename": ("container.rename", "Give a container another name"),
    "update": ("container.update", "Change limits and restart policy of containers"),
    "rm": ("container.rm", "Remove containers"),
    "ps": ("container.ps", "List containers"),
    "top": ("container.top", "Show a container's processes"),
    "stats": ("container.stats", "Show what containers use, live"),
    "port": ("container.port", "Show where a container's ports are published"),
    "logs": ("container.logs", "Print a container's output"),
    "exec": ("container.exec", "Run a command in a running container"),
    "attach": ("container.attach", "Connect the terminal to a running container"),
    "cp": ("container.cp", "Copy files between a container and the host"),
    "diff": ("container.diff", "List what a container changed in its file system"),
    "commit": ("container.commit", "Make an image of a container"),
    "export": ("container.export", "Write a container's files as a tar archive"),
    "mount": ("container.mount", "Show containers' root file systems at paths of the host"),
    "unmount": ("container.unmount", "Undo mount"),
    "inspect": ("container.inspect", "Show containers and images as JSON"),
    "container inspect": ("container.container_inspect", "Show containers as JSON"),
    "container exists": ("container.exists", "Whether there is such a container: 0 or 1"),
    "container prune": ("container.prune", "Remove all containers that do not run"),
    "cleanup": ("container.cleanup", "Take down what an ended container left (done automatically)"),
}
_HEALTHCHECK = {
    "healthcheck run": ("container.healthcheck_run", "Run a container's health check once"),
}
_EXPLAIN = {
    "explain run": ("container.explain_run", "Tell what `run` would make, and make nothing"),
    "explain create": (
        "container.explain_create",
        "Tell what `create` would make, and make nothing",
    ),
}
_VOLUME = {
    "volume create": ("volume.create", "Create a volume"),
    "volume ls": ("volume.ls", "List volumes"),
    "volume inspect": ("volume.inspect", "Show volumes as JSON"),
    "volume rm": ("volume.rm", "Remove volumes"),
    "volume prune": ("volume.prune", "Remove volumes that no container has"),
    "volume export": ("volume.export", "Write a volume's files as a tar archive"),
    "volume import": ("volume.import", "Put a tar archive's files into a volume"),
    "volume mount": ("volume.mount", "Print where a volume's files are"),
    "volume unmount": ("volume.unmount", "Undo volume mount"),
    "volume reload": ("volume.reload", "Look for volumes of plugins, of which there are none"),
    "volume update": ("volume.update", "For volumes of a cluster: refused in words"),
    "volume exists": ("volume.exists", "Whether there is such a volume: 0 or 1"),
}
_SECRET = {
    "secret create": ("secret.create", "Keep a secret for containers"),
    "secret ls": ("secret.ls", "List secrets"),
    "secret inspect": ("secret.inspect", "Show secrets as JSON"),
    "secret rm": ("secret.rm", "Remove secrets"),
    "secret exists": ("secret.exists", "Whether there is such a secret: 0 or 1"),
}
_GENERATE = {
    "generate systemd": ("container.generate_systemd", "Print a systemd unit for a container"),
}
_SYSTEM = {
    "system df": ("system.df", "Show what takes space on the disk"),
    "system prune": ("system.prune", "Remove everything that is not used"),
    "system check": ("system.check", "Look whether the store is whole, and mend it"),
    "system reset": ("system.reset", "Remove everything: containers, images, networks, volumes"),
    "system migrate": ("system.migrate", "Stop all containers, so that new maps of ids hold"),
    "system renumber": ("system.renumber", "Nothing: locks have no numbers here"),
    "system service": ("system.service", "Serve Docker's Engine API on sockets"),
    "system dial-stdio": (
        "system.dial_stdio",
        "Connect standard input and output with the service (what ssh:// runs)",
    ),
    "system generator": ("system.generator", "Make systemd's units of .container files (Quadlet)"),
    "system install-generator": (
        "system.install_generator",
        "Have systemd read .container files at each boot",
    ),
    "system resume": ("system.resume", "After a boot, start what restart policies want"),
}
_CONTEXT = {
    "context create": ("context.create", "Keep where a service is, under a name"),
    "context update": ("context.update", "Change a context"),
    "context use": ("context.use", "Let a context's service carry out the commands to come"),
    "context show": ("context.show", "Print the name of the context that counts"),
    "context ls": ("context.ls", "List contexts"),
    "context inspect": ("context.inspect", "Show contexts as JSON"),
    "context rm": ("context.rm", "Remove contexts"),
    "context export": ("context.export", "Write a context to a file"),
    "context import": ("context.import_", "Take a context from a file"),
}
_CONNECTION = {
    "system connection add": ("connection.add", "Keep where a service is, as podman does"),
    "system connection ls": ("connection.ls", "List connections"),
    "system connection rm": ("connection.rm", "Remove connections"),
    "system connection rename": ("connection.rename", "Give a connection another name"),
    "system connection default": ("connection.default", "Choose the connection of --remote"),
}
_NETWORK = {
    "network create": ("network.create", "Create a network"),
    "network ls": ("network.ls", "List networks"),
    "network inspect": ("network.inspect", "Show networks as JSON"),
    "network rm": ("network.rm", "Remove networks"),
    "network prune": ("network.prune", "Remove networks that no container has"),
    "network connect": ("network.connect", "Connect a container to a network"),
    "network disconnect": ("network.disconnect", "Disconnect a container from a network"),
    "network exists": ("network.exists", "Whether there is such a network: 0 or 1"),
    "network update": ("network.update", "Change a network's name servers"),
    "network reload": ("network.reload", "Publish ports again that lost their firewall rules"),
}
_POD = {
    "pod create": ("pod.create", "Make a pod, for containers that share namespaces"),
    "pod clone": ("pod.clone", "Make a pod like another one, with its containers"),
    "pod ps": ("pod.ps", "List pods"),
    "pod inspect": ("pod.inspect", "Show pods as JSON"),
    "pod start": ("pod.start", "Start pods: all their containers"),
    "pod stop": ("pod.stop", "Stop pods: all their containers"),
    "pod restart": ("pod.restart", "Stop and start pods"),
    "pod kill": ("pod.kill", "Send a signal to pods' containers"),
    "pod pause": ("pod.pause", "Freeze all processes of pods"),
    "pod unpause": ("pod.unpause", "Let paused pods go on"),
    "pod rm": ("pod.rm", "Remove pods with their containers"),
    "pod prune": ("pod.prune", "Remove all pods that have ended"),
    "pod stats": ("pod.stats", "Show what pods' containers use, live"),
    "pod top": ("pod.top", "Show the processes of a pod's containers"),
    "pod logs": ("pod.logs", "Print the output of a pod's containers"),
    "pod exists": ("pod.exists", "Whether there is such a pod: 0 or 1"),
}
_KUBE = {
    "kube play": ("kube.play", "Make pods by a manifest of Kubernetes"),
    "kube down": ("kube.down", "Remove what a manifest made"),
    "kube generate": ("kube.generate", "Print a manifest of containers and pods"),
}
_BUILDER = {
    "builder prune": ("build.builder_prune", "Remove what builds keep for the builds to come"),
    "buildx create": (
        "build.buildx_create",
        "Accepted: there is one builder, which needs no making",
    ),
    "buildx ls": ("build.buildx_ls", "List the one builder"),
    "buildx inspect": ("build.buildx_inspect", "Show the one builder"),
    "buildx du": ("build.buildx_du", "Show what builds keep, and how large it is"),
}
_IMAGE = {
    "build": ("build.build", "Build an image from a Dockerfile"),
    "pull": ("image.pull", "Fetch images from a registry"),
    "push": ("image.push", "Send images to a registry"),
    "save": ("image.save", "Write images to an archive"),
    "load": ("image.load", "Read images from an archive"),
    "images": ("image.images", "List images"),
    "rmi": ("image.rmi", "Remove images"),
    "tag": ("image.tag", "Give an image a further name"),
    "untag": ("image.untag", "Take names from an image"),
    "history": ("image.history", "Show the steps by which an image was made"),
    "login": ("image.login", "Log in to a registry"),
    "logout": ("image.logout", "Forget the login of a registry"),
    "search": ("image.search", "Search registries for images"),
    "import": ("image.import_", "Make an image of an archive of files"),
    "image exists": ("image.exists", "Status 0 when an image is in the store, else 1"),
    "image inspect": ("image.inspect", "Show images as JSON"),
    "image diff": ("image.diff", "List what an image changed in its file system"),
    "image mount": ("image.mount", "Show images' files at paths of the host"),
    "image unmount": ("image.unmount", "Undo image mount"),
    "image prune": ("image.prune", "Remove images that nothing uses"),
    "image tree": ("image.tree", "Show an image's layers"),
}
_ENGINE = {
    "version": ("system.version", "Show the version"),
    "completion": (
        "system.completion",
        "Print a script that completes commands: bash, zsh, fish, powershell",
    ),
    "__complete": ("system.complete", ""),
    "events": ("system.events", "Show what happened to containers, images and volumes"),
    "compose": ("system.compose", "Run docker-compose or podman-compose with this engine"),
    "daemon": ("system.daemon", "`system service` with dockerd's options"),
    "auto-update": ("system.auto_update", "Give containers of systemd's units newer images"),
    "doctor": ("system.doctor", "Tell what the host lacks, and the commands that mend it"),
    "oci": ("oci.command", "An OCI runtime, for podman, Docker and containerd: crunpy-oci"),
    "unshare": ("system.unshare", "Run a command in a plain user's user namespace"),
    "info": ("system.info", "Show the engine's set-up and the host's abilities"),
}
_MANIFEST = {
    "manifest create": ("manifest.create", "Make a manifest list"),
    "manifest add": ("manifest.add", "Add images to a manifest list"),
    "manifest annotate": ("manifest.annotate", "Change what a list says of an image"),
    "manifest inspect": ("manifest.inspect", "Show a manifest list or manifest"),
    "manifest push": ("manifest.push", "Send a manifest list to a registry"),
    "manifest remove": ("manifest.remove", "Take an image from a manifest list"),
    "manifest rm": ("manifest.rm", "Remove manifest lists"),
    "manifest exists": ("manifest.exists", "Status 0 when a list is in the store, else 1"),
}
_TOP_ONLY = ("image.images", "rmi", "login", "logout", "search")
VERBS = {
    **_CONTAINER,
    **_HEALTHCHECK,
    **_EXPLAIN,
    **_SYSTEM,
    **_VOLUME,
    **_SECRET,
    **_GENERATE,
    **_CONTEXT,
    **_CONNECTION,
    **_NETWORK,
    **_POD,
    **_KUBE,
    **_IMAGE,
    **_BUILDER,
    **_MANIFEST,
    **_ENGINE,
}
"""verb: (module below crun_py.cli, summary).

A verb with a space, `image exists`, is there only as a word of a group.
"""

SETTINGS = frozenset(("logout", "completion", "__complete", *_CONTEXT, *_CONNECTION))
"""What is about the client itself, whichever service is named."""
HERE = SETTINGS | {
    "cleanup", "healthcheck run", "auto-update", "daemon", "system service", "system dial-stdio",
    "system generator", "system resume", "oci",
}  # fmt: skip
"""What is done on this machine whatever DOCKER_HOST says: also what engines start, and services."""

ALIASES: dict[str, str] = {"umount": "unmount"}


def _members(verbs: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Words of a group: `image exists` is its word `exists`."""
    return {verb.rpartition(" ")[2]: verb for verb in verbs}


GROUPS = {
    "healthcheck": _members(_HEALTHCHECK),
    "explain": _members(_EXPLAIN),
    "generate": {**_members(_GENERATE), "kube": "kube generate"},
    "secret": {**_members(_SECRET), "list": "secret ls", "remove": "secret rm"},
    "network": {**_members(_NETWORK), "list": "network ls", "remove": "network rm"},
    "kube": _members(_KUBE),
    "play": {"kube": "kube play"},
    "pod": {**_members(_POD), "ls": "pod ps", "list": "pod ps", "remove": "pod rm"},
    "volume": {
        **_members(_VOLUME),
        "list": "volume ls",
        "remove": "volume rm",
        "umount": "volume unmount",
    },
    "system": {**_members(_SYSTEM), "info": "info", "events": "events"},
    "context": {**_members(_CONTEXT), "list": "context ls", "remove": "context rm"},
    "system connection": {
        **_members(_CONNECTION),
        "list": "system connection ls",
        "remove": "system connection rm",
    },
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
    "container": {
        **_members(_CONTAINER),
        "ls": "ps",
        "list": "ps",
        "remove": "rm",
        "umount": "unmount",
    },
    "image": {
        **{word: verb for word, verb in _members(_IMAGE).items() if verb not in _TOP_ONLY},
        "ls": "images",
        "list": "images",
        "rm": "rmi",
        "remove": "rmi",
        "search": "search",
        "umount": "image unmount",
    },
}
"""`crunpy GROUP WORD` is the same as `crunpy VERB`."""

GROUP_SUMMARIES = {
    "healthcheck": "Health checks of containers",
    "explain": "What a command would make, without making it",
    "network": "Networks of containers",
    "kube": "Pods by Kubernetes' manifests",
    "play": "The same: play kube",
    "pod": "Pods: containers that share namespaces and a life",
    "generate": "Files for other programs, made from containers",
    "volume": "Volumes: directories that outlive containers",
    "secret": "Secrets: small texts for containers, in no image or log",
    "system": "The engine as a whole: disk use, pruning, boots",
    "context": "Contexts: where services are, as docker keeps them",
    "system connection": "Connections: where services are, as podman keeps them",
    "manifest": "Manifest lists: one name for several platforms",
    "builder": "Builds, and what they keep for later ones",
    "buildx": "The same under the name that Docker gives it",
    "container": "Containers: the same commands as without this word",
    "image": "Images",
}
