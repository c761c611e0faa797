"""CPU limit of this process's control groups: a container's share, which the number of processors does not show.

Version 2 of Linux's control groups has ``cpu.max``, version 1 ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us``. An
ancestor of the process's group may have a lower limit.
"""

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc/self")


def cpu_limit(proc: Path = PROC) -> float | None:
    """Return the CPU time that this process may use, in processors; None without a readable limit."""
    return min(_limits(proc), default=None)


def _limits(proc: Path) -> Iterator[float]:
    paths = _group_paths(proc)
    for root, mount, controllers in _mounts(proc):
        group = next((paths[name] for name in controllers if name in paths), None)
        if group is None:
            continue
        relative = group.removeprefix(root if root != "/" else "").strip("/")
        leaf = Path(mount, relative)
        for directory in (leaf, *leaf.parents):
            limit = _limit(directory)
            if limit is not None:
                yield limit
            if directory == Path(mount):
                break


def _group_paths(proc: Path) -> dict[str, str]:
    """Return the path of this process's group in each hierarchy; the key of version 2 is ""."""
    paths: dict[str, str] = {}
    for line in _lines(proc / "cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths |= dict.fromkeys(controllers.split(","), path)
    return paths


def _mounts(proc: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the mounted hierarchies that may limit the processors: (root, mount point, controllers)."""
    for line in _lines(proc / "mountinfo"):
        head, _, tail = line.partition(" - ")
        fields, kind, options = head.split(), tail.split(" ")[0], tail.split(" ")[-1].split(",")
        if len(fields) > 4 and (kind == "cgroup2" or (kind == "cgroup" and "cpu" in options)):  # noqa: PLR2004
            mount_point = fields[4].replace(r"\040", " ")
            yield fields[3], mount_point, ("",) if kind == "cgroup2" else ("cpu",)


def _limit(directory: Path) -> float | None:
    """Return the limit of one group, or None if it has none."""
    words = " ".join(_lines(directory / "cpu.max")).split()
    if not words:
        words = [*_lines(directory / "cpu.cfs_quota_us"), *_lines(directory / "cpu.cfs_period_us")]
    try:
        quota, period = map(int, words)
    except ValueError:  # "max", or no such files
        return None
    return quota / period if quota > 0 and period > 0 else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
