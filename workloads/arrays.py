"""Daily light on a mountain range, in NumPy: one shared array, read in parallel for many positions of the sun."""

import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Heights = NDArray[np.int64]
Light = NDArray[np.uint8]


def terrain(seed: int, size: int) -> Heights:
    """Return the heights of ``size`` x ``size`` points: sums of random steps along both axes.

    The array is read-only: many nodes receive this one object, and none of them may modify it.
    """
    steps = np.random.default_rng(seed).integers(-3, 4, (size, size))
    heights = steps.cumsum(axis=0).cumsum(axis=1) // size
    heights.flags.writeable = False
    return heights


def suns(hours: int) -> list[tuple[int, int, int]]:
    """Return the position of the sun at each hour: x from east to west, y, and up."""
    return [(2 * hour + 1 - hours, -hours, hours) for hour in range(hours)]


def shine(sun: tuple[int, int, int], heights: Heights) -> Light:
    """Return the brightness of each point, from 0 to 255, by Lambert's law, without the outermost points."""
    x, y, up = sun
    dx = (heights[1:-1, 2:] - heights[1:-1, :-2]) / 2
    dy = (heights[2:, 1:-1] - heights[:-2, 1:-1]) / 2
    cosine = (up - x * dx - y * dy) / (np.sqrt(1 + dx * dx + dy * dy) * math.hypot(x, y, up))
    return (np.maximum(cosine, 0) * 255).astype(np.uint8)


def day(lights: list[Light]) -> Light:
    """Return the mean over all hours, rounded down."""
    total = np.zeros(lights[0].shape, np.int64)
    for light in lights:
        total += light
    return (total // len(lights)).astype(np.uint8)


def summary(light: Light) -> dict[str, Any]:
    """Return the picture's shape, a histogram of its brightness in eighths, and a checksum."""
    counts = np.bincount(light.ravel() // 32, minlength=8)
    return {"shape": list(light.shape), "histogram": counts.tolist(), "crc32": zlib.crc32(light.tobytes())}
