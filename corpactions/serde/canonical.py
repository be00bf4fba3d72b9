"""Canonical JSON (RFC 8785) at the speed of the audit log's writer.

Invariant: the same bytes as ``domain.audit.entry.canonical`` and as RFC 8785 for what entries hold: strings, integers below 2^53, booleans, null, lists and objects
with ASCII names. Floats, whose text is where implementations part, are for the caller to keep out.
"""

from __future__ import annotations

from typing import Any

import orjson


def encode(value: Any) -> bytes:
    """The canonical bytes.

    Raises:
        TypeError: something in it has no JSON form, or a string holds half a surrogate pair, or an integer has more than 64 bits.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def decode(data: bytes) -> Any:
    """The value of canonical bytes, as ``domain.audit.bodies.decode`` reads it; floats, written as this library writes them, are the caller's to refuse.

    Raises:
        ValueError: the bytes are not canonical.
    """
    value = orjson.loads(data)
    try:
        again = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except TypeError as error:
        raise ValueError(f"a value has no canonical form: {error}") from None
    if again != data:
        raise ValueError("the bytes are not canonical: other order, spacing, escapes or repeated fields than RFC 8785 has")
    return value
