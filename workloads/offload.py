"""Responsiveness of the event loop while workers compute, measured by a heartbeat."""

import asyncio
import time


async def heartbeat(beats: int, every: float) -> dict[str, float]:
    """Sleep ``beats`` times for ``every`` seconds, and measure the delay of each wake-up.

    Returns the number of beats, and the worst and the mean delay in seconds.
    """
    delays = []
    for _ in range(beats):
        due = time.perf_counter() + every
        await asyncio.sleep(every)
        delays.append(max(0.0, time.perf_counter() - due))
    return {"beats": beats, "worst_delay_s": max(delays), "mean_delay_s": sum(delays) / beats}
