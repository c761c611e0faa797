"""A web service that computes: its event loop hands the work to an executor, and goes on answering.

``uv run --group web uvicorn examples.service:app`` serves it at http://127.0.0.1:8000/primes/100000.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import isqrt
from typing import Annotated

from fastapi import FastAPI, Path, Request

from taskrunner import WorkStealingExecutor

LARGEST = 1_000_000
PART = 5_000  # numbers that one task tries


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Have one executor as long as the service is up. At its end what was begun is finished."""
    with WorkStealingExecutor(thread_name_prefix="primes") as executor:
        app.state.executor = executor
        yield


app = FastAPI(lifespan=lifespan)


def count(start: int, stop: int) -> int:
    """Count the primes from ``start`` to below ``stop``: pure computing, in a worker's thread."""
    return sum(n > 1 and all(n % divisor for divisor in range(2, isqrt(n) + 1)) for n in range(start, stop))


@app.get("/primes/{below}")
async def primes(below: Annotated[int, Path(ge=0, le=LARGEST)], request: Request) -> dict[str, int]:
    """Count the primes below a number, in parts, so that one request has all processors."""
    loop = asyncio.get_running_loop()
    executor = request.app.state.executor
    starts = range(0, below, PART)
    parts = [loop.run_in_executor(executor, count, start, min(start + PART, below)) for start in starts]
    return {"below": below, "primes": sum(await asyncio.gather(*parts))}


@app.get("/health")
async def health() -> dict[str, bool]:
    """Answer at once, whatever is being computed."""
    return {"ok": True}
