"""Values as the API spells them: amounts are decimal strings, dates ISO strings, ratios integers. Nothing is guessed and no float is accepted."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_AMOUNT = re.compile(r"-?[0-9]{1,64}(\.[0-9]{1,64})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DATE_LENGTH = 10
"""Looked at first, so that nothing long is ever remembered."""


def _amount(value: object) -> Decimal:
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise PydanticCustomError(
            "amount", "is not a decimal number in a string", {"mend": 'write plain digits in quotes, for example "0.25"'}
        )
    return Decimal(value)


def _date(value: object) -> date:
    if isinstance(value, str) and len(value) == _DATE_LENGTH and (day := _day(value)) is not None:
        return day
    raise PydanticCustomError("date", "is not a date", {"mend": 'write year, month and day in quotes, for example "2026-11-10"'})


@lru_cache(maxsize=8_192)
def _day(text: str) -> date | None:
    """The day behind a text, if there is one. Remembered, since announcements are about the same few hundred days."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None  # a day that no calendar has


Amount = Annotated[
    Decimal,
    PlainValidator(_amount),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,26}(\.[0-9]{1,12})?$", "examples": ["0.25"]}),
]
"""A positive amount per share."""

Day = Annotated[date, PlainValidator(_date), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-11-10"]})]
"""A calendar day."""

Ratio = Annotated[int, Field(json_schema_extra={"minimum": 1, "maximum": 2**31 - 1})]
"""One side of a ratio, in whole shares."""


def text(description: str, pattern: str | None = None, longest: int | None = None) -> object:
    """A documented text field. Its rule is the domain's: pattern and length here only tell readers and generators of clients."""
    extra = {"pattern": pattern, "maxLength": longest}
    return Field(description=description, json_schema_extra={name: value for name, value in extra.items() if value is not None})
