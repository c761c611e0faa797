"""What was tried before: the outcome for a distribution, as long as nothing that is installed has changed.

A distribution's import depends on what it imports in turn. So the key of each holds the digests of the extension
modules of all distributions and all versions, besides the interpreter's build and the search path. Only what came to
a clear end is kept: what failed, crashed or hung is tried again.
"""

import contextlib
import hashlib
import sys
from collections.abc import Sequence

import msgspec

from taskrunner.doctor.environment.distributions import Distribution, digest
from taskrunner.doctor.imports.probe import ImportOutcome, unclear
from taskrunner.reuse.cache import Cache

FORM = "taskrunner doctor 1"


class ImportCache:
    """What is remembered for one environment; without a cache nothing is."""

    def __init__(self, cache: Cache | None, installed: Sequence[Distribution], path: Sequence[str], abi: str) -> None:
        self._cache = cache
        files = [(d.name, d.version, [(e.module, digest(e.path)) for e in d.extensions]) for d in installed if cache]
        self._environment = ascii((FORM, sys.version, abi, [*path], files)).encode()  # a path may be no UTF-8

    def get(self, distribution: Distribution) -> list[ImportOutcome] | None:
        """Return what was found when a distribution was tried last, None if that is not known any more."""
        data = self._cache.get(self._key(distribution)) if self._cache else None
        try:
            return None if data is None else msgspec.json.decode(data, type=list[ImportOutcome])
        except ValueError:  # of another version of this program
            return None

    def put(self, distribution: Distribution, tried: Sequence[ImportOutcome]) -> None:
        """Remember what was found, if all of it is clear; a cache that cannot be written fails nothing."""
        if self._cache and not unclear(tried):
            with contextlib.suppress(OSError):
                self._cache.put(self._key(distribution), msgspec.json.encode(tried))

    def _key(self, distribution: Distribution) -> str:
        name = distribution.name.encode(errors="replace")
        return hashlib.blake2b(self._environment + b"\0" + name, digest_size=32).hexdigest()
