"""What a command makes, and whether it is up to date, as a build tool would see it.

It is, if every file that the command creates is there, none is older than any of the files that it reads,
and each was made by the same command out of files of the same names. The cache knows by which: it has an
entry for each file that was made, which names the command, and one for each command, with its result. Those of
the files are removed before the command starts: if it dies half-way, what it leaves is not taken for good.
"""

import hashlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from taskrunner.nodes.binding import MISSING
from taskrunner.reuse.cache import Cache
from taskrunner.reuse.files import expand, stamps
from taskrunner.storage.serialization import SerializationError, deserialize, serialize

if TYPE_CHECKING:
    from taskrunner.nodes.command import Command


class CommandOutputs:
    """The files that one command creates, and those that it reads.

    Raises:
        NotStorableError: its arguments are no Unicode.

    """

    def __init__(self, cache: Cache, command: "Command", files: Iterable[str], creates: Iterable[str]) -> None:
        self._cache = cache
        self._sources = stamps(expand(files))
        self._created = list(creates)
        made = sorted(map(_absolute, self._created))
        environment = sorted(command.env.items())
        given = [command.argv, environment, command.cwd, command.input(), command.capture]
        self._command = _key("command", given, list(self._sources), made)
        self._records = [_key("output", path) for path in made]

    def result(self) -> Any:
        """Return the command's result if all is up to date, else MISSING."""
        if not self._is_new_enough() or any(self._cache.get(r) != self._command.encode() for r in self._records):
            return MISSING
        try:
            found = self._cache.get(self._command)
            return MISSING if found is None else deserialize(found)
        except SerializationError:
            return MISSING

    def begin(self) -> None:
        """Forget what has been made: it is about to be written to.

        Raises:
            OSError: the cache cannot be written.

        """
        for record in self._records:
            self._cache.remove(record)

    def store(self, result: Any) -> str:
        """Remember what the command has made, and its result; say why not, if not.

        Raises:
            OSError: the cache cannot be written.
            NotStorableError: the result cannot be stored.

        """
        missing = [path for path, stamp in stamps(self._created).items() if stamp is None]
        if missing:
            return f"it did not create {missing[0]}"
        if stamps(self._sources) != self._sources:
            return "a file that it reads was written to while it ran"
        self._cache.put(self._command, serialize(result))
        for record in self._records:
            self._cache.put(record, self._command.encode())
        return ""

    def _is_new_enough(self) -> bool:
        sources, created = self._sources.values(), stamps(self._created).values()
        if None in sources or None in created:
            return False
        newest = max([stamp[0] for stamp in sources if stamp], default=0)
        return all(stamp[0] >= newest for stamp in created if stamp)


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100  without a look at links: the name counts


def _key(*parts: Any) -> str:
    return hashlib.sha256(serialize(list(parts))).hexdigest()
