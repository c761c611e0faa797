"""Does the event loop stay responsive while workers compute? A heart that beats there tells."""

import asyncio
import time


async def heartbeat(beats: int, every: float) -> dict[str, float]:
    """Sleep ``every`` seconds, so many times, and measure how late each waking was.

    Returns the number of beats, the worst and the mean delay in seconds.
    """
    delays = []
    for _ in range(beats):
        due = time.perf_counter() + every
        await asyncio.sleep(every)
        delays.append(max(0.0, time.perf_counter() - due))
    return {"beats": beats, "worst_delay_s": max(delays), "mean_delay_s": sum(delays) / beats}
