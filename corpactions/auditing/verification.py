"""Verifying a whole log, or a part of it, against everything that knows anything of it: its own rows, its keys, its checkpoints, the witness, the topics, the guards.

    what others know (first, so that the log can only be longer) -> how far the log is -> trust -> segments, side by side -> joined -> what only the whole tells

Invariant: a report says which sources were asked and which were not. A source that was to be asked and did not answer leaves the report incomplete, never good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from corpactions.auditing import sources
from corpactions.auditing.ranges import Plan, verify_ranges
from corpactions.auditing.report import Keeper, Report, Request
from corpactions.bootstrap.mysql import build_engine
from corpactions.domain.audit.claims import is_cosigned, read_claim
from corpactions.domain.audit.deeds import ACTIONS, check_deeds
from corpactions.domain.audit.entry import SEGMENT
from corpactions.domain.audit.findings import Finding, Findings, FoundBy
from corpactions.domain.audit.joined import Joined
from corpactions.domain.audit.joining import Joiner
from corpactions.domain.audit.notes import Checkpoint, Note
from corpactions.domain.audit.offsets import Span
from corpactions.domain.audit.peaks import Peaks
from corpactions.domain.audit.ranges import CheckpointNote, Claim, Rules
from corpactions.domain.audit.removals import RemovedSegment, check_removal
from corpactions.domain.audit.settling import check_batch
from corpactions.domain.audit.tiles import TileTree
from corpactions.domain.audit.trust import Trust, check_added, check_own_entries, establish
from corpactions.domain.errors import Fatal, Unavailable
from corpactions.persistence.audit_guards import guard_differences
from corpactions.persistence.audit_reading import AuditReader, LogEnds, MissingTile
from corpactions.ports.audit import LogRow
from corpactions.security.published import read_key
from corpactions.security.signing import verify
from corpactions.serde.canonical import decode
from corpactions.settings import Settings
from corpactions.system import SystemClock

T = TypeVar("T")
_EVERYTHING = 1 << 62


def verify_log(settings: Settings, request: Request, told: Callable[[int, int], None], keeper: Keeper | None = None) -> Report:
    """Verify a log.

    Args:
        settings: where everything is.
        request: what is to be verified.
        told: told how many entries were read since the last time, and how many there are to read in all.
        keeper: for going on after an interrupt.

    Raises:
        Unavailable: MySQL does not answer.
        Fatal: there is no such log, or the request does not fit it.
    """
    verification = _Verification(settings, request)
    verification.prepare()
    verification.ranges(told, keeper)
    return verification.whole()


def newest_log(reader: AuditReader, log_id: int | None) -> LogRow:
    """The newest log, or the one with this number. Raises Fatal when there is none."""
    logs = [log for log in reader.logs() if log_id in {None, log.log_id}]
    if not logs:
        raise Fatal("there is no audit log yet" if log_id is None else f"there is no audit log {log_id}")
    return logs[-1]


class _Start(NamedTuple):
    """Where the verification begins: an empty log, or the tiles' word for what lies before."""

    first: int
    peaks: tuple[tuple[int, bytes], ...] = ()
    last_leaf: str | None = None


