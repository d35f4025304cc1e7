"""The contract `pricing`: wit/pricing.wit says what each field means.

A rule is a module `rule` with a function `price(input: PricingInput) -> list[PricedLine]`.
"""

from dataclasses import dataclass, field


@dataclass
class Account:
    """The account that used something, as this seller sees it."""

    path: str
    buyer: str
    buyer_plan: str


@dataclass
class PeriodTotals:
    """What the buyer used of the line's meter in the calendar month (UTC) before the line."""

    start: int
    quantity: int
    lines: int


@dataclass
class UsageLine:
    """One thing that was used. Quantity and cost are in micro-units, times in seconds since 1970."""

    account: int
    meter: str
    quantity: int
    cost: int
    occurred_at: int
    attributes: str | None
    period: PeriodTotals


@dataclass
class PricingInput:
    """A batch of lines of one seller. `configuration` is JSON."""

    seller_path: str
    currency: str
    configuration: str
    accounts: list[Account]
    lines: list[UsageLine]


@dataclass
class LineItem:
    """Part of an amount, as shown on the receipt. The amount is negative for a discount."""

    description: str
    quantity: int
    amount: int


@dataclass
class PricedLine:
    """The price of one line. When there are items, their amounts add up to the amount."""

    amount: int
    items: list[LineItem] = field(default_factory=list)
    reason: str = ""
