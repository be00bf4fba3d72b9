"""A line's fields to a message for the topic, or to every problem that forbids it.

Pure: time and correlation id are handed in. The rules are the domain's own, the same that the gateway applies; what is added here is only how a text
becomes a date, a number or an amount, and that nothing is guessed: a line without function and version is the first announcement, NEWM and 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from corpactions.domain.fields import isin_problem, reason_problem, source_problem, source_reference_problem, symbol_problem
from corpactions.domain.messages import CARRIES_TERMS, Function, Message
from corpactions.domain.rules import Problem, problems_of
from corpactions.domain.terms import TERMS_BY_TYPE, EventType, Terms, to_json
from corpactions.domain.texts import Unreadable, amount_of, date_of, whole_of
from producers.feed.identity import id_by_key_date, id_by_reference
from producers.feed.reader import Line

FUNCTIONS: Final = {function.value: function for function in (Function.NEWM, Function.REPL, Function.CANC, Function.WITH)}
"""Decisions (REPROCESS, DISCARD) are taken by people, not by files."""
TYPES: Final = {event_type.value: event_type for event_type in EventType}
MAX_VERSION: Final = 2**31 - 1
_KEY_DATE: Final = {EventType.DIVIDEND: "ex_date", EventType.STOCK_SPLIT: "ex_date", EventType.MERGER: "effective_date"}
_REQUIRED: Final = {
    EventType.DIVIDEND: ("amount_per_share", "currency", "ex_date"),
    EventType.STOCK_SPLIT: ("ratio_new", "ratio_old", "ex_date"),
    EventType.MERGER: ("acquirer_symbol", "effective_date"),
}

T = TypeVar("T")


class Stamp(NamedTuple):
    """What a message carries that the line does not say."""

    accepted_at: datetime
    correlation_id: str


class _Fields:
    """Takes fields out of a line, collecting what is wrong with them instead of stopping at the first."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self.problems: list[Problem] = []

    def get(self, name: str, convert: Callable[[object], T]) -> T | None:
        """The field converted; None when it is absent or wrong, in which case the problem is noted."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            return convert(value)
        except Unreadable as unreadable:
            self.problems.append(Problem(name, value, unreadable.detail, unreadable.mend))
            return None

    def check(self, problem: Problem | None) -> None:
        if problem is not None:
            self.problems.append(problem)


class _Head(NamedTuple):
    """What a line says around its terms. ``event_type`` is None when it is missing or wrong."""

    event_type: EventType | None
    function: Function
    version: int
    symbol: str
    source: str
    isin: str | None
    reference: str | None
    reason: str | None


def to_message(line: Line, stamp: Stamp, default_source: str | None = None) -> Message | list[Problem]:
    """The message that a line announces, or the problems that forbid it, of which there is at least one.

    Args:
        line: what was read.
        stamp: time and correlation id of this line.
        default_source: the source of lines that name none.
    """
    if line.problem is not None:
        return [line.problem]
    head, problems = _head(line.fields, default_source)
    if head.event_type is None:
        return problems
    terms, key_date, wrong = _payload(head.event_type, head.function, line.payload, head.reference)
    if problems := problems + wrong:
        return problems
    if head.reference is None:
        assert key_date is not None  # its absence is one of the problems
        event_id = id_by_key_date(head.symbol, head.event_type, key_date)
    else:
        event_id = id_by_reference(head.symbol, head.source, head.reference)
    return Message(
        event_id=event_id,
        origin=head.source,
        version=head.version,
        function=head.function,
        event_type=head.event_type,
        symbol=head.symbol,
        source=head.source,
        accepted_at=stamp.accepted_at,
        actor=head.source,
        correlation_id=stamp.correlation_id,
        isin=head.isin,
        source_reference=head.reference,
        terms=terms,
        terms_json=None if terms is None else to_json(terms),
        reason=head.reason,
    )


def _head(given: Mapping[str, object], default_source: str | None) -> tuple[_Head, list[Problem]]:
    top = _Fields(given)
    event_type = top.get("event_type", _event_type)
    if "event_type" not in given:
        top.check(Problem("event_type", None, "is missing", f"use one of {', '.join(TYPES)}"))
    function, version = _function_and_version(top, given)
    symbol, source = top.get("symbol", _text) or "", top.get("source", _text) or default_source or ""
    isin, reference, reason = top.get("isin", _text), top.get("source_reference", _text), top.get("reason", _text)
    checks = (
        symbol_problem(symbol),
        source_problem(source),
        isin_problem(isin),
        source_reference_problem(reference),
        reason_problem(reason),
    )
    unreadable = {problem.field for problem in top.problems}
    for problem in checks:
        if problem is not None and problem.field not in unreadable:
            top.check(problem)
    return _Head(event_type, function, version, symbol, source, isin, reference, reason), top.problems


def _function_and_version(top: _Fields, given: Mapping[str, object]) -> tuple[Function, int]:
    function = top.get("function", _function) or Function.NEWM
    version = top.get("version", _whole)
    if version is None:
        if function is not Function.NEWM and "version" not in given:
            top.check(
                Problem(
                    "version", None, f"is missing for {function}", "give the version as the source numbers it; only NEWM is known to be 1"
                )
            )
        return function, 1
    if not 1 <= version <= MAX_VERSION:
        top.check(Problem("version", version, "is out of range", f"count versions from 1 to {MAX_VERSION}"))
    elif function is Function.NEWM and version != 1 and given.get("function", "NEWM") == "NEWM":
        top.check(Problem("version", version, "is not the version of a NEWM", "NEWM is always version 1; announce a change with REPL"))
    return function, version


def _payload(
    event_type: EventType, function: Function, payload: Mapping[str, object], reference: str | None
) -> tuple[Terms | None, date | None, list[Problem]]:
    """Terms, key date and problems. A cancellation carries no terms: those repeated on its line, as ISO 15022 asks, only serve to find its event."""
    if function in CARRIES_TERMS:
        terms, problems = _terms(event_type, payload)
        return terms, None if terms is None else terms.key_date, problems
    if reference is not None:
        return None, None, []
    fields, name = _Fields(payload), _KEY_DATE[event_type]
    key_date = fields.get(name, _date)
    if key_date is None and not fields.problems:
        fields.check(
            Problem(name, None, "is missing, and so is source_reference", f"name the event by its source_reference, or else by its {name}")
        )
    return None, key_date, fields.problems


def _terms(event_type: EventType, payload: Mapping[str, object]) -> tuple[Terms | None, list[Problem]]:
    cls = TERMS_BY_TYPE[event_type]
    fields = _Fields(payload)
    for name in payload:
        if name not in cls._fields:
            fields.check(
                Problem(name, payload[name], f"does not belong to a {event_type}", f"leave it out; the terms are {', '.join(cls._fields)}")
            )
    for name in _REQUIRED[event_type]:
        if name not in payload:
            fields.check(Problem(name, None, "is missing", f"a {event_type} needs {', '.join(_REQUIRED[event_type])}"))
    values: dict[str, Any] = {name: fields.get(name, _CONVERT.get(name, _text)) for name in payload if name in cls._fields}
    if fields.problems:
        return None, fields.problems
    terms = cls(**values)
    problems = problems_of(terms)
    return (None if problems else terms), problems


def _event_type(value: object) -> EventType:
    return _known(TYPES, value)


def _function(value: object) -> Function:
    return _known(FUNCTIONS, value)


def _known(known: Mapping[str, T], value: object) -> T:
    if isinstance(value, str) and value in known:
        return known[value]
    raise Unreadable("is not known", f"use one of {', '.join(known)}")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise Unreadable("is not a text", "give it as a string")


def _date(value: object) -> date:
    return date_of(value if isinstance(value, str) else "")


def _amount(value: object) -> Decimal:
    if isinstance(value, str):
        return amount_of(value)
    raise Unreadable("is not a text", 'give amounts as strings, for example "0.25", since readers of JSON round numbers')


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return whole_of(value if isinstance(value, str) else "")


def _attributes(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _converters() -> Iterator[tuple[str, Callable[[object], object]]]:
    for cls in TERMS_BY_TYPE.values():
        for name in cls._fields:
            if name.endswith("_date"):
                yield name, _date
    for name in ("ratio_new", "ratio_old", "shares_new", "shares_old"):
        yield name, _whole
    for name in ("amount_per_share", "cash_per_share"):
        yield name, _amount
    yield "attributes", _attributes


_CONVERT: Final[dict[str, Callable[[object], object]]] = dict(_converters())
