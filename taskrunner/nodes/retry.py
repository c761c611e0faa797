"""Retry policy: whether a failed node is retried, and after which delay."""

import random

from taskrunner.graph.spec import Retry
from taskrunner.nodes.errors import CommandError

MAX_DELAY_S = 10.0**6  # a factor can make any delay arbitrarily long


def delay_before(retry: Retry, attempt: int, error: BaseException) -> float | None:
    """Return the seconds between failed attempt number ``attempt``, from 1, and the next; None: there is none."""
    if attempt > retry.max or not is_retryable(retry, error):
        return None
    try:
        delay_s = retry.backoff * retry.factor ** (attempt - 1)
    except OverflowError:
        delay_s = MAX_DELAY_S
    return min(delay_s, MAX_DELAY_S) + random.uniform(0, retry.jitter)  # noqa: S311  not used for secrets


def is_retryable(retry: Retry, error: BaseException) -> bool:
    """Return whether ``on`` names an error: by its class or a base class, or by a command's exit code."""
    if not retry.on:
        return True
    code = error.code if isinstance(error, CommandError) else None
    names = {name for kind in type(error).__mro__ for name in (kind.__name__, f"{kind.__module__}.{kind.__qualname__}")}
    return any(wanted == code if isinstance(wanted, int) else wanted in names for wanted in retry.on)
