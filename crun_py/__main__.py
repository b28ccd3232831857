"""The `crunpy` command.  The only module that prints errors and exits.

    main → cli.fast.parse (a table, no typer) → cli/VERB.py: main(values, arguments, context)

What the fast parser does not know (help, errors, completion) goes to typer, which is built
from the same tables (cli/app.py).
"""

from __future__ import annotations

import os
import sys

if not __package__:  # run as a file, by a monitor that becomes `crunpy cleanup`
    # in the place of our own directory, whose inspect.py is not the standard one
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from crun_py.errors import CrunpyError

_SIGINT, _SIGPIPE = 2, 13


def _report(error: CrunpyError) -> int:
    hint = f" ({error.hint})" if error.hint else ""
    text = f"crunpy: error: {error.message}{hint}".replace("\n", " ")
    os.write(2, f"{text}\n".encode(errors="backslashreplace"))
    return error.exit_code


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit status."""
    from crun_py.cli import fast

    words = sys.argv[1:] if argv is None else argv
    call = fast.parse(words)
    try:
        if call is None:
            from crun_py.cli import app

            return app.run(words)
        return fast.execute(call)
    except CrunpyError as e:
        return _report(e)
    except KeyboardInterrupt:
        return 128 + _SIGINT
    except BrokenPipeError:
        # whoever read our output has gone; the interpreter must not try to flush it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + _SIGPIPE
    except OSError as e:
        return _report(CrunpyError.from_os(e.filename or "running the command", e))
    except MemoryError:
        return _report(CrunpyError("out of memory"))


def entry() -> None:
    """The console script: ends without the interpreter's slow tidying up."""
    status = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = 128 + _SIGPIPE
    os._exit(status)


if __name__ == "__main__":
    entry()
