"""What the gateway answers when it does not do as asked: one catalogue of codes, rendered as RFC 9457 problem details.

Codes are stable and part of the API; titles and details are for people and may change. No HTTP framework is needed here, so the decisions that raise these
can be run anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

from corpactions.domain.errors import Unavailable
from corpactions.domain.rules import Problem

MEDIA_TYPE = "application/problem+json"
SHOWN_CHARACTERS = 100
"""Longest piece of a wrong value that is echoed: enough to find it, too little to carry a document or a log injection."""
MAX_FIELD_ERRORS = 100
RETRY_SECONDS = 2
"""When to come back after a failure of a dependency: they are usually over within seconds, and a retrying crowd should not hurt."""


class Code(Enum):
    """A kind of problem: its HTTP status and its title."""

    MALFORMED_JSON = (400, "The body is not JSON")
    MISSING_IDEMPOTENCY_KEY = (400, "The Idempotency-Key header is missing")
    MALFORMED_IDEMPOTENCY_KEY = (400, "The Idempotency-Key header is not a UUID")
    MALFORMED_HEADER = (400, "A header cannot be read")
    NOT_FOUND = (404, "There is nothing at this address")
    EVENT_NOT_FOUND = (404, "There is no such event")
    NOT_PUBLISHED = (404, "The audit log does not publish this")
    AUDIT_ENTRY_NOT_FOUND = (404, "There is no such audit entry")
    VERIFICATION_NOT_FOUND = (404, "There is no such verification")
    METHOD_NOT_ALLOWED = (405, "The method is not allowed here")
    IDEMPOTENCY_KEY_REUSED = (409, "The idempotency key stands for another request")
    DUPLICATE_REQUEST = (409, "The request was accepted before")
    REQUEST_IN_PROGRESS = (409, "The same request is being worked on")
    WRONG_STATE = (409, "The event's state does not allow this")
    EVENT_NOT_READY = (409, "The event has not been applied yet")
    VERIFICATION_RUNNING = (409, "This gateway is running a verification")
    STALE_VERSION = (412, "The event has changed since it was read")
    BODY_TOO_LARGE = (413, "The body is too large")
    UNSUPPORTED_MEDIA_TYPE = (415, "The body's media type is not supported")
    INVALID_REQUEST = (422, "Something in the request is wrong")
    INTERNAL_ERROR = (500, "The gateway failed")
    NOT_PROVABLE = (500, "The audit log does not hold what proves this")
    OUTCOME_UNKNOWN = (503, "It is unknown whether the request took effect")
    DEPENDENCY_UNAVAILABLE = (503, "Something the gateway depends on does not answer")
    OVERLOADED = (503, "Too many requests are in progress")
    NOT_READY = (503, "The gateway is not ready")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]

    @property
    def title(self) -> str:
        """The kind of problem in a few words."""
        return self.value[1]

    @property
    def text(self) -> str:
        """The code as it is sent."""
        return self.name.lower()


class FieldError(NamedTuple):
    """One wrong value. ``pointer`` is a JSON pointer into the body, or ``/query/…``, ``/path/…``, ``/header/…`` for what stands outside of it."""

    pointer: str
    value: object
    detail: str
    mend: str

    @classmethod
    def of(cls, problem: Problem, prefix: str) -> FieldError:
        """A broken rule of the domain, placed in the request."""
        return cls(f"{prefix}/{problem.field}", problem.value, problem.detail, problem.mend)


class Refused(Exception):
    """The request is not done. Raised by decisions, turned into an answer at the edge.

    Args:
        code: the kind of problem.
        detail: one sentence about this occurrence: what was found and what would mend it.
        errors: the wrong values, when single ones are to blame.
        retry_after: seconds after which a repetition makes sense; None when it does not.
        extra: further members of the problem document.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code.text}: {detail}")
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.extra = extra or {}

    def document(self) -> dict[str, Any]:
        """The problem details object."""
        return {
            "type": f"urn:corporate-actions:problem:{self.code.text}",
            "title": self.code.title,
            "status": self.code.status,
            "detail": self.detail,
            "code": self.code.text,
            "errors": [
                {"pointer": error.pointer, "value": shown(error.value), "detail": error.detail, "mend": error.mend}
                for error in self.errors[:MAX_FIELD_ERRORS]
            ],
            **self.extra,
        }


def invalid(errors: Sequence[FieldError]) -> Refused:
    """422: the values that are wrong, each with its mend."""
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Refused(Code.INVALID_REQUEST, f"{first.pointer or 'the body'} {first.detail}{more}; {first.mend}", errors=errors)


def unavailable(error: Unavailable) -> Refused:
    """503: a dependency does not answer."""
    return Refused(
        Code.DEPENDENCY_UNAVAILABLE,
        f"{error.dependency} does not answer at the moment; repeat the request, with the same Idempotency-Key if it had one",
        retry_after=RETRY_SECONDS,
    )


def shown(value: object) -> object:
    """A wrong value as it may be echoed: whole numbers, booleans and null as they are, anything else as bounded text."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    text = value if isinstance(value, str) else str(value)
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[: SHOWN_CHARACTERS + 1])
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
