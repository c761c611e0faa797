"""Formatting of numbers and short strings for people, shared by all displays."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from taskrunner.storage.summary import CpuTimes

if TYPE_CHECKING:
    from taskrunner.analysis.contention import SlowedFunction

_MAX_WIDTH = 100  # characters


def format_seconds(value: float) -> str:
    """Return a time with a unit that suits its size."""
    if value >= 100:  # noqa: PLR2004
        return f"{value:.0f} s"
    if value >= 0.99995:  # noqa: PLR2004  smaller values are less than 1000.0 ms after rounding
        return f"{value:.2f} s"
    return f"{value * 1e3:.1f} ms" if value >= 0.9995e-3 else f"{value * 1e6:.0f} us"  # noqa: PLR2004


def format_count(number: int, noun: str) -> str:
    """Return ``1 node``, ``2,000 nodes``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def first_line(text: str) -> str:
    """Return the first line of an error that is not blank."""
    return text.strip().partition("\n")[0]


def join_fitting(parts: list[str]) -> str:
    """Join as many parts as fit on a line, and at least the first one."""
    while len(", ".join(parts)) > _MAX_WIDTH and len(parts) > 1:
        parts = parts[:-1]
    return ", ".join(parts)


def format_cpu_times(cpu: CpuTimes) -> str:
    """Return the CPU time and the total time of all calls, and the functions with the longest waits."""
    total = f"{format_seconds(cpu.cpu_s)} of the {format_seconds(cpu.ran_s)} in calls"
    waited = [
        f"{each.call} {format_seconds(each.waited_s)}" for each in cpu.functions if each.waited_s >= cpu.ran_s / 100
    ]
    return f"{total}; waited: {join_fitting(waited)}" if waited else total


def format_slowdown(slowed: "SlowedFunction") -> str:
    """Return the rise of a function's time, and the share of waiting in it if that was measured."""
    cause = "" if slowed.waiting is None else f"; {slowed.waiting:.0%} of the rise is waiting"
    rise = f"{format_seconds(slowed.base_s)} -> {format_seconds(slowed.ran_s)}{cause}"
    return f"{slowed.call} {slowed.ratio:.2f}x its time with 1 worker ({format_count(slowed.nodes, 'node')}, {rise})"


def shorten_path(path: Sequence[str]) -> str:
    """Return a path on one line; the middle of a long path is omitted, and at least its two ends remain."""
    shown = len(path)
    text = " -> ".join(path)
    while len(text) > _MAX_WIDTH and shown > 2:  # noqa: PLR2004
        shown = min(shown - 1, _MAX_WIDTH)
        head, tail = path[: (shown + 1) // 2], path[len(path) - shown // 2 :]
        text = " -> ".join([*head, f"({len(path) - shown} more)", *tail])
    return text
