"""Numbers and short texts, as every form writes them for people."""


def seconds(value: float) -> str:
    """Write a time with a unit that suits its size."""
    if value >= 100:  # noqa: PLR2004
        return f"{value:.0f} s"
    if value >= 0.99995:  # noqa: PLR2004  what would be written as 1000.0 ms
        return f"{value:.2f} s"
    return f"{value * 1e3:.1f} ms" if value >= 0.9995e-3 else f"{value * 1e6:.0f} us"  # noqa: PLR2004


def counted(number: int, noun: str) -> str:
    """Return ``1 node``, ``2,000 nodes``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def first_line(text: str) -> str:
    """Return the first line of an error that says anything."""
    return text.strip().partition("\n")[0]
