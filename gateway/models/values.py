"""Values as the API spells them: amounts are decimal strings, dates ISO strings, ratios integers. Nothing is guessed and no float is accepted."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_AMOUNT = re.compile(r"-?[0-9]{1,64}(\.[0-9]{1,64})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _amount(value: object) -> Decimal:
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise PydanticCustomError(
            "amount", "is not a decimal number in a string", {"mend": 'write plain digits in quotes, for example "0.25"'}
        )
    return Decimal(value)


def _date(value: object) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass  # a day that no calendar has: the same answer as for any other text
    raise PydanticCustomError("date", "is not a date", {"mend": 'write year, month and day in quotes, for example "2026-11-10"'})


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
