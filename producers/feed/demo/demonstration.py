"""The steps of the demonstration. Each fills in its part of the outcome; none judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Final, NamedTuple

from corpactions.commands.gateway_client import GatewayClient
from corpactions.domain.messages import Message
from corpactions.domain.rules import Problem
from corpactions.domain.terms import EventType
from corpactions.kafka.inspector import Inspector
from corpactions.kafka.reader import TopicReader
from corpactions.kafka.registry import Registry
from corpactions.kafka.topics import subject_of
from corpactions.ports import Clock
from corpactions.settings import Settings
from corpactions.system import SystemIdSource
from producers.feed.demo.expectations import Expectation, expected_of
from producers.feed.demo.follow import Follower, follow_letters
from producers.feed.demo.outcome import Outcome
from producers.feed.demo.poison import Poison, poison
from producers.feed.demo.proof import prove
from producers.feed.demo.rest import RestRun
from producers.feed.feeder import Counts, Feeder, TopicWriter
from producers.feed.lines import Stamp, to_message
from producers.feed.reader import Format, Line, read
from producers.feed.wiring import TOPIC, open_codec, open_publisher

DEAD_LETTERS: Final = f"{TOPIC}-dlq"
AUDIT: Final = "corporate-actions-audit"
KAFKA_SECONDS: Final = 5.0
KAFKA_FILES: Final = ("kafka.csv", "amendments.csv")
_NOT_IN_REST: Final = frozenset({"function", "version", "source"})
"""Fields that a submission does not have or need, so that lines wrong in them alone would be accepted."""


class Wait(NamedTuple):
    """How long a step may take, and whom it tells how far it is."""

    seconds: float
    total: Callable[[int], None]
    done: Callable[[int], None]


Step = Callable[[Wait], None]


class Demonstration:
    """Knows the stack and the sample; its steps are to be run in order.

    Raises:
        Unreachable, Unavailable: the gateway, Kafka or the registry does not answer.
        Refused: the gateway is not ready.
        Fatal: topics or schemas are missing.
    """

    def __init__(self, settings: Settings, gateway: GatewayClient, clock: Clock, outcome: Outcome) -> None:
        gateway.get("/health/ready")
        self._settings = settings
        self._gateway = gateway
        self._clock = clock
        self._ids = SystemIdSource()
        self._outcome = outcome
        self._topic = settings.topic(TOPIC)
        self._inspector = Inspector(settings.kafka_bootstrap)
        self._letters_from = self._inspector.end_offsets(settings.topic(DEAD_LETTERS), KAFKA_SECONDS)
        self._publisher = open_publisher(settings)
        self._codec = open_codec(settings, clock)
        self._writer = TopicWriter(self._topic, self._codec, self._publisher)
        outcome.started = clock.now()
        self._follower = Follower(gateway, clock, outcome.started)

    def steps(self) -> Iterator[tuple[str, Step]]:
        """Titles and steps, in the order in which they are run."""
        yield "Announcing through the REST gateway", self._rest
        yield "Submitting wrong events to the gateway", self._refused
        yield "Feeding files straight into Kafka", self._kafka
        yield "Following every event to its end", self._follow
        yield "Feeding everything a second time", self._again
        yield "Writing records that no system should write", self._poison
        yield "Comparing every event with what it was", self._compare
        yield "Verifying the audit log", self._prove

    def _rest(self, wait: Wait) -> None:
        with _sample("rest.csv") as lines:
            submissions = list(lines)
        wait.total(len(submissions) + 1)
        run = RestRun(self._gateway, self._clock)
        run.announce(submissions)
        self._outcome.repeated_request_known = run.repeat(submissions[0])
        run.correct_and_cancel(f"demo-{self._clock.now():%Y%m%dT%H%M%S.%f}")
        self._outcome.expectations += run.expectations
        self._outcome.accepted_before = run.accepted_before
        self._outcome.request_seconds = run.single_seconds
        self._outcome.bulk_events, self._outcome.bulk_seconds = run.bulk_events, run.bulk_seconds
        wait.done(len(run.expectations))

    def _refused(self, wait: Wait) -> None:
        wrong = [line for line, problems in self._faulty() if not {problem.field for problem in problems} <= _NOT_IN_REST]
        wait.total(len(wrong))
        self._outcome.refusals = RestRun(self._gateway, self._clock).refusals(wrong)
        self._outcome.refusals_expected = len(wrong)
        wait.done(len(self._outcome.refusals))

    def _kafka(self, wait: Wait) -> None:
        messages = self._messages()
        self._outcome.expectations += expected_of(messages)
        counts = self._feed((*KAFKA_FILES, "faulty.csv"), wait)
        self._outcome.messages, self._outcome.fed = len(messages), counts.sent
        self._outcome.feed_rejected, self._outcome.feed_rejected_expected = counts.rejected, len(self._faulty())

    def _follow(self, wait: Wait) -> None:
        wait.total(len(self._outcome.expectations))
        self._outcome.events = self._follower.follow(self._outcome.expectations, wait.seconds, wait.done)

    def _again(self, wait: Wait) -> None:
        self._outcome.fed_again = self._feed(KAFKA_FILES, wait).sent

    def _poison(self, wait: Wait) -> None:
        """Also proves that the second feed was read: wrong records stand behind it in every partition, and each has its letter."""
        records = self._wrong_records()
        wait.total(len(records))
        for record in records:
            self._publisher.send(self._topic, record.key, record.value, partition=record.partition)
        self._publisher.wait(KAFKA_SECONDS * 2)
        self._outcome.letters_expected = len(records)
        with TopicReader(self._settings.kafka_bootstrap, self._settings.topic(DEAD_LETTERS), self._letters_from) as reader:
            self._outcome.letters = follow_letters(reader, self._clock, records, wait.seconds, wait.done)

    def _compare(self, wait: Wait) -> None:
        wait.total(len(self._outcome.events))
        known = [Expectation(event_id, "", str(event["status"]), event["version"]) for event_id, event in self._outcome.events.items()]
        now = self._follower.follow(known, 0, wait.done)
        same = sum(now.get(event_id) == event for event_id, event in self._outcome.events.items())
        self._outcome.changed_by_repetition = len(self._outcome.events) - same

    def _prove(self, wait: Wait) -> None:
        read = 0

        def told(more: int, total: int) -> None:
            nonlocal read
            read += more
            wait.total(total)
            wait.done(read)

        self._outcome.proof = prove(self._settings, self._clock, wait.seconds, told)

    def _feed(self, names: tuple[str, ...], wait: Wait) -> Counts:
        counts = Counts()
        feeder = Feeder(self._writer, self._clock, self._ids, lambda _number, _problems: None, lambda so_far: wait.done(so_far.lines))
        for name in names:
            with _sample(name) as lines:
                feeder.feed(lines, counts)
        wait.total(counts.lines)
        return counts

    def _messages(self) -> list[Message]:
        found = []
        for name in KAFKA_FILES:
            with _sample(name) as lines:
                found += [made for line in lines if isinstance(made := to_message(line, self._stamp()), Message)]
        return found

    def _faulty(self) -> list[tuple[Line, list[Problem]]]:
        with _sample("faulty.csv") as lines:
            return [(line, made) for line in lines if isinstance(made := to_message(line, self._stamp()), list)]

    def _wrong_records(self) -> list[Poison]:
        messages = self._messages()
        amended = {message.event_id for message in messages if message.version > 1}
        accepted = next(item for item in messages if item.event_type is EventType.DIVIDEND and item.event_id not in amended)
        foreign = Registry(self._settings.registry_url, self._clock).latest_id(subject_of(self._settings.topic(AUDIT)))
        partitions = len(self._inspector.partitions(self._topic, KAFKA_SECONDS))
        return poison(self._codec.encode, self._stamp(), accepted, foreign, partitions)

    def _stamp(self) -> Stamp:
        return Stamp(self._clock.now(), self._ids.correlation_id())


@contextmanager
def _sample(name: str) -> Iterator[Iterator[Line]]:
    with (files("producers.feed") / "sample" / name).open("rb") as stream:
        yield read(stream, Format.CSV)
