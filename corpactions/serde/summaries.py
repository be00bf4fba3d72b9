"""Batch summaries as Avro bytes, for ``corporate-actions-summaries``."""

from __future__ import annotations

from typing import Final

from corpactions.domain.audit.records import BatchSummary, Delta
from corpactions.domain.errors import Rejected
from corpactions.ports.schemas import SchemaSource
from corpactions.serde.values import micros_of, time_of
from corpactions.serde.wire import RecordFormat

RECORD: Final = "BatchSummary"


class SummaryCodec:
    """Batch summaries to bytes and back; arguments and errors as :class:`RecordFormat`."""

    def __init__(self, source: SchemaSource, schema_id: int) -> None:
        self._format = RecordFormat(source, RECORD, schema_id)

    def encode(self, summary: BatchSummary) -> bytes:
        """The framed Avro value of a summary."""
        return self._format.write(
            {
                "topic": summary.topic,
                "partition": summary.partition,
                "summary_seq": summary.summary_seq,
                "committed_at": micros_of(summary.committed_at),
                "deltas": [
                    {"minute": micros_of(delta.minute), "event_type": delta.event_type, "status": delta.status, "count": delta.count}
                    for delta in summary.deltas
                ],
                "records": summary.records,
                "rejected": summary.rejected,
            }
        )

    def decode(self, value: bytes | None) -> BatchSummary:
        """The summary in a value.

        Raises:
            Rejected: as :meth:`RecordFormat.read`; bad_field for a time out of range.
            Unavailable: a schema id not met before, while the registry does not answer.
        """
        fields = self._format.read(value)
        try:
            return BatchSummary(
                topic=fields["topic"],
                partition=fields["partition"],
                summary_seq=fields["summary_seq"],
                committed_at=time_of(fields["committed_at"]),
                deltas=tuple(
                    Delta(time_of(item["minute"]), item["event_type"], item["status"], item["count"]) for item in fields["deltas"]
                ),
                records=fields["records"],
                rejected=fields["rejected"],
            )
        except OverflowError as error:
            raise Rejected(
                "bad_field", f"summary {fields['summary_seq']} of partition {fields['partition']} holds a time out of range: {error}"
            ) from error
