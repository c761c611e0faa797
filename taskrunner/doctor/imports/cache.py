"""Cache of import outcomes: valid until any installed distribution changes.

The import of a distribution depends on its own imports. So the key of each entry contains the digests of the extension
modules of all distributions and all versions, besides the interpreter's build and the search path. Only clear outcomes
are cached: an import that failed, crashed or hung is repeated.
"""

import contextlib
import hashlib
import sys
from collections.abc import Sequence

import msgspec

from taskrunner.doctor.environment.distributions import Distribution, digest
from taskrunner.doctor.imports.probe import ImportOutcome, unclear
from taskrunner.reuse.cache import Cache

FORM = "taskrunner doctor 1"  # the version of the entries


class ImportCache:
    """The cached outcomes for one environment; always empty without a cache."""

    def __init__(self, cache: Cache | None, installed: Sequence[Distribution], path: Sequence[str], abi: str) -> None:
        self._cache = cache
        files = [(d.name, d.version, [(e.module, digest(e.path)) for e in d.extensions]) for d in installed if cache]
        # A path may be invalid UTF-8.
        self._environment = ascii((FORM, sys.version, abi, [*path], files)).encode()

    def get(self, distribution: Distribution) -> list[ImportOutcome] | None:
        """Return the outcomes of a distribution, or None if they are not cached."""
        data = self._cache.get(self._key(distribution)) if self._cache else None
        try:
            return None if data is None else msgspec.json.decode(data, type=list[ImportOutcome])
        except ValueError:  # of another version of this program
            return None

    def put(self, distribution: Distribution, outcomes: Sequence[ImportOutcome]) -> None:
        """Store outcomes if all of them are clear; ignore a cache that cannot be written."""
        if self._cache and not unclear(outcomes):
            with contextlib.suppress(OSError):
                self._cache.put(self._key(distribution), msgspec.json.encode(outcomes))

    def _key(self, distribution: Distribution) -> str:
        name = distribution.name.encode(errors="replace")
        return hashlib.blake2b(self._environment + b"\0" + name, digest_size=32).hexdigest()
