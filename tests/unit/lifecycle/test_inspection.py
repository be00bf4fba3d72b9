"""The first look at a record: key, symbol and partition agree, or it is refused with the mend."""

from __future__ import annotations

import pytest

from consumers.lifecycle.inspection import REDRIVE_HEADER, Inspector
from consumers.lifecycle.letters import RECORD_BYTES
from corpactions.domain.errors import Unavailable
from corpactions.domain.messages import Message
from corpactions.ports.records import Record
from tests.support.announcing import EVENTS, PARTITIONS, newm, record

INSPECTOR = Inspector(EVENTS.decode, PARTITIONS)
GOOD = record(0, newm())


def test_a_record_in_its_place_is_a_message() -> None:
    item = INSPECTOR.inspect(GOOD)
    assert (item.message, item.error) == (newm(), None)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (GOOD._replace(key=None), "null_key"),
        (GOOD._replace(key=b"MSFT"), "key_mismatch"),
        (GOOD._replace(key=b"\xff" * 100_000), "key_mismatch"),
        (GOOD._replace(partition=(GOOD.partition + 1) % PARTITIONS), "wrong_partition"),
        (GOOD._replace(value=None), "null_value"),
        (GOOD._replace(value=b"x" * 1_000_000), "not_avro"),
        (GOOD._replace(value=b"x" * (RECORD_BYTES + 1)), "record_too_large"),
        (GOOD._replace(headers=(("h", b"x" * (RECORD_BYTES + 1)),)), "record_too_large"),
    ],
)
def test_anything_else_is_refused(bad: Record, code: str) -> None:
    item = INSPECTOR.inspect(bad)
    assert item.message is None
    assert item.error is not None
    assert item.error.code == code
    assert len(item.error.reason) < 1_000


def test_a_registry_that_does_not_answer_says_nothing_about_the_record() -> None:
    def away(_value: bytes | None) -> Message:
        raise Unavailable("registry", "time-out")

    with pytest.raises(Unavailable):
        Inspector(away, PARTITIONS).inspect(GOOD)


def test_a_redrive_does_not_count_for_the_share_of_rejections() -> None:
    assert INSPECTOR.inspect(GOOD).counts
    assert not INSPECTOR.inspect(GOOD._replace(headers=((REDRIVE_HEADER, b"1"),))).counts
