"""Records that no system should write, and each of which must end as a dead letter with its reason: bytes that are no message, and messages that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from corpactions.domain.identity import feed_event_id, partition_of
from corpactions.domain.messages import Function, Message
from corpactions.domain.terms import Dividend, EventType, to_json
from producers.feed.lines import Stamp

SOURCE: Final = "poison"
_UNKNOWN_SCHEMA: Final = b"\x00\x7f\xff\xff\xfe"


class Poison(NamedTuple):
    """A record and the code under which it must be found in the dead-letter topic. ``partition`` None lets the key decide."""

    what: str
    code: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None


def poison(encode: Callable[[Message], bytes], stamp: Stamp, accepted: Message, foreign_schema_id: int, partitions: int) -> list[Poison]:
    """One record of each kind, and at least one in every partition.

    Args:
        encode: writes messages as they are, without asking whether they make sense.
        stamp: time and correlation id for the messages.
        accepted: a NEWM dividend that the topic already holds, to contradict.
        foreign_schema_id: a schema that belongs to another topic.
        partitions: how many the events topic has.
    """
    found = _bytes_without_sense(encode(_dividend(stamp, "P-BYTES")), foreign_schema_id)
    found += _misplaced(encode, stamp, partitions)
    found += [
        Poison(what, code, message.symbol.encode(), encode(message)) for what, code, message in _messages_without_sense(stamp, accepted)
    ]
    covered = {item.partition if item.partition is not None else partition_of(item.key or b"", partitions) for item in found}
    found += [
        Poison("text instead of Avro", "not_avro", b"AAPL", f"dividend of 0.25 in partition {number}".encode(), number)
        for number in range(partitions)
        if number not in covered
    ]
    return found


def _bytes_without_sense(valid: bytes, foreign_schema_id: int) -> list[Poison]:
    key = b"AAPL"
    foreign = b"\x00" + foreign_schema_id.to_bytes(4, "big")
    return [
        Poison("JSON instead of Avro", "not_avro", key, b'{"event_type": "DIVIDEND"}'),
        Poison("no value at all", "null_value", key, None),
        Poison("a schema id that nobody registered", "unknown_schema", key, _UNKNOWN_SCHEMA + valid[5:]),
        Poison("a schema of another topic", "wrong_schema", key, foreign + valid[5:]),
        Poison("a message cut off in the middle", "undecodable", key, valid[: len(valid) // 2]),
        Poison("bytes behind the message", "undecodable", key, valid + b"\x00\x00"),
    ]


def _misplaced(encode: Callable[[Message], bytes], stamp: Stamp, partitions: int) -> list[Poison]:
    value = encode(_dividend(stamp, "P-PLACE"))
    wrong = (partition_of(b"AAPL", partitions) + 1) % partitions
    return [
        Poison("no key", "null_key", None, value, 0),
        Poison("a key that is not the symbol", "key_mismatch", b"MSFT", value),
        Poison("the wrong partition", "wrong_partition", b"AAPL", value, wrong),
    ]


def _messages_without_sense(stamp: Stamp, accepted: Message) -> Sequence[tuple[str, str, Message]]:
    assert isinstance(accepted.terms, Dividend)
    other = accepted.terms._replace(amount_per_share=accepted.terms.amount_per_share + 1)
    return [
        ("a currency that does not exist", "invalid_terms", _dividend(stamp, "P-CURRENCY", currency="USX")),
        (
            "payment before the record date",
            "invalid_terms",
            _dividend(stamp, "P-DATES", record_date=date(2021, 5, 10), pay_date=date(2021, 5, 3)),
        ),
        ("the ISIN of another company", "isin_mismatch", _dividend(stamp, "P-ISIN")._replace(isin="US5949181045")),
        ("ex date after payment of a small dividend", "contradicting_dates", _dividend(stamp, "P-DUE-BILL", pay_date=date(2021, 5, 3))),
        ("other terms under a version already held", "version_conflict", _with_terms(accepted, other)),
        ("a reference that another event holds", "duplicate_announcement", _with_terms(accepted, other)._replace(event_id=_id("P-TWICE"))),
    ]


def _dividend(
    stamp: Stamp, reference: str, *, currency: str = "USD", record_date: date | None = None, pay_date: date | None = None
) -> Message:
    terms = Dividend(Decimal("0.22"), currency, date(2021, 5, 7), record_date=record_date, pay_date=pay_date)
    return Message(
        event_id=_id(reference),
        origin=SOURCE,
        version=1,
        function=Function.NEWM,
        event_type=EventType.DIVIDEND,
        symbol="AAPL",
        source=SOURCE,
        accepted_at=stamp.accepted_at,
        actor=SOURCE,
        correlation_id=stamp.correlation_id,
        source_reference=reference,
        terms=terms,
        terms_json=to_json(terms),
    )


def _with_terms(message: Message, terms: Dividend) -> Message:
    return message._replace(terms=terms, terms_json=to_json(terms))


def _id(reference: str) -> str:
    return feed_event_id(date(2021, 5, 7), "AAPL", SOURCE, reference)
