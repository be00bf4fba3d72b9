"""Reading the audit log for callers: pages whose entries are verified as they are read, and what is missing between them; failures are counted and logged.

Invariant: a failed check never keeps the rest of a page from being shown, and is never shown without having been counted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from corpactions.auditing.access import AuditAccess, ShownEntry, ShownPage
from corpactions.domain.audit.findings import Finding
from corpactions.domain.audit.merkle import root_at
from corpactions.domain.audit.notes import Checkpoint, Note, encode_base64
from corpactions.domain.audit.offsets import Span, gaps, runs_of
from corpactions.domain.errors import Fatal
from corpactions.persistence.audit_published import NotPublished
from corpactions.persistence.audit_reading import EntryQuery, MissingTile
from corpactions.ports.audit import LogRow
from corpactions.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)
_LOGGED: Final = 20
"""Failures of one page that are logged one by one; all are counted."""
_FIELDS: Final = ("event_type", "symbol", "resource", "actor", "action")


class AuditPage(NamedTuple):
    """A verified page. ``checkpoint`` is the one it was verified under, if there is one; ``findings`` are about what its entries share, missing ones among them.

    ``complete``: no entry between the first and the last of it is missing, which the numbers prove where all is verified and nothing was filtered out.
    """

    shown: ShownPage
    checkpoint: Checkpoint | None
    findings: tuple[Finding, ...]
    complete: bool

    @property
    def failed(self) -> list[ShownEntry]:
        """The entries that did not pass."""
        return [entry for entry in self.shown.entries if not entry.verdict.verified]


class Auditor:
    """Reads pages. For one thread at a time; every method raises Unavailable when MySQL does not answer, and Fatal when there is no log yet.

    Args:
        access: the log.
        metrics: counts what was read and what failed.
    """

    def __init__(self, access: AuditAccess, metrics: Metrics) -> None:
        self._access = access
        self._metrics = metrics

    def page(self, query: EntryQuery) -> AuditPage:
        """The entries that match a query."""
        covered = self._access.reader.ends(self._access.log().log_id).checkpoints  # before the entries are read: the log may grow meanwhile
        shown = self._access.page(query)
        filtered = any(getattr(query, name) is not None for name in _FIELDS)
        return self._judged(shown, [] if filtered else self._missing(shown, _span(query, shown, covered)), filtered=filtered)

    def entry(self, seq: int) -> AuditPage:
        """One entry; a page without any when it is not there. It is missing when a checkpoint covers it and it was not removed by the rules."""
        covered = self._access.reader.ends(self._access.log().log_id).checkpoints
        shown = self._access.entries([seq])
        return self._judged(shown, self._missing(shown, Span(seq, min(seq + 1, covered))), filtered=False)

    def _missing(self, shown: ShownPage, span: Span) -> list[Span]:
        here = runs_of(sorted(entry.seq for entry in shown.entries))
        missing = gaps(here, *span)
        if not missing:
            return []
        removed = [Span(each.first, each.end) for each in self._access.reader.removals(shown.log.log_id)]
        return gaps([*here, *removed], *span)

    def _judged(self, shown: ShownPage, missing: Sequence[Span], *, filtered: bool) -> AuditPage:
        verdict = shown.verdict
        absent = [
            Finding(
                "sequence",
                "log",
                shown.log.origin,
                span.first,
                f"entry {span.first}",
                f"entries {span.first} to {span.end - 1} are missing",
            )
            for span in missing
        ]
        covered = all(entry.verdict.checkpointed for entry in shown.entries)
        page = AuditPage(
            shown,
            self._checkpoint(shown.log, verdict.size),
            (*verdict.findings, *absent),
            complete=verdict.verified and covered and not filtered and not missing and bool(shown.entries),
        )
        self._tell(page)
        return page

    def _checkpoint(self, log: LogRow, size: int) -> Checkpoint | None:
        """The checkpoint of a size that was just used; there is none of size 0."""
        notes = self._access.reader.checkpoints(log.log_id, size - 1, size) if size else []
        return Checkpoint.parse(Note.parse(notes[-1].note).text) if notes else None

    def _tell(self, page: AuditPage) -> None:
        self._metrics.entries_read(len(page.shown.entries))
        failures = [(f"entry {entry.seq}", entry.verdict.failed) for entry in page.failed]
        failures += [(f"{finding.place}: {finding.detail}", (finding.check,)) for finding in page.findings]
        for _, checks in failures:
            self._metrics.entry_failed(checks)
        for place, checks in failures[:_LOGGED]:
            _log.error("audit log %s, %s: failed %s; see the runbook audit-chain", page.shown.log.origin, place, ", ".join(checks))


def _span(query: EntryQuery, shown: ShownPage, covered: int) -> Span:
    """Which entries an unfiltered page must hold: from its neighbours, where they are known, or its own ends, where a time bounds it."""
    numbers = [entry.seq for entry in shown.entries]
    begin = end = None
    if query.after is not None:
        begin, end = (query.after + 1, None) if query.oldest_first else (None, query.after)
    if begin is None and query.recorded_from is None and (query.oldest_first or not shown.more):
        begin = 0
    if end is None and query.recorded_to is None and not (query.oldest_first and shown.more):
        end = covered
    low = min(numbers, default=end or 0) if begin is None else begin
    return Span(low, max(end or low, max(numbers, default=-1) + 1))


def consistency_document(access: AuditAccess, first: int, second: int | None) -> dict[str, Any]:
    """The proof that the tree of ``second`` entries, by default that of the newest checkpoint, begins with the tree of ``first``.

    Raises:
        NotPublished: no checkpoint is over so many entries.
        Fatal: what is stored does not give the path.
        Unavailable: MySQL does not answer.
    """
    log = access.log()
    covered = access.reader.ends(log.log_id).checkpoints
    second = covered if second is None else second
    if max(first, second) > covered:
        raise NotPublished(f"the newest checkpoint is over {covered} entries, not over {max(first, second)}")
    path = access.consistency(first, second)
    return {
        "origin": log.origin,
        "from": _sized(access, log.log_id, first),
        "to": _sized(access, log.log_id, second),
        "path": [encode_base64(node) for node in path],
    }


def _sized(access: AuditAccess, log_id: int, size: int) -> dict[str, Any]:
    notes = access.reader.checkpoints(log_id, size - 1, size)
    try:
        root = root_at(size, access.tree(size).node)
    except (MissingTile, ValueError) as error:
        raise Fatal(f"the root over {size} entries: {error}") from error
    return {"size": size, "root": encode_base64(root), "checkpoint": notes[-1].note.decode() if notes else None}
