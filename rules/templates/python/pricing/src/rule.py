"""A price per unit that is lower at night, and never below the cost plus a margin.

configuration.schema.json says what the configuration holds.
"""

from canopy_rules import Refusal, configuration, log, micros, money
from canopy_rules.pricing import LineItem, PricedLine, PricingInput, UsageLine


def price(input: PricingInput) -> list[PricedLine]:
    settings = configuration(input.configuration)
    return [price_line(settings, line) for line in input.lines]


def price_line(settings: dict, line: UsageLine) -> PricedLine:
    prices = settings.get("meters", {}).get(line.meter)
    if prices is None:
        raise Refusal("unsupported", f"There is no price for `{line.meter}`.")
    hour = line.occurred_at % 86_400 // 3_600  # in UTC
    day = 6 <= hour < 22
    time = "by day" if day else "at night"
    unit_price = micros(prices.get("day" if day else "night"), "day" if day else "night")
    log(f"{line.meter} {time}, cost {money.format(line.cost)}")

    used = money.times(line.quantity, unit_price)
    # The cost and its margin; a part of a micro-unit is rounded away from zero.
    margin = micros(settings.get("margin_ppm", 0), "margin_ppm")
    least = money.add(line.cost, money.mul_div(line.cost, margin, money.UNIT, money.Rounding.UP))
    # A correction has a negative quantity and gives back what was charged for it.
    amount = min(used, least) if line.quantity < 0 else max(used, least)
    items = [LineItem(f"{line.meter} {time}, {money.format(unit_price)} each", line.quantity, used)]
    if amount != used:
        items.append(LineItem("Up to the least margin", 0, amount - used))
    return PricedLine(amount, items, f"Used {time}.")
