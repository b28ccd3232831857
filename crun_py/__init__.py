"""crunpy: a daemonless container engine for Linux, as a typed library and a command.

    import crun_py

    print(crun_py.run("busybox", ["echo", "hi"]))
    with crun_py.run("nginx", detach=True, ports={80: None}) as web:
        web.wait_until(port=80)
        print(web.ports[80].host_port)

`Engine` is a store and all that can be done with it; `run` uses the user's own.  `crun_py.aio` has
the same names for asyncio.  Errors are CrunpyError and its classes, crun_py/errors.py.
"""

import sys

__version__ = "0.1.0"

if sys.argv[:1] == ["-m"] and "crun_py" in sys.orig_argv and not sys.flags.safe_path:
    # `python -m crun_py`: what lies in the working directory is no module of ours
    del sys.path[0]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.blocking import Attached as Attached
    from crun_py.blocking import Container as Container
    from crun_py.blocking import Containers as Containers
    from crun_py.blocking import Engine as Engine
    from crun_py.blocking import Images as Images
    from crun_py.blocking import Kube as Kube
    from crun_py.blocking import Manifests as Manifests
    from crun_py.blocking import Networks as Networks
    from crun_py.blocking import Pod as Pod
    from crun_py.blocking import Pods as Pods
    from crun_py.blocking import Secrets as Secrets
    from crun_py.blocking import Volumes as Volumes
    from crun_py.blocking import run as run
    from crun_py.build.request import BuildEvent as BuildEvent
    from crun_py.documents.explanation import Explanation as Explanation
    from crun_py.errors import BuildError as BuildError
    from crun_py.errors import CommandError as CommandError
    from crun_py.errors import Conflict as Conflict
    from crun_py.errors import ContainerError as ContainerError
    from crun_py.errors import CorruptState as CorruptState
    from crun_py.errors import CrunpyError as CrunpyError
    from crun_py.errors import ImageError as ImageError
    from crun_py.errors import InvalidArgument as InvalidArgument
    from crun_py.errors import NotFound as NotFound
    from crun_py.errors import RegistryError as RegistryError
    from crun_py.errors import TimedOut as TimedOut
    from crun_py.errors import Unsupported as Unsupported
    from crun_py.library.build_options import BuildOptions as BuildOptions
    from crun_py.library.create_options import CreateOptions as CreateOptions
    from crun_py.library.values import CrunpyWarning as CrunpyWarning
    from crun_py.library.values import PublishedPorts as PublishedPorts
    from crun_py.library.values import Ran as Ran
    from crun_py.model.container import UNLIMITED as UNLIMITED
    from crun_py.model.container import Bind as Bind
    from crun_py.model.container import Device as Device
    from crun_py.model.container import DeviceRule as DeviceRule
    from crun_py.model.container import GiB as GiB
    from crun_py.model.container import HealthCheck as HealthCheck
    from crun_py.model.container import IdMap as IdMap
    from crun_py.model.container import ImageMount as ImageMount
    from crun_py.model.container import KernelMount as KernelMount
    from crun_py.model.container import KiB as KiB
    from crun_py.model.container import Limits as Limits
    from crun_py.model.container import LogConfig as LogConfig
    from crun_py.model.container import MiB as MiB
    from crun_py.model.container import Namespaces as Namespaces
    from crun_py.model.container import Networking as Networking
    from crun_py.model.container import RestartPolicy as RestartPolicy
    from crun_py.model.container import SecretUse as SecretUse
    from crun_py.model.container import Security as Security
    from crun_py.model.container import Tmpfs as Tmpfs
    from crun_py.model.container import Ulimit as Ulimit
    from crun_py.model.container import VolumeMount as VolumeMount
    from crun_py.model.event import Event as Event
    from crun_py.model.files import FileChange as FileChange
    from crun_py.model.image import HistoryStep as HistoryStep
    from crun_py.model.image import ImageSummary as ImageSummary
    from crun_py.model.image import LoadedImage as LoadedImage
    from crun_py.model.image import PrunedImages as PrunedImages
    from crun_py.model.image import Pushed as Pushed
    from crun_py.model.image import RemovedPart as RemovedPart
    from crun_py.model.kube import Played as Played
    from crun_py.model.kube import PlayedPod as PlayedPod
    from crun_py.model.kube import TakenDown as TakenDown
    from crun_py.model.network import Attachment as Attachment
    from crun_py.model.network import BridgeOptions as BridgeOptions
    from crun_py.model.network import Endpoint as Endpoint
    from crun_py.model.network import Join as Join
    from crun_py.model.network import Network as Network
    from crun_py.model.network import NetworkInfo as NetworkInfo
    from crun_py.model.network import PortMapping as PortMapping
    from crun_py.model.network import Route as Route
    from crun_py.model.network import Subnet as Subnet
    from crun_py.model.pod import PodContainer as PodContainer
    from crun_py.model.pod import PodInfo as PodInfo
    from crun_py.model.pod import PodInfra as PodInfra
    from crun_py.model.pod import PodLine as PodLine
    from crun_py.model.pruned import Pruned as Pruned
    from crun_py.model.registry import EntryChange as EntryChange
    from crun_py.model.registry import Missing as Missing
    from crun_py.model.registry import Progress as Progress
    from crun_py.model.registry import PushChange as PushChange
    from crun_py.model.registry import RegistryAccess as RegistryAccess
    from crun_py.model.registry import SearchResult as SearchResult
    from crun_py.model.running import HealthChecked as HealthChecked
    from crun_py.model.running import ProcessTable as ProcessTable
    from crun_py.model.secret import SecretInfo as SecretInfo
    from crun_py.model.state import ContainerInfo as ContainerInfo
    from crun_py.model.state import MountPoint as MountPoint
    from crun_py.model.stats import Stats as Stats
    from crun_py.model.system import DiskUsage as DiskUsage
    from crun_py.model.system import EngineInfo as EngineInfo
    from crun_py.model.system import EngineVersion as EngineVersion
    from crun_py.model.system import Fault as Fault
    from crun_py.model.system import Finding as Finding
    from crun_py.model.system import Space as Space
    from crun_py.model.system import SystemPruned as SystemPruned
    from crun_py.model.volume import VolumeInfo as VolumeInfo

