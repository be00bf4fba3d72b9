"""Rules that live in MySQL and Kafka themselves: their scenarios run on the real servers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, event

from corpactions.kafka import topics
from corpactions.kafka.publisher import PublisherConfig
from corpactions.kafka.source import KafkaSource
from corpactions.persistence import bulk, jobs, lifecycle_rows, reading, reservation_store, unit_of_work
from corpactions.persistence import engine as engines
from corpactions.persistence.jobs import ExpiredKeys
from corpactions.persistence.lifecycle import MysqlLifecycleTransaction
from corpactions.persistence.reservation_store import ReservationStore
from corpactions.persistence.tables import IdempotencyKey
from corpactions.persistence.unit_of_work import Transaction
from corpactions.ports.reservations import KeyedRequest
from tests.simulation.rules.rule import Rule, replaced, together, wrapped


def _patient_sessions(connect: Any) -> Any:
    return lambda config: connect(replace(config, wait_timeout_seconds=28_800))


def _long_lock_waits(connect: Any) -> Any:
    def connected(config: Any) -> Any:
        engine = connect(config)

        @event.listens_for(engine, "connect")
        def _wait(connection: Any, _record: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 50")

        return engine

    return connected


def _reads_without_locking(query: Any) -> Any:
    return lambda self, statement: query(self, statement.replace(" FOR UPDATE", ""))


def _looks_before_it_inserts(run: Any) -> Any:
    """The INSERT locks a row that is there as well, so it is left out where there is one."""

    def ran(self: Transaction, statement: str) -> int:
        there = statement.startswith("INSERT INTO `partition_progress`") and self.query("SELECT 1 FROM partition_progress")
        return 0 if there else int(run(self, statement))

    return ran


def _without_history(insert: Any) -> Any:
    def inserted(self: MysqlLifecycleTransaction, table: str, *rest: Any) -> None:
        if table != "event_transitions":
            insert(self, table, *rest)

    return inserted


def _keys_of_their_own(row: Any) -> Any:
    """As if nothing were unique: every row has a name of its own."""
    number = count()

    def spelled(item: Any) -> str:
        asked = item.request
        return str(row(item._replace(request=KeyedRequest(f"{asked.principal}-{next(number)}", asked.key, asked.sha256))))

    return spelled


def _version_after_the_first(_connection: Connection, _event_id: bytes) -> int:
    return 2


def _whether_leased_or_not(expired: Any) -> Any:
    return lambda before: (*expired(before)[:1], IdempotencyKey.lease_until.is_not(None))


def _of_a_slow_clock(now: Any) -> Any:
    return lambda session: now(session) - timedelta(hours=1)


def _short_leases(init: Any) -> Any:
    return lambda self, engine, _seconds: init(self, engine, 0.1)


def _java_s_partitioner_forgotten(settings: Any) -> Any:
    return lambda self: {name: value for name, value in settings(self).items() if name != "partitioner"}


def _no_headroom(catalogue: Any) -> Any:
    def found() -> Any:
        return [replace(spec, config={**spec.config, "max.message.bytes": "1048576"}) for spec in catalogue()]

    return found


def _any_count(look: Any) -> Any:
    def looked(admin: Any, bootstrap: str, wanted: Any) -> Any:
        there = admin.list_topics(timeout=5).topics
        return look(
            admin,
            bootstrap,
            {name: replace(spec, partitions=len(there[name].partitions)) if name in there else spec for name, spec in wanted.items()},
        )

    return looked


def _forgets_without_resuming(self: KafkaSource, partitions: Any) -> Any:
    going = set(partitions) & self._started
    self._started -= going
    self._paused -= going
    return self._named(going)


SESSIONS = (
    Rule(
        "locks-of-the-stopped-fall",
        "MySQL ends a worker's session soon after its process has stopped, and its locks fall.",
        "A worker is stopped in the middle of a transaction; another one claims.",
        "The claim waits for ever for a process that may never go on.",
        wrapped(engines, "connect", _patient_sessions),
        "Lock wait timeout exceeded",
    ),
    Rule(
        "lock-waits-are-bounded",
        "A lock that is not had within five seconds is given up, and the transaction runs again.",
        "Somebody's administration tool holds a row.",
        "A worker hangs in one statement for nearly a minute, and the group throws it out.",
        wrapped(engines, "connect", _long_lock_waits),
        "still waits after 8 seconds",
    ),
    Rule(
        "a-claim-waits-for-the-old-transaction",
        "A claim waits for the transaction of the owner before, and reads what it left.",
        "A worker's COMMIT is on its way while another one claims.",
        "The heir starts from what was there before, and overwrites what was committed.",
        together(wrapped(Transaction, "query", _reads_without_locking), wrapped(Transaction, "run", _looks_before_it_inserts)),
        "does not know what was committed",
    ),
    Rule(
        "refused-data-is-told-from-trouble",
        "What a single record causes (1062, 1264, 1366, 1406, 3140) is refused data, to be bisected.",
        "A value that no rule forbids does not fit its column.",
        "The process ends, and ends again at the same batch, for ever.",
        replaced((unit_of_work, "DATA_ERRORS", frozenset())),
        r"1062|1264|1366|1406|3140",
    ),
    Rule(
        "statements-are-cut",
        "No statement is longer than half of `max_allowed_packet`.",
        "A queue takes seventy records of a megabyte.",
        "MySQL ends the connection at the statement: it looks like an outage, and is one for ever.",
        wrapped(bulk, "statements", lambda cut: lambda head, rows, _limit, tail="": cut(head, rows, 1 << 40, tail)),
        "mysql is unavailable|1153",
    ),
    Rule(
        "history-is-kept-before-it-is-overwritten",
        "What the next revision would overwrite moves to `event_transitions` first.",
        "A worker dies after two transactions that changed one event.",
        "The first revision's record cannot be told again.",
        wrapped(MysqlLifecycleTransaction, "_insert", _without_history),
        "revision 1 is gone",
    ),
    Rule(
        "json-columns-keep-values-not-bytes",
        "Terms that come back from a JSON column are brought into their canonical text before anything is computed of them.",
        "A retry computes the payload's commitment from the stored terms.",
        "Two records of one version commit to different texts: the audit log looks forged.",
        replaced((lifecycle_rows, "_terms_text", lambda _event_type, payload: payload)),
        "commit to different texts",
    ),
)
RESERVATIONS = (
    Rule(
        "a-key-is-unique",
        "A key of a principal has one row.",
        "A client's retry reaches the other gateway at the same moment.",
        "Both reserve, and one key makes two events.",
        wrapped(reservation_store, "_row", _keys_of_their_own),
        "one key made 2 events",
    ),
    Rule(
        "amendments-are-numbered-once",
        "Gateways number amendments from their own table, in the reservation's transaction.",
        "Two amendments are accepted before the first one is applied.",
        "Both are version 2, and one of two accepted amendments is rejected as a conflict.",
        replaced((reservation_store, "_next_version", _version_after_the_first)),
        "both amendments are version 2",
    ),
    Rule(
        "undecided-keys-are-kept",
        "An expired key is purged only when its versions are filed, or the workers have passed the end of the topic.",
        "The workers are a day behind when the purge runs.",
        "The key is free while its record waits: a repetition makes a second event.",
        replaced((ExpiredKeys, "decided_up_to", lambda _self, _ends: True)),
        "one key made 2 events",
    ),
    Rule(
        "leased-keys-are-kept",
        "A key is purged only when its lease ended before the ends of the topic were read.",
        "An old key is repeated while the purge runs.",
        "The key is free while its record is on its way: the next repetition makes a second event.",
        wrapped(jobs, "_expired", _whether_leased_or_not),
        "one key made 2 events",
    ),
    Rule(
        "a-lease-outlives-its-produce",
        "A lease runs longer than `delivery.timeout.ms`.",
        "A broker is slow, and the purge runs before the record has landed.",
        "As above.",
        wrapped(ReservationStore, "__init__", _short_leases),
        "one key made 2 events",
    ),
    Rule(
        "times-are-the-database-s",
        "All times of a key are the database's.",
        "A gateway's own clock is an hour behind; the purge runs.",
        "A lease that has just begun looks over, and the key is purged under its record.",
        together(*(wrapped(reservation_store, name, _of_a_slow_clock) for name in ("_time", "_now"))),
        "one key made 2 events",
    ),
    Rule(
        "what-was-accepted-can-be-read",
        "Until there is a row, the reservation answers for its event.",
        "A client reads what it has just announced, before a worker has seen it.",
        "201, and then 404.",
        replaced((reading, "covering", lambda _connection, _event_id: None)),
        "is not found",
    ),
)
BROKER = (
    Rule(
        "one-partitioner",
        "Every producer sets `murmur2_random`, Java's default; librdkafka's own is another.",
        "A Java upstream announces, our gateway amends.",
        "Most symbols have two partitions, and two writers.",
        wrapped(PublisherConfig, "settings", _java_s_partitioner_forgotten),
        "went elsewhere",
    ),
    Rule(
        "letters-have-headroom",
        "The dead-letter topic takes 128 KiB more than its source.",
        "The largest record that the events topic takes is rejected.",
        "Its letter does not fit, and the process ends over it, for ever.",
        wrapped(topics, "catalogue", _no_headroom),
        "record_too_large",
    ),
    Rule(
        "partitions-never-change",
        "A topic with another number of partitions than the catalogue's stops the deployment.",
        "Somebody adds partitions to a live topic.",
        "Symbols move while their older records wait elsewhere: their order is lost.",
        wrapped(topics, "_look", _any_count),
        "the deployment went on",
    ),
    Rule(
        "a-pause-ends-with-its-assignment",
        "A partition that goes is resumed first: librdkafka keeps a pause beyond the assignment.",
        "A worker loses its partitions during an outage and is given them again.",
        "It owns them, and reads nothing for ever.",
        replaced((KafkaSource, "_forget", _forgets_without_resuming)),
        "nothing is read of a partition",
    ),
)
