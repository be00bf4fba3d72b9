"""The report of a demonstration: for people as tables, for programs as JSON."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from corpactions.commands.event_views import effect_text, terms_text
from corpactions.commands.gateway_client import Json, json_text
from producers.feed.demo.expectations import Expectation
from producers.feed.demo.outcome import Outcome
from producers.feed.demo.proof import complete

_SHOWN = 6


def as_json(outcome: Outcome) -> str:
    """The report as one JSON object."""
    checks = outcome.checks()
    latencies = {name: None if latency is None else latency._asdict() for name, latency in outcome.latencies().items()}
    content = {
        "adds_up": all(check.holds for check in checks),
        "checks": [{**check._asdict(), "holds": check.holds} for check in checks],
        "accepted": dict(Counter(expectation.route for expectation in outcome.expectations)),
        "accepted_before": outcome.accepted_before + outcome.announced_before(),
        "unfinished": [{"event_id": expectation.event_id, "why": why} for expectation, why in outcome.unfinished()],
        "dead_letters": [letter._asdict() for letter in outcome.letters],
        "refused": [refusal._asdict() for refusal in outcome.refusals],
        "flags": dict(outcome.flags()),
        "latency_ms": latencies,
        "events_per_second": outcome.events_per_second(),
        "audit": None if outcome.proof is None else outcome.proof.document(),
    }
    return json_text(content)


def show(console: Console, outcome: Outcome, gateway_url: str) -> None:
    """Print the report."""
    _events(console, outcome)
    _wrong(console, outcome)
    _figures(console, outcome)
    _checks(console, outcome)
    _next(console, outcome, gateway_url)
    _proof(console, outcome)


def _title(console: Console, text: str) -> None:
    console.print()
    console.print(f"[bold]{text}[/bold]")


def _events(console: Console, outcome: Outcome) -> None:
    _title(console, "What became of them")
    counts: Counter[tuple[str, str, str]] = Counter()
    for expectation in outcome.expectations:
        event = outcome.events.get(expectation.event_id, {})
        counts[expectation.route, str(event.get("event_type", "unknown")), str(event.get("status", "not found"))] += 1
    table = Table("came in by", "type", "status", box=None)
    table.add_column("events", justify="right")
    for (route, event_type, status), number in sorted(counts.items()):
        table.add_row(route, event_type, status, f"{number:,}")
    console.print(table)
    if before := outcome.accepted_before + outcome.announced_before():
        console.print(f"{before:,} of them had been announced by an earlier demonstration, and were recognised.")
    _title(console, "Some of them")
    table = Table(Column("event id", no_wrap=True), "symbol", "terms", "status", "version", "effect", box=None)
    for event in _samples(outcome):
        version = f"{event['origin']}.{event['version']}"
        effect = effect_text(event.get("effect") or {})
        table.add_row(event["event_id"], event["symbol"], terms_text(event["payload"] or {}), event["status"], version, effect)
    console.print(table)


def _samples(outcome: Outcome) -> list[Json]:
    """A few events of different kinds: for each type and status the most amended, then the newest."""
    best: dict[tuple[str, str], Json] = {}
    for event in outcome.events.values():
        if event["event_type"] is None:
            continue
        kind = (event["event_type"], event["status"])
        if kind not in best or _interest(event) > _interest(best[kind]):
            best[kind] = event
    return [best[kind] for kind in sorted(best)][:_SHOWN]


def _interest(event: Json) -> tuple[int, str]:
    payload = event["payload"] or {}
    return event["version"] or 0, payload.get("ex_date") or payload.get("effective_date") or ""


def _wrong(console: Console, outcome: Outcome) -> None:
    _title(console, f"Refused by the gateway (422), {len(outcome.refusals)} submissions, for example")
    table = Table("field", "value", "what is wrong and what would mend it", box=None)
    for refusal in outcome.refusals[:_SHOWN]:
        value = "" if refusal.value is None else str(refusal.value)
        table.add_row(refusal.field, escape(value[:30]), escape(f"{refusal.detail}; {refusal.mend}"))
    console.print(table)
    _title(console, f"In the dead-letter topic, {len(outcome.letters)} records")
    table = Table("sent", "code", "reason", box=None)
    for letter, number in Counter(outcome.letters).items():
        what = letter.what if number == 1 else f"{letter.what} ({number} times)"
        table.add_row(escape(what), letter.code, escape(letter.reason))
    console.print(table)


def _figures(console: Console, outcome: Outcome) -> None:
    _title(console, "Figures")
    table = Table("milliseconds", box=None)
    for name in ("events", "p50", "p95", "p99", "longest"):
        table.add_column(name, justify="right")
    for name, latency in outcome.latencies().items():
        if latency is not None:
            figures = (latency.p50, latency.p95, latency.p99, latency.longest)
            table.add_row(name, f"{latency.samples:,}", *(f"{figure:,.1f}" for figure in figures))
    console.print(table)
    if outcome.bulk_seconds > 0:
        console.print(f"bulk requests: {outcome.bulk_events:,} events at {outcome.bulk_events / outcome.bulk_seconds:,.0f} events/s")
    if (rate := outcome.events_per_second()) is not None:
        console.print(
            f"from the first acceptance to the last completion: {rate:,.0f} events/s (the sample is small: this is no measure of capacity)"
        )
    if flags := outcome.flags():
        console.print("flags for a person to look at: " + ", ".join(f"{flag} {number:,}" for flag, number in flags.most_common()))


def _checks(console: Console, outcome: Outcome) -> None:
    _title(console, "Does it add up?")
    table = Table("", "check", box=None, show_header=False)
    for check in outcome.checks():
        mark = "[green]✓[/green]" if check.holds else "[red]✗[/red]"
        figures = f"{check.found:,}" if check.holds else f"[red]{check.found:,}, expected {check.expected:,}[/red]"
        table.add_row(mark, check.name, figures)
    console.print(table)
    unfinished: list[tuple[Expectation, str]] = outcome.unfinished()
    for expectation, why in unfinished[:_SHOWN]:
        console.print(f"[red]{expectation.event_id}[/red] ({expectation.route}): {escape(why[:300])}")


def _proof(console: Console, outcome: Outcome) -> None:
    """The last word: what stands in the audit log, and whose word it is."""
    if (proof := outcome.proof) is None:
        return
    console.print()
    if complete(proof):
        console.print(f"[green]audit log verified: {proof.entries:,} entries, checkpoint signed and witnessed[/green]")
        return
    console.print(f"[red]the audit log does not verify[/red]: {proof.entries:,} entries, {proof.witnessed:,} of {proof.size:,} witnessed")
    for name in proof.missing:
        console.print(f"  {name}: {escape(proof.sources[name])}")
    for finding in proof.findings[:_SHOWN]:
        console.print(f"  {escape(finding.place)} ({finding.found_by}): {escape(finding.detail)}")


def _next(console: Console, outcome: Outcome, gateway_url: str) -> None:
    samples = _samples(outcome)
    event_id = max(samples, key=_interest)["event_id"] if samples else "EVENT_ID"
    _title(console, "Where to look next")
    for line in (
        f"curl -s {gateway_url}/api/v1/events/{event_id}",
        f"curl -s {gateway_url}/api/v1/events/{event_id}/history",
        f"curl -s '{gateway_url}/api/v1/events?symbol=AAPL&limit=5'",
        ".venv/bin/corpactions events list --symbol TWX",
        ".venv/bin/corpactions feed producers/feed/sample/faulty.csv",
        ".venv/bin/corpactions audit verify",
    ):
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
