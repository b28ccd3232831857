"""crunpy kube play."""

from __future__ import annotations

from crun_py.cli import reach
from crun_py.cli.container import create_request
from crun_py.cli.kube import down, manifest
from crun_py.cli.output import write
from crun_py.engine import kube
from crun_py.engine.context import Context
from crun_py.net import ports
from crun_py.options import environment, network_options, parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.kube import Played
    from crun_py.values import Values

ARGUMENTS = "FILE"
OPTIONS = (
    ("--replace", "flag", "Remove the pods of the same names first", ""),
    ("--down", "flag", "Remove what the manifest made (kube down)", ""),
    ("--force", "flag", "With --down: the volumes of its claims, too", ""),
    ("--start", "switch", "Let the pods run (true)", ""),
    (
        "--network --net",
        "list",
        "Networks of the pods: none, NAME[:ip=,alias=,mac=]",
        "NETWORK",
    ),
    ("--configmap", "list", "A file with further ConfigMaps", "FILE"),
    ("--publish", "list", "Publish a port of the first pod: [[IP:]HOSTPORT:]PORT", "SPEC"),
    ("--annotation", "list", "Set an annotation of all containers", "KEY=VALUE"),
    ("--log-driver", "value", "json-file, k8s-file or none", "DRIVER"),
    ("--log-opt", "list", "max-size=, max-file=, labels=, env=, tag=", "KEY=VALUE"),
    ("-q --quiet", "flag", "No progress while pulling", ""),
    *reach.OPTIONS,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Make what a manifest (- for standard input) asks for, and print the ids."""
    from crun_py.cli import progress

    data = manifest.read(arguments[0])
    if values.flag("down"):
        down.tell(kube.down(context, data, what=arguments[0], force=values.flag("force")))
        return 0
    networks, mode = network_options.of_pods(values.texts("network"))
    context.showing = lambda: progress.display(progress.kind_of(values), progress.PULLED)
    tell(kube.play(
        context,
        data,
        what=arguments[0],
        config_maps=[manifest.read(name) for name in values.texts("configmap")],
        networks=networks,
        mode=mode,
        ports=[port for text in values.texts("publish") for port in ports.parse(text)],
        annotations=environment.labels(values.texts("annotation"), "annotation"),
        labels=create_request.unit_label(),
        log=parts.log(values.text("log_driver") or "json-file", values.texts("log_opt")),
        access=reach.of(values),
        start=values.switch("start") is not False,
        replace=values.flag("replace"),
    ))  # fmt: skip
    return 0


def tell(done: Played) -> None:
    """As podman says it."""
    for heading, lines in (("Volumes:", done.volumes), ("Secrets:", done.secrets)):
        if lines:
            write("\n".join([heading, *lines]))
    for pod in done.pods:
        write(f"Pod:\n{pod.id}")
        many = "Containers:" if len(pod.containers) > 1 else "Container:"
        write("\n".join([many, *pod.containers, ""]))
