"""crunpy info."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli import table
from crun_py.cli.output import write
from crun_py.engine import system
from crun_py.engine.context import Context
from crun_py.paths import configuration
from crun_py.show.stats import binary_size
from crun_py.show.struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (("-f --format", "value", "A Go template, or json", "FORMAT"),)

_LINES = (
    ("Containers", "Containers"),
    (" Running", "ContainersRunning"),
    (" Paused", "ContainersPaused"),
    (" Stopped", "ContainersStopped"),
    ("Images", "Images"),
    ("Server Version", "ServerVersion"),
    ("Storage Driver", "Driver"),
    (" Backing Filesystem", "BackingFilesystem"),
    ("Logging Driver", "LoggingDriver"),
    ("Cgroup Driver", "CgroupDriver"),
    ("Cgroup Version", "CgroupVersion"),
    ("Cgroup Controllers", "CgroupControllers"),
    ("Execution Driver", "Runtime"),
    ("Default Runtime", "DefaultRuntime"),
    ("Security Options", "SecurityOptions"),
    ("Kernel Version", "KernelVersion"),
    ("Operating System", "OperatingSystem"),
    ("OSType", "OSType"),
    ("Architecture", "Architecture"),
    ("CPUs", "NCPU"),
    ("Total Memory", "MemTotal"),
    ("Name", "Name"),
    ("ID", "ID"),
    ("Docker Root Dir", "DockerRootDir"),
    ("Run Dir", "RunRoot"),
    ("Labels", "Labels"),
    ("Registry Mirrors", "RegistryMirrors"),
    ("Insecure Registries", "InsecureRegistries"),
)
_ONE_BELOW_THE_OTHER = ("Labels", "RegistryMirrors", "InsecureRegistries")


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the facts; warnings last."""
    if not context.cgroup_manager and (files := configuration()):
        from crun_py.options import containers_conf

        tell = context.explain or (lambda line: None)
        context.cgroup_manager = containers_conf.cgroup_manager(files, tell)
    show(values, Struct(system.info(context)))
    return 0


def show(values: Values, facts: Struct) -> None:
    """Print facts by Docker's names as the options say; another engine may not tell all of them."""
    if values.text("format") == "json":
        write(jsonfile.dumps(facts))
    elif values.text("format"):
        write(table.fill(values.text("format"), facts))
    else:
        for name, key in _LINES:
            value = facts.get(key)
            if value is None:
                continue
            if key in _ONE_BELOW_THE_OTHER:
                if value:
                    write("\n ".join([f"{name}:", *_texts(value)]))
                continue
            if key == "MemTotal" and isinstance(value, int):
                value = binary_size(value)
            write(f"{name}: {' '.join(_texts(value))}")
        for warning in _texts(facts.get("Warnings") or []):
            write(warning)


def _texts(value: object) -> list[str]:
    """What a fact says: the items of a list, or itself."""
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]
