"""Which errors point to the doctor."""

from __future__ import annotations

import pytest

from crun_py.cli import explained
from crun_py.errors import CrunpyError


@pytest.mark.parametrize(
    "message,hint,line",
    [
        ("setting up nftables: no", "", "setting up nftables: no (`crunpy doctor` tells more)"),
        ("entering a user namespace: no ids", "usermod",
         "entering a user namespace: no ids (usermod; `crunpy doctor` tells more)"),
        ("starting the container: step 3 (overlay 1 layers, upper /u at /r): invalid argument", "",
         "starting the container: step 3 (overlay 1 layers, upper /u at /r): invalid argument "
         "(`crunpy doctor` tells more)"),
        ("starting the container: step 3 (mount x): no", "h",
         "starting the container: step 3 (mount x): no (h)"),
        ("no container 'x'", "", "no container 'x'"),
    ],
)  # fmt: skip
def test_line(message: str, hint: str, line: str) -> None:
    told = explained.hint(CrunpyError(message, hint=hint), 0)
    assert message + (f" ({told})" if told else "") == line
