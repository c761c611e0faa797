"""The CPU limit of the control groups that this process is in: a container's share, which no count of processors shows.

Version 2 of Linux's control groups has ``cpu.max``, version 1 ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us``; a group
above may allow less than the one that the process is in.
"""

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc/self")


def cpu_limit(proc: Path = PROC) -> float | None:
    """Return how many processors' time this process may use; None: no limit, or none that can be read."""
    return min(_limits(proc), default=None)


def _limits(proc: Path) -> Iterator[float]:
    paths = _group_paths(proc)
    for root, mount, controllers in _mounts(proc):
        group = next((paths[name] for name in controllers if name in paths), None)
        if group is None:
            continue
        below = group.removeprefix(root if root != "/" else "").strip("/")
        folder = Path(mount, below)
        for place in (folder, *folder.parents):
            limit = _limit(place)
            if limit is not None:
                yield limit
            if place == Path(mount):
                break


def _group_paths(proc: Path) -> dict[str, str]:
    """Return the path of this process's group in each hierarchy; that of version 2 has the name ""."""
    found: dict[str, str] = {}
    for line in _lines(proc / "cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _mounts(proc: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield where the hierarchies that may limit the processors are mounted: (its root, the folder, its names)."""
    for line in _lines(proc / "mountinfo"):
        head, _, tail = line.partition(" - ")
        fields, kind, options = head.split(), tail.split(" ")[0], tail.split(" ")[-1].split(",")
        if len(fields) > 4 and (kind == "cgroup2" or (kind == "cgroup" and "cpu" in options)):  # noqa: PLR2004
            folder = fields[4].replace(r"\040", " ")
            yield fields[3], folder, ("",) if kind == "cgroup2" else ("cpu",)


def _limit(folder: Path) -> float | None:
    """Return the limit that one group sets; None: it sets none."""
    words = " ".join(_lines(folder / "cpu.max")).split()
    if not words:
        words = [*_lines(folder / "cpu.cfs_quota_us"), *_lines(folder / "cpu.cfs_period_us")]
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
