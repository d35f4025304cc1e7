"""How many members and subaccounts an account may have, by its plan; the deeper it lies in the tree, the fewer.

configuration.schema.json says what the configuration holds.
"""

from canopy_rules import Refusal, configuration, log, micros, money
from canopy_rules.limits import CreditMode, LimitsAnswer, LimitsInput, Policy, ResourceLimit


def evaluate(input: LimitsInput) -> LimitsAnswer:
    settings = configuration(input.configuration)
    plans = settings.get("plans", {})
    allowance = plans.get(input.plan, plans.get("*"))
    if allowance is None:
        raise Refusal("unsupported", f"There is no plan `{input.plan}`.")
    level = input.account.level
    log(f"plan {input.plan}, level {level}")
    ppm = micros(settings.get("per_level_ppm"), "per_level_ppm")

    def count(name: str) -> int:
        return micros(allowance.get(name), name)

    # What holds for the subaccounts of the account: they manage their own keys and members, and are paid for from
    # the parent's pool.
    policy = Policy(credit_modes=[CreditMode.MANUAL, CreditMode.RESELLING])
    limits = [
        limit("depth", count("depth"), level),
        limit("members", left_at(level, count("members"), ppm), level),
        limit("subaccounts", left_at(level, count("subaccounts"), ppm), level),
    ]
    return LimitsAnswer(limits, policy)


def left_at(level: int, count: int, ppm: int) -> int:
    """What is left of a count at a level; a part of one does not count."""
    if count < 0 or not 0 <= ppm <= money.UNIT:
        raise Refusal("configuration", "A count or `per_level_ppm` is out of range.")
    for _ in range(min(level, 64)):
        count = money.mul_div(count, ppm, money.UNIT, money.Rounding.DOWN)
    return count


def limit(name: str, most: int, level: int) -> ResourceLimit:
    return ResourceLimit(name, most, f"The plan allows {most} {name} at level {level}.")
