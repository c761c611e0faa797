"""What a process is that is to run nodes: its interpreter, its versions, and whether it can import what it must."""

import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec

from taskrunner.errors import UsageError
from taskrunner.nodes.resolve import resolve_attribute
from taskrunner.system import gil
from taskrunner.system.host import python_build

# Also compared: what both sides must agree on to understand each other.
_OWN = ("taskrunner", "msgspec", "cloudpickle", "distributed")


class Probe(msgspec.Struct, frozen=True):
    """What a process tells of itself. ``versions`` are by package; a module of none has its file's hash."""

    python: str
    free_threaded: bool
    gil: bool
    host: str
    pid: int
    versions: Mapping[str, str]
    problems: Mapping[str, str]


def probe(calls: Sequence[str]) -> Probe:
    """Import what these calls name, in this process, and tell what it is."""
    problems = {}
    for call in calls:
        try:
            resolve_attribute(call)
        except UsageError as error:
            problems[call] = str(error)
    modules = sorted({call.partition(":")[0] for call in calls})
    versions = {"Python": platform.python_version(), **dict(_versions(modules))}
    build = python_build(), gil.IS_FREE_THREADED, gil.is_enabled()
    return Probe(*build, platform.node(), os.getpid(), versions, problems)


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return what is of another version there than here, with both; "": it is not there at all."""
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    return {name: (here.get(name, ""), there.get(name, "")) for name in names}


def _versions(modules: Sequence[str]) -> list[tuple[str, str]]:
    packages = importlib.metadata.packages_distributions()
    named = {name: packages.get(name.partition(".")[0]) for name in modules}
    found = {*_OWN, *[distribution for names in named.values() for distribution in names or ()]}
    hashes = [(f"module {name}", _hash(name)) for name, known in named.items() if not known]
    return [pair for pair in [*[(name, _version(name)) for name in sorted(found)], *hashes] if pair[1]]


def _version(name: str) -> str:
    """Return the version of a distribution; "" if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _hash(name: str) -> str:
    """Return the hash of a module's file, in an archive or not; "" if it has none that can be read."""
    module = sys.modules.get(name)
    file, loader = getattr(module, "__file__", None), getattr(module, "__loader__", None)
    try:
        return blake2b(loader.get_data(file), digest_size=6).hexdigest() if file and loader else ""
    except (AttributeError, OSError):  # its loader has no files
        return ""
