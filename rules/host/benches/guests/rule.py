"""The rule of the benchmark in Python: a price per unit, for each meter or for `*`."""

import json

from wit_world.exports import PricingRule as Contract
from wit_world.exports.pricing_rule import LineItem, PricedLine


def micros(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(6, "0"))


class PricingRule(Contract):
    def price(self, input):
        meters = json.loads(input.configuration)["meters"]
        priced = []
        for line in input.lines:
            price = (meters.get(line.meter) or meters["*"])["unit_price"]
            amount = line.quantity * micros(price) // 1_000_000
            item = LineItem(f"{price} per 1", line.quantity, amount)
            priced.append(PricedLine(amount, [item], ""))
        return priced
