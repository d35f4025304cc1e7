"""Inputs for the tests of a rule, which run natively."""

import json
from typing import Any

from .limits import AccountFacts, AccountKind, CreditMode, LimitsInput
from .pricing import Account, PeriodTotals, PricingInput, UsageLine


def line(meter: str, quantity: int, cost: int = 0, occurred_at: int = 12 * 3600) -> UsageLine:
    """A line of usage: quantity and cost in micro-units, at 1970-01-01T12:00:00Z."""
    return UsageLine(0, meter, quantity, cost, occurred_at, None, PeriodTotals(0, 0, 0))


def pricing(configuration: Any, lines: list[UsageLine]) -> PricingInput:
    """A batch of one client whose direct seller is asked."""
    account = Account("acc_seller/acc_buyer/", "acc_buyer", "pln_sample")
    return PricingInput("acc_seller/", "USD", json.dumps(configuration), [account], lines)


def limits(configuration: Any, plan: str, level: int) -> LimitsInput:
    """The question about a subaccount at a level."""
    facts = AccountFacts("acc_seller/acc_buyer/", AccountKind.SUBACCOUNT, level, CreditMode.MANUAL)
    return LimitsInput(plan, facts, [], json.dumps(configuration))
