"""Which key signs next: the newest of the history, one that it hands over to, or none and the writer stops."""

from __future__ import annotations

import pytest

from consumers.audit.keyring import choose
from corpactions.domain.audit.keys import walk
from corpactions.domain.errors import Fatal
from corpactions.ports.audit import KeyRow, LogRow
from corpactions.security.signing import verify
from tests.support.signing import LOG, MemorySigner

FIRST, SECOND, THIRD = (MemorySigner(LOG, number) for number in (1, 2, 3))
ROW = LogRow(1, LOG, None)


def history(*signers: MemorySigner, sizes: tuple[int, ...] = (0, 100, 200)) -> list[KeyRow]:
    rows: list[KeyRow] = []
    for index, size in zip(range(len(signers)), sizes, strict=False):
        added = choose(signers[: index + 1], rows, ROW, size, verify).added
        assert added is not None
        rows.append(added)
    return rows


def test_the_first_key_states_itself() -> None:
    chosen = choose([FIRST], [], ROW, 0, verify)
    assert chosen.added is not None
    assert walk([chosen.added.statement], FIRST.key, verify)[0].key == FIRST.key


def test_the_key_in_force_goes_on() -> None:
    chosen = choose([FIRST, SECOND], history(FIRST, SECOND), ROW, 300, verify)
    assert (chosen.signer, chosen.added) == (SECOND, None)


def test_a_new_key_is_stated_by_the_one_before_from_the_next_entry_on() -> None:
    rows = history(FIRST, SECOND)
    chosen = choose([FIRST, SECOND, THIRD], rows, ROW, 250, verify)
    assert chosen.signer == THIRD
    assert chosen.added is not None
    periods = walk([row.statement for row in [*rows, chosen.added]], FIRST.key, verify)
    assert [(period.number, period.from_seq) for period in periods] == [(1, 0), (2, 100), (3, 250)]


def test_old_private_keys_may_be_gone() -> None:
    assert choose([SECOND, THIRD], history(FIRST, SECOND), ROW, 250, verify).added is not None


@pytest.mark.parametrize(
    ("at_hand", "says"),
    [([], "no key to sign"), ([FIRST], "key 2 of the log"), ([THIRD], "key 2 of the log"), ([FIRST, THIRD], "key 2 of the log")],
)
def test_without_the_key_in_force_nothing_is_written(at_hand: list[MemorySigner], says: str) -> None:
    with pytest.raises(Fatal, match=says):
        choose(at_hand, history(FIRST, SECOND), ROW, 250, verify)


def test_a_key_that_was_given_up_does_not_return() -> None:
    with pytest.raises(Fatal, match="must not return"):
        choose([FIRST, SECOND, FIRST], history(FIRST, SECOND), ROW, 250, verify)


def test_a_history_that_does_not_hold_together_stops_the_writer() -> None:
    forged = [history(FIRST)[0], history(THIRD, SECOND)[1]]
    with pytest.raises(Fatal, match="does not hold together"):
        choose([SECOND], forged, ROW, 250, verify)
