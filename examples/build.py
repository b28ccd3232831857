"""An image of a Dockerfile: progress as events, an error that shows where, then push and pull.

python examples/build.py [BASE [REGISTRY]]
"""

import sys
import tempfile
from pathlib import Path

import crun_py

BASE = sys.argv[1] if len(sys.argv) > 1 else "busybox"
REGISTRY = sys.argv[2] if len(sys.argv) > 2 else ""


def told(event: object) -> None:
    if isinstance(event, crun_py.BuildEvent) and event.kind == "step":
        print(f"step {event.number} of {event.total}: {event.text}")


with crun_py.Engine() as engine, tempfile.TemporaryDirectory() as directory:
    file = Path(directory) / "Dockerfile"
    file.write_text(f"FROM {BASE}\nARG WHO\nRUN echo hello $WHO > /said\nCMD cat /said\n")
    image = engine.images.build(
        directory, tags=["example:1"], build_args={"WHO": "you"}, network="none", on_event=told
    )
    print(engine.containers.run("example:1", network="none").decode().strip())
    print(engine.images.history("example:1")[0].created_by)

    file.write_text(f"FROM {BASE}\nRUN exit 7\n")
    try:
        engine.images.build(directory, network="none")
    except crun_py.BuildError as error:
        print(error.code, error.shown)

    if REGISTRY:
        pushed = engine.images.push("example:1", f"{REGISTRY}/example:1")
        print(pushed.digest.partition(":")[0])
    engine.images.remove(image.id, force=True)
