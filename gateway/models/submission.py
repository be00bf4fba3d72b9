"""Bodies of the mutations, one model per event type behind a discriminated union.

The models check structure and spelling: which fields, and that each is of its kind. Whether the values make sense is the domain's business
(``domain.fields``, ``domain.rules``), so that REST, the feed and the worker refuse the same things. Unknown fields are refused: a typo must not be lost.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from corpactions.domain.fields import DEFAULT_SOURCE, MAX_REASON, MAX_REFERENCE
from corpactions.domain.terms import Dividend, Merger, StockSplit, Terms
from gateway.models.values import Amount, Day, Ratio, text

_SYMBOL = r"^[A-Z0-9][A-Z0-9.\-]{0,15}$"
_ISIN = r"^[A-Z]{2}[A-Z0-9]{9}[0-9]$"
_SOURCE = r"^[A-Za-z0-9][A-Za-z0-9._:/\-]{0,63}$"

Symbol = Annotated[str, text("Ticker of the security; never normalised.", _SYMBOL)]
Isin = Annotated[str, text("ISIN (ISO 6166) with a correct check digit.", _ISIN)]
Source = Annotated[str, text("The system or desk that announces; part of the event's identity together with the reference.", _SOURCE)]
Reference = Annotated[str, text("The source's own reference; unique per symbol and source.", longest=MAX_REFERENCE)]
Currency = Annotated[str, text("ISO 4217 code.", "^[A-Z]{3}$")]
Attributes = Annotated[dict[str, Any], Field(description="Any further announced data; kept digit for digit.")]
Reason = Annotated[str, text("Why, in the person's words.", r"\S", MAX_REASON)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class _Payload(_Body):
    """What every event type may carry besides its own terms."""

    announcement_date: Day | None = None
    """Date of the announcement."""
    record_date: Day | None = None
    """Positions settled at its close are entitled."""
    pay_date: Day | None = None
    """Date of payment."""
    attributes: Attributes | None = None


class DividendPayload(_Payload):
    """Terms of a cash dividend (DVCA)."""

    amount_per_share: Amount
    """Gross amount per share, exactly as announced."""
    currency: Currency
    ex_date: Day
    """First day on which the share trades without the dividend."""
    dividend_type: Annotated[str, Field(json_schema_extra={"enum": ["CASH", "SPECIAL", "INTERIM", "FINAL"]})] = "CASH"
    """How often or why it is paid."""

    def terms(self, attributes: str | None) -> Terms:
        """The terms as the domain knows them; ``attributes`` is the announced text."""
        return Dividend(
            self.amount_per_share,
            self.currency,
            self.ex_date,
            self.dividend_type,
            self.announcement_date,
            self.record_date,
            self.pay_date,
            attributes,
        )


class StockSplitPayload(_Payload):
    """Terms of a split (SPLF) or consolidation (SPLR)."""

    ratio_new: Ratio
    """Shares held after, for every ``ratio_old`` held before."""
    ratio_old: Ratio
    """Shares held before."""
    ex_date: Day
    """First day on which the share trades in its new form."""

    def terms(self, attributes: str | None) -> Terms:
        """The terms as the domain knows them; ``attributes`` is the announced text."""
        return StockSplit(self.ratio_new, self.ratio_old, self.ex_date, self.announcement_date, self.record_date, self.pay_date, attributes)


class MergerPayload(_Payload):
    """Terms of a merger (MRGR): cash, shares of the acquirer, or both, per share held."""

    acquirer_symbol: Symbol
    effective_date: Day
    """Day on which the old symbol ends."""
    cash_per_share: Amount | None = None
    """Cash leg; needs ``currency``."""
    currency: Currency | None = None
    shares_new: Ratio | None = None
    """Acquirer's shares received for every ``shares_old``."""
    shares_old: Ratio | None = None
    """Old shares given."""

    def terms(self, attributes: str | None) -> Terms:
        """The terms as the domain knows them; ``attributes`` is the announced text."""
        return Merger(
            self.acquirer_symbol,
            self.effective_date,
            self.cash_per_share,
            self.currency,
            self.shares_new,
            self.shares_old,
            self.announcement_date,
            self.record_date,
            self.pay_date,
            attributes,
        )


class _Submission(_Body):
    symbol: Symbol
    isin: Isin | None = None
    source: Source = DEFAULT_SOURCE
    source_reference: Reference | None = None


class DividendSubmission(_Submission):
    """A cash dividend to announce."""

    event_type: Literal["DIVIDEND"]
    payload: DividendPayload


class StockSplitSubmission(_Submission):
    """A split or consolidation to announce."""

    event_type: Literal["STOCK_SPLIT"]
    payload: StockSplitPayload


class MergerSubmission(_Submission):
    """A merger to announce."""

    event_type: Literal["MERGER"]
    payload: MergerPayload


Submission = Annotated[DividendSubmission | StockSplitSubmission | MergerSubmission, Field(discriminator="event_type")]
Payload = DividendPayload | StockSplitPayload | MergerPayload


class Bulk(_Body):
    """Up to 500 events under one idempotency key. Items are judged one by one: a wrong one does not hold back the others."""

    events: Annotated[list[Submission], Field(min_length=1, max_length=500)]


class Amendment(_Body):
    """The complete new terms of an event; they replace the old ones."""

    payload: Payload
    """Of the event's own type."""
    reason: Reason


class Cancellation(_Body):
    """The end of an event."""

    function: Literal["CANC", "WITH"]
    """CANC: the sender's mistake. WITH: the issuer withdrew it."""
    reason: Reason
