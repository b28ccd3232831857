"""crunpy: a daemonless container engine for Linux, as a typed library and a command."""

import sys

__version__ = "0.1.0"

if sys.argv[:1] == ["-m"] and "crun_py" in sys.orig_argv and not sys.flags.safe_path:
    # `python -m crun_py`: what lies in the working directory is no module of ours
    del sys.path[0]
