"""A year of sales in PyArrow: one table per month, written as Parquet, read back in part, and summed.

Arrow's own threads are disabled (``use_threads=False``): the runner already has one thread per processor, and rows
keep their order.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_MAX_CENTS = 10_000


def months(n: int) -> list[int]:
    """Return the numbers of ``n`` months."""
    return list(range(n))


def sales(month: int, rows: int, items: int) -> pa.Table:
    """Return the sales of a month: the item, the price in cents, and a comment that no query reads."""
    item = _random(rows, 2 * month, items)
    cents = _random(rows, 2 * month + 1, _MAX_CENTS)
    comment = pc.binary_join_element_wise("item", pc.cast(item, pa.string()), "in month", str(month), " ")
    return pa.table({"item": item, "cents": cents, "note": comment})


def packed(table: pa.Table) -> pa.Buffer:
    """Return a table as a Parquet file in memory."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def by_item(file: pa.Buffer, least: int) -> pa.Table:
    """Read two columns of a Parquet file, and sum the sales of at least ``least`` cents by item."""
    table = pq.read_table(pa.BufferReader(file), columns=["item", "cents"], use_threads=False)
    large = table.filter(pc.greater_equal(table["cents"], least))
    return large.group_by("item", use_threads=False).aggregate([("cents", "sum"), ("cents", "count")])


def best(parts: list[pa.Table], n: int) -> list[dict[str, Any]]:
    """Sum the months, and return the ``n`` items with the highest sales."""
    grouped = pa.concat_tables(parts).group_by("item", use_threads=False)
    total = grouped.aggregate([("cents_sum", "sum"), ("cents_count", "sum")])
    total = total.rename_columns(["item", "cents", "sales"])
    rows: list[dict[str, Any]] = total.sort_by([("cents", "descending"), ("item", "ascending")]).slice(0, n).to_pylist()
    return rows


def _random(rows: int, seed: int, below: int) -> pa.Array:
    return pc.cast(pc.floor(pc.multiply(pc.random(rows, initializer=seed), float(below))), pa.int64())
