"""Which verbs there are, in which module, and what `crunpy --help` says of them."""

from __future__ import annotations

VERBS = {
    "run": ("run", "Create and start a container from an image"),
    "create": ("create", "Create a container without starting it"),
    "start": ("start", "Start containers"),
    "stop": ("stop", "Stop containers: the stop signal, then SIGKILL"),
    "kill": ("kill", "Send a signal to containers"),
    "wait": ("wait", "Wait until containers end and print their exit codes"),
    "rm": ("rm", "Remove containers"),
    "ps": ("ps", "List containers"),
    "logs": ("logs", "Print a container's output"),
    "exec": ("exec", "Run a command in a running container"),
    "attach": ("attach", "Connect the terminal to a running container"),
    "inspect": ("inspect", "Show containers and images as JSON"),
    "pull": ("pull", "Fetch images from a registry"),
    "images": ("images", "List images"),
    "rmi": ("rmi", "Remove images"),
    "version": ("version", "Show the version"),
    "info": ("info", "Show the engine's set-up and the host's abilities"),
    "cleanup": ("cleanup", "Take down what an ended container left (done automatically)"),
}
"""verb: (module below crun_py.cli, summary)."""

ALIASES: dict[str, str] = {}

GROUPS = {
    "container": {
        **{v: v for v in VERBS if v not in ("pull", "images", "rmi", "version", "info")},
        "ls": "ps",
        "list": "ps",
    },
    "image": {"ls": "images", "list": "images", "pull": "pull", "rm": "rmi", "inspect": "inspect"},
}
"""`crunpy GROUP WORD` is the same as `crunpy VERB`."""
