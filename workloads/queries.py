"""Orders of a shop in DuckDB: one database in memory, and many queries in parallel.

Only one thread at a time may use a connection. So each node creates a cursor of the connection that it receives: a
separate connection to the same database. DuckDB's own threads are disabled: the runner has one per processor.
"""

from typing import Any

import duckdb


def shop(rows: int, customers: int) -> duckdb.DuckDBPyConnection:
    """Return a connection to a database with ``rows`` orders: day, customer, item, cents."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        """
        CREATE TABLE orders AS
        SELECT i % 365 AS day, i * 7919 % ? AS customer, i * 104729 % 97 AS item, i * 31 % 9973 + 27 AS cents
        FROM range(?) AS numbers(i)
        """,
        [customers, rows],
    )
    return connection


def items(n: int) -> list[int]:
    """Return the numbers of ``n`` items."""
    return list(range(n))


def best_customer(item: int, connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int, int] | None:
    """Return an item, its best customer, the cents spent and the number of days; None for an unsold item."""
    with connection.cursor() as cursor:
        row: tuple[int, int, int, int] | None = cursor.execute(
            """
            SELECT item, customer, sum(cents)::BIGINT AS spent, count(DISTINCT day) FROM orders
            WHERE item = ? GROUP BY item, customer ORDER BY spent DESC, customer LIMIT 1
            """,
            [item],
        ).fetchone()
        return row


def ranking(found: list[tuple[int, int, int, int] | None], n: int) -> list[dict[str, Any]]:
    """Return the ``n`` items with the highest spending by one customer."""
    ranked = sorted([row for row in found if row], key=lambda row: (-row[2], row[0]))
    return [dict(zip(("item", "customer", "cents", "days"), row, strict=True)) for row in ranked[:n]]
