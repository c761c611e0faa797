"""Readings of many stations in Polars: a lazy query on each station's frame, in parallel, and a ranking.

Polars computes on its own threads, one per processor, shared by all nodes. Set ``POLARS_MAX_THREADS=1`` to leave the
processors to the runner.
"""

from typing import Any

import polars as pl

_HOURS = 24


def stations(n: int) -> list[int]:
    """Return the numbers of ``n`` stations."""
    return list(range(n))


def readings(station: int, rows: int) -> pl.DataFrame:
    """Return a station's readings, one per minute, in tenths of a degree: a linear congruence plus a daily curve."""
    minute = pl.int_range(rows, dtype=pl.Int64)
    noise = (minute * 7_919 + station * 104_729) * 1_103_515_245 % 2_147_483_648 // 65_536 % 80
    hour = minute // 60 % _HOURS
    return pl.select(station=pl.lit(station, pl.Int64), hour=hour, tenths=noise + 100 - (hour - 14) ** 2)


def limits(n: int) -> pl.DataFrame:
    """Return the limit of each station, in tenths of a degree; readings at or above it are faulty."""
    return pl.DataFrame({"station": range(n), "limit": [150 + station % 5 * 5 for station in range(n)]})


def hourly(frame: pl.DataFrame, limit: pl.DataFrame) -> pl.DataFrame:
    """Drop faulty readings, and return the count, sum and maximum of the readings of each hour."""
    good = frame.lazy().join(limit.lazy(), on="station").filter(pl.col("tenths") < pl.col("limit"))
    tenths = pl.col("tenths")
    grouped = good.group_by("station", "hour").agg(n=pl.len().cast(pl.Int64), sum=tenths.sum(), highest=tenths.max())
    return grouped.sort("hour").collect()


def warmest(parts: list[pl.DataFrame], n: int) -> list[dict[str, Any]]:
    """Return the ``n`` warmest hours of all stations, by the mean reading in tenths of a degree, rounded down."""
    mean = (pl.col("sum") // pl.col("n")).alias("mean")
    ranked = pl.concat(parts).with_columns(mean).sort("mean", "station", "hour", descending=[True, False, False])
    rows: list[dict[str, Any]] = ranked.select("station", "hour", "mean", "highest").head(n).to_dicts()
    return rows
