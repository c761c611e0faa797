"""CPU work of a given duration, for graphs converted from recorded workflows."""

import time


def spend(seconds: float) -> float:
    """Compute until this thread has used ``seconds`` of CPU time, and return ``seconds``."""
    end = time.thread_time() + seconds
    value = 1
    while time.thread_time() < end:
        for _ in range(200):
            value = value * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF
    return seconds
