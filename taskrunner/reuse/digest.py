"""Digest: SHA-256 of a kind and its parts, and the tokens of scalar values.

Guarantees:

- Two lists of parts with different items never give the same bytes, because the length of each part precedes it.
- Two scalars have the same token only if they have the same type and the same content: ``True``, ``1`` and ``1.0``,
  ``0.0`` and ``-0.0``, and NaNs with different bits are different.
"""

import hashlib
import struct
from collections.abc import Callable
from typing import Any

# A longer token is replaced by its digest.
_MAX_TOKEN_BYTES = 64


def digest(kind: str, *parts: bytes) -> bytes:
    """Return the digest of parts of one kind."""
    content = [_frame(kind.encode())]
    content += [_frame(part) for part in parts]
    return hashlib.sha256(b"".join(content)).digest()


def text(value: str) -> bytes:
    """Return a string as bytes; lone surrogates are allowed."""
    return value.encode(errors="surrogatepass")


def scalar(value: Any) -> bytes | None:
    """Return the token of a scalar, or None for any other value."""
    encode = _SCALARS.get(type(value))
    return None if encode is None else encode(value)


def _frame(part: bytes) -> bytes:
    return len(part).to_bytes(8, "little") + part


def _token(kind: bytes, content: bytes) -> bytes:
    if len(content) > _MAX_TOKEN_BYTES:
        return b"#" + kind + hashlib.sha256(content).digest()
    return b"=" + kind + content


_SCALARS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"None",
    type(...): lambda _: b"Ellipsis",
    type(NotImplemented): lambda _: b"NotImplemented",
    bool: lambda value: b"True" if value else b"False",
    int: lambda value: _token(b"i", b"%x" % value),  # the decimal form is limited to 4300 digits
    float: lambda value: _token(b"f", struct.pack("<d", value)),
    complex: lambda value: _token(b"c", struct.pack("<dd", value.real, value.imag)),
    str: lambda value: _token(b"s", text(value)),
    bytes: lambda value: _token(b"b", value),
}
