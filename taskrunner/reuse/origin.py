"""Origin of a module: the user's own code, an installed distribution, or the standard library.

The code of an own module may change between two runs, so its content counts. A module of a distribution counts by the
version of the distribution, and a module of the standard library by the version of Python. A module without a file
that is not in the standard library was created by a program, such as ``__main__``, and counts as own.
"""

import functools
import hashlib
import importlib.machinery
import os
import site
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGE_DIRECTORIES = ("site-packages", "dist-packages")
_METADATA = (".dist-info", ".egg-info")
_STANDARD_PATHS = ("stdlib", "platstdlib")
_INSTALLED_PATHS = ("purelib", "platlib")
# The version of Python determines compiled code and the standard library.
PYTHON = f"{sys.implementation.name} {sys.version}"


def version_of(module: str, file: str | None = None) -> str | None:
    """Return the version of the code of a module, or None if the module is the user's own."""
    if file is None:
        file = getattr(sys.modules.get(module), "__file__", None)
    return _version(module, file if isinstance(file, str) else None)


def is_extension(file: str | None) -> bool:
    """Return whether a module's file is compiled machine code."""
    return bool(file) and str(file).endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES))


def file_digest(file: str) -> bytes:
    """Return the digest of a file, read again only after its stamp has changed.

    Raises:
        OSError: the file cannot be read.

    """
    status = os.stat(file)  # noqa: PTH116  called for every extension of every fingerprint
    return _file_digest(file, status.st_mtime_ns, status.st_size, status.st_ino)


@functools.lru_cache(256)
def _file_digest(file: str, *_stamp: int) -> bytes:
    return hashlib.sha256(Path(file).read_bytes()).digest()


@functools.lru_cache(4096)
def _version(module: str, file: str | None) -> str | None:
    top = module.partition(".")[0]
    if top == "taskrunner":  # an own module in its own checkout; the runner does not take part in a result
        return "taskrunner"
    if file is None:
        return PYTHON if top in sys.stdlib_module_names and top != "__main__" else None
    if directory := _package_directory(file):
        return _distribution_version(directory, Path(file).relative_to(directory).parts[0].partition(".")[0])
    return PYTHON if _is_below(file, _directories(_STANDARD_PATHS)) else None


def _package_directory(file: str) -> Path | None:
    """Return the directory of installed packages that contains a file, or None."""
    installed = _directories(_INSTALLED_PATHS)
    return next((p for p in Path(file).parents if p.name in _PACKAGE_DIRECTORIES or str(p) in installed), None)


def _is_below(file: str, directories: frozenset[str]) -> bool:
    # A virtual environment may be a link, and so may the directory of its interpreter.
    return any(
        path.startswith(directory + os.sep)
        for path in (os.path.abspath(file), os.path.realpath(file))  # noqa: PTH100
        for directory in directories
    )


@functools.cache
def _directories(names: tuple[str, ...]) -> frozenset[str]:
    paths = [sysconfig.get_path(name) for name in names]
    paths += [os.path.dirname(os.__file__)] if names is _STANDARD_PATHS else [*site.getsitepackages()]  # noqa: PTH120
    known = [path for path in paths if path]
    return frozenset({os.path.abspath(path) for path in known} | {os.path.realpath(path) for path in known})  # noqa: PTH100


@functools.cache
def _distribution_version(directory: Path, top: str) -> str | None:
    """Return the names and versions of the distributions that contain a top-level module; None if there are none.

    ``importlib.metadata`` is not used: it takes a tenth of a second to read the metadata of all distributions.
    """
    names = [path.stem for path in directory.iterdir() if path.suffix in _METADATA and _contains(path, top)]
    return " ".join(sorted(names)) or None


def _contains(metadata: Path, top: str) -> bool:
    """Return whether the metadata of a distribution list a top-level module."""
    for name, starts in (("RECORD", (f"\n{top}/", f"\n{top}.")), ("top_level.txt", (f"\n{top}\n",))):
        try:
            lines = f"\n{(metadata / name).read_text(errors='replace')}\n"
        except OSError:
            continue
        return any(start in lines for start in starts)
    return False


def is_own(kind: type) -> bool:
    """Return whether a class is the user's own."""
    return version_of(str(kind.__module__)) is None


def is_own_module(module: ModuleType) -> bool:
    """Return whether a module is the user's own."""
    return version_of(module.__name__, getattr(module, "__file__", None)) is None


def is_importable(value: Any) -> bool:
    """Return whether a module has a class, function or method under its name."""
    owner = getattr(value, "__self__", None)
    module = str(getattr(value, "__module__", None) or type(owner).__module__)
    return any(is_attribute(value, module, name) for name in (value.__qualname__, value.__name__))


def is_attribute(value: Any, module: str, name: str) -> bool:
    """Return whether a module has this value, or an equal bound method, under a qualified name."""
    target: Any = sys.modules.get(module)
    for part in name.split("."):
        target = getattr(target, part, None)
    is_method = hasattr(value, "__self__") and type(target) is type(value)
    return target is value or (is_method and bool(target == value))


def extension_of(value: Any) -> str | None:
    """Return the file of the user's own machine code that defines a class or a function, or None."""
    if not _has_name(value):
        return None
    file = getattr(sys.modules.get(value.__module__), "__file__", None)
    return file if is_extension(file) and version_of(value.__module__, file) is None else None


def installed_version(value: Any) -> str | None:
    """Return the version of a function that machine code defines in an installed module, else None."""
    return version_of(value.__module__) if _has_name(value) and is_importable(value) else None


def _has_name(value: Any) -> bool:
    """Return whether a value is a function or a class with a module; the user's methods are not called."""
    names = ("__module__", "__qualname__", "__name__")
    if not callable(value) or hasattr(type(value), "__getattr__"):
        return False
    return all(isinstance(getattr(value, name, None), str) for name in names)
