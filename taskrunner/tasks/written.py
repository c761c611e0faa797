"""Where what a command wrote is kept: two files for each node, in the folder of the run's commands."""

import hashlib
import re
from pathlib import Path

_UNSAFE = re.compile(r"[^\w.\[\]-]+", re.ASCII)
_LONGEST_NAME = 100


def output_files(folder: Path, node: str) -> tuple[Path, Path]:
    """Return the files for what a node's command writes to standard output and to standard error."""
    stem = _file_name(node)
    return folder / f"{stem}.out", folder / f"{stem}.err"


def _file_name(name: str) -> str:
    """Make a node's id fit to be a file's name, and still unlike that of every other node."""
    safe = _UNSAFE.sub("_", name).lstrip(".")[:_LONGEST_NAME]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
