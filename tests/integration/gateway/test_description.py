"""schemathesis against the running gateway: whatever the description allows is answered as described, and nothing is a 500.

Cases are drawn by hypothesis from each operation's own strategy, since schemathesis' pytest plugin does not know the pytest in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.support.audited import audit_gateway, audited
from tests.support.gateway import Gateway

EXAMPLES = 10
OPERATIONS = (
    "POST /api/v1/events",
    "POST /api/v1/events/bulk",
    "PATCH /api/v1/events/{event_id}",
    "POST /api/v1/events/{event_id}/cancel",
    "GET /api/v1/events",
    "GET /api/v1/events/{event_id}",
    "GET /api/v1/events/{event_id}/history",
    "GET /api/v1/audit",
    "GET /api/v1/audit/entries/{seq}",
    "GET /api/v1/audit/entries/{seq}/proof",
    "GET /api/v1/audit/consistency",
    "GET /api/v1/audit/verify",
    "POST /api/v1/audit/verify",
    "GET /api/v1/audit/verify/{verification_id}",
    "GET /api/v1/audit/log/checkpoint",
    "GET /api/v1/audit/log/key",
    "GET /api/v1/audit/log/keys",
    "GET /api/v1/audit/log/tile/{name}",
    "GET /health/live",
    "GET /health/ready",
)


@pytest.fixture(scope="module")
def served(endpoints: dict[str, Any]) -> Iterator[Gateway]:
    """A gateway with an audit log of a thousand entries to read."""
    with audited(endpoints) as log:
        log.grow(999)
        with audit_gateway(log) as found:
            yield found


@pytest.fixture(scope="module")
def operations(served: Gateway) -> dict[str, Any]:
    """Every operation that the gateway describes."""
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    results: list[Any] = list(schema.get_all_operations())
    found = [result.ok() for result in results]
    return {operation.label: operation for operation in found}


def test_every_operation_is_tried(operations: dict[str, Any]) -> None:
    assert set(operations) == set(OPERATIONS)


POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.mark.parametrize(
    ("mode", "label"),
    [(POSITIVE, label) for label in OPERATIONS] + [(NEGATIVE, label) for label in OPERATIONS if not label.startswith("GET /health")],
)
def test_the_gateway_does_as_it_describes(operations: dict[str, Any], label: str, mode: schemathesis.GenerationMode) -> None:
    # Dates and legs are judged together, which a schema cannot say; and a bulk request answers 200 with a verdict on each of its items.
    excluded = [positive_data_acceptance] + ([negative_data_rejection] if label.endswith("/bulk") else [])

    @given(case=operations[label].as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def run(case: Any) -> None:
        case.call_and_validate(timeout=20, excluded_checks=excluded)

    run()
