"""The classic proof of parallelism: recursive Fibonacci numbers, many at once."""


def fib(n: int) -> int:
    """Return the n-th Fibonacci number, the slow way."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)  # noqa: PLR2004


def repeat(n: int, copies: int) -> list[int]:
    """Return ``n`` so many times."""
    return [n] * copies


def same(numbers: list[int]) -> int:
    """Return the one number that all of them are.

    Raises:
        ValueError: they differ.

    """
    if len(set(numbers)) != 1:
        message = f"the copies differ: {sorted(set(numbers))}"
        raise ValueError(message)
    return numbers[0]
