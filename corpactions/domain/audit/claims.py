"""Reading a kept checkpoint as somebody's word for a root, or as a finding when it is not what its keeper says it is."""

from __future__ import annotations

from datetime import UTC, datetime

from corpactions.domain.audit.findings import Finding
from corpactions.domain.audit.keys import Untrusted, key_for
from corpactions.domain.audit.notes import Checkpoint, Note, cosigned_at, signed_by
from corpactions.domain.audit.ranges import CheckpointNote, Claim, Rules


def read_claim(kept: CheckpointNote, rules: Rules) -> Claim | Finding:
    """What a checkpoint claims, after its signatures were checked as far as the rules allow. What the witness shows needs its own signature alone.

    The log's signature may be of the key of the last entry or of the next one: a key may be changed just before a checkpoint is signed.
    """
    place = f"checkpoint {kept.size}"
    try:
        note = Note.parse(kept.note)
        checkpoint = Checkpoint.parse(note.text)
    except ValueError as error:
        return _wrong(kept, rules, f"it cannot be read: {error}")
    if checkpoint.origin != rules.origin or checkpoint.size != kept.size:
        return _wrong(kept, rules, f"it is the checkpoint of {checkpoint.origin} at {checkpoint.size}")
    if rules.verify is None:
        return Claim(kept.found_by, place, kept.size, checkpoint.root)
    if rules.signed(kept.size - 1) and not (kept.found_by == "witness" and is_cosigned(note, rules)):
        try:
            keys = {key_for(rules.periods, rules.origin, seq) for seq in (max(kept.size - 1, 0), kept.size)}
        except Untrusted as error:
            return _wrong(kept, rules, error.reason)
        if not any(signed_by(note, key, rules.verify) for key in keys):
            return _wrong(kept, rules, "the log's key has not signed it")
    time, key = None, rules.witness
    carries = key is not None and any((line.name, line.key_id) == (key.name, key.key_id) for line in note.signatures)
    if key is not None and (carries or kept.cosigned):
        time = cosigned_at(note, key, rules.verify)
        if time is None:
            return _wrong(kept, rules, f"the witness {key.name} has not signed it")
        if kept.cosigned is False:
            return _wrong(kept, rules, f"it is kept as not witnessed, and {key.name} has signed it")
    return Claim(kept.found_by, place, kept.size, checkpoint.root, None if time is None else datetime.fromtimestamp(time, UTC))


def is_cosigned(note: Note, rules: Rules) -> bool:
    """Whether the witness has signed a checkpoint, which it does only after it has checked the log's own signature."""
    return rules.witness is not None and rules.verify is not None and cosigned_at(note, rules.witness, rules.verify) is not None


def _wrong(kept: CheckpointNote, rules: Rules, detail: str) -> Finding:
    return Finding("checkpoint", kept.found_by, rules.origin, kept.size, f"checkpoint {kept.size}", detail)
