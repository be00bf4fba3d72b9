"""Values in queries, read strictly: times with their zone, numbers in digits."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def _time(value: object) -> datetime:
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # a time that no clock shows: the same answer as for any other text
    raise PydanticCustomError(
        "time", "is not an RFC 3339 time with its zone", {"mend": "write it like 2026-11-10T14:00:00Z (a plus sign as %2B)"}
    )


def _digits(value: object) -> object:
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= 4):
        raise PydanticCustomError("digits", "is not a whole number", {"mend": "write 1 to 500 in digits"})
    return value


Time = Annotated[datetime, PlainValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Digits = Annotated[int, BeforeValidator(_digits)]
Order = Literal["newest", "oldest"]
"""Which entry comes first."""
