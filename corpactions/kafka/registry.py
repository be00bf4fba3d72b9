"""The schema registry, through Confluent's API: any registry that speaks it will do.

Services only read. Registering belongs to the deployment (``corpactions schemas register``), so that no service can change the contract by starting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, Literal, NamedTuple, TypeVar

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from corpactions.domain.errors import Fatal, Rejected, Unavailable
from corpactions.ports.ambient import Clock

TIMEOUT_SECONDS: Final = 4.0
UNKNOWN_SECONDS: Final = 10.0
"""How long "there is no such id" is believed: long enough to spare the registry a flood of poison, short enough for a schema registered a moment late."""
_MOST_UNKNOWN: Final = 10_000

_T = TypeVar("_T")
Outcome = Literal["registered", "unchanged"]


class Registration(NamedTuple):
    """What registering did: the schema's id, and whether it was new to the subject."""

    subject: str
    schema_id: int
    outcome: Outcome


class Registry:
    """A schema registry's client; a :class:`SchemaSource`. One object may be shared by threads.

    Args:
        url: base of the Confluent API, for example ``http://127.0.0.1:18081/apis/ccompat/v7``.
        clock: tells when an unknown id may be asked for again.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        # One try a call: whoever calls decides about repeating, and the circuit breaker must see every failure.
        self._client = SchemaRegistryClient({"url": url, "timeout": TIMEOUT_SECONDS, "max.retries": 0})
        self._clock = clock
        self._texts: dict[int, str] = {}
        self._unknown_until: dict[int, float] = {}

    def schema_text(self, schema_id: int) -> str | None:
        """The schema's text, kept for ever once known; None when the registry says that there is none.

        Raises:
            Unavailable: the registry does not answer, or answers with an error of its own.
        """
        text = self._texts.get(schema_id)
        if text is not None:
            return text
        if self._clock.monotonic() < self._unknown_until.get(schema_id, 0.0):
            return None
        schema = _or_none(lambda: self._client.get_schema(schema_id))
        if schema is None or schema.schema_str is None:
            self._remember_unknown(schema_id)
            return None
        self._texts[schema_id] = schema.schema_str
        return schema.schema_str

    def latest_id(self, subject: str) -> int:
        """The id of a subject's newest schema.

        Raises:
            Unavailable: the registry does not answer.
            Fatal: the subject is not registered.
        """
        self._client.clear_latest_caches()  # type: ignore[no-untyped-call]
        newest = _or_none(lambda: self._client.get_latest_version(subject))
        if newest is None or newest.schema_id is None:
            raise Fatal(f"the registry has no subject {subject}; run `corpactions schemas register`")
        return int(newest.schema_id)

    def register(self, subject: str, schema_text: str, compatibility: str = "FULL_TRANSITIVE") -> Registration:
        """Register a schema under a subject and hold the subject to a compatibility; the same again changes nothing.

        Raises:
            Rejected: incompatible_schema, with the registry's findings.
            Unavailable: the registry does not answer.
        """
        schema = Schema(schema_text, "AVRO")
        before = _or_none(lambda: self._client.lookup_schema(subject, schema))
        with _answering(f"{subject} refuses this schema"):
            # Before the schema itself: from the first version on, the next one is checked against it.
            self._client.set_compatibility(subject, compatibility)
            schema_id = before.schema_id if before is not None else None
            if schema_id is None:
                schema_id = self._client.register_schema(subject, schema)
        return Registration(subject, schema_id, "registered" if before is None else "unchanged")

    def check(self, subject: str, schema_text: str) -> bool:
        """Whether a subject would take a schema: it is new, or compatible with every version so far.

        Raises:
            Rejected: the text is no Avro schema.
            Unavailable: the registry does not answer.
        """
        found = _or_none(lambda: self._client.test_compatibility_all_versions(subject, Schema(schema_text, "AVRO")))
        return found is None or bool(found)

    def _remember_unknown(self, schema_id: int) -> None:
        if len(self._unknown_until) >= _MOST_UNKNOWN:
            self._unknown_until.clear()
        self._unknown_until[schema_id] = self._clock.monotonic() + UNKNOWN_SECONDS


def _or_none(call: Callable[[], _T]) -> _T | None:
    with _answering("the registry refuses the request"):
        try:
            return call()
        except SchemaRegistryError as error:
            if error.http_status_code == HTTPStatus.NOT_FOUND:
                return None
            raise


@contextmanager
def _answering(refusal: str) -> Iterator[None]:
    """Sort the client's errors: no answer and 5xx or 429 are Unavailable, a conflict is the schema's fault."""
    try:
        yield
    except SchemaRegistryError as error:
        if error.http_status_code in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
            raise Rejected("incompatible_schema", f"{refusal}: {error.error_message}") from error
        raise Unavailable("registry", f"it answers HTTP {error.http_status_code}: {error.error_message[:200]}") from error
    except Exception as error:  # the client's choice of HTTP library is its own affair, and so are the names of that library's errors
        raise Unavailable("registry", f"{type(error).__name__}: {error}") from error