_BLOCKING = (
    "Attached Container Containers Engine Images Kube Manifests Networks Pod Pods Secrets Volumes "
    "run"
)
_NAMES = {
    "blocking": _BLOCKING,
    "build.request": "BuildEvent",
    "documents.explanation": "Explanation",
    "errors": "BuildError CommandError Conflict ContainerError CorruptState CrunpyError ImageError "
    "InvalidArgument NotFound RegistryError TimedOut Unsupported",
    "library.build_options": "BuildOptions",
    "library.create_options": "CreateOptions",
    "library.values": "CrunpyWarning PublishedPorts Ran",
    "model.container": "GiB KiB MiB UNLIMITED Bind Device DeviceRule HealthCheck IdMap ImageMount "
    "KernelMount Limits LogConfig Namespaces Networking RestartPolicy SecretUse "
    "Security Tmpfs Ulimit VolumeMount",
    "model.event": "Event",
    "model.files": "FileChange",
    "model.image": "HistoryStep ImageSummary LoadedImage PrunedImages Pushed RemovedPart",
    "model.kube": "Played PlayedPod TakenDown",
    "model.network": "Attachment BridgeOptions Endpoint Join Network NetworkInfo PortMapping "
    "Route Subnet",
    "model.pod": "PodContainer PodInfo PodInfra PodLine",
    "model.pruned": "Pruned",
    "model.registry": "EntryChange Missing Progress PushChange RegistryAccess SearchResult",
    "model.running": "HealthChecked ProcessTable",
    "model.secret": "SecretInfo",
    "model.state": "ContainerInfo MountPoint",
    "model.stats": "Stats",
    "model.system": "DiskUsage EngineInfo EngineVersion Fault Finding Space SystemPruned",
    "model.volume": "VolumeInfo",
}
"""Where the public names are.  Nothing is loaded before it is asked for: a command begins with
this module, too."""


def _all() -> list[str]:
    return sorted(name for names in _NAMES.values() for name in names.split())


def __getattr__(name: str) -> object:
    if name == "__all__":
        return _all()
    where = next((module for module, names in _NAMES.items() if name in names.split()), "")
    if not where or name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(__import__(f"{__name__}.{where}", fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_all()})
