"""Producers that wait for data, and consumers that compute on it."""

import asyncio
import hashlib


async def produce(source: int, batches: int, delay: float) -> list[bytes]:
    """Wait for each of the ``batches`` batches of a source, and return all of them."""
    data = []
    for number in range(batches):
        await asyncio.sleep(delay)
        data.append(f"source {source}, batch {number}".encode())
    return data


def join(produced: list[list[bytes]]) -> list[bytes]:
    """Return the batches of all sources as one list."""
    return [batch for batches in produced for batch in batches]


def digest(batch: bytes, rounds: int) -> str:
    """Hash a batch ``rounds`` times: pure computation."""
    value = batch
    for _ in range(rounds):
        value = hashlib.sha256(value).digest()
    return value.hex()


def combine(digests: list[str]) -> str:
    """Return one hash of all digests, in order."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()
