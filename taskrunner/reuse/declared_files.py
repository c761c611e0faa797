"""Declared files of a node in the journal: the stamps of the files that it read and created, for a resumed run.

The stamps of the files that a node reads are taken before it starts: a file that changes meanwhile is a change.
"""

from collections.abc import Iterable
from typing import Any

from taskrunner.reuse.files import expand, stamps


class DeclaredFiles:
    """The files that a node is about to read and create."""

    def __init__(self, files: list[str], creates: list[str]) -> None:
        self._files = files
        self._creates = creates
        self._sources = _stamps(files)

    def describe(self) -> Any:
        """Return the description for the journal, after the node has finished."""
        return [self._files, self._sources, self._creates, _stamps(self._creates)]


def is_current(description: Any) -> bool:
    """Return whether the described files are unchanged, and all created files exist."""
    if description is None:
        return False
    files, sources, creates, created = description
    missing = creates and not all(stamp for _, stamp in created)
    return not missing and _stamps(files) == sources and _stamps(creates) == created


def _stamps(patterns: Iterable[str]) -> list[list[Any]]:
    """Return each file with its stamp, in the form in which MessagePack returns it."""
    return [[path, stamp and list(stamp)] for path, stamp in stamps(expand(patterns)).items()]
