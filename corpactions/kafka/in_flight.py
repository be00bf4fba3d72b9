"""What the worker has published and not yet seen acked, and the positions that the acks will prove.

Invariant: a start position moves only over records whose every publication is acked; a publication that may not have arrived is sent again, never given up.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, Protocol

from corpactions.domain.errors import Fatal, Rejected, Unavailable
from corpactions.kafka.publisher import Undelivered
from corpactions.ports.lifecycle import Advance
from corpactions.ports.records import Publication

_LOG: Final = logging.getLogger("corpactions.worker")
_ACK_SECONDS: Final = 3.0
"""How long a transaction may wait for acks; well below the session's ``wait_timeout``, which would end it."""
Headers = Sequence[tuple[str, bytes | None]]


class Sender(Protocol):
    """What is asked of the publisher (``kafka.publisher.Publisher``)."""

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers | None = None, partition: int | None = None
    ) -> None: ...

    def wait(self, timeout: float) -> None: ...


class InFlight:
    """The publications of one worker on their way."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._acked: list[int] = []
        self.forget()

    @property
    def waiting(self) -> bool:
        """Whether acks are out, or were not taken in yet."""
        return bool(self._publications or self._advances)

    def publish(self, publications: Sequence[Publication], advances: Sequence[Advance] = ()) -> None:
        """Send, without waiting. What cannot be sent now is sent by the next :meth:`barrier`.

        Raises:
            Fatal: a record of ours is larger than its topic takes.
        """
        self._publications.extend(publications)
        self._advances.extend(advances)
        self._unsent += len(publications)
        try:
            self._send_unsent()
        except Unavailable as error:
            _LOG.warning("not published yet: %s", error)

    def barrier(self) -> list[int]:
        """Wait until everything published is acked; then the claims' start positions are known. See ``ports.handler.Barrier``.

        Raises:
            Unavailable: acks stay out; everything unacked is sent again by the next call.
            Fatal: a record of ours is larger than its topic takes.
        """
        if self._publications:
            try:
                self._send_unsent()
                self._sender.wait(_ACK_SECONDS)
            except Undelivered:
                # Which of them arrived is not known, and a repetition harms nobody: all of them again.
                self._unsent = len(self._publications)
                raise
            except Rejected as error:
                raise _oversized(error) from error
            self._acked.extend(item.pending_id for item in self._publications if item.pending_id is not None)
        for advance in self._advances:
            advance.claim.acked_offset = max(advance.claim.acked_offset, advance.reached)
        self._start_over()
        return list(self._acked)

    def committed(self) -> None:
        """The transaction that deleted the acked pending publications is committed: they need not be named again."""
        self._acked = []

    def forget(self) -> None:
        """Drop everything: whoever claims the partitions next finds in the database what must be published."""
        self._acked = []
        self._start_over()

    def _start_over(self) -> None:
        self._publications: list[Publication] = []
        self._advances: list[Advance] = []
        self._unsent = 0

    def _send_unsent(self) -> None:
        while self._unsent:
            item = self._publications[-self._unsent]
            try:
                self._sender.send(item.topic, item.key, item.value, item.headers or None, item.partition)
            except Rejected as error:
                raise _oversized(error) from error
            self._unsent -= 1


def _oversized(error: Rejected) -> Fatal:
    return Fatal(f"a record of ours is larger than its topic takes, which its bounds rule out: {error}")
