"""Up-to-date check of commands, by the rules of a build tool.

A command is up to date if

- every file that it creates exists,
- none of these files is older than any file that it reads,
- and the same command created each of them, from files with the same names.

The cache records this command. It has an entry for each created file, which names the command, and an entry for each
command, with its result. The entries of the files are removed before the command starts. So if it dies halfway,
its incomplete files do not count as up to date.
"""

import hashlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from taskrunner.nodes.binding import MISSING
from taskrunner.reuse.cache import Cache
from taskrunner.reuse.files import expand, stamps
from taskrunner.storage.serialization import SerializationError, canonicalize, deserialize, serialize

if TYPE_CHECKING:
    from taskrunner.nodes.command import Command


class CommandOutputs:
    """The files that one command creates, and the files that it reads."""

    def __init__(self, cache: Cache, command: "Command", files: Iterable[str], creates: Iterable[str]) -> None:
        self._cache = cache
        self._sources = stamps(expand(files))
        self._created = list(creates)
        outputs = sorted(map(_absolute, self._created))
        environment = sorted(command.env.items())
        definition = [command.argv, environment, command.cwd, command.input(), command.capture]
        self._command_key = _key("command", definition, list(self._sources), outputs)
        self._output_keys = [_key("output", path) for path in outputs]

    def result(self) -> Any:
        """Return the command's result if the command is up to date, else MISSING."""
        creator = self._command_key.encode()
        if not self._is_new_enough() or any(self._cache.get(key) != creator for key in self._output_keys):
            return MISSING
        try:
            data = self._cache.get(self._command_key)
            return MISSING if data is None else deserialize(data)
        except SerializationError:
            return MISSING

    def invalidate(self) -> None:
        """Remove the entries of the created files, because the command is about to write to them.

        Raises:
            OSError: the cache cannot be written.

        """
        for key in self._output_keys:
            self._cache.remove(key)

    def store(self, result: Any) -> str:
        """Store the command's result and the entries of its files; return the reason if it does not, else "".

        Raises:
            OSError: the cache cannot be written.
            SerializationError: the result cannot be stored.

        """
        missing = [path for path, stamp in stamps(self._created).items() if stamp is None]
        if missing:
            return f"it did not create {missing[0]}"
        if stamps(self._sources) != self._sources:
            return "an input file changed while the node ran"
        self._cache.put(self._command_key, serialize(result))
        for key in self._output_keys:
            self._cache.put(key, self._command_key.encode())
        return ""

    def _is_new_enough(self) -> bool:
        sources, created = self._sources.values(), stamps(self._created).values()
        if None in sources or None in created:
            return False
        newest = max([stamp[0] for stamp in sources if stamp], default=0)
        return all(stamp[0] >= newest for stamp in created if stamp)


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100  it does not resolve links: the name counts


def _key(*parts: Any) -> str:
    return hashlib.sha256(canonicalize(list(parts))).hexdigest()
