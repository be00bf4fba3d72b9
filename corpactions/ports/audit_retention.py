"""What retention needs from outside its store: a bundle that verifies, and a way to tell the log what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from corpactions.domain.audit.records import AuditRecord
from corpactions.domain.audit.retention import Segment
from corpactions.domain.errors import CorporateActionsError


class RemovalRefused(CorporateActionsError):
    """The database's guards refuse to let a segment go; the message names the rule."""


class Bundle(NamedTuple):
    """Where a segment's bundle lies, and the SHA-256 of its manifest."""

    location: str
    sha256: bytes


ExportSegment = Callable[[Segment], Bundle]
"""Writes a segment's bundle where it stays and verifies it there, as it was written; raises a CorporateActionsError when it does not verify."""
Publish = Callable[[Sequence[AuditRecord]], None]
"""Sends audit records and waits until all of them are acknowledged; raises Unavailable when they are not."""
