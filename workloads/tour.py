"""Functions of the tour: a short graph that shows all kinds of nodes."""

import asyncio
from typing import Any


def words(text: str) -> dict[str, Any]:
    """Return the words of a string, and their number."""
    parts = text.split()
    return {"words": parts, "count": len(parts)}


async def greet(name: str, delay: float) -> str:
    """Wait without holding a worker, then greet."""
    await asyncio.sleep(delay)
    return f"hello, {name}"


def measure(word: str) -> int:
    """Return the length of a word."""
    return len(word)


def summary(greeting: str, longest: str, lengths: list[int], checksum: str) -> dict[str, Any]:
    """Return all results as one object."""
    return {"greeting": greeting, "longest": longest, "lengths": lengths, "checksum": checksum}


def longest(found: list[str], lengths: list[int]) -> str:
    """Return the longest word."""
    return found[lengths.index(max(lengths))]
