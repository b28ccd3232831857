"""The shortest way: a command in a container, its output as bytes, its failure as an error.

python examples/hello.py [IMAGE]
"""

import sys

import crun_py

IMAGE = sys.argv[1] if len(sys.argv) > 1 else "busybox"

print(crun_py.run(IMAGE, ["echo", "hello"], network="none").decode(), end="")

try:
    crun_py.run(IMAGE, ["sh", "-c", "echo it went wrong >&2; exit 3"], network="none")
except crun_py.ContainerError as error:
    print(error.exit_code, error.stderr.decode().strip())

print(crun_py.run(IMAGE, ["sort"], input=b"b\na\n", network="none").split())
crun_py.run(IMAGE, ["sh", "-c", "echo as; sleep 0.1; echo it comes"], network="none",
            on_output=lambda stream, data: print(stream, data))  # fmt: skip
