"""Every attack on the log is found: what was done, where, and by whom it is found; and what no verification can find is known by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from corpactions.domain.audit.notes import Note
from corpactions.persistence.audit_tables import METADATA
from corpactions.ports.witness import WitnessRefused
from tests.integration.audit.attacks import ATTACKS, COLUMNS, TABLES, Attack, Found, change, other_actor, rewrite
from tests.integration.audit.scene import Scene, scene

FOUND = {name: verdict for name, verdict in COLUMNS.items() if isinstance(verdict, Found)}


@pytest.fixture(scope="module")
def attacked(endpoints: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(endpoints, tmp_path_factory.mktemp("attacked")) as made:
        yield made


def test_untouched_it_is_verified_by_all_who_know_of_it(attacked: Scene) -> None:
    report = attacked.verify()
    assert report.findings == ()
    assert report.verified, report
    assert report.witnessed == report.size == report.entries == attacked.size
    assert report.not_logged == 0
    assert report.pinned


def test_every_column_has_a_verdict() -> None:
    stored = {f"{table}.{column.name}" for table in TABLES for column in METADATA.tables[table].columns}
    assert stored == COLUMNS.keys()


@pytest.mark.parametrize("name", FOUND)
def test_any_column_changed(attacked: Scene, name: str) -> None:
    table = name.partition(".")[0]
    attacked.disarm()
    try:
        change(attacked, name)
        report = attacked.verify(without={"topic"})
    finally:
        attacked.restore([table])
        attacked.arm()
    assert FOUND[name].among(report), report.findings
    assert Found("guard", "guards").among(report), "the triggers were gone, and that is told"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attacks(attacked: Scene, attack: Attack) -> None:
    attacked.disarm()
    try:
        attack.do(attacked)
        attacked.arm()
        report = attacked.verify()
        blind = attacked.verify(without=attack.silent) if attack.silent else None
    finally:
        attacked.disarm()
        attacked.restore()
        attacked.arm()
    for expected in attack.found:
        assert expected.among(report), (expected, report.findings)
    if blind is not None:
        assert blind.findings == (), "who finds it is told rightly: without them nobody does"
    assert attacked.verify(without={"topic"}).verified, "the log is as it was before"


def test_dropped_triggers_are_found_by_themselves(attacked: Scene) -> None:
    attacked.disarm()
    try:
        report = attacked.verify(without={"topic", "witness"})
    finally:
        attacked.arm()
    assert {(each.check, each.found_by) for each in report.findings} == {("guard", "guards")}


def test_a_fork_for_one_reader_gets_no_signature_of_the_witness(attacked: Scene) -> None:
    """Whoever has the keys can sign another log, but not have it witnessed; and a reader who asks the witness learns of the true one."""
    attacked.disarm()
    try:
        rewrite(attacked, None, other_actor)
        size, note = attacked.sql("SELECT size, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1")[0]
        with closing(attacked.witness()) as witness, pytest.raises(WitnessRefused):
            witness.add(size, [], Note.parse(bytes(note)))
        seen = attacked.verify(without={"topic", "checkpoints"})
    finally:
        attacked.disarm()
        attacked.restore()
        attacked.arm()
    assert Found("fork", "witness", "entry .*").among(seen), seen.findings
    assert Found("fork", "witness", f"checkpoint {size}").among(seen), seen.findings
