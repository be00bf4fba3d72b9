"""What the product exports of a log in MySQL satisfies a verifier that knows nothing but the published format."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from corpactions.auditing.bundles import export
from corpactions.persistence.audit_reading import AuditReader
from tests.support.audit_database import audit_database
from tests.support.audit_log import LogMaker
from tests.support.second_verifier import Told, second_verdict

SIZE = 1_300


@pytest.fixture(scope="module")
def grown(endpoints: Mapping[str, Any]) -> Iterator[tuple[AuditReader, LogMaker]]:
    """A log of 1,300 entries, whose second key begins at entry 701."""
    with audit_database(endpoints) as database:
        maker = LogMaker(database.engine("ca_audit"))
        maker.grow(700, batch=300)
        maker.rotate()
        maker.grow(SIZE - maker.size, batch=250)
        maker.checkpoint()
        yield AuditReader(database.engine("ca_operator")), maker


def untold(_entries: int) -> None:
    pass


@pytest.mark.parametrize(
    ("span", "entries"), [((0, SIZE), SIZE), ((0, 1), 1), ((600, 610), 400), ((702, 703), 250), ((1299, 1300), 98)], ids=str
)
def test_an_export_is_verified_by_a_stranger(
    grown: tuple[AuditReader, LogMaker], tmp_path: Path, span: tuple[int, int], entries: int
) -> None:
    reader, maker = grown
    exported = export(reader, maker.log, span, tmp_path / "bundle", untold)
    assert exported.manifest.end - exported.manifest.first == entries
    assert second_verdict(tmp_path / "bundle", maker.signers[0].key.vkey) == Told(0, [f"verified: {entries} entries"])


def test_an_archive_holds_the_same(grown: tuple[AuditReader, LogMaker], tmp_path: Path) -> None:
    reader, maker = grown
    export(reader, maker.log, (0, SIZE), tmp_path / "bundle.tar", untold)
    with tarfile.open(tmp_path / "bundle.tar") as archive:
        for member in archive:
            held = archive.extractfile(member)
            assert held is not None
            target = tmp_path / "bundle" / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(held.read())
    assert second_verdict(tmp_path / "bundle", maker.signers[0].key.vkey).status == 0
