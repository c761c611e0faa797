"""The functions of the tour: a short graph that shows everything at once."""

import asyncio
from typing import Any


def words(text: str) -> dict[str, Any]:
    """Split a text; return its words and how many there are."""
    found = text.split()
    return {"words": found, "count": len(found)}


async def greet(name: str, delay: float) -> str:
    """Wait without holding a worker, then greet."""
    await asyncio.sleep(delay)
    return f"hello, {name}"


def measure(word: str) -> int:
    """Return the length of a word."""
    return len(word)


def summary(greeting: str, longest: str, lengths: list[int], checksum: str) -> dict[str, Any]:
    """Put everything together."""
    return {"greeting": greeting, "longest": longest, "lengths": lengths, "checksum": checksum}


def longest(found: list[str], lengths: list[int]) -> str:
    """Return the longest word."""
    return found[lengths.index(max(lengths))]
