"""What can go wrong, sorted by what the pipeline must do about it.

    CorporateActionsError
    ├── Rejected      the record itself is wrong: dead-letter topic at once, no existing row changes
    ├── Retryable     one item failed while the dependency answers: park its symbol, up to three attempts
    ├── Unavailable   a dependency is away: hold the partitions, spend no attempt
    └── Fatal         an invariant or the configuration is broken: stop the process with a clear message

No class knows HTTP or Kafka: each edge translates. A test compares this tree with the classes below.
"""

from __future__ import annotations


class CorporateActionsError(Exception):
    """Root of every error this product raises on purpose."""


class Rejected(CorporateActionsError):
    """The record can never be applied as it is.

    Args:
        code: stable snake_case identifier, published in dead letters and API problems.
        reason: one sentence for a person: field, value and what would mend it.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Retryable(CorporateActionsError):
    """One item could not be processed now although its dependency answered; a later attempt may succeed."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Unavailable(CorporateActionsError):
    """A dependency does not answer at all. Nothing is wrong with the records in hand, so no attempt of theirs is spent.

    Args:
        dependency: its name in logs and health answers, for example ``mysql`` or ``security-master``.
        reason: what was observed, without secrets.
    """

    def __init__(self, dependency: str, reason: str) -> None:
        super().__init__(f"{dependency} is unavailable: {reason}")
        self.dependency = dependency
        self.reason = reason


class Fatal(CorporateActionsError):
    """Going on would risk the record: the process ends and says why."""
