"""Files: volumes that outlive containers, directories of the host, memory, and copies in and out.

python examples/volumes.py [IMAGE]
"""

import sys
import tempfile
from pathlib import Path

import crun_py
from crun_py import Bind, MiB, Tmpfs, VolumeMount

IMAGE = sys.argv[1] if len(sys.argv) > 1 else "busybox"

with crun_py.Engine() as engine, tempfile.TemporaryDirectory() as directory:
    engine.volumes.create("example", labels={"of": "examples"})
    run = engine.containers.run
    run(IMAGE, ["sh", "-c", "echo kept > /d/file"], volumes=["example:/d"], network="none")

    (Path(directory) / "file").write_text("of the host\n")
    Path(directory).chmod(0o755)
    out = run(
        IMAGE, ["sh", "-c", "cat /d/file /h/file; touch /h/x 2>&1; df -m /t | tail -n 1"],
        mounts=[
            VolumeMount("example", "/d", read_only=True),
            Bind(directory, "/h", read_only=True),
            Tmpfs("/t", (f"size={4 * MiB}",)),
        ],
        check=False, network="none",
    )  # fmt: skip
    print(out.decode(), end="")

    with engine.containers.create(IMAGE, volumes=["example:/d"], network="none") as box:
        box.copy_in(Path(directory) / "file", "/d/copied")
        box.copy_out("/d/copied", Path(directory) / "back")
        print((Path(directory) / "back").read_text(), end="")
        print(engine.volumes.get("example").used_by == (box.name,))
    engine.volumes.remove("example")
