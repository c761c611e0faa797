"""The classic demonstration of parallelism: recursive Fibonacci numbers, computed concurrently."""


def fib(n: int) -> int:
    """Return the n-th Fibonacci number, by naive recursion."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)  # noqa: PLR2004


def repeat(n: int, copies: int) -> list[int]:
    """Return a list with ``copies`` copies of ``n``."""
    return [n] * copies


def same(numbers: list[int]) -> int:
    """Return the common value of all numbers.

    Raises:
        ValueError: the numbers differ.

    """
    if len(set(numbers)) != 1:
        message = f"the copies differ: {sorted(set(numbers))}"
        raise ValueError(message)
    return numbers[0]
