"""Options."""

import threading

from taskrunner.errors import UsageError
from taskrunner.events.types import LEVELS


def _check(workers: int | None, log_level: str, timeout: float | None) -> None:
    """Look at options that have a range.

    Raises:
        UsageError: one of them is out of it.

    """
    if log_level not in LEVELS:
        raise UsageError(f'unknown log level "{log_level}": there are {", ".join(LEVELS)}')
    if timeout is not None and not 0 < timeout < threading.TIMEOUT_MAX:
        raise UsageError(f"a time-out is a number of seconds above 0, not {timeout}")
    if workers is not None and workers < 1:
        raise UsageError(f"a run needs at least 1 worker, not {workers}")
