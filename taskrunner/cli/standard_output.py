"""Standard output, reserved for results: whatever other code in this process writes goes to standard error.

Guarantees:
- File descriptor 1 is standard error from the start of the command line to the end of the process. So C code, child
  processes and threads that outlive the run never write between the results.
- ``sys.stdout`` of the command line has a private descriptor. Code of the user that closes ``sys.__stdout__`` or
  descriptor 1 loses no result.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO


def reserve_standard_output() -> TextIO:
    """Move ``sys.stdout`` to a private descriptor, make descriptor 1 standard error, and return ``sys.stdout``.

    A character that the encoding of standard output lacks is written as an escape.
    """
    if sys.stdout is None:  # it was closed before this process started
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  open until this process ends
        return sys.stdout
    sys.stdout.flush()
    encoding, buffering = sys.stdout.encoding, 1 if sys.stdout.isatty() else -1
    private = os.dup(sys.stdout.fileno())
    with contextlib.suppress(OSError):  # standard error was closed: descriptor 1 stays as it is
        os.dup2(2, 1)
    # The file stays open to the end of the process; with closefd=False Python does not warn about that.
    sys.stdout = os.fdopen(private, "w", buffering, encoding, "backslashreplace", closefd=False)
    return sys.stdout


@contextlib.contextmanager
def printed_to_stderr() -> Iterator[None]:
    """While the context is entered, ``print`` writes to standard error.

    It uses a separate file object, so closing ``sys.stdout`` does not close ``sys.stderr``.
    """
    descriptor = _copy_of_stderr()
    file = None if descriptor is None else os.fdopen(descriptor, "w", 1, errors="backslashreplace")
    with contextlib.redirect_stdout(file), file or contextlib.nullcontext():
        yield


def print_to_stderr() -> TextIO:
    """Let ``print`` write to standard error to the end of the process, and return the file of the results.

    Abandoned calls, and threads that nodes started, may print until then.
    """
    results, descriptor = sys.stdout, _copy_of_stderr()
    if descriptor is not None:
        # A buffered file has a lock. If a thread that prints holds it, the interpreter aborts at exit.
        unbuffered = io.FileIO(descriptor, "w", closefd=False)
        sys.stdout = io.TextIOWrapper(unbuffered, errors="backslashreplace", line_buffering=True)
    else:
        sys.stdout = None
    return results


def _copy_of_stderr() -> int | None:
    """Return a separate descriptor of standard error, or None if it was closed before this process started."""
    if sys.stderr is None:
        return None
    sys.stderr.flush()
    return os.dup(sys.stderr.fileno())
