"""Lists of many containers: what is kept of those that do not run is true."""

from __future__ import annotations

from programs import Programs

from crun_py.model.state import ContainerInfo

PROGRAM = """
import os, sys, time
import crun_py
from crun_py import caller
caller.has(os.environ)
from crun_py.engine import status, summaries
from crun_py.engine.context import Context
from crun_py.library.values import container_infos

summaries._WORTH_IT = -1
summaries._UNSURE_NS = 0
engine = crun_py.Engine()
context = Context()
file = context.paths.run + "/summaries"

def looked():
    time.sleep(0.02)  # times of files have ticks
    for everything in (True, False):
        kept = container_infos(summaries.containers(context, everything=everything))
        true = status.containers(context, everything=everything)
        assert kept == [*true], (kept, true)
    listed = [box.info for box in engine.containers.list(all=True)]
    assert listed == [*status.containers(context, everything=True)]
    return [box.state for box in listed]

assert looked() == []
one = engine.containers.create("busybox", ["sh", "-c", "exit 3"], network="none", ports={80: None},
                               labels={"a": "b"}, volumes=["v:/v"])
assert looked() == looked() == ["created"]
two = engine.containers.run("busybox", ["sleep", "1000"], network="none", detach=True)
assert looked() == looked() == ["running", "created"]
one.start(); one.wait()
assert looked() == looked() == ["running", "exited"]
one.rename("other")
two.stop(0)
assert looked() == ["exited", "exited"]
one.start(); one.wait()
assert looked() == ["exited", "exited"]
for text in ("", "another heading\\nx y z", open(file).read().replace("exited", "nothing")[:-50]):
    if text.startswith("crunpy"):
        text = text.splitlines()[0] + "\\nx\\n"
    open(file, "w").write(text)
    assert looked() == ["exited", "exited"]
two.remove()
assert looked() == ["exited"]
one.remove(volumes=True)
engine.volumes.remove("v")
assert looked() == []
print("done")
"""


def test_what_is_kept_is_true(programs: Programs) -> None:
    assert programs.text(PROGRAM) == "done"


def test_the_heading_names_the_fields() -> None:
    """So that a file of another version is not read."""
    from crun_py.engine import summaries

    fields = ",".join(ContainerInfo.__annotations__)
    assert summaries._HEADING.endswith(fields.encode())
