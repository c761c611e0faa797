"""Numbers and short texts, as every form writes them for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from taskrunner.storage.summary import CpuTimes

if TYPE_CHECKING:
    from taskrunner.analysis.contention import SlowedFunction


def seconds(value: float) -> str:
    """Write a time with a unit that suits its size."""
    if value >= 100:  # noqa: PLR2004
        return f"{value:.0f} s"
    if value >= 0.99995:  # noqa: PLR2004  what would be written as 1000.0 ms
        return f"{value:.2f} s"
    return f"{value * 1e3:.1f} ms" if value >= 0.9995e-3 else f"{value * 1e6:.0f} us"  # noqa: PLR2004


def counted(number: int, noun: str) -> str:
    """Return ``1 node``, ``2,000 nodes``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def first_line(text: str) -> str:
    """Return the first line of an error that says anything."""
    return text.strip().partition("\n")[0]


_WIDTH = 100


def _fitting(texts: list[str]) -> str:
    """Join as many texts as fit on a line, the first at least."""
    while len(", ".join(texts)) > _WIDTH and len(texts) > 1:
        texts = texts[:-1]
    return ", ".join(texts)


def cpu_text(cpu: CpuTimes) -> str:
    """Say how much of the time in calls was CPU time, and which functions waited longest."""
    whole = f"{seconds(cpu.cpu_s)} of the {seconds(cpu.ran_s)} in calls"
    waited = [f"{each.call} {seconds(each.waited_s)}" for each in cpu.functions if each.waited_s >= cpu.ran_s / 100]
    return f"{whole}; waited: {_fitting(waited)}" if waited else whole


def grown_text(grown: "SlowedFunction") -> str:
    """Say by how much a function has grown, and why, if that is known."""
    why = "" if grown.waiting is None else f"; {grown.waiting:.0%} of the rise is waiting"
    more = f"{seconds(grown.base_s)} -> {seconds(grown.ran_s)}{why}"
    return f"{grown.call} {grown.ratio:.2f}x its time with 1 worker ({counted(grown.nodes, 'node')}, {more})"


def shortened(path: Sequence[str]) -> str:
    """Write a path; of a long one only as much of both ends as fits on a line, its two ends at least."""
    kept = len(path)
    text = " -> ".join(path)
    while len(text) > _WIDTH and kept > 2:  # noqa: PLR2004
        kept = min(kept - 1, _WIDTH)
        head, tail = path[: (kept + 1) // 2], path[len(path) - kept // 2 :]
        text = " -> ".join([*head, f"({len(path) - kept} more)", *tail])
    return text
