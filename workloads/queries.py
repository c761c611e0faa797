"""The orders of a shop in DuckDB: one database in memory, and many questions asked of it in parallel.

A connection belongs to one thread at a time. So each node makes a cursor of the connection that it is handed, which
is a connection of its own to the same database. DuckDB's own threads are switched off: the runner has as many.
"""

from typing import Any

import duckdb


def shop(rows: int, customers: int) -> duckdb.DuckDBPyConnection:
    """Return a connection to a database of so many orders: day, customer, item, cents."""
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
    """Return the numbers of so many items."""
    return list(range(n))


def best_customer(item: int, connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int, int] | None:
    """Return an item, who spent most on it, how many cents, and on how many days; None: nobody bought it."""
    with connection.cursor() as cursor:
        found: tuple[int, int, int, int] | None = cursor.execute(
            """
            SELECT item, customer, sum(cents)::BIGINT AS spent, count(DISTINCT day) FROM orders
            WHERE item = ? GROUP BY item, customer ORDER BY spent DESC, customer LIMIT 1
            """,
            [item],
        ).fetchone()
        return found


def ranking(found: list[tuple[int, int, int, int] | None], n: int) -> list[dict[str, Any]]:
    """Return the n items on which one customer spent most."""
    ranked = sorted([row for row in found if row], key=lambda row: (-row[2], row[0]))
    return [dict(zip(("item", "customer", "cents", "days"), row, strict=True)) for row in ranked[:n]]
