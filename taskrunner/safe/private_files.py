"""Files and folders for the user alone, whatever the umask is: a run's arguments and results lie in them."""

import contextlib
import os
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def open_private(path: str | Path, flags: int) -> int:
    """Open a file, and make it for the user alone if it is not there; one that is there keeps its mode.

    It is an opener, as ``open`` takes one. What is there may be a device, or somebody's own choice.
    """
    try:
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except FileExistsError:
        return os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
    os.fchmod(file, FILE_MODE)  # a umask may have taken more than it should
    return file


def write_private(path: Path, data: bytes) -> None:
    """Write a whole file for the user alone."""
    with open(path, "wb", opener=open_private) as file:
        file.write(data)


def make_private(folder: Path) -> None:
    """Make a folder for the user alone, and those above it that are not there; one that is there becomes so."""
    missing = [path for path in folder.parents if not path.exists()]
    for path in [*reversed(missing), folder]:
        with contextlib.suppress(FileExistsError):
            path.mkdir(DIRECTORY_MODE)
            path.chmod(DIRECTORY_MODE)
    folder.chmod(DIRECTORY_MODE)
