"""Contents of ``uv.lock``: locked versions and their wheels. The file is read, never regenerated."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import msgspec

LOCK = Path("uv.lock")
_MIN_PARTS = 5  # of a wheel's name: distribution, version, (build,) Python, ABI, platform


class _Wheel(msgspec.Struct, frozen=True):
    url: str = ""
    path: str = ""
    filename: str = ""


class _Package(msgspec.Struct, frozen=True):
    name: str
    version: str = ""
    wheels: list[_Wheel] = []


class _File(msgspec.Struct, frozen=True):
    package: list[_Package] = []


class Lock:
    """The versions in a lock file, and the tags of their wheels."""

    def __init__(self, file: _File) -> None:
        self._tags: dict[str, dict[str, set[str]]] = {}
        for package in file.package:
            versions = self._tags.setdefault(canonical(package.name), {})
            versions.setdefault(package.version, set()).update(_tags(package.wheels))

    def versions(self, name: str) -> list[str]:
        """Return the locked versions of a distribution: usually one, none if the lock does not contain it."""
        return list(self._tags.get(canonical(name), {}))

    def tags(self, name: str, version: str) -> set[str]:
        """Return the tags of a version's wheels, such as ``cp313-cp313t-manylinux_2_28_x86_64``, or an empty set."""
        return self._tags.get(canonical(name), {}).get(version, set())


def read_lock(path: Path = LOCK) -> Lock | None:
    """Read a lock file, or return None if it does not exist.

    Raises:
        ValueError: the file is not a lock file.
        OSError: the file cannot be read.

    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return Lock(msgspec.toml.decode(data, type=_File))


def canonical(name: str) -> str:
    """Return a distribution's name in normalized form (PEP 503), for comparisons."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _tags(wheels: list[_Wheel]) -> Iterator[str]:
    for wheel in wheels:
        file = wheel.filename or unquote((wheel.url or wheel.path).rpartition("/")[2])
        parts = file.removesuffix(".whl").split("-")
        if file.endswith(".whl") and len(parts) >= _MIN_PARTS:
            yield "-".join(parts[-3:])
