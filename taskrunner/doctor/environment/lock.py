"""What ``uv.lock`` says: which versions, and for which interpreters there are wheels. It is read, never asked for."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import msgspec

LOCK = Path("uv.lock")
_PARTS = 5  # of a wheel's name: distribution, version, (build,) Python, ABI, platform


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
    """The versions of a lock file, and the tags of their wheels."""

    def __init__(self, file: _File) -> None:
        self._tags: dict[str, dict[str, set[str]]] = {}
        for package in file.package:
            versions = self._tags.setdefault(canonical(package.name), {})
            versions.setdefault(package.version, set()).update(_tags(package.wheels))

    def versions(self, name: str) -> list[str]:
        """Return the versions of a distribution that the lock holds: usually one, none if it does not name it."""
        return list(self._tags.get(canonical(name), {}))

    def tags(self, name: str, version: str) -> set[str]:
        """Return the tags of a version's wheels, as ``cp313-cp313t-manylinux_2_28_x86_64``; none: it has no wheels."""
        return self._tags.get(canonical(name), {}).get(version, set())


def read_lock(path: Path = LOCK) -> Lock | None:
    """Read a lock file.

    Raises:
        ValueError: it is no lock file.
        OSError: it cannot be read; None: there is none.

    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return Lock(msgspec.toml.decode(data, type=_File))


def canonical(name: str) -> str:
    """Return a distribution's name in the form in which names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _tags(wheels: list[_Wheel]) -> Iterator[str]:
    for wheel in wheels:
        file = wheel.filename or unquote((wheel.url or wheel.path).rpartition("/")[2])
        parts = file.removesuffix(".whl").split("-")
        if file.endswith(".whl") and len(parts) >= _PARTS:
            yield "-".join(parts[-3:])
