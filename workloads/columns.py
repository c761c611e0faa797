"""The sales of a year in PyArrow: tables of months, written as Parquet, read back in part, and added up.

Arrow's own threads are left out (``use_threads=False``): the runner already has one for each processor, and rows keep
their order.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_DEAREST = 10_000  # cents


def months(n: int) -> list[int]:
    """Return the numbers of so many months."""
    return list(range(n))


def sales(month: int, rows: int, items: int) -> pa.Table:
    """Return the sales of a month: which item, how many cents, and a note that is of no use here."""
    item = _random(rows, 2 * month, items)
    cents = _random(rows, 2 * month + 1, _DEAREST)
    note = pc.binary_join_element_wise("item", pc.cast(item, pa.string()), "in month", str(month), " ")
    return pa.table({"item": item, "cents": cents, "note": note})


def packed(table: pa.Table) -> pa.Buffer:
    """Write a table as a Parquet file in memory."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def by_item(file: pa.Buffer, least: int) -> pa.Table:
    """Read what is needed of a Parquet file, and add the sales of at least so many cents up for each item."""
    table = pq.read_table(pa.BufferReader(file), columns=["item", "cents"], use_threads=False)
    large = table.filter(pc.greater_equal(table["cents"], least))
    return large.group_by("item", use_threads=False).aggregate([("cents", "sum"), ("cents", "count")])


def best(parts: list[pa.Table], n: int) -> list[dict[str, Any]]:
    """Add the months up, and return the n items that brought most."""
    grouped = pa.concat_tables(parts).group_by("item", use_threads=False)
    total = grouped.aggregate([("cents_sum", "sum"), ("cents_count", "sum")])
    total = total.rename_columns(["item", "cents", "sales"])
    rows: list[dict[str, Any]] = total.sort_by([("cents", "descending"), ("item", "ascending")]).slice(0, n).to_pylist()
    return rows


def _random(rows: int, seed: int, below: int) -> pa.Array:
    return pc.cast(pc.floor(pc.multiply(pc.random(rows, initializer=seed), float(below))), pa.int64())
