"""A web service with computations: its event loop submits them to an executor, and stays responsive.

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
PART = 5_000  # numbers tested by one task


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Provide one executor for the lifetime of the service; shutdown waits for started tasks."""
    with WorkStealingExecutor(thread_name_prefix="primes") as executor:
        app.state.executor = executor
        yield


app = FastAPI(lifespan=lifespan)


def count(start: int, stop: int) -> int:
    """Count the primes from ``start`` to below ``stop``: pure computation, in a worker thread."""
    return sum(n > 1 and all(n % divisor for divisor in range(2, isqrt(n) + 1)) for n in range(start, stop))


@app.get("/primes/{below}")
async def primes(below: Annotated[int, Path(ge=0, le=LARGEST)], request: Request) -> dict[str, int]:
    """Count the primes below a number, in parts, so that one request uses all processors."""
    loop = asyncio.get_running_loop()
    executor = request.app.state.executor
    starts = range(0, below, PART)
    parts = [loop.run_in_executor(executor, count, start, min(start + PART, below)) for start in starts]
    return {"below": below, "primes": sum(await asyncio.gather(*parts))}


@app.get("/health")
async def health() -> dict[str, bool]:
    """Return immediately, even during a computation."""
    return {"ok": True}
