"""A directory that is what the kernel makes of resctrl on a processor with RDT, told by a mountinfo
of its own: groups come with their files and go with them, as no other file system has it.

Run as a program it is crunpy-oci on such a host: `fake_resctrl.py TOP WORD…`; with KILLED in the
environment it is killed as soon as it has made a group.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path


class Fake:
    """top: the directory; there is `mounted`, a mountinfo, beside it."""

    def __init__(self, top: Path) -> None:
        self.top, self.mountinfo = top, top.with_name("mountinfo")

    def make(self) -> Fake:
        os.mkdir(self.top)
        self.files(self.top)
        for name in ("L3", "MB", "L3_MON"):
            (self.top / "info" / name).mkdir(parents=True)
        (self.top / "info/L3_MON/mon_features").write_text("llc_occupancy\nmbm_total_bytes\n")
        (self.top / "info/last_cmd_status").write_text("ok\n")
        self.mountinfo.write_text(
            "22 1 0:5 / /proc rw - proc proc rw\n"
            f"35 23 0:31 / {self.top} rw,relatime shared:9 - resctrl resctrl rw\n"
        )
        return self

    @staticmethod
    def files(group: Path) -> None:
        (group / "tasks").write_text("")
        if group.parent.name != "mon_groups":
            (group / "schemata").write_text("    MB:0=100\n    L3:0=0fffff\n")
            (group / "mon_groups").mkdir()

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        os.mkdir(path, mode)
        self.files(Path(path))
        if "KILLED" in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from crun_py.__main__ import main
    from crun_py.oci_runtime import resctrl

    fake = Fake(Path(sys.argv[1]))
    resctrl.MOUNTINFO = str(fake.mountinfo)
    resctrl._mkdir, resctrl._rmdir = fake.mkdir, shutil.rmtree  # type: ignore[assignment]
    sys.exit(main(["oci", *sys.argv[2:]]))
