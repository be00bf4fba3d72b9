"""A verifier of somebody else accepts the log over HTTP, and refuses it after each attack that touches entries or tiles.

Tessera's fsck knows tlog-tiles and one public key, and nothing of this product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from corpactions.domain.audit.tiles import TileId
from corpactions.persistence.engine import connect
from tests.support.audit_log import LogMaker
from tests.support.audited import LOG_PATH, TRUSTED, Audited, audit_gateway, audited
from tests.support.fsck import FSCK, Verdict, fsck
from tests.support.gateway import Gateway
from tests.support.signing import LOG, MemorySigner

pytestmark = pytest.mark.skipif(not FSCK.can_be_had(), reason="Tessera's fsck is built with Go, and Go is missing")
SIZE = 4_000
"""Fifteen full tiles, a partial one of 160, and on the level above a partial one of 15."""


@pytest.fixture(scope="module", autouse=True)
def _program() -> None:
    FSCK.install(Event())


@pytest.fixture
def log(endpoints: dict[str, Any]) -> Iterator[Audited]:
    """A log under a cosigned checkpoint; nothing guards it."""
    with audited(endpoints) as found:
        found.grow(SIZE - 1)
        yield found


@pytest.fixture
def served(log: Audited) -> Iterator[Gateway]:
    with audit_gateway(log) as found:
        yield found


def _fsck(served: Gateway, folder: Path, vkey: str = TRUSTED.vkey) -> Verdict:
    return fsck(f"{served.url}{LOG_PATH}/", vkey, folder)


def test_it_accepts_the_log_whatever_its_size(log: Audited, served: Gateway, tmp_path: Path) -> None:
    for more in (0, 95, 1, 1_000, 70_000 - SIZE - 1_096):
        if more:
            log.grow(more)
        verdict = _fsck(served, tmp_path)
        assert verdict.accepted, verdict.text
        assert f"size {log.maker.size} " in verdict.text
        log.maker.grow(3)  # under no checkpoint yet, so none of its business
        assert _fsck(served, tmp_path).accepted


def test_it_accepts_the_log_after_the_key_was_changed(log: Audited, served: Gateway, tmp_path: Path) -> None:
    log.maker.rotate()
    log.grow(300)
    assert _fsck(served, tmp_path, log.maker.signer.key.vkey).accepted
    assert not _fsck(served, tmp_path).accepted


def _modified(log: Audited) -> None:
    log.sql("UPDATE audit_entries SET body=REPLACE(body,'\"feed\"','\"leaf\"') WHERE seq=1234")


def _modified_at_the_end(log: Audited) -> None:
    log.sql("UPDATE audit_entries SET body=REPLACE(body,'\"feed\"','\"leaf\"') WHERE seq=%s", SIZE - 1)


def _deleted(log: Audited) -> None:
    log.sql("DELETE FROM audit_entries WHERE seq=1234")


def _swapped(log: Audited) -> None:
    bodies = [bytes(row[0]) for row in log.sql("SELECT body FROM audit_entries WHERE seq IN (1234,1235) ORDER BY seq")]
    for seq, body in zip((1_235, 1_234), bodies, strict=True):
        log.sql("UPDATE audit_entries SET body=%s WHERE seq=%s", body, seq)


def _replaced_tile(log: Audited) -> None:
    log.sql("UPDATE audit_tiles SET hashes=CONCAT(SUBSTR(hashes,33),SUBSTR(hashes,1,32)) WHERE level=0 AND idx=4")


def _exchanged_tiles(log: Audited) -> None:
    log.sql("UPDATE audit_tiles SET idx=999 WHERE level=0 AND idx=4")
    log.sql("UPDATE audit_tiles SET idx=4 WHERE level=0 AND idx=5")
    log.sql("UPDATE audit_tiles SET idx=5 WHERE level=0 AND idx=999")


def _truncated(log: Audited) -> None:
    for table, number in (("entries", "seq"), ("batches", "first_seq")):
        log.sql(f"DELETE FROM audit_{table} WHERE {number}>=3000")
    log.sql("DELETE FROM audit_tiles WHERE idx>=11")


def _modified_with_its_tile(log: Audited) -> None:
    _modified(log)
    log.sql("DELETE FROM audit_tiles WHERE level=0 AND idx=4")
    tile = log.maker.store.tile(log.maker.log, TileId(0, 4))
    log.sql("INSERT INTO audit_tiles VALUES (1,0,4,%s)", tile)


def _rewritten(log: Audited) -> None:
    """The whole log again, another history in it, consistent in itself, with another key."""
    for table in ("logs", "epochs", "entries", "batches", "tiles", "keys", "checkpoints"):
        log.sql(f"DELETE FROM audit_{table}")
    engine = connect(log.made.mysql_config())
    maker = LogMaker(engine, signer=MemorySigner(LOG, 9))
    maker.grow(SIZE - 1)
    maker.checkpoint()
    engine.dispose()


@pytest.mark.parametrize(
    "attack",
    [
        _modified,
        _modified_at_the_end,
        _deleted,
        _swapped,
        _replaced_tile,
        _exchanged_tiles,
        _truncated,
        _modified_with_its_tile,
        _rewritten,
    ],
    ids=lambda attack: attack.__name__.strip("_"),
)
def test_it_refuses_an_attacked_log(log: Audited, served: Gateway, tmp_path: Path, attack: Callable[[Audited], None]) -> None:
    assert _fsck(served, tmp_path).accepted
    attack(log)
    verdict = _fsck(served, tmp_path)
    assert not verdict.accepted, verdict.text
    assert "fsck failed:" in verdict.text or "Failed" in verdict.text, verdict.text
