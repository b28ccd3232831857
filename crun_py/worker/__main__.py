"""The worker's program, executed by `spawn`: python -I -S __main__.py SETTINGS.

Descriptors: 2 and 3 the control socket, 4 a pidfd of the caller.
"""

import os
import sys


def main() -> None:
    """Make our modules known, then serve until the caller ends."""
    import json

    given = json.loads(sys.argv[1])
    sys.path += given.pop("path")
    from crun_py.worker import server

    server.run(given)


if __name__ == "__main__":
    main()
    os._exit(0)
