"""Senders that never give up, and the first of them: an upstream system on Kafka."""

from __future__ import annotations

import threading
import time

from corpactions.domain.messages import VersionRef
from tests.chaos.script import Script
from tests.support.product import Product
from tests.support.upstream import Upstream

ANSWER_SECONDS = 120.0
"""How long one request is repeated before that is a failure of its own."""
_PAUSE = 0.05


class Sender(threading.Thread):
    """Sends until told to stop, then finishes what it has begun. :meth:`finish` raises what went wrong."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.acked: set[tuple[str, VersionRef]] = set()
        self._stopping = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.step()
                time.sleep(_PAUSE)
        except BaseException as error:
            self._error = error

    def step(self) -> None:
        """Send something and wait for its answer."""
        raise NotImplementedError

    def tell_to_finish(self) -> None:
        """Begin nothing new."""
        self._stopping.set()

    def finish(self) -> None:
        """Stop and wait for what is on its way."""
        self.tell_to_finish()
        self.join(ANSWER_SECONDS + 10)
        assert not self.is_alive(), f"{self.name} hangs"
        if self._error is not None:
            raise self._error


class KafkaSender(Sender):
    """Batches of records straight onto the topic."""

    def __init__(self, product: Product, script: Script) -> None:
        super().__init__("upstream")
        self._upstream = Upstream(product, ANSWER_SECONDS)
        self._script = script

    def step(self) -> None:
        batch = self._script.batch(10)
        for item in batch:
            self._upstream.post(item.key, item.value, partition=item.partition)
        self._upstream.flush()
        self.acked.update((item.message.event_id, item.message.ref) for item in batch if item.message is not None)
