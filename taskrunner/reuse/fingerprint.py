"""Fingerprint of a callable: a string that changes when its code changes, or the data that the code reads.

Guarantee: two processes compute equal fingerprints only if the user's own code and data that a call can reach are
equal. They count transitively, across the modules of the project. Comments and layout do not count. Installed modules
count by the version of their distribution, and the standard library by the version of Python.

A value whose content cannot be read, such as a lock or an open file, is an error that names the value. So is code that
reaches modules by computed names. Not covered: the classes of pickled data that a call reads.

Cost: linear in the number of objects that a call can reach. The analysis of compiled code is cached.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

from taskrunner.reuse.code_reader import Reader, UnknownCodeError
from taskrunner.reuse.content import UnreadableError
from taskrunner.reuse.digest import digest, text
from taskrunner.reuse.origin import PYTHON

_LruCache = type(functools.lru_cache(int))


class Snapshot:
    """The code and data of one callable at one time.

    - ``fingerprint``: the digest of all of it.

    Raises:
        UnknownCodeError: it has no Python code, or it reaches a value whose content cannot be read.

    """

    def __init__(self, function: Callable[..., Any]) -> None:
        reader = Reader()
        self._function = function
        self.fingerprint = _read_root(function, reader)
        self._named = reader.named
        self._unimported = reader.unimported

    def find_change(self) -> str:
        """Return which value has changed since, as a sentence; empty if none has."""
        reader = Reader(self._unimported)
        try:
            current = _read_root(self._function, reader)
        except UnknownCodeError as error:
            return str(error)
        if current == self.fingerprint:
            return ""
        changed = [name for name, value in reader.named.items() if self._named.get(name) != value]
        return f"{changed[0] if changed else 'its code'} has changed since the run began"


def fingerprint(function: Callable[..., Any]) -> str:
    """Return a string that is the same as long as the code and the data of a callable are.

    Raises:
        UnknownCodeError: it has no Python code, or it reaches a value whose content cannot be read.

    """
    return Snapshot(function).fingerprint


def value_digest(value: Any) -> str:
    """Return a string that is the same for values with the same types and the same content.

    The code of own classes is part of the content, because a call may run their methods.

    Raises:
        UnknownCodeError: it contains a value whose content cannot be read.

    """
    reader = Reader()
    with _naming_the_value(reader):
        return digest("value", reader.read(value)).hex()


@contextlib.contextmanager
def _naming_the_value(reader: Reader) -> Iterator[None]:
    """Turn every error of a reader into an ``UnknownCodeError`` that names the value."""
    try:
        yield
    except UnknownCodeError:
        raise
    except UnreadableError as error:
        raise UnknownCodeError(f"{reader.subject} holds {error}, whose content cannot be read") from None
    except Exception as error:  # noqa: BLE001  deep values, changes by other threads, and hostile methods
        raise UnknownCodeError(f"{reader.subject} cannot be read: {type(error).__name__}") from None


def _read_root(function: Any, reader: Reader) -> str:
    with _naming_the_value(reader):
        _check_root(function)
        return digest("root", text(PYTHON), reader.read(function)).hex()


def _check_root(function: Any) -> None:
    """Raise UnknownCodeError unless Python code and its bound data determine a callable."""
    while not isinstance(function, FunctionType) and not _is_python_class(function):
        if isinstance(function, functools.partial):
            function = function.func
        elif type(function) is _LruCache:
            function = function.__wrapped__
        elif isinstance(function, MethodType) and isinstance(function.__self__, type):
            function = function.__func__
        else:
            is_bound = isinstance(function, MethodType)
            raise UnknownCodeError("it belongs to an object" if is_bound else "it has no Python code")


def _is_python_class(value: Any) -> bool:
    return isinstance(value, type) and "__firstlineno__" in vars(value)  # the compiler sets it
