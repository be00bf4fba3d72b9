"""Rules of the fields around the terms: who is meant, who says so, and why. One home for the gateway, the feed and the worker.

Each check takes the field's value and returns the Problem it has, or None. Values are refused, never normalised: ``aapl`` is a mistake to mend, not AAPL.
"""

from __future__ import annotations

import re

from corpactions.domain.identity import SYMBOL, isin_is_valid
from corpactions.domain.rules import Problem

SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}", re.ASCII)
MAX_REFERENCE = 128
MAX_REASON = 1_000
MAX_ACTOR = 128
DEFAULT_SOURCE = "manual"
"""The source of a submission that names none: a person at a desk."""
_LINE_BREAKS = str.maketrans("", "", "\n\r\t")


def symbol_problem(value: str, field: str = "symbol") -> Problem | None:
    """A ticker: 1 to 16 of A-Z, 0-9, dot and hyphen, starting with a letter or digit."""
    if SYMBOL.fullmatch(value):
        return None
    hint = f"; {value.upper()!r} would be one" if SYMBOL.fullmatch(value.upper()) else ""
    return Problem(field, value, "is not a symbol", f"use 1 to 16 of A-Z, 0-9, dot and hyphen, starting with a letter or digit{hint}")


def isin_problem(value: str | None, field: str = "isin") -> Problem | None:
    """An ISIN (ISO 6166) with a correct check digit; absent is allowed."""
    if value is None or isin_is_valid(value):
        return None
    return Problem(
        field,
        value,
        "is not an ISIN with a correct check digit",
        "copy all 12 characters from the announcement, for example US0378331005, or leave it out",
    )


def source_problem(value: str, field: str = "source") -> Problem | None:
    """The announcing system or desk: 1 to 64 ASCII characters, fit for a metric label and a column compared byte for byte."""
    if SOURCE.fullmatch(value):
        return None
    return Problem(field, value, "is not a source name", "use 1 to 64 of A-Z, a-z, 0-9 and . _ : / -, starting with a letter or digit")


def source_reference_problem(value: str | None, field: str = "source_reference") -> Problem | None:
    """The source's own reference: printable and free of outer spaces, since two references that look alike must be the same; absent is allowed."""
    return None if value is None else _line_problem(value, field, MAX_REFERENCE)


def actor_problem(value: str, field: str = "actor") -> Problem | None:
    """Who is answerable: one printable line."""
    return _line_problem(value, field, MAX_ACTOR)


def reason_problem(value: str | None, field: str = "reason") -> Problem | None:
    """Why, in a person's words: may hold line breaks and tabs but no other control character, and is not blank; absent is allowed."""
    if value is None:
        return None
    if not value.strip():
        return Problem(field, value, "is blank", "say in a few words why")
    if len(value) > MAX_REASON:
        return Problem(field, value, f"has {len(value)} characters", f"use at most {MAX_REASON} characters")
    if not value.translate(_LINE_BREAKS).isprintable():
        return Problem(field, value, "holds a control or otherwise unprintable character", "use plain text")
    return None


def _line_problem(value: str, field: str, longest: int) -> Problem | None:
    if not 1 <= len(value) <= longest:
        return Problem(field, value, f"has {len(value)} characters", f"use 1 to {longest} characters")
    if not value.isprintable():
        return Problem(field, value, "holds a control or otherwise unprintable character", "use one line of plain text")
    if value != value.strip():
        return Problem(field, value, "starts or ends with a space", "remove the outer spaces")
    return None
