"""The installed distributions: which hold extension modules, for which ABI, with which wheel tags.

All of it is read from what installers leave behind, which is anybody's: what is missing or damaged there is unknown.
"""

import csv
import hashlib
import importlib.metadata
import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import msgspec

from taskrunner.doctor.environment.lock import canonical

_LIBRARY = ".so"
_ABI3 = "abi3"
# What reading somebody's metadata may raise.
_BAD = (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error)


class Extension(msgspec.Struct, frozen=True):
    """One extension module. ``abi`` is the tag in its file's name; "" if there is none: any build tries to load it."""

    module: str
    path: str
    abi: str


class Distribution(msgspec.Struct, frozen=True):
    """One installed distribution.

    ``tags``: those of the wheel that it was installed from. ``is_listed``: it says which files are its own.
    """

    name: str
    version: str
    extensions: tuple[Extension, ...]
    tags: tuple[str, ...]
    is_listed: bool

    def names(self, own: str) -> list[str]:
        """Return what to import: the packages that hold extension modules, then those that ``own`` ABI looks for."""
        packages = [extension.module.partition(".")[0] for extension in self.extensions]
        modules = [extension.module for extension in self.extensions if extension.abi in ("", _ABI3, own)]
        return list(dict.fromkeys([*packages, *modules]))


def find_distributions(path: Sequence[str]) -> list[Distribution]:
    """Return what is installed in the folders of a search path, by name; of two of one name the first."""
    found: dict[str, Distribution] = {}
    for each in importlib.metadata.distributions(path=list(path)):
        name, version = _name(each)
        if name and canonical(name) not in found:
            found[canonical(name)] = _read(each, name, version)
    return [found[key] for key in sorted(found)]


def fits(abi: str, own: str, *, free_threaded: bool) -> bool:
    """Say whether an extension module was built for the interpreter whose ABI is ``own``.

    The stable ABI of 3.13 and 3.14 (``abi3``) is that of builds with a GIL: a free-threaded one cannot use it,
    though it may try.
    """
    return abi in ("", own) or (abi == _ABI3 and not free_threaded)


def digest(path: str) -> str:
    """Return a digest of a file's bytes; "" if it cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  a path from somebody's list may be no path at all
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except _BAD:
        return ""


def _name(each: importlib.metadata.Distribution) -> tuple[str, str]:
    try:
        name, version = each.metadata.get("Name"), each.metadata.get("Version")
    except _BAD:
        return "", ""
    return (str(name), str(version or "")) if name else ("", "")


def _read(each: importlib.metadata.Distribution, name: str, version: str) -> Distribution:
    try:
        files = each.files
    except _BAD:
        files = None
    paths = [(PurePosixPath(file), str(each.locate_file(file))) for file in files or ()]
    extensions = tuple(sorted(_extensions(paths), key=lambda extension: extension.module))
    return Distribution(name, version, extensions, _tags(each), files is not None)


def _tags(each: importlib.metadata.Distribution) -> tuple[str, ...]:
    try:
        text = each.read_text("WHEEL") or ""
    except _BAD:
        return ()
    return tuple([line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("Tag:")])


def _extensions(paths: Iterable[tuple[PurePosixPath, str]]) -> Iterator[Extension]:
    for listed, path in paths:
        stem, _, rest = listed.name.partition(".")
        parts = (*listed.parent.parts, stem)
        if rest.endswith(_LIBRARY[1:]) and all(part.isidentifier() for part in parts):
            abi = rest.removesuffix(_LIBRARY[1:]).rstrip(".")
            if abi or _has_init(path, stem):
                yield Extension(".".join(parts), path, abi)


def _has_init(path: str, name: str) -> bool:
    """Say whether a library is an extension module: what the import system calls stands in it by its name."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123
            return data.find(f"PyInit_{name}\0".encode()) >= 0
    except _BAD:
        return False
