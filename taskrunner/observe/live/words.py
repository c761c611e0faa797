"""The numbers of a run that goes on, in words."""

from taskrunner.observe.live.progress import Progress

_MINUTE = 60
_HOUR = 3600
_EXACT = 9.95


def duration(seconds: float) -> str:
    """Write a time as one looks at a clock: ``4.2 s``, ``42 s``, ``3:05 min``, ``2:03 h``."""
    if seconds < _EXACT:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds + 0.5)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02} min"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02} h"


def counts(progress: Progress) -> list[str]:
    """Return the counts besides those that are done: how many run, and others that are not 0."""
    named = {"failed": progress.failed, "skipped": progress.skipped, "cached": progress.cached}
    return [f"{len(progress.running)} running", *(f"{number} {name}" for name, number in named.items() if number)]
