"""Two planted mistakes that a run rarely shows: a lock that is missing, and an edge that is missing."""

from typing import NotRequired, TypedDict


class Account(TypedDict):
    """Money in cents."""

    balance: int
    owner: NotRequired[str]


def open_account(balance: int) -> Account:
    """Return a new account."""
    return {"balance": balance}


def deposit(account: Account, amount: int) -> None:
    """Add an amount; what another adds between the reading and the writing is lost."""
    before = account["balance"]
    account["balance"] = before + amount


def add_interest(account: Account, percent: int) -> None:
    """Add so many per cent of what lies there: before or after a deposit, that is not the same."""
    account["balance"] += account["balance"] * percent // 100


def read(account: Account) -> int:
    """Return the balance."""
    return account["balance"]
