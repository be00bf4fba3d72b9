"""What somebody with the administrator's password does to an audit log, and who must find it.

Each attack first drops the triggers, without which MySQL refuses all of this. ``COLUMNS`` has a verdict for every column of every audit table; a column that has none
fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from corpactions.auditing.report import Report
from corpactions.domain.audit import keys
from corpactions.domain.audit.appending import Appender, Head
from corpactions.domain.audit.batch import parse_offsets
from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import Content, Draft
from corpactions.domain.audit.merkle import root_of
from corpactions.domain.audit.notes import ED25519, Checkpoint, Key, Signer, sign_note
from corpactions.domain.audit.tiles import Edge, split
from corpactions.persistence.audit_guards import AUDIT_TABLES
from corpactions.persistence.audit_log import MysqlAuditLogStore
from corpactions.ports.audit import KeyRow
from corpactions.serde.canonical import encode
from tests.integration.audit.scene import ORIGIN, Scene


class Found(NamedTuple):
    """A finding that must be there: its check and its place, as patterns, and who found it."""

    check: str
    found_by: str = "log"
    place: str = ".*"

    def among(self, report: Report) -> bool:
        return any(
            each.found_by == self.found_by and re.fullmatch(self.check, each.check) and re.fullmatch(self.place, each.place)
            for each in report.findings
        )


class NotFound(NamedTuple):
    """No verification finds it, and why that is borne."""

    why: str


class Attack(NamedTuple):
    """What is done, and what must be found. ``silent`` names sources without which it is not found at all."""

    name: str
    do: Callable[[Scene], None]
    found: tuple[Found, ...]
    silent: Collection[str] = ()


# Changing one value.

SEQ: Final = 300
"""The entry that is changed: in a full tile, in the middle of a batch."""
_NOTHING_RESTS_ON_IT: Final = NotFound("kept for people, and nothing is decided by it")
_RESULT: Final = NotFound("the result of a verification is for whoever asked; the next one is made anew")
_NO_ROWS: Final = NotFound("there is no removal in this log; tests/unit/domain/audit/test_removals.py has its rules")
_ENTRY, _BATCH = Found("columns", place=f"entry {SEQ}"), Found("signature", place="batch .*")
_HOLD, _EXPORT = Found("columns", place="hold:case-1:.*"), Found("removal", place="export:.*")

COLUMNS: Final[dict[str, Found | NotFound]] = {
    "audit_logs.log_id": Found("truncated", "witness"),
    "audit_logs.origin": Found("sequence", place="entry 0"),
    "audit_logs.opened_at": _NOTHING_RESTS_ON_IT,
    "audit_logs.predecessor": Found("columns", place="log .*"),
    "audit_epochs.epoch": Found("batch", place="epoch .*"),
    "audit_epochs.log_id": _NOTHING_RESTS_ON_IT,
    "audit_epochs.owner": _NOTHING_RESTS_ON_IT,
    "audit_epochs.started_at": _NOTHING_RESTS_ON_IT,
    "audit_entries.log_id": Found("sequence", place=f"entry {SEQ}"),
    "audit_entries.seq": Found("sequence", place=f"entry {SEQ}"),
    "audit_entries.record_id": _ENTRY,
    "audit_entries.recorded_at": _ENTRY,
    "audit_entries.actor": _ENTRY,
    "audit_entries.action": _ENTRY,
    "audit_entries.resource": _ENTRY,
    "audit_entries.event_type": _ENTRY,
    "audit_entries.symbol": _ENTRY,
    "audit_entries.body": Found("body", place=f"entry {SEQ}"),
    "audit_batches.log_id": Found("sequence", place="entry .*"),
    "audit_batches.first_seq": Found("sequence", place="entry .*"),
    "audit_batches.epoch": _BATCH,
    "audit_batches.size": _BATCH,
    "audit_batches.recorded_at": _BATCH,
    "audit_batches.offsets": Found("batch|signature", place="batch .*"),
    "audit_batches.batch_root": _BATCH,
    "audit_batches.tree_root": _BATCH,
    "audit_batches.key_id": _BATCH,
    "audit_batches.signature": _BATCH,
    "audit_tiles.log_id": Found("tile", place="tile 0/1"),
    "audit_tiles.level": Found("tile", place="tile 0/1"),
    "audit_tiles.idx": Found("tile", place="tile 0/1"),
    "audit_tiles.hashes": Found("tile", place="tile 0/1"),
    "audit_keys.number": Found("key"),
    "audit_keys.statement": Found("key", place="key 2"),
    "audit_keys.added_at": Found("columns", place="key 2"),
    "audit_checkpoints.log_id": NotFound("one copy less of a checkpoint; the topic and the witness have theirs"),
    "audit_checkpoints.size": Found("checkpoint", "checkpoint", "checkpoint .*"),
    "audit_checkpoints.witnessed": Found("checkpoint", "checkpoint", "checkpoint .*"),
    "audit_checkpoints.note": Found("checkpoint", "checkpoint", "checkpoint .*"),
    "audit_checkpoints.signed_at": _NOTHING_RESTS_ON_IT,
    "audit_exports.log_id": _EXPORT,
    "audit_exports.first_seq": _EXPORT,
    "audit_exports.end_seq": _EXPORT,
    "audit_exports.bundle_sha256": _EXPORT,
    "audit_exports.location": _EXPORT,
    "audit_exports.verified_at": _EXPORT,
    "audit_exports.actor": _EXPORT,
    "audit_holds.hold_no": _HOLD,
    "audit_holds.name": _HOLD,
    "audit_holds.placed": _HOLD,
    "audit_holds.from_time": _HOLD,
    "audit_holds.to_time": _HOLD,
    "audit_holds.reason": _HOLD,
    "audit_holds.actor": _HOLD,
    "audit_holds.at": _HOLD,
    "audit_removals.log_id": _NO_ROWS,
    "audit_removals.first_seq": _NO_ROWS,
    "audit_removals.end_seq": _NO_ROWS,
    "audit_removals.last_hash": _NO_ROWS,
    "audit_removals.bundle_sha256": _NO_ROWS,
    "audit_removals.actor": _NO_ROWS,
    "audit_removals.removed_at": _NO_ROWS,
    "audit_verifications.verification_id": _RESULT,
    "audit_verifications.step": _RESULT,
    "audit_verifications.at": _RESULT,
    "audit_verifications.state": _RESULT,
    "audit_verifications.document": _RESULT,
}
_ROWS: Final = {
    "audit_logs": "log_id = 1",
    "audit_epochs": "epoch = 1",
    "audit_entries": f"log_id = 1 AND seq = {SEQ}",
    "audit_batches": f"log_id = 1 AND first_seq <= {SEQ} AND size > {SEQ}",
    "audit_tiles": "log_id = 1 AND level = 0 AND idx = 1",
    "audit_keys": "number = 2",
    "audit_checkpoints": "log_id = 1 AND witnessed = 1 ORDER BY size LIMIT 1",
    "audit_exports": "log_id = 1",
    "audit_holds": "name = 'case-1'",
}
"""The row of each table that is changed."""


def change(scene: Scene, name: str) -> None:
    """Put another value of the same type in one column of one row."""
    table, _, column = name.partition(".")
    before = scene.sql(f"SELECT `{column}` FROM {table} WHERE {_ROWS[table]}")[0][0]
    other = _other(column, before)
    scene.sql(f"UPDATE {table} SET `{column}` = %s WHERE {_ROWS[table]}", other)


def _other(column: str, value: Any) -> Any:
    if value is None:
        return datetime(2026, 1, 1) if column.endswith("_time") else "X"
    if column in {"placed", "witnessed"}:
        return 1 - value
    if isinstance(value, int):
        return value + (5 if column == "level" else 10_000)
    if isinstance(value, datetime):
        return value + timedelta(hours=1)
    if isinstance(value, str):
        return ("Y" if value[0] == "X" else "X") + value[1:]
    middle = len(value) // 2
    return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]


# Taking away, adding, exchanging.


def delete_entry(scene: Scene) -> None:
    scene.sql("DELETE FROM audit_entries WHERE seq = %s", SEQ)


def delete_batch(scene: Scene) -> None:
    scene.sql(f"DELETE FROM audit_batches WHERE {_ROWS['audit_batches']}")


def delete_key(scene: Scene) -> None:
    scene.sql("DELETE FROM audit_keys WHERE number = 1")


def insert_entry(scene: Scene) -> None:
    _copy_entry(scene, scene.size, "made up")


def insert_in_the_middle(scene: Scene) -> None:
    """Everything behind moves up by one, and the columns say what the bodies do not."""
    scene.sql(f"UPDATE audit_entries SET seq = seq + 1 WHERE seq >= {SEQ} ORDER BY seq DESC")
    _copy_entry(scene, SEQ, "made up")


def _copy_entry(scene: Scene, seq: int, record_id: str) -> None:
    columns = "recorded_at, actor, action, resource, event_type, symbol, body"
    scene.sql(
        f"INSERT INTO audit_entries (log_id, seq, record_id, {columns}) SELECT 1, %s, %s, {columns} FROM audit_entries WHERE seq = 1",
        seq,
        record_id,
    )


def swap(scene: Scene) -> None:
    for before, after in ((SEQ, -1), (SEQ + 1, SEQ), (-1, SEQ + 1)):
        scene.sql("UPDATE audit_entries SET seq = %s WHERE seq = %s", after, before)


def cut_tail(scene: Scene) -> None:
    """The last batches go, with their entries and tiles; the checkpoints stay."""
    size = scene.batch_before(scene.size - 200)
    scene.sql("DELETE FROM audit_entries WHERE seq >= %s", size)
    scene.sql("DELETE FROM audit_batches WHERE size > %s", size)
    scene.sql("DELETE FROM audit_tiles WHERE level = 0 AND idx >= %s", size // 256)


def cut_tail_and_checkpoints(scene: Scene) -> None:
    cut_tail(scene)
    scene.sql("DELETE FROM audit_checkpoints WHERE size > (SELECT MAX(size) FROM audit_batches)")


def truncate_entries(scene: Scene) -> None:
    """The triggers do not fire for this."""
    scene.sql("TRUNCATE TABLE audit_entries")


def roll_back(scene: Scene) -> None:
    """All tables as they were at an earlier time."""
    scene.restore(prefix="early_")


def replace_tiles(scene: Scene) -> None:
    hashes = b"".join(root_of(split(bytes(32) * 2)) for _ in range(256))
    scene.sql("UPDATE audit_tiles SET hashes = %s WHERE level = 0 AND idx = 0", hashes)


def forge_removal(scene: Scene) -> None:
    """The entries go as if their retention were over."""
    scene.sql("INSERT INTO audit_removals VALUES (1, 0, 65536, REPEAT('h', 32), REPEAT('b', 32), 'forger', '2026-11-24')")
    scene.sql("DELETE FROM audit_entries WHERE seq < 65536")


# Rewriting with a key.


def rewrite(scene: Scene, signer: Signer | None, edit: Callable[[int, Draft], Draft | None], moved: timedelta = timedelta(0)) -> None:
    """Make the whole log anew with other entries: chain, tree, batches and checkpoints, all of it signed.

    Args:
        scene: the log.
        signer: signs everything; None for the log's own keys, each in its period.
        edit: gives an entry in place of each, or None to leave it out.
        moved: how much earlier everything is said to have happened.
    """
    drafts = [_draft(body) for body in scene.bodies()]
    batches = scene.sql("SELECT first_seq, size, epoch, recorded_at, offsets FROM audit_batches ORDER BY first_seq")
    sizes = [row[0] for row in scene.sql("SELECT DISTINCT size FROM audit_checkpoints ORDER BY size")]
    statements = scene.statements if signer is None else [keys.state(1, ORIGIN, 0, signer).encode()]
    for table in ("audit_entries", "audit_batches", "audit_tiles", "audit_keys", "audit_checkpoints"):
        scene.sql(f"TRUNCATE TABLE {table}")
    scene.sql("DELETE FROM audit_epochs WHERE epoch > 1")
    store = MysqlAuditLogStore(scene.engine)
    log = store.newest_log(ORIGIN, scene.now)
    chosen: list[Signer] = [signer or scene.signers[0]]

    def sign(message: bytes) -> bytes:
        return chosen[0].sign(message)  # whichever is in force by then

    appender = Appender(Head(ORIGIN, Edge()), 1, sign, encode)
    added = iter(KeyRow(number, statement) for number, statement in enumerate(statements, 1))
    for first, size, _epoch, recorded_at, offsets in batches:
        new_key = None
        if first == 0 or (signer is None and first == scene.rotated_at):
            new_key = next(added)
            chosen[0] = signer or scene.signers[new_key.number - 1]
        said = [draft for seq in range(first, size) if (draft := edit(seq, drafts[seq])) is not None]
        at = (recorded_at - moved).replace(tzinfo=scene.now.tzinfo)
        built = appender.build(said, parse_offsets(bytes(offsets).decode()), at)
        with store.appending(log, built, Key(ORIGIN, ED25519, chosen[0].public_key).key_id, new_key) as commit:
            commit()
        if size in sizes:
            note = sign_note(Checkpoint(ORIGIN, built.batch.size, built.batch.tree_root).text(), chosen[0])
            store.add_checkpoint(log, built.batch.size, note.encode(), scene.now, witnessed=False)


def _draft(body: bytes) -> Draft:
    entry = parse(body)
    return Draft(entry.content, entry.source)


def other_actor(seq: int, draft: Draft) -> Draft:
    """One entry says that somebody else did it."""
    content: Content = draft.content._replace(actor="somebody else") if seq == SEQ else draft.content
    return draft._replace(content=content)


def unchanged(_seq: int, draft: Draft) -> Draft:
    return draft


def back_dated_append(scene: Scene) -> None:
    """Whoever has the key adds an entry that is said to be an hour old."""
    store = MysqlAuditLogStore(scene.engine)
    log = store.newest_log(ORIGIN, scene.now)
    epoch, head = store.begin_epoch(log, "forger", scene.now)
    appender = Appender(head._replace(recorded_at=None), epoch, scene.signers[-1].sign, encode)
    made_up = Draft(Content("made up", "APPLIED", "feed", "event:made-up", "DIVIDEND", "S0001", {"reason": None}), None)
    assert head.recorded_at is not None
    built = appender.build([made_up], {}, head.recorded_at - timedelta(hours=1))
    with store.appending(log, built, Key(ORIGIN, ED25519, scene.signers[-1].public_key).key_id) as commit:
        commit()


ATTACKS: Final = (
    Attack("delete an entry", delete_entry, (Found("sequence", place=f"entry {SEQ}"),)),
    Attack("delete a batch", delete_batch, (Found("sequence", place="entry .*"),)),
    Attack("delete a key", delete_key, (Found("key"),)),
    Attack("add an entry", insert_entry, (Found("sequence"),)),
    Attack("insert an entry", insert_in_the_middle, (Found("sequence", place=f"entry {SEQ}"), Found("body", place=f"entry {SEQ}"))),
    Attack("swap two entries", swap, (Found("sequence", place=f"entry {SEQ}"), Found("sequence", place=f"entry {SEQ + 1}"))),
    Attack(
        "cut the tail",
        cut_tail,
        (Found("truncated", "checkpoint"), Found("truncated", "witness"), Found("truncated", "topic")),
        silent=("checkpoints", "witness", "topic"),
    ),
    Attack(
        "cut the tail and its checkpoints",
        cut_tail_and_checkpoints,
        (Found("truncated", "witness"), Found("truncated", "topic")),
        silent=("witness", "topic"),
    ),
    Attack("TRUNCATE the entries", truncate_entries, (Found("sequence", place="entry 0"),)),
    Attack(
        "roll all tables back",
        roll_back,
        (Found("truncated", "witness"), Found("truncated", "topic")),
        silent=("witness", "topic"),
    ),
    Attack("replace a tile", replace_tiles, (Found("tile", place="tile 0/0"),)),
    Attack("forge a removal", forge_removal, (Found("removal", place="removal 0"),)),
    Attack(
        "rewrite with another key",
        lambda scene: rewrite(scene, scene.foreign, other_actor),
        (Found("key"), Found("signature"), Found("fork", "witness")),
    ),
    Attack(
        "rewrite with the right keys",
        lambda scene: rewrite(scene, None, other_actor),
        (Found("fork", "witness", "entry .*"), Found("checkpoint", "topic")),
        silent=("witness", "topic"),
    ),
    Attack(
        "back-date the whole log with the right keys",
        lambda scene: rewrite(scene, None, unchanged, timedelta(days=1)),
        (Found("fork", "witness"), Found("checkpoint", "topic")),
        silent=("witness", "topic"),
    ),
    Attack(
        "leave an entry out with the right keys",
        lambda scene: rewrite(scene, None, lambda seq, draft: None if seq == scene.rotated_at + 40 else draft),
        (Found("fork", "witness"), Found("gap", "topic", "partition .* offset .*")),
        silent=("witness", "topic"),
    ),
    Attack("back-date a new entry with the right key", back_dated_append, (Found("time", place="entry .*"),)),
)
TABLES: Final = AUDIT_TABLES
