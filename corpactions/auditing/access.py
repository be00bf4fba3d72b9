"""Reading the audit log with proof: pages whose entries were verified, proofs that stand on their own, consistency of checkpoints.

For the gateway and the command line. Everything here is synchronous and keeps what it has proved; an :class:`AuditAccess` is for one thread at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from corpactions.auditing.verification import newest_log
from corpactions.bootstrap.mysql import build_engine
from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import Entry
from corpactions.domain.audit.findings import Findings
from corpactions.domain.audit.keys import key_for
from corpactions.domain.audit.merkle import consistency_path, inclusion_path, path_within
from corpactions.domain.audit.page import EntryVerdict, PageVerdict, PageVerifier
from corpactions.domain.audit.proof import Proof
from corpactions.domain.audit.ranges import CheckpointNote, Rules
from corpactions.domain.audit.tiles import WIDTH, TileId, TileTree, split
from corpactions.domain.audit.trust import Trust, establish
from corpactions.domain.errors import Fatal
from corpactions.persistence.audit_reading import AuditReader, EntryQuery, LogSource, MissingTile
from corpactions.ports.audit import LogRow
from corpactions.security.published import read_key
from corpactions.security.signing import verify
from corpactions.serde.canonical import decode
from corpactions.settings import Settings


class ShownEntry(NamedTuple):
    """An entry as it was read. ``entry`` is None when its body cannot be read; ``body`` is what is stored either way."""

    seq: int
    entry: Entry | None
    body: bytes
    verdict: EntryVerdict


class ShownPage(NamedTuple):
    """Entries in the order asked for, and what their verification gave; ``more`` when there are further ones behind."""

    log: LogRow
    entries: tuple[ShownEntry, ...]
    verdict: PageVerdict
    more: bool
    pinned: bool


class AuditAccess:
    """See above.

    Args:
        settings: where MySQL is, which key and which witness are trusted.
        log_id: which log; None for the newest.

    Raises:
        Fatal: a key of the settings cannot be read.
    """

    def __init__(self, settings: Settings, log_id: int | None = None) -> None:
        self.reader = AuditReader(build_engine(settings, pool_size=2))
        self._log_id = log_id
        self._trusted = read_key(settings.audit_trusted_key, "CA_AUDIT_TRUSTED_KEY")
        self._witness = read_key(settings.witness_vkey, "CA_WITNESS_VKEY")
        self._basis: tuple[LogRow, list[bytes]] | None = None
        self._verifier: PageVerifier
        self._rules: Rules
        self._trust: Trust
        self._trouble = Findings("")

    def log(self) -> LogRow:
        """The log. Raises Fatal when there is none yet, Unavailable when MySQL does not answer."""
        return newest_log(self.reader, self._log_id)

    def page(self, query: EntryQuery) -> ShownPage:
        """Entries that match a query, each verified; the query's ``log_id`` is set here, one entry more than its limit is looked for.

        Raises:
            Unavailable: MySQL does not answer.
            Fatal: there is no log yet.
        """
        log = self._begin()
        rows = self.reader.search(query._replace(log_id=log.log_id, limit=query.limit + 1))
        return self._shown(log, rows[: query.limit], more=len(rows) > query.limit)

    def entries(self, numbers: Sequence[int]) -> ShownPage:
        """The entries with these numbers, as far as there are any, in order. Errors as :meth:`page`."""
        log = self._begin()
        return self._shown(log, self.reader.entries_at(log.log_id, numbers), more=False)

    def checkpoint(self, over: int = 0, upto: int | None = None) -> CheckpointNote | None:
        """The newest kept checkpoint, witnessed if any is that reaches beyond entry ``over``; of at most ``upto`` entries. None when there is none yet."""
        log = self.log()
        notes = [self.reader.newest_checkpoint(log.log_id, witnessed=witnessed, upto=upto) for witnessed in (True, False)]
        reaching = [note for note in notes if note is not None and note.size > over]
        return reaching[0] if reaching else None

    def tree(self, size: int) -> TileTree:
        """The log's tree of its first entries; its ``node`` raises MissingTile where the store lacks a tile."""
        log_id = self.log().log_id
        return TileTree(size, lambda tile: self.reader.tile(log_id, tile))

    def proof(self, seq: int) -> Proof | None:
        """Everything that proves an entry to somebody who has a key; None when there is no such entry, or no checkpoint over it yet.

        Raises:
            Unavailable: MySQL does not answer.
            Fatal: there is no log, or the store lacks what the proof is made of; `corpactions audit verify` tells what.
        """
        log = self._begin()
        rows, checkpoint = self.reader.entries_at(log.log_id, [seq]), self.checkpoint(over=seq)
        batch = self.reader.batch_of(log.log_id, seq)
        if not rows or checkpoint is None or batch is None:
            return None
        try:
            path = inclusion_path(seq, checkpoint.size, self.tree(checkpoint.size).node)
            note = batch.note(key_for(self._rules.periods, log.origin, batch.first), log.origin)
            leaves = self._leaves(log.log_id, batch.first, batch.size)
        except (MissingTile, ValueError) as error:
            raise Fatal(f"entry {seq} cannot be proved: {error}; run `corpactions audit verify`") from error
        keys = tuple(statement for _, statement, _ in self.reader.key_history())
        return Proof(
            log.origin, seq, rows[0][1], checkpoint.note, tuple(path), note.encode(), tuple(path_within(leaves, seq - batch.first)), keys
        )

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The path that proves that the tree of ``new`` entries only adds to that of ``old``.

        Raises:
            ValueError: the sizes are none of this log, or the old one is the larger.
            Fatal, Unavailable: as :meth:`proof`.
        """
        size = self.reader.ends(self.log().log_id).batches
        if not 0 <= old <= new <= size:
            raise ValueError(f"sizes {old} and {new}: 0 <= from <= to <= {size} is expected")
        try:
            return consistency_path(old, new, self.tree(new).node)
        except MissingTile as error:
            raise Fatal(f"the path from {old} to {new} cannot be made: {error}; run `corpactions audit verify`") from error

    def _begin(self) -> LogRow:
        """Follow the newest log and its key history."""
        log = self.log()
        statements = [statement for _, statement, _ in self.reader.key_history()]
        if self._basis != (log, statements):
            self._trouble = Findings(log.origin)
            self._trust = establish(statements, self._trusted, verify, self._trouble)
            self._rules = Rules(log.origin, self._trust.periods, verify, decode, self._witness)
            self._verifier = PageVerifier(self._rules, LogSource(self.reader, log.log_id))
            self._basis = log, statements
        return log

    def _shown(self, log: LogRow, rows: Sequence[Sequence[Any]], *, more: bool) -> ShownPage:
        newest = max((row[0] for row in rows), default=0)
        verdict = self._verifier.verify(rows, self.checkpoint(over=newest) or self.checkpoint())
        verdict = verdict._replace(findings=(*self._trouble.items, *verdict.findings))
        entries = [ShownEntry(row[0], _entry(row[1]), row[1], said) for row, said in zip(rows, verdict.entries, strict=True)]
        return ShownPage(log, tuple(entries), verdict, more, self._trust.pinned)

    def _leaves(self, log_id: int, first: int, end: int) -> list[bytes]:
        """The leaf hashes of a batch, from tiles: its other entries may be removed one day, and the proof is none of theirs."""
        hashes: list[bytes] = []
        begin = first // WIDTH
        for index in range(begin, (end - 1) // WIDTH + 1):
            hashes += split(self.reader.tile(log_id, TileId(0, index, min(WIDTH, end - index * WIDTH))))
        return hashes[first - begin * WIDTH : end - begin * WIDTH]


def _entry(body: bytes) -> Entry | None:
    try:
        return parse(body)
    except ValueError:
        return None
