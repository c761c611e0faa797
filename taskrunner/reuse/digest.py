"""Digest: SHA-256 of a kind and its parts, and the tokens of scalar values.

Guarantees:

- Two lists of parts with different items never give the same bytes, because the length of each part precedes it.
- Two scalars have the same token only if they have the same type and the same content: ``True``, ``1`` and ``1.0``,
  ``0.0`` and ``-0.0``, and NaNs with different bits are different.
"""

import struct
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

# A longer string is replaced by its digest.
_MAX_TOKEN_BYTES = 64


def digest(kind: str, *parts: bytes) -> bytes:
    """Return the digest of parts of one kind."""
    lengths = struct.pack(f"<{len(parts)}Q", *map(len, parts))
    return sha256(b"".join((b"%s:%d:" % (kind.encode(), len(parts)), lengths, *parts))).digest()


def text(value: str) -> bytes:
    """Return a string as bytes; lone surrogates are allowed."""
    return value.encode(errors="surrogatepass")


def scalar(value: Any) -> bytes | None:
    """Return the token of a scalar, or None for any other value."""
    encode = _SCALARS.get(type(value))
    return None if encode is None else encode(value)


def tokens(values: Iterable[Any], read: Callable[[Any], bytes]) -> list[bytes]:
    """Return the token of each value; ``read`` returns those of values that are not scalars."""
    return [(_SCALARS.get(type(value)) or read)(value) for value in values]


def _string(kind: bytes, content: bytes) -> bytes:
    if len(content) > _MAX_TOKEN_BYTES:
        return b"#" + kind + sha256(content).digest()
    return b"=" + kind + content


_SCALARS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"None",
    type(...): lambda _: b"Ellipsis",
    type(NotImplemented): lambda _: b"NotImplemented",
    bool: lambda value: b"True" if value else b"False",
    int: lambda value: b"=i%x" % value,  # the decimal form is limited to 4300 digits
    float: lambda value: b"=f" + struct.pack("<d", value),
    complex: lambda value: b"=c" + struct.pack("<dd", value.real, value.imag),
    str: lambda value: _string(b"s", value.encode(errors="surrogatepass")),
    bytes: lambda value: _string(b"b", value),
}
