"""Installed distributions: their extension modules with ABIs, and the tags of their wheels.

All data is read from the metadata that installers write. The metadata is untrusted: missing or damaged parts count as
unknown.
"""

import csv
import hashlib
import importlib.metadata
import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import msgspec

from taskrunner.doctor.environment.abi import is_loadable
from taskrunner.doctor.environment.lock import canonical

_LIBRARY = ".so"
_HOOKS = ("PyInit", "PyModExport")  # the latter since 3.15 (PEP 793)
_METADATA_ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error)  # of damaged metadata


class Extension(msgspec.Struct, frozen=True):
    """An extension module. ``abi``: the tag in its file name, or "" without a tag; then any build tries to load it."""

    module: str
    path: str
    abi: str


class Distribution(msgspec.Struct, frozen=True):
    """An installed distribution.

    ``tags``: the tags of the installed wheel. ``is_listed``: whether the metadata lists its files.
    """

    name: str
    version: str
    extensions: tuple[Extension, ...]
    tags: tuple[str, ...]
    is_listed: bool

    def names(self, own: str) -> list[str]:
        """Return the modules to import: packages with extension modules, then the modules loadable by ABI ``own``."""
        packages = [extension.module.partition(".")[0] for extension in self.extensions]
        modules = [extension.module for extension in self.extensions if is_loadable(extension.abi, own)]
        return list(dict.fromkeys([*packages, *modules]))


def find_distributions(path: Sequence[str]) -> list[Distribution]:
    """Return the distributions in the directories of a search path, by name; the first one if several share a name."""
    distributions: dict[str, Distribution] = {}
    for metadata in importlib.metadata.distributions(path=list(path)):
        name, version = _name(metadata)
        if name and canonical(name) not in distributions:
            distributions[canonical(name)] = _read(metadata, name, version)
    return [distributions[key] for key in sorted(distributions)]


def digest(path: str) -> str:
    """Return a digest of a file's bytes, or "" if it cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  an untrusted path may be an invalid Path
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except _METADATA_ERRORS:
        return ""


def _name(metadata: importlib.metadata.Distribution) -> tuple[str, str]:
    try:
        name, version = metadata.metadata.get("Name"), metadata.metadata.get("Version")
    except _METADATA_ERRORS:
        return "", ""
    return (str(name), str(version or "")) if name else ("", "")


def _read(metadata: importlib.metadata.Distribution, name: str, version: str) -> Distribution:
    try:
        files = metadata.files
    except _METADATA_ERRORS:
        files = None
    paths = [(PurePosixPath(file), str(metadata.locate_file(file))) for file in files or ()]
    extensions = tuple(sorted(_extensions(paths), key=lambda extension: extension.module))
    return Distribution(name, version, extensions, _tags(metadata), files is not None)


def _tags(metadata: importlib.metadata.Distribution) -> tuple[str, ...]:
    try:
        text = metadata.read_text("WHEEL") or ""
    except _METADATA_ERRORS:
        return ()
    return tuple([line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("Tag:")])


def _extensions(paths: Iterable[tuple[PurePosixPath, str]]) -> Iterator[Extension]:
    for listed, path in paths:
        stem, _, suffix = listed.name.partition(".")
        parts = (*listed.parent.parts, stem)
        if suffix.endswith(_LIBRARY[1:]) and all(part.isidentifier() for part in parts):
            abi = suffix.removesuffix(_LIBRARY[1:]).rstrip(".")
            if abi or _has_init(path, stem):
                yield Extension(".".join(parts), path, abi)


def _has_init(path: str, name: str) -> bool:
    """Return whether a library is an extension module: it exports the function that creates a module of that name."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123
            return any(data.find(f"{hook}_{name}\0".encode()) >= 0 for hook in _HOOKS)
    except _METADATA_ERRORS:
        return False
