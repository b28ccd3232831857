"""Which containers `ps --filter` is about.

What a filter names, a container or an image, is looked up once, not for each container.
"""

from __future__ import annotations

from crun_py import clock, quantity, state
from crun_py.container import health
from crun_py.errors import InvalidArgument
from crun_py.filters import label_matches, parse
from crun_py.net import config
from crun_py.show.published import attached_ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from crun_py.oci.store.image import Image
    from crun_py.paths import Paths
    from crun_py.state import Container, Status

FILTERS = (
    "id name label label! status exited ancestor before since until volume network publish "
    "expose health restart-policy command is-task isolation pod"
).split()

_STATES = {"stopped": "exited", "configured": "created", "up": "running"}
_KNOWN_VALUES = {
    "status": ["created", "initialized", "running", "paused", "restarting", "stopping", "exited",
               "removing", "dead", "unknown", *_STATES],
    "health": ["starting", "healthy", "unhealthy", "none"],
    "restart-policy": ["no", "on-failure", "always", "unless-stopped"],
}  # fmt: skip


class Filters:
    """`texts`, KEY=VALUE: the same key twice means either value, different keys mean both.

    any_state: they ask for containers that do not run, too.  Raises InvalidArgument for what is
    no filter, NotFound for a container that is named and not there.
    """

    def __init__(self, paths: Paths, texts: list[str]) -> None:
        self._paths = paths
        self._wanted = parse(texts, FILTERS)
        self.any_state = "status" in self._wanted or "exited" in self._wanted
        for key, values in _KNOWN_VALUES.items():
            for value in self._wanted.get(key, []):
                if value not in values:
                    raise InvalidArgument(f"filter {key}={value}: not one", hint=", ".join(values))
        for pattern in self._wanted.get("name", []):
            name_matches("", pattern)
        self._images: dict[str, Image | None] = {}
        self._pods: dict[str, str] | None = None
        self._points = [clock.parse_point(v) for v in self._wanted.get("until", [])]
        self._created: dict[str, list[str]] = {
            key: [str(state.find(paths, v).record["created"]) for v in self._wanted[key]]
            for key in ("before", "since")
            if key in self._wanted
        }

    def _is_network(self, name: str, values: list[str]) -> bool:
        """Whether one of `values` is this network's name or the beginning of its id."""
        if name in values:
            return True
        return any(
            network.name == name and any(v and network.id.startswith(v) for v in values)
            for network in config.every(self._paths)
        )

    def _is_pod(self, pod_id: str, text: str) -> bool:
        """Whether `text` is a pod's name or the beginning of its id."""
        if not pod_id or not text:
            return False
        if self._pods is None:
            from crun_py import pods

            self._pods = pods.names(self._paths)
        return pod_id.startswith(text) or self._pods.get(pod_id) == text

    def match(self, container: Container, status: Status) -> bool:
        """Whether they let `container` through.  Raises InvalidArgument."""
        return all(
            self._matches(container, status, key, values) for key, values in self._wanted.items()
        )

    def _matches(self, container: Container, status: Status, key: str, values: list[str]) -> bool:
        record = container.record
        if key == "id":
            return any(container.id.startswith(v) for v in values)
        if key == "name":
            return any(name_matches(container.name, v) for v in values)
        if key == "label":
            return all(label_matches(record["config"]["labels"], v) for v in values)
        if key == "label!":
            return not any(label_matches(record["config"]["labels"], v) for v in values)
        if key == "status":
            return status.state in [_STATES.get(v, v) for v in values]
        if key == "exited":
            return status.state == "exited" and str(status.exit_code) in values
        if key == "ancestor":
            return any(self._is_image(container, v) for v in values)
        if key == "before":
            return any(str(record["created"]) < other for other in self._created[key])
        if key == "since":
            return any(str(record["created"]) > other for other in self._created[key])
        if key == "until":
            created_ns = clock.known_ns(record["created"])
            return all(created_ns <= point for point in self._points)
        if key == "volume":
            used = [(m["name"], m["source"], m["destination"]) for m in record["mounts"]]
            return any(v in names for names in used for v in values)
        if key == "network":
            names = container.networks or [record["network"]["mode"]]
            return any(self._is_network(name, values) for name in names)
        if key == "publish":
            ports = attached_ports(container) or record["network"]["ports"]
            ends = {(p[end], p["protocol"]) for p in ports for end in _ENDS}
            return any(_port_in(ends, v) for v in values)
        if key == "pod":
            return any(self._is_pod(record.get("pod", ""), v) for v in values)
        if key == "expose":
            exposed = [e.partition("/") for e in record["config"]["exposed"]]
            known = {(int(n), proto) for n, _, proto in exposed if n.isdecimal()}
            return any(_port_in(known, v) for v in values)
        if key == "restart-policy":
            return record["restart"]["name"] in values
        if key == "command":
            return any(v in " ".join(record["args"]) for v in values)
        if key == "is-task":
            return "false" in values  # there is no swarm
        if key == "isolation":
            return "default" in values  # others are for containers on Windows
        return (health.of(container, status) or "none") in values

    def _is_image(self, container: Container, text: str) -> bool:
        """Whether the container was made from the image `text`, or one that was built on it."""
        record = container.record
        if record["image_id"].startswith(text.removeprefix("sha256:")):
            return True
        if text not in self._images:
            from crun_py.oci.store.images import ImageStore

            self._images[text] = ImageStore(self._paths).lookup(text)
        image = self._images[text]
        if image is None:
            return _is_named(str(record["image"]), text)
        prefix = container.paths.root + "/"
        layers = [layer.removeprefix(prefix) for layer in image.layers]
        return image.id == record["image_id"] or (
            bool(layers) and record["layers"][: len(layers)] == layers
        )


_ENDS: tuple[Literal["host_port", "container_port"], ...] = ("host_port", "container_port")


def _port_in(ports: set[tuple[int, str]], text: str) -> bool:
    """Whether `ports` has one of PORT[-PORT][/PROTOCOL].  Raises InvalidArgument."""
    span, _, protocol = text.partition("/")
    first, _, last = span.partition("-")
    if not quantity.is_number(first) or not quantity.is_number(last or first):
        raise InvalidArgument(f"filter: {text!r} is no port", hint="80, 80/udp or 80-90")
    wanted = range(int(first), int(last or first) + 1)
    return any(n in wanted and proto == (protocol or "tcp") for n, proto in ports)


def name_matches(name: str, pattern: str) -> bool:
    import re

    try:
        # docker's names begin with a slash
        return any(re.search(pattern, text) for text in (name, "/" + name))
    except re.error as e:
        raise InvalidArgument(f"filter name={pattern!r}: {e}") from None


def _is_named(reference: str, text: str) -> bool:
    """Whether a container's image, which may be gone or have another name now, was `text`."""
    from crun_py.oci.reference import parse

    try:
        return str(parse(reference)) == str(parse(text))
    except InvalidArgument:
        return False
