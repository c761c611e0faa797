"""Binary interfaces: which builds of CPython an extension module or a wheel fits.

- ``cpython-313t-x86_64-linux-gnu``: one version and one kind of build.
- ``abi3``: the stable ABI (PEP 384) of builds with a GIL. Before 3.15 a free-threaded build tries to load it as well.
- ``abi3t``: the stable ABI since 3.15 (PEP 803) of free-threaded builds; builds with a GIL load it, too.
- Since 3.15 a platform may follow: ``abi3-x86_64-linux-gnu``.
- Without a tag: every build tries to load it.
"""

import re
from collections.abc import Iterable

import msgspec

ABI3T_SINCE = 15  # the minor version of CPython
_BUILD = re.compile(r"(?:cpython-|cp)3(\d+)(t?)[a-z]*(?:-(.*))?")
_STABLE = re.compile(r"abi3(t?)(?:-(.*))?")
_CPYTHON = re.compile(r"cp3(\d+)")


class Build(msgspec.Struct, frozen=True):
    """A build of CPython 3: its minor version, whether it is free-threaded, and its platform, "" for any."""

    minor: int
    free_threaded: bool
    platform: str = ""


def parse_build(abi: str) -> Build | None:
    """Return the build with this ABI, ``cpython-313t-x86_64-linux-gnu`` or ``cp313t``; None if it is not CPython's."""
    match = _BUILD.fullmatch(abi)
    return Build(int(match[1]), bool(match[2]), match[3] or "") if match else None


def is_loadable(abi: str, own: str) -> bool:
    """Return whether the interpreter with ABI ``own`` tries to load an extension module."""
    if abi in ("", own):
        return True
    stable, build = _STABLE.fullmatch(abi), parse_build(own)
    if not stable or not build:
        return False
    if stable[2] and (build.minor < ABI3T_SINCE or stable[2] != build.platform):
        return False
    is_new = build.minor >= ABI3T_SINCE
    return is_new if stable[1] else not (is_new and build.free_threaded)


def fits(abi: str, own: str, tags: Iterable[str] = ()) -> bool:
    """Return whether an extension module was built for the interpreter with ABI ``own``.

    ``tags``: those of its wheel, which name the first version of a stable ABI.
    """
    build, stable = parse_build(own), _STABLE.fullmatch(abi)
    if not build or not stable or not is_loadable(abi, own):
        return abi in ("", own)
    is_abi3t = bool(stable[1])
    since = [minor for tag in tags for minor in _first_versions(tag, "abi3t" if is_abi3t else "abi3")]
    return (is_abi3t or not build.free_threaded) and (not since or min(since) <= build.minor)


def wheel_fits(tag: str, build_tag: str) -> bool:
    """Return whether a wheel with a tag such as ``cp315-abi3.abi3t-any`` holds modules for a build such as ``cp315t``.

    A wheel without extension modules, ``py3-none-any``, holds none.
    """
    build, abis = parse_build(build_tag), _abis(tag)
    if not build:
        return False
    stable = ["abi3t"] if build.free_threaded else ["abi3", "abi3t"]
    is_stable = build.minor >= ABI3T_SINCE or "abi3t" not in abis or not build.free_threaded
    since = [minor for abi in stable for minor in _first_versions(tag, abi)]
    return build_tag in abis or (is_stable and bool(since) and min(since) <= build.minor)


def is_for_all(tag: str) -> bool:
    """Return whether a wheel with this tag has no extension modules: ``none`` of ``py3-none-any``."""
    return "none" in _abis(tag)


def _abis(tag: str) -> list[str]:
    parts = tag.split("-")
    return parts[1].split(".") if len(parts) > 1 else []


def _first_versions(tag: str, abi: str) -> list[int]:
    """Return the minor versions in a wheel's tag, if the wheel has this ABI."""
    pythons = [_CPYTHON.fullmatch(python) for python in tag.partition("-")[0].split(".")]
    return [int(python[1]) for python in pythons if python] if abi in _abis(tag) else []
