"""A gateway over a log made quickly: what the tests of reading the log share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from corpactions.domain.audit.notes import Checkpoint, add_signature, cosign, sign_note
from corpactions.persistence.engine import connect
from tests.support.audit_log import LogMaker
from tests.support.gateway import Backing, Gateway, backing, gateway
from tests.support.signing import LOG, WITNESS, MemorySigner

WITNESS_SIGNER = MemorySigner(WITNESS, 77)
TRUSTED = MemorySigner(LOG, 1).key
SETTINGS = {"CA_AUDIT_TRUSTED_KEY": TRUSTED.vkey, "CA_WITNESS_VKEY": WITNESS_SIGNER.cosigning_key.vkey}
LOG_PATH = "/api/v1/audit/log"


class Audited:
    """A database with a log in it; ``maker`` makes it grow."""

    def __init__(self, made: Backing) -> None:
        self.made = made
        self._engine = connect(made.mysql_config())
        self.maker = LogMaker(self._engine)

    def grow(self, entries: int, *, batch: int = 1_000, witnessed: bool = True) -> bytes:
        """Add entries, then a checkpoint over all of them, which is returned."""
        self.maker.grow(entries, batch=batch)
        return self.checkpoint() if witnessed else self.maker.checkpoint()

    def checkpoint(self) -> bytes:
        """A cosigned checkpoint of the log as it stands."""
        maker = self.maker
        newest = maker.store.newest_batch(maker.log)
        assert newest is not None
        note = sign_note(Checkpoint(maker.origin, newest.size, newest.tree_root).text(), maker.signer)
        data = add_signature(note, cosign(note, WITNESS_SIGNER, int(maker.now.timestamp()) + 1)).encode()
        maker.store.add_checkpoint(maker.log, newest.size, data, maker.now, witnessed=True)
        return data

    def sql(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Whatever somebody with the database's password may do."""
        return self.made.sql(statement, *arguments)

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def audited(endpoints: Mapping[str, Any]) -> Iterator[Audited]:
    """A database with an opened log, gone afterwards."""
    with backing(endpoints) as made:
        found = Audited(made)
        try:
            yield found
        finally:
            found.close()


@contextmanager
def audit_gateway(log: Audited, **settings: str) -> Iterator[Gateway]:
    """A gateway that trusts the log's first key and its witness."""
    with gateway(log.made, **{**SETTINGS, **settings}) as found:
        yield found
