"""Which event a line speaks about: an id that is the same whenever and by whomever the announcement is fed.

Invariant: the recipe never changes, and terms take no part in it where there is a reference, so that an amendment which moves the ex date still finds its
event. The id's date part, which only keeps ids near each other in the primary key, is therefore read from the reference itself and never from the terms.
"""

from __future__ import annotations

import re
from datetime import date

from corpactions.domain.identity import feed_event_id
from corpactions.domain.terms import EventType

_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)", re.ASCII)
"""A date as references carry it, 20261110 or 2026-11-10."""
_EVERY_MONTH = 28
"""Later days count as this one: no calendar decides an identity."""
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)", re.ASCII)
_NO_DATE = date(1, 1, 1)


def id_by_reference(symbol: str, source: str, reference: str) -> str:
    """The id of the announcement that ``source`` calls ``reference``."""
    return feed_event_id(_date_in(reference), symbol, source, reference)


def id_by_key_date(symbol: str, event_type: EventType, key_date: date) -> str:
    """The id of an announcement without a reference: the symbol's action of that type on that day."""
    return feed_event_id(key_date, symbol, event_type, key_date.isoformat())


def _date_in(reference: str) -> date:
    if found := _DATE.search(reference):
        year, month, day = found.groups()
        return date(int(year), int(month), min(int(day), _EVERY_MONTH))
    if found := _YEAR.search(reference):
        return date(int(found[1]), 1, 1)
    return _NO_DATE
