"""What the witness's tests share: a log that signs its checkpoints, a book in memory, and requests as text."""

from __future__ import annotations

from collections.abc import Sequence

from consumers.witness.book import Refusal, Seen, Succession
from corpactions.domain.audit.merkle import consistency_path, leaf_hash, root_of
from corpactions.domain.audit.notes import Checkpoint, Note, encode_base64, sign_note
from tests.support.signing import LOG, MemorySigner


class MemoryBook:
    """The witness's book without a disk."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, Seen]] = {}
        self._successions: list[Succession] = []
        self._refused: list[Refusal] = []

    def newest(self, origin: str) -> Seen | None:
        sizes = self._seen.get(origin, {})
        return sizes[max(sizes)] if sizes else None

    def at(self, origin: str, size: int) -> Seen | None:
        return self._seen.get(origin, {}).get(size)

    def between(self, origin: str, first: int, last: int, limit: int) -> Sequence[Seen]:
        return [seen for size, seen in sorted(self._seen.get(origin, {}).items()) if first <= size <= last][:limit]

    def origins(self) -> Sequence[str]:
        return sorted(self._seen)

    def accept(self, seen: Seen, after: int | None) -> bool:
        newest = self.newest(seen.origin)
        if (newest.size if newest else None) != after:
            return False
        known = self.at(seen.origin, seen.size)
        self._seen.setdefault(seen.origin, {})[seen.size] = known._replace(latest=seen.latest) if known else seen
        return True

    def successions(self, name: str) -> Sequence[Succession]:
        return [each for each in self._successions if each.period.key.name == name]

    def succeed(self, succession: Succession) -> bool:
        if any(each.old == succession.old for each in self._successions):
            return False
        self._successions.append(succession)
        return True

    def refuse(self, refusal: Refusal) -> None:
        text = Note.parse(refusal.note).text
        for index, known in enumerate(self._refused):
            if known.origin == refusal.origin and Note.parse(known.note).text == text:
                self._refused[index] = known._replace(times=known.times + 1, last_at=refusal.last_at)
                return
        self._refused.append(refusal)
        older = [each for each in self._refused if each.origin == refusal.origin][:-1000]
        self._refused = [each for each in self._refused if each not in older]

    def refused(self, origin: str, limit: int) -> Sequence[Refusal]:
        return [each for each in reversed(self._refused) if each.origin == origin][:limit]

    def check(self) -> None:
        """Memory is always there."""


class SignedLog:
    """A log of numbered leaves under one key. Two logs with another ``salt`` have other leaves from ``fork`` on."""

    def __init__(self, origin: str = LOG, signer: MemorySigner | None = None, salt: str = "", fork: int = 0) -> None:
        self.origin = origin
        self.signer = signer or MemorySigner()
        self._salt, self._fork = salt, fork

    def leaves(self, size: int) -> list[bytes]:
        return [leaf_hash(f"{seq}{self._salt if seq >= self._fork else ''}".encode()) for seq in range(size)]

    def root(self, size: int) -> bytes:
        return root_of(self.leaves(size))

    def note(self, size: int) -> Note:
        """Its signed checkpoint."""
        return sign_note(Checkpoint(self.origin, size, self.root(size)).text(), self.signer)

    def path(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of ``new`` leaves continues that of ``old``."""
        leaves = self.leaves(new)
        return consistency_path(old, new, lambda level, index: root_of(leaves[index << level : (index + 1) << level])) if old <= new else []

    def request(self, old: int, new: int) -> bytes:
        """The body of ``add-checkpoint``."""
        return submission(old, self.path(old, new), self.note(new))


def submission(old: int | str, path: Sequence[bytes], note: Note | bytes) -> bytes:
    """The body of ``add-checkpoint`` from its parts."""
    head = "".join(f"{line}\n" for line in (f"old {old}", *map(encode_base64, path), ""))
    return head.encode() + (note if isinstance(note, bytes) else note.encode())
