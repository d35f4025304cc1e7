"""For the component that `canopy rules build` makes: the rule's function as the contract's export.

It can be imported only inside the component, where the modules of the contract are.
"""

import rule
import wit_world.exports
from componentize_py_types import Err
from wit_world.exports import limits_rule as contract
from wit_world.imports import log as contract_log

from .errors import Refusal
from .limits import (
    AccountFacts,
    AccountKind,
    CreditMode,
    LimitsAnswer,
    LimitsInput,
    Policy,
    ResourceCount,
)
from .log import log, log_to

_ERRORS = {
    "configuration": contract.RuleError_Configuration,
    "unsupported": contract.RuleError_Unsupported,
    "failed": contract.RuleError_Failed,
}


def _input(given: contract.LimitsInput) -> LimitsInput:
    facts = given.account
    mode = None if facts.credit_mode is None else CreditMode(facts.credit_mode.value)
    account = AccountFacts(facts.path, AccountKind(facts.kind.value), facts.level, mode)
    counts = [ResourceCount(count.name, count.used) for count in given.counts]
    return LimitsInput(given.plan, account, counts, given.configuration)


def _policy(policy: Policy) -> contract.Policy:
    return contract.Policy(
        keys=contract.KeyPolicy(policy.keys.value),
        members=contract.MemberPolicy(policy.members.value),
        starter_credits=contract.StarterCredits(policy.starter_credits.count, policy.starter_credits.credit_value),
        credit_modes=[contract.CreditMode(mode.value) for mode in policy.credit_modes],
        shared_resources=list(policy.shared_resources),
        allow_below_cost=policy.allow_below_cost,
    )


def _answer(answer: LimitsAnswer) -> contract.LimitsAnswer:
    limits = [contract.ResourceLimit(limit.name, limit.max, limit.reason) for limit in answer.limits]
    return contract.LimitsAnswer(limits, _policy(answer.policy))


class LimitsRule(wit_world.exports.LimitsRule):
    """A refusal becomes the contract's error; anything else is logged and crashes."""

    def evaluate(self, input: contract.LimitsInput) -> contract.LimitsAnswer:
        log_to(contract_log.write)
        try:
            return _answer(rule.evaluate(_input(input)))
        except Refusal as refusal:
            raise Err(_ERRORS[refusal.kind](refusal.message)) from None
        except Exception as error:
            log(f"{type(error).__name__}: {error}")
            raise
