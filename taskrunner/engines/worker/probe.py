"""Probe of a process that is to run nodes: its interpreter, its package versions, and the calls that it can import."""

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

# Always compared: client and worker must agree on these packages to exchange messages.
_PROTOCOL_PACKAGES = ("taskrunner", "msgspec", "cloudpickle", "distributed")


class Probe(msgspec.Struct, frozen=True):
    """Description of a process.

    ``versions`` maps each package to its version, and each module that belongs to no package to the hash of its file.
    ``problems`` maps each call that cannot be imported to the reason.
    """

    python: str
    free_threaded: bool
    gil: bool
    host: str
    pid: int
    versions: Mapping[str, str]
    problems: Mapping[str, str]


def probe(calls: Sequence[str]) -> Probe:
    """Import the targets of these calls in this process, and describe the process."""
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


def differences(client: Mapping[str, str], worker: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the versions that differ, by name, as pairs of client and worker; "": it is not installed."""
    names = [name for name in {**client, **worker} if client.get(name) != worker.get(name)]
    return {name: (client.get(name, ""), worker.get(name, "")) for name in names}


def _versions(modules: Sequence[str]) -> list[tuple[str, str]]:
    packages = importlib.metadata.packages_distributions()
    by_module = {name: packages.get(name.partition(".")[0]) for name in modules}
    distributions = {*_PROTOCOL_PACKAGES, *[name for names in by_module.values() for name in names or ()]}
    hashes = [(f"module {name}", _hash(name)) for name, names in by_module.items() if not names]
    return [pair for pair in [*[(name, _version(name)) for name in sorted(distributions)], *hashes] if pair[1]]


def _version(name: str) -> str:
    """Return the version of a distribution; "" if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _hash(name: str) -> str:
    """Return the hash of a module's file, in an archive or not; "" if there is no readable file."""
    module = sys.modules.get(name)
    file, loader = getattr(module, "__file__", None), getattr(module, "__loader__", None)
    try:
        return blake2b(loader.get_data(file), digest_size=6).hexdigest() if file and loader else ""
    except (AttributeError, OSError):  # its loader has no files
        return ""
