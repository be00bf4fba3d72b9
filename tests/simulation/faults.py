"""The names of everything that can go wrong inside a call, as rates and scripts use them. What goes wrong from outside (kills, outages) is an operation of the plan."""

from __future__ import annotations

from typing import Final

CALL_FAULTS: Final = {
    "statement-lost": "the connection to MySQL breaks at a statement",
    "deadlock": "MySQL chooses this transaction as a deadlock's victim",
    "commit-lost-done": "COMMIT gets no answer, and was done",
    "commit-lost-undone": "COMMIT gets no answer, and was not done",
    "commit-lost-running-done": "COMMIT gets no answer, still holds its locks, and is done later",
    "commit-lost-running-undone": "COMMIT gets no answer, still holds its locks, and is undone later",
    "ack-lost-landed": "a produced record is in the log, its acknowledgement never comes",
    "ack-lost-dropped": "a produced record never reaches the log, and nobody says so",
    "ack-lost-late": "a produced record is given up by its sender and lands afterwards",
    "ack-late": "acknowledgements come later than the sender waits",
    "queue-full": "the send queue takes no more",
    "callback-late": "a poll gives records before it tells of a change of the assignment",
    "no-coordinator": "the group does not say whether a member belongs to it",
    "watermarks-lost": "the broker does not tell the ends of a partition",
    "lookup-failed": "the security master answers, but not for one symbol",
    "lookup-lost": "the security master does not answer a call",
    "registry-lost": "the registry does not answer a question",
}
"""Drawn at every opportunity with the run's rate for it."""
