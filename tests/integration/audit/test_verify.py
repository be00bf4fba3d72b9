"""A verification against the topic: what is accounted for, what is a repetition, what is yet to come, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corpactions.auditing.access import AuditAccess
from corpactions.auditing.report import Report, Request
from corpactions.auditing.verification import verify_log
from corpactions.domain.errors import Fatal
from corpactions.persistence import audit_guards
from corpactions.persistence.audit_reading import EntryQuery
from corpactions.persistence.engine import connect
from corpactions.settings import Settings
from tests.support.audit_records import AuditRecords, applied
from tests.support.auditing import Auditing, auditing
from tests.support.product import product


@pytest.fixture(scope="module")
def log(endpoints: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Auditing]:
    """A log that has taken 400 records, some of them twice, garbage and a contradiction; 25 more wait on the topic, among 30 repetitions, and nobody writes."""
    with product(endpoints, tmp_path_factory.mktemp("verified")) as made, auditing(made, CA_AUDIT_CHECKPOINT_SECONDS="0.3") as log:
        engine = connect(made.backing.mysql_config())
        audit_guards.install(engine, made.backing.database)
        engine.dispose()
        records = AuditRecords(made)
        writer = log.start()
        log.send(records.messages(0, 400))
        log.wait_for(401)
        log.send(records.messages(0, 50))
        log.send([(b"k", b"no avro"), records.message(applied(1, reason="something else")), records.message(applied(1_000))])
        log.wait_for(404)
        assert writer.stop() == 0
        log.send([*records.messages(50, 20), *records.messages(500, 25), *records.messages(70, 10)])
        yield log


def settings(log: Auditing) -> Settings:
    mysql = log.made.backing.mysql_config()
    return Settings(
        mysql_host=mysql.host,
        mysql_port=mysql.port,
        mysql_database=mysql.database,
        mysql_user=mysql.user,
        mysql_password=mysql.password,
        kafka_bootstrap=log.made.endpoints["kafka"],
        registry_url=log.made.endpoints["registry"],
        topic_prefix=log.made.backing.prefix,
        audit_trusted_key=log.key.vkey,
    )


def verify(log: Auditing, **wanted: Any) -> Report:
    return verify_log(settings(log), Request(trusted=log.key, **wanted), lambda _count, _total: None)


def test_every_record_is_accounted_for(log: Auditing) -> None:
    report = verify(log)
    assert report.findings == ()
    assert report.verified
    assert report.not_logged == 25
    assert report.sources["topic"].startswith("453 records accounted for, 50 of them repetitions; ")


def test_an_entry_that_is_gone_is_a_gap_of_the_topic_too(log: Auditing) -> None:
    copied = log.made.sql("SELECT * FROM audit_entries WHERE seq = 200")
    for row in log.made.sql("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"):
        log.made.sql(f"DROP TRIGGER `{row[0]}`")
    try:
        log.made.sql("DELETE FROM audit_entries WHERE seq = 200")
        report = verify(log, without=frozenset({"guards"}))
    finally:
        log.made.sql(f"INSERT INTO audit_entries VALUES ({','.join(['%s'] * len(copied[0]))})", *copied[0])
        engine = connect(log.made.backing.mysql_config())
        audit_guards.install(engine, log.made.backing.database)
        engine.dispose()
    assert {(each.check, each.found_by) for each in report.findings} == {("sequence", "log"), ("gap", "topic")}
    assert report.findings[-1].place == "entry 200"


def test_a_part_of_a_log_that_is_none(log: Auditing) -> None:
    with pytest.raises(Fatal, match="there is no audit log 2"):
        verify(log, log_id=2)


class TestAccess:
    """Entries as the gateway reads them."""

    def test_a_page_is_verified(self, log: Auditing, tmp_path: Path) -> None:
        access = AuditAccess(settings(log))
        page = access.page(EntryQuery(0, 100))
        assert page.verdict.verified
        assert [entry.seq for entry in page.entries] == list(range(403, 303, -1))
        assert (page.more, page.pinned, page.verdict.size) == (True, True, 404)

    @pytest.mark.parametrize(
        ("wanted", "count"),
        [
            ({"symbol": "S0001"}, 1),
            ({"action": "UNREADABLE"}, 1),
            ({"action": "CONFLICT", "actor": "audit-log"}, 1),
            ({"event_type": "DIVIDEND", "actor": "feed"}, 401),
            ({"resource": "event:none"}, 0),
        ],
        ids=str,
    )
    def test_filters(self, log: Auditing, wanted: dict[str, str], count: int) -> None:
        page = AuditAccess(settings(log)).page(EntryQuery(0, 500, **wanted))  # type: ignore[arg-type]
        assert len(page.entries) == count
        assert page.verdict.verified

    def test_pages_follow_one_another_in_both_directions(self, log: Auditing) -> None:
        access = AuditAccess(settings(log))
        for oldest_first in (True, False):
            seen: list[int] = []
            after: int | None = None
            while True:
                page = access.page(EntryQuery(0, 150, after=after, oldest_first=oldest_first))
                seen += [entry.seq for entry in page.entries]
                after = seen[-1]
                if not page.more:
                    break
            assert seen == (list(range(404)) if oldest_first else list(reversed(range(404))))

    def test_times_become_numbers(self, log: Auditing) -> None:
        access = AuditAccess(settings(log))
        every = access.page(EntryQuery(0, 500, oldest_first=True)).entries
        times = [entry.entry.recorded_at for entry in every if entry.entry is not None]
        middle = times[300]
        later = access.page(EntryQuery(0, 500, oldest_first=True, recorded_from=middle)).entries
        earlier = access.page(EntryQuery(0, 500, oldest_first=True, recorded_to=middle)).entries
        assert [entry.seq for entry in later] == [seq for seq, time in enumerate(times) if time >= middle]
        assert [entry.seq for entry in earlier] == [seq for seq, time in enumerate(times) if time < middle]
