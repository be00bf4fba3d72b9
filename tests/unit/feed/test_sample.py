"""The packaged sample keeps its promises."""

from __future__ import annotations

import csv
from collections import Counter
from importlib.resources import files
from io import StringIO

from corpactions.commands.securities import to_fact
from corpactions.domain.effects import Flag, compute
from corpactions.domain.messages import Message
from corpactions.domain.rules import Problem
from corpactions.domain.securities import Security
from corpactions.persistence.securities import SecurityFact
from producers.feed.lines import Stamp, to_message
from producers.feed.reader import Format, read
from tests.unit.feed.test_lines import STAMP

SAMPLE = files("producers.feed") / "sample"


def messages(name: str, stamp: Stamp = STAMP) -> list[Message | list[Problem]]:
    with (SAMPLE / name).open("rb") as stream:
        return [to_message(line, stamp) for line in read(stream, Format.CSV)]


def good(name: str) -> list[Message]:
    made = messages(name)
    assert all(isinstance(item, Message) for item in made), [item for item in made if not isinstance(item, Message)]
    return [item for item in made if isinstance(item, Message)]


def facts() -> list[SecurityFact]:
    made = [to_fact(row) for row in csv.DictReader(StringIO((SAMPLE / "securities.csv").read_text()))]
    assert all(isinstance(item, SecurityFact) for item in made)
    return [item for item in made if isinstance(item, SecurityFact)]


def known_on(message: Message, known: list[SecurityFact]) -> Security:
    assert message.terms is not None
    rows = [fact for fact in known if fact.security.symbol == message.symbol and fact.valid_from <= message.terms.key_date]
    return max(rows, key=lambda fact: fact.valid_from).security


def test_it_holds_as_many_real_announcements_as_it_says() -> None:
    counts = Counter(message.event_type for name in ("rest.csv", "kafka.csv") for message in good(name))
    invented = 2
    assert counts == {"DIVIDEND": 822, "STOCK_SPLIT": 34, "MERGER": 23}
    assert counts.total() - invented == 821 + 33 + 23


def test_no_announcement_comes_in_twice() -> None:
    ids = [message.event_id for name in ("rest.csv", "kafka.csv") for message in good(name)]
    assert len(set(ids)) == len(ids)


def test_amendments_speak_of_lines_fed_into_the_topic() -> None:
    fed = {message.event_id for message in good("kafka.csv")}
    amendments = good("amendments.csv")
    assert {message.event_id for message in amendments} <= fed
    assert Counter(message.function for message in amendments) == {"REPL": 6, "WITH": 2, "CANC": 2}


def test_every_faulty_line_is_refused() -> None:
    made = messages("faulty.csv")
    assert len(made) == 24
    assert all(isinstance(item, list) for item in made)


def test_every_announcement_finds_an_active_security_that_does_not_contradict_it() -> None:
    known = facts()
    raised: Counter[str] = Counter()
    for message in (message for name in ("rest.csv", "kafka.csv", "amendments.csv") for message in good(name)):
        if message.terms is not None:
            _, flags = compute(message.terms, message.isin, known_on(message, known))
            raised.update(flags)
    assert set(raised) == {Flag.MISSING_RECORD_DATE, Flag.YIELD_OVER_25, Flag.EX_AFTER_PAY}
    assert raised[Flag.YIELD_OVER_25] == 1


def test_the_source_of_the_facts_is_told() -> None:
    text = (SAMPLE / "README.md").read_text()
    assert "QuantConnect" in text
    assert "Apache License 2.0" in text
    assert "six decimal places" in text
