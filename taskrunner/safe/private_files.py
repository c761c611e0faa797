"""Private files and directories: only the user has access, for any umask.

They hold the arguments and results of runs.
"""

import contextlib
import os
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def open_private(path: str | Path, flags: int) -> int:
    """Open a file. A new file is private; an existing one keeps its mode.

    This is an ``opener`` for ``open``. An existing file may be a device, or the user may have chosen its mode.
    """
    try:
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except FileExistsError:
        return os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
    os.fchmod(file, FILE_MODE)  # the umask may have removed permissions of the user
    return file


def write_private(path: Path, data: bytes) -> None:
    """Write a whole file. A new file is private."""
    with open(path, "wb", opener=open_private) as file:
        file.write(data)


def make_private(directory: Path) -> None:
    """Create a private directory and its missing parents. An existing directory becomes private."""
    missing = [path for path in directory.parents if not path.exists()]
    for path in [*reversed(missing), directory]:
        with contextlib.suppress(FileExistsError):
            path.mkdir(DIRECTORY_MODE)
            path.chmod(DIRECTORY_MODE)
    directory.chmod(DIRECTORY_MODE)
