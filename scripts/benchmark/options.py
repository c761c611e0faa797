"""Kinds of values on the scripts' command lines: each reads a text, or says what is wrong with it."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Collection
from pathlib import Path


def names(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return a reader of comma-separated names, of which only these are known."""

    def read(text: str) -> list[str]:
        found = list(dict.fromkeys(text.split(",")))
        for name in found:
            if name not in known:
                raise ArgumentTypeError(f'there is no "{name}": there are {", ".join(known)}')
        return found

    return read


def numbers(text: str) -> list[int]:
    """Read comma-separated whole numbers above zero; return them in order."""
    return sorted({positive(part) for part in text.split(",")})


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f'"{text}" is not a whole number above zero')
    return int(text)


def natural(text: str) -> int:
    """Read a whole number, zero included."""
    if not text.isdecimal():
        raise ArgumentTypeError(f'"{text}" is not a whole number')
    return int(text)


def seconds(text: str) -> float:
    """Read a time above zero."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f'"{text}" is no time above zero')
    return value


def writable(text: str) -> Path:
    """Read the name of a file to write: it would be a pity to find out after minutes that its folder is missing."""
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ArgumentTypeError(f'cannot write "{text}": it is a folder, or its folder is missing')
    return path


def readable(text: str) -> Path:
    """Read the name of a file that is there."""
    if not Path(text).is_file():
        raise ArgumentTypeError(f'there is no file "{text}"')
    return Path(text)
