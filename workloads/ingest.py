"""Several producers that wait for their data, and consumers that compute on it."""

import asyncio
import hashlib


async def produce(source: int, batches: int, delay: float) -> list[bytes]:
    """Wait for each of ``batches`` pieces of a source's data, and return them all."""
    found = []
    for number in range(batches):
        await asyncio.sleep(delay)
        found.append(f"source {source}, batch {number}".encode())
    return found


def join(produced: list[list[bytes]]) -> list[bytes]:
    """Put the batches of all sources into one list."""
    return [batch for batches in produced for batch in batches]


def digest(batch: bytes, rounds: int) -> str:
    """Hash a batch again and again: pure computing."""
    value = batch
    for _ in range(rounds):
        value = hashlib.sha256(value).digest()
    return value.hex()


def combine(digests: list[str]) -> str:
    """Hash all digests, in order, into one."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()
