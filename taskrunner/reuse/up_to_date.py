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
        self.key = _key("command", definition, list(self._sources), outputs)
        self._output_keys = [_key("output", path) for path in outputs]

    def result(self) -> Any:
        """Return the command's result if the command is up to date, else MISSING."""
        return self.find()[0]

    def find(self) -> tuple[Any, str]:
        """Return the command's result if the command is up to date, else MISSING and the reason why it is not."""
        if reason := self._find_change():
            return MISSING, reason
        creator = self.key.encode()
        if any(self._cache.get(key) != creator for key in self._output_keys):
            return MISSING, "no earlier run of this command, with the same files, created its outputs"
        try:
            data = self._cache.get(self.key)
            return (MISSING, "its result is not stored") if data is None else (deserialize(data), "")
        except SerializationError:
            return MISSING, "its stored result cannot be read"

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
        self._cache.put(self.key, serialize(result))
        for key in self._output_keys:
            self._cache.put(key, self.key.encode())
        return ""

    def _find_change(self) -> str:
        """Return a change of a file after which the command is not up to date; "" if there is none."""
        created = stamps(self._created)
        for path, stamp in (*self._sources.items(), *created.items()):
            if stamp is None:
                return f"{path} does not exist"
        newest = max([(stamp[0], path) for path, stamp in self._sources.items() if stamp], default=(0, ""))
        older = [path for path, stamp in created.items() if stamp and stamp[0] < newest[0]]
        return f"{older[0]} is older than {newest[1]}" if older else ""


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100  it does not resolve links: the name counts


def _key(*parts: Any) -> str:
    return hashlib.sha256(canonicalize(list(parts))).hexdigest()
