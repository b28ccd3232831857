"""The harnesses of tools/fuzz in C, briefly: what they begin with and have found, a few changes.

With the sanitizers, and the same changes each time.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from engine import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "tools" / "fuzz"))
import native_targets

RUNS = {"untar": 2500, "plan": 30_000, "client": 8000, "orders": 4000, "dns": 10_000}


@pytest.mark.parametrize("name", native_targets.TARGETS)
def test_broken_input(name: str, tmp_path: Path) -> None:
    target = native_targets.TARGETS[name]
    binary = native_targets.build(name, CHECKOUT / ".cache" / "fuzz" / "build")
    native_targets.write_seeds(target.seeds(), tmp_path / "seeds")
    (tmp_path / "new").mkdir()
    kept = native_targets.FUZZ / "corpus" / name
    known = [str(tmp_path / "seeds"), *([str(kept)] if kept.is_dir() else [])]
    limits = [f"-runs={RUNS[name]}", f"-max_len={target.most}", "-seed=1", "-timeout=20"]
    done = subprocess.run(
        [binary, *limits, "new", *known], cwd=tmp_path, capture_output=True, timeout=100
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-4000:]
    assert f"Done {RUNS[name]} runs" in done.stderr.decode(errors="replace")
