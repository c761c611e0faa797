"""Standard output, reserved for results: whatever other code in this process writes goes to standard error.

Guarantees:
- File descriptor 1 is standard error from the start of the command line to the end of the process. So C code, child
  processes and threads that outlive the run never write between the results.
- ``sys.stdout`` of the command line has a private descriptor. Code of the user that closes ``sys.__stdout__`` or
  descriptor 1 loses no result.
"""

import contextlib
import os
import sys
from collections.abc import Iterator


def reserve_standard_output() -> None:
    """Move ``sys.stdout`` to a private descriptor, and make descriptor 1 standard error.

    A character that the encoding of standard output lacks is written as an escape.
    """
    if sys.stdout is None:  # it was closed before this process started
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  open until this process ends
        return
    sys.stdout.flush()
    encoding, buffering = sys.stdout.encoding, 1 if sys.stdout.isatty() else -1
    private = os.dup(sys.stdout.fileno())
    with contextlib.suppress(OSError):  # standard error was closed: descriptor 1 stays as it is
        os.dup2(2, 1)
    # The file stays open to the end of the process; with closefd=False Python does not warn about that.
    sys.stdout = os.fdopen(private, "w", buffering, encoding, "backslashreplace", closefd=False)


@contextlib.contextmanager
def printed_to_stderr() -> Iterator[None]:
    """While the context is entered, ``print`` writes to standard error.

    The calls of nodes share a separate file object for it, so closing ``sys.stdout`` does not close ``sys.stderr``.
    """
    file = None
    if sys.stderr is not None:  # None: it was closed before this process started
        sys.stderr.flush()
        file = os.fdopen(os.dup(sys.stderr.fileno()), "w", 1, errors="backslashreplace")
    with contextlib.redirect_stdout(file), file or contextlib.nullcontext():
        yield
