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