class _Verification:
    """One run; see :func:`verify_log`."""

    def __init__(self, settings: Settings, request: Request) -> None:
        self._settings = settings
        self._request = request
        self._engine = build_engine(settings, pool_size=2)
        self._reader = AuditReader(self._engine)
        self._log = newest_log(self._reader, request.log_id)
        self._found = Findings(self._log.origin)
        self._witness = read_key(settings.witness_vkey, "CA_WITNESS_VKEY")
        self._sources: dict[str, str] = {"log": "entries, batches, tiles and keys in MySQL"}
        self._missing: list[str] = []
        self._not_logged: int | None = None
        self._notes: list[CheckpointNote] = []
        self._ends: LogEnds
        self._trust: Trust
        self._rules: Rules
        self._plan: Plan
        self._joiner: Joiner

    def prepare(self) -> None:
        """Ask what others know, then see how far the log is and which keys to trust."""
        self._ask_others()
        history = self._reader.key_history()
        self._statements = [statement for _, statement, _ in history]
        self._added = {number: at for number, _, at in history}
        for place, (number, _, _) in enumerate(history, 1):
            if number != place:
                self._found.add("key", f"key {number}", f"it is kept as number {number}, and is the {place}. of the history")
        self._trust = establish(self._statements, self._request.trusted, verify, self._found)
        self._rules = Rules(self._log.origin, self._trust.periods, None if self._left_out("signatures") else verify, decode, self._witness)
        self._ends = self._known_ends()
        if any(note.found_by == "witness" and note.size > self._ends.size for note in self._notes):
            client = sources.witness_of(self._settings)
            self._notes += self._ask("witness", lambda: sources.witnessed_within(client, self._log.origin, self._ends.size)) or []
        if "signatures" not in self._sources:
            self._sources["signatures"] = (
                "the trusted key" if self._trust.pinned else "a key that the log itself names: proves that it fits itself, not who wrote it"
            )

    def _known_ends(self) -> LogEnds:
        """How far the log is. A last batch that the log's key has not signed does not count: it could claim any length."""
        ends = self._reader.ends(self._log.log_id)
        newest = self._reader.newest_batch(self._log.log_id)
        if newest is not None and newest.size > ends.entries:
            said = self._found.total
            check_batch(self._rules, newest, self._found)
            if self._found.total > said:
                return ends._replace(batches=ends.entries)
        return ends

    def ranges(self, told: Callable[[int, int], None], keeper: Keeper | None) -> None:
        """Verify the segments."""
        start, end = self._begin_at(), self._end_at()
        kept = None if keeper is None else keeper.joined
        if kept is not None and (kept.origin != self._log.origin or kept.position > end):
            raise Fatal(f"what was kept is about {kept.position} entries of {kept.origin}, not of this log; begin anew with another file")
        joined = kept or Joined(self._log.origin, start.first, peaks=list(start.peaks), last_leaf=start.last_leaf)
        self._joiner = Joiner(self._rules, lambda level, index: self._reader.stored_tile(self._log.log_id, level, index), joined)
        removed = self._removed(joined.position, end)
        spans = {first: Span(first, each.end) for first, each in removed.items()}
        kept_checkpoints = not self._left_out("checkpoints")
        self._plan = Plan(self._log.log_id, joined.position, end, self._ends.size, self._notes, spans, kept_checkpoints)
        self._start = start.first
        total = end - start.first
        told(joined.position - start.first, total)
        for result in verify_ranges(self._settings, self._rules, self._plan, self._request.processes, lambda count: told(count, total)):
            self._joiner.add(result)
            if result.first in removed and removed[result.first].last_hash != result.last_leaf:
                detail = "the hash that it keeps of its last entry is not the tree's"
                self._joiner.found.add("removal", f"removal {result.first}", detail, seq=result.end - 1)
            if keeper is not None and joined.position % SEGMENT == 0:
                keeper.keep(joined)

    def whole(self) -> Report:
        """What only the whole log tells, and the report."""
        joined, log_id, size = self._joiner.joined, self._log.log_id, self._ends.size
        for level, index in self._reader.tiles_beyond(log_id, size):
            self._found.add("tile", f"tile {level}/{index}", f"it is stored as full, but the log has {size} entries", seq=size)
        for epoch in sorted(set(joined.epochs) - self._reader.epochs()):
            self._found.add("batch", f"epoch {epoch}", "batches name this writer's epoch, and there is no such")
        self._check_own_entries()
        self._check_deeds()
        self._check_length()
        if not self._left_out("topic"):
            self._ask("topic", self._account)
        found = self._joiner.finish()
        self._locate_fork()
        self._found.take(found.items, found.counts)
        return Report(
            origin=self._log.origin,
            log_id=log_id,
            size=size,
            first=self._start,
            end=self._plan.end,
            entries=joined.entries,
            removed=SEGMENT * len(self._plan.removed),
            batches=joined.batches,
            checkpoints=joined.claims,
            pinned=self._trust.pinned,
            witnessed=joined.witnessed,
            not_logged=self._not_logged,
            sources=self._sources,
            missing=tuple(dict.fromkeys(self._missing)),
            findings=tuple(sorted(self._found.items, key=_order)),
            counts=dict(self._found.counts),
            finished_at=SystemClock().now(),
        )

    def _left_out(self, name: str) -> bool:
        if name in self._request.without:
            self._sources[name] = "left out"
            return True
        return False

    def _ask(self, name: str, call: Callable[[], T]) -> T | None:
        """Ask a source; one that does not answer is noted and answers None."""
        try:
            answer = call()
        except Unavailable as error:
            self._sources[name] = f"did not answer: {error}"
            self._missing.append(name)
            return None
        self._sources.setdefault(name, "asked")
        return answer

    def _ask_others(self) -> None:
        if not self._left_out("guards"):
            for difference in self._ask("guards", lambda: guard_differences(self._engine)) or ():
                self._found.add("guard", "guards", difference, found_by="guards")
        if not self._left_out("topic"):
            self._notes += self._ask("topic", lambda: sources.published(self._settings, self._log.origin, self._found)) or []
        if self._left_out("witness"):
            return
        if not self._settings.witness_url:
            self._sources["witness"] = "not asked: CA_WITNESS_URL is not set"
            return
        seen = self._ask("witness", lambda: sources.witnessed(sources.witness_of(self._settings), self._log.origin)) or []
        self._notes += seen
        if seen and self._witness is None:
            self._sources["witness"] = "asked, but CA_WITNESS_VKEY is not set: anybody may have answered"
        elif not seen and "witness" not in self._missing:
            self._sources["witness"] = "asked: it knows no such log"

    def _begin_at(self) -> _Start:
        """Where to begin: at the segment of the first entry wanted, or of the checkpoint that is the starting point."""
        since, wanted = self._since(), self._request.first
        if since is not None:
            wanted = since.size
        first = min(wanted, max(self._ends.size - 1, 0)) // SEGMENT * SEGMENT
        if first == 0:
            return _Start(0)
        tree = self._tree(first)
        try:
            start = _Start(first, Peaks.at(first, tree.node).items(), tree.node(0, first - 1).hex())
        except (MissingTile, ValueError) as error:
            self._found.add(
                "tile", f"entry {first}", f"what lies before cannot be taken from tiles, so all is verified: {error}", seq=first
            )
            return _Start(0)
        if since is not None and since.size == first and Peaks(start.peaks).fold() != since.root:
            self._found.add(
                "checkpoint", f"checkpoint {first}", "its root is not that of the tiles before it", seq=first, found_by="checkpoint"
            )
        return start

    def _since(self) -> Claim | None:
        """The checkpoint that is the starting point."""
        wanted = self._request.since
        if wanted is None:
            return None
        if isinstance(wanted, int):
            notes = self._reader.checkpoints(self._log.log_id, wanted - 1, wanted)
            if not notes:
                raise Fatal(
                    f"the log keeps no checkpoint of {wanted} entries; give the size of one that it keeps, or a file with a checkpoint"
                )
            note = notes[-1]
        else:
            try:
                note = CheckpointNote("checkpoint", Checkpoint.parse(Note.parse(wanted).text).size, wanted, cosigned=None)
            except ValueError as error:
                raise Fatal(f"the file to begin with holds no signed checkpoint: {error}") from error
        claim = read_claim(note, self._rules)
        if isinstance(claim, Finding):
            raise Fatal(f"the checkpoint to begin with is none of this log: {claim.detail}")
        self._notes.append(note)
        return claim

    def _end_at(self) -> int:
        size = self._ends.size
        return size if self._request.end is None else min(size, -(-self._request.end // SEGMENT) * SEGMENT)

    def _removed(self, first: int, end: int) -> Mapping[int, RemovedSegment]:
        """The removed segments in a range whose entries may be missing."""
        now, allowed = SystemClock().now(), {}
        for removal in self._reader.removals(self._log.log_id):
            batch = self._reader.batch_of(self._log.log_id, removal.end - 1)
            may_be_missing = check_removal(removal, None if batch is None else batch.recorded_at, now, self._found)
            if may_be_missing and first <= removal.first < end:
                allowed[removal.first] = removal
        return allowed

    def _check_own_entries(self) -> None:
        """What the log says of itself; only in a run over all of it."""
        if self._start == 0:
            wanted = {0, *(period.from_seq for period in self._trust.periods if period.log_origin == self._log.origin)}
            bodies = {row[0]: row[1] for row in self._reader.entries_at(self._log.log_id, wanted)}
            check_own_entries(self._log.origin, self._log.predecessor, self._trust, self._statements, bodies, self._found)
            check_added(self._log.origin, self._trust, self._added, bodies, self._found)

    def _check_deeds(self) -> None:
        """Holds, exports and removals, against what the log tells of them."""
        check_deeds(self._reader.deeds(), self._reader.told(ACTIONS), self._found)

    def _check_length(self) -> None:
        """Whether anybody knows the log longer than it is."""
        size = self._ends.size
        kept = [] if self._left_out("checkpoints") else self._reader.checkpoints(self._log.log_id, size, _EVERYTHING)
        longer: dict[FoundBy, int] = {}
        for note in [*kept, *self._notes]:
            if note.size <= size:
                continue
            claim = read_claim(note, self._rules)
            if isinstance(claim, Finding):
                self._found.take([claim], {claim.check: 1})
            if isinstance(claim, Claim) or _is_cosigned(note, self._rules):
                longer[note.found_by] = max(longer.get(note.found_by, 0), note.size)
        for found_by, claimed in longer.items():
            detail = f"a signed checkpoint is over {claimed} entries, the log has {size}: those from {size} on were cut off"
            self._found.add("truncated", f"entry {size}", detail, seq=size, found_by=found_by)
        self._sources.setdefault("checkpoints", "those kept in MySQL")

    def _locate_fork(self) -> None:
        """The witness has seen another tree: between which of its checkpoints it begins to differ."""
        streak = self._joiner.joined.streaks.get(("fork", "witness"))
        if streak is None:
            return
        witness, tree = sources.witness_of(self._settings), self._tree(streak.first.size)
        try:
            same, differs = sources.first_difference(witness, self._log.origin, tree, streak.first.size)
        except (Unavailable, MissingTile, ValueError):
            return  # that they differ is found; only where remains open
        detail = f"what the witness has seen agrees up to size {same} and differs at size {differs}: entries between were changed"
        self._found.add("fork", f"entry {same}", detail, seq=same, found_by="witness")

    def _account(self) -> None:
        joined = self._joiner.joined
        begin: Mapping[int, int] = {}
        if self._start > 0:
            batch = self._reader.batch_of(self._log.log_id, self._start - 1)
            begin = {} if batch is None else batch.batch(self._log.origin).offsets
        logged = sources.Logged(joined.runs, begin, joined.offsets)
        accounted = sources.account(self._settings, self._reader, logged, self._found)
        self._not_logged = accounted.waiting
        self._sources["topic"] = (
            f"{accounted.records} records accounted for, {accounted.repetitions} of them repetitions; {sum(note.found_by == 'topic' for note in self._notes)} checkpoints"
        )

    def _tree(self, size: int) -> TileTree:
        return TileTree(size, lambda tile: self._reader.tile(self._log.log_id, tile))


def _is_cosigned(note: CheckpointNote, rules: Rules) -> bool:
    try:
        return is_cosigned(Note.parse(note.note), rules)
    except ValueError:
        return False


def _order(finding: Finding) -> tuple[int, str]:
    return (-1 if finding.seq is None else finding.seq), finding.check
