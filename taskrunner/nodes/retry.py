"""Whether a failed node is to be tried again, and when."""

import random

from taskrunner.graph.spec import Retry
from taskrunner.nodes.errors import CommandError

MAX_DELAY_S = 10.0**6  # seconds: a factor makes any wait as long as one likes


def delay_before(retry: Retry, attempt: int, error: BaseException) -> float | None:
    """Return the seconds before the next attempt after one that failed, counted from 1; None: there is none."""
    if attempt > retry.max or not is_worth(retry, error):
        return None
    try:
        wait = retry.backoff * retry.factor ** (attempt - 1)
    except OverflowError:
        wait = MAX_DELAY_S
    return min(wait, MAX_DELAY_S) + random.uniform(0, retry.jitter)  # noqa: S311  no secret


def is_worth(retry: Retry, error: BaseException) -> bool:
    """Say whether an error is named in ``on``: by its class or one above it, or by a command's exit code."""
    if not retry.on:
        return True
    code = error.code if isinstance(error, CommandError) else None
    names = {name for kind in type(error).__mro__ for name in (kind.__name__, f"{kind.__module__}.{kind.__qualname__}")}
    return any(wanted == code if isinstance(wanted, int) else wanted in names for wanted in retry.on)
