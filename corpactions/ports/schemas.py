"""Where schemas come from: the registry, as seen by the serialisation code."""

from __future__ import annotations

from typing import Protocol


class SchemaSource(Protocol):
    """Reads registered schemas. Answers are cached for ever by id, since a registered schema never changes."""

    def schema_text(self, schema_id: int) -> str | None:
        """The Avro schema with that id as JSON text, or None when the registry answers that there is none.

        Raises:
            Unavailable: the registry does not answer and the id is not cached.
        """

    def latest_id(self, subject: str) -> int:
        """The id of a subject's newest schema.

        Raises:
            Unavailable: the registry does not answer.
            Fatal: the subject is not registered; registering is a deployment step, never a service's.
        """
