"""Entries that are rightly not there, and what retention did, held against what the log tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from corpactions.domain.audit.deeds import check_deeds
from corpactions.domain.audit.entry import SEGMENT, ZERO_LINK, Content, Draft, body, time_text
from corpactions.domain.audit.findings import Findings
from corpactions.domain.audit.offsets import Span
from corpactions.domain.audit.removals import RemovedSegment, check_removal
from corpactions.domain.audit.retention import Export, Hold, Removal, told
from corpactions.domain.audit.verification import RangeVerifier
from tests.support.audit_stored import StoredLog, rules, stored_log
from tests.support.signing import LOG

RECORDED = datetime(2019, 2, 1, tzinfo=UTC)
REMOVED = datetime(2026, 2, 2, tzinfo=UTC)
NOW = datetime(2026, 11, 24, tzinfo=UTC)
GOOD = RemovedSegment(0, SEGMENT, bytes(32), REMOVED, exported=True)


def found(removal: RemovedSegment, recorded_at: datetime | None = RECORDED) -> list[str]:
    findings = Findings(LOG)
    check_removal(removal, recorded_at, NOW, findings)
    assert {finding.check for finding in findings.items} <= {"removal"}
    return [finding.detail for finding in findings.items]


def test_a_removal_by_the_rules() -> None:
    assert found(GOOD) == []


@pytest.mark.parametrize(
    ("removal", "recorded_at", "why"),
    [
        (GOOD._replace(first=256, end=256 + SEGMENT), RECORDED, "not one whole segment"),
        (GOOD._replace(end=SEGMENT - 1), RECORDED, "not one whole segment"),
        (GOOD, REMOVED - timedelta(days=7 * 365), "less than 7 years"),
        (GOOD, None, "less than 7 years"),
        (GOOD._replace(removed_at=NOW + timedelta(days=1)), RECORDED, "yet to come"),
        (GOOD._replace(exported=False), RECORDED, "no export"),
    ],
    ids=["beginning", "end", "age", "no batch", "future", "export"],
)
def test_each_rule(removal: RemovedSegment, recorded_at: datetime | None, why: str) -> None:
    (detail,) = found(removal, recorded_at)
    assert why in detail


@cache
def segment() -> StoredLog:
    return stored_log([30_000, SEGMENT - 30_000])


def test_a_removed_segment_is_verified_by_its_tiles() -> None:
    log = segment()
    part = log.range(0, SEGMENT)._replace(absent=[Span(0, SEGMENT)])
    result = RangeVerifier(rules(), part).finish()
    assert (result.findings, result.entries, result.first_link) == ((), 0, None)
    changed = {**part.tiles, (0, 7): bytes(32) + part.tiles[0, 7][32:]}
    broken = RangeVerifier(rules(), part._replace(tiles=changed)).finish()
    assert {finding.check for finding in broken.findings} >= {"batch", "tile"}


def test_entries_that_were_to_be_removed_and_are_there() -> None:
    log = segment()
    verifier = RangeVerifier(rules(), log.range(0, SEGMENT)._replace(absent=[Span(0, SEGMENT)]))
    verifier.feed([tuple(entry) for entry in log.entries[:10]])
    (finding,) = verifier.finish().findings
    assert (finding.check, finding.detail) == ("removal", "10 entries from 0 to 65535 are there, which were removed")


HOLD = Hold(3, "case-1", True, None, None, "asked for", "anna", REMOVED)
EXPORT = Export(LOG, 0, SEGMENT, b"e" * 32, "/bundles/0", "job", REMOVED)
REMOVAL = Removal(LOG, 0, SEGMENT, b"e" * 32, "job", REMOVED)


def logged(*deeds: Hold | Export | Removal) -> Mapping[str, bytes]:
    entries = {}
    for deed in deeds:
        record = told(deed)
        detail = {"happened_at": time_text(record.recorded_at), "reason": record.reason}
        content = Content(record.record_id, record.action, record.actor, record.resource, None, None, detail)
        entries[record.record_id] = body(Draft(content, None), LOG, 5, ZERO_LINK, time_text(NOW))
    return entries


def differences(deeds: list[Hold | Export | Removal], entries: Mapping[str, bytes]) -> list[tuple[str, str]]:
    findings = Findings(LOG)
    check_deeds(deeds, entries, findings)
    return [(finding.check, finding.detail) for finding in findings.items]


def test_deeds_that_are_as_the_log_tells_them() -> None:
    assert differences([HOLD, EXPORT, REMOVAL], logged(HOLD, EXPORT, REMOVAL)) == []


def test_what_was_not_told_yet_is_no_finding() -> None:
    assert differences([HOLD, EXPORT, REMOVAL], {}) == []


@pytest.mark.parametrize(
    ("deed", "check", "what"),
    [
        (HOLD._replace(reason="something else"), "columns", "reason"),
        (HOLD._replace(from_time=RECORDED), "columns", "reason"),
        (HOLD._replace(actor="bert"), "columns", "actor"),
        (HOLD._replace(placed=False), "columns", "action"),
        (HOLD._replace(at=NOW), "columns", "time"),
        (EXPORT._replace(location="/elsewhere"), "removal", "reason"),
        (REMOVAL._replace(bundle_sha256=b"f" * 32), "removal", "reason"),
    ],
    ids=str,
)
def test_a_row_that_was_changed(deed: Hold | Export | Removal, check: str, what: str) -> None:
    assert differences([deed], logged(HOLD, EXPORT, REMOVAL))[0] == (check, f"its {what} is not what the log tells of it")


def test_a_row_that_is_gone() -> None:
    told_of = ("columns", "the log tells of it, and its table does not hold it")
    assert differences([EXPORT, REMOVAL], logged(HOLD, EXPORT, REMOVAL)) == [told_of]
