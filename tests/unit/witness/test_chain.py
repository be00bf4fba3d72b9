"""Whatever is asked in whatever order, all that the witness ever cosigned of a log is one history, each size continuing the one before."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from consumers.witness.handler import Witness
from consumers.witness.store import SqliteBook
from consumers.witness.trust import Trust
from corpactions.domain.audit import notes
from corpactions.domain.audit.notes import Checkpoint, Note, Signature
from corpactions.security.signing import verify
from tests.support.fakes import FakeClock
from tests.support.signing import LOG, WITNESS, MemorySigner
from tests.support.witnessing import MemoryBook, SignedLog, submission

KEY = MemorySigner(WITNESS, 9).cosigning_key
WORLDS = [SignedLog(), SignedLog(salt="x", fork=4), SignedLog(salt="y", fork=9)]
sizes, worlds = st.integers(0, 20), st.sampled_from(WORLDS)


class Requests(RuleBasedStateMachine):
    """Three logs under one key, which differ from some entry on, all shown to one witness with two books that must agree."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / "witness.db"
        self._open()
        self._memory = self._witness(MemoryBook())
        self._answered: dict[int, bytes] = {}

    def _open(self) -> None:
        self._book = SqliteBook(self._file)
        self._disk = self._witness(self._book)

    @staticmethod
    def _witness(book: MemoryBook | SqliteBook) -> Witness:
        return Witness(book, Trust([MemorySigner().key], book, verify), MemorySigner(WITNESS, 9), FakeClock(), verify)

    @rule(world=worlds, old=sizes, new=sizes)
    def add(self, world: SignedLog, old: int, new: int) -> None:
        self._ask(world.request(old, new), world.note(new))

    @rule(world=worlds, new=sizes)
    def add_from_where_it_stands(self, world: SignedLog, new: int) -> None:
        newest = max(self._answered, default=0)
        self._ask(world.request(newest, new), world.note(new))

    @rule(world=worlds, other=worlds, old=sizes, new=sizes)
    def add_with_a_borrowed_proof(self, world: SignedLog, other: SignedLog, old: int, new: int) -> None:
        self._ask(submission(old, other.path(old, new), world.note(new)), world.note(new))

    @rule()
    def restart(self) -> None:
        self._book.close()
        self._open()

    def _ask(self, body: bytes, note: Note) -> None:
        answer = self._disk.add_checkpoint(body)
        assert answer.status == self._memory.add_checkpoint(body).status
        if answer.status == 200:
            line = Signature.parse(answer.body.decode()[:-1])
            assert notes.cosigned_at(Note(note.text, (line,)), KEY, verify)
            checkpoint = Checkpoint.parse(note.text)
            assert self._answered.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root

    @invariant()
    def all_that_was_answered_is_one_history(self) -> None:
        assert any(all(world.root(size) == root for size, root in self._answered.items()) for world in WORLDS)

    @invariant()
    def all_that_was_answered_is_kept(self) -> None:
        kept = {seen.size: seen.root for seen in self._book.between(LOG, 0, 1_000, 1_000)}
        assert kept == self._answered

    def teardown(self) -> None:
        self._book.close()
        self._folder.cleanup()


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
