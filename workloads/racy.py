"""Two deliberate bugs that a run rarely shows: a missing lock, and a missing edge."""

from typing import NotRequired, TypedDict


class Account(TypedDict):
    """Money in cents."""

    balance: int
    owner: NotRequired[str]


def open_account(balance: int) -> Account:
    """Return a new account."""
    return {"balance": balance}


def deposit(account: Account, amount: int) -> None:
    """Add an amount; an amount added by another thread between the read and the write is lost."""
    balance = account["balance"]
    account["balance"] = balance + amount


def add_interest(account: Account, percent: int) -> None:
    """Add ``percent`` per cent of the balance; the result depends on whether a deposit comes before or after."""
    account["balance"] += account["balance"] * percent // 100


def read(account: Account) -> int:
    """Return the balance."""
    return account["balance"]
